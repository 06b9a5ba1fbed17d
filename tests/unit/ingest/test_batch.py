"""Many entries by one task: all of the right files, one summary, a report of every row."""

from __future__ import annotations

import json

import pytest

from airflow_provider_kaltura.ingest.batch import download_batch, write_urls
from airflow_provider_kaltura.ingest.batch_choice import parse_batch_flavor
from airflow_provider_kaltura.ingest.batch_models import BatchOptions, BatchSummary
from airflow_provider_kaltura.ingest.batch_urls import batch_urls
from airflow_provider_kaltura.ingest.destination import Destination
from airflow_provider_kaltura.ingest.errors import KeyCollisionError
from airflow_provider_kaltura.ingest.manifest import rows
from airflow_provider_kaltura.ingest.models import RunOptions
from airflow_provider_kaltura.sandbox import lifecycle, small
from airflow_provider_kaltura.stores import open_lake
from tests.unit.ingest.fakes import memory_lake
from tests.unit.ingest.landing import SOURCE, content, files, media_requests, replace_file

GOOD = (small.READY, small.UNICODE, small.FUTURE, small.SECURE)
OTHERS = (small.IMAGE, small.DOCUMENT, small.PLAYLIST, small.LIVE, small.EXTERNAL)
KEYS = {"total", "downloaded", "skipped", "failed", "bytes", "seconds", "report", "failures"}


@pytest.fixture
def load(tmp_path, api, sources):
    """Download entries, the way the operator will."""

    def load_all(
        entry_ids,
        flavor="source",
        *,
        name="{entryId}/{flavorId}.{format}",
        opening=None,
        progress=None,
        run=None,
        **more,
    ):
        destination = Destination.parse(f"{tmp_path}/{name}", state_root=str(tmp_path))
        options = BatchOptions(flavor=parse_batch_flavor(flavor), run=run or RunOptions(), **more)
        lake = open_lake(destination.root)

        def open_source(job):
            if opening is not None:
                opening(job)
            return sources(job)

        return download_batch(api, entry_ids, destination, lake, options, open_source=open_source, progress=progress)

    return load_all


def report_of(summary):
    """Read a report's rows by entry."""
    with open(summary.report, encoding="utf-8") as lines:  # noqa: PTH123 - the summary has a text
        return [json.loads(line) for line in lines]


@pytest.mark.parametrize("max_parallel", [1, 4])
def test_files_land_byte_for_byte(load, sandbox, tmp_path, max_parallel):
    """One file per entry, recorded once, restricted entries included; all of it in summary and report."""
    summary = load(GOOD, max_parallel=max_parallel)
    ids = {entry_id: small.flavor_id_of(entry_id, 0) for entry_id in GOOD}
    for entry_id, flavor_id in ids.items():
        assert (tmp_path / entry_id / f"{flavor_id}.mp4").read_bytes() == content(sandbox, flavor_id)
    assert sorted(row.asset_id for row in rows(open_lake(str(tmp_path)).store)) == sorted(ids.values())
    told = summary.as_dict()
    assert set(told) == KEYS
    assert (told["total"], told["downloaded"], told["failed"], told["failures"]) == (4, 4, 0, [])
    assert told["bytes"] == sum(len(content(sandbox, flavor_id)) for flavor_id in ids.values())
    assert {row["entryId"]: row["assetId"] for row in report_of(summary)} == ids


def test_a_second_batch_skips_all_and_asks_for_no_url(load, sandbox):
    """What stands costs neither a URL nor a byte."""
    load(GOOD)
    asked, logged = media_requests(sandbox), len(sandbox.log.records())
    summary = load(GOOD)
    assert (summary.skipped, summary.downloaded, summary.skipped_reasons) == (4, 0, {"already_there": 4})
    assert media_requests(sandbox) == asked
    actions = [action for one in sandbox.log.records()[logged:] for action in one.actions]
    assert "flavorAsset.getUrl" not in actions


def test_each_takes_every_ready_flavor(load, tmp_path):
    """Of a ready entry all three, of one with failed conversions what there is."""
    summary = load([small.READY, small.FAILED], "each")
    assert summary.downloaded == 4
    assert len(files(tmp_path)) == 4


def test_a_flavor_that_is_still_being_made_is_told(load, api, sandbox):
    """Where each is wanted, one is not missing without a word; one that failed for good is no news."""
    late, failed = (small.flavor_id_of(small.READY, number) for number in (2, 4))
    for flavor_id, status in ((late, lifecycle.CONVERTING), (failed, lifecycle.ERROR)):
        lifecycle.set_flavor_status(sandbox.library, flavor_id, status)
    try:
        summary = load([small.READY], "each")
        found = list(batch_urls(api, [small.READY], parse_batch_flavor("each")))
    finally:
        for flavor_id in (late, failed):
            lifecycle.set_flavor_status(sandbox.library, flavor_id, lifecycle.READY)
    assert (summary.downloaded, summary.skipped_reasons, summary.total) == (1, {"flavor_not_ready": 1}, 2)
    (row,) = [row for row in report_of(summary) if row["outcome"] == "skipped"]
    assert (row["assetId"], row["assetType"], row["reason"]) == (late, "flavor", "flavor_not_ready")
    assert sorted(str(one.skipped) for one in found) == ["None", "flavor_not_ready"]


def test_entries_without_media_are_skipped_by_type(load):
    """Nothing is missing without a word: the reasons are counted, and stand in the report."""
    summary = load([*OTHERS, small.READY])
    assert (summary.failed, summary.skipped, summary.downloaded) == (0, 5, 1)
    assert all(reason.startswith("no_media:") for reason in summary.skipped_reasons)
    assert sum(summary.skipped_reasons.values()) == 5
    told = {row["entryId"]: row["reason"] for row in report_of(summary) if row["outcome"] == "skipped"}
    assert sorted(told) == sorted(OTHERS)
    assert told[small.IMAGE] == "no_media:image"


def test_a_failure_known_before_ends_the_batch_before_the_first_byte(load, tmp_path):
    """With on_error="fail" a task that can't succeed moves nothing; its report says so."""
    summary = load([small.READY, "0_unknown1"])
    assert (summary.failed, summary.downloaded, summary.not_begun, summary.ended_early) == (1, 0, 1, True)
    assert files(tmp_path) == []
    assert sorted(row["outcome"] for row in report_of(summary)) == ["failed", "not_begun"]


def test_failures_are_counted_and_the_others_go_on(load):
    """With on_error="continue": an unknown entry, and one that is never ready."""
    summary = load(["0_unknown1", small.NEVER, *GOOD], on_error="continue")
    assert (summary.failed, summary.downloaded, summary.total) == (2, 4, 6)
    assert [one["entryId"] for one in summary.failures] == ["0_unknown1", small.NEVER]
    assert summary.failures[0]["code"] == "ENTRY_ID_NOT_FOUND"
    assert not summary.ended_early


def test_more_failures_than_allowed_end_the_batch(load):
    """A lake that is wrong for all is no reason to try all."""
    unknown = [f"0_unknown{number}" for number in range(3)]
    assert load([*unknown, small.READY], on_error="continue", max_failures=3).downloaded == 1
    assert load([*unknown, small.UNICODE], on_error="continue", max_failures=2).not_begun == 1


def test_two_assets_of_one_name_are_refused_before_the_first_byte(load, tmp_path, sandbox):
    """Both are named."""
    asked = media_requests(sandbox)
    with pytest.raises(KeyCollisionError) as caught:
        load([small.READY], "each", name="{entryId}.{format}")
    assert {caught.value.first_asset_id, caught.value.second_asset_id} < {
        small.flavor_id_of(small.READY, number) for number in (0, 1, 2)
    }
    assert files(tmp_path) == []
    assert media_requests(sandbox) == asked


@pytest.fixture
def both_one_name(sandbox):
    """Have two entries of one name."""
    before = {one: sandbox.library.entries[one]["name"] for one in (small.READY, small.UNICODE)}
    for one in before:
        sandbox.control.set_entry(one, name="Lecture")
    yield small.READY, small.UNICODE
    for one, name in before.items():
        sandbox.control.set_entry(one, name=name)


@pytest.mark.usefixtures("both_one_name")
def test_the_file_of_another_entry_is_left_alone(load, sandbox, tmp_path):
    """Mapped tasks know nothing of each other: the second names both entries and fails for that row only."""
    name = "{entryName}.{format}"
    assert load([small.READY], name=name).downloaded == 1
    summary = load([small.UNICODE], name=name, on_error="continue")
    assert (summary.downloaded, summary.failed) == (0, 1)
    (told,) = summary.failures
    assert told["code"] == "KeyCollisionError"
    flavors = [f"{small.flavor_id_of(one, 0)} of entry {one}" for one in (small.READY, small.UNICODE)]
    assert all(one in told["reason"] for one in flavors)
    assert (tmp_path / "Lecture.mp4").read_bytes() == content(sandbox)
    assert load([small.READY], name=name).skipped == 1
    assert load([small.UNICODE], name=name, run=RunOptions(if_exists="overwrite")).downloaded == 1
    assert (tmp_path / "Lecture.mp4").read_bytes() == content(sandbox, small.flavor_id_of(small.UNICODE, 0))


@pytest.mark.usefixtures("both_one_name")
def test_the_file_that_another_task_puts_there_meanwhile_is_left_alone(load, sandbox, tmp_path):
    """What was recorded after this task had read the manifest counts too."""
    name, other = "{entryName}.{format}", []

    def opening(job):
        if job.entry_id == small.FUTURE and not other:
            other.append(load([small.READY], name=name))

    load([small.FUTURE], name=name)
    for path in tmp_path.glob("*.mp4"):
        path.write_bytes(b"changed by hand")
    summary = load([small.FUTURE, small.UNICODE], name=name, opening=opening, max_parallel=1, on_error="continue")
    assert (summary.downloaded, summary.failed, len(other)) == (1, 1, 1)
    assert (tmp_path / "Lecture.mp4").read_bytes() == content(sandbox)


def test_a_better_flavor_takes_the_place_of_the_one_before(load, sandbox, tmp_path):
    """Within an entry that is what a name without the flavor's id is for."""
    name = "{entryId}.{format}"
    assert load([small.READY], "smallest", name=name).downloaded == 1
    assert load([small.READY], "source", name=name).downloaded == 1
    assert (tmp_path / f"{small.READY}.mp4").read_bytes() == content(sandbox)


def test_an_interruption_leaves_no_half_file(load, tmp_path):
    """As Airflow's timeout does it: whole files stand and are recorded, no other."""
    calls = []

    def interrupt(job, _done, _size):
        calls.append(job)
        if len(calls) > 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(GOOD, max_parallel=2, progress=interrupt)
    recorded = {row.path for row in rows(open_lake(str(tmp_path)).store)}
    assert set(files(tmp_path)) == recorded
    assert load(GOOD).failed == 0


def test_limits_hold_for_all_threads_together(load, sandbox):
    """One byte less than all files need: one is not begun."""
    needed = sum(len(content(sandbox, small.flavor_id_of(entry_id, 0))) for entry_id in GOOD)
    summary = load(GOOD, on_error="continue", run=RunOptions(max_bytes=needed - 1))
    assert (summary.downloaded, summary.failed) == (3, 1)
    assert summary.failures[0]["code"] == "LimitReachedError"


def test_a_file_that_was_replaced_meanwhile_is_planned_anew(load, sandbox, restored, tmp_path):
    """The URL that comes with the others tells which version it is of."""
    assert restored["version"] == "2"
    new = []

    def opening(job):
        if job.version == "2" and not new:
            new.append(replace_file(sandbox))

    summary = load([small.READY], opening=opening)
    assert (summary.downloaded, summary.failed) == (1, 0)
    assert [(tmp_path / small.READY / f"{SOURCE}.mp4").read_bytes()] == new
    assert [row["version"] for row in report_of(summary)] == ["12"]


def test_no_session_is_in_a_report(load, sessions, tmp_path):
    """Restricted entries are fetched by URLs with a KS, which no file of ours holds."""
    load(GOOD)
    state = [path.read_text() for path in (tmp_path / "_kaltura").rglob("*") if path.is_file()]
    assert state
    assert sessions
    assert not any(session in text for session in sessions for text in state)
    assert not any("http" in text for text in state)


def test_a_summary_is_small_whatever_failed():
    """Twenty failures, each cut; far below 16 KB."""
    summary = BatchSummary(report="/x" * 1000)
    for number in range(100):
        summary.fail(f"0_entry{number:03}", ValueError("日" * 5000))
    assert len(json.dumps(summary.as_dict())) < 16_000
    assert (summary.failed, len(summary.failures)) == (100, 20)


def test_urls_are_written_as_lines(api):
    """The URL operator's batch: lines for what has a URL, the same summary for the rest."""
    lake = memory_lake()
    found = batch_urls(api, [*GOOD, small.IMAGE, "0_unknown1"], parse_batch_flavor("source"))
    summary = write_urls(found, lake, "urls.jsonl", lambda row: {"entryId": row.entry_id, "url": row.url.url or None})
    lines = [json.loads(line) for line in lake.store.read("urls.jsonl").splitlines()]
    assert [line["entryId"] for line in lines] == list(GOOD)
    assert [line["entryId"] for line in lines if line["url"] is None] == [small.SECURE]
    assert (summary.total, summary.skipped, summary.failed, summary.report) == (6, 1, 1, "urls.jsonl")
    assert set(summary.as_dict()) == KEYS


@pytest.mark.parametrize(
    "wrong", [{"on_error": "stop"}, {"max_failures": -1}, {"max_parallel": 0}, {"max_parallel": 17}]
)
def test_options_that_can_not_be_are_refused(wrong):
    """Before anything is asked."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        BatchOptions(**wrong)
