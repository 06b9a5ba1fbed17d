"""The download operator's batch mode: what is taken, what is pushed, how it fails, and what a retry does."""

from __future__ import annotations

import functools
import itertools
import json
import logging
import re
from pathlib import Path

import pytest

from airflow_provider_kaltura.compat import AirflowFailException
from airflow_provider_kaltura.exceptions import (
    KalturaArgumentError,
    KalturaNotReadyError,
    KalturaPermanentError,
    KalturaProviderError,
)
from airflow_provider_kaltura.ingest.manifest import rows
from airflow_provider_kaltura.operators import KalturaDownloadToStorageOperator, KalturaListEntriesOperator
from airflow_provider_kaltura.operators import download as operators_module
from airflow_provider_kaltura.operators._batches import read_entry_ids
from airflow_provider_kaltura.operators._progress import BatchProgress, in_units
from airflow_provider_kaltura.sandbox import small
from airflow_provider_kaltura.sandbox.library import FLAVOR
from airflow_provider_kaltura.stores import open_lake

GOOD = [small.READY, small.UNICODE, small.FUTURE, small.SECURE]
ZEROS = {"total": 0, "downloaded": 0, "skipped": 0, "failed": 0, "bytes": 0, "report": None, "failures": []}


class Instance:
    """What a mapped task instance says about itself."""

    run_id, task_id, map_index, try_number = "manual__2026-01-01T00:00:00+00:00", "group.download", 3, 2


def download(tmp_path, context=None, **arguments):
    """Run the operator."""
    arguments = {"destination": f"{tmp_path}/{{entryId}}/{{flavorId}}.{{format}}", **arguments}
    return KalturaDownloadToStorageOperator(task_id="download", **arguments).execute(context or {})


def counts(result):
    """Give the numbers of a summary."""
    return {name: result[name] for name in ("total", "downloaded", "skipped", "failed")}


def report_of(result):
    """Read a report's rows."""
    return [json.loads(line) for line in Path(result["report"]).read_text().splitlines()]


def standing(tmp_path):
    """Give the files that stand, by entry."""
    return sorted(path.parent.name for path in tmp_path.glob("*/*.mp4"))


def media_requests(sandbox):
    """Count the requests for media."""
    return sum("serveFlavor" in str(record.as_dict()) for record in sandbox.log.records())


@pytest.fixture
def told(monkeypatch, caplog):
    """Give the lines of the task's log."""
    # Airflow 3 writes its own tasks' logs past the standard library, where caplog sees nothing.
    monkeypatch.setattr(KalturaDownloadToStorageOperator, "log", logging.getLogger("test.operator"))
    caplog.set_level(logging.INFO, logger="test.operator")
    return lambda: [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize(
    "entry_ids",
    [GOOD, tuple(GOOD), iter(GOOD), json.dumps(GOOD), str(GOOD), ", ".join(GOOD), "\n".join(GOOD), "\r\n".join(GOOD)],
    ids=["list", "tuple", "iterator", "json", "python", "commas", "lines", "windows"],
)
def test_entries_are_given_as_people_and_templates_write_them(sandbox, tmp_path, entry_ids):
    """Each form lands the same files, byte for byte."""
    result = download(tmp_path, entry_ids=entry_ids)
    assert counts(result) == {"total": 4, "downloaded": 4, "skipped": 0, "failed": 0}
    for entry_id in GOOD:
        flavor_id = small.flavor_id_of(entry_id, 0)
        (path,) = (tmp_path / entry_id).iterdir()
        assert path.read_bytes() == sandbox.library.file(flavor_id, "2").read()
    assert result["bytes"] == sum(path.stat().st_size for path in tmp_path.glob("*/*.mp4"))


@pytest.mark.usefixtures("sandbox")
def test_a_slice_of_a_listing_names_the_entries(tmp_path):
    """What the listing operator returned goes into ``entries_from``, one slice for each task."""
    pieces = KalturaListEntriesOperator(
        task_id="list", listing_root=f"{tmp_path}/a#1-2", entry_ids=GOOD, entries_per_slice=2
    ).execute({})
    results = [download(tmp_path / "lake", entries_from=piece) for piece in pieces]
    assert [result["downloaded"] for result in results] == [2, 2]
    assert standing(tmp_path / "lake") == sorted(GOOD)


@pytest.mark.usefixtures("sandbox")
def test_a_listing_in_a_folder_takes_no_connection_of_a_store(tmp_path):
    """The folder that workers share may list what goes to a store with a connection of its own."""
    (piece,) = KalturaListEntriesOperator(task_id="list", listing_root=str(tmp_path), entry_ids=GOOD).execute({})
    assert sorted(read_entry_ids(None, f" {piece}\n", None, "lake")) == sorted(GOOD)


def test_every_flavor_of_each_entry(sandbox, tmp_path):
    """``"each"`` takes all that are ready."""
    result = download(tmp_path, entry_ids=small.READY, flavor=" Each ")
    flavors = [one for one in sandbox.library.entry_assets[FLAVOR][small.READY] if one["status"] == 2]
    assert len(flavors) > 1
    assert result["downloaded"] == len(flavors)
    assert {row["assetId"] for row in report_of(result)} == {one["id"] for one in flavors}


@pytest.mark.parametrize("nothing", [[], (), "[]", " [ ] "])
def test_no_entries_are_a_summary_of_zeros(sandbox, tmp_path, nothing):
    """A task before that found nothing is no error; nothing is asked and nothing written."""
    result = download(tmp_path, entry_ids=nothing)
    assert {**result, "seconds": 0} == {**ZEROS, "seconds": 0}
    assert sandbox.log.records() == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("sandbox")
def test_what_has_no_media_is_skipped_and_told_by_type(tmp_path, told):
    """Nothing is missing without a word."""
    result = download(tmp_path, entry_ids=[small.READY, small.IMAGE, small.LIVE, small.EXTERNAL])
    assert counts(result) == {"total": 4, "downloaded": 1, "skipped": 3, "failed": 0}
    (line,) = [line for line in told() if line.startswith("Batch: 4 in all")]
    assert "1 downloaded (" in line
    assert "no_media:image 1" in line
    assert result["report"] in line
    again = download(tmp_path, entry_ids=[small.READY])
    assert again["skipped"] == 1
    assert "1 skipped (already_there 1)" in told()[-1]


@pytest.mark.usefixtures("sandbox")
def test_the_manifest_knows_run_task_and_map_index(tmp_path):
    """As for single files."""
    result = download(tmp_path, {"ti": Instance}, entry_ids=GOOD)
    (manifest,) = (tmp_path / "_kaltura" / "manifest").rglob("*.jsonl")
    words = "manual__2026_01_01T00_00_00_00_00-group.download-3-2-"
    assert words in manifest.name
    assert words in result["report"]
    assert {row.entry_id for row in rows(open_lake(str(tmp_path)).store)} == set(GOOD)


BOTH = "entry_id, download, entry_ids, entries_from"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, [BOTH, "got none"]),
        ({"entry_id": "", "entry_ids": "", "entries_from": "None", "download": {}}, [BOTH, "got none"]),
        ({"entry_ids": GOOD, "entry_id": small.READY}, [BOTH, "got entry_id and entry_ids"]),
        ({"entry_ids": [], "entries_from": "/a#0-1"}, ["got entry_ids and entries_from"]),
        ({"entry_ids": GOOD, "max_entries": 3}, ["More than 3 entries", "max_entries"]),
        ({"entry_ids": GOOD, "max_entries": "many"}, ["max_entries", "whole number"]),
        ({"entry_ids": "../x"}, ["'../x'", "entry id"]),
        ({"entry_ids": " ,\n"}, ["entry_ids is empty"]),
        ({"entry_ids": "[1"}, ["entry_ids", "JSON"]),
        ({"entry_ids": {"a": 1}}, ["entry_ids", "dict"]),
        ({"entry_ids": [GOOD]}, ["entry id"]),
        ({"entry_ids": 5}, ["entry_ids", "int"]),
        ({"entries_from": "/lake/listing.jsonl"}, ["no slice of a listing"]),
        ({"entries_from": "/lake/other.jsonl#0-5"}, ["no slice of a listing"]),
        ({"entries_from": ["/a#0-1"]}, ["entries_from", "list"]),
        ({"entry_ids": GOOD, "on_error": "ignore"}, ["on_error", "continue"]),
        ({"entry_ids": GOOD, "on_error": None}, ["on_error"]),
        ({"entry_ids": GOOD, "max_failures": 5}, ["max_failures would be ignored", "on_error='continue'"]),
        ({"entry_ids": GOOD, "on_error": "continue", "max_failures": -1}, ["max_failures", "at least 0"]),
        ({"entry_ids": GOOD, "max_parallel": 0}, ["max_parallel", "from 1 to 16"]),
        ({"entry_ids": GOOD, "max_parallel": 17}, ["max_parallel", "from 1 to 16"]),
        ({"entry_ids": GOOD, "flavor": "hight<=720"}, ["position 1"]),
        ({"entry_ids": GOOD, "storage_conn_id": "lake"}, ["takes no connection", "'lake'"]),
        ({"entry_id": small.READY, "flavor": "each"}, ["flavor='each'", "entry_ids"]),
        ({"entry_id": small.READY, "on_error": "continue"}, ["on_error would be ignored"]),
        ({"entry_id": small.READY, "max_failures": 0}, ["max_failures would be ignored"]),
    ],
    ids=lambda value: None if isinstance(value, list) else ",".join(value) or "nothing",
)
def test_what_cannot_be_meant_is_told_before_anything_is_asked(sandbox, tmp_path, arguments, words):
    """The error names the argument, is not retried, and nothing was sent or written."""
    with pytest.raises(KalturaArgumentError) as caught:
        download(tmp_path, **arguments)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert sandbox.log.records() == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("sandbox")
def test_arguments_that_mean_nothing_to_one_entry_may_stand(tmp_path):
    """They hold for it anyway: a form, or default arguments of a DAG, may give them."""
    result = download(tmp_path, entry_id=small.READY, entry_ids="", max_parallel="2", max_entries=1, on_error="fail")
    assert result["outcome"] == "downloaded"


def test_two_assets_of_one_name_are_refused_before_the_first_byte(sandbox, tmp_path):
    """Both are named."""
    with pytest.raises(KalturaArgumentError) as caught:
        download(tmp_path, entry_ids=[small.READY], flavor="each", destination=f"{tmp_path}/{{entryId}}.mp4")
    assert str(caught.value).count(f"{small.READY}") >= 1
    named = [one["id"] for one in sandbox.library.entry_assets[FLAVOR][small.READY] if one["id"] in str(caught.value)]
    assert len(named) == 2
    assert media_requests(sandbox) == 0
    assert standing(tmp_path) == []


@pytest.mark.usefixtures("sandbox")
def test_one_entry_is_told_as_one(tmp_path, told):
    """Not as 1 entries."""
    download(tmp_path, entry_ids=[small.READY])
    download(tmp_path, entry_ids=GOOD)
    lines = [text for text in told() if " go to " in text]
    assert [text.partition(" go to ")[0] for text in lines] == ["Files of 1 entry", f"Files of {len(GOOD)} entries"]


@pytest.mark.usefixtures("sandbox")
def test_a_permanent_failure_fails_the_task_for_good(tmp_path):
    """The first failure is named, with the counts and the report; nothing is begun after it."""
    with pytest.raises(KalturaPermanentError) as caught:
        download(tmp_path, entry_ids=[small.READY, "0_unknown1", "0_unknown2", small.UNICODE])
    assert isinstance(caught.value, AirflowFailException)
    text = str(caught.value)
    assert text.startswith("2 failed. The first: Entry 0_unknown1 does not exist")
    assert (
        "[NotFoundError] In numbers: 4 in all: 0 downloaded (0 B), 0 skipped, 2 failed, 2 not begun. Report: " in text
    )
    report = {row["entryId"]: row["outcome"] for row in report_of({"report": text.rpartition("Report: ")[2]})}
    assert report == {
        small.READY: "not_begun",
        small.UNICODE: "not_begun",
        "0_unknown1": "failed",
        "0_unknown2": "failed",
    }


@pytest.mark.usefixtures("sandbox")
def test_a_passing_failure_is_retried(tmp_path):
    """A flavor that is still being made may be there the next time."""
    with pytest.raises(KalturaNotReadyError) as caught:
        download(tmp_path, entry_ids=[small.NEVER, small.READY])
    assert not isinstance(caught.value, AirflowFailException)
    assert caught.value.lower_error == "FlavorNotReadyError"


@pytest.mark.usefixtures("sandbox")
def test_a_batch_that_goes_on_tells_its_failures(tmp_path):
    """With ``"continue"`` all else comes, and the task succeeds."""
    result = download(tmp_path, entry_ids=["0_unknown1", *GOOD, small.NEVER], on_error="continue")
    assert counts(result) == {"total": 6, "downloaded": 4, "skipped": 0, "failed": 2}
    assert [one["entryId"] for one in result["failures"]] == ["0_unknown1", small.NEVER]
    assert standing(tmp_path) == sorted(GOOD)


@pytest.mark.parametrize(("max_failures", "fails"), [(2, False), ("1", True), (0, True), ("", False)])
@pytest.mark.usefixtures("sandbox")
def test_more_than_max_failures_end_the_batch(tmp_path, max_failures, fails):
    """As many as allowed are none too many."""
    arguments = {"entry_ids": ["0_unknown1", "0_unknown2", small.READY], "on_error": "continue"}
    failed = False
    try:
        download(tmp_path, max_failures=max_failures, **arguments)
    except KalturaPermanentError:
        failed = True
    assert failed is fails
    assert standing(tmp_path) == ([] if fails else [small.READY])


def test_max_bytes_holds_for_all_files_and_what_came_is_not_fetched_again(sandbox, tmp_path):
    """The file that fits comes, the next is not begun; the next run fetches the rest only."""
    sizes = [len(sandbox.library.file(small.flavor_id_of(entry_id, 0), "2").read()) for entry_id in GOOD[:2]]
    with pytest.raises(KalturaPermanentError, match=rf"failed\. The first: Entry {small.UNICODE}: .*max_bytes"):
        download(tmp_path, entry_ids=GOOD[:2], max_parallel=1, max_bytes=sum(sizes) - 1)
    assert standing(tmp_path) == [small.READY]
    before = media_requests(sandbox)
    result = download(tmp_path, entry_ids=GOOD[:2])
    assert counts(result) == {"total": 2, "downloaded": 1, "skipped": 1, "failed": 0}
    assert media_requests(sandbox) == before + 1
    assert result["bytes"] == sizes[1]


@pytest.mark.usefixtures("sandbox")
def test_a_place_that_refuses_is_named_and_the_task_retried(tmp_path):
    """A folder under a file's name: the path is the whole one, as for single files."""
    target = tmp_path / small.READY / f"{small.flavor_id_of(small.READY, 0)}.mp4"
    target.mkdir(parents=True)
    with pytest.raises(KalturaProviderError) as caught:
        download(tmp_path, entry_ids=[small.READY])
    assert str(target) in str(caught.value)


@pytest.mark.usefixtures("sandbox")
def test_an_error_that_nobody_thought_of_is_retried_with_its_counts(tmp_path, monkeypatch):
    """It is no error of ours, and says what it is."""

    def broken(*_args, **_words):
        raise RuntimeError("something else")

    monkeypatch.setattr("airflow_provider_kaltura.ingest.fetch.Fetcher.fetch", broken)
    with pytest.raises(KalturaProviderError, match=r"something else \[RuntimeError\] In numbers: 1 in all") as caught:
        download(tmp_path, entry_ids=[small.READY])
    assert not isinstance(caught.value, AirflowFailException)


@pytest.mark.usefixtures("sandbox")
def test_an_unlucky_report_does_not_fail_a_good_batch(tmp_path):
    """The files stand: the summary says that there is no report."""
    (tmp_path / "_kaltura").mkdir()
    (tmp_path / "_kaltura" / "reports").write_text("in the way")
    result = download(tmp_path, entry_ids=GOOD)
    assert (result["downloaded"], result["report"]) == (4, None)


def test_the_rate_holds_for_all_files_together(sandbox, tmp_path):
    """Four files at a time take as long as one after the other would: each with a rate of its own were done earlier."""
    total = sum(len(sandbox.library.file(small.flavor_id_of(entry_id, 0), "2").read()) for entry_id in GOOD)
    result = download(tmp_path, entry_ids=GOOD, max_parallel=4, max_bytes_per_second=total * 2)
    assert result["seconds"] >= 0.4
    assert counts(result)["downloaded"] == 4


@pytest.mark.usefixtures("sandbox")
def test_progress_of_all_files_is_in_the_log(tmp_path, monkeypatch, told):
    """On a clock that runs fast: how many of how many are done, and what was fetched; no line for a small file."""
    ticks = itertools.count(step=20.0)
    monkeypatch.setattr(operators_module, "BatchProgress", functools.partial(BatchProgress, clock=lambda: next(ticks)))
    result = download(tmp_path, entry_ids=[*GOOD, small.IMAGE])
    lines = [line for line in told() if "files done" in line]
    assert all(
        re.fullmatch(r"Batch: \d of 4 files done, [\d.]+ [KM]?i?B fetched, [\d.]+ [KM]?i?B/s", line) for line in lines
    )
    assert lines[0].startswith("Batch: 0 of 4 files done, 0 B fetched")
    assert lines[-1].startswith(f"Batch: 4 of 4 files done, {in_units(result['bytes'])} fetched")
    assert not [line for line in told() if line.startswith("Flavor ")]
