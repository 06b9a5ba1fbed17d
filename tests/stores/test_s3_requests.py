"""S3: what goes along with an object, what is refused before or after it is sent."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from airflow_provider_kaltura.transfer.checksum import crc64nvme
from airflow_provider_kaltura.transfer.errors import InvalidKeyError, SinkError, SinkForbiddenError
from airflow_provider_kaltura.transfer.options import StoreOptions
from airflow_provider_kaltura.transfer.protocols import ObjectAttributes
from airflow_provider_kaltura.transfer.s3_objects import TOKEN_METADATA, body_of, decode_text, encode_crc, encode_text
from airflow_provider_kaltura.transfer.s3_sink import S3Sink
from tests.stores.s3_answers import answer, assert_nothing
from tests.unit.transfer.sink_contract import begin, data_of

SMALL = random.Random(3).randbytes(2000)


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


@pytest.mark.parametrize("data", [SMALL, None], ids=["single", "multipart"])
def test_options_are_kept(sink, client, data):
    """What was asked for is in the object's description; texts in every script come back."""
    options = StoreOptions(
        storage_class="STANDARD_IA",
        content_type="video/mp4",
        content_disposition="attachment; filename*=UTF-8''%C3%9C.mp4",
        metadata={
            "Lehrende": "Prof. Ä. Öğretmen, 講義",
            "plain": "plain text",
            "looks": "=?UTF-8?B?eA==?=",
            "edge": " a ",
        },
        tags={"course": "Übung 1", "year": "2026"},
    )
    attributes = options.apply(ObjectAttributes(metadata={"kaltura-entry": "1_a"}))
    data = data_of(sink) if data is None else data
    part = sink.capabilities.least_part_bytes
    upload = sink.begin("a", size_bytes=len(data), part_bytes=part, attributes=attributes)
    for index in range(-(-len(data) // part)):
        upload.put_part(index, data[index * part : (index + 1) * part])
    stat = upload.commit(metadata={"kaltura-checksum": "crc64nvme:0"})
    kept = {"kaltura-checksum": "crc64nvme:0"} if data is SMALL else {}
    assert stat.metadata == {
        "lehrende": "Prof. Ä. Öğretmen, 講義",
        "plain": "plain text",
        "looks": "=?UTF-8?B?eA==?=",
        "edge": " a ",
        "kaltura-entry": "1_a",
        **kept,
    }
    assert TOKEN_METADATA not in stat.metadata
    found = client.head_object(Bucket=sink._place.bucket, Key=sink._place.full("a"))
    assert found["StorageClass"] == "STANDARD_IA"
    assert found["ContentType"] == "video/mp4"
    assert found["ContentDisposition"] == "attachment; filename*=UTF-8''%C3%9C.mp4"
    tags = client.get_object_tagging(Bucket=sink._place.bucket, Key=sink._place.full("a"))["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"course": "Übung 1", "year": "2026"}


@pytest.mark.parametrize(
    ("options", "headers"),
    [
        ({"sse": "aws:kms", "kms_key": "k1"}, {"server-side-encryption": "aws:kms", "aws-kms-key-id": "k1"}),
        ({"kms_key": "k1"}, {"server-side-encryption": "aws:kms", "aws-kms-key-id": "k1"}),
        ({"sse": "AES256"}, {"server-side-encryption": "AES256"}),
        ({"acl": "bucket-owner-full-control"}, {"acl": "bucket-owner-full-control"}),
    ],
    ids=str,
)
def test_what_this_server_has_no_room_for_is_asked_for(sink, client, options, headers):
    """Encryption keys and ACLs are in the requests that make an object, of both kinds."""
    sent = []

    def keep(params, **_):
        sent.append({name.lower(): value for name, value in params["headers"].items()})
        raise InterruptedError

    client.meta.events.register("before-call.s3", keep)
    attributes = StoreOptions(**options).apply(ObjectAttributes())
    with pytest.raises(InterruptedError):
        begin(sink, attributes=attributes)
    upload = sink.begin("a", size_bytes=1, part_bytes=1, attributes=attributes)
    upload.put_part(0, b"x")
    with pytest.raises(InterruptedError):
        upload.commit()
    for found in sent:
        short = {
            name.replace("x-amz-", "").replace("server-side-encryption-aws", "aws"): value
            for name, value in found.items()
        }
        assert headers.items() <= short.items()
    assert len(sent) == 2


@pytest.mark.parametrize(
    "attributes",
    [
        ObjectAttributes(metadata={"bad name": "x"}),
        ObjectAttributes(metadata={"größe": "x"}),
        ObjectAttributes(content_disposition='attachment; filename="лекция.mp4"'),
    ],
    ids=str,
)
@pytest.mark.parametrize("size", [10, 20 * 1024 * 1024])
def test_what_no_header_can_carry_is_told_before_the_first_byte(sink, attributes, size):
    """Nothing is begun."""
    with pytest.raises(InvalidKeyError):
        sink.begin("a", size_bytes=size, part_bytes=8 * 1024 * 1024, attributes=attributes)
    assert_nothing(sink)


def test_a_key_counts_with_its_root(client, bucket):
    """S3 takes 1,024 bytes for the whole name."""
    sink = S3Sink(client, bucket, "root/")
    sink.store.write("/".join(["a" * 100] * 10), b"x")
    with pytest.raises(InvalidKeyError, match="1024"):
        sink.store.write("/".join(["a" * 100] * 10) + "/12345678901", b"x")


class TestRefusals:
    """What is refused for good says so."""

    def test_credentials(self, seaweed, bucket):
        """Those that are wrong, or lack a right."""
        import boto3  # noqa: PLC0415 - only here

        def sink_of(key, secret):
            client = boto3.client(
                "s3",
                endpoint_url=seaweed.endpoint,
                aws_access_key_id=key,
                aws_secret_access_key=secret,
                region_name="us-east-1",
            )
            return S3Sink(client, bucket)

        for sink in (
            sink_of(seaweed.access_key, "wrong-secret"),
            sink_of("AKNOBODY", "wrong-secret"),
            sink_of(seaweed.reader_access_key, seaweed.reader_secret_key),
        ):
            for act in (lambda sink=sink: begin(sink), lambda sink=sink: sink.store.write("a", b"x")):
                with pytest.raises(SinkForbiddenError, match=f"bucket {bucket}") as caught:
                    act()
                assert "wrong-secret" not in repr(caught.value)
                assert not caught.value.retryable

    def test_noanswer(self, bucket):
        """A store that can't be reached may be reached later."""
        import boto3  # noqa: PLC0415 - only here
        from botocore.config import Config  # noqa: PLC0415 - only here

        client = boto3.client(
            "s3",
            endpoint_url="http://127.0.0.1:9",
            aws_access_key_id="AK",
            aws_secret_access_key="a-secret",
            region_name="us-east-1",
            config=Config(retries={"total_max_attempts": 1}),
        )
        with pytest.raises(SinkError, match=r"at 127\.0\.0\.1:9 \(EndpointConnectionError") as caught:
            S3Sink(client, bucket).store.stat("a")
        assert caught.value.retryable
        assert "a-secret" not in str(caught.value)

    @pytest.mark.parametrize(
        ("code", "status", "kind", "retryable"),
        [
            ("NoSuchBucket", 404, SinkForbiddenError, False),
            ("ExpiredToken", 400, SinkForbiddenError, False),
            ("InvalidBucketName", 400, SinkForbiddenError, False),
            ("PermanentRedirect", 301, SinkForbiddenError, False),
            ("SlowDown", 503, SinkError, True),
            ("Code with https://user:secret@host/", 400, SinkError, True),
        ],
    )
    def test_codes(self, sink, client, code, status, kind, retryable):
        """Each code is what it is; its message, which may hold anything, is not repeated."""
        client.meta.events.register("before-call.s3", lambda **_: answer(code, status))
        with pytest.raises(kind) as caught:
            sink.store.write("a", b"x")
        assert caught.value.retryable is retryable
        assert "secret" not in str(caught.value)

    def test_a_refused_storage_class_is_named(self, sink, client):
        """As it was asked for."""
        client.meta.events.register("before-call.s3", lambda **_: answer("InvalidStorageClass", 400))
        attributes = ObjectAttributes(options={"storage_class": "COLDEST"})
        upload = sink.begin("a", size_bytes=1, part_bytes=1, attributes=attributes)
        upload.put_part(0, b"x")
        with pytest.raises(SinkForbiddenError, match=r"does not take the storage class 'COLDEST' \(bucket .* at 127"):
            upload.commit()


@pytest.mark.parametrize("text", ["", "plain", "Übung", "=?UTF-8?B?eA==?=", " a", "a ", "🎬" * 200, "a\tb"])
def test_texts_survive_headers(text):
    """Every text comes back, and goes as ASCII that no header changes."""
    assert encode_text(text).isascii()
    assert encode_text(text) == encode_text(text).strip()
    assert decode_text(encode_text(text)) == text


def test_texts_that_others_have_encoded_badly_are_left_alone():
    """Reading fails for nobody's metadata."""
    for text in ("=?no-such-charset?B?eA==?=", "=?UTF-8?B?%%%?=", "=?UTF-8?Q?a?="):
        assert isinstance(decode_text(text), str)


def test_bodies_are_not_copied():
    """A buffer, or a piece of one, goes as a file over it that can be rewound."""
    whole = bytearray(b"0123456789")
    assert bytes(body_of(memoryview(whole)).read()) == bytes(whole)
    piece = body_of(memoryview(whole)[2:6])
    assert (len(piece), bytes(piece.read(3)), piece.tell(), bytes(piece.read())) == (4, b"234", 3, b"5")
    piece.seek(0)
    assert bytes(piece.read(-1)) == b"2345"
    assert piece.seek(0, 2) == 4
    assert bytes(piece.read()) == b""
    assert body_of(memoryview(whole)[:0]) == b""


def test_times_are_those_of_the_store(sink):
    """A description tells when the object was written."""
    stat = sink.store.write("a", b"x")
    assert abs(stat.modified_at_epoch - datetime.now(UTC).timestamp()) < 300


@pytest.mark.parametrize(("scheme", "signed"), [("http", True), ("https", False)])
def test_requests_with_bytes_cost_no_more_than_they_must(seaweed, scheme, signed):
    """No round trip before the bytes; and over TLS, where the CRC guards them, no SHA-256 of them."""
    client, sent = seaweed.client(endpoint=f"{scheme}://127.0.0.1:9"), []

    def keep(request, **_):
        sent.append(request.headers)
        raise InterruptedError

    client.meta.events.register("before-send.s3", keep)
    sink = S3Sink(client, "bucket")
    S3Sink(client, "another")
    upload = sink.begin("a", size_bytes=5, part_bytes=5)
    upload.put_part(0, b"12345")
    with pytest.raises(InterruptedError):
        upload.commit()
    (headers,) = sent
    assert "Expect" not in headers
    assert (headers["X-Amz-Content-SHA256"] != b"UNSIGNED-PAYLOAD") is signed
    assert headers["x-amz-checksum-crc64nvme"] == encode_crc(crc64nvme(b"12345")).encode()
    assert b"SignedHeaders" in headers["Authorization"]
