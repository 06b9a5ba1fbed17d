"""Any history of a library that two syncs copy into one lake: each has its own files, and nobody else's are touched."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from airflow_provider_kaltura.ingest.destination import Destination
from airflow_provider_kaltura.ingest.manifest import ManifestWriter
from airflow_provider_kaltura.ingest.manifest_row import ManifestRow
from airflow_provider_kaltura.ingest.models import RunOptions
from airflow_provider_kaltura.ingest.sync import sync
from airflow_provider_kaltura.ingest.sync_index import LakeIndex
from airflow_provider_kaltura.ingest.sync_options import parse_sync_flavor
from tests.sync.places import Killed
from tests.sync.test_histories import EVENTS, OVERLAP, History, small_pages

__all__ = ["small_pages"]

BOTH = {"default": "a", "other": "b"}


class Neighbours(History):
    """A library that moves, and a lake that two syncs write into; the other one takes one flavor of each entry."""

    def __init__(self, *, with_metadata=True, is_mirror=True):
        super().__init__(with_metadata=with_metadata)
        options = replace(self.options, on_deleted="delete" if is_mirror else "keep")
        self.both = (options, replace(options, name="other", flavor=parse_sync_flavor("best")))
        self.stranger = self._by_hand()

    def _by_hand(self):
        """Put files there as a batch does: recorded, of flavors of the library, in a folder of its own."""
        found = {}
        writer = ManifestWriter(self.place.lake, RunOptions())
        for flavor in self.model.flavors.values():
            path = f"by_hand/{flavor.id}.mp4"
            found[path] = self.model.content[flavor.id, flavor.version]
            stat = self.place.store.write(path, found[path])
            writer.add_row(
                ManifestRow(
                    partner_id=flavor.partner_id,
                    asset_type="flavor",
                    asset_id=flavor.id,
                    path=path,
                    entry_id=flavor.entry_id,
                    version=flavor.version,
                    size_bytes=stat.size_bytes,
                    checksum=None,
                    verified="full",
                    outcome="downloaded",
                    observed_at=self.model.utcnow(),
                    version_tag=stat.version_tag,
                )
            )
        writer.flush()
        return found

    def sync_one(self, number, **more):
        """Let one of both bring its folder up to date."""
        options = self.both[number % 2]
        destination = Destination.parse(
            f"/lake/{BOTH[options.name]}/{{entryId}}/{{flavorId}}.{{format}}", state_root="/lake"
        )
        model = self.model
        return sync(model, self.place.lake, destination, options, open_source=model.source, utcnow=model.utcnow, **more)

    def step(self, event, value):
        """Let one thing happen."""
        if event in {"sync", "window"}:
            self.sync_one(value)
        elif event == "kill":
            dice = random.Random(value)
            self.place.killer.arm(dice.randint(1, 30), is_after=dice.random() < 0.5)
            try:
                self.sync_one(value)
            except Killed:
                pass
            finally:
                self.place.killer.disarm()
        else:
            super().step(event, value)

    def end(self):
        """Let everything come to rest, and let both sync once more."""
        self.model.settle()
        self.model.advance(OVERLAP + 2)
        return [self.sync_one(number) for number in range(2)]

    def within(self, folder):
        """Give what stands in a folder, by path below it."""
        return {
            path[len(folder) + 1 :]: data for path, data in self.place.media().items() if path.startswith(f"{folder}/")
        }

    def is_sound(self):
        """Tell whether one equals the library, the other has one file of each entry, and the rest is untouched."""
        model = self.model
        best = {path: data for path, data in self.within("b").items() if model.expected().get(path) != data}
        entries = {flavor.entry_id for flavor in model.flavors.values()}
        media = self.place.media()
        return (
            self.within("a") == model.expected()
            and not best
            and sorted(path.split("/")[0] for path in self.within("b")) == sorted(entries)
            and all(media.get(path) == data for path, data in self.stranger.items())
        )


def run_neighbours(events, **more):
    """Let a history happen, to its end."""
    history = Neighbours(**more)
    before = {path for path in history.place.media() if not path.startswith("by_hand/")}
    for event, value in events:
        history.step(event, value)
    history.end()
    # What the base class put there by a destination of its own, under the same name, went or moved.
    assert before.isdisjoint(history.place.media())
    return history


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=EVENTS, with_metadata=st.booleans())
def test_two_syncs_of_one_lake_never_touch_each_other_s_files(events, with_metadata):
    """Whatever happens, and whoever is killed; running again changes nothing."""
    history = run_neighbours(events, with_metadata=with_metadata)
    assert history.is_sound()
    written = history.place.manifest_files()
    again = [history.sync_one(number) for number in range(2)]
    assert [(one.outcomes, one.gone, one.failed) for one in again] == [({}, {}, 0)] * 2
    assert history.place.manifest_files() == written


@pytest.mark.parametrize("planted", ["own_files_of", "is_own"])
def test_a_planted_bug_is_found_beside_others_too(planted, monkeypatch):
    """Where everybody's files count as one's own, some history leaves another lake."""
    if planted == "own_files_of":
        monkeypatch.setattr(LakeIndex, "own_files_of", LakeIndex.files_of)
    else:
        monkeypatch.setattr("airflow_provider_kaltura.ingest.sync_names.Names.is_own", lambda _self, _row: True)
    found = find(
        EVENTS,
        lambda events: not run_neighbours(events).is_sound(),
        settings=settings(max_examples=100, deadline=None, database=None, derandomize=True, phases=(Phase.generate,)),
    )
    assert found
