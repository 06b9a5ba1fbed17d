"""The trigger: small JSON, no secret, no blocked loop, one look for all."""

from __future__ import annotations

import asyncio
import inspect
import json
import time

import pytest

from airflow_provider_kaltura.api.errors import ThrottledError
from airflow_provider_kaltura.hooks import KalturaHook
from airflow_provider_kaltura.ingest.watch import MAX_FAILURES
from airflow_provider_kaltura.sandbox import lifecycle, small
from airflow_provider_kaltura.triggers import KalturaFlavorReadyTrigger

KWARGS = ["kaltura_conn_id", "entry_id", "flavor", "poll_interval", "deadline"]

pytestmark = pytest.mark.usefixtures("sandbox")


def trigger(**arguments):
    """Make a trigger that looks often."""
    return KalturaFlavorReadyTrigger(
        **{
            "kaltura_conn_id": "kaltura_default",
            "entry_id": small.READY,
            "flavor": "source, best",
            "poll_interval": 0.5,
            "deadline": time.time() + 20,
            **arguments,
        }
    )


async def events_of(one):
    """Collect all events of a trigger."""
    return [event.payload async for event in one.run()]


def fire(**arguments):
    """Run a trigger to its end and give its only event."""
    (event,) = asyncio.run(events_of(trigger(**arguments)))
    return event


def test_the_arguments_are_final():
    """Trigger rows of a running deployment hold these names: they never change."""
    assert list(inspect.signature(KalturaFlavorReadyTrigger.__init__).parameters)[1:] == KWARGS
    path, arguments = trigger().serialize()
    assert path == "airflow_provider_kaltura.triggers.kaltura.KalturaFlavorReadyTrigger"
    assert list(arguments) == KWARGS


@pytest.mark.parametrize("flavor", ["best", ["height<=720", "source"], "all"])
def test_what_is_serialised_makes_the_same_trigger(flavor):
    """The triggerer makes the trigger anew from plain JSON."""
    _, arguments = trigger(flavor=flavor).serialize()
    again = KalturaFlavorReadyTrigger(**json.loads(json.dumps(arguments)))
    assert again.serialize() == trigger(flavor=flavor, deadline=arguments["deadline"]).serialize()


def test_no_secret_is_in_a_trigger():
    """What the triggerer stores, logs and shows holds ids only."""
    one = trigger()
    asyncio.run(events_of(one))
    shown = f"{one!r} {one} {one.serialize()} {vars(one)}"
    assert small.ADMIN_SECRET not in shown
    assert "djJ8" not in shown


def test_airflow_sets_its_own_attributes():
    """Nothing of ours is named as what the triggerer sets on a trigger."""
    assert not {"task", "task_id", "task_instance", "trigger_id"} & set(KWARGS)
    assert hasattr(trigger(), "task_instance")


@pytest.mark.parametrize(
    ("arguments", "event"),
    [
        ({}, {"status": "decided"}),
        ({"entry_id": small.IMAGE}, {"status": "decided"}),
        ({"entry_id": "0_unknown1"}, {"status": "decided"}),
        ({"flavor": "beast"}, {"status": "decided"}),
        ({"entry_id": small.NEVER, "deadline": 0}, {"status": "timeout"}),
    ],
    ids=["ready", "no_media", "unknown", "bad_preference", "timeout"],
)
def test_one_event_with_ids_and_numbers(arguments, event):
    """Every end of a wait is one small event."""
    entry_id = arguments.get("entry_id", small.READY)
    assert fire(**arguments) == {"entry_id": entry_id, **event}


def test_a_connection_that_cannot_work_is_for_the_sensor_to_raise(define_connection):
    """A wrong secret ends the wait; the sensor's own look gives the error its text."""
    define_connection(host="ftp://nowhere")
    assert fire()["status"] == "decided"


@pytest.fixture
def pauses(monkeypatch):
    """Do not sleep between two tries; note how long it would have been."""
    noted = []

    async def sleep(seconds):
        noted.append(seconds)

    monkeypatch.setattr("airflow_provider_kaltura.triggers.kaltura._sleep", sleep)
    return noted


@pytest.mark.parametrize("error", [ConnectionError("restarting"), ThrottledError("slow down", "ACTION_BLOCKED")])
def test_a_hiccup_when_the_wait_begins_does_not_end_it(monkeypatch, pauses, error):
    """The database or the API server that knows the connection may be restarting."""
    errors, make_api = [error] * (MAX_FAILURES - 1), KalturaHook.aget_api

    async def no_api_at_first(hook):
        if errors:
            raise errors.pop()
        return await make_api(hook)

    monkeypatch.setattr(KalturaHook, "aget_api", no_api_at_first)
    assert fire()["status"] == "decided"
    assert pauses == [0.5] * (MAX_FAILURES - 1)


def test_a_wait_that_cannot_begin_ends_at_its_deadline(monkeypatch, pauses):
    """Nobody waits for longer than was asked."""

    async def no_api(_hook):
        raise ConnectionError("restarting")

    monkeypatch.setattr(KalturaHook, "aget_api", no_api)
    assert fire(deadline=time.time() - 1)["status"] == "timeout"
    event = fire()
    assert (event["status"], event["failures"], event["error"]) == ("failing", MAX_FAILURES, "ConnectionError")
    assert len(pauses) == MAX_FAILURES - 1


def test_a_connection_that_only_the_triggerer_misses_is_no_decision(pauses):
    """The wait ends with that error after all tries: "decided" would send the task back and forth without a pause."""
    event = fire(kaltura_conn_id="nowhere")
    assert (event["status"], event["failures"], event["error"]) == ("failing", MAX_FAILURES, "AirflowNotFoundException")
    assert pauses == [0.5] * (MAX_FAILURES - 1)


@pytest.mark.usefixtures("pauses")
def test_errors_that_go_on_end_the_wait_with_their_name(monkeypatch):
    """After too many errors in a row the event names the class and the code, not the text."""

    async def no_api(_hook):
        raise ThrottledError("slow down, says djJ8SECRET", "ACTION_BLOCKED")

    monkeypatch.setattr(KalturaHook, "aget_api", no_api)
    event = fire()
    assert (event["status"], event["error"], event["code"]) == ("failing", "ThrottledError", "ACTION_BLOCKED")
    assert "djJ8" not in json.dumps(event)


def test_triggers_of_a_connection_share_their_looks(sandbox):
    """Twenty waits cost no more requests than one."""

    async def wait_for_all():
        waits = [trigger(entry_id=small.NEVER, deadline=time.time() + 2.2) for _ in range(20)]
        return await asyncio.gather(*(events_of(one) for one in waits))

    events = asyncio.run(wait_for_all())
    assert [event["status"] for (event,) in events] == ["timeout"] * 20
    # At most a first look and one for each half second.
    assert 1 <= sandbox.log.requests <= 6


def test_a_cancelled_trigger_leaves_the_others_waiting(library):
    """One deferral that is cleared does not end the others."""
    flavor_id = small.flavor_id_of(small.READY, 2)
    lifecycle.set_flavor_status(library, flavor_id, lifecycle.CONVERTING)
    library.after(1.5, lambda: lifecycle.set_flavor_status(library, flavor_id, lifecycle.READY))

    async def scenario():
        first = asyncio.create_task(events_of(trigger(entry_id=small.NEVER)))
        second = asyncio.create_task(events_of(trigger(flavor="params:2")))
        await asyncio.sleep(0.2)
        first.cancel()
        return await second

    assert asyncio.run(scenario()) == [{"entry_id": small.READY, "status": "decided"}]


async def longest_drift(work):
    """Run *work* beside a task that wakes up often; give how late it ever woke."""
    worst = 0.0
    running = asyncio.ensure_future(work)
    while not running.done():
        before = time.monotonic()
        await asyncio.sleep(0.02)
        worst = max(worst, time.monotonic() - before - 0.02)
    await running
    return worst


def slow_down(sandbox):
    """Let every answer of the sandbox take as long as a blocked loop would be seen."""
    sandbox.control.faults.on("slow", seconds=0.6)


def warm_up():
    """Load what is loaded once per process; that costs the loop nothing later."""
    KalturaHook().api.snapshot([small.READY])


def test_a_look_does_not_block_the_loop(sandbox):
    """While a look takes its time, everybody else on the loop goes on."""
    warm_up()
    slow_down(sandbox)
    assert asyncio.run(longest_drift(events_of(trigger()))) < 0.3


def test_a_blocking_look_would_be_noticed(sandbox):
    """The measurement can fail: the same look on the loop's own thread is seen."""
    warm_up()
    slow_down(sandbox)

    async def blocking():
        await asyncio.sleep(0)
        KalturaHook().api.snapshot([small.READY])

    assert asyncio.run(longest_drift(blocking())) > 0.3
