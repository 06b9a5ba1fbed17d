"""
Walk a list action past its window of 10,000, each object exactly once, in constant memory.

A keyset on one time, ascending: the next request begins at the second where the last one ended and leaves out, by
``idNotIn``, what has been seen of that second. Pages need no pageIndex, so that nothing shifts while objects appear and
vanish, and the order of those that share a second may differ on every call. The time is ``createdAt``: it never
changes, while a list may be in the order of one ``updatedAt`` (that of a search index that lags) and show another.

Facts (recorded cases lists.bulk_500, lists.idIn_501, lists.createdAtGTE, lists.rel_updatedAt_GTE_0): a page has at most
500 objects, an in-list counts at most 500 values, both bounds of a time are inclusive, and a time below
:data:`RELATIVE_TIME_SECONDS` is read as relative to now.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias, TypeVar

from airflow_provider_kaltura.api.errors import TooManyMatchesError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

TimeKey: TypeAlias = Literal["createdAt", "updatedAt"]
Filter: TypeAlias = "Mapping[str, Any]"

PAGE_SIZE: Final = 500
IN_LIST: Final = 500
#: Filters take a smaller time as relative to now: ten years of seconds, so that 1979-12-30 is the first real one.
RELATIVE_TIME_SECONDS: Final = 315_360_000

# Along updatedAt a page may end with an object that shows a later time than the index has ordered it by. The earliest
# of so many last ones is no later than the index, unless all of them were changed since.
_LAST_ONES: Final = 100


class Listed(Protocol):
    """What a walk needs to know of an object."""

    @property
    def id(self) -> str:
        """Its id, unique within the account."""


T = TypeVar("T", bound=Listed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """
    Which times to walk, in whole seconds since 1970, both inclusive; None is open.

    :param since: First second; one that the server would read as relative to now is left open.
    :param until: Last second.
    :param key: Which time.
    """

    since: int | None = None
    until: int | None = None
    key: TimeKey = "createdAt"

    def __post_init__(self) -> None:
        if self.until is not None and self.until <= RELATIVE_TIME_SECONDS:
            raise ValueError(f"a window can't end before 1980: {self.until}")

    def fields(self) -> dict[str, int]:
        """
        Say it as fields of a filter.

        :returns: None that the server would read as relative to now.
        """
        given: dict[str, int] = {}
        if self.since is not None and self.since > RELATIVE_TIME_SECONDS:
            given[f"{self.key}GreaterThanOrEqual"] = self.since
        if self.until is not None:
            given[f"{self.key}LessThanOrEqual"] = self.until
        return given


def walk(
    fetch: Callable[[Filter], list[T]], time_of: Callable[[T, TimeKey], int], window: Window, wanted: Filter
) -> Iterator[T]:
    """
    Yield each object of a window of ``createdAt`` exactly once, while objects change, appear and vanish.

    A window of ``updatedAt`` is a condition in *wanted*. It should end in the past: what is changed meanwhile leaves
    it, for the next one to find.

    Memory: one page and the ids of one second, whatever the number of objects.

    :param fetch: Gets a filter with ``orderBy``, asks for the first page of :data:`PAGE_SIZE`, returns its objects.
    :param time_of: Reads one time of an object, in seconds.
    :param window: Which times of creation.
    :param wanted: The other fields of the filter; neither ``orderBy`` nor ``idNotIn``.
    :yields: Objects, in order of creation.
    :raises TooManyMatchesError: More than 1,000 objects share both times; it names the seconds.
    """
    if window.key != "createdAt":
        raise ValueError("a walk goes along createdAt, the only time that never changes")
    yield from _walk(fetch, time_of, window, wanted, may_split=True)


def _walk(
    fetch: Callable[[Filter], list[T]],
    time_of: Callable[[T, TimeKey], int],
    window: Window,
    wanted: Filter,
    *,
    may_split: bool,
) -> Iterator[T]:
    key, at = window.key, window.since
    seen: dict[str, int] = {}
    while window.until is None or at is None or at <= window.until:
        page = fetch(_filter(replace(window, since=at), wanted, seen))
        fresh = [item for item in page if item.id not in seen]
        yield from fresh
        if len(page) < PAGE_SIZE:
            return
        last = min(time_of(item, key) for item in page[-(1 if may_split else _LAST_ONES) :])
        at = last if at is None else max(at, last)
        seen.update({item.id: time_of(item, key) for item in page})
        seen = {one: second for one, second in seen.items() if second >= at}
        if len(seen) > IN_LIST or not fresh:
            if not may_split:
                raise _ties(at, wanted)
            yield from _rest_of_second(fetch, time_of, at, wanted, seen)
            at, seen = at + 1, {}


def _filter(window: Window, wanted: Filter, seen: Mapping[str, int]) -> dict[str, Any]:
    given = {**wanted, **window.fields(), "orderBy": f"+{window.key}"}
    if seen:
        given["idNotIn"] = ",".join(seen)
    return given


def _rest_of_second(
    fetch: Callable[[Filter], list[T]],
    time_of: Callable[[T, TimeKey], int],
    second: int,
    wanted: Filter,
    seen: Mapping[str, int],
) -> Iterator[T]:
    """Tell the objects of one full second apart by the time of their last change."""
    here = {**wanted, **Window(since=second, until=second).fields()}
    known = set(seen)
    # A window of that time in the filter is kept: the walk begins where it does, and each step moves its beginning.
    inner = Window(
        since=here.pop("updatedAtGreaterThanOrEqual", None),
        until=here.pop("updatedAtLessThanOrEqual", None),
        key="updatedAt",
    )
    for item in _walk(fetch, time_of, inner, here, may_split=False):
        # What is changed meanwhile may come twice, along a time of change.
        if item.id not in known:
            known.add(item.id)
            yield item


def _ties(second: int, wanted: Filter) -> TooManyMatchesError:
    return TooManyMatchesError(
        f"Too many entries share createdAt {wanted.get('createdAtGreaterThanOrEqual')} and "
        f"updatedAt {second}, and nothing else tells them apart; narrow the listing by another field (category, owner, "
        "media type) and walk the pieces one after the other.",
        "TIES",
    )
