"""What the search index has not seen yet: lists find entries as they were until a change has reached it."""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]
#: An entry as the index had it before a change, and after; None when it isn't there.
Change = tuple[str, "Json | None", "Json | None"]


class Lag:
    """
    The changes that are on their way to the index.

    ``seconds`` is how long a change needs; infinite: until it is released. ``shows`` says what a list answers for an
    entry that the index has as it was: that (``index``), or what the database has (``database``). ``seen`` has, for
    each entry with changes on their way, what the index still has of it; None when it doesn't know it at all.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.shows: Literal["index", "database"] = "index"
        self.seen: dict[str, Json | None] = {}
        self._latest: dict[str, tuple[int, Json]] = {}
        self._reached: dict[str, int] = {}
        self._due: list[tuple[float, int, str, Json]] = []
        self._numbers = itertools.count()

    def hides(self, now: float, entry_id: str, before: Json | None, after: Json) -> bool:
        """Take note of a change, and tell whether the index doesn't see it for now."""
        if self.seconds == 0 and entry_id not in self.seen:
            return False
        number = next(self._numbers)
        self.seen.setdefault(entry_id, before)
        self._latest[entry_id] = (number, dict(after))
        heapq.heappush(self._due, (now + self.seconds, number, entry_id, self._latest[entry_id][1]))
        return True

    def arrivals(self, now: float) -> Iterator[Change]:
        """Yield the changes that have reached the index, each once, in order of their arrival."""
        while self._due and self._due[0][0] <= now:
            _, number, entry_id, after = heapq.heappop(self._due)
            # A change that was overtaken by a later one of its entry, or released, has nothing to say any more.
            if entry_id not in self.seen or number < self._reached.get(entry_id, 0):
                continue
            before = self.seen[entry_id]
            if number == self._latest[entry_id][0]:
                self._forget(entry_id)
            else:
                self.seen[entry_id], self._reached[entry_id] = after, number
            yield entry_id, before, after

    def release(self, entry_id: str | None = None) -> Iterator[Change]:
        """Yield all changes of an entry, or of all, as one each: the index sees them now."""
        for one in [*self.seen] if entry_id is None else [entry_id] * (entry_id in self.seen):
            before, after = self.seen[one], self._latest[one][1]
            self._forget(one)
            self._due = [due for due in self._due if due[2] != one] if entry_id is not None else self._due
            yield one, before, after
        if entry_id is None:
            self._due = []
        heapq.heapify(self._due)

    def _forget(self, entry_id: str) -> None:
        del self.seen[entry_id], self._latest[entry_id]
        self._reached.pop(entry_id, None)
