from __future__ import annotations

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.servers.flip_proxy import FlipProxy, _Connection


class _Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        """Keep the body and send it back."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append(body)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def server():
    """A server that gives back what it got."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Echo) as running:
        running.bodies = []
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join(10)


@pytest.fixture
def proxy(server):
    """The proxy before it."""
    with FlipProxy(server.server_address[1]) as running:
        yield running


@pytest.fixture
def put(proxy):
    """Send bodies on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=10)

    def _put(body):
        connection.request("PUT", "/", body)
        return connection.getresponse().read()

    yield _put
    connection.close()


def test_what_is_not_asked_for_passes(put, proxy):
    """Without a fault nothing changes, on one connection for all requests."""
    bodies = [b"", b"x", b"y" * 300_000]
    assert [put(body) for body in bodies] == bodies
    assert (proxy.connections, proxy.flips) == (1, 0)


def test_one_bit_is_flipped_after_the_marker(put, proxy):
    """The byte so many after the marker is another one by one bit, once; the next body passes."""
    fault = proxy.flip(b"MARK", 100_000)
    body = b"abc" + b"MARK" + bytes(200_000)
    found = put(body)
    assert [place for place, (was, now) in enumerate(zip(body, found, strict=True)) if was != now] == [7 + 100_000]
    assert found[7 + 100_000] == 1
    assert fault.happened
    assert put(body) == body
    assert proxy.flips == 1


@pytest.mark.parametrize("cut", range(1, 8))
def test_a_marker_may_come_in_pieces(server, cut):
    """Wherever the pieces are cut, the marker is found."""
    proxy = FlipProxy(server.server_address[1])
    proxy.flip(b"MARK", 1)
    data = bytearray(b"xxMARKyz")
    pieces = [data[:cut], data[cut:]]
    connection = _Connection(proxy, None, None)
    for piece in pieces:
        proxy.pass_on(connection, piece)
    assert b"".join(pieces) == b"xxMARKy\x7b"
    proxy.close()


def test_a_place_in_a_large_body_needs_no_marker(put, proxy):
    """Without a marker the place is counted from the first byte sent."""
    proxy.flip(offset=50_000)
    found = put(bytes(100_000))
    assert sum(found) == 1
    assert found[0] == 0


def test_an_answer_is_lost_after_the_server_did_its_work(put, proxy, server):
    """The server has got the request; the client sees the connection end."""
    fault = proxy.lose_answer(b"MARK")
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        put(b"..MARK..")
    assert server.bodies == [b"..MARK.."]
    assert fault.happened
    assert proxy.lost_answers == 1


def test_what_is_planned_can_be_forgotten(put, proxy):
    """A test that ends early leaves nothing for the next one."""
    proxy.flip(b"MARK")
    proxy.calm()
    assert put(b"MARKx") == b"MARKx"
