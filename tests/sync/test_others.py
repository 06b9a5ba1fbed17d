"""A sync beside others that use its lake: other syncs, batches, people. Against the sandbox, over HTTP."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from airflow_provider_kaltura.ingest.batch import download_batch
from airflow_provider_kaltura.ingest.batch_models import BatchOptions
from airflow_provider_kaltura.ingest.destination import Destination
from airflow_provider_kaltura.ingest.sources import HttpSources
from airflow_provider_kaltura.ingest.sync import sync
from airflow_provider_kaltura.ingest.sync_options import SyncOptions, parse_sync_flavor
from airflow_provider_kaltura.sandbox import rules
from airflow_provider_kaltura.sandbox.server import serve
from tests.sync.test_sandbox import Follower

SOURCE = SyncOptions(flavor=parse_sync_flavor("source"), on_deleted="delete", full_every=1_000)
SMALLEST = replace(SOURCE, name="small", flavor=parse_sync_flavor("smallest"))
HOUR = 3_600


def below(folder, name="{entryId}/{flavorId}.{format}"):
    """Make a destination in a folder of the one lake."""
    return Destination.parse(f"/lake/{folder}/{name}", state_root="/lake")


class Neighbours(Follower):
    """A sandbox, and a lake for several syncs and batches."""

    def sync_to(self, destination, options=SOURCE, *, open_source=None):
        """Bring the lake up to date, an hour after the last time."""
        self.control.advance_clock(HOUR)
        with HttpSources.of(self.config) as sources:
            return sync(
                self.api,
                self.place.lake,
                destination,
                options,
                open_source=sources if open_source is None else (lambda job: open_source(sources, job)),
                utcnow=lambda: datetime.fromtimestamp(self.control.clock(), UTC),
            )

    def batch(self, destination, flavor="source"):
        """Download all entries by a task that is no sync."""
        options = BatchOptions(flavor=parse_sync_flavor(flavor))
        with HttpSources.of(self.config) as sources:
            return download_batch(self.api, self.ids, destination, self.place.lake, options, open_source=sources)

    @property
    def ids(self):
        """The entries."""
        return [self.library.entry_id(number) for number in range(4)]

    def source_of(self, entry_id):
        """Give the id of an entry's source flavor."""
        return next(one["id"] for one in self.library.entry_assets["flavor"][entry_id] if one["isOriginal"])

    def sha256(self, entry_id):
        """Give that of an entry's source, as Kaltura has it."""
        return self.control.file(self.source_of(entry_id)).sha256()


@pytest.fixture
def near():
    """A library of four videos."""
    with serve(rules.library(entries=4, only_ready_videos=True)) as running:
        made = Neighbours(running)
        yield made
        made.api.close()


def paths(near, folder):
    """Name the media in a folder."""
    return {path for path in near.place.media() if path.startswith(f"{folder}/")}


def test_a_sync_deletes_nothing_that_another_one_put_there(near):
    """Neither because it takes another flavor, nor when the entry is gone: each removes its own."""
    near.sync_to(below("a"), SOURCE)
    summary = near.sync_to(below("b"), SMALLEST)
    assert (summary.outcomes, summary.gone) == ({"downloaded": 4}, {})
    assert (len(paths(near, "a")), len(paths(near, "b"))) == (4, 4)
    near.control.delete_entry(near.ids[0])
    assert near.sync_to(below("b"), SMALLEST).gone == {"delete": 1}
    assert (len(paths(near, "a")), len(paths(near, "b"))) == (4, 3)
    assert near.sync_to(below("a"), SOURCE).gone == {"delete": 1}
    assert (len(paths(near, "a")), len(paths(near, "b"))) == (3, 3)


def test_a_sync_deletes_nothing_that_a_batch_put_there(near):
    """What was downloaded by hand stays, whatever becomes of the flavor or the entry."""
    near.batch(below("small"), "smallest")
    near.sync_to(below("a"), SOURCE)
    near.control.delete_entry(near.ids[0])
    assert near.sync_to(below("a"), replace(SOURCE, full=True)).gone == {"delete": 1}
    assert (len(paths(near, "a")), len(paths(near, "small"))) == (3, 4)
