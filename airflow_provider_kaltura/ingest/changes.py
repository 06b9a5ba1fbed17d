"""What is to be done about one entry: a pure decision, from what Kaltura has and what stands in the lake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_kaltura.api.flavors import DEAD, OPEN_ENTRY, READY, Never, Wait, no_media
from airflow_provider_kaltura.api.models import FlavorStatus
from airflow_provider_kaltura.ingest.manifest_row import MARKED
from airflow_provider_kaltura.ingest.resolve import decide

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_kaltura.api.flavors import Preferences
    from airflow_provider_kaltura.api.models import Entry, EntrySnapshot, FlavorAsset
    from airflow_provider_kaltura.ingest.manifest_row import ManifestRow
    from airflow_provider_kaltura.ingest.sync_names import Names
    from airflow_provider_kaltura.ingest.sync_options import SyncFlavor


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """
    What is to be done about one entry.

    :param fetch: Ready flavors that don't stand in the lake as they are.
    :param wanted_ids: All flavors of the choice, those that stand included.
    :param unchanged: How many stand as they are.
    :param revived: Files that were marked as gone and are not.
    :param taken_over: Files that stand as they are under the very names that this sync gives, and are not known as its.
    :param waits_for: What is still to come, None when nothing is.
    :param nothing: Why there is nothing to take, None when there is something.
    :param vanished: Files of this sync whose flavor was in no list; to be confirmed by id.
    :param superseded: Files of this sync, of flavors that Kaltura still has, where another one is chosen now; and those
        of what is taken that stand under other names, such as older versions.
    """

    fetch: tuple[FlavorAsset, ...] = ()
    wanted_ids: frozenset[str] = frozenset()
    unchanged: int = 0
    revived: tuple[ManifestRow, ...] = ()
    taken_over: tuple[ManifestRow, ...] = ()
    waits_for: str | None = None
    nothing: str | None = None
    vanished: tuple[ManifestRow, ...] = ()
    superseded: tuple[ManifestRow, ...] = ()


@dataclass(frozen=True, slots=True)
class _Choice:
    assets: tuple[FlavorAsset, ...] = ()
    waits_for: str | None = None
    nothing: str | None = None


def judge(snapshot: EntrySnapshot, standing: Sequence[ManifestRow], flavor: SyncFlavor, names: Names) -> Verdict:
    """
    Decide about one entry.

    A flavor that is being made anew is left alone: its file in the lake stays until the new one is ready. So does a
    file whose entry was renamed: a library is not fetched anew for that.

    :param snapshot: The entry and its flavors, of one moment.
    :param standing: Its files in the lake, the newest first.
    :param flavor: What is taken of each entry.
    :param names: Which names are the sync's; what stands under others does not count, and is not for it to remove.
    :returns: What is to be done.
    """
    choice = _each(snapshot) if flavor == "each" else _chosen(snapshot, flavor)
    found = {asset.id: _find(snapshot.entry, asset, standing, names) for asset in choice.assets}
    fetch = tuple(asset for asset in choice.assets if found[asset.id] is None)
    stands = [row for row in found.values() if row is not None]
    wanted_ids = frozenset(asset.id for asset in choice.assets)
    known_ids = {asset.id for asset in snapshot.assets if asset.status != FlavorStatus.DELETED}
    own = [row for row in standing if names.is_own(row)]
    others = [row for row in own if row.asset_id not in wanted_ids]
    is_settled = bool(choice.assets) and choice.waits_for is None and flavor != "each"
    return Verdict(
        fetch=fetch,
        wanted_ids=wanted_ids,
        unchanged=len(stands),
        revived=tuple(row for row in standing if row.outcome == MARKED and row.asset_id in wanted_ids),
        taken_over=tuple(row for row in stands if names.may_take_over(row)),
        waits_for=choice.waits_for,
        nothing=choice.nothing,
        vanished=tuple(row for row in others if row.asset_id not in known_ids),
        superseded=(
            *(row for row in others if is_settled and row.asset_id in known_ids),
            *(row for asset in choice.assets for row in _older(snapshot.entry, asset, found[asset.id], own, names)),
        ),
    )


def _find(entry: Entry, asset: FlavorAsset, standing: Sequence[ManifestRow], names: Names) -> ManifestRow | None:
    """Find the file that is a flavor as it is now, under a name that the sync gave it or would give it."""
    same = [row for row in standing if _is_same(row, asset) and names.stands(row.path)]
    given = [row for row in same if names.gave(row)]
    # Names are made of many values: that of a file that was given one need not be made again.
    if same and len(given) != 1:
        key = names.key_of(entry, asset)
        return next((row for row in same if row.path == key), next(iter(given), None))
    return next(iter(given), None)


def _older(
    entry: Entry, asset: FlavorAsset, found: ManifestRow | None, own: Sequence[ManifestRow], names: Names
) -> list[ManifestRow]:
    """Find the files of a flavor that stand beside the one that is kept, or comes."""
    same = [row for row in own if row.asset_id == asset.id]
    if not same:
        return []
    key = names.key_of(entry, asset) if found is None else found.path
    return [row for row in same if row.path != key]


def _is_same(row: ManifestRow, asset: FlavorAsset) -> bool:
    is_version = row.asset_id == asset.id and row.version == asset.version
    return is_version and asset.size_bytes in {None, row.size_bytes}


def _each(snapshot: EntrySnapshot) -> _Choice:
    if kind := no_media(snapshot.entry):
        return _Choice(nothing=f"no_media:{kind}")
    known = sorted((one for one in snapshot.assets if one.status != FlavorStatus.TEMP), key=lambda one: one.id)
    ready = tuple(asset for asset in known if asset.status in READY)
    unfinished = [asset for asset in known if asset.status not in READY and asset.status not in DEAD]
    if unfinished:
        return _Choice(ready, waits_for=f"flavor {unfinished[0].id}")
    if snapshot.entry.status in OPEN_ENTRY:
        return _Choice(ready, waits_for=f"the entry is in status {snapshot.entry.status}")
    return _Choice(ready, nothing=None if ready else "no flavor is ready")


def _chosen(snapshot: EntrySnapshot, flavor: Preferences) -> _Choice:
    found = decide(snapshot.entry, snapshot.assets, flavor, snapshot.web_playable_ids)
    if isinstance(found, Wait):
        return _Choice(waits_for=found.reason)
    if isinstance(found, Never):
        return _Choice(nothing=found.reason if found.reason.startswith("no_media:") else "nothing to choose")
    return _Choice(found)
