"""Acceptance line 7: whatever the size, at most 64 MB above the process just before its first byte."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

REPORT = Path(__file__).parents[3] / ".test-runs" / "memory.txt"
MIB = 1024 * 1024
LIMIT_BYTES = 64 * 1000 * 1000

# Sends the same block as long as it is asked for: as fast as a server in Python can.
SERVER = """
import socket, sys
size, block = int(sys.argv[1]), bytes(range(256)) * 4096
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
connection, _ = listener.accept()
while not connection.recv(65536).endswith(b"\\r\\n\\r\\n"):
    pass
connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % size)
while size > 0:
    connection.sendall(block[:size])
    size -= len(block)
"""

# Peak resident memory, as the kernel counts it, before the first byte and after the last one. The kernel's peak is
# reset in between where it may be, so that imports don't hide what the copy needs.
CLIENT = """
import contextlib, json, re, sys
from airflow_provider_kaltura.transfer import copy, http_pool, http_source, local_sink, plan

def status(name):
    return int(re.search(name + r":\\s+(\\d+) kB", open("/proc/self/status").read()).group(1)) * 1024

url, size, root = sys.argv[1], int(sys.argv[2]), sys.argv[3]
sink = local_sink.LocalSink(root, durability="batch")
pool = http_pool.HttpPool(http_pool.HttpOptions(proxies={}))
source = http_source.HttpSource(http_source.FixedUrl(url), size_bytes=size, pool=pool)
before = status("VmRSS")
with contextlib.suppress(OSError):
    open("/proc/self/clear_refs", "w").write("5")
upload = sink.begin("object", size_bytes=size, part_bytes=plan.DEFAULT_PART_BYTES)
result = copy.copy(source, upload, size_bytes=size, part_bytes=plan.DEFAULT_PART_BYTES)
upload.commit(checksum=result.checksum)
print(json.dumps({"before": before, "peak": status("VmHWM"), "fetched": result.fetched_bytes}))
"""


def copy_in_a_process(size, folder):
    """Copy *size* bytes to disk in a fresh process and give what it measured."""
    with subprocess.Popen([sys.executable, "-c", SERVER, str(size)], stdout=subprocess.PIPE, text=True) as server:
        try:
            url = f"http://127.0.0.1:{int(server.stdout.readline())}/object"
            command = [sys.executable, "-c", CLIENT, url, str(size), str(folder)]
            done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=110)
        finally:
            server.kill()
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "size", [pytest.param(64 * MIB + 1, id="64 MiB"), pytest.param(1024 * MIB, id="1 GiB", marks=pytest.mark.all)]
)
def test_memory_stays_within_its_bound(size, tmp_path):
    """The peak, imports of the HTTP and checksum libraries included, is bounded and doesn't grow with the size."""
    found = copy_in_a_process(size, tmp_path)
    above = found["peak"] - found["before"]
    REPORT.parent.mkdir(exist_ok=True)
    with REPORT.open("a") as report:
        report.write(f"{size} bytes to disk: peak {above} bytes above the process just before the first byte\n")
    assert found["fetched"] == size
    assert (tmp_path / "object").stat().st_size == size
    assert 0 < above <= LIMIT_BYTES, f"{above / 1e6:.1f} MB above the start"
