"""What is special about uploads to Google Cloud Storage: wrong bytes, lost answers, trees, metadata."""

from __future__ import annotations

import logging
import random
import tracemalloc

import pytest

from airflow_provider_kaltura.transfer.checksum import checksum_of, crc64nvme
from airflow_provider_kaltura.transfer.errors import (
    ChecksumMismatchError,
    SinkError,
    TargetExistsError,
)
from airflow_provider_kaltura.transfer.gcs_upload import GcsUpload
from airflow_provider_kaltura.transfer.options import StoreOptions
from airflow_provider_kaltura.transfer.protocols import ObjectAttributes
from tests.servers.flip_proxy import FlipProxy
from tests.stores.test_gcs import sink_of

DATA = random.Random(11).randbytes(5_000)
MARK = DATA[100:140]


@pytest.fixture
def proxy(gcs_emulator):
    """A way to the emulator on which things go wrong."""
    with FlipProxy(gcs_emulator.port) as running:
        yield running


@pytest.fixture
def sink(gcs_emulator, gcs_bucket, proxy):
    """A sink behind the proxy."""
    return sink_of(gcs_emulator, gcs_bucket, "lake/", proxy.url)


def begin(sink, data=DATA, part=1_000, **more):
    """Begin an upload."""
    return sink.begin("a/film.mp4", size_bytes=len(data), part_bytes=part, **more)


def put_all(upload, data=DATA, part=1_000):
    """Put every part."""
    for index, start in enumerate(range(0, len(data), part)):
        upload.put_part(index, memoryview(data)[start : start + part])
    return upload


def names(emulator, bucket):
    """Give the names of all that stands in the bucket."""
    return sorted(one["name"] for one in emulator.objects(bucket))


class TestWrongBytes:
    """A bit is flipped between us and the service."""

    @pytest.mark.parametrize("part", [1_000, 5_000], ids=["part", "single put"])
    def test_the_service_refuses_them(self, sink, proxy, gcs_emulator, gcs_bucket, part):
        """Nothing is written, and the error says what happened; the same bytes without the flip are taken."""
        upload = begin(sink, part=part)
        fault = proxy.flip(MARK, 20)
        with pytest.raises(ChecksumMismatchError, match="changed on the way"):
            put_all(upload, part=part).commit()
        assert fault.happened
        assert not [name for name in names(gcs_emulator, gcs_bucket) if ".flag." not in name]
        put_all(upload, part=part).commit(checksum=checksum_of(DATA))
        assert sink.store.read("a/film.mp4") == DATA

    def test_a_small_object_is_protected_too(self, sink, proxy, gcs_emulator, gcs_bucket):
        """Manifests and state are refused as media are."""
        proxy.flip(MARK, 20)
        with pytest.raises(ChecksumMismatchError):
            sink.store.write("manifest.jsonl", DATA)
        assert names(gcs_emulator, gcs_bucket) == []

    def test_what_the_service_has_is_compared_with_what_was_sent(self, sink, monkeypatch, gcs_emulator, gcs_bucket):
        """An object of another checksum is removed, just in this generation, though the service took it."""
        compose = sink.client.compose

        def swap(description, sources, params, **more):
            return compose(description, [sources[1], sources[0], *sources[2:]], params, **more)

        monkeypatch.setattr(sink.client, "compose", swap)
        upload = put_all(begin(sink))
        gcs_emulator.requests()
        with pytest.raises(ChecksumMismatchError):
            upload.commit()
        deleted = [one for one in gcs_emulator.requests() if one["method"] == "DELETE"]
        assert [one["path"].endswith("film.mp4") for one in deleted] == [True]
        assert deleted[0]["query"]["generation"]
        upload.discard()
        assert names(gcs_emulator, gcs_bucket) == []


class TestLostAnswers:
    """The service does what it was asked to, and nobody hears of it."""

    @pytest.mark.parametrize("if_absent", [False, True])
    @pytest.mark.parametrize("part", [1_000, 5_000], ids=["compose", "single put"])
    def test_a_commit_finds_its_own_object(self, sink, proxy, gcs_emulator, gcs_bucket, part, if_absent):
        """It is neither written twice nor taken for somebody else's."""
        upload = begin(sink, part=part)
        if part == 1_000:
            put_all(upload)
            fault = proxy.lose_answer(b"film.mp4/compose")
        else:
            put_all(upload, part=part)
            fault = proxy.lose_answer(b"name=lake%2Fa%2Ffilm.mp4")
        gcs_emulator.requests()
        stat = upload.commit(if_absent=if_absent, checksum=checksum_of(DATA))
        assert fault.happened
        written = [one for one in gcs_emulator.requests() if one["method"] == "POST"]
        assert len(written) == 1
        assert stat == sink.store.stat("a/film.mp4")
        assert names(gcs_emulator, gcs_bucket) == ["lake/a/film.mp4"]

    def test_somebody_elses_object_is_not_taken_for_ours(self, sink, proxy):
        """After a lost answer, and with if_absent, what another writer wrote stays and is told."""
        upload = put_all(begin(sink, part=5_000), part=5_000)
        sink.store.write("a/film.mp4", b"another's")
        proxy.lose_answer(b"name=lake%2Fa%2Ffilm.mp4")
        with pytest.raises(TargetExistsError):
            upload.commit(if_absent=True)
        assert sink.store.read("a/film.mp4") == b"another's"

    def test_a_part_is_sent_again_and_counted_once(self, sink, proxy, gcs_emulator, gcs_bucket):
        """The second sending finds the first and takes it."""
        upload = begin(sink)
        fault = proxy.lose_answer(MARK)
        put_all(upload)
        assert fault.happened
        assert len([name for name in names(gcs_emulator, gcs_bucket) if ".p0" in name]) == 5
        upload.commit(checksum=checksum_of(DATA))
        assert sink.store.read("a/film.mp4") == DATA

    @pytest.mark.parametrize("condition", ["if_absent", "if_version"])
    def test_a_conditional_write_finds_its_own_object(self, sink, proxy, condition):
        """A pointer that was written is not reported as refused."""
        given = {"if_absent": True}
        if condition == "if_version":
            given = {"if_version": sink.store.write("pointer", b"old").version_tag}
        fault = proxy.lose_answer(MARK)
        stat = sink.store.write("pointer", DATA, **given)
        assert fault.happened
        assert stat == sink.store.stat("pointer")

    def test_whoever_goes_on_finds_its_own_flag(self, sink, proxy):
        """The take-over itself survives a lost answer."""
        first = begin(sink)
        fault = proxy.lose_answer(b".flag.kaltura-partial&ifGenerationMatch")
        second = begin(sink, state=first.state())
        assert fault.happened
        put_all(second).commit()
        assert sink.store.read("a/film.mp4") == DATA


class TestTrees:
    """Objects of more parts than one request composes."""

    @pytest.mark.parametrize(("count", "composes"), [(32, 1), (33, 2), (65, 3), (1_025, 34)])
    def test_parts_are_joined_in_order(self, gcs_emulator, gcs_bucket, count, composes):
        """One level, two, three: every byte is in its place, and no intermediate object is left."""
        sink = sink_of(gcs_emulator, gcs_bucket)
        data = random.Random(count).randbytes(count * 3 - 1)
        upload = put_all(begin(sink, data, part=3), data, part=3)
        gcs_emulator.requests()
        stat = upload.commit(checksum=checksum_of(data), if_absent=True)
        assert stat.size_bytes == len(data)
        asked = [one for one in gcs_emulator.requests() if one["path"].endswith("/compose")]
        assert len(asked) == composes
        assert all(one["query"]["ifGenerationMatch"] == ["0"] for one in asked)
        assert all(len(one["body"]["sourceObjects"]) <= 32 for one in asked)
        conditions = [source["objectPreconditions"] for one in asked for source in one["body"]["sourceObjects"]]
        assert all(int(one["ifGenerationMatch"]) > 0 for one in conditions)
        assert sink.store.read("a/film.mp4") == data
        assert names(gcs_emulator, gcs_bucket) == ["a/film.mp4"]

    def test_many_parts_are_found_again(self, gcs_emulator, gcs_bucket):
        """A listing of several pages gives them all."""
        sink = sink_of(gcs_emulator, gcs_bucket)
        data = random.Random(1).randbytes(1_203)
        first = put_all(begin(sink, data, part=1), data, part=1)
        second = begin(sink, data, part=1, state=first.state())
        assert second.part_checksums() == {index: crc64nvme(data[index : index + 1]) for index in range(1_203)}
        second.discard()
        assert names(gcs_emulator, gcs_bucket) == []


class TestWhatIsKept:
    """Metadata and options."""

    @pytest.mark.parametrize("part", [1_000, 5_000], ids=["compose", "single put"])
    def test_everything_is_sent_with_the_object(self, sink, gcs_emulator, part):
        """Type, disposition, class and metadata stand with the object; key and ACL are in the request."""
        options = StoreOptions(
            storage_class="NEARLINE",
            kms_key="projects/p/locations/l/keyRings/r/cryptoKeys/k",
            acl="projectPrivate",
            metadata={"course": "Übung"},
        )
        attributes = options.apply(
            ObjectAttributes(content_type="video/mp4", content_disposition="inline", metadata={"kaltura-entry": "1"})
        )
        gcs_emulator.requests()
        upload = put_all(begin(sink, part=part, attributes=attributes), part=part)
        stat = upload.commit(metadata={"kaltura-checksum": checksum_of(DATA)})
        kept = dict(stat.metadata)
        assert kept.pop("kaltura-upload")
        assert kept == {"course": "Übung", "kaltura-entry": "1", "kaltura-checksum": checksum_of(DATA)}
        found = sink.client.get("lake/a/film.mp4")
        wanted = ("video/mp4", "inline", "NEARLINE")
        assert (found["contentType"], found["contentDisposition"], found["storageClass"]) == wanted
        asked = [one for one in gcs_emulator.requests() if one["method"] == "POST"]
        # The emulator knows neither keys nor predefined ACLs: the requests that carry them are looked at.
        assert all(one["query"]["kmsKeyName"] == [options.kms_key] for one in asked)
        (final,) = (one for one in asked if "film.mp4" in one["path"] + str(one["query"].get("name")))
        acl = "destinationPredefinedAcl" if part == 1_000 else "predefinedAcl"
        assert final["query"][acl] == ["projectPrivate"]

    def test_temporary_objects_have_the_class_of_the_final_one(self, sink, gcs_emulator, gcs_bucket):
        """The service composes within one class."""
        attributes = StoreOptions(storage_class="COLDLINE").apply(ObjectAttributes())
        upload = put_all(begin(sink, attributes=attributes))
        assert {one["storageClass"] for one in gcs_emulator.objects(gcs_bucket)} == {"COLDLINE"}
        upload.discard()


class TestTidying:
    """What stays when the deleting goes wrong."""

    def test_a_commit_outlives_what_it_cannot_delete(self, sink, monkeypatch, caplog):
        """The object stands; the rest is told, and left to the clean-up, which removes it."""
        upload = put_all(begin(sink))

        def refuse(*_):
            raise SinkError("no right to delete")

        with monkeypatch.context() as patched, caplog.at_level(logging.WARNING):
            patched.setattr(sink.client, "delete", refuse)
            assert upload.commit().size_bytes == len(DATA)
        assert "left to the clean-up" in caplog.text
        found = list(sink.leftovers())
        assert {one.kind for one in found} == {"temporary"}
        assert len(found) == 6
        for one in found:
            sink.remove_leftover(one)
        assert [*sink.leftovers()] == []
        assert sink.store.read("a/film.mp4") == DATA

    def test_leftovers_tell_what_they_are_for(self, sink):
        """Their key is the final one, they hold what recorded state names, and are as old as the youngest."""
        upload = put_all(begin(sink))
        other = sink.begin("b", size_bytes=2, part_bytes=1, attributes=ObjectAttributes())
        found = list(sink.leftovers())
        assert sorted(one.key for one in found) == ["a/film.mp4"] * 6 + ["b"]
        own = [one for one in found if upload.state()["upload"] in one.handle]
        assert len(own) == 6
        assert len({one.touched_at_epoch for one in own}) == 1
        assert sum(one.size_bytes for one in own) == len(DATA)
        other.discard()
        upload.discard()

    def test_a_leftover_written_again_is_not_removed(self, sink):
        """What somebody has gone on with between listing and removing stays theirs."""
        first = begin(sink)
        (listed,) = sink.leftovers()
        second = begin(sink, state=first.state())
        sink.remove_leftover(listed)
        put_all(second).commit()
        assert sink.store.read("a/film.mp4") == DATA


def test_a_part_is_not_copied(sink):
    """Putting a part of 8 MiB needs no memory of that size."""
    data = bytes(8 * 1024 * 1024)
    upload = sink.begin("big", size_bytes=2 * len(data), part_bytes=len(data))
    assert isinstance(upload, GcsUpload)
    upload.put_part(0, data)
    tracemalloc.start()
    try:
        upload.put_part(1, memoryview(data))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    upload.discard()
    assert peak < 1024 * 1024
