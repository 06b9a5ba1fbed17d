"""
Choose, order and page objects as Kaltura's list actions do; it knows sequences of dicts, not where they are kept.

A filter class is a table ``FIELDS``: name of a filter field -> test. Fields that the class doesn't have are ignored,
as are unknown values of orderBy.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from operator import ge, le
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_kaltura.sandbox.errors import ApiError
from airflow_provider_kaltura.sandbox.parameters import integer, is_set, text

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

Json = dict[str, Any]
T = TypeVar("T")
MAX_IN_LIST = 500
MAX_MATCHES = 10_000
DEFAULT_PAGE, LARGEST_PAGE, UNPAGED = 30, 500, 1000
RELATIVE_TIME_SECONDS = 315_360_000
_WORD = re.compile(r"\w+", re.UNICODE)

if TYPE_CHECKING:
    Match = Callable[[Mapping[str, Any]], bool]
    # (value of the filter field, now) -> whether an object matches; the value is read once, not once per object
    Test = Callable[[object, int], Match]


# ---------------------------------------------------------------- values of filter fields
def in_list(value: object) -> list[str]:
    """Return the values of a comma-separated list; those after the 500th are dropped silently."""
    return [item.strip() for item in text(value).split(",")][:MAX_IN_LIST]


def moment(value: object, now: int) -> int:
    """Return a filter's time: within ten years of 0 it is relative to *now*, except -1, which is taken literally."""
    number = integer(value)
    return now + number if abs(number) <= RELATIVE_TIME_SECONDS and number != -1 else number


def parts(value: object) -> list[str]:
    """Return the members of a property that is a comma-separated list."""
    return [part.strip() for part in text(value).split(",") if part.strip()]


def words(value: object) -> list[str]:
    """Return the words of a text, in lower case."""
    return [word.casefold() for word in _WORD.findall(text(value))]


# ---------------------------------------------------------------- tests
def equal(name: str) -> Test:
    """Match objects whose property *name* is the value."""
    return lambda value, _: lambda item: text(item.get(name)) == text(value)


def not_equal(name: str) -> Test:
    """Match objects whose property *name* is another value."""
    return lambda value, _: lambda item: text(item.get(name)) != text(value)


def one_of(name: str) -> Test:
    """Match objects whose property *name* is in the comma-separated list."""

    def test(value: object, _now: int) -> Match:
        wanted = frozenset(in_list(value))
        return lambda item: text(item.get(name)) in wanted

    return test


def none_of(name: str) -> Test:
    """Match objects whose property *name* is not in the comma-separated list."""

    def test(value: object, _now: int) -> Match:
        unwanted = frozenset(in_list(value))
        return lambda item: text(item.get(name)) not in unwanted

    return test


def compare(name: str, operator: Callable[[int, int], bool], *, time: bool = False, missing: bool = False) -> Test:
    """
    Match objects whose number *name* stands to the value as *operator* says.

    :param name: Name of the property.
    :param operator: Gets the object's number, then the filter's.
    :param time: Whether the value is a time, which may be relative to now.
    :param missing: Whether objects without the property match.
    :returns: The test.
    """

    def test(value: object, now: int) -> Match:
        limit = moment(value, now) if time else integer(value)
        return lambda item: operator(integer(item[name]), limit) if is_set(item.get(name)) else missing

    return test


def at_least(name: str) -> Test:
    """Match objects whose number *name* is not below the value."""
    return compare(name, ge)


def at_most(name: str) -> Test:
    """Match objects whose number *name* is not above the value."""
    return compare(name, le)


def times(*names: str) -> dict[str, Test]:
    """Return the four time tests of each property: GreaterThanOrEqual, LessThanOrEqual and their OrNull forms."""
    table: dict[str, Test] = {}
    for name in names:
        table[f"{name}GreaterThanOrEqual"] = compare(name, ge, time=True)
        table[f"{name}LessThanOrEqual"] = compare(name, le, time=True)
        table[f"{name}GreaterThanOrEqualOrNull"] = compare(name, ge, time=True, missing=True)
        table[f"{name}LessThanOrEqualOrNull"] = compare(name, le, time=True, missing=True)
    return table


def has_words(*names: str) -> Test:
    """Match objects that have every word of the value somewhere in the texts *names*."""

    def test(value: object, _now: int) -> Match:
        wanted = set(words(value))
        return lambda item: wanted <= {word for name in names for word in words(item.get(name))}

    return test


def contains(name: str) -> Test:
    """Match objects whose text *name* contains the value anywhere."""

    def test(value: object, _now: int) -> Match:
        wanted = text(value).casefold()
        return lambda item: wanted in text(item.get(name)).casefold()

    return test


def any_of(single: Test) -> Test:
    """Match objects that *single* matches for at least one of the comma-separated values."""

    def test(value: object, now: int) -> Match:
        matches = [single(part, now) for part in in_list(value) if part]
        return lambda item: any(match(item) for match in matches)

    return test


def not_any(single: Test) -> Test:
    """Match objects that *single* matches for none of the comma-separated values."""

    def test(value: object, now: int) -> Match:
        match = any_of(single)(value, now)
        return lambda item: not match(item)

    return test


def all_of(single: Test) -> Test:
    """Match objects that *single* matches for all comma-separated values."""

    def test(value: object, now: int) -> Match:
        matches = [single(part, now) for part in in_list(value) if part]
        return lambda item: all(match(item) for match in matches)

    return test


def member(name: str) -> Test:
    """Match objects whose comma-separated list *name* has the value."""
    return lambda value, _: lambda item: text(value) in parts(item.get(name))


# ---------------------------------------------------------------- choosing, ordering, paging
def choose(items: Iterable[Json], conditions: Mapping[str, object], fields: Mapping[str, Test], now: int) -> list[Json]:
    """Return the objects that meet every condition; empty values and unknown fields don't count."""
    tests = matches(conditions, fields, now)
    return [item for item in items if all(test(item) for test in tests)]


def matches(conditions: Mapping[str, object], fields: Mapping[str, Test], now: int) -> list[Match]:
    """Return a test for each condition that counts."""
    return [fields[name](value, now) for name, value in conditions.items() if name in fields and is_set(value)]


def order(
    items: list[T],
    order_by: object,
    allowed: Collection[str],
    read: Callable[[Any], Mapping[str, Any]] = lambda item: item,
) -> list[T]:
    """
    Sort objects by ``+name`` or ``-name``.

    :param items: The objects in order of insertion; ties keep it, ascending and descending alike.
    :param order_by: Value of the filter's orderBy; several are separated by commas.
    :param allowed: The properties by which this list can be sorted; others are ignored.
    :param read: Gives the properties of an object.
    :returns: The objects in their new order.
    """
    for key in reversed(text(order_by).split(",")):
        sign, name = (key[:1], key[1:]) if key[:1] in {"+", "-", " "} else ("+", "")
        if name in allowed:
            items = sorted(items, key=lambda item: _sort_value(read(item).get(name)), reverse=sign == "-")
    return items


def _sort_value(value: object) -> tuple[int, int, str]:
    if isinstance(value, int) or (isinstance(value, str) and value.isdigit()):
        return (1, int(value), "")
    return (0, 0, "") if value is None else (2, 0, str(value).casefold())


@dataclass(frozen=True)
class Page:
    """A pager: *size* objects from *offset*."""

    offset: int
    size: int

    @classmethod
    def of(cls, pager: object) -> Page:
        """Read a pager. A page size of 0, below 0, empty or a word drops it: 1000 objects from the start."""
        values = pager if isinstance(pager, dict) else {}
        if "pageSize" not in values or values["pageSize"] is None:
            size = DEFAULT_PAGE
        else:
            size = min(integer(values["pageSize"]), LARGEST_PAGE)
            if size <= 0:
                return cls(0, UNPAGED)
        return cls((max(integer(values.get("pageIndex", 1)), 1) - 1) * size, size)


def take(items: Sequence[Json], page: Page, *, window: int | None = None) -> tuple[list[Json], int]:
    """
    Return one page and the total count.

    :param items: All objects that match, in order.
    :param page: What is asked for.
    :param window: How many matches the index gives at most; a page across it is cut and the count with it.
    :returns: The page and the count.
    :raises ApiError: The page starts past the window.
    """
    total = len(items)
    stop = page.offset + page.size
    if window is not None:
        if page.offset >= window:
            raise ApiError("QUERY_EXCEEDED_MAX_MATCHES_ALLOWED")
        if stop > window:
            stop, total = window, min(total, window)
    return list(items[page.offset : stop]), total
