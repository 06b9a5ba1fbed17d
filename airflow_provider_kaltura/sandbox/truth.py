"""What a library holds at this moment, past index and API: what a copy of it is compared with."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from airflow_provider_kaltura.sandbox.library import CAPTION, DELETED, FLAVOR

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airflow_provider_kaltura.sandbox.library import Json, Library


def rows(library: Library, entry_ids: Iterable[str] | None = None, *, digests: bool = True) -> Iterator[Json]:
    """
    Yield each entry that isn't deleted, with its flavors and captions and their files.

    :param library: The library.
    :param entry_ids: Which entries, all by default.
    :param digests: Whether to give the SHA-256 of each file.
    :yields: Id, status, type and times of an entry, and its assets: id, status, version, size and digest.
    """
    for entry_id in library.entries if entry_ids is None else entry_ids:
        with library.lock:
            entry = library.entries.get(entry_id)
            if entry is None or entry["status"] == DELETED:
                continue
            row = {name: entry.get(name) for name in ("id", "status", "type", "mediaType", "createdAt", "updatedAt")}
            for name, kind in (("flavors", FLAVOR), ("captions", CAPTION)):
                assets = library.entry_assets[kind].get(entry_id) or []
                row[name] = [_asset(library, asset, digests=digests) for asset in assets]
        yield row


def page(library: Library, start: int, limit: int, *, digests: bool) -> list[Json]:
    """Return the entries from a place in the order of insertion on; deleted ones count, but aren't there."""
    with library.lock:
        return [*rows(library, [*itertools.islice(library.entries, start, start + limit)], digests=digests)]


def _asset(library: Library, asset: Json, *, digests: bool) -> dict[str, Any]:
    file = library.file(asset["id"], asset.get("version", ""))
    return {
        "id": asset["id"],
        "flavorParamsId": asset.get("flavorParamsId"),
        "status": asset["status"],
        "version": asset.get("version"),
        "sizeInBytes": None if file is None else file.size_bytes,
        "sha256": file.sha256() if digests and file is not None else None,
    }
