"""Several tries of one upload to Google Cloud Storage, and commits that are refused."""

from __future__ import annotations

import pytest

from airflow_provider_kaltura.transfer.checksum import checksum_of, crc64nvme
from airflow_provider_kaltura.transfer.errors import (
    IncompleteUploadError,
    SinkError,
    SinkForbiddenError,
    UploadStateError,
    UploadTakenError,
)
from airflow_provider_kaltura.transfer.gcs_wire import Answer
from tests.stores.test_gcs import sink_of
from tests.stores.test_gcs_uploads import DATA, begin, names, put_all


@pytest.fixture
def sink(gcs_emulator, gcs_bucket):
    """A sink below a prefix."""
    return sink_of(gcs_emulator, gcs_bucket, "lake/")


class TestTwoTries:
    """An upload that somebody else goes on with."""

    def test_the_earlier_one_cannot_commit_while_the_later_one_works(self, sink):
        """Even with all parts there: the later one has the flag, and wins."""
        first = put_all(begin(sink))
        second = begin(sink, state=first.state())
        with pytest.raises(UploadTakenError):
            first.commit()
        assert sink.store.stat("a/film.mp4") is None
        assert second.done_parts() == frozenset(range(5))
        second.commit(checksum=checksum_of(DATA))
        assert sink.store.read("a/film.mp4") == DATA

    def test_the_earlier_ones_discard_takes_nothing_away(self, sink):
        """A task that is told to end late leaves the parts to the one who has taken over."""
        first = put_all(begin(sink))
        second = begin(sink, state=first.state())
        first.discard()
        second.commit(checksum=checksum_of(DATA))
        assert sink.store.read("a/film.mp4") == DATA

    def test_a_commit_held_up_between_look_and_compose_finds_nothing(self, sink, monkeypatch):
        """When the later one has finished meanwhile, its parts are gone, and what stands stays."""
        first = put_all(begin(sink))
        monkeypatch.setattr(first, "_require_flag", lambda: None)
        second = begin(sink, state=first.state())
        stat = second.commit()
        with pytest.raises(UploadTakenError):
            first.commit()
        assert sink.store.stat("a/film.mp4") == stat

    @pytest.mark.parametrize("if_absent", [False, True])
    def test_an_object_committed_before_a_kill_is_recognised(self, sink, monkeypatch, if_absent):
        """Killed between the compose and the deleting: the next try takes what stands, if_absent or not."""
        first = put_all(begin(sink))
        state = first.state()
        monkeypatch.setattr(first, "_tidy", lambda: None)
        stat = first.commit(if_absent=True)
        second = begin(sink, state=state)
        assert second.done_parts() == frozenset(range(5))
        again = second.commit(if_absent=if_absent, checksum=checksum_of(DATA))
        assert (again.size_bytes, again.version_tag == stat.version_tag) == (len(DATA), if_absent)
        assert [*sink.leftovers()] == []
        assert sink.store.read("a/film.mp4") == DATA

    @pytest.mark.parametrize("status", [404, 412])
    @pytest.mark.parametrize("count", [3, 40], ids=["compose", "tree"])
    def test_a_source_of_another_generation_is_another_try(self, sink, monkeypatch, status, count):
        """The service may word it as missing or as a condition that does not hold."""
        data = DATA[:count]
        upload = put_all(begin(sink, data, part=1), data, part=1)
        monkeypatch.setattr(sink.client, "compose", lambda *_, **__: Answer(status))
        with pytest.raises(UploadTakenError):
            upload.commit()
        assert sink.store.stat("a/film.mp4") is None

    def test_sources_of_a_tree_that_are_gone(self, gcs_emulator, gcs_bucket):
        """Whoever composes what somebody has removed is told so, at the first level too."""
        sink = sink_of(gcs_emulator, gcs_bucket)
        data = DATA[:40]
        upload = put_all(begin(sink, data, part=1), data, part=1)
        for one in sink.leftovers():
            if ".p00003-" in one.handle:
                sink.remove_leftover(one)
        with pytest.raises(UploadTakenError):
            upload.commit()
        upload.discard()
        assert names(gcs_emulator, gcs_bucket) == []

    def test_a_part_of_another_length_is_not_gone_on_with(self, sink, gcs_emulator, gcs_bucket):
        """What stands under a part's name is looked at: of another length it counts as missing."""
        first = begin(sink)
        first.put_part(0, DATA[:1_000])
        (part,) = (one for one in gcs_emulator.objects(gcs_bucket) if ".p0" in one["name"])
        wrong = {"name": part["name"], "contentType": "text/plain"}
        assert sink.client.insert(wrong, b"short", {}).is_good
        assert begin(sink, state=first.state()).done_parts() == frozenset()

    @pytest.mark.parametrize(
        "state", [{}, {"upload": "../x"}, {"upload": ".1.2.3"}, {"upload": None}, {"sink": "gcs", "single": True}]
    )
    def test_state_that_is_none_is_refused(self, sink, state):
        """Whatever stands in a file that says it is ours."""
        with pytest.raises(UploadStateError):
            begin(sink, state=state)

    def test_an_object_of_one_request_has_nothing_to_go_on_with(self, sink):
        """Its state says so, and it begins anew."""
        upload = put_all(begin(sink, part=5_000), part=5_000)
        with pytest.raises(UploadStateError):
            begin(sink, part=5_000, state=upload.state())


class TestSmallCases:
    """What else can be asked of an upload."""

    def test_an_object_of_one_request_tells_its_part(self, sink):
        """Before and after it is put."""
        upload = begin(sink, part=5_000)
        assert upload.done_parts() == frozenset()
        with pytest.raises(IncompleteUploadError):
            upload.put_part(1, DATA)
        put_all(upload, part=5_000)
        assert dict(upload.part_checksums()) == {0: crc64nvme(DATA)}
        upload.discard()
        with pytest.raises(IncompleteUploadError):
            upload.put_part(0, DATA)

    @pytest.mark.parametrize("part", [1_000, 5_000], ids=["compose", "single put"])
    @pytest.mark.parametrize(("status", "error"), [(0, SinkError), (503, SinkError), (403, SinkForbiddenError)])
    def test_a_commit_that_never_works_is_told(self, sink, monkeypatch, part, status, error):
        """It is tried five times where it may pass, once where it can't, and nothing stands there."""
        upload, asked = put_all(begin(sink, part=part), part=part), []

        def refuse(*_, **__):
            asked.append(status)
            return Answer(status)

        with monkeypatch.context() as patched:
            patched.setattr(sink.client, "compose", refuse)
            patched.setattr(sink.client, "insert", refuse)
            with pytest.raises(error):
                upload.commit()
        assert len(asked) == (1 if status == 403 else 5)
        assert sink.store.stat("a/film.mp4") is None
        upload.commit()
        assert sink.store.read("a/film.mp4") == DATA

    def test_two_who_go_on_at_once(self, sink, monkeypatch):
        """One of them gets the flag; the other is told, and takes nothing away."""
        first = put_all(begin(sink))
        seen = sink.client.get
        stale = {name: seen(name) for name in [first._flag]}
        second = begin(sink, state=first.state())
        looks = iter([stale[first._flag]])
        with monkeypatch.context() as patched:
            patched.setattr(sink.client, "get", lambda name: next(looks, None) or seen(name))
            with pytest.raises(UploadTakenError, match="at this moment"):
                begin(sink, state=first.state())
        second.commit(checksum=checksum_of(DATA))
        assert sink.store.read("a/film.mp4") == DATA

    def test_a_range_answered_with_everything_is_cut_here(self, sink, monkeypatch):
        """A cache that knows no ranges gives all of it."""
        monkeypatch.setattr(sink.client, "request", lambda *_, **__: Answer(200, content=b"0123456789"))
        assert sink.store.read("a", 2, 5) == b"234"
        assert sink.store.read("a", 2) == b"23456789"
