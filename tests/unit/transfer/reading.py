"""What the suites of HTTP sources read, and how."""

from __future__ import annotations

from tests.media_server import Fault, SeededContent

CONTENT = SeededContent(11, 5_000)
#: What must never show; as long as a real session.
SECRET = "djJ8MTIzNHxsb25nLXNlY3JldC1zZXNzaW9uLXRleHQtdGhhdC1tdXN0LW5vdC1sZWFr"


def read(source, start, stop, step=700):
    """Read a range to its end."""
    found, buffer = b"", memoryview(bytearray(step))
    with source.open(start, stop) as stream:
        while count := stream.readinto(buffer):
            found += bytes(buffer[:count])
        assert stream.readinto(buffer) == 0
    return found


def redirect(location, status=302):
    """An answer that sends elsewhere."""
    return Fault(status=status, body=b"", headers=(("Location", location),))


def connections_of(source):
    """Count the connections that were made so far."""
    (manager,) = source._pool._managers.values()
    (key,) = manager.pools.keys()
    return manager.pools[key].num_connections
