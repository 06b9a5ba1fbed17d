"""A sandbox and a lake that several syncs and batches use."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from airflow_provider_kaltura.ingest.batch import download_batch
from airflow_provider_kaltura.ingest.batch_models import BatchOptions
from airflow_provider_kaltura.ingest.destination import Destination
from airflow_provider_kaltura.ingest.sources import HttpSources
from airflow_provider_kaltura.ingest.sync import sync
from airflow_provider_kaltura.ingest.sync_options import SyncOptions, parse_sync_flavor
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


def paths(near, folder):
    """Name the media in a folder."""
    return {path for path in near.place.media() if path.startswith(f"{folder}/")}


def named(near, *, names=None):
    """Give the entries names of their own, or the given ones."""
    for number, entry_id in enumerate(near.ids):
        near.control.set_entry(entry_id, name=f"Lecture {number}" if names is None else names[number])
