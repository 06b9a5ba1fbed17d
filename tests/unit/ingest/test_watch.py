"""Waiting for flavors: who is asked about, and when."""

from __future__ import annotations

import asyncio

import pytest

from airflow_provider_kaltura.api.errors import (
    InvalidRequestError,
    PreferenceError,
)
from tests.unit.ingest.loops import run_virtually
from tests.unit.ingest.watching import FakeApi, make_watch, ready, snapshot


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


def test_new_wait_comes_along_with_a_look_that_is_due():
    """A wait of an hour that begins just before a tick is looked at with it, not by a call of its own."""
    api = FakeApi(a=ready("a", 100), b=ready("b", 50))

    async def late(watch):
        await asyncio.sleep(58)
        await watch.wait("b", "source", poll_interval=3600)

    async def main():
        watch = make_watch(api)
        await asyncio.gather(watch.wait("a", "source", poll_interval=60), late(watch))

    run_virtually(main())
    assert [call[:2] for call in api.calls] == [(3, ("a",)), (60, ("a", "b")), (120, ("a",))]


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
    ("entry_id", "wanted", "interval", "error"),
    [
        ("a,b", "source", 60, InvalidRequestError),
        ("e", "hight<=3", 60, PreferenceError),
        ("e", "source", float("nan"), ValueError),
        ("e", "source", float("inf"), ValueError),
    ],
)
def test_what_cannot_be_asked_never_joins(entry_id, wanted, interval, error):
    """A wrong argument of one wait spoils no look of the others."""
    api = FakeApi()

    async def main():
        watch = make_watch(api)
        with pytest.raises(error):
            await watch.wait(entry_id, wanted, poll_interval=interval)
        assert watch._waiters == set()

    run_virtually(main())
    assert api.calls == []
