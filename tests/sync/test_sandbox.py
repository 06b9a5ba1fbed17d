"""The same against the sandbox, over HTTP."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest

from airflow_provider_kaltura.api.config import AuthConfig, ClientConfig
from airflow_provider_kaltura.api.facade import KalturaApi
from airflow_provider_kaltura.ingest.sources import HttpSources
from airflow_provider_kaltura.ingest.sync import sync
from airflow_provider_kaltura.ingest.sync_options import SyncOptions
from airflow_provider_kaltura.sandbox import rules, truth
from airflow_provider_kaltura.sandbox.server import serve
from tests.sync.places import DESTINATION, Place

OPTIONS = SyncOptions(flavor="each", on_deleted="delete", full_every=1_000)


class Follower:
    """A sandbox, and a lake that follows it."""

    def __init__(self, running):
        auth = AuthConfig(method="admin_secret", secret=rules.ADMIN_SECRET)
        config = ClientConfig(
            connection_id="sandbox",
            service_url=running.base_url,
            partner_id=rules.PARTNER_ID,
            auth=auth,
            requests_per_second=10_000,
        )
        self.control, self.library, self.log = running.control, running.control.library, running.control.log
        self.api, self.config, self.place = KalturaApi(config), config, Place()
        self.requests = 0

    def sync(self, options=OPTIONS, *, destination=DESTINATION, **more):
        """Bring the lake up to date."""
        self.log.reset_counts()
        with HttpSources.of(self.config) as sources:
            more = {
                "open_source": sources,
                "utcnow": lambda: datetime.fromtimestamp(self.control.clock(), UTC),
                **more,
            }
            summary = sync(self.api, self.place.lake, destination, options, **more)
        self.requests = self.log.api_requests
        return summary

    def truth(self):
        """Give what the library has, ready, by path."""
        return {
            f"{row['id']}/{flavor['id']}.mp4": flavor["sha256"]
            for row in truth.rows(self.library)
            for flavor in row["flavors"]
            if flavor["status"] in {2, 9}
        }

    def lake(self):
        """Give what the lake has."""
        return {path: hashlib.sha256(data).hexdigest() for path, data in self.place.media().items()}


@pytest.fixture
def follower():
    """A library of 40 videos of eight flavors each."""
    with serve(rules.library(entries=40, only_ready_videos=True)) as running:
        made = Follower(running)
        yield made
        made.api.close()


def test_a_moving_sandbox_is_followed(follower):
    """Changes of every kind, an index that lags, and the lake equals the library each time."""
    first = follower.sync()
    assert (first.full, first.failed, first.cursor_moved) == (True, 0, True)
    assert follower.lake() == follower.truth()
    follower.control.set_index_lag(30)
    for _ in range(3):
        for _ in range(12):
            follower.control.change()
            follower.control.advance_clock(5)
        follower.sync()
        follower.control.advance_clock(120)
        summary = follower.sync()
        assert (summary.full, summary.failed) == (False, 0)
        assert follower.lake() == follower.truth()


def test_only_planned_moves_nothing(follower):
    """Counts, bytes and destinations are told, and stand in a listing; the next run finds everything still to do."""
    planned = follower.sync(SyncOptions(plan_only=True))
    assert (planned.planned, planned.outcomes, planned.cursor_moved) == (40, {}, False)
    assert planned.planned_bytes > 0
    assert follower.place.media() == {}
    assert planned.report_path is not None
    report = follower.place.store.read(planned.report_path.removeprefix("/lake/"))
    assert len(report.splitlines()) == 40
    assert follower.sync(SyncOptions()).outcomes == {"downloaded": 40}


def test_a_quiet_night_costs_few_requests(follower):
    """One list of entries, one of the flavors that changed."""
    follower.sync()
    follower.control.advance_clock(7_200)
    summary = follower.sync()
    assert (summary.planned, summary.entries) == (0, 0)
    assert follower.requests <= 3


def test_urls_come_a_hundred_at_a_time(follower):
    """Not one request for each file."""
    assert follower.sync().outcomes == {"downloaded": 320}
    print(f"{follower.requests} requests for 320 files")  # noqa: T201 - to report
    assert follower.requests <= 3 + 320 // 100 + 2


@pytest.mark.parametrize("entries", [1_000, pytest.param(5_000, marks=pytest.mark.all)])
def test_a_full_compare_costs_a_request_for_each_page_of_entries(entries):
    """Entries with all their flavors, eight each, in a request per 500 and few more: 203 for 100,000."""
    with serve(rules.library(entries=entries, only_ready_videos=True)) as running:
        follower = Follower(running)
        planned = follower.sync(SyncOptions(flavor="each", plan_only=True))
        follower.api.close()
    print(f"{follower.requests} requests for {planned.entries} entries of {planned.planned} flavors")  # noqa: T201 - to report
    assert (planned.entries, planned.planned) == (entries, 8 * entries)
    # Nobody knows how many pages the first flavors take, and a full last page does not say that it is the last.
    assert follower.requests <= entries // 500 + 3
