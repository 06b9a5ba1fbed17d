"""List the entries of an account: a query, checked, walked past the window of 10,000."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from airflow_provider_kaltura.api.convert import entry_of
from airflow_provider_kaltura.api.errors import KalturaTransportError
from airflow_provider_kaltura.api.filters import check_filter
from airflow_provider_kaltura.api.listing import PAGE_SIZE, Listed, TimeKey, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_kaltura.api.listing import Filter
    from airflow_provider_kaltura.api.models import Entry
    from airflow_provider_kaltura.api.queries import EntryQuery
    from airflow_provider_kaltura.api.runtime import Runtime

T = TypeVar("T", bound=Listed)

_TIMES: Final = {"createdAt": "created_at", "updatedAt": "updated_at"}


def list_entries(runtime: Runtime, query: EntryQuery) -> Iterator[Entry]:
    """
    Walk ``media.list``.

    :param runtime: Of the connection.
    :param query: Which entries; checked before anything is sent.
    :returns: Each entry once, in order of the query's time, page by page.
    :raises InvalidRequestError: The query has a field or value that can't be.
    :raises TooManyMatchesError: A second holds more entries than can be told apart.
    """
    return walk_entries(runtime, query, entry_of, _seconds)


def walk_entries(
    runtime: Runtime, query: EntryQuery, read: Callable[[Any], T], time_of: Callable[[T, TimeKey], int]
) -> Iterator[T]:
    """
    Walk ``media.list``, and read each entry in one's own way.

    :param runtime: Of the connection.
    :param query: Which entries; checked before anything is sent.
    :param read: Gets an entry of the official client, returns what is yielded.
    :param time_of: Reads a time of that, in seconds.
    :returns: As :func:`list_entries`.
    :raises InvalidRequestError: The query has a field or value that can't be.
    :raises KalturaTransportError: A page is longer than what was asked for.
    """
    from KalturaClient.Plugins.Core import (  # noqa: PLC0415 - heavy
        KalturaEntryModerationStatus,
        KalturaEntryStatus,
        KalturaFilterPager,
        KalturaMediaEntryFilter,
    )

    fields = query.fields(_values(KalturaEntryStatus), _values(KalturaEntryModerationStatus))
    window, wanted = query.window(check_filter(fields, KalturaMediaEntryFilter))

    def fetch(given: Filter) -> list[T]:
        answer = runtime.shared_client().media.list(KalturaMediaEntryFilter(**given), KalturaFilterPager(PAGE_SIZE, 1))
        objects = getattr(answer, "objects", None)
        page = [read(item) for item in objects] if isinstance(objects, list) else []
        if len(page) > PAGE_SIZE:
            raise KalturaTransportError(f"media.list answered {len(page)} entries to a page of {PAGE_SIZE}.", "PAGE")
        return page

    return walk(fetch, time_of, window, wanted)


def _seconds(entry: Entry, key: TimeKey) -> int:
    moment = getattr(entry, _TIMES[key])
    if moment is None:
        raise KalturaTransportError(f"media.list answered entry {entry.id} without {key}.", "NO_TIME")
    return int(moment.timestamp())


def _values(kind: Any) -> tuple[str, ...]:
    return tuple(str(value) for name, value in vars(kind).items() if name.isupper())
