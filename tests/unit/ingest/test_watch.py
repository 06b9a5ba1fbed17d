"""Waiting for flavors: who is asked about when, what ends a wait, and what does not."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import time
import weakref

import pytest

from airflow_provider_kaltura.api.errors import (
    AuthError,
    ForbiddenError,
    InvalidRequestError,
    KalturaTransportError,
    NoFlavorsError,
    NotFoundError,
    PreferenceError,
    ThrottledError,
)
from airflow_provider_kaltura.api.models import Entry, EntrySnapshot, FlavorAsset
from airflow_provider_kaltura.ingest import watch as module
from airflow_provider_kaltura.ingest.errors import WatchTimeoutError
from airflow_provider_kaltura.ingest.watch import MAX_FAILURES, FlavorWatch
from tests.unit.ingest.loops import run_virtually

START = 54_000.0


def snapshot(entry_id, *statuses, entry_status="1", web=None):
    """Make a snapshot whose first asset is the source."""
    assets = tuple(
        FlavorAsset(id=f"{entry_id}_{index}", entry_id=entry_id, partner_id=102, status=status, is_original=index == 0)
        for index, status in enumerate(statuses)
    )
    entry = Entry(id=entry_id, partner_id=102, status=entry_status)
    return EntrySnapshot(entry=entry, assets=assets, web_playable_ids=web)


class FakeApi:
    """Answers from a table of what holds from which second on; notes every call."""

    def __init__(self, **answers):
        self.answers = answers
        self.calls = []

    def snapshot(self, entry_ids, *, web_playable_for=()):
        """Answer for each entry what holds now, and raise what is raised now."""
        now = asyncio.get_event_loop().time() - START
        self.calls.append((now, tuple(entry_ids), tuple(web_playable_for)))
        found = {}
        for entry_id in entry_ids:
            holds = [answer for since, answer in self.answers.get(entry_id, ()) if since <= now]
            answer = holds[-1] if holds else snapshot(entry_id, 1)
            if isinstance(answer, Exception) and not isinstance(answer, NotFoundError):
                raise answer
            found[entry_id] = answer
        return found

    @property
    def times(self):
        """When calls were made."""
        return [call[0] for call in self.calls]


async def inline(function, *arguments):
    """Run a call on the loop itself."""
    return function(*arguments)


def make_watch(api, call=inline):
    """Make a watch whose wall clock is the loop's."""
    loop = asyncio.get_running_loop()
    return FlavorWatch(api, call=call, now=loop.time)


def ready(entry_id, at):
    """Say that an entry's source becomes ready after some seconds."""
    return [(0, snapshot(entry_id, 1)), (at, snapshot(entry_id, 2))]


def test_wait_ends_at_the_first_look_after_the_flavor_is_ready():
    """The answer is the entry and the one asset that was chosen."""
    api = FakeApi(e=ready("e", 130))

    async def main():
        return await make_watch(api).wait("e", "source", poll_interval=60)

    found = run_virtually(main())
    assert (found.entry.id, [asset.id for asset in found.assets]) == ("e", ["e_0"])
    assert api.times == [3, 60, 120, 180]


def test_equal_intervals_share_their_looks_whenever_they_began():
    """Two waits that began at different times are asked about in one call."""
    api = FakeApi(a=ready("a", 170), b=ready("b", 170))

    async def late(watch):
        await asyncio.sleep(25)
        await watch.wait("b", "source", poll_interval=60)

    async def main():
        watch = make_watch(api)
        await asyncio.gather(watch.wait("a", "source", poll_interval=60), late(watch))

    run_virtually(main())
    assert api.calls == [
        (3, ("a",), ()),
        (28, ("b",), ()),
        (60, ("a", "b"), ()),
        (120, ("a", "b"), ()),
        (180, ("a", "b"), ()),
    ]


def test_longer_intervals_fall_on_the_grid_of_the_shortest():
    """Every 150 s beside every 60 s means every third tick, never a tick of its own."""
    api = FakeApi(a=ready("a", 590), b=ready("b", 590))

    async def main():
        watch = make_watch(api)
        waits = [watch.wait("a", "source", poll_interval=60), watch.wait("b", "source", poll_interval=150)]
        await asyncio.gather(*waits)

    run_virtually(main())
    asked_b = [when for when, entry_ids, _ in api.calls if "b" in entry_ids]
    assert api.times == [3, *range(60, 601, 60), 750]
    assert asked_b == [3, 180, 360, 540, 750]


def test_thousand_new_waits_are_one_look():
    """A triggerer that starts with all its triggers asks once for all of them."""
    api = FakeApi(**{f"e{index}": ready(f"e{index}", 59) for index in range(1000)})

    async def main():
        watch = make_watch(api)
        await asyncio.gather(*(watch.wait(f"e{index}", "source", poll_interval=60) for index in range(1000)))

    run_virtually(main())
    assert [(when, len(entry_ids)) for when, entry_ids, _ in api.calls] == [(3, 1000), (60, 1000)]


def test_two_waits_for_one_entry_ask_once_and_choose_each_for_itself():
    """Preferences are applied to the same snapshot."""
    api = FakeApi(e=[(0, snapshot("e", 2, 1)), (100, snapshot("e", 2, 2))])

    async def main():
        watch = make_watch(api)
        waits = [watch.wait("e", "source", poll_interval=60), watch.wait("e", "id:e_1", poll_interval=60)]
        return await asyncio.gather(*waits)

    first, second = run_virtually(main())
    assert [found.assets[0].id for found in (first, second)] == ["e_0", "e_1"]
    assert [entry_ids for _, entry_ids, _ in api.calls] == [("e",)] * 3


def test_all_waits_for_every_asset():
    """``"all"`` ends when entry and assets are final, with all that are ready."""
    api = FakeApi(
        e=[
            (0, snapshot("e", 2, 1, entry_status="1")),
            (50, snapshot("e", 2, 2, -1, entry_status="1")),
            (100, snapshot("e", 2, 2, -1, entry_status="2")),
        ]
    )

    async def main():
        return await make_watch(api).wait("e", "all", poll_interval=60)

    assert [asset.id for asset in run_virtually(main()).assets] == ["e_0", "e_1"]
    assert api.times == [3, 60, 120]


def test_web_playable_set_is_asked_only_for_whom_it_matters():
    """One action more for each wait that wants ``web``, none for the others."""
    api = FakeApi(a=[(0, snapshot("a", 2, web=frozenset({"a_0"})))], b=[(0, snapshot("b", 2))])

    async def main():
        watch = make_watch(api)
        return await asyncio.gather(watch.wait("a", "web"), watch.wait("b", "source"))

    run_virtually(main())
    assert api.calls == [(3, ("a", "b"), ("a",))]


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


def test_error_of_the_account_ends_every_wait_and_the_next_begins_anew():
    """A rotated secret is not asked again and again, and a watch with the old one is not given out."""
    api = FakeApi(a=[(50, AuthError("secret"))])

    async def main():
        async def make_api():
            return api

        watch = await FlavorWatch.shared("c", make_api)
        watch._call, watch._now = inline, asyncio.get_running_loop().time
        waits = [watch.wait("a", "source", poll_interval=60), watch.wait("b", "source", poll_interval=3600)]
        errors = await asyncio.gather(*waits, return_exceptions=True)
        assert await FlavorWatch.shared("c", make_api) is not watch
        return errors

    assert [type(error) for error in run_virtually(main())] == [AuthError, AuthError]
    assert api.times == [3, 60]


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


def test_nothing_is_asked_while_nobody_waits():
    """The poller ends with the last wait, and the next wait begins another."""
    api = FakeApi(e=ready("e", 0))

    async def main():
        watch = make_watch(api)
        await watch.wait("e", "source", poll_interval=60)
        await asyncio.sleep(1000)
        assert watch._poller.done()
        assert len(api.calls) == 1
        await watch.wait("e", "source", poll_interval=60)

    run_virtually(main())
    assert len(api.calls) == 2


def test_slow_answers_do_not_make_looks_pile_up():
    """A look that takes three ticks is followed by one look, not by three."""
    api = FakeApi(e=ready("e", 500))

    async def slow(function, *arguments):
        await asyncio.sleep(200)
        return function(*arguments)

    async def main():
        await make_watch(api, slow).wait("e", "source", poll_interval=60)

    run_virtually(main())
    assert api.times == [203, 440, 680]


@pytest.mark.parametrize("interval", [0, -5, 0.001])
def test_interval_without_sense_is_no_tight_loop(interval):
    """At most two looks a second, whatever is asked for."""
    api = FakeApi(e=ready("e", 10))

    async def main():
        await make_watch(api).wait("e", "source", poll_interval=interval)

    run_virtually(main())
    assert len(api.calls) <= 22


@pytest.mark.parametrize(
    ("entry_id", "wanted", "error"), [("a,b", "source", InvalidRequestError), ("e", "hight<=3", PreferenceError)]
)
def test_what_cannot_be_asked_never_joins(entry_id, wanted, error):
    """A wrong argument of one wait spoils no look of the others."""
    api = FakeApi()

    async def main():
        watch = make_watch(api)
        with pytest.raises(error):
            await watch.wait(entry_id, wanted)
        assert watch._waiters == set()

    run_virtually(main())
    assert api.calls == []


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


def test_one_watch_per_connection_and_loop():
    """Waits of a connection meet in one watch; its API is made once, even by many at the same time."""
    made = []

    async def make_api():
        made.append(1)
        await asyncio.sleep(1)
        return FakeApi()

    async def main():
        watches = await asyncio.gather(*(FlavorWatch.shared("c", make_api) for _ in range(50)))
        other = await FlavorWatch.shared("d", make_api)
        assert len(set(map(id, watches))) == 1
        assert other is not watches[0]
        return watches[0]

    first, second = run_virtually(main()), run_virtually(main())
    assert first is not second
    assert len(made) == 4


def test_error_of_making_the_api_reaches_everybody_and_is_not_kept():
    """The next wait tries again."""
    outcomes = [ValueError("no such connection"), FakeApi()]

    async def make_api():
        await asyncio.sleep(1)
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def main():
        failed = await asyncio.gather(*(FlavorWatch.shared("c", make_api) for _ in range(3)), return_exceptions=True)
        assert [str(error) for error in failed] == ["no such connection"] * 3
        return await FlavorWatch.shared("c", make_api)

    assert run_virtually(main()) is not None


def test_cancelling_the_first_comer_does_not_cancel_the_others():
    """Whoever began to make the API is not needed for the rest."""

    async def make_api():
        await asyncio.sleep(1)
        return FakeApi()

    async def main():
        first = asyncio.ensure_future(FlavorWatch.shared("c", make_api))
        second = asyncio.ensure_future(FlavorWatch.shared("c", make_api))
        await asyncio.sleep(0.5)
        first.cancel()
        return await second

    assert run_virtually(main()) is not None


def test_watch_and_loop_are_forgotten_when_nobody_uses_them():
    """A triggerer that runs for months keeps nothing of connections that are gone."""

    async def make_api():
        return FakeApi(e=ready("e", 0))

    async def main():
        watch = await FlavorWatch.shared("c", make_api)
        watch._call, watch._now = inline, asyncio.get_running_loop().time
        await watch.wait("e", "source")
        return weakref.ref(watch), weakref.ref(asyncio.get_running_loop())

    watch, loop = run_virtually(main())
    gc.collect()
    assert (watch(), loop()) == (None, None)
    assert all(not registry.watches for registry in module._REGISTRIES.values())


def test_poller_does_not_inherit_the_context_of_the_first_wait():
    """Airflow tells triggers' log lines apart by context; the watch belongs to none of them."""
    whose = contextvars.ContextVar("whose", default="nobody's")
    seen = []
    api = FakeApi(e=ready("e", 0))
    original = api.snapshot
    api.snapshot = lambda *more, **other: seen.append(whose.get()) or original(*more, **other)

    async def main():
        whose.set("the first trigger's")
        await make_watch(api).wait("e", "source")

    run_virtually(main())
    assert seen == ["nobody's"]


def test_looks_run_in_a_thread_and_do_not_hold_up_the_loop():
    """A look that blocks for a quarter of a second delays nobody else on the loop."""
    threads = []

    class Blocking:
        def snapshot(self, entry_ids, *, web_playable_for=()):
            assert not web_playable_for
            threads.append(threading.current_thread())
            time.sleep(0.25)
            return {entry_id: snapshot(entry_id, 2) for entry_id in entry_ids}

    async def drift():
        worst = 0.0
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.01)
            worst = max(worst, time.perf_counter() - before - 0.01)
            drifts.append(worst)

    async def main():
        beside = asyncio.ensure_future(drift())
        await FlavorWatch(Blocking()).wait("e", "source", poll_interval=0.5)
        beside.cancel()

    drifts = []
    asyncio.run(main())
    assert threads[0] is not threading.main_thread()
    assert drifts[-1] < 0.15
