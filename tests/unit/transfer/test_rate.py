from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_kaltura.transfer.copy import copy
from airflow_provider_kaltura.transfer.memory_sink import MemorySink
from airflow_provider_kaltura.transfer.rate import RateLimiter
from tests.fakes import FlakySource, ManualClock


@given(rate=st.integers(1, 10**9), counts=st.lists(st.integers(0, 10**7), min_size=1, max_size=50))
def test_the_rate_holds_whatever_is_taken(rate, counts):
    """All but the burst has taken its time."""
    clock = ManualClock(0.0)
    limiter = RateLimiter(rate, clock=clock, sleep=clock.sleep)
    for count in counts:
        limiter.take(count)
    assert clock.now == pytest.approx(max(0.0, sum(counts) / rate), abs=0.1 + 1e-6)


def test_a_pause_saves_no_more_than_the_burst():
    """An hour of silence is no leave to take an hour's bytes at once."""
    clock = ManualClock(0.0)
    limiter = RateLimiter(100, clock=clock, sleep=clock.sleep)
    clock.advance(3600)
    limiter.take(1000)
    assert clock.now == pytest.approx(3600 + 9.9)


def test_threads_share_the_rate():
    """What they wait for together is the time that all bytes need."""
    limiter, waits = RateLimiter(1000, clock=lambda: 0.0), []

    def take():
        for _ in range(100):
            waits.append(limiter.reserve(10))  # noqa: PERF401 - the calls are what is tested

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(waits) == pytest.approx(4 * 100 * 10 / 1000, abs=0.1 + 1e-6)


def test_reads_are_short_enough_for_the_rate():
    """No server waits for long between two reads."""
    assert RateLimiter(100_000).piece_bytes == 25_000
    assert RateLimiter(1).piece_bytes == 1024


@pytest.mark.parametrize("rate", [0, -1, 0.5, float("nan")])
def test_a_rate_below_one_is_refused(rate):
    """It would never end."""
    with pytest.raises(ValueError, match="at least 1"):
        RateLimiter(rate)


def test_a_copy_in_order_keeps_the_rate():
    """The limit holds for the loop over one connection too."""
    clock, data = ManualClock(0.0), bytes(50_000)
    limiter = RateLimiter(10_000, clock=clock, sleep=clock.sleep)
    upload = MemorySink().begin("a", size_bytes=len(data), part_bytes=20_000)
    copy(FlakySource(data), upload, size_bytes=len(data), part_bytes=20_000, limiter=limiter)
    assert clock.now == pytest.approx(5.0, abs=0.2)
