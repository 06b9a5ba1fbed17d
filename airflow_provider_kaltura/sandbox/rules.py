"""
A library of any size, by rule: every object follows from its number and a seed, so that memory holds only changes.

The names of its account are those of the small library.
"""

from __future__ import annotations

import time
from array import array
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_kaltura.sandbox import lifecycle, rule_times, small
from airflow_provider_kaltura.sandbox.index import TIMES, Index
from airflow_provider_kaltura.sandbox.layered import Layered, LayeredObjects
from airflow_provider_kaltura.sandbox.library import CAPTION, DELETED, FLAVOR, KINDS, Json, Library, StoredFile
from airflow_provider_kaltura.sandbox.rule_assets import AssetRules
from airflow_provider_kaltura.sandbox.rule_objects import CATEGORIES, RENDITIONS, Row, Rules, category_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

SINCE: Final = 1_420_070_400  # 2015-01-01
UNTIL: Final = 1_735_689_600  # 2025-01-01
PARTNER_ID, ADMIN_SECRET, USER_SECRET = small.PARTNER_ID, small.ADMIN_SECRET, small.USER_SECRET


def library(
    *,
    entries: int,
    seed: int = 0,
    clock: Callable[[], float] = time.time,
    since: int = SINCE,
    until: int = UNTIL,
    file_bytes: tuple[int, int] = (200, 4000),
    only_ready_videos: bool = False,
    huge_second: bool = False,
    huge_second_updates: str = "apart",
) -> RuleLibrary:
    """
    Return a library by rule.

    :param entries: How many entries; of those that are no READY videos there are a few of each kind.
    :param seed: What decides the rest; equal seeds give equal libraries.
    :param clock: The library's clock.
    :param since: Second of the first creation.
    :param until: Nothing was created or updated later.
    :param file_bytes: Least and greatest size of a flavor's file.
    :param only_ready_videos: Whether every entry is a READY video with eight READY flavors that anybody may have.
    :param huge_second: Whether one second has 12,000 entries.
    :param huge_second_updates: Whether those were updated ``apart``, or ``together`` in one second as well.
    :returns: The library.
    """
    shape = rule_times.Shape(
        entries=entries,
        seed=seed,
        since=since,
        until=until,
        huge_second=huge_second,
        huge_second_updates=huge_second_updates,
    )
    rules = Rules(PARTNER_ID, seed, rule_times.times(shape), only_ready_videos=only_ready_videos)
    made = RuleLibrary(rules, AssetRules(rules, file_bytes), clock)
    small.add_account(made)
    _add_profiles(made, since)
    return made


def describe(made: RuleLibrary) -> list[str]:
    """Return lines that tell how to log in, and what there is."""
    return [*small.describe_account(), f"entries      {made.size} by rule, created from 2015 to 2024"]


def _add_profiles(made: Library, at: int) -> None:
    renditions = [
        small.Rendition(params_id, f"{height}p ({kbps})" if params_id else "Source", "web", width, height, kbps)
        for params_id, width, height, kbps in RENDITIONS
    ]
    small.add_profiles(made, at, renditions)
    for number in range(1, CATEGORIES + 1):
        name, ids = category_names(number)
        above = ids.split(">")[:-1]
        made.categories[number] = small.category(number, name, ids, int(above[-1]) if above else 0, at)


class RuleLibrary(Library):
    """
    A library whose objects are computed; what is changed lies above them.

    :param rules: Gives the entries.
    :param assets: Gives flavors, captions and files.
    :param clock: See `Library`.
    """

    def __init__(self, rules: Rules, assets: AssetRules, clock: Callable[[], float]) -> None:
        super().__init__(clock=clock)
        self.rules, self.asset_rules = rules, assets
        self.changed = LayeredObjects(rules.entry_by_id, rules.entry_ids)
        self.entries = self.changed
        self.assets[FLAVOR] = LayeredObjects(assets.flavor_by_id)
        self.assets[CAPTION] = LayeredObjects(assets.caption_by_id)
        for kind in KINDS:
            names = {FLAVOR: assets.flavor_ids, CAPTION: assets.caption_ids}.get(kind, _none)
            self.entry_assets[kind] = _AssetsByEntry(self.assets[kind], names)
        self.files = Layered[tuple[str, str], StoredFile](assets.file)
        self._added: list[str] = []
        self._numbers_of_added: dict[str, int] = {}
        self._changed_numbers: set[int] = set()
        self._removed_assets: set[str] = set()
        times = {name: array("q", found) for name, found in zip(TIMES, (rules.created, rules.updated), strict=True)}
        self.index = Index(self, times, rules.seed)

    # ------------------------------------------------------------------ for the index
    def number(self, entry_id: str) -> int | None:
        """Return the number of an entry."""
        found = self.rules.ids.entry(entry_id)
        return self._numbers_of_added.get(entry_id) if found is None else found

    def entry_id(self, number: int) -> str:
        """Return the id of an entry; those that were added follow those of the rule."""
        count = self.rules.count
        return self.rules.ids.make(number) if number < count else self._added[number - count]

    def row(self, number: int) -> Mapping[str, Any]:
        """Return an entry as the index has it, to be tested."""
        if number < self.rules.count and number not in self._changed_numbers:
            return Row(self.rules, number)
        return self._seen(self.entry_id(number))

    def shown(self, number: int) -> Json:
        """Return an entry as a list answers it."""
        if number < self.rules.count and number not in self._changed_numbers:
            return self.rules.entry(number)
        return self._seen(self.entry_id(number))

    def _seen(self, entry_id: str) -> Json:
        seen = self.lag.seen.get(entry_id)
        return self.changed[entry_id] if seen is None else seen

    def has_entry(self, entry_id: str, partner_id: int | None) -> bool:
        """Whether there is an entry of the partner that isn't deleted; nothing else of it is computed."""
        number = self.rules.ids.entry(entry_id)
        if number is None or number in self._changed_numbers:
            return super().has_entry(entry_id, partner_id)
        return partner_id == self.rules.partner_id and self.rules.kind(number).properties["status"] != DELETED

    # ------------------------------------------------------------------ changes
    @property
    def size(self) -> int:
        """How many entries there are, deleted ones too."""
        return self.rules.count + len(self._added)

    def _keep_entry(self, entry: Json) -> None:
        entry_id = entry["id"]
        if self.rules.ids.entry(entry_id) is None:
            self._numbers_of_added[entry_id] = self.size
            self._added.append(entry_id)
        self._store_entry(entry)

    def _entry_to_change(self, entry_id: str) -> Json:
        return dict(self.changed[entry_id])

    def _store_entry(self, entry: Json) -> None:
        self.changed[entry["id"]] = entry
        number = self.number(entry["id"])
        if number is not None:
            self._changed_numbers.add(number)

    def _asset_to_change(self, kind: str, asset_id: str) -> Json:
        return dict(self.assets[kind][asset_id])

    def _store_asset(self, kind: str, asset: Json) -> None:
        self.assets[kind][asset["id"]] = asset

    def _link_asset(self, kind: str, asset: Json) -> None:
        self._by_entry(kind).link(asset["entryId"], asset["id"])

    def remove_asset(self, kind: str, asset_id: str) -> None:
        """Delete an asset: from now on its id is unknown, and its files are gone."""
        with self.lock:
            self._by_entry(kind).unlink(self.assets[kind].pop(asset_id)["entryId"], asset_id)
            self._removed_assets.add(asset_id)

    def _by_entry(self, kind: str) -> _AssetsByEntry:
        found = self.entry_assets[kind]
        assert isinstance(found, _AssetsByEntry)  # noqa: S101 - for the type checker
        return found

    def file(self, object_id: str, version: object) -> StoredFile | None:
        """Return the stored file of an object at *version*; None when there is none, or it was deleted."""
        return None if object_id in self._removed_assets else super().file(object_id, version)

    def has_been_ready(self, asset_id: str) -> bool:
        """Whether an asset has ever been READY."""
        known = super().has_been_ready(asset_id)
        computed = self.asset_rules.flavor_by_id(asset_id)
        return known or (computed is not None and computed["status"] == lifecycle.READY)

    # ------------------------------------------------------------------ categories
    def category_entries_of(self, entry_ids: Iterable[str] | None) -> Iterator[Json]:
        """Yield which of these entries, by default of all, stand in which categories."""
        for entry_id in self.entries if entry_ids is None else entry_ids:
            entry = self.entries.get(entry_id)
            if entry is None:
                continue
            for category in filter(None, str(entry["categoriesIds"]).split(",")):
                yield {
                    "categoryId": int(category),
                    "entryId": entry_id,
                    "createdAt": entry["createdAt"],
                    "categoryFullIds": category_names(int(category))[1],
                    "status": 2,
                    "creatorUserId": entry["userId"],
                    "objectType": "KalturaCategoryEntry",
                }


def _none(_entry_id: str) -> list[str]:
    return []


class _AssetsByEntry(Layered[str, list[Json]]):
    """The assets of each entry: those of the rule, and what was added or deleted since."""

    def __init__(self, assets: Mapping[str, Json], names: Callable[[str], list[str]]) -> None:
        super().__init__(self._of_entry)
        self._assets = assets
        self._names = names
        self._linked: dict[str, list[str]] = {}

    def _of_entry(self, entry_id: str) -> list[Json] | None:
        names = self._linked.get(entry_id)
        if names is None:
            names = self._names(entry_id)
        return [self._assets[name] for name in names] or None

    def link(self, entry_id: str, asset_id: str) -> None:
        """Add an asset to its entry."""
        self._linked.setdefault(entry_id, self._names(entry_id)).append(asset_id)

    def unlink(self, entry_id: str, asset_id: str) -> None:
        """Take an asset away from its entry."""
        self._linked.setdefault(entry_id, self._names(entry_id)).remove(asset_id)
