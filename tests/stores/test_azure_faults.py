from __future__ import annotations

import logging
import pickle
import random

import pytest
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import LinearRetry

from airflow_provider_kaltura.transfer import azure_upload
from airflow_provider_kaltura.transfer.azure_names import BlockId
from airflow_provider_kaltura.transfer.azure_sink import AzureSink
from airflow_provider_kaltura.transfer.checksum import checksum_of
from airflow_provider_kaltura.transfer.errors import (
    InvalidKeyError,
    SinkError,
    SinkForbiddenError,
    SizeMismatchError,
    TargetExistsError,
    UploadStateError,
    UploadTakenError,
)
from tests.servers.flip_proxy import FlipProxy
from tests.unit.transfer.sink_contract import DATA, PART, begin, put, upload_whole

KEY = "dir/object.bin"


@pytest.fixture
def proxy(azurite):
    """A proxy before the emulator."""
    with FlipProxy(azurite.port) as running:
        yield running


@pytest.fixture
def name(azurite):
    """An empty container."""
    return azurite.make_container()


@pytest.fixture
def sink(azurite, name):
    """A sink that reaches the emulator directly."""
    with azurite.service() as service:
        yield AzureSink(service.get_container_client(name))


@pytest.fixture
def by_proxy(azurite, name, proxy):
    """A sink behind the proxy, whose client makes no request twice."""
    with azurite.service(port=proxy.port) as service:
        yield AzureSink(service.get_container_client(name))


@pytest.fixture
def patient(azurite, name, proxy):
    """A sink behind the proxy, whose client makes requests again at once."""
    retry = LinearRetry(backoff=0, random_jitter_range=0, retry_total=3)
    with azurite.service(port=proxy.port, retry_policy=retry) as service:
        yield AzureSink(service.get_container_client(name))


def blocks_of(sink, key=KEY):
    """Names and sizes of the uncommitted blocks."""
    blob = sink._place.container.get_blob_client(key)
    return {block.id: block.size for block in blob.get_block_list("uncommitted")[1]}


def test_a_bit_flipped_in_a_block_is_refused(by_proxy, proxy):
    """The emulator compares Content-MD5; the part is not stored, and can be put again."""
    upload = begin(by_proxy)
    fault = proxy.flip(DATA[10:40], 500)
    with pytest.raises(SinkError, match="Azure refused: 400"):
        put(upload, [0])
    assert fault.happened
    assert upload.done_parts() == frozenset()
    put(upload, range(4))
    upload.commit(checksum=checksum_of(DATA))
    assert by_proxy.store.read(KEY) == DATA


def test_a_bit_flipped_in_a_single_put_is_refused(by_proxy, proxy):
    """Nothing appears, neither by the sink nor by the store beside it."""
    fault = proxy.flip(b"the bytes of", 3)
    with pytest.raises(SinkError, match="Azure refused: 400"):
        upload_whole(by_proxy, KEY, b"the bytes of a short object")
    again = proxy.flip(b"the rows of", 3)
    with pytest.raises(SinkError, match="Azure refused: 400"):
        by_proxy.store.write("manifest", b"the rows of a manifest")
    assert fault.happened
    assert again.happened
    assert list(by_proxy.store.list("")) == []


def test_a_bit_flipped_in_the_list_of_blocks_is_refused(by_proxy, proxy):
    """A list that names another block makes no object."""
    upload = begin(by_proxy)
    put(upload, range(4))
    fault = proxy.flip(b"<BlockList>", 40)
    with pytest.raises(SinkError):
        upload.commit()
    assert fault.happened
    assert by_proxy.store.stat(KEY) is None


@pytest.mark.parametrize("if_absent", [False, True])
@pytest.mark.parametrize("data", [DATA, b"short"], ids=["blocks", "single"])
@pytest.mark.parametrize("kind", ["by_proxy", "patient"])
def test_a_commit_whose_answer_was_lost_is_known_again(request, proxy, kind, data, if_absent):
    """The object that stands is told from that of others by its token, whether the client asks twice or not."""
    sink = request.getfixturevalue(kind)
    upload = begin(sink, data=data)
    if data == DATA:
        put(upload, range(4))
    else:
        upload.put_part(0, data)
    fault = proxy.lose_answer(b"comp=blocklist" if data == DATA else b"x-ms-blob-type")
    stat = upload.commit(if_absent=if_absent)
    assert fault.happened
    assert sink.store.stat(KEY) == stat
    assert sink.store.read(KEY) == data


def test_a_commit_that_was_lost_behind_anothers_is_refused(by_proxy, sink, proxy):
    """What another writer has put meanwhile is not taken for ours."""
    upload = begin(by_proxy, data=b"mine!")
    upload.put_part(0, b"mine!")
    upload_whole(sink, KEY, b"other")
    proxy.lose_answer(b"x-ms-blob-type")
    with pytest.raises(SinkError, match="Azure gave no answer"):
        upload.commit(if_absent=True)
    assert sink.store.read(KEY) == b"other"


@pytest.mark.parametrize("kind", ["by_proxy", "patient"])
def test_a_conditional_write_whose_answer_was_lost_is_known_again(request, proxy, kind):
    """Neither if_absent nor if_version is refused because of the write's own first request."""
    sink = request.getfixturevalue(kind)
    proxy.lose_answer(b"x-ms-blob-type")
    first = sink.store.write("pointer", b"1", if_absent=True)
    assert first == sink.store.stat("pointer")
    proxy.lose_answer(b"x-ms-blob-type")
    second = sink.store.write("pointer", b"2", if_version=first.version_tag)
    assert second == sink.store.stat("pointer")
    assert proxy.lost_answers == 2
    assert sink.store.read("pointer") == b"2"


def test_a_block_whose_answer_was_lost_is_found_when_going_on(by_proxy, proxy):
    """The service's list is the truth: the part counts though nobody was told."""
    upload = begin(by_proxy)
    put(upload, [0])
    proxy.lose_answer(b"comp=block&")
    with pytest.raises(SinkError, match="Azure gave no answer"):
        put(upload, [1])
    assert upload.done_parts() == {0}
    assert begin(by_proxy, state=upload.state()).done_parts() == {0, 1}


def test_the_earlier_of_two_tries_is_told_that_it_was_taken_over(sink):
    """Even when it has put every part itself."""
    first = begin(sink)
    put(first, range(4))
    second = begin(sink, state=first.state())
    assert second.done_parts() == {0, 1, 2, 3}
    stat = second.commit(checksum=checksum_of(DATA))
    with pytest.raises(UploadTakenError, match="another writer has committed"):
        first.commit()
    first.discard()
    assert sink.store.stat(KEY) == stat


def test_a_client_that_can_not_name_uncommitted_blocks_is_not_used(sink, monkeypatch):
    """With "latest" instead, the earlier of two tries could commit after the later one."""
    monkeypatch.setattr(azure_upload, "_uncommitted", str)
    upload = begin(sink)
    put(upload, range(4))
    with pytest.raises(SinkError, match="can't name uncommitted blocks"):
        upload.commit()
    assert sink.store.stat(KEY) is None


def test_a_third_try_goes_on_with_the_blocks_of_both_before(sink):
    """The tokens of all tries are recorded."""
    first = begin(sink)
    put(first, [0])
    second = begin(sink, state=first.state())
    put(second, [1])
    third = begin(sink, state=second.state())
    assert third.done_parts() == {0, 1}
    assert begin(sink, state=first.state()).done_parts() == {0}


def test_a_discard_ends_what_was_gone_on_with_too(sink):
    """A clean-up has nothing but the recorded state to begin with."""
    first = begin(sink)
    put(first, [0])
    second = begin(sink, state=first.state())
    second.discard()
    for state in (first.state(), second.state()):
        with pytest.raises(UploadStateError, match="was discarded"):
            begin(sink, state=state)


def test_a_discard_stages_nothing_where_nothing_was_put(sink):
    """Nor after a commit."""
    begin(sink).discard()
    upload = begin(sink)
    put(upload, range(4))
    upload.commit()
    upload.discard()
    begin(sink, state=upload.state()).discard()
    assert blocks_of(sink) == {}


def test_a_part_that_was_put_with_other_bytes_is_not_gone_on_with(sink):
    """Both blocks are there, and nobody knows which was right."""
    upload = begin(sink)
    put(upload, [0, 1], b"x" * len(DATA))
    put(upload, [0])
    assert begin(sink, state=upload.state()).done_parts() == {1}


def test_unreadable_state_is_refused(sink):
    """Whatever a sidecar holds, nothing but our own tokens is taken from it."""
    state = begin(sink).state()
    for tokens in (None, [], ["x"], "0123456789abcdef", [1]):
        with pytest.raises(UploadStateError):
            begin(sink, state={**state, "tokens": tokens})
    with pytest.raises(UploadStateError):
        begin(sink, state={**state, "sink": "s3"})


def test_a_name_with_uncommitted_blocks_only_is_no_object(sink):
    """Stat, read and both listings don't see it, though Azure has something there."""
    sink.store.write("empty", b"")
    put(begin(sink), [0, 2])
    assert sum(blocks_of(sink).values()) == 2 * PART
    assert sink.store.stat(KEY) is None
    assert [stat.key for stat in sink.store.list("")] == ["empty"]
    (left,) = sink.leftovers()
    assert (left.kind, left.key, left.size_bytes, left.is_marked) == ("uncommitted blocks", KEY, 2 * PART, True)


def test_blocks_of_another_program_are_not_marked_as_ours(sink):
    """A clean-up may tell about them, and names nobody else's as this package's."""
    sink._place.container.get_blob_client("theirs").stage_block("1" * 47, b"x")
    put(begin(sink), [0])
    assert {one.key: one.is_marked for one in sink.leftovers()} == {"theirs": False, KEY: True}


def test_an_object_of_another_length_is_not_kept(sink, monkeypatch):
    """Were a block shorter than planned, the service's own length would tell, and the object would go."""
    upload = begin(sink)
    put(upload, range(4))
    short = BlockId(upload._tokens[0], 3, 7)
    upload._stage(short, memoryview(b"ab"))
    monkeypatch.setitem(upload._blocks, 3, short)
    with pytest.raises(SizeMismatchError):
        upload.commit()
    assert sink.store.stat(KEY) is None


def test_a_missing_container_is_named_with_its_remedy(azurite):
    """Not taken for a missing object, and never made."""
    with azurite.service() as service:
        sink = AzureSink(service.get_container_client("no-such-container"))
        for ask in (
            lambda: sink.store.stat("a"),
            lambda: sink.store.read("a"),
            lambda: list(sink.store.list("")),
            lambda: sink.store.write("a", b"x", if_version="1"),
            lambda: list(sink.leftovers()),
            lambda: put(begin(sink), [0]),
        ):
            with pytest.raises(SinkError, match="the container does not exist: make it"):
                ask()


def secrets_shown(error, caplog, *secrets):
    """Look for secrets in an error, in what it was raised from, and in the log."""
    assert error.__cause__ is None
    assert error.__context__ is None
    texts = [str(error), repr(error), str(pickle.loads(pickle.dumps(error))), caplog.text]  # noqa: S301 - made here
    return [secret for secret in secrets for text in texts if secret in text]


def test_credentials_that_are_refused_are_not_shown(azurite, name, caplog):
    """A wrong key, a token without a right, none at all: an error that no retry mends, without the secret."""
    caplog.set_level(logging.DEBUG)
    token = azurite.sas("r")
    wrong = {"account_name": azurite.account, "account_key": "d3Jvbmcga2V5"}
    for credential, secret in ((wrong, "d3Jvbmcga2V5"), (token, token.rpartition("sig=")[2])):
        with azurite.service(credential=credential) as service:
            sink = AzureSink(service.get_container_client(name))
            with pytest.raises(SinkForbiddenError, match="Azure refuses the connection's credentials") as caught:
                sink.store.write("a", b"x")
            with pytest.raises(SinkForbiddenError):
                put(begin(sink), [0])
        assert caught.value.retryable is False
        assert secrets_shown(caught.value, caplog, secret) == []


def test_a_server_that_is_gone_is_told_without_the_token(azurite, name, proxy, caplog):
    """The client's own error holds the whole URL."""
    caplog.set_level(logging.DEBUG)
    token = azurite.sas()
    with azurite.service(port=proxy.port, credential=token) as service:
        sink = AzureSink(service.get_container_client(name))
        sink.store.write("a", b"x")
        proxy.close()
        with pytest.raises(SinkError, match="Azure gave no answer") as caught:
            sink.store.read("a")
    assert "sig=" not in str(caught.value)
    assert secrets_shown(caught.value, caplog, token.rpartition("sig=")[2]) == []


def test_a_refused_condition_is_no_trouble_of_the_place(sink):
    """The two conditions have one error."""
    sink.store.write("a", b"x")
    with pytest.raises(TargetExistsError):
        sink.store.write("a", b"y", if_version="0x1")
    with pytest.raises(TargetExistsError):
        sink.store.write("b", b"y", if_version="0x1")


class _Recorder(RequestsTransport):
    """Keeps the headers of what is sent."""

    def __init__(self):
        super().__init__()
        self.sent = []

    def send(self, request, **options):
        self.sent.append((request.method, dict(request.headers)))
        return super().send(request, **options)


def test_the_requests_carry_what_azure_checks_and_keeps(azurite, name):
    """MD5 with every write, and the encryption scope with every piece (the emulator takes it and does nothing)."""
    recorder = _Recorder()
    with azurite.service(transport=recorder) as service:
        sink = AzureSink(service.get_container_client(name))
        attributes = type(begin(sink)._attributes)(options={"kms_key": "scope", "storage_class": "cool"})
        upload = begin(sink, attributes=attributes)
        put(upload, range(4))
        upload.commit(if_absent=True)
        short = begin(sink, "b", b"x", attributes=attributes)
        short.put_part(0, b"x")
        short.commit(if_absent=True)
    puts = [headers for method, headers in recorder.sent if method == "PUT"]
    assert len(puts) == 6
    assert all(headers["Content-MD5"] and headers["x-ms-encryption-scope"] == "scope" for headers in puts)
    assert [headers.get("If-None-Match") for headers in puts] == [None, None, None, None, "*", "*"]
    assert [headers.get("x-ms-access-tier") for headers in puts] == [None, None, None, None, "Cool", "Cool"]


def test_a_part_is_sent_without_a_copy(sink):
    """Staging a part takes no memory of the part's size."""
    import tracemalloc  # noqa: PLC0415 - only here

    size = 8 * 1024 * 1024
    data = memoryview(bytearray(random.Random(3).randbytes(size)))
    upload = sink.begin(KEY, size_bytes=3 * size, part_bytes=size)
    upload.put_part(0, data)
    tracemalloc.start()
    try:
        upload.put_part(1, data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < size / 8


def test_options_that_azure_does_not_have_are_refused_at_the_beginning(sink):
    """Before the first byte."""
    attributes = type(begin(sink)._attributes)
    for wrong in (
        attributes(options={"storage_class": "NEARLINE"}),
        attributes(content_disposition='attachment; filename="ü.mp4"'),
        attributes(metadata={"course-id": "1"}),
        attributes(metadata={"kaltura_entry": "1"}),
        attributes(metadata={"1st": "1"}),
    ):
        with pytest.raises(InvalidKeyError):
            begin(sink, attributes=wrong)
