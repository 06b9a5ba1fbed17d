"""How many bytes per second a task takes, over all of its connections."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

#: What may come at once after a pause, as seconds of the rate.
_BURST_SECONDS: Final = 0.1
#: A connection is asked for as much as the rate allows within this time, so that no server meets long silence.
_PIECE_SECONDS: Final = 0.25
_LEAST_PIECE_BYTES: Final = 1024


class RateLimiter:
    """
    A bucket of tokens that several threads share; the rate holds for all of them together.

    What is taken has come already, so that it may overdraw the bucket: whoever took it waits until that is paid back.

    :param bytes_per_second: The rate, at least 1.
    :param clock: Seconds that never go back.
    :param sleep: Waits some seconds; exchanged by tests.
    """

    def __init__(
        self,
        bytes_per_second: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not bytes_per_second >= 1:
            raise ValueError(f"a rate is at least 1 byte per second, not {bytes_per_second!r:.40}")
        self.bytes_per_second = bytes_per_second
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._paid_at = clock()

    @property
    def piece_bytes(self) -> int:
        """Longest read that keeps the waits short."""
        return max(_LEAST_PIECE_BYTES, int(self.bytes_per_second * _PIECE_SECONDS))

    def reserve(self, count: int) -> float:
        """
        Take bytes without waiting.

        :param count: How many came.
        :returns: Seconds that the caller must wait before it takes more.
        """
        with self._lock:
            now = self._clock()
            self._paid_at = max(self._paid_at, now - _BURST_SECONDS) + count / self.bytes_per_second
            return max(0.0, self._paid_at - now)

    def take(self, count: int) -> None:
        """
        Take bytes, and wait until they are paid for.

        :param count: How many came.
        """
        seconds = self.reserve(count)
        if seconds > 0:
            self._sleep(seconds)
