"""A clock that can be moved: ahead, to a moment, or a little with each request."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock:
    """
    Another clock, moved.

    :param base: Gives the seconds that this one starts from.
    """

    def __init__(self, base: Callable[[], float]) -> None:
        self._base = base
        self._ahead = 0.0
        self._stands_at: float | None = None
        self.per_request_seconds = 0.0

    def __call__(self) -> float:
        """Tell the time in seconds since the epoch."""
        return (self._base() if self._stands_at is None else self._stands_at) + self._ahead

    def advance(self, seconds: float) -> None:
        """Move ahead."""
        self._ahead += seconds

    def set(self, now: float, *, runs: bool = True) -> None:
        """Go to a moment, and on from there; unless it *runs*, only when it is advanced."""
        self._stands_at = None if runs else now
        self._ahead = now - self._base() if runs else 0.0

    def request(self) -> None:
        """Move on by what each request takes."""
        self._ahead += self.per_request_seconds
