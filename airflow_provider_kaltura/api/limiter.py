"""
How much one process asks of one Kaltura account: requests at once and per second, fewer after a block.

Kaltura's own limits count actions, in windows of 10 seconds, for all processes of an account together, and can't be
read. So a process that was blocked sends multirequests at a pace of actions from then on, and halves it at each further
block; :attr:`Limiter.most_actions` says how many may go in one, since one that is larger than the room left would be
blocked again and again. The pace grows with each success, and is forgotten when it no longer holds anything up.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Half after a block, a fiftieth of the whole back after each success: additive increase, multiplicative decrease.
_RECOVERY = 0.02
_SLOWEST_SHARE = 1 / 64
# Only how often a waiter looks again should it ever miss a wake-up.
_LOOK_AGAIN_SECONDS = 5.0
# Below what a clock can tell apart a wait would never end.
_SHORTEST_WAIT_SECONDS = 0.001
_TOLERANCE = 1e-6
# The window in which Kaltura counts actions by default.
_WINDOW_SECONDS = 10.0
# Actions per second after a block, at the least; several processes share what the account may do.
_SLOWEST_PACE = 1.0
# One multirequest has at most the actions of so many seconds.
_PIECE_SECONDS = 4.0
_PACE_GROWTH = 1.1
# A pace of so many actions per request that may be sent is none any more.
_PACE_FORGOTTEN = 10


@dataclass(slots=True)
class Slot:
    """One request on its way; :meth:`blocked` tells that the server refused it for its rate."""

    started_at: float
    actions: int = 1
    refused: int = 0

    @property
    def was_blocked(self) -> bool:
        """Whether any of its actions was refused for its rate."""
        return self.refused > 0

    def blocked(self, actions: int | None = None) -> None:
        """
        Note that the server refused this request for its rate.

        :param actions: How many of its actions, all by default.
        """
        self.refused = self.actions if actions is None else actions


class Limiter:
    """
    A limit for requests at once and a token bucket for requests per second, for any number of threads.

    :param max_concurrent: Requests at once.
    :param per_second: Requests per second; one second's worth may go at once after a pause.
    :param clock: Seconds, never going back.
    :param sleep: Waits so many seconds.
    """

    def __init__(
        self,
        max_concurrent: int,
        per_second: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._max_concurrent = max_concurrent
        self._per_second = per_second
        self._clock = clock
        self._sleep = sleep
        self._condition = threading.Condition()
        self._share = 1.0
        self._active = 0
        self._tokens = self._burst
        self._filled_at = clock()
        self._halved_at = float("-inf")
        self._pace: float | None = None
        self._credit = 0.0
        self._passed: deque[tuple[float, int]] = deque()

    @property
    def share(self) -> float:
        """Part of the configured limits that is used now, above 0 and at most 1."""
        with self._condition:
            return self._share

    @property
    def most_actions(self) -> int | None:
        """How many actions one request should have at most now, None for any number."""
        with self._condition:
            return None if self._pace is None else max(1, int(self._pace * _PIECE_SECONDS))

    @contextmanager
    def slot(self, actions: int = 1) -> Iterator[Slot]:
        """
        Wait for a place, and hold it for the time of one request.

        :param actions: How many actions it has.
        :yields: The slot; leaving it gives the place back.
        """
        slot = self._acquire(actions)
        try:
            yield slot
        except BaseException:
            self._release(slot, succeeded=False)
            raise
        self._release(slot, succeeded=True)

    @property
    def _burst(self) -> float:
        return max(1.0, self._per_second)

    def _acquire(self, actions: int) -> Slot:
        while True:
            with self._condition:
                while self._active >= max(1, int(self._max_concurrent * self._share)):
                    self._condition.wait(_LOOK_AGAIN_SECONDS)
                delay = self._take(actions)
                if delay <= 0:
                    self._active += 1
                    return Slot(self._clock(), actions)
            self._sleep(delay)

    def _take(self, actions: int) -> float:
        """Take a token and the actions' credit, or return the seconds until there may be both."""
        now = self._clock()
        elapsed = now - self._filled_at
        rate = self._per_second * self._share
        most = self._burst * self._share
        # A share whose burst is below one would never let a whole token gather.
        needed = min(1.0, most)
        self._tokens = min(most, self._tokens + elapsed * rate)
        self._filled_at = now
        delay = max(0.0, needed - _TOLERANCE - self._tokens) / rate
        if self._pace is not None:
            most_credit = max(1.0, self._pace * _PIECE_SECONDS)
            self._credit = min(most_credit, self._credit + elapsed * self._pace)
            if actions > 1:
                delay = max(delay, (min(actions, most_credit) - _TOLERANCE - self._credit) / self._pace)
        if delay > 0:
            return max(delay, _SHORTEST_WAIT_SECONDS)
        self._tokens -= 1.0
        if self._pace is not None:
            # What is more than a piece is owed.
            self._credit -= actions
        return 0.0

    def _release(self, slot: Slot, *, succeeded: bool) -> None:
        with self._condition:
            self._active -= 1
            if succeeded or slot.was_blocked:
                self._note_passed(slot.actions - slot.refused)
            # Requests that were on their way together report one and the same block.
            if slot.was_blocked and slot.started_at >= self._halved_at:
                self._share = max(self._share / 2, _SLOWEST_SHARE)
                self._halved_at = self._clock()
                self._tokens = min(self._tokens, 0.0)
                self._slow_down()
            elif succeeded and not slot.was_blocked:
                self._share = min(1.0, self._share + _RECOVERY)
                self._speed_up()
            self._condition.notify_all()

    def _note_passed(self, actions: int) -> None:
        now = self._clock()
        self._passed.append((now, actions))
        while self._passed[0][0] <= now - _WINDOW_SECONDS:
            self._passed.popleft()

    def _slow_down(self) -> None:
        pace = self._pace
        if pace is None:
            pace = sum(actions for _, actions in self._passed) / _WINDOW_SECONDS
        self._pace = max(_SLOWEST_PACE, pace / 2)
        self._credit = min(self._credit, 0.0)

    def _speed_up(self) -> None:
        if self._pace is not None:
            self._pace *= _PACE_GROWTH
            if self._pace > self._per_second * _PACE_FORGOTTEN:
                self._pace = None
