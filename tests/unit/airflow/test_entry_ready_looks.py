"""Looks of the triggers for events: shared by all, never in the way of others, no secret anywhere, paused by errors."""

from __future__ import annotations

import asyncio
import time

import pytest

from airflow_provider_kaltura.compat import AirflowNotFoundException, BaseEventTrigger, BaseTrigger
from airflow_provider_kaltura.exceptions import KalturaConnectionError
from airflow_provider_kaltura.ingest import ready_feed
from airflow_provider_kaltura.sandbox import small
from airflow_provider_kaltura.triggers import entry_ready
from tests.unit.airflow.ready_watching import ids, looks, together, told, trigger, until

# Airflow 2 has no events; see test_entry_ready_versions.py.
__test__ = BaseEventTrigger is not BaseTrigger

pytestmark = pytest.mark.usefixtures("watching")


def test_ten_watchers_share_their_looks(sandbox):
    """Different conditions, one listing per interval: as many requests as one watcher makes."""
    triggers = [trigger(tags=[f"tag{number}"], look_back=60) for number in range(10)]
    made = sandbox.control.add_entry(tags="tag3")
    payloads = asyncio.run(together(sandbox, triggers))
    assert [ids(one) for one in payloads] == [[made["id"]] if number == 3 else [] for number in range(10)]
    assert looks(sandbox) <= 6


def test_airflows_own_shared_streams_do_the_same(sandbox):
    """Airflow 3.3 drives one stream for all triggers of a key, and each takes from it what it wants."""
    from airflow.triggers.shared_stream import SharedStreamManager  # noqa: PLC0415 - not before 3.3

    made = sandbox.control.add_entry(tags="tag3")
    triggers = [trigger(tags=[f"tag{number}"], look_back=60) for number in range(10)]
    assert len({one.shared_stream_key() for one in triggers}) == 1
    assert trigger(poll_interval=9).shared_stream_key() != triggers[0].shared_stream_key()

    async def run():
        manager, payloads = SharedStreamManager(), []

        async def collect(number, one):
            key = one.shared_stream_key()
            stream = manager.subscribe(trigger_id=number, trigger=one, key=key)
            try:
                async for event in one.filter_shared_stream(stream):
                    payloads.append((number, event.payload["entryId"]))  # noqa: PERF401 - see told
            finally:
                await manager.unsubscribe(number, key)

        tasks = [asyncio.create_task(collect(*pair)) for pair in enumerate(triggers)]
        await until(lambda: looks(sandbox) >= 3)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await manager.stop_all()
        return payloads

    assert asyncio.run(run()) == [(3, made["id"])]
    assert looks(sandbox) <= 6


def test_errors_that_pass_do_not_end_a_watcher(sandbox):
    """The next look finds what the failed ones did not."""
    made = sandbox.control.add_entry()
    sandbox.control.faults.on("unavailable_html", service="media", action="list", times=3)
    assert ids(asyncio.run(told(trigger(look_back=60), sandbox, 6))) == [made["id"]]


@pytest.fixture
def pauses(monkeypatch):
    """Do not pause before an error is raised; note how long it would have been."""
    noted = []

    async def sleep(seconds):
        noted.append(seconds)

    monkeypatch.setattr(ready_feed, "_sleep", sleep)
    monkeypatch.setattr(entry_ready, "_sleep", sleep)
    return noted


def test_what_cannot_pass_is_raised_after_a_pause(sandbox, pauses):
    """The triggerer starts a watcher that failed again at once: without a pause it would do nothing else."""
    sandbox.control.faults.on("forbidden", service="media", action="list")
    with pytest.raises(KalturaConnectionError) as raised:
        asyncio.run(told(trigger(poll_interval=45), sandbox))
    assert 45 in pauses
    assert small.ADMIN_SECRET not in str(raised.value)


def test_connection_that_is_not_there_is_raised_after_a_pause(sandbox, pauses):
    """So is what the connection itself has wrong."""
    with pytest.raises(AirflowNotFoundException):
        asyncio.run(told(trigger(kaltura_conn_id="nowhere", poll_interval=45), sandbox))
    assert pauses == [45]


def test_no_secret_is_in_a_trigger_or_its_events(sandbox):
    """What is stored, logged and shown holds ids, numbers and the conditions only."""
    sandbox.control.add_entry()
    one = trigger(look_back=60)
    payloads = asyncio.run(told(one, sandbox))
    shown = f"{one!r} {one} {one.serialize()} {vars(one)} {payloads}"
    assert payloads
    assert small.ADMIN_SECRET not in shown
    assert "djJ8" not in shown


def test_the_loop_stays_free(sandbox):
    """While a watcher looks and its answers are slow, others on the loop are not late."""
    sandbox.control.faults.on("slow", service="media", action="list", seconds=1)

    async def drift():
        worst = 0.0
        watching = asyncio.create_task(told(trigger(look_back=60), sandbox, 4))
        # Imports happen once.
        await asyncio.sleep(0.5)
        while not watching.done():
            begun = time.monotonic()
            await asyncio.sleep(0.05)
            worst = max(worst, time.monotonic() - begun - 0.05)
        return worst

    assert asyncio.run(drift()) < 0.5
