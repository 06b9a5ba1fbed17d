"""
Custom metadata of many entries.

Not recorded from a real server: made by the names of the official client's public classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_kaltura.api.errors import KalturaError
from airflow_provider_kaltura.api.ids import check_id
from airflow_provider_kaltura.api.listing import IN_LIST, PAGE_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_kaltura.api.runtime import Runtime

# Each has some kilobytes of XML.
_LISTS_AT_ONCE: Final = 4
_DELETED: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomMetadata:
    """What one profile says about one entry; ``xml`` is as Kaltura gives it."""

    id: int
    entry_id: str
    profile_id: int
    profile_version: int
    version: int
    xml: str


def list_custom_metadata(runtime: Runtime, entry_ids: Iterable[str]) -> dict[str, tuple[CustomMetadata, ...]]:
    """
    List custom metadata, of 500 entries by an action.

    :param runtime: Of the connection.
    :param entry_ids: Any number of entries.
    :returns: By entry, in the order asked for, each by profile.
    :raises KalturaError: A list failed, such as where the account may not use custom metadata.
    """
    wanted = list(dict.fromkeys(check_id(entry_id) for entry_id in entry_ids))
    found: dict[str, dict[int, CustomMetadata]] = {entry_id: {} for entry_id in wanted}
    pages = [(wanted[start : start + IN_LIST], 1) for start in range(0, len(wanted), IN_LIST)]
    while pages:
        batch, pages = pages[:_LISTS_AT_ONCE], pages[_LISTS_AT_ONCE:]
        for (ids, number), listed in zip(batch, _lists(runtime, batch), strict=True):
            for one in listed:
                if one is not None and one.entry_id in found:
                    found[one.entry_id][one.id] = one
            if len(listed) >= PAGE_SIZE:
                pages.append((ids, number + 1))
    return {
        entry_id: tuple(sorted(values.values(), key=lambda one: (one.profile_id, one.id)))
        for entry_id, values in found.items()
    }


def _lists(runtime: Runtime, pages: list[tuple[list[str], int]]) -> list[list[CustomMetadata | None]]:
    from KalturaClient.Plugins.Core import KalturaFilterPager  # noqa: PLC0415 - heavy
    from KalturaClient.Plugins.Metadata import KalturaMetadataFilter, KalturaMetadataObjectType  # noqa: PLC0415 - heavy

    client = runtime.shared_client()
    client.startMultiRequest()
    for ids, number in pages:
        wanted = KalturaMetadataFilter(
            metadataObjectTypeEqual=KalturaMetadataObjectType.ENTRY, objectIdIn=",".join(ids), orderBy="+createdAt"
        )
        client.metadata.metadata.list(wanted, KalturaFilterPager(pageSize=PAGE_SIZE, pageIndex=number))
    answers = client.doMultiRequest()
    for answer in answers:
        if isinstance(answer, KalturaError):
            raise answer
    listed = (getattr(answer, "objects", None) for answer in answers)
    return [[_of(item) for item in objects] if isinstance(objects, list) else [] for objects in listed]


def _of(item: Any) -> CustomMetadata | None:
    from airflow_provider_kaltura.api.convert import number, text  # noqa: PLC0415 - with the client

    if number(item.status) == _DELETED:
        return None
    return CustomMetadata(
        id=number(item.id) or 0,
        entry_id=text(item.objectId),
        profile_id=number(item.metadataProfileId) or 0,
        profile_version=number(item.metadataProfileVersion) or 0,
        version=number(item.version) or 0,
        xml=text(item.xml),
    )
