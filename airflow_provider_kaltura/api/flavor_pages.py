"""Pages of ``flavorAsset.list`` for up to 500 entries, several of them in one multirequest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_kaltura.api.errors import KalturaError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_kaltura.api.models import FlavorAsset

# Pages are cut silently after 500 objects (recorded case lists.bulk_501).
PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class FlavorPage:
    """One page of a list of flavor assets; ``newest`` on the last one planned so far."""

    entry_ids: Sequence[str]
    number: int
    newest: bool


def pages_of(entry_ids: Sequence[str], count: int) -> list[FlavorPage]:
    """
    Plan the first pages of a list.

    :param entry_ids: Whose flavors; at most 500.
    :param count: How many pages, at least one.
    :returns: Them, in order.
    """
    return [FlavorPage(entry_ids, number, newest=number == count) for number in range(1, count + 1)]


def queue_page(client: Any, page: FlavorPage) -> None:
    """
    Ask for a page.

    :param client: An official client, in a multirequest.
    :param page: Which.
    """
    from KalturaClient.Plugins.Core import KalturaFilterPager, KalturaFlavorAssetFilter  # noqa: PLC0415 - heavy

    # The official class sends its objectType, without which the server drops fields silently (recorded case
    # flavors.list_statusEqual_no_objectType). Without an order that of pages is not defined.
    wanted = KalturaFlavorAssetFilter(entryIdIn=",".join(page.entry_ids), orderBy="+createdAt")
    client.flavorAsset.list(wanted, KalturaFilterPager(pageSize=PAGE, pageIndex=page.number))


def keep_page(answer: Any, page: FlavorPage, assets: dict[str, dict[str, FlavorAsset]]) -> list[FlavorPage]:
    """
    Keep what was asked for, and plan the pages still missing: the count tells how many, a short page proves it.

    :param answer: Of the server.
    :param page: The page that it answers.
    :param assets: By entry and id; entries that are not in it are passed over.
    :returns: The pages still missing.
    """
    from airflow_provider_kaltura.api.convert import flavor_of  # noqa: PLC0415 - with the client

    items = listed(getattr(answer, "objects", None))
    for item in items:
        asset = flavor_of(item)
        if asset.entry_id in assets:
            assets[asset.entry_id][asset.id] = asset
    if len(items) < PAGE or not page.newest:
        return []
    last = max(page.number + 1, -(-total_of(answer) // PAGE))
    return [FlavorPage(page.entry_ids, index, newest=index == last) for index in range(page.number + 1, last + 1)]


def total_of(answer: Any) -> int:
    """
    Read how many flavors there are in all.

    :param answer: Of the server.
    :returns: The number, 0 where it says none.
    """
    from airflow_provider_kaltura.api.convert import number  # noqa: PLC0415 - with the client

    return number(getattr(answer, "totalCount", None)) or 0


def listed(value: Any) -> list[Any]:
    """
    Read a list.

    :param value: What the official client made of it: in a multirequest it reads an empty list as an empty text.
    :returns: The list.
    """
    return value if isinstance(value, list) else []


def raised(item: Any) -> Any:
    """
    Raise an error of a multirequest, which is an item of its list.

    :param item: Of the list.
    :returns: It, when it is no error.
    :raises KalturaError: It is one.
    """
    if isinstance(item, KalturaError):
        raise item
    return item
