"""The fakes and the media server do what the suites believe they do."""

from __future__ import annotations

import contextlib
import http.client
import socket
from functools import partial

import pytest

from airflow_provider_kaltura.transfer.errors import SinkError, SourceCutError
from tests.fakes import FlakySource, ManualClock, RecordingSink
from tests.media_server import Fault, MediaServer, SeededContent


def get(server, headers=None, path="/object"):
    """Ask with a plain client; give status, headers and body."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)) as connection:
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


def test_a_manual_clock_moves_only_when_told():
    """Sleeping moves it, waiting doesn't."""
    clock = ManualClock(10.0)
    clock.sleep(2.5)
    clock.advance(1)
    assert (clock(), clock(), clock.slept) == (13.5, 13.5, [2.5])


def test_a_flaky_source_breaks_as_told():
    """After so many bytes, at once, or not at all; and counts what is open."""
    source = FlakySource(b"0123456789", breaks=[3, SourceCutError("x")], most_bytes=2)
    buffer = memoryview(bytearray(10))
    with source.open(0, 10) as stream:
        assert [stream.readinto(buffer), stream.readinto(buffer)] == [2, 1]
        with pytest.raises(SourceCutError):
            stream.readinto(buffer)
        assert source.open_streams == 1
    with pytest.raises(SourceCutError):
        source.open(3, 10)
    with source.open(3, 5) as stream:
        assert [stream.readinto(buffer), stream.readinto(buffer)] == [2, 0]
    assert bytes(buffer[:2]) == b"34"
    assert source.opened == [(0, 10), (3, 10), (3, 5)]
    assert source.open_streams == 0


def test_a_recording_sink_remembers_and_fails():
    """Calls are named in order; the second part fails."""
    sink = RecordingSink(lambda name, number: SinkError("x") if (name, number) == ("put_part", 1) else None)
    upload = sink.begin("a", size_bytes=2, part_bytes=1)
    upload.put_part(0, b"x")
    with pytest.raises(SinkError):
        upload.put_part(1, b"y")
    assert upload.done_parts() == {0}
    upload.discard()
    assert sink.names() == ["begin", "put_part", "put_part", "discard"]


def test_seeded_content_is_the_same_again_and_not_periodic_by_pages():
    """Ranges agree with the whole, across the end of a block too."""
    content = SeededContent(1, 3_000_000)
    whole = content.all()
    assert len(whole) == 3_000_000
    assert content.read(1_048_570, 1_048_580) == whole[1_048_570:1_048_580]
    assert content.read(2_999_999, 5_000_000) == whole[-1:]
    assert SeededContent(1, 3_000_000) == content
    assert whole[:4096] != whole[1 << 20 : (1 << 20) + 4096]
    assert SeededContent(2, 10).all() != SeededContent(1, 10).all()


@pytest.fixture
def server():
    """A server of 1,000 bytes."""
    with MediaServer(SeededContent(1, 1_000)) as running:
        yield running


def test_the_media_server_is_right_when_told_nothing(server):
    """The whole, a range, an open range, and one past the end."""
    data = server.content.all()
    assert get(server)[2] == data
    status, headers, body = get(server, {"Range": "bytes=10-19"})
    assert (status, headers["Content-Range"], body) == (206, "bytes 10-19/1000", data[10:20])
    assert get(server, {"Range": "bytes=990-"})[2] == data[990:]
    assert get(server, {"Range": "bytes=1000-1001"})[0] == 416
    assert [(request.start, request.stop) for request in server.requests] == [
        (None, None),
        (10, 20),
        (990, None),
        (1000, 1002),
    ]


@pytest.mark.parametrize(
    ("fault", "length", "body_bytes"),
    [
        (Fault(framing="close"), None, 1_000),
        (Fault(framing="chunked"), None, 1_000),
        (Fault(declared=900), "900", 900),
        (Fault(body_delta=-10), "990", 990),
        (Fault(body_delta=10), "1010", 1_010),
        (Fault(body=b"page"), "4", 4),
        (Fault(content=SeededContent(2, 1_001)), "1001", 1_001),
    ],
    ids=str,
)
def test_the_media_server_lies_as_told(server, fault, length, body_bytes):
    """Framing, declared length and body are independent of each other."""
    server.again([fault])
    _, headers, body = get(server)
    assert (headers["Content-Length"], len(body)) == (length, body_bytes)


@pytest.mark.parametrize(("fault", "sent"), [(Fault(cut_at=100), 100), (Fault(cut_after=50), 50), (Fault(cut_at=0), 0)])
def test_the_media_server_cuts_as_told(server, fault, sent):
    """By offset of the object or of the body; the client sees fewer bytes than promised."""
    server.again([fault])
    with pytest.raises(http.client.IncompleteRead) as caught:
        get(server)
    assert len(caught.value.partial) == sent
    assert server.sent_bytes == sent


def test_the_media_server_resets_as_told(server):
    """A cut with a reset is no orderly end."""
    server.again([Fault(cut_at=0, with_reset=True)])
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
        client.sendall(b"GET /x HTTP/1.1\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            b"".join(iter(partial(client.recv, 65536), b""))


def test_the_media_server_follows_a_function_too(server):
    """A script may look at the request."""
    server.again(lambda request: Fault(status=404, body=b"") if request.path == "/no" else None)
    assert get(server, path="/no")[0] == 404
    assert get(server, path="/yes")[0] == 200
