"""What a batch takes of its entries, of whatever kind: chosen a thousand entries at a time."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from airflow_provider_kaltura.api.assets import DELETED, READY, SideAsset, list_assets
from airflow_provider_kaltura.api.custom_metadata import list_custom_metadata
from airflow_provider_kaltura.api.entry_files import EntryFile, entry_files
from airflow_provider_kaltura.api.errors import KalturaError, NotFoundError
from airflow_provider_kaltura.api.flavors import no_media
from airflow_provider_kaltura.api.models import FlavorAsset
from airflow_provider_kaltura.ingest.asset_kinds import ASSET_TYPES, FLAVORS, SIDE_KINDS
from airflow_provider_kaltura.ingest.batch_choice import ENTRIES_AT_ONCE, NOT_READY, Chosen, choices
from airflow_provider_kaltura.ingest.destination import flavor_values
from airflow_provider_kaltura.ingest.entry_json import EntryJson, entry_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from airflow_provider_kaltura.api.facade import KalturaApi
    from airflow_provider_kaltura.api.models import Entry
    from airflow_provider_kaltura.ingest.asset_kinds import AssetKind, CaptionFormat
    from airflow_provider_kaltura.ingest.batch_models import BatchOptions
    from airflow_provider_kaltura.ingest.destination import Destination, Value

Asset: TypeAlias = "FlavorAsset | SideAsset | EntryFile | EntryJson"

_FLAVOR: Final = ASSET_TYPES["flavors"]
_FILES: Final = frozenset({"image", "document"})
_READY_ENTRY: Final = "2"


@dataclass(frozen=True, slots=True)
class Item:
    """
    One asset that is wanted.

    ``asset_type`` is what the manifest calls it: a converted caption is ``"caption_srt"`` and the like, so that it is
    never taken for the original. ``caption_format`` is what it is converted to, empty for what is taken as it is.
    """

    asset_type: str
    asset: Asset
    caption_format: CaptionFormat = "original"

    @property
    def owner(self) -> str:
        """What a name is taken for; see :attr:`~airflow_provider_kaltura.ingest.models.AssetJob.owner`."""
        return (
            f"{self.asset_type} of {self.asset.id}" if isinstance(self.asset, EntryFile | EntryJson) else self.asset.id
        )

    @property
    def is_converted(self) -> bool:
        """Whether other bytes are written than Kaltura has."""
        return self.caption_format != "original"

    @property
    def file_ext(self) -> str:
        """Extension of what is written; empty when unknown."""
        if self.is_converted:
            return self.caption_format
        return self.asset.file_ext or getattr(self.asset, "caption_format", "")

    def key(self, destination: Destination, entry: Entry) -> str:
        """
        Fill the destination.

        :param destination: It.
        :param entry: The entry.
        :returns: A key below its root.
        :raises DestinationError: It can't be filled for this one.
        """
        if isinstance(self.asset, FlavorAsset):
            return destination.render_values(flavor_values(entry, self.asset))
        return destination.render_values(_values(entry, self))

    def columns(self) -> dict[str, Any]:
        """
        Give what a report says about it.

        :returns: By column.
        """
        found = {
            "assetType": self.asset_type,
            "assetId": self.asset.id,
            "version": self.asset.version,
            "size": self.asset.size_bytes,
        }
        if isinstance(self.asset, SideAsset):
            found["language"] = self.asset.language_code or self.asset.language or None
            is_main = self.asset.kind == "thumbnail" and self.asset.is_default
            found["label"] = self.asset.label or ("default" if is_main else None)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """
    What is taken of one entry.

    :param entry_id: The entry.
    :param entry: What Kaltura says about it; None when it could not be had.
    :param items: What is taken.
    :param skipped: Reasons why something is not, with what a report says about it; nothing is wrong with these.
    :param error: Why the entry, or its flavors, failed.
    """

    entry_id: str
    entry: Entry | None = None
    items: tuple[Item, ...] = ()
    skipped: tuple[tuple[str, dict[str, Any]], ...] = ()
    error: KalturaError | None = None


def planned(api: KalturaApi, entry_ids: Iterable[str], options: BatchOptions) -> Iterator[Planned]:
    """
    Choose, asking for 1,000 entries at a time: two requests for the entries, one for all their captions, thumbnails and
    attachments.

    :param api: Kaltura.
    :param entry_ids: Each once; read as they are needed.
    :param options: What is wanted.
    :yields: One for each entry, in order.
    :raises KalturaError: Kaltura could not be asked.
    """
    rest = iter(entry_ids)
    kinds = frozenset(SIDE_KINDS[kind] for kind in options.assets if kind in SIDE_KINDS)
    while group := list(itertools.islice(rest, ENTRIES_AT_ONCE)):
        chosen = list(_entries(api, group, options))
        known = [one.entry_id for one in chosen if one.entry is not None]
        sides = list_assets(api.runtime, known, kinds) if kinds else {}
        files = entry_files(api.runtime, _with_file(chosen)) if "file" in options.assets else {}
        custom = list_custom_metadata(api.runtime, known) if "metadata" in options.assets else {}
        for one in chosen:
            own: dict[AssetKind, EntryFile | EntryJson] = {}
            if one.entry is not None and one.entry_id in custom:
                own["metadata"] = entry_json(one.entry, custom[one.entry_id])
            if one.entry_id in files:
                own["file"] = files[one.entry_id]
            yield _plan(one, sides.get(one.entry_id, ()), own, options)


def identity(asset: Asset) -> tuple[object, ...]:
    """
    Tell what changes when an asset's file does.

    :param asset: It.
    :returns: Something to compare.
    """
    return asset.version, asset.size_bytes, getattr(asset, "updated_at", None)


def _with_file(chosen: Iterable[Chosen]) -> Iterator[str]:
    """Give the entries whose content is one file, which is there."""
    for one in chosen:
        if one.entry is not None and one.entry.status == _READY_ENTRY and no_media(one.entry) in _FILES:
            yield one.entry_id


def _entries(api: KalturaApi, group: list[str], options: BatchOptions) -> Iterator[Chosen]:
    if "flavors" in options.assets:
        yield from choices(api, group, options.flavor)
        return
    found = api.get_entries(group)
    for entry_id in group:
        entry = found.get(entry_id)
        if entry is None:
            text = f"Entry {entry_id} does not exist, is deleted, or belongs to another account."
            error = NotFoundError(text, "ENTRY_ID_NOT_FOUND", "baseEntry", "getByIds", entry_id)
            yield Chosen(entry_id=entry_id, error=error)
        else:
            yield Chosen(entry_id=entry_id, entry=entry)


def _plan(
    chosen: Chosen,
    sides: tuple[SideAsset, ...],
    own: Mapping[AssetKind, EntryFile | EntryJson],
    options: BatchOptions,
) -> Planned:
    items = [Item(_FLAVOR, asset) for asset in chosen.assets]
    skipped = [(NOT_READY, Item(_FLAVOR, asset).columns()) for asset in chosen.unfinished]
    if chosen.skipped is not None:
        skipped.append((chosen.skipped, {}))
    for kind in options.assets:
        if chosen.entry is not None and kind not in FLAVORS:
            found, left = _of_kind(kind, sides, options.caption_format)
            if kind in own:
                found = [Item(ASSET_TYPES[kind], own[kind])]
            items.extend(found)
            skipped.extend(left if found or left else [(f"no_{kind}", {"assetType": ASSET_TYPES[kind]})])
    return Planned(
        entry_id=chosen.entry_id, entry=chosen.entry, items=tuple(items), skipped=tuple(skipped), error=chosen.error
    )


def _of_kind(
    kind: AssetKind, sides: tuple[SideAsset, ...], caption_format: CaptionFormat
) -> tuple[list[Item], list[tuple[str, dict[str, Any]]]]:
    """Give the ready assets of a kind, and those that are not ready, with the reason."""
    name = ASSET_TYPES[kind]
    wanted = caption_format if kind == "captions" else "original"
    asset_type = name if wanted == "original" else f"{name}_{wanted}"
    found, left = [], []
    for asset in sides:
        if asset.kind != SIDE_KINDS.get(kind) or asset.is_transcript is not (kind == "transcripts"):
            continue
        item = Item(asset_type, asset, wanted)
        if asset.status == READY:
            found.append(item)
        elif asset.status != DELETED:
            left.append((f"{name}_not_ready", item.columns()))
    return found, left


def _values(entry: Entry, item: Item) -> dict[str, Value]:
    asset = item.asset
    found: dict[str, Value] = {
        "entryId": entry.id,
        "entryName": entry.name or None,
        "assetId": asset.id,
        "assetType": item.asset_type.partition("_")[0],
        "format": item.file_ext or None,
        "version": asset.version,
        "partnerId": entry.partner_id,
        "referenceId": entry.reference_id or None,
        "createdAt": entry.created_at,
        "updatedAt": entry.updated_at,
    }
    if isinstance(asset, SideAsset):
        found["language"] = asset.language_code or asset.language or None
        found["label"] = asset.label or None
        found["fileName"] = asset.file_name or None
        found["width"] = asset.width or None
        found["height"] = asset.height or None
    return found
