"""Retries."""

from __future__ import annotations

import pytest

from airflow_provider_kaltura.api import errors
from airflow_provider_kaltura.api.retries import Retrier, RetryPolicy, is_idempotent


class Script:
    """Fails with each error in turn, then succeeds."""

    def __init__(self, *failures):
        self.failures = list(failures)
        self.tries = 0

    def __call__(self):
        """Make one try."""
        self.tries += 1
        if self.failures:
            raise self.failures.pop(0)
        return "done"


def retrier(clock, jitter=0.0, **policy):
    """Make a retrier whose waits take no time."""
    return Retrier(policy=RetryPolicy(**policy), clock=clock, sleep=clock.sleep, jitter=lambda: jitter)


def down(code="HTTP_502"):
    """Make an error that passes."""
    return errors.KalturaTransportError("down", code)


def test_waits_double_up_to_a_limit(clock):
    """Back-off is exponential and bounded; jitter takes off up to half."""
    script = Script(*[down() for _ in range(7)])
    assert retrier(clock, 1.0, max_tries=9, max_wait_seconds=10.0).call(script, idempotent=True) == "done"
    assert clock.slept == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    clock.slept.clear()
    retrier(clock, 0.0).call(Script(down(), down()), idempotent=True)
    assert clock.slept == [0.25, 0.5]


def test_tries_are_bounded(clock):
    """After the last try its error is raised, without another wait."""
    script = Script(*[down() for _ in range(20)])
    with pytest.raises(errors.KalturaTransportError):
        retrier(clock, max_tries=4).call(script, idempotent=True)
    assert (script.tries, len(clock.slept)) == (4, 3)


def test_the_total_time_is_bounded(clock):
    """A wait that would pass the total is not begun."""
    script = Script(*[down() for _ in range(100)])
    begun = clock.now
    with pytest.raises(errors.KalturaTransportError):
        retrier(clock, 1.0, max_tries=1000, total_seconds=30.0).call(script, idempotent=True)
    assert clock.now - begun <= 30.0
    assert script.tries > 3


def test_an_internal_error_is_tried_fewer_times(clock):
    """INTERNAL_* can be a permanent bug of the server."""
    script = Script(*[errors.InternalServerError("x", "INTERNAL_SERVERL_ERROR") for _ in range(20)])
    with pytest.raises(errors.InternalServerError):
        retrier(clock).call(script, idempotent=True)
    assert script.tries == 3


def test_a_rate_limit_is_waited_out(clock):
    """The waits after ACTION_BLOCKED together pass its window of 10 s."""
    script = Script(*[errors.ThrottledError("x", "ACTION_BLOCKED") for _ in range(20)])
    with pytest.raises(errors.ThrottledError):
        retrier(clock).call(script, idempotent=True)
    assert clock.slept[0] >= 2
    assert sum(clock.slept) > 20


def test_retry_after_is_honoured(clock):
    """What a proxy asks for is waited at least; more than the total time is an error at once."""
    error = down("HTTP_503")
    error.retry_after_seconds = 17.0
    assert retrier(clock).call(Script(error), idempotent=True) == "done"
    assert clock.slept == [17.0]
    error.retry_after_seconds = 3600.0
    script = Script(error)
    with pytest.raises(errors.KalturaTransportError):
        retrier(clock).call(script, idempotent=True)
    assert (script.tries, clock.slept) == (1, [17.0])


@pytest.mark.parametrize(
    "error",
    [
        errors.NotFoundError("x"),
        errors.AuthError("x"),
        errors.InvalidSessionError("x"),
        errors.ForbiddenError("x"),
        errors.AccessRefusedError("x"),
        errors.NotReadyError("x"),
        errors.FlavorNotReadyError("0_a", "x"),
        errors.TlsError("x"),
        errors.HttpStatusError("x"),
        errors.KalturaAPIError("x"),
        ValueError("x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_does_not_pass_is_raised_at_once(clock, error):
    """Permanent errors, and states that take minutes, are not asked for again."""
    script = Script(error)
    with pytest.raises(type(error)):
        retrier(clock).call(script, idempotent=True)
    assert (script.tries, clock.slept) == (1, [])


def test_what_changes_something_is_sent_once(clock):
    """An action that is not idempotent is never sent again, whatever the error."""
    script = Script(down())
    with pytest.raises(errors.KalturaTransportError):
        retrier(clock).call(script, idempotent=False)
    assert script.tries == 1


@pytest.mark.parametrize(
    ("service", "action", "idempotent"),
    [
        ("media", "get", True),
        ("baseEntry", "getByIds", True),
        ("flavorAsset", "getUrl", True),
        ("flavorasset", "list", True),
        ("media", "count", True),
        ("session", "start", True),
        ("session", "startWidgetSession", True),
        ("appToken", "startSession", True),
        ("system", "ping", True),
        ("caption_captionAsset", "serve", True),
        ("media", "add", False),
        ("media", "update", False),
        ("media", "delete", False),
        ("flavorAsset", "convert", False),
        ("flavorAsset", "setContent", False),
        ("media", "updateContent", False),
        ("session", "end", False),
        ("baseEntry", "index", False),
        ("bulk", "generate", False),
        ("liveStream", "registerMediaServer", False),
        ("batch", "getExclusiveJobs", False),
        ("jobs", "getexclusivealmostdone", False),
    ],
)
def test_which_actions_may_be_sent_twice(service, action, idempotent):
    """Reading actions and those that only make a session."""
    assert is_idempotent(service, action) == idempotent
