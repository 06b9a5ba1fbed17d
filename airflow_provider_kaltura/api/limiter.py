"""How much one process asks of one Kaltura account: requests at once and per second, fewer after a block."""

from __future__ import annotations

import threading
import time
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


@dataclass(slots=True)
class Slot:
    """One request on its way; :meth:`blocked` tells that the server refused it for its rate."""

    started_at: float
    was_blocked: bool = False

    def blocked(self) -> None:
        """Note that the server refused this request for its rate."""
        self.was_blocked = True


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

    @property
    def share(self) -> float:
        """Part of the configured limits that is used now, above 0 and at most 1."""
        with self._condition:
            return self._share

    @contextmanager
    def slot(self) -> Iterator[Slot]:
        """
        Wait for a place, and hold it for the time of one request.

        :yields: The slot; leaving it gives the place back.
        """
        slot = self._acquire()
        try:
            yield slot
        except BaseException:
            self._release(slot, succeeded=False)
            raise
        self._release(slot, succeeded=True)

    @property
    def _burst(self) -> float:
        return max(1.0, self._per_second)

    def _acquire(self) -> Slot:
        while True:
            with self._condition:
                while self._active >= max(1, int(self._max_concurrent * self._share)):
                    self._condition.wait(_LOOK_AGAIN_SECONDS)
                delay = self._take()
                if delay <= 0:
                    self._active += 1
                    return Slot(self._clock())
            self._sleep(delay)

    def _take(self) -> float:
        """Take a token, or return the seconds until there may be one."""
        now = self._clock()
        rate = self._per_second * self._share
        most = self._burst * self._share
        # A share whose burst is below one would never let a whole token gather.
        needed = min(1.0, most)
        self._tokens = min(most, self._tokens + (now - self._filled_at) * rate)
        self._filled_at = now
        if self._tokens >= needed - _TOLERANCE:
            self._tokens -= 1.0
            return 0.0
        return max((needed - self._tokens) / rate, _SHORTEST_WAIT_SECONDS)

    def _release(self, slot: Slot, *, succeeded: bool) -> None:
        with self._condition:
            self._active -= 1
            # Requests that were on their way together report one and the same block.
            if slot.was_blocked and slot.started_at >= self._halved_at:
                self._share = max(self._share / 2, _SLOWEST_SHARE)
                self._halved_at = self._clock()
                self._tokens = min(self._tokens, 0.0)
            elif succeeded and not slot.was_blocked:
                self._share = min(1.0, self._share + _RECOVERY)
            self._condition.notify_all()
