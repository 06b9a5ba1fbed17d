"""
A media server in a process of its own that gives each connection so many bytes per second, and no more.

``/<size>/<bytes per second>`` is an object of that length at that rate; rate 0 is no limit. The bytes are those of one
seeded block, repeated, which the kernel sends out of a file: the server costs next to nothing, however large the
object is. ``/counts`` tells how many connections and answers there were at once, and how many requests.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Self

from airflow_provider_kaltura.transfer.checksum import combine_crc64nvme, crc64nvme, format_crc64nvme

#: Odd, so that no two parts of an object are equal.
BLOCK_BYTES = 16 * 1024 * 1024 - 3
_BURST_SECONDS = 0.02
_PIECE_BYTES = 1024 * 1024
_RANGE = re.compile(rb"^range:\s*bytes=(\d+)-(\d+)\s*$", re.IGNORECASE | re.MULTILINE)


class ThrottledServer:
    """
    The process, its addresses and its bytes.

    :param seed: Of the block.
    """

    def __init__(self, seed: int = 5) -> None:
        self.block = random.Random(seed).randbytes(BLOCK_BYTES)
        self._folder = tempfile.mkdtemp()
        path = Path(self._folder) / "block"
        path.write_bytes(self.block)
        command = [sys.executable, "-m", "tests.servers.throttled", str(path)]
        root = Path(__file__).parents[2]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)
        assert self._process.stdout is not None
        self._port = int(self._process.stdout.readline())
        self.base_url = f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process and remove its file."""
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        shutil.rmtree(self._folder)

    def url(self, size_bytes: int, bytes_per_second: int = 0) -> str:
        """Address of an object."""
        return f"{self.base_url}/{size_bytes}/{bytes_per_second}"

    def counts(self) -> dict[str, Any]:
        """Give what was counted since the last call, and begin anew."""
        with socket.create_connection(("127.0.0.1", self._port), timeout=10) as sock, sock.makefile("rb") as answer:
            sock.sendall(b"GET /counts HTTP/1.1\r\n\r\n")
            length = int(answer.readline() and answer.readline().split()[1])
            answer.readline()
            return dict(json.loads(answer.read(length)))

    def checksum(self, size_bytes: int) -> str:
        """Checksum of an object, without reading it."""
        count, rest = divmod(size_bytes, BLOCK_BYTES)
        whole = [(crc64nvme(self.block), BLOCK_BYTES)] * count
        return format_crc64nvme(combine_crc64nvme([*whole, (crc64nvme(self.block[:rest]), rest)]))


class _Counts:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.answers = 0
        self.most_answers = 0
        self.requests = 0

    def take(self) -> bytes:
        """Give the counts as JSON and begin anew."""
        with self.lock:
            found = {"most_answers": self.most_answers, "requests": self.requests}
            self.most_answers = self.requests = 0
        return json.dumps(found).encode()

    @contextlib.contextmanager
    def one_answer(self) -> Any:
        """Count an answer while it is sent."""
        with self.lock:
            self.requests += 1
            self.answers += 1
            self.most_answers = max(self.most_answers, self.answers)
        try:
            yield
        finally:
            with self.lock:
                self.answers -= 1


class _Connection:
    def __init__(self, sock: socket.socket, file: int, counts: _Counts) -> None:
        self._sock = sock
        self._file = file
        self._counts = counts
        self._paid_at = 0.0

    def serve(self) -> None:
        """Answer requests until the client goes away."""
        with self._sock, contextlib.suppress(OSError):
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            rest = b""
            while True:
                while b"\r\n\r\n" not in rest:
                    data = self._sock.recv(65536)
                    if not data:
                        return
                    rest += data
                head, _, rest = rest.partition(b"\r\n\r\n")
                self._answer(head)

    def _answer(self, head: bytes) -> None:
        path = head.split(b" ", 2)[1].decode()
        if path == "/counts":
            found = self._counts.take()
            self._sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(found) + found)
            return
        size, rate = (int(number) for number in path.strip("/").split("/"))
        wanted = _RANGE.search(head)
        start, stop = (int(wanted.group(1)), int(wanted.group(2)) + 1) if wanted else (0, size)
        status = "206 Partial Content" if wanted else "200 OK"
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {stop - start}"]
        if wanted:
            lines.append(f"Content-Range: bytes {start}-{stop - 1}/{size}")
        with self._counts.one_answer():
            self._sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
            self._send(start, stop, rate)

    def _send(self, start: int, stop: int, rate: int) -> None:
        piece = max(16 * 1024, min(_PIECE_BYTES, rate // 100)) if rate else _PIECE_BYTES
        while start < stop:
            offset = start % BLOCK_BYTES
            sent = os.sendfile(self._sock.fileno(), self._file, offset, min(piece, stop - start, BLOCK_BYTES - offset))
            if sent == 0:
                return
            start += sent
            if rate:
                self._wait(sent / rate)

    def _wait(self, seconds: float) -> None:
        now = time.monotonic()
        self._paid_at = max(self._paid_at, now - _BURST_SECONDS) + seconds
        if self._paid_at > now:
            time.sleep(self._paid_at - now)


def main(path: str) -> None:
    """Serve until killed."""
    file, counts = os.open(path, os.O_RDONLY), _Counts()
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    print(listener.getsockname()[1], flush=True)  # noqa: T201 - whoever started this process reads it
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=_Connection(sock, file, counts).serve, daemon=True).start()


if __name__ == "__main__":
    main(sys.argv[1])
