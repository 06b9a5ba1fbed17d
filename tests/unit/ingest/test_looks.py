"""Trouble with one entry, or with one call, stays where it is."""

from __future__ import annotations

import asyncio

import pytest

from airflow_provider_kaltura.api.errors import ForbiddenError, InternalServerError, KalturaTransportError
from airflow_provider_kaltura.ingest.errors import WatchTimeoutError
from airflow_provider_kaltura.ingest.watch import MAX_FAILURES
from tests.unit.ingest.loops import run_virtually
from tests.unit.ingest.watching import START, FakeApi, make_watch, ready, snapshot


def results(api, entry_ids, *, deadline=None, call=None):
    """Wait for all entries at once, every 60 seconds."""

    async def main():
        watch = make_watch(api) if call is None else make_watch(api, call)
        until = None if deadline is None else START + deadline
        waits = [watch.wait(entry_id, "source", poll_interval=60, deadline=until) for entry_id in entry_ids]
        return await asyncio.gather(*waits, return_exceptions=True)

    return run_virtually(main())


@pytest.mark.parametrize(
    "error",
    [InternalServerError("bug", "INTERNAL_SERVERL_ERROR"), KalturaTransportError("HTTP 500", "HTTP"), ValueError("y")],
    ids=["internal error", "crash", "answer that can't be read"],
)
def test_entry_that_always_fails_ends_only_its_own_wait(error):
    """What may pass, and never does for one entry, is traced to it; it is then asked alone."""
    api = FakeApi(bad=[(0, error)], a=ready("a", 3000), b=ready("b", 90))
    *found, failed = results(api, ["a", "b", "c", "bad"], deadline=7000)
    assert [type(one).__name__ for one in found] == ["Found", "Found", "WatchTimeoutError"]
    assert failed is error
    since = [ids for at, ids, _ in api.calls if at > 200 and "bad" in ids]
    assert since == [("bad",)] * (MAX_FAILURES - 4)


def test_entry_that_answers_again_is_asked_with_the_others():
    """Nobody stays guilty for ever."""
    api = FakeApi(bad=[(0, InternalServerError("bug")), (600, snapshot("bad", 1)), (900, snapshot("bad", 2))])
    results(api, ["a", "bad"], deadline=1000)
    assert ("a", "bad") in [ids for at, ids, _ in api.calls if at > 650]


def test_outage_is_nobodys_fault_and_costs_few_requests():
    """Everybody's failures count, and a server in trouble isn't asked for each entry."""
    down = [(0, KalturaTransportError("HTTP 503", "HTTP"))]
    ids = [f"e{number:03}" for number in range(200)]
    api = FakeApi(**dict.fromkeys(ids, down))
    found = results(api, ids)
    assert {type(one) for one in found} == {KalturaTransportError}
    assert len({at for at, _, _ in api.calls}) == MAX_FAILURES
    assert len(api.calls) < 5 * MAX_FAILURES


@pytest.mark.parametrize("error", [InternalServerError("bug"), ForbiddenError("no")], ids=["passing", "permanent"])
def test_many_bad_entries_never_end_the_waits_of_good_ones(error):
    """What one tick could not find out counts for nobody; the next ones go on."""
    ids = [f"e{number:03}" for number in range(300)]
    bad = set(ids[::7])
    api = FakeApi(**{entry_id: [(0, error)] if entry_id in bad else ready(entry_id, 9000) for entry_id in ids})
    found = dict(zip(ids, results(api, ids), strict=True))
    assert {type(found[entry_id]).__name__ for entry_id in ids if entry_id not in bad} == {"Found"}
    assert {found[entry_id] for entry_id in bad} == {error}


def test_call_that_hangs_is_one_failure_and_does_not_hold_up_deadlines():
    """A thread can't be stopped: it is left behind, the others go on, and its late answer is dropped."""
    calls = []

    async def call(function, *arguments):
        calls.append(asyncio.get_running_loop().time() - START)
        if len(calls) == 1:
            await asyncio.sleep(5000)
        return function(*arguments)

    api = FakeApi(a=ready("a", 400))
    found, late = results(api, ["a", "b"], deadline=1000, call=call)
    assert type(found).__name__ == "Found"
    assert isinstance(late, WatchTimeoutError)
    assert calls[:2] == [3, 360]


def test_calls_that_all_hang_end_the_waits():
    """No more than two threads are left behind."""
    calls = []

    async def call(_function, *_arguments):
        calls.append(1)
        await asyncio.sleep(1e6)

    (failed,) = results(FakeApi(), ["a"], call=call)
    assert (type(failed), failed.code) == (KalturaTransportError, "HUNG")
    assert len(calls) == 2
