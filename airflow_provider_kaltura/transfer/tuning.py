"""How many connections a copy uses at once, found while it runs: pure, fed with what was measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: Shortest and longest time over which a rate is measured, and the bytes per connection that end it in between.
WINDOW_SECONDS: Final = 0.15
LONGEST_WINDOW_SECONDS: Final = 3.0
WINDOW_BYTES: Final = 1024 * 1024
#: New connections take their time until they carry something; after this they count as they are.
SETTLE_SECONDS: Final = 2.0
#: A connection that gives more than this while it is read needs no company; two never hurt a source that is a bit
#: slower than that, more than two are for sources that give each connection little.
ENOUGH_FOR_ONE: Final = 128e6
ENOUGH_FOR_EACH: Final = 48e6
#: So long a connection that was quick is remembered: one slow moment of a busy machine is no limit of the source.
QUICK_SECONDS: Final = 3.0
#: Share of the time that the source must have kept us waiting.
SOURCE_SHARE: Final = 0.7
#: A doubling that raises the total by less is taken back, the first one or another, after so many such windows.
GAIN_OF_TWO: Final = 1.5
GAIN_OF_MORE: Final = 1.3
TRIAL_WINDOWS: Final = 2
#: As many windows tell what some connections give before more are tried.
BASE_WINDOWS: Final = 2
#: Pause before it is tried again, doubled each time.
FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 320.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """
    What a copy has counted since it began.

    :param at: When, in seconds of one clock.
    :param fetched_bytes: All bytes that came.
    :param reading_seconds: Time that all connections together spent asking and reading.
    :param waiting_seconds: Time that they waited for anything else: room for the bytes, the sink, a limit.
    :param reading: How many connections have given bytes since their number last changed.
    """

    at: float
    fetched_bytes: int
    reading_seconds: float
    waiting_seconds: float
    reading: int


class Tuner:
    """
    Finds the number of connections: 1, then 2, 4, 8 as long as the source is what limits, each connection gives
    little, and the last doubling paid.

    :param most: Never more than these.
    """

    def __init__(self, most: int) -> None:
        self.target = 1
        self._most = most
        self._begun: Measure | None = None
        self._changed_at: float | None = None
        self._before: tuple[int, float] | None = None
        self._poor_windows = 0
        self._pause = FIRST_PAUSE_SECONDS
        self._windows: list[tuple[float, float]] = []
        self._alone = float("inf")
        self._not_before = self._quick_until = float("-inf")

    def observe(self, now: Measure) -> int:
        """
        Take a measure, and decide.

        :param now: Counts so far.
        :returns: How many connections there shall be from now on.
        """
        if self._changed_at is None:
            self._changed_at = now.at
        if self._begun is None:
            if now.reading >= self.target or now.at - self._changed_at >= SETTLE_SECONDS:
                self._begun = now
            return self.target
        seconds, count = now.at - self._begun.at, now.fetched_bytes - self._begun.fetched_bytes
        is_enough = count >= WINDOW_BYTES * self.target or seconds >= LONGEST_WINDOW_SECONDS
        if seconds >= WINDOW_SECONDS and is_enough:
            begun, self._begun = self._begun, now
            self._judge(begun, now, count / seconds)
        return self.target

    def refused(self, at: float) -> None:
        """
        Take back the last doubling for a while, because the source refuses some connections.

        :param at: When.
        """
        if self.target > 1:
            self._go_back(at, self.target // 2)

    def _judge(self, begun: Measure, now: Measure, rate: float) -> None:
        if self._before is not None:
            count, earlier = self._before
            if rate < (GAIN_OF_TWO if count == 1 else GAIN_OF_MORE) * earlier:
                self._poor_windows += 1
                if self._poor_windows == TRIAL_WINDOWS:
                    self._go_back(now.at, count)
                return
            self._before, self._pause = None, FIRST_PAUSE_SECONDS
        reading = now.reading_seconds - begun.reading_seconds
        waiting = now.waiting_seconds - begun.waiting_seconds
        each = (now.fetched_bytes - begun.fetched_bytes) / reading if reading > 0 else float("inf")
        if each > ENOUGH_FOR_EACH:
            self._quick_until = now.at + QUICK_SECONDS
        self._windows = [*self._windows[1 - BASE_WINDOWS :], (rate, each)]
        is_limited = reading > 0 and reading >= SOURCE_SHARE * (reading + waiting)
        if is_limited and len(self._windows) == BASE_WINDOWS and now.at >= self._not_before:
            self._try_more(now.at)

    def _try_more(self, at: float) -> None:
        # The best windows count, so that one that was slow by chance makes no gain of the next.
        rate, each = (max(found) for found in zip(*self._windows, strict=True))
        if self.target == 1:
            self._alone = each
            is_little = each <= ENOUGH_FOR_ONE
        else:
            # Two that share what one had got before give little each, but not because of any limit for each.
            is_little = self._alone <= ENOUGH_FOR_EACH and at >= self._quick_until
        if is_little and self.target < self._most:
            self._before = (self.target, rate)
            self._change(at, min(self._most, self.target * 2))

    def _go_back(self, at: float, target: int) -> None:
        self._before = None
        self._not_before = at + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)
        self._change(at, target)

    def _change(self, at: float, target: int) -> None:
        self.target, self._changed_at, self._begun, self._poor_windows = target, at, None, 0
        self._windows = []
