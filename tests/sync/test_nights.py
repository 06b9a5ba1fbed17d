"""Thirty nights of a library that moves, with a sync each night that is killed now and then."""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import dataclass, field

import pytest

from airflow_provider_kaltura.ingest.manifest import rows
from airflow_provider_kaltura.ingest.manifest_row import STANDING
from airflow_provider_kaltura.ingest.models import RunOptions
from airflow_provider_kaltura.ingest.sync_options import SyncOptions
from tests.sync.model import Model
from tests.sync.places import Killed, Place

SEED = int(os.environ.get("KALTURA_SYNC_SEED", "20261122"))
DAY = 86_400
KILLS_A_NIGHT = 2


@dataclass
class Nights:
    """What happened, and what it cost."""

    model: Model
    place: Place
    options: SyncOptions
    dice: random.Random
    kills: int = 0
    kills_of_the_manifest: int = 0
    excused: Counter = field(default_factory=Counter)

    def day(self):
        """Let the library move for a day; ten flavors and more are replaced without a change of their entry."""
        model, dice = self.model, self.dice
        for _ in range(40):
            model.advance(DAY // 40)
            act = dice.choice(["create", "update", "delete", "add", "drop", "reconvert", "unready"])
            entry_id = dice.choice(model.alive())
            flavors = model.of_entry[entry_id]
            if act == "create":
                model.create(dice.randint(1, 3))
            elif act in {"update", "delete"}:
                getattr(model, act)(entry_id)
            elif act == "add" or not flavors:
                model.add_flavor(entry_id)
            elif act == "unready":
                model.set_status(entry_id, "1")
            else:
                {"drop": model.delete_flavor, "reconvert": model.reconvert}[act](dice.choice(flavors))
            if dice.random() < 0.4:
                model.replace(dice.choice(sorted(model.flavors)))
        for flavor_id in dice.sample(sorted(model.flavors), 10):
            model.replace(flavor_id)
        if dice.random() < 0.5:
            model.settle()

    def night(self, kills):
        """Sync until a run comes to its end."""
        for number in range(kills + 1):
            if number < kills:
                only = "write _kaltura/manifest" if self.dice.random() < 0.3 else ""
                steps = self.dice.randint(1, 2 if only else 60)
                self.place.killer.arm(steps, is_after=self.dice.random() < 0.5, only=only)
            first = len(self.model.opened)
            try:
                self.place.sync(self.model, self.options)
            except Killed:
                self.kills += 1
                self.kills_of_the_manifest += self.place.killer.last.startswith("write _kaltura/manifest")
                self._excuse(self.model.opened[first:])
            finally:
                self.place.killer.disarm()

    def _excuse(self, opened):
        """What was under way or has no row yet, may be fetched once more."""
        known = {(row.asset_id, row.version) for row in rows(self.place.store) if row.outcome in STANDING}
        self.excused.update(set(opened) - known)

    def size_of(self, files):
        """Add up the bytes of files."""
        return sum(len(self.model.content[file]) * count for file, count in files.items())


def run_nights(entries, nights, *, with_metadata, seed):
    """Let a library of so many entries move for so many nights."""
    print(f"seed {seed}: {entries} entries, {nights} nights")  # noqa: T201 - to repeat a failure
    model, place = Model(seed=seed, lag=300, page=500), Place(with_metadata=with_metadata)
    options = SyncOptions(flavor="each", on_deleted="delete", overlap_seconds=600, full_every=7, run=RunOptions())
    for number in range(entries):
        model.advance(number % 2)
        model.create(1 + number % 3)
    happened = Nights(model, place, options, random.Random(seed))
    for night in range(nights):
        if night:
            happened.day()
        model.advance(60)
        happened.night(0 if night == nights - 1 else KILLS_A_NIGHT + night % 2)
    model.settle()
    model.advance(601)
    happened.night(0)
    return happened


def check(happened, *, kills, kills_of_the_manifest):
    """The lake equals the library, and nothing was fetched twice without an excuse."""
    opened = Counter(happened.model.opened)
    fetched, excused = happened.size_of(opened), happened.size_of(happened.excused)
    print(  # noqa: T201 - figures to report
        f"{happened.kills} kills, {happened.kills_of_the_manifest} of them while the manifest was written; {fetched} "
        f"bytes fetched of {happened.model.changed_bytes} that changed, {excused} of them may have come twice"
    )
    assert happened.place.media() == happened.model.expected()
    assert happened.kills >= kills
    assert happened.kills_of_the_manifest >= kills_of_the_manifest
    assert not {file for file, count in opened.items() if count > 1 + happened.excused[file]}
    assert fetched <= happened.model.changed_bytes + excused
    again = happened.place.sync(happened.model, happened.options)
    assert (again.fetched_bytes, again.outcomes, again.gone) == (0, {}, {})


@pytest.mark.parametrize("with_metadata", [True, False], ids=["metadata", "manifest"])
def test_a_few_nights_with_kills(with_metadata):
    """A short run of the same, each time."""
    check(run_nights(300, 8, with_metadata=with_metadata, seed=SEED), kills=12, kills_of_the_manifest=2)


@pytest.mark.all
@pytest.mark.timeout(600)
@pytest.mark.parametrize("with_metadata", [True, False], ids=["metadata", "manifest"])
def test_thirty_nights_with_sixty_kills(with_metadata):
    """5,000 entries, ten flavors and more replaced each day without a change of their entry."""
    check(run_nights(5_000, 30, with_metadata=with_metadata, seed=SEED), kills=60, kills_of_the_manifest=5)
