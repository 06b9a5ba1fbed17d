from __future__ import annotations

import socket

import pytest

from tests.servers.seaweed import SeaweedServer


def test_it_starts_keeps_an_object_and_ends():
    """A server answers as soon as the block begins; after it, nothing of it is left."""
    with SeaweedServer() as server:
        client = server.client()
        bucket = server.make_bucket()
        client.put_object(Bucket=bucket, Key="a", Body=b"12345")
        assert client.get_object(Bucket=bucket, Key="a")["Body"].read() == b"12345"
        client.close()
        folder, port = server._folder, server.port
    assert not folder.exists()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=5)
