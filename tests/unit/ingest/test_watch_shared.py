"""Waiting for flavors: one watch for all waits of a connection and loop, off the loop."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import time
import weakref

from airflow_provider_kaltura.api.errors import (
    AuthError,
)
from airflow_provider_kaltura.ingest import watch as module
from airflow_provider_kaltura.ingest.watch import FlavorWatch
from tests.unit.ingest.loops import run_virtually
from tests.unit.ingest.watching import FakeApi, inline, make_watch, ready, snapshot


def test_error_of_the_account_ends_every_wait_and_the_next_begins_anew():
    """A rotated secret is not asked again and again, and a watch with the old one is not given out."""
    api = FakeApi(a=[(50, AuthError("secret"))])

    async def main():
        async def make_api():
            return api

        watch = await FlavorWatch.shared("c", make_api)
        watch._looks._call, watch._now = inline, asyncio.get_running_loop().time
        waits = [watch.wait("a", "source", poll_interval=60), watch.wait("b", "source", poll_interval=3600)]
        errors = await asyncio.gather(*waits, return_exceptions=True)
        assert await FlavorWatch.shared("c", make_api) is not watch
        return errors

    assert [type(error) for error in run_virtually(main())] == [AuthError, AuthError]
    assert api.times == [3, 60]


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
        watch._looks._call, watch._now = inline, asyncio.get_running_loop().time
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
