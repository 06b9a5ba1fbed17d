"""What a batch takes of each of its entries, a thousand of them at a time."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from airflow_provider_kaltura.api.errors import FlavorNotReadyError, KalturaError, NoFlavorsError
from airflow_provider_kaltura.api.flavors import DEAD, READY, Never, Wait, no_media
from airflow_provider_kaltura.api.models import FlavorStatus
from airflow_provider_kaltura.ingest.resolve import decide, parse_preferences, wants_web

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from airflow_provider_kaltura.api.facade import KalturaApi
    from airflow_provider_kaltura.api.flavors import Preferences
    from airflow_provider_kaltura.api.models import Entry, EntrySnapshot, FlavorAsset

EACH: Final = "each"
BatchFlavor: TypeAlias = "Preferences | Literal['each']"

#: Why a flavor that is still being made is skipped where all are wanted.
NOT_READY: Final = "flavor_not_ready"

#: Entries with all their flavors that are in memory at a time, about 10 MB with eight flavors each.
ENTRIES_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """
    What is taken of one entry.

    :param entry_id: The entry.
    :param entry: What Kaltura says about it; None when it could not be had.
    :param assets: What is taken; nothing when one of the following says why.
    :param unfinished: Those of all flavors that are still being made.
    :param skipped: Why there is nothing to take and nothing is wrong, such as ``no_media:image``.
    :param error: Why it failed.
    """

    entry_id: str
    entry: Entry | None = None
    assets: tuple[FlavorAsset, ...] = ()
    unfinished: tuple[FlavorAsset, ...] = ()
    skipped: str | None = None
    error: KalturaError | None = None


def parse_batch_flavor(flavor: str | Sequence[str] | Preferences | None) -> BatchFlavor:
    """
    Read what a batch takes of each entry.

    :param flavor: ``"each"`` for every ready flavor, or preferences for one; ``"source, best"`` by default.
    :returns: The preferences, or ``"each"``.
    :raises PreferenceError: The text can't be read; it names the position.
    """
    if isinstance(flavor, str) and flavor.strip().lower() == EACH:
        return "each"
    return parse_preferences(flavor)


def choices(api: KalturaApi, entry_ids: Iterable[str], flavor: BatchFlavor) -> Iterator[Chosen]:
    """
    Choose, asking for 1,000 entries at a time; eight flavors each take three requests.

    :param api: Kaltura.
    :param entry_ids: Each once; read as they are needed.
    :param flavor: See :func:`parse_batch_flavor`.
    :yields: One for each entry, in order.
    :raises KalturaError: Kaltura could not be asked.
    """
    rest = iter(entry_ids)
    asks_web = flavor != "each" and wants_web(flavor)
    while group := list(itertools.islice(rest, ENTRIES_AT_ONCE)):
        for entry_id, found in api.snapshot(group, web_playable_for=group if asks_web else ()).items():
            if isinstance(found, KalturaError):
                yield Chosen(entry_id=entry_id, error=found)
            else:
                yield _choose(found, flavor)


def _choose(snapshot: EntrySnapshot, flavor: BatchFlavor) -> Chosen:
    entry = snapshot.entry
    if kind := no_media(entry):
        return Chosen(entry_id=entry.id, entry=entry, skipped=f"no_media:{kind}")
    found = _each(snapshot) if flavor == "each" else decide(entry, snapshot.assets, flavor, snapshot.web_playable_ids)
    if isinstance(found, Wait):
        return Chosen(entry_id=entry.id, entry=entry, error=FlavorNotReadyError(entry.id, found.reason))
    if isinstance(found, Never):
        error = NoFlavorsError(entry.id, found.reason, found.available)
        return Chosen(entry_id=entry.id, entry=entry, error=error)
    unfinished = _unfinished(snapshot) if flavor == "each" else ()
    return Chosen(entry_id=entry.id, entry=entry, assets=found, unfinished=unfinished)


def _each(snapshot: EntrySnapshot) -> tuple[FlavorAsset, ...] | Wait | Never:
    """Take what is ready now; what is still being made is a later run's, unless there is nothing else."""
    entry = snapshot.entry
    if refusal := _temporary(entry):
        return refusal
    ready = tuple(asset for asset in _known(snapshot) if asset.status in READY)
    if ready:
        return ready
    if unfinished := _unfinished(snapshot):
        return Wait(f"flavor {unfinished[0].id} is not finished, and no other is ready")
    return Never("no flavor is ready")


def _known(snapshot: EntrySnapshot) -> list[FlavorAsset]:
    return sorted((one for one in snapshot.assets if one.status != FlavorStatus.TEMP), key=lambda one: one.id)


def _unfinished(snapshot: EntrySnapshot) -> tuple[FlavorAsset, ...]:
    return tuple(asset for asset in _known(snapshot) if asset.status not in READY | DEAD)


def _temporary(entry: Entry) -> Never | None:
    if not entry.replaced_entry_id:
        return None
    return Never(f"the entry is a temporary one, made to replace the content of {entry.replaced_entry_id}")
