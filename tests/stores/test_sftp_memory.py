"""Whatever the size, a copy to SFTP takes the same memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

MIB = 1024 * 1024

# Peak resident memory, as the kernel counts it, from before the first byte to after the last one.
CLIENT = """
import contextlib, json, re, sys, time
from sshfs import SSHFileSystem
from airflow_provider_kaltura.transfer import plan
from airflow_provider_kaltura.transfer.fsspec_sftp import SftpFiles
from airflow_provider_kaltura.transfer.fsspec_sink import FsspecSink

def status(name):
    return int(re.search(name + r":\\s+(\\d+) kB", open("/proc/self/status").read()).group(1)) * 1024

size, root, options = int(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
sink = FsspecSink(SftpFiles(SSHFileSystem(**options)), root)
part = plan.part_bytes_for(size, sink.capabilities)
sink.store.write("warm", b"x")
before = status("VmRSS")
with contextlib.suppress(OSError):
    open("/proc/self/clear_refs", "w").write("5")
start = time.monotonic()
upload = sink.begin("object", size_bytes=size, part_bytes=part)
buffer = memoryview(bytearray(part))
for index in range(plan.part_count(size, part)):
    upload.put_part(index, buffer[: plan.part_range(index, size, part).size_bytes])
upload.commit()
print(json.dumps({"above": status("VmHWM") - before, "part": part, "seconds": time.monotonic() - start}))
"""


def measure(size, sshd, folder):
    """Copy *size* bytes in a fresh process and give what it measured."""
    command = [sys.executable, "-c", CLIENT, str(size), str(folder), json.dumps(sshd.options())]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=100, cwd=Path(__file__).parents[2]
    )
    assert (folder / "object").stat().st_size == size
    (folder / "object").unlink()
    return json.loads(done.stdout)


def test_memory_is_that_of_a_few_parts(sshd, tmp_path):
    """Four parts and the interpreter's slack, for 32 MiB as for 256 MiB."""
    small, large = (measure(size * MIB + 1, sshd, tmp_path) for size in (32, 256))
    print(f"SFTP: {small} for 32 MiB, {large} for 256 MiB")  # noqa: T201 - figures for the curious
    assert 0 < large["above"] <= 4 * large["part"] + 16 * MIB
    assert abs(large["above"] - small["above"]) <= 12 * MIB
