"""wire.py: what each fault of the network does on the wire, seen by a raw socket."""

import contextlib
import re
import socket
import threading
import time

import pytest

from tests.unit.sandbox.conftest import PARTNER

SIZE = 300_000
PATH = "/p/7/sp/700/serveFlavor/entryId/0_film/v/2/flavorId/0_f"
EMPTY_CHUNK = b"0\r\n\r\n"


@pytest.fixture
def film(running):
    """Serve a flavor and return its bytes."""
    running.control.add_entry("0_film", partner_id=PARTNER)
    running.control.add_flavor("0_film", "0_f", size_bytes=SIZE)
    return running.control.file("0_f").read()


def exchange(running, *headers, path=PATH, method="GET"):
    """Send one request on a connection of its own; return status line, headers, body, and how it ended."""
    host, port = running.base_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        request = "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close", *headers, "", ""])
        connection.sendall(request.encode())
        received, end = bytearray(), "closed"
        try:
            while block := connection.recv(65536):
                received += block
        except ConnectionResetError:
            end = "reset"
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    return first, dict(line.lower().split(": ", 1) for line in lines if ": " in line), body, end


def chunks(body):
    """Return the data of a chunked body, and whether its last chunk came."""
    data, position = b"", 0
    while match := re.compile(rb"([0-9a-f]+)\r\n").match(body, position):
        size = int(match[1], 16)
        data += body[match.end() : match.end() + size]
        position = match.end() + size + 2
        if size == 0:
            return data, True
    return data, False


def test_without_a_fault_the_message_is_complete(running, film):
    """The plain answer: Content-Length, all bytes, an orderly end."""
    first, headers, body, end = exchange(running)
    assert (first, headers["content-length"], end) == ("HTTP/1.1 200 OK", str(SIZE), "closed")
    assert body == film


@pytest.mark.parametrize("after", [0, 1, 1000, SIZE - 1])
def test_cut_sends_so_many_bytes_and_closes(running, film, after):
    """The head promises everything, the connection ends after exactly that many bytes."""
    running.control.faults.on("cut", after_bytes=after)
    first, headers, body, _ = exchange(running)
    assert (first, headers["content-length"]) == ("HTTP/1.1 200 OK", str(SIZE))
    assert body == film[:after]


def test_cut_can_be_given_by_the_offset_in_the_object(running, film):
    """at_offset counts in the object, so a resumed range is cut at the same place or not at all."""
    running.control.faults.on("cut", at_offset=1000)
    _, headers, body, _ = exchange(running, "Range: bytes=400-1999")
    assert (headers["content-length"], body) == ("1600", film[400:1000])
    assert exchange(running, "Range: bytes=1000-1999")[2] == b""


@pytest.mark.usefixtures("film")
def test_cut_by_a_reset_is_a_reset(running):
    """With reset the client gets an error instead of an end."""
    running.control.faults.on("cut", after_bytes=1000, reset=True)
    assert exchange(running)[3] == "reset"


@pytest.mark.usefixtures("film")
def test_cut_happens_as_often_as_it_is_told(running):
    """Times counts down; after skips the first ones."""
    fault = running.control.faults.on("cut", after_bytes=10, times=2, after=1)
    lengths = [len(exchange(running)[2]) for _ in range(5)]
    assert lengths == [SIZE, 10, 10, SIZE, SIZE]
    assert fault.happened == 2


def test_no_content_length_is_chunked(running, film):
    """The body comes in chunks, with the last one."""
    running.control.faults.on("no_content_length")
    _, headers, body, _ = exchange(running)
    assert "content-length" not in headers
    assert headers["transfer-encoding"] == "chunked"
    assert chunks(body) == (film, True)


def test_a_cut_chunked_body_has_no_last_chunk(running, film):
    """A client that reads chunks can tell that it was cut."""
    running.control.faults.on("no_content_length")
    running.control.faults.on("cut", after_bytes=5000)
    assert chunks(exchange(running)[2]) == (film[:5000], False)


def test_a_body_that_ends_with_the_connection_looks_complete_when_cut(running, film):
    """As in HTTP/1.0: nothing on the wire tells a cut body from a whole one."""
    running.control.faults.on("no_content_length", how="close")
    _, headers, body, end = exchange(running)
    assert not {"content-length", "transfer-encoding"} & headers.keys()
    assert (body, end) == (film, "closed")
    running.control.faults.on("cut", after_bytes=5000)
    assert exchange(running)[2:] == (film[:5000], "closed")


@pytest.mark.parametrize("delta", [1, 1000, -1, -1000])
def test_wrong_length_changes_the_number_and_not_the_body(running, film, delta):
    """Content-Length is off, all bytes are sent, and the connection ends."""
    running.control.faults.on("wrong_length", bytes=delta)
    _, headers, body, _ = exchange(running)
    assert headers["content-length"] == str(SIZE + delta)
    assert body == film


@pytest.mark.usefixtures("film")
def test_no_answer_closes_without_a_byte(running):
    """The connection ends where an answer should be."""
    running.control.faults.on("no_answer")
    assert exchange(running) == ("", {}, b"", "closed")
    running.control.faults.clear()
    running.control.faults.on("no_answer", reset=True)
    assert exchange(running)[2:] == (b"", "reset")


@pytest.mark.usefixtures("film")
def test_garbage_is_not_http(running):
    """Bytes that are no HTTP at all."""
    running.control.faults.on("garbage")
    assert not exchange(running)[0].startswith("HTTP/")


@pytest.mark.parametrize("stalled_at", [0, 1000, 262_144])
def test_stall_pauses_and_goes_on(running, film, stalled_at):
    """After the pause the rest comes."""
    running.control.faults.on("stall", after_bytes=stalled_at, seconds=0.05)
    began = time.monotonic()
    assert exchange(running)[2] == film
    assert time.monotonic() - began >= 0.05


def test_a_stalled_client_sees_exactly_what_was_sent_before(running, film):
    """Before the pause ends, only the bytes before it have come."""
    running.control.faults.on("stall", after_bytes=1000, seconds=60)
    host, port = running.base_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=0.3) as connection:
        connection.sendall(f"GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        received = b""
        with contextlib.suppress(TimeoutError):
            while block := connection.recv(65536):
                received += block
    assert received.partition(b"\r\n\r\n")[2] == film[:1000]


@pytest.mark.usefixtures("film")
def test_bandwidth_limits_each_connection(running):
    """Each is as slow as it is told, and one doesn't wait for the other."""
    running.control.faults.on("bandwidth", bytes_per_second=2_000_000)
    began = time.monotonic()
    threads = [threading.Thread(target=exchange, args=(running,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0.1 <= time.monotonic() - began < 10


def test_slow_waits_before_the_first_byte(running, film):
    """The answer comes late, and whole."""
    running.control.faults.on("slow", seconds=0.05)
    began = time.monotonic()
    assert exchange(running)[2] == film
    assert time.monotonic() - began >= 0.05


@pytest.mark.usefixtures("film")
def test_head_never_has_a_body(running):
    """Not even when the answer is broken."""
    running.control.faults.on("wrong_length", bytes=5)
    _, headers, body, _ = exchange(running, method="HEAD")
    assert (headers["content-length"], body) == (str(SIZE + 5), b"")


@pytest.mark.usefixtures("film")
def test_the_log_knows_what_was_sent(running):
    """Status and bytes of each answer, cut ones too."""
    running.control.faults.on("cut", after_bytes=10, times=1)
    exchange(running)
    exchange(running, "Range: bytes=10-19")
    assert [(record.status, record.sent_bytes) for record in running.log.records()] == [(200, 10), (206, 10)]
