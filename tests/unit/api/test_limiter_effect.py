"""What a block does to requests: fewer at once, fewer per second, and slowly as many as before."""

from __future__ import annotations

import contextlib
import threading

import pytest

from airflow_provider_kaltura.api.limiter import Limiter


class NoPlaceError(Exception):
    """A request would have to wait until another one is over."""


class NeverWaiting(threading.Condition):
    """Says that a request must wait, instead of letting it wait."""

    def wait(self, timeout=None):
        """Refuse."""
        raise NoPlaceError(timeout)


def make(clock, concurrent=8, per_second=10.0):
    """Make a limiter on a clock that is moved by hand."""
    limiter = Limiter(concurrent, per_second, clock=clock, sleep=clock.sleep)
    limiter._condition = NeverWaiting()
    return limiter


def block(limiter):
    """Have one request refused for its rate."""
    with limiter.slot() as slot:
        slot.blocked()


def succeed(limiter, times):
    """Have some requests answered."""
    for _ in range(times):
        with limiter.slot():
            pass


def fail(limiter):
    """Have one request end in a way that says nothing about the rate."""
    with contextlib.suppress(ZeroDivisionError), limiter.slot():
        raise ZeroDivisionError


def seconds_of(limiter, clock, requests):
    """Measure how long some requests take that leave the limits as they are."""
    begun = clock.now
    for _ in range(requests):
        fail(limiter)
    return clock.now - begun


def places(limiter):
    """Count the requests that may be on their way together; the limits stay as they are."""
    held = []
    with contextlib.suppress(NoPlaceError), contextlib.ExitStack() as stack:
        while True:
            held.append(stack.enter_context(limiter.slot()))
            assert len(held) < 100, "nothing is limited"
    return len(held)


def test_after_a_block_requests_take_twice_as_long(clock):
    """20 requests without a burst take 2 s before a block, 4 s after it, and 8 s after a second one."""
    limiter = make(clock)
    seconds_of(limiter, clock, 10)
    assert seconds_of(limiter, clock, 20) == pytest.approx(2.0, abs=0.05)
    block(limiter)
    assert seconds_of(limiter, clock, 20) == pytest.approx(4.0, abs=0.1)
    block(limiter)
    assert seconds_of(limiter, clock, 20) == pytest.approx(8.0, abs=0.2)


def test_after_a_block_the_burst_is_half(clock):
    """After a long pause ten requests go at once before a block, and five after it."""
    limiter = make(clock)
    assert seconds_of(limiter, clock, 10) == pytest.approx(0.0, abs=1e-6)
    block(limiter)
    clock.now += 1000
    assert seconds_of(limiter, clock, 5) == pytest.approx(0.0, abs=1e-6)
    assert seconds_of(limiter, clock, 1) == pytest.approx(0.2, abs=0.01)


def test_after_a_block_half_as_many_go_at_once(clock):
    """Of eight places four are left after a block, two after the next; one always is."""
    limiter = make(clock, per_second=1e6)
    found = [places(limiter)]
    for _ in range(5):
        clock.now += 10
        block(limiter)
        found.append(places(limiter))
    assert found == [8, 4, 2, 1, 1, 1]


def test_places_come_back_slowly_with_successes(clock):
    """A fifth place opens with the seventh success after a block, all eight with the 25th, and never more."""
    limiter = make(clock, per_second=1e6)
    block(limiter)
    found = []
    for count in (6, 1, 17, 1, 50):
        succeed(limiter, count)
        found.append(places(limiter))
    assert found == [4, 5, 7, 8, 8]


def test_the_rate_comes_back_slowly_with_successes(clock):
    """After a block and 25 successes 20 requests take as long as before the block."""
    limiter = make(clock)
    block(limiter)
    succeed(limiter, 10)
    assert seconds_of(limiter, clock, 21) == pytest.approx(21 / 7, abs=0.15)
    succeed(limiter, 15)
    assert seconds_of(limiter, clock, 20) == pytest.approx(2.0, abs=0.05)
