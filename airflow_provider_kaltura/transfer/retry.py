"""How long a copy goes on when its source breaks."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass

from airflow_provider_kaltura.transfer.errors import (
    RangeIgnoredError,
    SourceAnswerError,
    SourceCutError,
    SourceError,
    SourceExpiredError,
    SourceLengthError,
    SourceUnavailableError,
)

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """
    How long a copy goes on when its source breaks.

    Failures in a row without one new byte are counted apart, because a long copy over a bad line may break often and
    still get there; the total is bounded all the same, so that a source that gives a byte per connection ends.

    :param attempts: Failures since the last new byte with which the copy gives up; 6 wait up to 15 s in all.
    :param refusals: The same for refused URLs, each of which costs its owner some calls.
    :param restarts: How often a whole range is begun again because nothing of an answer could be trusted.
    :param resumes: Failures in all, besides one for each 16 MiB of the source.
    :param first_wait_seconds: Longest wait after the first failure; doubled each time, with full jitter.
    :param longest_wait_seconds: Bound of each wait, of ``Retry-After`` too.
    """

    attempts: int = 6
    refusals: int = 3
    restarts: int = 2
    resumes: int = 64
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 60.0

    def __post_init__(self) -> None:
        if min(self.attempts, self.refusals) < 1 or min(self.restarts, self.resumes) < 0:
            raise ValueError("attempts and refusals are at least 1, restarts and resumes at least 0")


class Resumes:
    """
    The failures that all connections of a copy may have together.

    :param policy: How many.
    :param size_bytes: Length of the whole.
    """

    def __init__(self, policy: RetryPolicy, size_bytes: int) -> None:
        self._lock = threading.Lock()
        self._left = policy.resumes + size_bytes // (16 * _MIB)

    def spend(self) -> bool:
        """
        Take one.

        :returns: False when none was left.
        """
        with self._lock:
            self._left -= 1
            return self._left >= 0


class Budget:
    """
    What may still go wrong on one connection at a time.

    :param policy: How long to go on.
    :param start: Position at the beginning.
    :param resumes: Failures in all.
    """

    def __init__(self, policy: RetryPolicy, start: int, resumes: Resumes) -> None:
        self._policy = policy
        self._farthest = start
        self._resumes = resumes
        self._restarts = policy.restarts
        self._failures = 0
        self._refusals = 0

    def spend(self, error: SourceError, position: int) -> float:
        """
        Take note of a failure.

        :param error: What went wrong.
        :param position: A number that is higher than ever before when new bytes have come.
        :returns: Seconds to wait before the next try.
        :raises SourceError: *error* itself, when nothing is left to spend on it.
        """
        if position > self._farthest:
            self._farthest, self._failures, self._refusals = position, 0, 0
        self._failures += 1
        if isinstance(error, (RangeIgnoredError, SourceLengthError)):
            self._restarts -= 1
        elif isinstance(error, SourceExpiredError):
            self._refusals += 1
        elif not isinstance(error, (SourceUnavailableError, SourceCutError, SourceAnswerError)):
            raise error
        is_in_budget = self._resumes.spend()
        exhausted = (
            self._failures >= self._policy.attempts
            or self._refusals >= self._policy.refusals
            or self._restarts < 0
            or not is_in_budget
        )
        if exhausted:
            raise error
        return self._wait(error)

    def _wait(self, error: SourceError) -> float:
        asked = error.retry_after_seconds if isinstance(error, SourceUnavailableError) else None
        longest = self._policy.longest_wait_seconds
        if asked is not None:
            return min(asked, longest)
        return random.uniform(0, min(self._policy.first_wait_seconds * 2 ** (self._failures - 1), longest))
