"""S3 when things go wrong: damaged bytes, lost answers, versions, stores that check nothing, refusals."""

from __future__ import annotations

import random

import pytest

from airflow_provider_kaltura.transfer.checksum import checksum_of
from airflow_provider_kaltura.transfer.errors import (
    ChecksumMismatchError,
    SinkError,
    SizeMismatchError,
    TargetExistsError,
)
from airflow_provider_kaltura.transfer.s3_sink import S3Sink
from tests.servers.flip_proxy import FlipProxy
from tests.stores.s3_answers import answer, assert_nothing
from tests.unit.transfer.sink_contract import begin, data_of, put_parts, upload_whole

MARKER = b"<the bytes after this are damaged on their way>"
SMALL = random.Random(3).randbytes(1000) + MARKER + bytes(1000)


@pytest.fixture(scope="module")
def bucket(seaweed):
    """A bucket for this module."""
    return seaweed.make_bucket()


@pytest.fixture
def proxy(seaweed):
    """A proxy before the server."""
    with FlipProxy(seaweed.port) as running:
        yield running


@pytest.fixture
def client(seaweed, proxy):
    """A client through the proxy, which repeats requests at once."""
    checks = {"request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"}
    client = seaweed.client(
        endpoint=proxy.url, max_pool_connections=8, retries={"mode": "standard", "total_max_attempts": 2}, **checks
    )
    yield client
    client.close()


@pytest.fixture
def sink(client, bucket, request):
    """An empty place in the bucket, through the proxy."""
    return S3Sink(client, bucket, f"{request.node.name}/")


class TestDamagedBytes:
    """One bit is flipped between us and the store."""

    def test_of_a_single_put(self, sink, proxy):
        """The store refuses the object, nothing stands there, and the next try succeeds."""
        fault = proxy.flip(MARKER, 10)
        upload = sink.begin("a", size_bytes=len(SMALL), part_bytes=len(SMALL))
        upload.put_part(0, SMALL)
        with pytest.raises(ChecksumMismatchError, match="changed on their way"):
            upload.commit()
        assert fault.happened
        upload.discard()
        assert_nothing(sink)
        assert upload_whole(sink, "a", SMALL).size_bytes == len(SMALL)

    def test_of_a_small_object(self, sink, proxy):
        """State and manifest are checked as well."""
        proxy.flip(MARKER, 10)
        with pytest.raises(ChecksumMismatchError):
            sink.store.write("a", SMALL)
        assert_nothing(sink)

    def test_of_a_part(self, sink, proxy):
        """The store refuses the part; it can be put again, and the object is right."""
        upload = begin(sink)
        data = data_of(sink)
        fault = proxy.flip(data[1000:1040], 3_000_000)
        with pytest.raises(ChecksumMismatchError):
            put_parts(sink, upload, [0])
        assert fault.happened
        assert upload.done_parts() == frozenset()
        put_parts(sink, upload, range(4))
        assert upload.commit(checksum=checksum_of(data)).checksum == checksum_of(data)
        assert sink.store.read("dir/object.bin") == data

    def test_where_the_body_is_not_signed(self, sink, proxy, client):
        """Over TLS the signature leaves the body out: then the CRC is what finds it."""

        def leave_out(request, **_):
            request.headers["x-amz-content-sha256"] = "UNSIGNED-PAYLOAD"

        client.meta.events.register("before-sign.s3", leave_out)
        fault = proxy.flip(MARKER, 10)
        with pytest.raises(ChecksumMismatchError, match="BadDigest"):
            sink.store.write("a", SMALL)
        assert fault.happened
        assert_nothing(sink)


class TestLostAnswers:
    """The store did its work, and nobody heard of it."""

    @pytest.mark.parametrize("if_absent", [False, True])
    @pytest.mark.parametrize("attempts", [1, 2])
    def test_of_complete(self, seaweed, proxy, bucket, if_absent, attempts):
        """What stands is recognised as ours, whether the client repeats the request or gives up."""
        client = seaweed.client(endpoint=proxy.url, retries={"mode": "standard", "total_max_attempts": attempts})
        sink = S3Sink(client, bucket, f"lost-{if_absent}-{attempts}/")
        upload = begin(sink)
        put_parts(sink, upload, range(4))
        proxy.lose_answer(b"<CompleteMultipartUpload")
        stat = upload.commit(if_absent=if_absent, checksum=checksum_of(data_of(sink)))
        assert proxy.lost_answers == 1
        assert stat == sink.store.stat("dir/object.bin")
        assert sink.store.read("dir/object.bin") == data_of(sink)
        upload.discard()
        assert list(sink.leftovers()) == []

    @pytest.mark.parametrize("if_absent", [False, True])
    @pytest.mark.parametrize("attempts", [1, 2])
    def test_of_a_single_put(self, seaweed, proxy, bucket, if_absent, attempts):
        """The same for one request."""
        client = seaweed.client(endpoint=proxy.url, retries={"mode": "standard", "total_max_attempts": attempts})
        sink = S3Sink(client, bucket, f"put-{if_absent}-{attempts}/")
        proxy.lose_answer(MARKER)
        stat = upload_whole(sink, "a", SMALL, if_absent=if_absent)
        assert proxy.lost_answers == 1
        assert stat == sink.store.stat("a")

    def test_of_a_compare_and_swap(self, sink, proxy):
        """A write that was carried out is never told as refused."""
        first = sink.store.write("state", b"1")
        proxy.lose_answer(MARKER)
        second = sink.store.write("state", SMALL, if_version=first.version_tag)
        assert proxy.lost_answers == 1
        assert sink.store.stat("state") == second

    def test_when_another_object_stands(self, seaweed, proxy, bucket):
        """An object of somebody else is never taken for ours."""
        client = seaweed.client(endpoint=proxy.url, retries={"mode": "standard", "total_max_attempts": 2})
        sink = S3Sink(client, bucket, "others/")
        sink.store.write("a", SMALL)
        client.meta.events.register("needs-retry.s3.PutObject", lambda attempts, **_: 0 if attempts == 1 else None)
        with pytest.raises(TargetExistsError):
            upload_whole(sink, "a", SMALL, if_absent=True)

    def test_of_begin_leaves_a_listed_upload(self, sink, client, proxy):
        """An upload that was begun without our knowing is listed, and can be removed."""
        client.meta.events.register("needs-retry.s3.CreateMultipartUpload", lambda **_: None)
        proxy.lose_answer(b"?uploads")
        begin(sink).discard()
        (left,) = sink.leftovers()
        assert (left.key, left.kind, left.is_marked) == ("dir/object.bin", "multipart upload", False)
        sink.remove_leftover(left)
        assert_nothing(sink)


class TestWrongObjects:
    """The store says that it has something else than what we sent."""

    @pytest.mark.parametrize("size", ["small", "large"])
    def test_a_wrong_length_is_removed(self, sink, client, size):
        """What has another length doesn't stay under its final name."""
        upload = begin(sink, "a", *((SMALL, len(SMALL)) if size == "small" else ()))
        put_parts(sink, upload, *(([0], SMALL) if size == "small" else (range(4),)))
        client.meta.events.register("after-call.s3.HeadObject", _longer, unique_id="longer")
        with pytest.raises(SizeMismatchError):
            upload.commit()
        client.meta.events.unregister("after-call.s3.HeadObject", unique_id="longer")
        upload.discard()
        assert_nothing(sink)

    def test_a_wrong_checksum_of_the_whole_is_removed(self, sink, client):
        """Likewise another checksum, in the store's own record."""
        client.meta.events.register("after-call.s3.HeadObject", _other_crc, unique_id="crc")
        with pytest.raises(ChecksumMismatchError):
            upload_whole(sink, "a")
        client.meta.events.unregister("after-call.s3.HeadObject", unique_id="crc")
        assert sink.store.stat("a") is None

    def test_what_another_writer_has_put_there_meanwhile_stays(self, sink, client, seaweed):
        """Who was replaced at once is told so, and takes nothing away."""
        other, done = S3Sink(seaweed.client(), sink._place.bucket, sink._place.prefix), []

        def replace(**_):
            if not done:
                done.append(other.store.write("a", b"another writer's"))

        client.meta.events.register("before-call.s3.HeadObject", replace)
        with pytest.raises(SinkError, match="another writer"):
            upload_whole(sink, "a")
        assert sink.store.read("a") == b"another writer's"


def _longer(parsed, **_):
    if "ContentLength" in parsed:
        parsed["ContentLength"] += 1


def _other_crc(parsed, **_):
    if "ContentLength" in parsed:
        parsed["ChecksumCRC64NVME"] = "AAAAAAAAAAA="


class TestStoresThatKnowNoCrc:
    """Stubs of what older stores do."""

    @pytest.fixture
    def sent(self, client):
        """Take the checksum out of every answer, and keep what was sent."""
        found = []

        def forget(parsed, **_):
            for name in ("ChecksumCRC64NVME", "ChecksumType"):
                parsed.pop(name, None)

        client.meta.events.register("after-call.s3", forget)
        client.meta.events.register(
            "before-call.s3", lambda model, params, **_: found.append((model.name, params["headers"]))
        )
        return found

    def test_get_content_md5_instead(self, sink, sent):
        """From the first part on, every part has an MD5 that the store checks."""
        upload_whole(sink, "a")
        upload_whole(sink, "b", SMALL)
        assert sink.store.read("a") == data_of(sink)
        checked = [headers for name, headers in sent if name in {"UploadPart", "PutObject"}]
        assert len(checked) == 5
        assert all("Content-MD5" in headers for headers in checked)
        assert sink.store.stat("a").checksum is None

    def test_a_store_that_forgets_to_check_gets_the_bytes_again(self, sink, client, request):
        """A store known to check that once doesn't gets them with MD5, under the same condition."""
        upload_whole(sink, "a", b"1")
        assert sink._checks.checks_crc is True
        sent = request.getfixturevalue("sent")
        stat = upload_whole(sink, "b", SMALL, if_absent=True)
        puts = [headers for name, headers in sent if name == "PutObject"]
        assert ["Content-MD5" in headers for headers in puts] == [False, True]
        assert puts[1]["If-Match"] == f'"{stat.version_tag}"'

    def test_may_refuse_to_hear_of_it(self, sink, client, sent):
        """An upload that is refused for its algorithm is begun without, and so are those after it."""
        refused = []

        def refuse(params, **_):
            if "x-amz-checksum-algorithm" in params["headers"]:
                refused.append(params)
                return answer("InvalidRequest", 400)
            return None

        client.meta.events.register("before-call.s3.CreateMultipartUpload", refuse)
        upload_whole(sink, "a")
        upload_whole(sink, "b")
        assert sink.store.read("b") == data_of(sink)
        begun = ["x-amz-checksum-algorithm" in headers for name, headers in sent if name == "CreateMultipartUpload"]
        assert (len(refused), begun) == (1, [False, False])
        assert not any("x-amz-checksum-crc64nvme" in headers for name, headers in sent if name == "UploadPart")


def test_a_bucket_with_versions_keeps_no_wrong_one(seaweed):
    """A refused and a removed object leave no version, a replaced one leaves its own."""
    bucket = seaweed.make_bucket(versioned=True)
    client = seaweed.client()
    sink = S3Sink(client, bucket)
    client.meta.events.register("after-call.s3.HeadObject", _longer, unique_id="longer")
    with pytest.raises(SizeMismatchError):
        upload_whole(sink, "a")
    client.meta.events.unregister("after-call.s3.HeadObject", unique_id="longer")
    found = client.list_object_versions(Bucket=bucket)
    assert found.get("Versions", []) == []
    assert found.get("DeleteMarkers", []) == []
    upload_whole(sink, "a")
    upload_whole(sink, "a", b"newer")
    assert sink.store.read("a") == b"newer"
    versions = client.list_object_versions(Bucket=bucket)["Versions"]
    assert sorted(one["Size"] for one in versions) == [5, len(data_of(sink))]
    assert list(sink.leftovers()) == []
