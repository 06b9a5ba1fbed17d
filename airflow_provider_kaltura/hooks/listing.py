"""Which entries are wanted, as keyword arguments of people; made into queries."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypedDict

from airflow_provider_kaltura.exceptions import KalturaArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from airflow_provider_kaltura.api.queries import EntryQuery, Moderation

__all__ = ["EntryWords", "queries_of"]

# So many values of an in-list count.
_IDS_OF_A_QUERY: Final = 500
_WINDOWS: Final = ("created", "updated", "last_played")
_LISTS: Final = ("tags", "category_ids", "owners", "media_types", "statuses")
_PLAIN: Final = ("with_subcategories", "category", "text", "least_seconds", "most_seconds", "parent_id", "moderation")


class EntryWords(TypedDict, total=False):
    """
    Which entries are wanted. Conditions add up; within a list one is enough. None is no condition; an empty list is no
    entry at all.

    ``entry_ids``: only these, any number. ``tags``: whole words.
    ``category_ids``, with those below them unless ``with_subcategories`` is False; ``category``: a full name such as
    ``"site>lectures"``, or below it. ``owners``: user ids. ``text``: Kaltura's free text search. ``media_types``:
    ``"video"``, ``"audio"``, ``"image"`` or Kaltura's numbers. ``least_seconds``, ``most_seconds``: duration.

    ``…_since`` is included, ``…_until`` is not, both in whole seconds and with a time zone: windows that follow each
    other have each entry once. Entries that were never played are in no window of ``last_played``.

    ``parent_id``: children of this entry. ``statuses``: Kaltura's (``"2"``, ready, by default), ``"any"`` for all but
    deleted. ``moderation``: ``"passed"`` (default) or ``"any"``, with pending and rejected ones. ``filter``: any other
    field of ``KalturaMediaEntryFilter`` by its name.
    """

    entry_ids: Iterable[str] | None
    tags: Iterable[str] | None
    category_ids: Iterable[int] | None
    with_subcategories: bool
    category: str | None
    owners: Iterable[str] | None
    text: str | None
    media_types: Iterable[str | int] | None
    least_seconds: int | None
    most_seconds: int | None
    created_since: datetime | None
    created_until: datetime | None
    updated_since: datetime | None
    updated_until: datetime | None
    last_played_since: datetime | None
    last_played_until: datetime | None
    parent_id: str | None
    statuses: Iterable[str] | None
    moderation: Moderation
    filter: Mapping[str, Any] | None


def queries_of(words: EntryWords) -> Iterator[EntryQuery]:
    """
    Make queries.

    :param words: Which entries are wanted.
    :yields: One query; one for each 500 entries where their ids are given, none where a list is empty.
    :raises KalturaArgumentError: A time has no zone, a window is empty, or a list is a text.
    :raises InvalidRequestError: An id can't be one.
    :raises TypeError: There is no such argument.
    """
    from airflow_provider_kaltura.api.queries import EntryQuery  # noqa: PLC0415 - DAG files need none of it

    given: dict[str, Any] = dict(words)
    if unknown := sorted(given.keys() - EntryWords.__annotations__.keys()):
        raise TypeError(f"list_entries has no argument {unknown[0]!r}")
    fields: dict[str, Any] = {name: given[name] for name in _PLAIN if given.get(name) is not None}
    fields |= {name: _tuple(name, given[name]) for name in _LISTS if given.get(name) is not None}
    for name in _WINDOWS:
        fields[name] = _window(name, given.get(f"{name}_since"), given.get(f"{name}_until"))
    fields["more"] = dict(given.get("filter") or {})
    query = EntryQuery(**fields)
    if any(fields.get(name) == () for name in _LISTS):
        return
    if given.get("entry_ids") is None:
        yield query
        return
    ids = _unique(_tuple("entry_ids", given["entry_ids"]))
    for start in range(0, len(ids), _IDS_OF_A_QUERY):
        yield EntryQuery(**fields, ids=ids[start : start + _IDS_OF_A_QUERY])


def _tuple(name: str, value: Any) -> tuple[Any, ...]:
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        raise KalturaArgumentError(f"{name} must be a list, not {value!r:.60}.")
    return tuple(value)


def _unique(entry_ids: tuple[Any, ...]) -> tuple[str, ...]:
    from airflow_provider_kaltura.api.ids import check_id  # noqa: PLC0415 - see queries_of

    return tuple(dict.fromkeys(check_id(entry_id) for entry_id in entry_ids))


def _window(name: str, since: Any, until: Any) -> tuple[datetime | None, datetime | None]:
    begin, end = _second(f"{name}_since", since), _second(f"{name}_until", until)
    if begin is not None and end is not None and end <= begin:
        # Airflow 3 gives cron schedules no data interval: its start and end are one moment. Listing nothing, every
        # night, must not look like success.
        raise KalturaArgumentError(
            f"The window from {name}_since {begin.isoformat()} to {name}_until {end.isoformat()} is empty. Where they "
            "are data_interval_start and data_interval_end, the DAG's timetable has no data intervals: give it a "
            "CronDataIntervalTimetable or a DeltaDataIntervalTimetable."
        )
    return begin, None if end is None else end - timedelta(seconds=1)


def _second(name: str, value: Any) -> datetime | None:
    """Cut a time to its second: Kaltura's are whole, so that a fraction would leave a gap between two windows."""
    if value is None:
        return None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise KalturaArgumentError(f"{name} must be a time with a time zone, not {str(value)[:40]!r}.")
    return value.replace(microsecond=0)
