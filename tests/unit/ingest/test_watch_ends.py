"""Waiting for flavors: what ends a wait, and what does not."""

from __future__ import annotations

import asyncio
import gc

import pytest

from airflow_provider_kaltura.api.errors import (
    AuthError,
    ForbiddenError,
    KalturaTransportError,
    NoFlavorsError,
    NotFoundError,
    ThrottledError,
)
from airflow_provider_kaltura.ingest.errors import WatchTimeoutError
from airflow_provider_kaltura.ingest.watch import MAX_FAILURES
from tests.unit.ingest.loops import run_virtually
from tests.unit.ingest.watching import START, FakeApi, make_watch, ready, snapshot


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (snapshot("e", -1, entry_status="2"), NoFlavorsError),
        (ForbiddenError("no"), ForbiddenError),
        (AuthError("no"), AuthError),
    ],
    ids=["never", "forbidden", "auth"],
)
def test_what_cannot_change_ends_the_wait_at_once(answer, error):
    """Nobody waits seven days for a flavor that failed or an account that is closed."""
    api = FakeApi(e=[(0, answer)])

    async def main():
        await make_watch(api).wait("e", "source", poll_interval=60)

    with pytest.raises(error):
        run_virtually(main())
    assert api.times == [3]


@pytest.mark.parametrize("error", [KalturaTransportError("down"), ThrottledError("slow"), OSError("odd")])
def test_transient_errors_do_not_end_a_wait(error):
    """An outage shorter than the bound is slept through, and success clears the count."""
    answers = [(0, error), (60 * (MAX_FAILURES - 2) + 1, snapshot("e", 1))]
    answers += [(60 * MAX_FAILURES, error), (60 * (2 * MAX_FAILURES - 2) + 1, snapshot("e", 2))]
    api = FakeApi(e=answers)

    async def main():
        return await make_watch(api).wait("e", "source", poll_interval=60)

    assert run_virtually(main()).entry.id == "e"


def test_too_many_failures_in_a_row_end_the_wait_with_the_last():
    """The bound is exact."""
    api = FakeApi(e=[(0, KalturaTransportError("down"))])

    async def main():
        await make_watch(api).wait("e", "source", poll_interval=60)

    with pytest.raises(KalturaTransportError, match="down"):
        run_virtually(main())
    assert len(api.calls) == MAX_FAILURES


def test_entry_that_is_missing_is_looked_for_twice():
    """Right after a creation one of several servers may not know it yet; a second time it is believed."""
    missing = NotFoundError("gone")
    api = FakeApi(a=[(0, missing), (50, snapshot("a", 2))], b=[(0, missing)])

    async def main():
        watch = make_watch(api)
        waits = [watch.wait("a", "source", poll_interval=60), watch.wait("b", "source", poll_interval=60)]
        return await asyncio.gather(*waits, return_exceptions=True)

    first, second = run_virtually(main())
    assert first.entry.id == "a"
    assert isinstance(second, NotFoundError)
    assert api.times == [3, 60]


def test_permanent_error_of_one_entry_ends_only_its_own_wait():
    """It is found by halving, and the others go on as if nothing had been."""
    names = [f"e{index}" for index in range(64)]
    api = FakeApi(**{name: ready(name, 50) for name in names}, bad=[(0, ForbiddenError("not yours"))])

    async def main():
        watch = make_watch(api)
        waits = [watch.wait(name, "source", poll_interval=60) for name in ["bad", *names]]
        return await asyncio.gather(*waits, return_exceptions=True)

    bad, *others = run_virtually(main())
    assert isinstance(bad, ForbiddenError)
    assert [found.entry.id for found in others] == names
    assert len([when for when in api.times if when == 3]) <= 1 + 24
    assert api.times[-1] == 60
    assert api.times.count(60) == 1


def test_many_permanent_errors_cost_a_bounded_number_of_calls():
    """Finding out whose errors they are never becomes one call per entry."""
    names = [f"e{index}" for index in range(300)]
    api = FakeApi(**{name: [(0, ForbiddenError("not yours"))] for name in names})

    async def main():
        watch = make_watch(api)
        waits = [watch.wait(name, "source", poll_interval=60) for name in names]
        return await asyncio.gather(*waits, return_exceptions=True)

    assert all(isinstance(found, ForbiddenError | KalturaTransportError) for found in run_virtually(main()))
    assert max(api.times.count(when) for when in api.times) <= 25


def test_deadline_ends_one_wait_with_what_was_missing():
    """Others with a later deadline go on."""
    api = FakeApi(a=[(0, snapshot("a", 1))], b=ready("b", 170))

    async def main():
        watch = make_watch(api)
        waits = [
            watch.wait("a", "source", poll_interval=60, deadline=START + 100),
            watch.wait("b", "source", poll_interval=60, deadline=START + 1000),
        ]
        started = asyncio.get_running_loop().time()
        results = await asyncio.gather(_timed(waits[0], started), _timed(waits[1], started), return_exceptions=True)
        return [result for result, _ in results], [seconds for _, seconds in results]

    (first, second), seconds = run_virtually(main())
    assert isinstance(first, WatchTimeoutError)
    assert "a_0 (CONVERTING) is not finished" in str(first)
    assert second.entry.id == "b"
    assert seconds == [100, 180]


async def _timed(wait, started):
    try:
        result = await wait
    except WatchTimeoutError as error:
        result = error
    return result, asyncio.get_running_loop().time() - started


@pytest.mark.parametrize(("at", "found"), [(0, True), (100, False)])
def test_wait_that_begins_past_its_deadline_gets_one_look(at, found):
    """What became ready while the triggerer was down is no timeout."""
    api = FakeApi(e=[(0, snapshot("e", 1)), (at, snapshot("e", 2))])

    async def main():
        try:
            return await make_watch(api).wait("e", "source", poll_interval=60, deadline=START - 1000)
        except WatchTimeoutError:
            return None

    assert (run_virtually(main()) is not None) is found
    assert api.times == [3]


def test_deadline_holds_while_a_look_hangs():
    """Kaltura that never answers can't keep a wait past its deadline and a minute."""

    async def hang(*_arguments):
        await asyncio.sleep(1e9)

    async def main():
        started = asyncio.get_running_loop().time()
        with pytest.raises(WatchTimeoutError, match="nobody has looked"):
            await make_watch(FakeApi(), hang).wait("e", "source", poll_interval=60, deadline=START + 10)
        return asyncio.get_running_loop().time() - started

    assert 10 <= run_virtually(main()) <= 61


def test_cancelled_wait_leaves_the_others_and_is_asked_about_no_more():
    """A user who clears one task stops one wait."""
    api = FakeApi(b=ready("b", 170))

    async def main():
        watch = make_watch(api)
        first = asyncio.ensure_future(watch.wait("a", "source", poll_interval=60))
        second = asyncio.ensure_future(watch.wait("b", "source", poll_interval=60))
        await asyncio.sleep(70)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        return await second

    assert run_virtually(main()).entry.id == "b"
    assert [entry_ids for _, entry_ids, _ in api.calls] == [("a", "b"), ("a", "b"), ("b",), ("b",)]


def test_failing_watch_leaves_nobody_waiting():
    """Whatever breaks the poller itself ends the waits with it."""

    async def broken(*_arguments):
        raise RuntimeError("executor is shut down")

    async def main():
        await make_watch(FakeApi(), broken).wait("e", "source")

    with pytest.raises(RuntimeError, match="shut down"):
        run_virtually(main())


def test_answer_without_an_entry_is_one_failed_look():
    """An answer that leaves an entry out doesn't break the watch."""
    api = FakeApi()
    api.snapshot = lambda _entry_ids, **_more: {}

    async def main():
        await make_watch(api).wait("e", "source", poll_interval=60)

    with pytest.raises(KalturaTransportError, match="left out"):
        run_virtually(main())


def test_error_that_meets_a_cancelled_wait_is_no_noise_in_the_log():
    """Nobody is left to take it, and nobody need know."""
    noise = []

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, context: noise.append(context["message"]))
        watch = make_watch(FakeApi())
        task = asyncio.ensure_future(watch.wait("e", "source", deadline=START + 1000))
        await asyncio.sleep(1)
        (waiter,) = watch._waiters
        task.cancel()
        waiter.answer.set_exception(KalturaTransportError("late"))
        with pytest.raises(asyncio.CancelledError):
            await task
        del waiter, task
        gc.collect()

    run_virtually(main())
    assert noise == []
