"""
A TCP proxy before a server that speaks plain HTTP: it flips one bit of what a client sends, or loses one answer.

It knows nothing of HTTP and rewrites nothing else, not even the Host header, so that signatures stay right. Until it is
told to do something, and after it has done it, everything passes as it came.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass, field
from typing import Literal, Self

_READ_BYTES = 64 * 1024
#: What a server sends while a request is still on its way is not its answer.
_INTERIM = b"HTTP/1.1 100"


@dataclass(slots=True)
class Fault:
    """
    One thing that goes wrong, once.

    ``marker`` is looked for in what clients send, whatever pieces it comes in; an empty one is found at the first byte
    that comes after the fault was planned. ``offset`` counts from the marker's end, on the same connection: with an
    empty marker it lies in the body when that is longer than the head before it.
    """

    kind: Literal["flip", "lose answer"]
    marker: bytes
    offset: int = 0
    happened: bool = False
    #: The connection on which the marker was found.
    owner: object = None


class FlipProxy:
    """
    The proxy; a context manager.

    :param port: Port of the server on 127.0.0.1.
    """

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._sockets: set[socket.socket] = set()
        self._is_closed = False
        #: How many connections came, how many bits were flipped, how many answers lost.
        self.connections = 0
        self.flips = 0
        self.lost_answers = 0

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        """Where it listens, for clients."""
        return f"http://127.0.0.1:{self.port}"

    def flip(self, marker: bytes = b"", offset: int = 0) -> Fault:
        """
        Flip the lowest bit of one byte that a client will send.

        :param marker: See :class:`Fault`; some bytes of the content whose neighbours shall be damaged.
        :param offset: How many bytes after the marker's end.
        :returns: The fault; ``happened`` tells whether it was met.
        """
        return self._plan(Fault("flip", marker, offset))

    def lose_answer(self, marker: bytes) -> Fault:
        """
        Let one request reach the server whole, wait for the answer, and close the connection instead of passing it on.

        :param marker: Bytes of the request: of its line, a header or its body.
        :returns: The fault.
        """
        return self._plan(Fault("lose answer", marker))

    def calm(self) -> None:
        """Forget what was planned and has not happened."""
        with self._lock:
            self._faults.clear()

    def close(self) -> None:
        """Stop, and end every connection."""
        with self._lock:
            self._is_closed = True
            sockets = list(self._sockets)
        for one in (self._listener, *sockets):
            _end(one)
        self._listener.close()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _plan(self, fault: Fault) -> Fault:
        with self._lock:
            self._faults.append(fault)
        return fault

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server_port))
            except OSError:
                if self._is_closed:
                    return
                continue
            with self._lock:
                self.connections += 1
                self._sockets |= {client, server}
            connection = _Connection(self, client, server)
            for pump in (connection.pump_requests, connection.pump_answers):
                threading.Thread(target=pump, daemon=True).start()

    def pass_on(self, connection: _Connection, data: bytearray) -> None:
        """Look at, and perhaps damage, what a client sends; the connection calls it for each piece, in order."""
        with self._lock:
            for fault in list(self._faults):
                self._apply(fault, connection, data)
            connection.remember(data, max((len(fault.marker) for fault in self._faults), default=0))

    def _apply(self, fault: Fault, connection: _Connection, data: bytearray) -> None:
        if fault.owner is None:
            found = connection.find(fault.marker, data)
            if found is None:
                return
            fault.owner, fault.offset = connection, fault.offset + found
        elif fault.owner is not connection:
            return
        if fault.kind == "lose answer":
            connection.loses = fault
        elif fault.offset >= len(data):
            fault.offset -= len(data)
            return
        else:
            data[fault.offset] ^= 1
            self.flips += 1
            fault.happened = True
        self._faults.remove(fault)

    def lost(self, fault: Fault) -> None:
        """Count an answer that was not passed on."""
        with self._lock:
            self.lost_answers += 1
            fault.happened = True

    def forget(self, one: socket.socket) -> None:
        """Close a socket that has ended."""
        with self._lock:
            self._sockets.discard(one)
        one.close()


@dataclass(slots=True, eq=False)
class _Connection:
    proxy: FlipProxy
    client: socket.socket
    server: socket.socket
    loses: Fault | None = None
    _tail: bytes = b""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ended: int = 0

    def find(self, marker: bytes, data: bytearray) -> int | None:
        """Find where the marker ends within *data*, also when it began in an earlier piece."""
        if not marker:
            return 0
        tail = self._tail[-(len(marker) - 1) :] if len(marker) > 1 else b""
        place = (tail + data).find(marker)
        return None if place < 0 else place + len(marker) - len(tail)

    def remember(self, data: bytearray, count: int) -> None:
        """Keep the end of what passed, since a marker may begin in it."""
        self._tail = (self._tail + bytes(data[-count:]))[-count:] if count else b""

    def pump_requests(self) -> None:
        """Pass on what the client sends."""
        with contextlib.suppress(OSError):
            while piece := self.client.recv(_READ_BYTES):
                data = bytearray(piece)
                self.proxy.pass_on(self, data)
                self.server.sendall(data)
        self._end()

    def pump_answers(self) -> None:
        """Pass on what the server sends."""
        with contextlib.suppress(OSError):
            while piece := self.server.recv(_READ_BYTES):
                if self.loses is not None and not piece.startswith(_INTERIM):
                    self.proxy.lost(self.loses)
                    break
                self.client.sendall(piece)
        self._end()

    def _end(self) -> None:
        for one in (self.client, self.server):
            _end(one)
        with self._lock:
            self._ended += 1
            is_last = self._ended == 2
        if is_last:
            self.proxy.forget(self.client)
            self.proxy.forget(self.server)


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
