from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_provider_kaltura.transfer.copy import copy
from airflow_provider_kaltura.transfer.errors import (
    RangeIgnoredError,
    SourceAnswerError,
    SourceChangedError,
    SourceCutError,
    SourceExpiredError,
    SourceLengthError,
    SourceUnavailableError,
    SourceUnprovableError,
)
from airflow_provider_kaltura.transfer.http_pool import HttpOptions, HttpPool
from airflow_provider_kaltura.transfer.http_source import FixedUrl, HttpSource, probe_size
from airflow_provider_kaltura.transfer.memory_sink import MemorySink
from tests.media_server import Fault, MediaServer, SeededContent
from tests.unit.transfer.fault_suite import Paths, version_of
from tests.unit.transfer.reading import CONTENT, connections_of, read, redirect


@pytest.mark.parametrize("framing", ["length", "close", "chunked"])
@pytest.mark.parametrize(("start", "stop"), [(0, 5_000), (0, 1), (4_999, 5_000), (1_000, 4_000), (1, 5_000)])
def test_ranges_are_what_was_asked_for(server, source, start, stop, framing):
    """Every range, in every framing, is exactly its bytes."""
    server.again([Fault(framing=framing)])
    assert read(source, start, stop) == CONTENT.read(start, stop)


def test_the_whole_is_asked_for_without_a_range(server, source):
    """Servers without ranges serve too; a part of it is asked for by its inclusive ends."""
    read(source, 0, 5_000)
    read(source, 10, 20)
    assert [request.header("Range") for request in server.requests] == [None, "bytes=10-19"]
    assert {request.header("Accept-Encoding") for request in server.requests} == {"identity"}
    assert source.requests == 2


def test_connections_are_kept(source):
    """A body read to its end gives its connection back."""
    for _ in range(5):
        read(source, 0, 5_000)
        read(source, 5, 9)
    assert connections_of(source) == 1


def test_a_refusal_gives_its_connection_back(server, source):
    """A short answer that is of no use is read to its end, one without an end in sight is not."""
    server.again([Fault(status=404, body=b"no"), None, Fault(status=404, body=b"no", framing="chunked")])
    for expected in (1, 2):
        with pytest.raises(SourceExpiredError):
            source.open(0, 5_000)
        read(source, 0, 5_000)
        assert connections_of(source) == expected


def test_a_body_that_was_not_read_gives_its_connection_up(source):
    """What is left of an answer never becomes the next one."""
    source.open(0, 5_000).close()
    stream = source.open(0, 5_000)
    stream.readinto(memoryview(bytearray(10)))
    stream.close()
    stream.close()
    assert read(source, 0, 5_000) == CONTENT.all()
    assert connections_of(source) == 3


def test_a_closed_stream_gives_nothing_more(source):
    """After close an unfinished range is cut, not finished."""
    stream = source.open(0, 5_000)
    stream.close()
    with pytest.raises(SourceCutError):
        stream.readinto(memoryview(bytearray(10)))


@pytest.mark.parametrize(("start", "stop"), [(-1, 5), (5, 4), (0, 5_001)])
def test_ranges_outside_the_object_are_mistakes(source, start, stop):
    """No request is made for them."""
    with pytest.raises(ValueError, match="not within"):
        source.open(start, stop)
    assert source.requests == 0


def test_without_urllib3s_inner_body_the_bytes_are_the_same(server, source):
    """Where the faster way is not there, the public one is taken, and notices a cut as well."""
    for cut in (None, 1_234):
        server.again([Fault(cut_at=cut)])
        stream = source.open(0, 5_000)
        stream._body = None
        buffer = memoryview(bytearray(700))
        found = b""
        try:
            while count := stream.readinto(buffer):
                found += bytes(buffer[:count])
        except SourceCutError:
            assert cut
        finally:
            stream.close()
        assert found == CONTENT.read(0, cut or 5_000)


def test_an_empty_object_is_proved_by_a_request(pool):
    """Zero expected bytes are zero by the server's word, not by assumption."""
    with MediaServer(SeededContent(1, 0)) as server:
        source = HttpSource(FixedUrl(server.url), size_bytes=0, pool=pool)
        assert read(source, 0, 0) == b""
        server.again([Fault(headers=(("X-Kaltura", "error-5"),))])
        with pytest.raises(SourceExpiredError):
            source.open(0, 0)
        server.again([Fault(body=b"x"), Fault(body=b"x", framing="close")])
        for _ in range(2):
            with pytest.raises(SourceLengthError):
                source.open(0, 0)


# A URL that stopped working.


def test_a_refused_url_is_asked_for_again_and_named_stale(server, pool):
    """The resolver learns which URL must not come back."""
    asked = []

    def resolve(*, stale=None):
        asked.append(stale)
        return FixedUrl(f"{server.base_url}/{len(asked)}")

    server.again([Fault(status=403, body=b"no"), None])
    source = HttpSource(resolve, size_bytes=5_000, pool=pool)
    with pytest.raises(SourceExpiredError):
        source.open(0, 5_000)
    assert read(source, 0, 5_000) == CONTENT.all()
    assert read(source, 0, 9) == CONTENT.read(0, 9)
    assert asked == [None, f"{server.base_url}/1"]


def test_an_empty_answer_without_length_renews_the_url_too(server, pool):
    """A refusal that shows only when the body ends is one."""
    resolve = Paths(server.base_url, ("/1", "/2"))
    server.again([Fault(body=b"", framing="close")])
    source = HttpSource(resolve, size_bytes=5_000, pool=pool)
    with source.open(0, 5_000) as stream, pytest.raises(SourceExpiredError):
        stream.readinto(memoryview(bytearray(10)))
    assert read(source, 0, 5_000) == CONTENT.all()
    assert [request.path for request in server.requests] == ["/1", "/2"]


def test_an_error_of_the_resolver_comes_out_as_it_is(pool):
    """What the caller's own resolver raises is the caller's."""

    def resolve(*, stale=None):
        raise LookupError(stale)

    with pytest.raises(LookupError):
        HttpSource(resolve, size_bytes=1, pool=pool).open(0, 1)


def test_many_threads_resolve_once(server, pool):
    """One URL serves all threads."""
    resolve = Paths(server.base_url, ("/1", "/2"))
    source = HttpSource(resolve, size_bytes=5_000, pool=pool)
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(lambda index: read(source, index * 100, index * 100 + 100), range(50)))
    assert b"".join(found) == CONTENT.all()
    assert resolve.asked == 1


def test_a_url_that_is_refused_to_many_threads_is_renewed_once(server, pool):
    """Each thread fails, but none throws the new URL away."""
    resolve = Paths(server.base_url, ("/old", "/new", "/newer"))
    together = threading.Barrier(4)

    def script(request):
        if request.path == "/old":
            together.wait(10)
            return Fault(status=403, body=b"")
        return None

    server.again(script)
    source = HttpSource(resolve, size_bytes=5_000, pool=pool)

    def go(index):
        try:
            return read(source, index, index + 1)
        except SourceExpiredError:
            return read(source, index, index + 1)

    with ThreadPoolExecutor(4) as threads:
        assert b"".join(threads.map(go, range(4))) == CONTENT.read(0, 4)
    assert resolve.asked == 2


# Another version.


def of_version_2(resolve, pool):
    """A source that was begun with version 2."""
    return HttpSource(resolve, size_bytes=5_000, version="2", version_of=version_of, pool=pool)


def test_a_url_of_another_version_is_refused_before_any_request(server, pool):
    """The version in the path must be the one that was begun with."""
    source = HttpSource(
        Paths(server.base_url, ("/v/3/a",)), size_bytes=5_000, version="2", version_of=version_of, pool=pool
    )
    with pytest.raises(SourceChangedError):
        source.open(0, 5_000)
    assert server.requests == []


def test_a_redirect_to_another_version_is_refused(server, pool):
    """Each step counts; one that names no version is let through."""
    server.again([redirect("/plain"), redirect("/v/3/a")])
    source = HttpSource(
        Paths(server.base_url, ("/v/2/a",)), size_bytes=5_000, version="2", version_of=version_of, pool=pool
    )
    with pytest.raises(SourceChangedError):
        source.open(0, 5_000)
    assert [request.path for request in server.requests] == ["/v/2/a", "/plain"]


def headers(name, *values):
    """Answers that differ in one header."""
    return [Fault(headers=((name, value),)) for value in values]


@pytest.mark.parametrize("script", [headers("ETag", '"a"', '"b"'), headers("Last-Modified", "then", "now")], ids=str)
def test_validators_count_where_the_url_names_no_version(server, pool, script):
    """A strong entity tag, else the time of the last change, stands for the version that is not told."""
    server.again(script)
    source = HttpSource(FixedUrl(server.url), size_bytes=5_000, version="2", version_of=version_of, pool=pool)
    read(source, 0, 10)
    with pytest.raises(SourceChangedError):
        source.open(10, 20)


@pytest.mark.parametrize(
    ("path", "script"),
    [
        ("/object", headers("ETag", '"a"', '"a"')),
        ("/object", headers("ETag", 'W/"a"', 'W/"b"')),
        ("/v/2/a", headers("ETag", '"a"', '"b"')),
        ("/v/2/a", headers("Last-Modified", "then", "now")),
    ],
    ids=str,
)
def test_validators_that_prove_nothing_are_ignored(server, pool, path, script):
    """Equal ones, weak ones, and any where the URL names its version."""
    server.again(script)
    source = of_version_2(Paths(server.base_url, (path,)), pool)
    assert read(source, 0, 10) + read(source, 10, 20) == CONTENT.read(0, 20)


# The size of a bare URL.


@pytest.mark.parametrize("fault", [None, Fault(ignore_range=True)], ids=["by range", "by length"])
def test_the_size_of_a_bare_url_is_asked_for(server, pool, fault):
    """By the first byte; a server without ranges tells it too, and isn't read to its end."""
    server.again([fault])
    assert probe_size(FixedUrl(server.url), pool=pool) == 5_000
    assert server.requests[0].header("Range") == "bytes=0-0"


def test_the_size_of_an_empty_object(pool):
    """A range of nothing can't be satisfied; the answer says that nothing is there."""
    with MediaServer(SeededContent(1, 0)) as server:
        assert probe_size(FixedUrl(server.url), pool=pool) == 0


@pytest.mark.parametrize("framing", ["close", "chunked"])
def test_without_any_length_nothing_can_be_proved(server, pool, framing):
    """A download that nothing could check is not begun."""
    server.again([Fault(ignore_range=True, framing=framing)])
    with pytest.raises(SourceUnprovableError):
        probe_size(FixedUrl(server.url), pool=pool)


def test_a_refused_bare_url_is_an_error(server, pool):
    """The same refusals hold."""
    server.again([Fault(ignore_range=True, body=b"")])
    with pytest.raises(SourceExpiredError):
        probe_size(FixedUrl(server.url), pool=pool)


# Together with the copy.


def test_retry_after_reaches_the_copy(server, source):
    """What the server asks for is what is waited."""
    server.again([Fault(status=503, body=b"", headers=(("Retry-After", "17"),))])
    slept = []
    upload = MemorySink().begin("a", size_bytes=5_000, part_bytes=999)
    result = copy(source, upload, size_bytes=5_000, part_bytes=999, sleep=slept.append)
    assert slept == [17.0]
    assert (result.requests, result.resumes) == (2, 1)


def test_a_resume_asks_for_exactly_what_is_missing(server, source):
    """Not one byte is fetched twice when a connection ends in order."""
    server.again([Fault(cut_at=1_234), Fault(cut_at=3_000)])
    upload = MemorySink().begin("a", size_bytes=5_000, part_bytes=999)
    result = copy(source, upload, size_bytes=5_000, part_bytes=999, sleep=lambda _: None)
    assert [request.header("Range") for request in server.requests] == [None, "bytes=1234-4999", "bytes=3000-4999"]
    assert server.sent_bytes == result.fetched_bytes == 5_000


def test_nobody_there_is_unavailable(pool):
    """A closed port is trouble that may pass."""
    with MediaServer(CONTENT) as server:
        url = server.url
    with pytest.raises(SourceUnavailableError, match="refused") as caught:
        HttpSource(FixedUrl(url), size_bytes=1, pool=pool).open(0, 1)
    assert caught.value.host == "127.0.0.1"


def test_silence_ends_by_timeout(server):
    """A server that stops in the middle without closing is given up after the read timeout."""
    go_on = threading.Event()

    def script(_request):
        go_on.wait(10)

    server.again(script)
    with HttpPool(HttpOptions(read_timeout_seconds=0.1, proxies={})) as pool:
        source = HttpSource(FixedUrl(server.url), size_bytes=5_000, pool=pool)
        with pytest.raises(SourceUnavailableError, match="Timeout"):
            source.open(0, 5_000)
    go_on.set()


@pytest.mark.parametrize("framing", ["length", "close", "chunked"])
def test_silence_in_the_middle_is_gone_on_from(server, framing):
    """A body that stops without ending is cut by the timeout, and the rest is asked for."""
    server.again([Fault(cut_after=1_500, with_silence=True, framing=framing)])
    with HttpPool(HttpOptions(read_timeout_seconds=0.3, proxies={})) as pool:
        source, sink = HttpSource(FixedUrl(server.url), size_bytes=5_000, pool=pool), MemorySink()
        upload = sink.begin("a", size_bytes=5_000, part_bytes=1_000)
        copy(source, upload, size_bytes=5_000, part_bytes=1_000, sleep=lambda _: None)
        upload.commit()
    assert sink.store.read("a") == CONTENT.all()
    assert len(server.requests) == 2


def test_a_range_that_is_ignored_is_no_range(server, source):
    """The whole instead of a range is an error before its first byte."""
    server.again([Fault(ignore_range=True)])
    with pytest.raises(RangeIgnoredError):
        source.open(10, 20)


@pytest.mark.parametrize(
    "framings", [("gzip, chunked",), ("chunked ",), ("chunked;q=1",), ("x-chunked",), ("gzip", "chunked")], ids=str
)
def test_frames_are_never_taken_for_bytes_of_the_object(server, source, framings):
    """A body in chunks, as long as the object with its frames, under a name that the library does not take off."""
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (4_987, CONTENT.read(0, 4_987))
    assert len(body) == CONTENT.size_bytes
    headers = tuple(("Transfer-Encoding", framing) for framing in framings)
    server.again(lambda _: Fault(body=body, headers=headers))
    with pytest.raises(SourceAnswerError):
        read(source, 0, 5_000)


@pytest.mark.parametrize(
    "line",
    ["Transfer-Encoding : chunked", "no header\r\nTransfer-Encoding: chunked", "no header\r\nX-Kaltura: error-3"],
)
def test_a_header_that_was_not_read_is_not_overlooked(server, source, line):
    """The library stops at the first line that is no header; what stands behind it may decide what the body is."""
    server.again(lambda _: Fault(headers=(("X-Fine", f"1\r\n{line}"),)))
    with pytest.raises(SourceAnswerError):
        read(source, 0, 5_000)


def test_a_header_that_was_not_read_and_does_not_matter_is_overlooked(server, source):
    """Somebody's broken server serves all the same."""
    server.again(lambda _: Fault(headers=(("X-Fine", "1\r\nno header\r\nX-More: 2"),)))
    assert read(source, 0, 5_000) == CONTENT.all()
