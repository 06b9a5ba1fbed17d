"""A server of seeded bytes that counts what it sends, and tells somebody when it has sent so many."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from tests.media_server import SeededContent

_RANGE = re.compile(rb"^range:\s*bytes=(\d+)-(\d+)\s*$", re.IGNORECASE | re.MULTILINE)
_PIECE = 64 * 1024


class SeededServer:
    """
    Serves one object of any length on a free port of 127.0.0.1, without ever holding it.

    :param content: The bytes.
    """

    def __init__(self, content: SeededContent) -> None:
        self.content = content
        self.sent_bytes = 0
        self._mark = 0
        self._reached = threading.Event()
        self._hold_at: int | None = None
        self._go_on = threading.Event()
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        # Little that is sent and not read yet: what is counted is what was fetched.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _PIECE)
        self._thread = threading.Thread(target=self._accept, daemon=True)

    @property
    def url(self) -> str:
        """Where the object is."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/object"

    def watch(self, more_bytes: int, *, hold: bool = False) -> threading.Event:
        """Give an event that is set once so many more bytes were sent; *hold* then stops until :meth:`release`."""
        with self._lock:
            self._reached = threading.Event()
            self._mark = self.sent_bytes + more_bytes
            self._hold_at = self._mark if hold else None
            self._go_on.clear()
            return self._reached

    def release(self) -> None:
        """Go on after a hold."""
        with self._lock:
            self._hold_at = None
        self._go_on.set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            sockets = list(self._sockets)
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._sockets.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with contextlib.suppress(OSError):
                head = b""
                while received := connection.recv(65536):
                    head += received
                    if b"\r\n\r\n" in head:
                        self._answer(connection, head)
                        head = b""
        finally:
            with self._lock:
                self._sockets.discard(connection)
            connection.close()

    def _answer(self, connection: socket.socket, head: bytes) -> None:
        size = self.content.size_bytes
        found = _RANGE.search(head)
        start, stop = (int(found[1]), min(int(found[2]) + 1, size)) if found else (0, size)
        status = f"206 Partial Content\r\nContent-Range: bytes {start}-{stop - 1}/{size}" if found else "200 OK"
        connection.sendall(
            f"HTTP/1.1 {status}\r\nContent-Type: video/mp4\r\nContent-Length: {stop - start}\r\n\r\n".encode()
        )
        for at in range(start, stop, _PIECE):
            end = min(at + _PIECE, stop)
            connection.sendall(self.content.read(at, end))
            with self._lock:
                self.sent_bytes += end - at
                is_held = self._hold_at is not None and self.sent_bytes >= self._hold_at
                if self.sent_bytes >= self._mark:
                    self._reached.set()
            if is_held:
                self._go_on.wait(60)
