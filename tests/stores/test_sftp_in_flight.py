"""SSH's own checksums find what changes on the way: the reason why SFTP is not read back."""

from __future__ import annotations

import contextlib
import random
import socket
import threading

import pytest
from sshfs import SSHFileSystem

from airflow_provider_kaltura.transfer.errors import SinkError
from airflow_provider_kaltura.transfer.fsspec_sftp import SftpFiles
from airflow_provider_kaltura.transfer.fsspec_sink import FsspecSink
from tests.unit.transfer.sink_contract import begin, put

DATA = random.Random(3).randbytes(400_000)


class FlippingRelay:
    """A relay on the way to a server that flips one bit of what the client sends, at a byte that is chosen later."""

    def __init__(self, port):
        self.port_behind = port
        self.flips_next = False
        self.flipped = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._sockets = []

    def __enter__(self):
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        for one in [self._listener, *self._sockets]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _serve(self):
        client, _ = self._listener.accept()
        server = socket.create_connection(("127.0.0.1", self.port_behind))
        self._sockets += [client, server]
        threading.Thread(target=self._pass_on, args=(server, client, lambda data: data), daemon=True).start()
        self._pass_on(client, server, self._flip)

    def _pass_on(self, source, target, change):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(change(data))
            target.shutdown(socket.SHUT_RDWR)

    def _flip(self, data):
        if not self.flips_next or len(data) < 10_000:
            return data
        self.flips_next, self.flipped = False, self.flipped + 1
        return data[:5_000] + bytes([data[5_000] ^ 1]) + data[5_001:]


@pytest.mark.parametrize("flips", [False, True], ids=["untouched", "one bit"])
def test_a_bit_flipped_on_the_way_ends_the_connection(sshd, tmp_path, flips):
    """Nothing gets the final name; without the flip the same way works."""
    with FlippingRelay(sshd.port) as relay:
        sink = FsspecSink(SftpFiles(SSHFileSystem(**{**sshd.options(), "port": relay.port})), str(tmp_path))
        upload = begin(sink, data=DATA, part=100_000)
        put(upload, range(2), DATA, 100_000)
        relay.flips_next = flips
        expected = pytest.raises(SinkError) if flips else contextlib.nullcontext()
        with expected:
            put(upload, range(2, 4), DATA, 100_000)
            upload.commit()
    assert relay.flipped == int(flips)
    assert (tmp_path / "dir/object.bin").exists() is not flips
