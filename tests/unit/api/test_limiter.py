"""The limiter."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_kaltura.api.limiter import Limiter
from tests.unit.api.conftest import ManualClock


def make(clock, concurrent=4, per_second=10.0):
    """Make a limiter on a clock that is moved by hand."""
    return Limiter(concurrent, per_second, clock=clock, sleep=clock.sleep)


def test_one_second_of_requests_goes_at_once_and_then_the_rate_holds(clock):
    """A burst of one second's worth is free; afterwards a request goes every tenth of a second."""
    limiter, begun = make(clock), clock.now
    for _ in range(30):
        with limiter.slot():
            pass
    assert clock.now - begun == pytest.approx(2.0, abs=0.01)


def test_a_block_halves_once_for_requests_that_were_together(clock):
    """Four requests blocked at once report one block, a later one the next."""
    limiter = make(clock)
    slots = [limiter.slot() for _ in range(4)]
    for held in slots:
        held.__enter__().blocked()
    clock.now += 1
    for held in slots:
        held.__exit__(None, None, None)
    assert limiter.share == 0.5
    clock.now += 1
    with limiter.slot() as slot:
        slot.blocked()
    assert limiter.share == 0.25


def test_success_raises_it_slowly_to_the_whole(clock):
    """Half the rate comes back in 25 successes, and never more than the whole."""
    limiter = make(clock)
    with limiter.slot() as slot:
        slot.blocked()
    for count in range(40):
        clock.now += 1
        with limiter.slot():
            pass
        assert limiter.share == pytest.approx(min(1.0, 0.5 + 0.02 * (count + 1)))


def test_a_failed_request_neither_raises_nor_halves(clock):
    """A failure of another kind says nothing about the rate, and gives its place back."""
    limiter = make(clock, concurrent=1)
    with limiter.slot() as slot:
        slot.blocked()
    for _ in range(3):
        clock.now += 10
        with pytest.raises(ZeroDivisionError), limiter.slot():
            raise ZeroDivisionError
    assert limiter.share == 0.5


def test_it_never_stops_altogether(clock):
    """After any number of blocks a request still goes, in bounded time."""
    limiter = make(clock)
    for _ in range(50):
        clock.now += 100
        with limiter.slot() as slot:
            slot.blocked()
    begun = clock.now
    with limiter.slot():
        pass
    assert clock.now - begun < 60


def test_only_so_many_at_once_across_threads():
    """With many threads there are never more requests on their way than allowed, and all get through."""
    limiter = Limiter(3, 1e6)
    lock, active, highest = threading.Lock(), [0], [0]
    together = threading.Barrier(3, timeout=5)

    def work(index):
        with limiter.slot():
            with lock:
                active[0] += 1
                highest[0] = max(highest[0], active[0])
            if index < 3:
                together.wait()
            with lock:
                active[0] -= 1

    threads = [threading.Thread(target=work, args=(index,)) for index in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert (highest[0], active[0]) == (3, 0)


@given(st.floats(0.5, 50), st.lists(st.tuples(st.floats(0, 2), st.booleans()), max_size=60))
def test_no_history_beats_the_configured_rate(per_second, history):
    """Whatever is blocked and however long pauses are, no window has more than its rate and one burst."""
    clock = ManualClock()
    limiter = make(clock, 100, per_second)
    started: list[float] = []
    for pause, is_blocked in history:
        clock.now += pause
        with limiter.slot() as slot:
            started.append(clock.now)
            if is_blocked:
                slot.blocked()
    burst = max(1.0, per_second)
    for first in range(len(started)):
        for last in range(first, len(started)):
            assert last - first + 1 <= (started[last] - started[first]) * per_second + burst + 1 + 1e-6
