"""
The search index of a large library: entries by time, in arrays, so that a page costs little whatever the size.

An index knows entries by number. For each set of conditions that is asked for it keeps which entries meet them, in
order of each time, and keeps that up to date; a page is then a slice. Those that share a second come in another order
on every call.
"""

from __future__ import annotations

import random
from array import array
from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, overload

from airflow_provider_kaltura.sandbox import listing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterable, Mapping

Json = dict[str, Any]
TIMES: Final = ("createdAt", "updatedAt")
_KEPT_VIEWS: Final = 12
# A key is a time and, below it, the number of an entry.
_BITS: Final = 24
_NUMBER: Final = (1 << _BITS) - 1
_LATEST: Final = 1 << 38


class Rows(Protocol):
    """The entries, by number, as the index has them."""

    @property
    def size(self) -> int:
        """How many entries there are."""

    def number(self, entry_id: str) -> int | None:
        """Return the number of an entry."""

    def entry_id(self, number: int) -> str:
        """Return the id of an entry."""

    def row(self, number: int) -> Mapping[str, Any]:
        """Return what conditions are tested on."""

    def shown(self, number: int) -> Json:
        """Return what a list answers."""


@dataclass(frozen=True)
class Query:
    """
    What a list asks for.

    :param conditions: Names the conditions that *match* tests.
    :param match: Whether an entry meets them; times and excluded ids are told apart from it.
    :param since: Least time, by name.
    :param until: Greatest time, by name.
    :param without: Ids that are left out.
    :param order_by: As in a filter.
    :param allowed: Properties by which the list can be ordered.
    """

    conditions: Hashable
    match: Callable[[Any], bool]
    since: Mapping[str, int] = field(default_factory=dict)
    until: Mapping[str, int] = field(default_factory=dict)
    without: Sequence[str] = ()
    order_by: str = ""
    allowed: Collection[str] = TIMES

    def span(self, time: str) -> tuple[int, int]:
        """Return the keys between which a time may be, half-open."""
        least = min(max(self.since.get(time, 0), 0), _LATEST)
        greatest = min(max(self.until.get(time, _LATEST), -1), _LATEST)
        return least << _BITS, (greatest + 1) << _BITS

    def bounds(self, time: str) -> bool:
        """Whether a time is bound."""
        return time in self.since or time in self.until

    @property
    def by_time(self) -> tuple[str, bool] | None:
        """By which time it is ordered, and whether the latest comes first; None when by something else."""
        keys = [part for part in self.order_by.split(",") if part.lstrip("+- ") in self.allowed]
        if not keys:
            return TIMES[0], False
        name = keys[0].lstrip("+- ")
        return (name, keys[0].startswith("-")) if len(keys) == 1 and name in TIMES else None


class _View:
    """The entries that meet some conditions."""

    def __init__(self, match: Callable[[Any], bool], members: bytearray) -> None:
        self.match = match
        self.members = members
        self.runs: dict[str, array[int]] = {}


class Index:
    """
    Finds entries.

    :param rows: The entries.
    :param times: Both times of each, by number.
    :param seed: What decides the order of those that share a second.
    """

    def __init__(self, rows: Rows, times: Mapping[str, array[int]], seed: int) -> None:
        self.rows = rows
        self._times = times
        self._views: OrderedDict[Hashable, _View] = OrderedDict()
        self._count = len(times[TIMES[0]])
        self._all = _View(lambda _: True, bytearray(b"\1") * self._count)
        self._random = random.Random(seed)
        self._fill(self._all)

    # ------------------------------------------------------------------ changes
    def replace(self, before: Json | None, after: Json | None) -> None:
        """Take note of an entry that was added (nothing before) or changed."""
        known = after or before
        number = None if known is None else self.rows.number(known["id"])
        if number is None:
            return
        views = (self._all, *self._views.values())
        if number < self._count:
            for view in views:
                self._remove(view, number)
        self._grow(number)
        if after is None:
            return
        for name in TIMES:
            self._times[name][number] = int(after[name])
        for view in views:
            if view.match(after):
                view.members[number] = 1
                for name, run in view.runs.items():
                    insort(run, self._key(name, number))

    def _grow(self, number: int) -> None:
        missing = number + 1 - self._count
        if missing <= 0:
            return
        self._count += missing
        for times in self._times.values():
            times.extend([0] * missing)
        for view in (self._all, *self._views.values()):
            view.members.extend(bytes(missing))

    def _key(self, name: str, number: int) -> int:
        return self._times[name][number] << _BITS | number

    def _remove(self, view: _View, number: int) -> None:
        if not view.members[number]:
            return
        view.members[number] = 0
        for name, run in view.runs.items():
            del run[bisect_left(run, self._key(name, number))]

    # ------------------------------------------------------------------ views
    def _view(self, query: Query) -> _View:
        view = self._views.get(query.conditions)
        if view is None:
            row, match = self.rows.row, query.match
            members = bytearray(self._count)
            for key in self._all.runs[TIMES[0]]:
                members[key & _NUMBER] = match(row(key & _NUMBER))
            view = self._views[query.conditions] = _View(match, members)
            self._fill(view)
        self._views.move_to_end(query.conditions)
        if len(self._views) > _KEPT_VIEWS:
            self._views.popitem(last=False)
        return view

    def _fill(self, view: _View) -> None:
        for name in TIMES:
            keys: Iterable[int] = (
                sorted(self._key(name, number) for number in range(self._count))
                if view is self._all
                else (key for key in self._all.runs[name] if view.members[key & _NUMBER])
            )
            view.runs[name] = array("Q", keys)

    # ------------------------------------------------------------------ lists
    def find(self, query: Query) -> Sequence[Json]:
        """Return what a list has, in its order."""
        view = self._view(query)
        order = query.by_time
        name, latest_first = order or (TIMES[0], False)
        run, start, stop = self._part(view, query, name)
        numbers = [self.rows.number(entry_id) for entry_id in query.without]
        inside = {self._key(name, n) for n in numbers if n is not None and n < self._count and view.members[n]}
        left_out = {key for key in inside if _holds(run, key, start, stop)}
        hits = _Hits(self, run, start, stop, left_out, latest_first=latest_first)
        if order:
            return hits
        keys = listing.order(hits.keys(), query.order_by, query.allowed, lambda key: self.rows.row(key & _NUMBER))
        return _Shown(self, keys)

    def _part(self, view: _View, query: Query, name: str) -> tuple[Sequence[int], int, int]:
        """Return where the keys of one time stand whose entries are within the bounds of both."""
        other = TIMES[1 - TIMES.index(name)]
        run, (start, stop) = view.runs[name], _range(view.runs[name], query.span(name))
        if not query.bounds(other):
            return run, start, stop
        others, (first, end) = view.runs[other], _range(view.runs[other], query.span(other))
        if end - first < stop - start:
            least, greatest = query.span(name)
            keys = (self._key(name, key & _NUMBER) for key in others[first:end])
            found = sorted(key for key in keys if least <= key < greatest)
        else:
            least, greatest = query.span(other)
            found = [key for key in run[start:stop] if least <= self._key(other, key & _NUMBER) < greatest]
        return found, 0, len(found)

    def shown(self, keys: Iterable[int]) -> list[Json]:
        """Return the entries of keys."""
        return [self.rows.shown(key & _NUMBER) for key in keys]

    def shuffled(self, keys: list[int]) -> list[int]:
        """Return keys in order of time; those that share a second in any."""
        self._random.shuffle(keys)
        return sorted(keys, key=_second)


def _second(key: int) -> int:
    return key >> _BITS


def _range(run: Sequence[int], span: tuple[int, int]) -> tuple[int, int]:
    start = bisect_left(run, span[0])
    return start, max(bisect_left(run, span[1]), start)


def _holds(run: Sequence[int], key: int, start: int, stop: int) -> bool:
    at = bisect_left(run, key, start, stop)
    return at < stop and run[at] == key


class _Shown(Sequence[Json]):
    """Entries that are in order already."""

    def __init__(self, index: Index, keys: list[int]) -> None:
        self._index, self._keys = index, keys

    def __len__(self) -> int:
        return len(self._keys)

    @overload
    def __getitem__(self, wanted: int) -> Json: ...
    @overload
    def __getitem__(self, wanted: slice) -> list[Json]: ...
    def __getitem__(self, wanted: int | slice) -> Json | list[Json]:
        """Return some of them."""
        if isinstance(wanted, int):
            return self._index.shown([self._keys[wanted]])[0]
        return self._index.shown(self._keys[wanted])


class _Hits(Sequence[Json]):
    """The entries that a list has; only those that are asked for are looked at."""

    def __init__(
        self, index: Index, run: Sequence[int], start: int, stop: int, left_out: set[int], *, latest_first: bool
    ) -> None:
        self._index, self._run, self._start, self._stop = index, run, start, stop
        self._left_out = left_out
        self._latest_first = latest_first

    def __len__(self) -> int:
        return self._stop - self._start - len(self._left_out)

    @overload
    def __getitem__(self, wanted: int) -> Json: ...
    @overload
    def __getitem__(self, wanted: slice) -> list[Json]: ...
    def __getitem__(self, wanted: int | slice) -> Json | list[Json]:
        """Return some of them; whole seconds are put in order, so that a page may end amid one."""
        if isinstance(wanted, int):
            return self[wanted : wanted + 1][0]
        start, stop, _ = wanted.indices(len(self))
        if stop <= start:
            return []
        return self._index.shown(self.keys(stop)[start:stop])

    def keys(self, count: int | None = None) -> list[int]:
        """Return the keys of the first *count* entries, by default of all; there may be more of the last second."""
        count = len(self) if count is None else count
        if count == 0:
            return []
        part = self._latest(count) if self._latest_first else self._earliest(count)
        keys = self._index.shuffled([key for key in part if key not in self._left_out])
        if self._latest_first:
            keys.sort(key=_second, reverse=True)
        return keys

    def _earliest(self, count: int) -> Sequence[int]:
        end = min(self._start + count + len(self._left_out), self._stop)
        end = bisect_left(self._run, (_second(self._run[end - 1]) + 1) << _BITS, end, self._stop)
        return self._run[self._start : end]

    def _latest(self, count: int) -> Sequence[int]:
        first = max(self._stop - count - len(self._left_out), self._start)
        first = bisect_left(self._run, _second(self._run[first]) << _BITS, self._start, first + 1)
        return self._run[first : self._stop]
