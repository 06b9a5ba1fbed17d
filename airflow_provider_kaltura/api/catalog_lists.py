"""
What a catalogue lists: entries, the flavor assets and captions of many entries, categories; as rows, in few requests.

Assets are asked for by lists that are one page each: so many entries that their assets stay below 500, as many such
lists in one request as go. A list whose page is full is asked again in halves. So no page number is sent while assets
come and go, which would shift pages, and each list is of one moment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from airflow_provider_kaltura.api import convert
from airflow_provider_kaltura.api.catalog_rows import row_of
from airflow_provider_kaltura.api.entries import walk_entries
from airflow_provider_kaltura.api.errors import KalturaError, KalturaTransportError
from airflow_provider_kaltura.api.ids import check_id
from airflow_provider_kaltura.api.listing import IN_LIST, PAGE_SIZE, TimeKey, Window, walk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_provider_kaltura.api.catalog_rows import Row
    from airflow_provider_kaltura.api.listing import Filter
    from airflow_provider_kaltura.api.queries import EntryQuery
    from airflow_provider_kaltura.api.runtime import Runtime

AssetTable: TypeAlias = Literal["flavors", "captions"]

#: Assets of one answer, a megabyte of XML per 700: the official client's objects take ten times as much.
ASSETS_AT_ONCE: Final = 2_250
# A list of entries is so long that its assets fill a page to that share, going by the densest lists so far.
_FILL: Final = 0.8
_FORGET: Final = 0.9
_FIRST_GUESS: Final[dict[AssetTable, float]] = {"flavors": 8.0, "captions": 1.0}
_TIMES: Final = {"createdAt": "created_at", "updatedAt": "updated_at"}


class Listed:
    """
    A row, with what a walk needs to know of it.

    :param item: As the official client holds it.
    :param row: The same as a row.
    """

    __slots__ = ("created_at", "id", "row", "updated_at")

    def __init__(self, item: Any, row: Row) -> None:
        self.id = convert.text(item.id)
        self.created_at = convert.number(item.createdAt)
        self.updated_at = convert.number(item.updatedAt)
        self.row = row


def list_entry_rows(runtime: Runtime, query: EntryQuery) -> Iterator[Row]:
    """
    Walk ``media.list``; see :func:`~airflow_provider_kaltura.api.entries.list_entries`.

    :param runtime: Of the connection.
    :param query: Which entries.
    :yields: Each once, in order of creation.
    :raises InvalidRequestError: The query has a field or value that can't be.
    :raises TooManyMatchesError: A second holds more entries than can be told apart.
    """
    partner_id = runtime.config.partner_id
    for found in walk_entries(runtime, query, lambda item: Listed(item, row_of("entries", item, partner_id)), _seconds):
        yield found.row


def list_category_rows(runtime: Runtime) -> Iterator[Row]:
    """
    Walk ``category.list``.

    :param runtime: Of the connection.
    :yields: Each once, in order of creation.
    :raises TooManyMatchesError: A second holds more categories than can be told apart.
    :raises KalturaError: A list failed.
    """
    from KalturaClient.Plugins.Core import KalturaCategoryFilter, KalturaFilterPager  # noqa: PLC0415 - heavy

    def fetch(given: Filter) -> list[Listed]:
        answer = runtime.shared_client().category.list(KalturaCategoryFilter(**given), KalturaFilterPager(PAGE_SIZE, 1))
        return [Listed(item, row_of("categories", item, runtime.config.partner_id)) for item in _objects(answer)]

    for found in walk(fetch, _seconds, Window(), {}):
        yield found.row


class AssetLists:
    """
    Lists the assets of many entries, learning how many entries go into one list.

    :param runtime: Of the connection.
    :param tables: Which kinds of assets.
    """

    def __init__(self, runtime: Runtime, tables: Sequence[AssetTable]) -> None:
        self._runtime = runtime
        self._tables = tuple(tables)
        self._densest = dict(_FIRST_GUESS)

    def of(self, entry_ids: Sequence[str]) -> dict[AssetTable, list[Row]]:
        """
        List all assets of some entries, whatever their status.

        :param entry_ids: The entries, each once.
        :returns: By kind, in the order of the entries, then by id.
        :raises KalturaError: A list failed.
        """
        found: dict[AssetTable, list[Row]] = {table: [] for table in self._tables}
        todo = [(table, piece) for table in self._tables for piece in self._pieces(table, entry_ids)]
        while todo:
            size = self._lists_at_once(todo)
            batch, todo = todo[:size], todo[size:]
            for (table, piece), answer in zip(batch, self._ask(batch), strict=True):
                if len(answer) < PAGE_SIZE:
                    found[table].extend(self._rows(table, piece, answer))
                elif len(piece) > 1:
                    half = len(piece) // 2
                    todo[:0] = [(table, piece[:half]), (table, piece[half:])]
                else:
                    found[table].extend(self._rows(table, piece, self._long_list(table, piece)))
        places = {entry_id: place for place, entry_id in enumerate(entry_ids)}
        for table, rows in found.items():
            own = "flavor_id" if table == "flavors" else "caption_id"
            rows.sort(key=lambda row, own=own: (places[row["entry_id"]], row[own] or ""))  # type: ignore[misc]
        return found

    def _pieces(self, table: AssetTable, entry_ids: Sequence[str]) -> list[Sequence[str]]:
        size = min(IN_LIST, max(1, int(_FILL * PAGE_SIZE / max(self._densest[table], 0.01))))
        return [entry_ids[start : start + size] for start in range(0, len(entry_ids), size)]

    def _lists_at_once(self, todo: Sequence[tuple[AssetTable, Sequence[str]]]) -> int:
        """Count how many of the next lists go into one request: by their assets, so that memory stays what it is."""
        expected = 0.0
        for count, (table, piece) in enumerate(todo):
            expected += min(PAGE_SIZE, len(piece) * max(self._densest[table], 0.1))
            if expected > ASSETS_AT_ONCE:
                return max(1, count)
        return len(todo)

    def _ask(self, batch: Sequence[tuple[AssetTable, Sequence[str]]]) -> Iterator[list[Any]]:
        client = self._runtime.shared_client()
        client.startMultiRequest()
        for table, piece in batch:
            _queue(client, table, piece, 1)
        for (table, piece), answer in zip(batch, client.doMultiRequest(), strict=True):
            if isinstance(answer, KalturaError):
                raise answer
            listed = _objects(answer)
            self._densest[table] = max(_FORGET * self._densest[table], len(listed) / len(piece))
            yield listed

    def _long_list(self, table: AssetTable, piece: Sequence[str]) -> list[Any]:
        """List one entry with 500 assets or more by numbered pages, in order of creation: new ones come at the end."""
        found: dict[str, Any] = {}
        for number in range(1, _MOST_PAGES + 1):
            client = self._runtime.shared_client()
            page = _objects(_queue(client, table, piece, number))
            found.update({convert.text(item.id): item for item in page})
            if len(page) < PAGE_SIZE:
                return list(found.values())
        raise KalturaTransportError(
            f"entry {piece[0]} has more than {len(found)} {table}; their list has no end", "PAGE"
        )

    def _rows(self, table: AssetTable, piece: Sequence[str], items: list[Any]) -> list[Row]:
        wanted = frozenset(piece)
        rows = [row_of(table, item, self._runtime.config.partner_id) for item in items]
        return [row for row in rows if row["entry_id"] in wanted]


_MOST_PAGES: Final = 20


def _queue(client: Any, table: AssetTable, entry_ids: Sequence[str], page: int) -> Any:
    """Call a list; inside a multirequest that only queues it."""
    from KalturaClient.Plugins.Caption import KalturaCaptionAssetFilter  # noqa: PLC0415 - heavy
    from KalturaClient.Plugins.Core import KalturaFilterPager, KalturaFlavorAssetFilter  # noqa: PLC0415 - heavy

    kinds = {
        "flavors": (KalturaFlavorAssetFilter, client.flavorAsset),
        "captions": (KalturaCaptionAssetFilter, client.caption.captionAsset),
    }
    kind, service = kinds[table]
    wanted = kind(entryIdIn=",".join(map(check_id, entry_ids)), orderBy="+createdAt")
    return service.list(wanted, KalturaFilterPager(pageSize=PAGE_SIZE, pageIndex=page))


def _objects(answer: Any) -> list[Any]:
    # In a multirequest the official client reads an empty list as an empty text.
    objects = getattr(answer, "objects", None)
    listed = objects if isinstance(objects, list) else []
    if len(listed) > PAGE_SIZE:
        raise KalturaTransportError(f"a list answered {len(listed)} objects to a page of {PAGE_SIZE}.", "PAGE")
    return listed


def _seconds(found: Listed, key: TimeKey) -> int:
    seconds = getattr(found, _TIMES[key])
    if seconds is None:
        raise KalturaTransportError(f"a list answered {found.id} without {key}.", "NO_TIME")
    return int(seconds)
