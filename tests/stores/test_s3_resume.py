"""S3: going on with what an earlier try has put, and lists of any length."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from airflow_provider_kaltura.transfer.errors import UploadStateError, UploadTakenError
from airflow_provider_kaltura.transfer.s3_sink import S3Sink
from tests.stores.s3_answers import answer, assert_nothing
from tests.unit.transfer.sink_contract import begin, put_parts

SMALL = b"a small object"


@pytest.fixture(scope="module")
def bucket(seaweed):
    """A bucket for this module."""
    return seaweed.make_bucket()


@pytest.fixture
def client(seaweed):
    """A client with all rights."""
    checks = {"request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"}
    client = seaweed.client(**checks)
    yield client
    client.close()


@pytest.fixture
def sink(client, bucket, request):
    """An empty place in the bucket."""
    return S3Sink(client, bucket, f"{request.node.name}/")


class TestGoingOn:
    """The store's own list is the truth."""

    def test_a_part_whose_checksum_nobody_knows_is_fetched_again(self, sink):
        """SeaweedFS lists no checksums: without a recorded one, or for another ETag, a part is not taken over."""
        upload = begin(sink)
        put_parts(sink, upload, [0, 1, 2])
        state = upload.state()
        assert not sink.capabilities.lists_parts
        del state["parts"]["0"]
        state["parts"]["1"][0] = '"another"'
        assert begin(sink, state=state).done_parts() == {2}
        upload.discard()

    def test_where_the_store_lists_checksums_none_are_recorded(self, sink, client):
        """As at AWS."""
        crcs = {}
        client.meta.events.register(
            "before-call.s3.UploadPart",
            lambda params, **_: crcs.update({params["query_string"]["partNumber"]: params["headers"]}),
        )

        def listed(parsed, **_):
            for part in parsed.get("Parts", ()):
                part["ChecksumCRC64NVME"] = crcs[part["PartNumber"]]["x-amz-checksum-crc64nvme"]

        client.meta.events.register("after-call.s3.ListParts", listed)
        upload = begin(sink)
        put_parts(sink, upload, [0, 2])
        assert upload.state()["parts"] == {}
        assert sink.capabilities.lists_parts
        again = begin(sink, state=json.loads(json.dumps(upload.state())))
        assert dict(again.part_checksums()) == dict(upload.part_checksums())
        again.discard()

    def test_a_part_that_somebody_else_has_put_is_not_taken_over(self, sink, client):
        """Neither another length, nor one of two that the store lists under one number."""
        upload = begin(sink)
        put_parts(sink, upload, [0, 1])
        state = upload.state()
        client.upload_part(
            Bucket=sink._place.bucket,
            Key=sink._place.full("dir/object.bin"),
            UploadId=state["upload_id"],
            PartNumber=2,
            Body=b"short",
        )
        client.upload_part(
            Bucket=sink._place.bucket,
            Key=sink._place.full("dir/object.bin"),
            UploadId=state["upload_id"],
            PartNumber=3,
            Body=b"short",
        )
        assert begin(sink, state=state).done_parts() == {0}
        upload.discard()

    def test_without_the_right_to_list_parts_everything_but_going_on_works(self, sink, client):
        """A part that is stored is not called failed; recorded state that nobody can check is not used."""
        client.meta.events.register("before-call.s3.ListParts", lambda **_: answer("AccessDenied", 403), unique_id="no")
        upload = begin(sink)
        put_parts(sink, upload, range(3))
        with pytest.raises(UploadStateError, match="ListMultipartUploadParts"):
            begin(sink, state=upload.state())
        upload.discard()
        client.meta.events.unregister("before-call.s3.ListParts", unique_id="no")
        assert_nothing(sink)

    def test_a_broken_look_at_the_list_costs_no_part(self, sink, client):
        """What a store lists is asked for again with the next part."""
        client.meta.events.register("before-call.s3.ListParts", lambda **_: answer("SlowDown", 503), unique_id="no")
        upload = begin(sink)
        put_parts(sink, upload, [0])
        client.meta.events.unregister("before-call.s3.ListParts", unique_id="no")
        assert sink._checks.lists_crc is None
        put_parts(sink, upload, [1])
        assert sink._checks.lists_crc is False
        assert upload.done_parts() == {0, 1}
        upload.discard()

    def test_long_lists_come_in_pages(self, sink, client):
        """Parts and objects are all found, however few a page holds."""
        client.meta.events.register("provide-client-params.s3.ListParts", lambda params, **_: {**params, "MaxParts": 1})
        client.meta.events.register(
            "provide-client-params.s3.ListObjectsV2", lambda params, **_: {**params, "MaxKeys": 2}
        )
        uploads = [begin(sink, key) for key in ("d/Ü+1 %", "d/Ü 2", "d/Ü 2")]
        put_parts(sink, uploads[1], [0, 1, 3])
        assert begin(sink, "d/Ü 2", state=uploads[1].state()).done_parts() == {0, 1, 3}
        assert sorted(left.key for left in sink.leftovers()) == ["d/Ü 2", "d/Ü 2", "d/Ü+1 %"]
        for upload in uploads:
            upload.discard()
        names = sorted(f"{folder}{number}" for folder in ("", "a/", "b") for number in range(5))
        for name in names:
            sink.store.write(name, b"x")
        assert [stat.key for stat in sink.store.list("")] == names
        assert list(sink.leftovers()) == []

    def test_a_store_that_lists_by_key_is_read_page_by_page(self, sink, client):
        """As at AWS: no request for each folder."""
        asked = []
        client.meta.events.register(
            "provide-client-params.s3.ListObjectsV2", lambda params, **_: {**params, "MaxKeys": 2}
        )
        client.meta.events.register("before-call.s3.ListObjectsV2", lambda params, **_: asked.append(params))
        client.meta.events.register(
            "after-call.s3.ListObjectsV2",
            lambda parsed, **_: parsed["ResponseMetadata"]["HTTPHeaders"].update(server="AmazonS3"),
        )
        names = [f"a/{number}" for number in range(5)]
        for name in names:
            sink.store.write(name, b"x")
        assert [stat.key for stat in sink.store.list("a")] == names
        assert len(asked) == 3

    @pytest.mark.parametrize("change", [{"upload_id": None}, {"parts": {"x": 1}}, {"parts": None}, {"token": 5}])
    def test_state_that_was_tampered_with_is_refused(self, sink, change):
        """Nothing is guessed."""
        upload = begin(sink)
        with pytest.raises(UploadStateError):
            begin(sink, state={**upload.state(), **change})
        upload.discard()

    def test_nothing_has_reached_the_store_before_a_single_put(self, sink):
        """The state of one says so, and is refused."""
        upload = sink.begin("a", size_bytes=len(SMALL), part_bytes=len(SMALL))
        with pytest.raises(UploadStateError):
            sink.begin("a", size_bytes=len(SMALL), part_bytes=len(SMALL), state=upload.state())

    def test_a_removed_upload_says_so(self, sink):
        """A part for an upload that a clean-up has removed is refused as one that is gone."""
        upload = begin(sink)
        for left in sink.leftovers():
            sink.remove_leftover(left)
        with pytest.raises(UploadTakenError):
            put_parts(sink, upload, [0])

    @pytest.mark.parametrize("names_markers", [True, False])
    def test_uploads_come_in_pages(self, sink, client, names_markers):
        """Whether the store names the place to go on at, as AWS does, or leaves it to the last one, as SeaweedFS."""
        begun, asked = datetime(2026, 1, 1, tzinfo=UTC), []
        pages = {None: ("d/Ü 1+", "id1"), "id1": ("d/Ü 1+", "id2"), "id2": ("d/z", "id3")}

        def give(params, **_):
            query = params["query_string"]
            asked.append((query.get("key-marker"), query.get("upload-id-marker")))
            key, upload_id = pages[query.get("upload-id-marker")]
            key = f"{sink._place.prefix}{key}"
            uploads = [{"Key": key, "UploadId": upload_id, "Initiated": begun}]
            found = {"Uploads": uploads, "IsTruncated": upload_id != "id3"}
            markers = {"NextKeyMarker": key, "NextUploadIdMarker": upload_id} if names_markers else {}
            return SimpleNamespace(status_code=200), {**found, **markers}

        client.meta.events.register("before-call.s3.ListMultipartUploads", give)
        found = list(sink.leftovers())
        prefix = sink._place.prefix
        assert [(left.key, left.handle) for left in found] == [("d/Ü 1+", "id1"), ("d/Ü 1+", "id2"), ("d/z", "id3")]
        assert {left.touched_at_epoch for left in found} == {begun.timestamp()}
        assert asked == [(None, None), (f"{prefix}d/Ü 1+", "id1"), (f"{prefix}d/Ü 1+", "id2")]
