"""Acceptance line 8 once more, through the threads: whatever the wire does, never a wrong file."""

from __future__ import annotations

import os
import random
import threading
import time

import pytest

from airflow_provider_kaltura.transfer import copy as copying
from airflow_provider_kaltura.transfer import pipeline
from airflow_provider_kaltura.transfer.copy import copy
from airflow_provider_kaltura.transfer.http_pool import HttpOptions, HttpPool
from airflow_provider_kaltura.transfer.http_source import FixedUrl, HttpSource
from airflow_provider_kaltura.transfer.memory_sink import MemorySink
from tests.media_server import Fault, MediaServer, SeededContent
from tests.unit.transfer import fault_suite
from tests.unit.transfer.reading import SECRET

#: Connections at once, and threads that put.
SHAPES = [(1, 2), (3, 0), (4, 2)]


class FixedTuner:
    """As many connections as allowed, from the beginning."""

    def __init__(self, most):
        self.target = most

    def observe(self, _now):
        """Stay."""
        return self.target

    def refused(self, _at):
        """Stay."""


@pytest.fixture(scope="module", autouse=True)
def in_parallel():
    """Send the smallest object through the threads, with all connections at once; none of them may survive."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(copying, "PIPELINE_BYTES", 0)
        patch.setattr(pipeline, "Tuner", FixedTuner)
        yield
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("copy-")] == []


@pytest.fixture(scope="module")
def seed():
    """The seed of contents and offsets; printed, and taken from the environment to run a failure again."""
    value = int(os.environ.get("TRANSFER_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"TRANSFER_SEED={value}")  # noqa: T201 - pytest shows it beside a failure
    return value


@pytest.fixture(scope="module", params=SHAPES, ids=lambda shape: f"{shape[0]} connections, {shape[1]} puts")
def rows(seed, tmp_path_factory, request):
    """Every case run once in this shape; of the cuts a sample."""
    connections, puts = request.param
    cuts = random.Random(seed).sample(list(fault_suite.cut_cases(seed)), 150)
    cases = [*cuts, *fault_suite.lying_cases(seed)]
    return fault_suite.run_cases(cases, seed, tmp_path_factory.mktemp("lake"), connections=connections, puts=puts)


def test_never_a_wrong_file(rows, seed):
    """No case leaves bytes under the final name that are not the seed's."""
    assert [row for row in rows if row.is_wrong] == [], f"TRANSFER_SEED={seed}"


def test_every_fault_ends_by_bytes_or_a_named_error(rows, seed):
    """Nothing else comes out, and whatever a bounded number of resumes can get is got."""
    failed = [row for row in rows if row.outcome != "bytes"]
    assert [row for row in failed if not row.outcome.endswith("Error")] == []
    assert [row for row in failed if row.kind.startswith("cut ")] == [], f"TRANSFER_SEED={seed}"
    assert [row for row in failed if row.kind.endswith(", once")] == [], f"TRANSFER_SEED={seed}"
    endless = [row for row in rows if row.kind.endswith(", always") and not row.kind.startswith("200 to a range")]
    assert [row for row in endless if row.outcome == "bytes" and not _is_harmless(row)] == []


def _is_harmless(row):
    # A wrong status for the whole is right for a range.
    return row.kind == "206 to a request for everything, always"


def test_nothing_is_left_over(rows, seed):
    """No temporary file stays, whatever happened."""
    assert [row for row in rows if row.left_over] == [], f"TRANSFER_SEED={seed}"


def test_no_session_shows(rows):
    """Errors, tracebacks and reprs don't have the URL."""
    assert [row.kind for row in rows if SECRET in row.shown] == []


@pytest.mark.parametrize("fault", [Fault(cut_after=0, with_silence=True), Fault(cut_after=3000, with_silence=True)])
def test_an_error_ends_the_connections_that_are_silent(fault):
    """A connection that waits for its server is shut down: nobody waits for its time limit."""
    content = SeededContent(1, 100_000)

    def progress(_done, _total):
        if len(server.requests) == 4:
            raise KeyboardInterrupt

    with (
        MediaServer(content, lambda _request: fault) as server,
        HttpPool(HttpOptions(read_timeout_seconds=60, proxies={})) as pool,
    ):
        source = HttpSource(FixedUrl(server.url), size_bytes=content.size_bytes, pool=pool)
        sink = MemorySink()
        upload = sink.begin("a", size_bytes=content.size_bytes, part_bytes=20_000)
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            copy(
                source,
                upload,
                size_bytes=content.size_bytes,
                part_bytes=20_000,
                capabilities=sink.capabilities,
                max_connections=4,
                progress=progress,
            )
        assert [thread.name for thread in threading.enumerate() if thread.name.startswith("copy-")] == []
    assert time.monotonic() - began < 20
