"""Acceptance lines 4 and 5: memory that doesn't grow, connections that pay, to a disk and to S3."""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.throttled import ThrottledServer

ROOT = Path(__file__).parents[2]
REPORT = ROOT / ".test-runs" / "throughput.md"
MIB = 1024 * 1024
GIB = 1024 * MIB
LIMIT_BYTES = 64 * 1000 * 1000
SPREAD_BYTES = 8 * 1000 * 1000
PER_CONNECTION = 20_000_000


@pytest.fixture(scope="module")
def source():
    """A media server that can give each connection little."""
    with ThrottledServer() as running:
        yield running


@pytest.fixture(params=["local", "s3"])
def sink(request, tmp_path):
    """Where the bytes go, as arguments of the process that copies."""
    if request.param == "local":
        yield {"folder": str(tmp_path)}
        return
    seaweed = request.getfixturevalue("seaweed")
    keys = {"access_key": seaweed.access_key, "secret_key": seaweed.secret_key}
    bucket = seaweed.make_bucket()
    yield {"endpoint": seaweed.endpoint, "bucket": bucket, **keys}
    seaweed.client().delete_bucket(Bucket=bucket)


def transfer(source, sink, size, rate, connections=8):
    """Copy once in a fresh process; give what it measured, proved to be the right bytes."""
    source.counts()
    given = {"url": source.url(size, rate), "size_bytes": size, "max_connections": connections, **sink}
    command = [sys.executable, "-m", "tests.stores.transfer_once", json.dumps(given)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=1500, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert found["checksum"] == source.checksum(size)
    assert found["size_bytes"] == size
    assert source.counts()["most_answers"] <= connections
    where = "local" if "folder" in sink else "S3"
    REPORT.parent.mkdir(exist_ok=True)
    with REPORT.open("a") as report:
        report.write(
            f"{size // MIB} MiB to {where}, {rate / 1e6:.0f} MB/s for each of at most {connections} connections: "
            f"{found['seconds']:.2f} s, {size / found['seconds'] / 1e6:.0f} MB/s, {found['connections']} used, "
            f"{found['requests']} requests, peak {found['peak_bytes'] / 1e6:.1f} MB above start\n"
        )
    return found


@pytest.mark.parametrize("rate", [0, PER_CONNECTION], ids=["unlimited", "throttled"])
def test_memory_is_bounded(source, sink, rate):
    """One connection or eight: at most 64 MB above the process that is ready to begin."""
    found = transfer(source, sink, 192 * MIB, rate)
    assert 0 < found["peak_bytes"] <= LIMIT_BYTES


def test_a_source_without_limit_gets_two_connections_at_most(source, sink):
    """Connections are no end in themselves."""
    assert transfer(source, sink, 256 * MIB, 0)["connections"] <= 2


@pytest.mark.all
@pytest.mark.timeout(3600)
def test_memory_does_not_grow_with_the_file(source, sink):
    """1, 4 and 16 GiB, and 1 GiB from eight slow connections: the same memory, within 8 MB."""
    peaks = [transfer(source, sink, size, 0)["peak_bytes"] for size in (GIB, 4 * GIB, 16 * GIB)]
    peaks.append(transfer(source, sink, GIB, PER_CONNECTION)["peak_bytes"])
    print("peaks in MB:", [round(peak / 1e6, 1) for peak in peaks])  # noqa: T201 - a figure to report
    assert max(peaks) <= LIMIT_BYTES
    assert max(peaks) - min(peaks) <= SPREAD_BYTES


@pytest.mark.all
@pytest.mark.timeout(1800)
def test_eight_slow_connections_give_six_times_as_much(source, sink):
    """Medians of five in one run, in shuffled order: parallel ranges against one connection of the same kind."""
    seconds_per_byte = {1: [], 8: []}
    order = [1, 8] * 5
    random.shuffle(order)
    for connections in order:
        size = GIB if connections > 1 else 128 * MIB
        found = transfer(source, sink, size, PER_CONNECTION, connections=connections)
        seconds_per_byte[connections].append(found["seconds"] / size)
        assert found["connections"] <= connections
    ratio = statistics.median(seconds_per_byte[1]) / statistics.median(seconds_per_byte[8])
    print(f"eight connections give {ratio:.2f} times one")  # noqa: T201 - a figure to report
    assert ratio >= 6
