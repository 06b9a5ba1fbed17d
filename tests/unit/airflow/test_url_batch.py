"""The URL operator's batch mode: dicts in a file, a small summary, few requests, no session that nobody wanted."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from airflow_provider_kaltura.compat import AirflowFailException
from airflow_provider_kaltura.exceptions import KalturaArgumentError, KalturaNotReadyError, KalturaPermanentError
from airflow_provider_kaltura.ingest import batch
from airflow_provider_kaltura.operators import (
    KalturaDownloadToStorageOperator,
    KalturaGetDownloadUrlOperator,
    KalturaListEntriesOperator,
)
from airflow_provider_kaltura.sandbox import rules, small
from airflow_provider_kaltura.sandbox.server import serve
from airflow_provider_kaltura.stores import memory

GOOD = [small.READY, small.UNICODE, small.FUTURE, small.SECURE]
ENTRIES, SECURE, FUTURE, REJECTED = 1_000, 37, 499, 999
MOST_REQUESTS = 40


def instance(map_index=-1, try_number=1):
    """Give a context as a task instance has it."""

    class Instance:
        run_id, task_id = "scheduled__2026-01-01T00:00:00+00:00", "urls"

    Instance.map_index, Instance.try_number = map_index, try_number
    return {"ti": Instance}


def get_urls(tmp_path, context=None, **arguments):
    """Run the operator."""
    arguments = {"report_path": f"{tmp_path}/urls.jsonl", **arguments}
    return KalturaGetDownloadUrlOperator(task_id="urls", **arguments).execute(context or {})


def lines_of(result):
    """Read what was written."""
    return [json.loads(line) for line in Path(result["report"]).read_text().splitlines()]


@pytest.mark.usefixtures("sandbox")
def test_lines_are_the_dicts_of_single_entries(tmp_path):
    """The same keys and values as the operator pushes for one entry, in the order of the entries."""
    result = get_urls(tmp_path, entry_ids=GOOD)
    singles = [KalturaGetDownloadUrlOperator(task_id="url", entry_id=entry_id).execute({}) for entry_id in GOOD]
    assert lines_of(result) == singles
    assert {**result, "seconds": 0} == {
        "total": 4,
        "downloaded": 0,
        "skipped": 0,
        "failed": 0,
        "bytes": 0,
        "seconds": 0,
        "report": f"{tmp_path}/urls.jsonl",
        "failures": [],
    }


@pytest.mark.usefixtures("sandbox")
def test_a_line_may_be_downloaded(tmp_path, library):
    """The download operator takes it as it takes what was pushed."""
    (line,) = lines_of(get_urls(tmp_path, entry_ids=small.READY))
    task = KalturaDownloadToStorageOperator(task_id="get", download=line, destination=f"{tmp_path}/{{entryId}}.mp4")
    path = Path(task.execute({})["path"])
    assert path.read_bytes() == library.file(small.flavor_id_of(small.READY, 0), "2").read()


@pytest.mark.parametrize(
    ("url_in_xcom", "secure", "plain"),
    [("plain", (None, True), False), ("signed", ("/ks/", True), False), ("none", (None, None), None)],
)
def test_what_stands_in_the_file_is_what_would_be_pushed(sandbox, tmp_path, url_in_xcom, secure, plain):
    """A session stands there only where that was asked for; with "none" no URL is asked for at all."""
    result = get_urls(tmp_path, entry_ids=[small.READY, small.SECURE], url_in_xcom=url_in_xcom)
    ready, behind = lines_of(result)
    assert (ready["downloadUrl"] is None, ready["needsSession"]) == (url_in_xcom == "none", plain)
    assert behind["needsSession"] is secure[1]
    assert (secure[0] in behind["downloadUrl"]) if secure[0] else behind["downloadUrl"] is None
    assert ("/ks/" in Path(result["report"]).read_text()) == (url_in_xcom == "signed")
    asked = any("geturl" in name.lower() for name in sandbox.log.action_counts())
    assert asked == (url_in_xcom != "none")


@pytest.mark.usefixtures("sandbox")
def test_every_flavor_of_a_slice(tmp_path):
    """``"each"`` with ``entries_from``."""
    listing = KalturaListEntriesOperator(task_id="list", listing_root=str(tmp_path), entry_ids=GOOD)
    (piece,) = listing.execute({})
    lines = lines_of(get_urls(tmp_path, entries_from=piece, flavor="each"))
    assert {line["entryId"] for line in lines} == set(GOOD)
    assert len({line["flavorId"] for line in lines}) == len(lines) > len(GOOD)


@pytest.mark.usefixtures("sandbox")
def test_mapped_tasks_share_a_folder(tmp_path):
    """A path that ends in a slash: run, task and map index name the file, and a rerun replaces its own."""
    folder = f"{tmp_path}/urls/"
    first, second = (
        get_urls(tmp_path, instance(index), entry_ids=[GOOD[index]], report_path=folder) for index in range(2)
    )
    again = get_urls(tmp_path, instance(0), entry_ids=[GOOD[2]], report_path=folder)
    assert first["report"] == again["report"] != second["report"]
    assert Path(first["report"]).name == "urls-scheduled__2026_01_01T00_00_00_00_00-urls-0.jsonl"
    assert [line["entryId"] for line in lines_of(again)] == [GOOD[2]]
    assert [line["entryId"] for line in lines_of(second)] == [GOOD[1]]


def test_another_tasks_file_is_not_overwritten(sandbox, tmp_path):
    """Mapped tasks of one path would lose all but the last: told before Kaltura is asked, and not retried."""
    get_urls(tmp_path, instance(0), entry_ids=GOOD)
    before, asked = (tmp_path / "urls.jsonl").read_bytes(), len(sandbox.log.records())
    with pytest.raises(KalturaPermanentError, match="map index") as caught:
        get_urls(tmp_path, instance(1), entry_ids=[small.READY])
    assert f"{tmp_path}/urls.jsonl" in str(caught.value)
    assert isinstance(caught.value, AirflowFailException)
    assert (tmp_path / "urls.jsonl").read_bytes() == before
    assert len(sandbox.log.records()) == asked


@pytest.mark.usefixtures("sandbox")
def test_a_retry_replaces_what_its_first_try_has_written(tmp_path):
    """Else a task that failed for one entry could never succeed."""
    with pytest.raises(KalturaNotReadyError):
        get_urls(tmp_path, instance(), entry_ids=[small.READY, small.NEVER])
    result = get_urls(tmp_path, instance(try_number=2), entry_ids=[small.UNICODE])
    assert [line["entryId"] for line in lines_of(result)] == [small.UNICODE]


@pytest.mark.parametrize("try_number", [1, 2])
def test_a_strangers_file_is_not_overwritten(sandbox, tmp_path, try_number):
    """Not by a later try either, whether or not the task wrote there before: only bytes that it wrote are its own."""
    path = tmp_path / "urls.jsonl"
    for before in ({}, {"entry_ids": GOOD}):
        if before:
            path.unlink()
            get_urls(tmp_path, instance(), **before)
            path.write_bytes(path.read_bytes()[::-1])
        else:
            path.write_text("precious\n")
        kept, asked = path.read_bytes(), len(sandbox.log.records())
        with pytest.raises(KalturaPermanentError, match="not known to be of an earlier try"):
            get_urls(tmp_path, instance(try_number=try_number), entry_ids=GOOD)
        assert path.read_bytes() == kept
        assert len(sandbox.log.records()) == asked


@pytest.mark.usefixtures("sandbox")
def test_what_a_try_wrote_that_was_killed_is_known_to_the_next(tmp_path, monkeypatch):
    """Its record comes before the file, and an older one still counts."""
    get_urls(tmp_path, instance(), entry_ids=GOOD)
    killed = lambda *_arguments, **_words: (_ for _ in ()).throw(KeyboardInterrupt)  # noqa: E731
    with monkeypatch.context() as patched:
        patched.setattr(batch, "upload_spool", killed)
        with pytest.raises(KeyboardInterrupt):
            get_urls(tmp_path, instance(try_number=2), entry_ids=[small.READY])
    result = get_urls(tmp_path, instance(try_number=3), entry_ids=[small.UNICODE])
    assert [line["entryId"] for line in lines_of(result)] == [small.UNICODE]


@pytest.mark.usefixtures("sandbox")
def test_a_store_takes_the_file(tmp_path):
    """Any place that downloads may go to; here right below the root."""
    result = get_urls(tmp_path, entry_ids=GOOD, report_path="memory://test_a_store_takes_the_file/urls.jsonl")
    assert result["report"] == "memory://test_a_store_takes_the_file/urls.jsonl"
    assert memory._LAKES["memory://test_a_store_takes_the_file"].store.stat("urls.jsonl").size_bytes > 0


def test_no_entries_are_a_summary_of_zeros(sandbox, tmp_path):
    """Nothing is asked, and no file is written."""
    result = get_urls(tmp_path, entry_ids=[])
    assert (result["total"], result["report"], result["failures"]) == (0, None, [])
    assert sandbox.log.records() == []
    assert list(tmp_path.iterdir()) == []


ONE_OF = "entry_id, entry_ids, entries_from"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, [ONE_OF, "got none"]),
        ({"entry_id": small.READY, "entry_ids": GOOD}, [ONE_OF, "entry_id and entry_ids"]),
        ({"entry_ids": GOOD, "report_path": None}, ["Give report_path"]),
        ({"entry_ids": GOOD, "report_path": " None "}, ["Give report_path"]),
        ({"entry_ids": [], "report_path": ""}, ["Give report_path"]),
        ({"entry_ids": GOOD, "report_path": "urls.jsonl"}, ["absolute path"]),
        ({"entry_ids": GOOD, "report_path": "urls/urls.jsonl"}, ["absolute path"]),
        ({"entry_ids": GOOD, "report_path": "/lake/{entryId}.jsonl"}, ["placeholders"]),
        ({"entry_ids": GOOD, "report_path": "/lake/.."}, ["absolute path"]),
        ({"entry_ids": GOOD, "report_path": 5}, ["report_path", "int"]),
        ({"entry_ids": GOOD, "report_path": "nowhere://x/urls.jsonl"}, ["nowhere"]),
        ({"entry_ids": GOOD, "storage_conn_id": "lake"}, ["takes no connection", "'lake'"]),
        ({"entry_ids": GOOD, "max_entries": "3"}, ["More than 3 entries"]),
        ({"entry_ids": GOOD, "on_error": "stop"}, ["on_error"]),
        ({"entry_ids": GOOD, "url_in_xcom": "all"}, ["url_in_xcom"]),
        ({"entry_ids": GOOD, "flavor": ["best", 5]}, ["5"]),
        ({"entry_id": small.READY, "report_path": "/lake/urls.jsonl"}, ["report_path would be ignored"]),
        ({"entry_id": small.READY, "on_error": "continue", "max_failures": 2}, ["on_error and max_failures"]),
        ({"entry_id": small.READY, "flavor": "each"}, ["flavor='each'"]),
    ],
    ids=lambda value: None if isinstance(value, list) else ",".join(value) or "nothing",
)
def test_what_cannot_be_meant_is_told_before_anything_is_asked(sandbox, tmp_path, arguments, words):
    """The error names the argument, is not retried, and nothing was sent or written."""
    given = {"report_path": f"{tmp_path}/urls.jsonl"} if "entry_id" not in arguments else {"report_path": None}
    with pytest.raises(KalturaArgumentError) as caught:
        get_urls(tmp_path, **{**given, **arguments})
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert sandbox.log.records() == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("sandbox")
def test_failures_fail_the_task_after_all_was_written(tmp_path, monkeypatch, caplog):
    """The first is named, all are in the log, and what was found stands in the file."""
    monkeypatch.setattr(KalturaGetDownloadUrlOperator, "log", logging.getLogger("test.operator"))
    with pytest.raises(
        KalturaPermanentError, match=r"2 failed\. The first: Entry 0_unknown1 does .*urls\.jsonl"
    ) as caught:
        get_urls(tmp_path, entry_ids=["0_unknown1", *GOOD, small.IMAGE, "0_unknown2"])
    assert "7 in all: 4 found, 1 skipped (no_media:image 1), 2 failed" in str(caught.value)
    assert [line["entryId"] for line in lines_of({"report": f"{tmp_path}/urls.jsonl"})] == GOOD
    told = [text for text in caplog.messages if "unknown" in text]
    assert [text[: len("Entry 0_unknown1 does")] for text in told] == [
        "Entry 0_unknown1 does",
        "Entry 0_unknown2 does",
    ]


@pytest.mark.usefixtures("sandbox")
def test_failures_may_be_allowed(tmp_path):
    """With ``"continue"`` up to ``max_failures`` of them are told only."""
    arguments = {"entry_ids": ["0_unknown1", "0_unknown2", small.READY], "on_error": "continue"}
    result = get_urls(tmp_path, max_failures=2, **arguments)
    assert (result["total"], result["failed"]) == (3, 2)
    with pytest.raises(KalturaPermanentError):
        get_urls(tmp_path, instance(try_number=2), max_failures="1", **arguments)


@pytest.fixture(scope="module")
def _thousand():
    library = rules.library(entries=ENTRIES, only_ready_videos=True)
    ids = [library.entry_id(number) for number in range(ENTRIES)]
    special = {SECURE: ("accessControlId", 2), FUTURE: ("startDate", 4102444800), REJECTED: ("moderationStatus", 3)}
    for number, (name, value) in special.items():
        with library.changing(ids[number]) as entry:
            entry[name] = value
    with serve(library) as running:
        yield running, ids


@pytest.fixture
def thousand(_thousand, define_connection):
    """Give a thousand entries of eight flavors, and the server's counts, which begin anew."""
    running, ids = _thousand
    running.control.reset_counts()

    def connect(**extra):
        define_connection(host=running.base_url, extra=extra)

    connect()
    return running, ids, connect


def test_a_thousand_entries_cost_forty_requests_at_most(thousand, tmp_path):
    """999 URLs, and one entry whose media only a session opens; the XCom stays small."""
    running, ids, _ = thousand
    result = get_urls(tmp_path, entry_ids=ids)
    counts = running.control.counts()
    assert counts["apiRequests"] <= MOST_REQUESTS
    lines = lines_of(result)
    assert [line["entryId"] for line in lines] == ids
    assert [line["entryId"] for line in lines if line["needsSession"]] == [ids[SECURE]]
    assert sum(line["downloadUrl"] is not None for line in lines) == ENTRIES - 1
    assert len(json.dumps(result)) < 1_000
    print(counts["apiRequests"], "requests,", result["seconds"], "s")  # noqa: T201 - a figure to quote


def test_what_a_user_may_not_have_is_isolated(thousand, tmp_path):
    """997 URLs and three reasons, each its own entry's, in forty requests."""
    running, ids, connect = thousand
    connect(session_type="user", user_id="somebody", privileges="list:*")
    result = get_urls(tmp_path, entry_ids=ids, on_error="continue", max_failures=3)
    assert running.control.counts()["apiRequests"] <= MOST_REQUESTS
    refused = {one["entryId"]: one["code"] for one in result["failures"]}
    assert refused == {ids[SECURE]: "X_KALTURA_3", ids[FUTURE]: "X_KALTURA_2", ids[REJECTED]: "X_KALTURA_13"}
    assert [line["entryId"] for line in lines_of(result)] == [one for one in ids if one not in refused]
