"""
A media server at the level of the socket, which lies, cuts and refuses as told.

It exists beside the sandbox because a server framework would not let a test send a wrong Content-Length or stop in
the middle of a body. Content comes from a seed, so that a test can compare bytes without keeping them.
"""

from __future__ import annotations

import random
import re
import socket
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.socket_server import PIECE, RANGE, SocketServer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

REASONS = {200: "OK", 206: "Partial Content", 302: "Found", 404: "Not Found", 416: "Range Not Satisfiable"}


@dataclass(frozen=True, slots=True)
class SeededContent:
    """Bytes of any length from a seed: one random block of odd length, repeated."""

    seed: int
    size_bytes: int
    block: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Make the block."""
        # An odd length, so that no two parts or pages of a large object are equal.
        object.__setattr__(self, "block", random.Random(self.seed).randbytes(min(self.size_bytes, 1_048_573) or 1))

    def read(self, start: int, stop: int) -> bytes:
        """Give the bytes of a half-open range."""
        stop = min(stop, self.size_bytes)
        pieces = []
        while start < stop:
            offset = start % len(self.block)
            piece = self.block[offset : offset + stop - start]
            pieces.append(piece)
            start += len(piece)
        return b"".join(pieces)

    def all(self) -> bytes:
        """Give everything."""
        return self.read(0, self.size_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """
    What one answer does wrong; the default does nothing wrong.

    ``cut_at`` counts bytes of the object, ``cut_after`` bytes of this body; a cut ends the connection in order, with a
    reset, or not at all (silence, until the client gives up). ``content`` serves other bytes, of another
    length if so. ``declared`` is what the Content-Length says; ``body_delta`` makes the body itself longer or shorter.
    """

    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    cut_at: int | None = None
    cut_after: int | None = None
    with_reset: bool = False
    with_silence: bool = False
    framing: str = "length"  # "length", "close" (no Content-Length) or "chunked"
    declared: int | None = None
    body_delta: int = 0
    body: bytes | None = None
    ignore_range: bool = False
    content: SeededContent | None = None
    content_range: str | None = None
    drop_connection: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked."""

    index: int
    path: str
    head: bytes
    start: int | None
    stop: int | None

    def header(self, name: str) -> str | None:
        """Give the value of a header, None when it was not sent."""
        found = re.search(rb"^" + name.encode() + rb":[ \t]*([^\r\n]*)", self.head, re.IGNORECASE | re.MULTILINE)
        return found.group(1).decode("latin-1") if found else None


class MediaServer(SocketServer):
    """
    Serves one object on a free port of 127.0.0.1.

    ``script`` says what each request meets: a list (one fault per request, then none) or a function of the request.
    """

    def __init__(
        self, content: SeededContent, script: Sequence[Fault | None] | Callable[[Request], Fault | None] = ()
    ) -> None:
        super().__init__()
        self.content = content
        self.script = script
        self.requests: list[Request] = []
        self.sent_bytes = 0

    def again(self, script: Sequence[Fault | None] | Callable[[Request], Fault | None] = ()) -> None:
        """Forget the requests so far and follow another script."""
        with self._lock:
            self.script = script
            self.requests = []
            self.sent_bytes = 0

    def reply(self, connection: socket.socket, head: bytes) -> bool:
        """Send what the script says; False when the connection ends with it."""
        return self._answer(connection, *self._meet(head))

    def _meet(self, head: bytes) -> tuple[Request, Fault]:
        path = head.split(b" ", 2)[1].decode("latin-1")
        found = RANGE.search(head)
        start = int(found.group(1)) if found else None
        stop = int(found.group(2)) + 1 if found and found.group(2) else None
        with self._lock:
            request = Request(len(self.requests), path, head, start, stop)
            self.requests.append(request)
            script = self.script
        if callable(script):
            return request, script(request) or Fault()
        return request, (script[request.index] if request.index < len(script) else None) or Fault()

    def _answer(self, connection: socket.socket, request: Request, fault: Fault) -> bool:
        if fault.drop_connection:
            return False
        content = fault.content or self.content
        status, start, stop, headers = _head_of(request, fault, content)
        body = content.read(start, stop) if fault.body is None else fault.body
        body = body + b"+" * fault.body_delta if fault.body_delta >= 0 else body[: fault.body_delta]
        if fault.framing == "length":
            declared = len(body) if fault.declared is None else fault.declared
            headers.append(("Content-Length", str(declared)))
        elif fault.framing == "chunked":
            headers.append(("Transfer-Encoding", "chunked"))
        else:
            headers.append(("Connection", "close"))
        headers += fault.headers
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        connection.sendall(f"HTTP/1.1 {status} {REASONS.get(status, 'X')}\r\n{lines}\r\n".encode())
        cut = fault.cut_after if fault.cut_at is None else fault.cut_at - start
        whole = cut is None or cut >= len(body)
        body = body if whole else body[: max(0, cut or 0)]
        with self._lock:
            self.sent_bytes += len(body)
        _send_body(connection, body, fault, whole=whole)
        if not whole and fault.with_reset:
            # Closing with a linger of 0 sends RST instead of FIN.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if not whole and fault.with_silence:
            connection.recv(1)
        # A body that doesn't match what was declared ends with its connection: the client must not wait for more.
        return whole and fault.framing != "close" and (fault.declared in {None, len(body)})


def _head_of(request: Request, fault: Fault, content: SeededContent) -> tuple[int, int, int, list[tuple[str, str]]]:
    size = content.size_bytes
    headers = [("Content-Type", "video/mp4")] if not _says(fault, "content-type") else []
    if request.start is None or fault.ignore_range:
        return fault.status or 200, 0, size, headers
    if request.start >= size:
        headers.append(("Content-Range", fault.content_range or f"bytes */{size}"))
        return fault.status or 416, 0, 0, headers
    stop = min(request.stop or size, size)
    headers.append(("Content-Range", fault.content_range or f"bytes {request.start}-{stop - 1}/{size}"))
    return fault.status or 206, request.start, stop, headers


def _says(fault: Fault, name: str) -> bool:
    return any(each.lower() == name for each, _ in fault.headers)


def _send_body(connection: socket.socket, body: bytes, fault: Fault, *, whole: bool) -> None:
    if fault.framing != "chunked":
        connection.sendall(body)
        return
    for start in range(0, len(body), PIECE):
        piece = body[start : start + PIECE]
        connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
    if whole:
        connection.sendall(b"0\r\n\r\n")
