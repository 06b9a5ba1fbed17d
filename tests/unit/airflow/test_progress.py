"""Progress in the log: readable, and at a pace that fits a log."""

from __future__ import annotations

import contextlib
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from airflow_provider_kaltura.operators._progress import BatchProgress, ProgressLog, in_time, in_units

JOB = SimpleNamespace(asset_id="0_flavor01", path="/lake/x", resolve_url=None)
MIB = 1024**2


class ManualClock:
    """A clock that moves when it is told to."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        """Tell the time."""
        return self.now


def run(caplog, steps, size_bytes):
    """Feed (seconds, done bytes) into a progress log and return its lines."""
    clock = ManualClock()
    progress = ProgressLog(logging.getLogger("test.progress").info, clock)
    with caplog.at_level(logging.INFO, logger="test.progress"):
        for seconds, done_bytes in steps:
            clock.now = 100.0 + seconds
            progress(JOB, done_bytes, size_bytes)
    return [record.getMessage() for record in caplog.records]


def test_a_line_says_bytes_percent_rate_and_time_left(caplog):
    """One line has all that people want to know."""
    lines = run(caplog, [(0, 0), (10, 100 * MIB)], 400 * MIB)
    assert lines == ["Flavor 0_flavor01: 100.0 MiB of 400.0 MiB (25 %), 10.0 MiB/s, 0:00:30 left"]


def test_a_quick_download_writes_nothing(caplog):
    """What is over within two seconds needs no progress."""
    assert run(caplog, [(second / 10, second * MIB) for second in range(11)], 10 * MIB) == []


def test_a_slow_download_writes_every_ten_seconds(caplog):
    """Thousands of calls over a minute and less than ten percent give six lines."""
    assert len(run(caplog, [(step / 100, step) for step in range(6001)], 1_000_000)) == 6


def test_steps_of_ten_percent_are_told_when_they_are_not_too_quick(caplog):
    """At four seconds for ten percent, each step is a line."""
    assert len(run(caplog, [(4 * step, 10 * step) for step in range(11)], 100)) == 10


def test_a_stalled_download_has_no_time_left(caplog):
    """Nothing moved: the rate is zero and the rest unknown."""
    (line,) = run(caplog, [(0, 0), (10, 0)], 100)
    assert line.endswith("0 B/s, unknown time left")


def test_resumed_bytes_do_not_count_for_the_rate(caplog):
    """What an earlier try stored was not fetched in this one."""
    (line,) = run(caplog, [(0, 50 * MIB), (10, 60 * MIB)], 100 * MIB)
    assert "1.0 MiB/s" in line


def test_an_empty_file_is_whole_at_once(caplog):
    """A length of zero does not divide."""
    (line,) = run(caplog, [(0, 0), (10, 0)], 0)
    assert "(100 %)" in line


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536 * 1024, "1.5 MiB"), (1024**4, "1.0 TiB")],
)
def test_units(size_bytes, text):
    """Sizes are in powers of 1024."""
    assert in_units(size_bytes) == text


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00:00"), (61, "0:01:01"), (3661.4, "1:01:01")])
def test_times(seconds, text):
    """Times are hours, minutes, seconds."""
    assert in_time(seconds) == text


def big(number):
    """Give the job of a file."""
    return SimpleNamespace(asset_id=f"0_flavor{number:02}", path="/lake/x", resolve_url=None)


@pytest.fixture
def batch():
    """Give a function that tells a batch's progress by the thread of a file, the batch, its clock and its lines."""
    clock, lines = ManualClock(), []
    progress = BatchProgress(lambda text, *words: lines.append(text % words), clock)
    with contextlib.ExitStack() as stack:
        threads = [stack.enter_context(ThreadPoolExecutor(1)) for _ in range(4)]

        def tell(number, done_bytes, size_bytes):
            threads[number % 4].submit(progress, big(number), done_bytes, size_bytes).result()

        yield tell, progress, clock, lines


def test_a_batch_tells_files_bytes_and_rate(batch):
    """Bytes of all files together, those under way included; what was stored before was not fetched."""
    tell, progress, clock, lines = batch
    progress.watch(0, 40)
    for done in (10, 10, 60, 70, 70):
        for number in range(4):
            tell(number, done * MIB, 70 * MIB)
    assert lines == []
    clock.now += 10
    progress.watch(5, 40)
    assert lines == ["Batch: 5 of 40 files done, 240.0 MiB fetched, 24.0 MiB/s"]


@pytest.mark.parametrize("calls", [(MIB,), (0, MIB), (0, MIB, MIB), (1, 2, MIB)])
def test_many_small_files_write_a_line_every_ten_seconds(batch, calls):
    """A thousand files in a minute are six lines, and none of their own; all bytes count, however they are told."""
    tell, progress, clock, lines = batch
    for number in range(1_000):
        for done in calls:
            tell(number, done, MIB)
        clock.now += 0.0605
        progress.watch(number + 1, 1_000)
    assert len(lines) == 6
    assert lines[-1].startswith("Batch: 996 of 1000 files done, 996.0 MiB fetched, 16.5 MiB/s")
    assert len(progress._under_way) == 4


def test_big_files_write_their_own_lines_once_a_minute(batch):
    """Each of several at a time keeps its own rate, and small ones stay silent."""
    tell, _, clock, lines = batch
    for minute in range(4):
        for number in range(3):
            tell(number, minute * 100 * MIB, 400 * MIB)
        tell(7, minute, MIB)
        clock.now += 60
    own = [line for line in lines if line.startswith("Flavor ")]
    assert max(own).startswith("Flavor 0_flavor02: 300.0 MiB of 400.0 MiB (75 %), 1.7 MiB/s")
    assert len(own) == 9


def test_a_file_that_begins_anew_counts_its_bytes_again(batch):
    """They were fetched twice."""
    tell, progress, clock, lines = batch
    for done in (0, 50, 0, 60):
        tell(1, done * MIB, 60 * MIB)
    clock.now += 10
    progress.watch(1, 1)
    assert lines == ["Batch: 1 of 1 files done, 110.0 MiB fetched, 11.0 MiB/s"]


def test_nothing_fetched_is_no_rate(batch):
    """A batch that only skips divides by nothing."""
    _, progress, clock, lines = batch
    clock.now += 11
    progress.watch(7, 9)
    assert lines == ["Batch: 7 of 9 files done, 0 B fetched, 0 B/s"]


def test_threads_lose_no_byte(batch):
    """Sixteen threads at once: the sum is exact, and each ten seconds have one line."""
    _, progress, clock, lines = batch
    barrier = threading.Barrier(16)

    def fetch(number):
        barrier.wait()
        for done in range(501):
            progress(big(number), done, 500)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(fetch, range(16)))
    clock.now += 10
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda done: progress.watch(done, 16), [16] * 64))
    assert lines == [f"Batch: 16 of 16 files done, {in_units(16 * 500)} fetched, {in_units(1.6 * 500)}/s"]
