"""The sensor returns and ends the same in every mode, on every Airflow."""

from __future__ import annotations

import asyncio
import importlib
import json
import time
from datetime import timedelta

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_kaltura.api.errors import AuthError, NotFoundError, ThrottledError
from airflow_provider_kaltura.compat import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
)
from airflow_provider_kaltura.exceptions import (
    KalturaArgumentError,
    KalturaConnectionError,
    KalturaNoFlavorError,
    KalturaProviderError,
)
from airflow_provider_kaltura.ingest.watch import MAX_FAILURES
from airflow_provider_kaltura.sandbox import lifecycle, small
from airflow_provider_kaltura.sandbox.library import FLAVOR
from airflow_provider_kaltura.sensors import KalturaFlavorReadySensor

SOURCE = small.flavor_id_of(small.READY, 0)
MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["poke", "deferred"])

pytestmark = pytest.mark.usefixtures("sandbox")


class FailingApi:
    """An API that fails with the given errors, one a call, and then works."""

    def __init__(self, api, errors):
        self._api = api
        self._errors = list(errors)
        self.calls = 0

    def __getattr__(self, name):
        """Fail, or do what the real API does."""
        self.calls += 1
        if self._errors:
            raise self._errors.pop(0)
        return getattr(self._api, name)


class FakeHook:
    """A hook with a given API."""

    def __init__(self, api):
        self.api = api


def sensor(**arguments):
    """Make a sensor that looks often."""
    return KalturaFlavorReadySensor(
        task_id="wait", **{"entry_id": small.READY, "poke_interval": 0.5, "timeout": 20, **arguments}
    )


async def first_event(trigger):
    """Run a trigger as the triggerer does: made anew from what it serialises."""
    path, arguments = trigger.serialize()
    module, name = path.rsplit(".", 1)
    copy = getattr(importlib.import_module(module), name)(**json.loads(json.dumps(arguments)))
    events = copy.run()
    event = await anext(events)
    await events.aclose()
    return event.payload


def run(task, *, deferrals=10):
    """Run a sensor to its end, through as many deferrals as it takes."""
    method, arguments = None, None
    for _ in range(deferrals):
        try:
            if method is None:
                return task.execute({})
            return task.resume_execution(method, arguments, {})
        except TaskDeferred as deferred:
            event = asyncio.run(first_event(deferred.trigger))
            method, arguments = deferred.method_name, {"event": event, **(deferred.kwargs or {})}
    raise AssertionError("the sensor is deferred for ever")


def defer(task):
    """Run a sensor to its deferral."""
    with pytest.raises(TaskDeferred) as caught:
        task.execute({})
    return caught.value


@MODES
def test_a_ready_flavor_is_returned(deferrable):
    """The chosen asset is returned as a list of one, in both modes, without a URL."""
    (found,) = run(sensor(deferrable=deferrable))
    assert (found["entryId"], found["flavorId"], found["status"]) == (small.READY, SOURCE, 2)
    assert "downloadUrl" not in found
    assert json.loads(json.dumps(found)) == found


def test_what_is_ready_is_not_deferred():
    """One look comes first: no trigger for what is there."""
    assert sensor(deferrable=True).execute({})[0]["flavorId"] == SOURCE


@MODES
def test_a_late_flavor_is_waited_for(library, deferrable):
    """A flavor that becomes ready later is returned then."""
    flavor_id = small.flavor_id_of(small.READY, 2)
    lifecycle.set_flavor_status(library, flavor_id, lifecycle.CONVERTING)
    library.after(1.0, lambda: lifecycle.set_flavor_status(library, flavor_id, lifecycle.READY))
    (found,) = run(sensor(flavor="params:2", deferrable=deferrable))
    assert found["flavorId"] == flavor_id


@MODES
def test_all_returns_every_ready_flavor(library, deferrable):
    """With flavor="all" the wait ends when nothing more is to come."""
    flavor_id = small.flavor_id_of(small.READY, 4)
    lifecycle.set_flavor_status(library, flavor_id, lifecycle.CONVERTING)
    library.after(1.0, lambda: lifecycle.set_flavor_status(library, flavor_id, lifecycle.ERROR))
    found = run(sensor(flavor="all", deferrable=deferrable))
    assert [one["flavorId"] for one in found] == [SOURCE, small.flavor_id_of(small.READY, 2)]


@MODES
@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"entry_id": small.IMAGE}, KalturaNoFlavorError, "no_media:image"),
        ({"flavor": "height>=4000"}, KalturaNoFlavorError, SOURCE),
        ({"entry_id": "0_unknown1"}, AirflowFailException, "0_unknown1"),
        ({"entry_id": "not an id"}, KalturaArgumentError, "not an id"),
        ({"flavor": "beast"}, KalturaArgumentError, "position 1"),
    ],
)
def test_what_can_never_come_fails_at_once(arguments, error, words, deferrable):
    """No wait, and no retry, for what can't change."""
    with pytest.raises(error, match=words) as caught:
        sensor(deferrable=deferrable, **arguments).execute({})
    assert isinstance(caught.value, AirflowFailException)


@MODES
def test_what_turns_out_never_to_come_fails_then(library, deferrable):
    """A conversion that fails during the wait ends it."""
    flavor_id = small.flavor_id_of(small.READY, 2)
    lifecycle.set_flavor_status(library, flavor_id, lifecycle.CONVERTING)
    library.after(1.0, lambda: lifecycle.set_flavor_status(library, flavor_id, lifecycle.ERROR))
    with pytest.raises(KalturaNoFlavorError, match=flavor_id):
        run(sensor(flavor="params:2", deferrable=deferrable))


@MODES
def test_a_timeout_is_a_sensor_timeout(deferrable):
    """A wait that takes too long ends as every sensor's does: failed, and not retried."""
    with pytest.raises(AirflowSensorTimeout):
        run(sensor(entry_id=small.NEVER, timeout=1, deferrable=deferrable))


@MODES
@pytest.mark.parametrize("switch", ["soft_fail", "never_fail"])
@pytest.mark.parametrize(
    "arguments", [{"entry_id": small.IMAGE}, {"entry_id": small.NEVER, "timeout": 1}], ids=["never", "timeout"]
)
def test_failures_become_skips_when_asked(arguments, switch, deferrable):
    """soft_fail and never_fail skip instead of failing, whatever ended the wait."""
    with pytest.raises(AirflowSkipException):
        run(sensor(deferrable=deferrable, **{switch: True}, **arguments))


@pytest.mark.parametrize("switch", ["soft_fail", "never_fail"])
@pytest.mark.parametrize("error", ["Trigger timeout", "Trigger/execution timeout", "Trigger failure"])
def test_a_lost_trigger_becomes_a_skip_when_asked(switch, error):
    """The same holds when Airflow itself ended the deferral."""
    with pytest.raises(AirflowSkipException):
        sensor(deferrable=True, **{switch: True}).resume_execution("__fail__", {"error": error}, {})


@pytest.mark.parametrize("error", ["Trigger timeout", "Trigger/execution timeout"])
def test_a_deferral_that_took_too_long_is_a_sensor_timeout(error):
    """What Airflow 2 and 3 write for an expired deferral is the same end as in poke mode."""
    with pytest.raises(AirflowSensorTimeout):
        sensor(deferrable=True).resume_execution("__fail__", {"error": error}, {})


def test_a_trigger_that_crashed_is_a_failure_to_retry():
    """A trigger that fell over is no timeout: the task may be retried."""
    with pytest.raises(AirflowException) as caught:
        sensor(deferrable=True).resume_execution("__fail__", {"error": "Trigger failure"}, {})
    assert not isinstance(caught.value, AirflowFailException | AirflowSensorTimeout)


@pytest.mark.parametrize(
    "event",
    [
        None,
        {},
        [],
        "decided",
        {"status": "success", "entry_id": small.READY},
        {"status": "decided"},
        {"status": ["decided"], "entry_id": small.READY},
        {"status": "decided", "entry_id": small.LATE},
    ],
    ids=repr,
)
def test_an_event_that_is_none_of_ours_is_an_error(event):
    """Nothing but a known event of this entry is taken for an answer."""
    with pytest.raises(KalturaProviderError, match="none of its own"):
        sensor(deferrable=True).execute_complete({}, event=event, deadline=time.time() + 60)


def test_a_flavor_that_went_away_again_is_waited_for_until_the_first_deadline():
    """Ready for the trigger, not for the worker: the wait goes on with the deadline that it had."""
    deadline = time.time() + 60
    with pytest.raises(TaskDeferred) as caught:
        sensor(entry_id=small.NEVER, deferrable=True).execute_complete(
            {}, event={"status": "decided", "entry_id": small.NEVER}, deadline=deadline
        )
    assert caught.value.trigger.deadline == deadline
    assert caught.value.timeout <= timedelta(seconds=60)


def test_a_resumption_that_forgot_its_deadline_is_no_timeout():
    """``dag.test()`` of Airflow 3.3 resumes without our arguments: the timeout begins anew instead of being over."""
    with pytest.raises(TaskDeferred) as caught:
        sensor(entry_id=small.NEVER, deferrable=True, timeout=60).execute_complete(
            {}, event={"status": "decided", "entry_id": small.NEVER}
        )
    assert time.time() + 50 < caught.value.trigger.deadline <= time.time() + 60


def test_a_deferral_takes_the_sensors_timeout():
    """The deferral and the trigger end when the sensor's own timeout does."""
    before = time.time()
    deferred = defer(sensor(entry_id=small.NEVER, timeout=300, deferrable=True))
    assert timedelta(seconds=299) < deferred.timeout <= timedelta(seconds=300)
    assert before + 300 <= deferred.trigger.deadline <= time.time() + 300
    assert deferred.trigger.poll_interval == 0.5


def with_errors(task, errors):
    """Let a sensor's looks fail with the given errors first."""
    api = FailingApi(task.hook.api, errors)
    vars(task)["hook"] = FakeHook(api)
    return api


@MODES
def test_a_passing_error_does_not_end_the_wait(deferrable):
    """A rate limit, or an outage, during a look is waited out."""
    task = sensor(poke_interval=0.01, deferrable=deferrable)
    with_errors(task, [ThrottledError("slow down", "ACTION_BLOCKED")])
    assert run(task)[0]["flavorId"] == SOURCE


def test_too_many_errors_in_a_row_end_the_wait():
    """An outage that does not end is a failure that may be retried."""
    task = sensor(poke_interval=0)
    api = with_errors(task, [ThrottledError("slow down", "ACTION_BLOCKED")] * 100)
    with pytest.raises(KalturaProviderError, match="slow down") as caught:
        task.execute({})
    assert api.calls == MAX_FAILURES
    assert not isinstance(caught.value, AirflowFailException)


def test_errors_are_counted_from_the_last_good_look():
    """A look that worked starts the count again."""
    task = sensor(entry_id=small.NEVER, poke_interval=0)
    error = ThrottledError("slow down", "ACTION_BLOCKED")
    with_errors(task, [error] * (MAX_FAILURES - 1))
    assert [task.poke({}) for _ in range(MAX_FAILURES)] == [False] * MAX_FAILURES
    with_errors(task, [error] * (MAX_FAILURES - 1))
    assert [task.poke({}) for _ in range(MAX_FAILURES)] == [False] * MAX_FAILURES


def test_an_entry_that_was_there_may_be_missed_once():
    """One "not found" between good looks is a server that lags behind; two are the truth."""
    task = sensor(entry_id=small.NEVER, poke_interval=0)
    missing = NotFoundError("no such entry", "ENTRY_ID_NOT_FOUND")
    assert task.poke({}) is False
    with_errors(task, [missing])
    assert [task.poke({}), task.poke({})] == [False, False]
    with_errors(task, [missing, missing])
    assert task.poke({}) is False
    with pytest.raises(AirflowFailException, match="no such entry"):
        task.poke({})


def test_an_event_of_a_failing_watch_is_a_failure_to_retry():
    """What the triggerer gave up may be tried again by Airflow's own rules."""
    event = {"status": "failing", "entry_id": small.READY, "failures": 20, "error": "ThrottledError", "code": "X"}
    with pytest.raises(KalturaProviderError, match="ThrottledError") as caught:
        sensor(deferrable=True).execute_complete({}, event=event, deadline=time.time() + 60)
    assert not isinstance(caught.value, AirflowFailException)


def test_a_failing_watch_is_looked_at_again_with_silent_fail():
    """silent_fail goes on after errors, in deferred mode too."""
    event = {"status": "failing", "entry_id": small.READY, "failures": 20, "error": "ThrottledError", "code": "X"}
    found = sensor(deferrable=True, silent_fail=True).execute_complete({}, event=event, deadline=time.time() + 60)
    assert found[0]["flavorId"] == SOURCE


@MODES
def test_a_refused_secret_ends_the_wait(deferrable):
    """A connection that can't work is not waited for."""
    task = sensor(deferrable=deferrable)
    with_errors(task, [AuthError("secret refused", "START_SESSION_ERROR")])
    with pytest.raises(KalturaConnectionError):
        task.execute({})


def test_mode_reschedule_looks_once_and_gives_the_worker_back():
    """In reschedule mode a look is one poke."""
    assert sensor(entry_id=small.NEVER, mode="reschedule").poke({}) is False


def test_the_sandbox_has_what_the_tests_compare_with(library):
    """The entries above are in the state that the tests say."""
    assert library.assets[FLAVOR][SOURCE]["status"] == lifecycle.READY
    assert library.entries[small.NEVER]["status"] == 1
