"""When to ask again: jittered exponential back-off, bounded in tries and in time, for what may help only."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_kaltura.api.errors import InternalServerError, KalturaError, KalturaTransportError, ThrottledError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenacity import RetryCallState

T = TypeVar("T")

# What begins with one of these changes nothing at Kaltura, so that it may be sent twice.
_IDEMPOTENT_PREFIXES = ("get", "list", "count", "serve", "search")
_IDEMPOTENT_ACTIONS = frozenset({"session.start", "session.startwidgetsession", "apptoken.startsession", "system.ping"})


def is_idempotent(service: str, action: str) -> bool:
    """
    Tell whether an action may be sent a second time without harm.

    :param service: Such as ``flavorAsset``; case does not matter, as at Kaltura.
    :param action: Such as ``getUrl``.
    :returns: True for reading actions and those that only make a session.
    """
    action = action.lower()
    if f"{service.lower()}.{action}" in _IDEMPOTENT_ACTIONS:
        return True
    # getExclusive… hands a job to one caller: asked twice, it hands out two.
    return action.startswith(_IDEMPOTENT_PREFIXES) and not action.startswith("getexclusive")


class PartialAnswerError(Exception):
    """
    Some actions of a multirequest failed for the moment; the answer is kept in case no better one comes.

    :param answer: The answer, with the errors as items.
    :param error: One of the errors that may pass.
    :param passing: Which items have such errors, counted from 0.
    """

    def __init__(self, answer: Any, error: KalturaError, passing: frozenset[int]) -> None:
        super().__init__(answer, error, passing)
        self.answer = answer
        self.error = error
        self.passing = passing


def is_transient(error: BaseException) -> bool:
    """Tell whether the same request may succeed in a moment; a state to wait for is not such a case."""
    if isinstance(error, PartialAnswerError):
        return is_transient(error.error)
    kinds = (KalturaTransportError, ThrottledError, InternalServerError)
    return isinstance(error, kinds) and error.retryable


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """
    Bounds of the retries.

    ``max_internal_tries``: INTERNAL_* can be a permanent bug of the server (recorded case errors.internal_error).
    ``throttled_seconds``: the default window of a rate limit is 10 s, so shorter waits only add to it.
    """

    max_tries: int = 6
    max_internal_tries: int = 3
    total_seconds: float = 180.0
    first_wait_seconds: float = 0.5
    max_wait_seconds: float = 30.0
    throttled_seconds: float = 14.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrier:
    """Carries a policy out, with a clock, a sleeper and a source of jitter that tests can replace."""

    policy: RetryPolicy = field(default_factory=RetryPolicy)
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random

    def call(self, attempt: Callable[[], T], *, idempotent: bool) -> T:
        """
        Call *attempt* until it succeeds, or until another try can't help or is not allowed.

        :param attempt: Makes one try.
        :param idempotent: Whether it may be made again at all.
        :returns: What *attempt* returned.
        :raises KalturaError: The error of the last try.
        """
        if not idempotent:
            return attempt()
        import tenacity  # noqa: PLC0415 - not needed before the first request

        begun = self.clock()
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(is_transient),
            wait=self.wait_seconds,
            stop=lambda state: self._is_enough(state, begun),
            sleep=self.sleep,
            reraise=True,
        )
        return retrying(attempt)

    def wait_seconds(self, state: RetryCallState) -> float:
        """
        Say how long to wait before the next try.

        :param state: tenacity's account of the tries so far.
        :returns: Seconds, at least what a Retry-After header asked for.
        """
        policy = self.policy
        error = _error_of(state)
        first = policy.throttled_seconds if isinstance(error, ThrottledError) else policy.first_wait_seconds
        highest = min(policy.max_wait_seconds, first * 2 ** (state.attempt_number - 1))
        wait = highest * (0.5 + self.jitter() / 2)
        asked = error.retry_after_seconds if isinstance(error, KalturaError) else None
        return float(max(wait, asked or 0.0))

    def _is_enough(self, state: RetryCallState, begun: float) -> bool:
        policy = self.policy
        tries = policy.max_internal_tries if isinstance(_error_of(state), InternalServerError) else policy.max_tries
        if state.attempt_number >= tries:
            return True
        return self.clock() - begun + state.upcoming_sleep > policy.total_seconds


def _error_of(state: RetryCallState) -> BaseException | None:
    error = state.outcome.exception() if state.outcome is not None else None
    return error.error if isinstance(error, PartialAnswerError) else error
