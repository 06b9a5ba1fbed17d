"""
Which entries have flavor assets that changed, and which flavor assets are gone.

Replaced files and reconversions move ``flavorAsset.updatedAt`` and not the entry's. ``flavorAsset.list`` takes 500
entries and ``updatedAtGreaterThanOrEqual``, which counts only with the filter's objectType (recorded case
flavors.list_statusEqual_no_objectType); the official class sends it. Deleted assets are in no list.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_kaltura.api.errors import InvalidRequestError, KalturaError, NotFoundError
from airflow_provider_kaltura.api.ids import check_id
from airflow_provider_kaltura.api.listing import IN_LIST, PAGE_SIZE, RELATIVE_TIME_SECONDS
from airflow_provider_kaltura.api.models import FlavorStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airflow_provider_kaltura.api.runtime import Runtime

#: Lists of one request: 20 full pages are about 12 MB of XML, should everything have changed.
LISTS_AT_ONCE: Final = 20
_GETS_AT_ONCE: Final = 100


def changed_entry_ids(runtime: Runtime, entry_ids: Iterable[str], since: int) -> Iterator[str]:
    """
    Find the entries with a flavor asset that was changed since a moment: one request for 10,000 quiet entries.

    Pages have no number, so that nothing shifts while assets change: after a full page, the entries that were not in
    it are asked for again.

    :param runtime: Of the connection.
    :param entry_ids: Each once; read as they are needed.
    :param since: Seconds since 1970, included.
    :yields: Ids, each once, in no order.
    :raises InvalidRequestError: The server would read *since* as relative to now.
    :raises KalturaError: A list failed.
    """
    if since <= RELATIVE_TIME_SECONDS:
        raise InvalidRequestError(f"changes since {since} can't be asked for: it is read as relative to now", "FILTER")
    rest = iter(entry_ids)
    todo: list[list[str]] = []
    while True:
        while len(todo) < LISTS_AT_ONCE and (chunk := list(itertools.islice(rest, IN_LIST))):
            todo.append([check_id(entry_id) for entry_id in chunk])
        if not todo:
            return
        batch, todo = todo[:LISTS_AT_ONCE], todo[LISTS_AT_ONCE:]
        for chunk, (found, is_full) in zip(batch, _changed(runtime, batch, since), strict=True):
            yield from (entry_id for entry_id in chunk if entry_id in found)
            left = [entry_id for entry_id in chunk if entry_id not in found]
            # A full page without one of them would be asked for over and over.
            if is_full and left and len(left) < len(chunk):
                todo.append(left)


def gone_flavor_ids(runtime: Runtime, flavor_ids: Iterable[str]) -> frozenset[str]:
    """
    Ask by id which flavor assets are no more, since lists may miss one.

    :param runtime: Of the connection.
    :param flavor_ids: Whom to ask for.
    :returns: Those that are deleted or unknown.
    :raises KalturaError: One could not be asked for.
    """
    wanted = list(dict.fromkeys(check_id(flavor_id, "flavor asset id") for flavor_id in flavor_ids))
    gone: set[str] = set()
    for start in range(0, len(wanted), _GETS_AT_ONCE):
        chunk = wanted[start : start + _GETS_AT_ONCE]
        client = runtime.shared_client()
        client.startMultiRequest()
        for flavor_id in chunk:
            client.flavorAsset.get(flavor_id)
        answers = client.doMultiRequest()
        gone.update(flavor_id for flavor_id, item in zip(chunk, answers, strict=True) if _is_gone(item))
    return frozenset(gone)


def _changed(runtime: Runtime, chunks: list[list[str]], since: int) -> Iterator[tuple[frozenset[str], bool]]:
    from KalturaClient.Plugins.Core import KalturaFilterPager, KalturaFlavorAssetFilter  # noqa: PLC0415 - heavy

    client = runtime.shared_client()
    client.startMultiRequest()
    for chunk in chunks:
        wanted = KalturaFlavorAssetFilter(entryIdIn=",".join(chunk), updatedAtGreaterThanOrEqual=since)
        client.flavorAsset.list(wanted, KalturaFilterPager(pageSize=PAGE_SIZE, pageIndex=1))
    for answer in client.doMultiRequest():
        if isinstance(answer, KalturaError):
            raise answer
        objects: Any = getattr(answer, "objects", None)
        # In a multirequest the official client reads an empty list as an empty text.
        listed = objects if isinstance(objects, list) else []
        yield frozenset(str(item.entryId) for item in listed), len(listed) >= PAGE_SIZE


def _is_gone(item: Any) -> bool:
    from airflow_provider_kaltura.api.convert import number  # noqa: PLC0415 - with the client

    if isinstance(item, NotFoundError):
        return True
    if isinstance(item, KalturaError):
        raise item
    return number(getattr(item, "status", None)) == FlavorStatus.DELETED
