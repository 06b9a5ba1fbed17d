"""A run in which nothing came and everything failed is no success, whatever one failure may do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_kaltura.ingest.cursor import cursor_key, read_cursor
from airflow_provider_kaltura.ingest.destination import Destination
from airflow_provider_kaltura.ingest.sources import HttpSources
from airflow_provider_kaltura.ingest.sync_options import SyncOptions
from airflow_provider_kaltura.sandbox import rules
from airflow_provider_kaltura.sandbox.server import serve
from airflow_provider_kaltura.transfer.errors import RedirectRefusedError
from tests.sync.test_sandbox import Follower

OPTIONS = SyncOptions(flavor="each", full_every=1_000)


@pytest.fixture
def follower():
    """A library of two videos of eight flavors each."""
    with serve(rules.library(entries=2, only_ready_videos=True)) as running:
        made = Follower(running)
        yield made
        made.api.close()


def sync(follower, options=OPTIONS, *, sound=0):
    """Sync an hour later, while the media server refuses all but so many files."""
    opened = []
    follower.control.advance_clock(3_600)
    with HttpSources.of(follower.config) as sources:

        def open_source(job):
            opened.append(job.asset_id)
            if len(opened) > sound:
                raise RedirectRefusedError(f"refused: {job.asset_id}")
            return sources(job)

        return follower.sync(options, open_source=open_source)


def test_a_run_in_which_everything_failed_fails(follower):
    """With the first error; what failed waits, and comes as soon as it can."""
    with pytest.raises(RedirectRefusedError, match="refused"):
        sync(follower)
    cursor = read_cursor(follower.place.store, cursor_key(rules.PARTNER_ID, OPTIONS.name)).cursor
    assert cursor is not None
    with pytest.raises(RedirectRefusedError):
        sync(follower)
    found = sync(follower, sound=16)
    assert (found.full, found.outcomes) == (False, {"downloaded": 16})
    assert follower.lake() == follower.truth()


def test_one_file_that_came_is_enough(follower):
    """Then it is these files, and not everything."""
    assert sync(follower, sound=1).outcomes == {"downloaded": 1, "failed": 15}


def test_few_failures_are_no_outage(follower):
    """Four files that nobody will ever get fail no quiet night."""
    sync(follower, sound=12)
    assert sync(follower).outcomes == {"failed": 4}


def test_names_that_are_taken_are_no_outage(follower):
    """Nobody but the DAG's author can help them, and they fail in every run."""
    one = Destination.parse("/lake/{entryName}.{format}")
    for number in range(2):
        follower.control.set_entry(follower.library.entry_id(number), name=f"Talk {number}")
    follower.sync(SyncOptions(), destination=one)
    for _ in range(6):
        entry = follower.control.add_entry(name="Talk 0")
        follower.control.add_flavor(entry["id"], isOriginal=True, size_bytes=500, fileExt="mp4")
    follower.control.advance_clock(3_600)
    found = follower.sync(SyncOptions(), destination=one)
    assert (found.failed, {one.code for one in found.failures}, found.outcomes) == (6, {"KeyCollisionError"}, {})


@pytest.mark.parametrize("most", [16, 100])
def test_whoever_says_how_many_may_fail_is_believed(follower, most):
    """With ``max_failures`` as many as that fail no run."""
    assert sync(follower, replace(OPTIONS, max_failures=most)).failed == 16
