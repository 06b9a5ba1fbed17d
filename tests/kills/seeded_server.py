"""A server of seeded bytes that counts what it sends, and tells somebody when it has sent so many."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

from tests.socket_server import PIECE, RANGE, SocketServer

if TYPE_CHECKING:
    from tests.media_server import SeededContent


class SeededServer(SocketServer):
    """
    Serves one object of any length on a free port of 127.0.0.1, without ever holding it.

    :param content: The bytes.
    """

    def __init__(self, content: SeededContent) -> None:
        super().__init__()
        self.content = content
        self.sent_bytes = 0
        self._mark = 0
        self._reached = threading.Event()
        self._hold_at: int | None = None
        self._go_on = threading.Event()
        # Little that is sent and not read yet: what is counted is what was fetched.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PIECE)

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

    def __exit__(self, *arguments: object) -> None:
        self.release()
        super().__exit__(*arguments)

    def reply(self, connection: socket.socket, head: bytes) -> bool:
        """Send what is asked for, and count it; hold where that was asked for."""
        size = self.content.size_bytes
        found = RANGE.search(head)
        start = int(found[1]) if found else 0
        stop = min(int(found[2]) + 1, size) if found and found[2] else size
        status = f"206 Partial Content\r\nContent-Range: bytes {start}-{stop - 1}/{size}" if found else "200 OK"
        connection.sendall(
            f"HTTP/1.1 {status}\r\nContent-Type: video/mp4\r\nContent-Length: {stop - start}\r\n\r\n".encode()
        )
        for at in range(start, stop, PIECE):
            end = min(at + PIECE, stop)
            connection.sendall(self.content.read(at, end))
            with self._lock:
                self.sent_bytes += end - at
                is_held = self._hold_at is not None and self.sent_bytes >= self._hold_at
                if self.sent_bytes >= self._mark:
                    self._reached.set()
            if is_held:
                self._go_on.wait(60)
        return True
