"""A lake's records are held against Kaltura: what changed there, what is gone, and how few requests that takes."""

from __future__ import annotations

import pytest

from airflow_provider_kaltura.api.models import FlavorStatus
from airflow_provider_kaltura.ingest.destination import Destination
from airflow_provider_kaltura.ingest.lake import Lake
from airflow_provider_kaltura.ingest.models import RunOptions
from airflow_provider_kaltura.ingest.plan import plan_entry, plan_url
from airflow_provider_kaltura.ingest.resolve import BareUrl, parse_preferences
from airflow_provider_kaltura.ingest.run import run
from airflow_provider_kaltura.ingest.verify import verify
from airflow_provider_kaltura.sandbox import lifecycle, small
from airflow_provider_kaltura.transfer.local_sink import LocalSink
from tests.unit.ingest.fakes import Sources, job, memory_lake
from tests.unit.ingest.landing import SOURCE, replace_file

pytestmark = pytest.mark.usefixtures("restored")


@pytest.fixture
def loaded(api, sources, tmp_path):
    """A folder with the sources of two entries."""
    sink = LocalSink(tmp_path / "lake")
    lake = Lake(str(tmp_path / "lake"), sink, sink.store)
    destination = Destination.parse(f"{lake.root}/{{entryId}}.{{format}}")
    wanted = parse_preferences("source")
    jobs = [plan_entry(api, entry_id, wanted, destination) for entry_id in (small.READY, small.UNICODE)]
    assert [one.outcome for one in run(jobs, lake, RunOptions(), open_source=sources)] == ["downloaded"] * 2
    return lake


def found(report):
    """Give the kept findings."""
    return [finding for kept in report.examples.values() for finding in kept]


def test_what_kaltura_still_has_is_no_finding(loaded, api):
    """Same version, same size: nothing to tell."""
    report = verify(loaded, api=api)
    assert (found(report), report.asked, report.not_asked) == ([], 2, 0)


def test_kaltura_is_asked_only_on_request(loaded, sandbox):
    """Without it no request is made at all."""
    sandbox.log.clear()
    verify(loaded)
    assert sandbox.log.records() == []


def test_many_entries_are_asked_for_at_once(loaded, api, sandbox):
    """One list of flavor assets for up to 500 entries."""
    verify(loaded, api=api)
    sandbox.log.clear()
    verify(loaded, api=api)
    assert sum(count for name, count in sandbox.log.action_counts().items() if "flavorasset" in name.lower()) == 1


def test_a_replaced_file_is_told_as_changed(loaded, api, sandbox):
    """The lake is sound, and behind."""
    size_bytes = len(replace_file(sandbox))
    report = verify(loaded, api=api)
    (finding,) = found(report)
    assert (finding.kind, finding.asset_id, report.is_sound) == ("changed", SOURCE, True)
    assert finding.expected.startswith("version 2, ")
    assert finding.found == f"version 12, {size_bytes} bytes"


def test_a_flavor_that_is_converted_again_is_told_as_changed(loaded, api, sandbox):
    """Its present file is on its way out; the status says so."""
    lifecycle.set_flavor_status(sandbox.library, SOURCE, lifecycle.CONVERTING)
    (finding,) = found(verify(loaded, api=api))
    assert (finding.kind, finding.found[-8:]) == ("changed", "status 1")


def test_a_deleted_flavor_is_told_as_gone(loaded, api, sandbox):
    """What Kaltura does not have any more may stand only here."""
    lifecycle.set_flavor_status(sandbox.library, SOURCE, FlavorStatus.DELETED)
    report = verify(loaded, api=api)
    (finding,) = found(report)
    assert (finding.kind, finding.entry_id, report.is_sound) == ("gone", small.READY, True)


def test_a_missing_file_is_asked_for_too(loaded, api, sandbox):
    """Whether a lost file can be had again is worth knowing."""
    replace_file(sandbox)
    loaded.store.delete(f"{small.READY}.mp4")
    report = verify(loaded, api=api)
    assert [finding.kind for finding in found(report)] == ["missing", "changed"]


def test_assets_of_others_are_not_asked_for(api, config):
    """Of another partner, or from a bare URL: Kaltura would only say that there is nothing."""
    lake = memory_lake()
    destination = Destination.parse(f"{lake.root}/url.mp4")
    jobs = [
        job("a", 1, partner_id=config.partner_id + 1, entry_id=small.READY),
        job("b", 1, partner_id=config.partner_id, entry_id="not an id"),
        plan_url(BareUrl("http://127.0.0.1/x.mp4"), destination),
    ]
    sources = Sources(**{one.asset_id: b"x" for one in jobs})
    assert {one.outcome for one in run(jobs, lake, RunOptions(), open_source=sources)} == {"downloaded"}
    report = verify(lake, api=api)
    assert (found(report), report.asked, report.not_asked) == ([], 0, 3)
