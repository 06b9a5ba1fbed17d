"""Progress in the log: readable, and at a pace that fits a log."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest

from airflow_provider_kaltura.operators._progress import ProgressLog, in_time, in_units

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
