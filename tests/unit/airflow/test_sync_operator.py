"""The operator that syncs: what it takes, what it refuses, and what it returns."""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airflow_provider_kaltura.exceptions import KalturaArgumentError, KalturaProviderError
from airflow_provider_kaltura.ingest.sync_options import NAMED_FAILURES, SyncSummary
from airflow_provider_kaltura.operators import KalturaSyncToStorageOperator
from airflow_provider_kaltura.operators._sync_words import has_moving_root, read_overlap
from airflow_provider_kaltura.sandbox import lifecycle, small
from airflow_provider_kaltura.xcom_sync import sync_result

NOW = datetime.now(UTC)


def run(context=None, **arguments):
    """Run the operator."""
    return KalturaSyncToStorageOperator(task_id="sync", **arguments).execute(context or {})


def named_in(folder):
    """Give the usual names in a folder."""
    return f"{folder}/{{entryId}}/{{flavorId}}.{{format}}"


def files_in(folder):
    """Give the media below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in Path(folder).rglob("*")
        if path.is_file() and "_kaltura" not in path.parts
    }


def spoil_size(sandbox, entry_id=small.READY):
    """Let the file of an entry's source be longer than Kaltura says; give the flavor and its right length."""
    flavor_id = small.flavor_id_of(entry_id, 0)
    size = sandbox.library.assets["flavor"][flavor_id]["sizeInBytes"]
    sandbox.control.set_flavor(flavor_id, sizeInBytes="77")
    return flavor_id, size


def delete_entry(sandbox, entry_id):
    """Delete an entry, some seconds ago: no run looks at a second that isn't over."""
    sandbox.control.delete_entry(entry_id)
    sandbox.control.set_entry(entry_id, updatedAt=int(NOW.timestamp()) - 5)


def test_the_first_run_fetches_all_and_the_next_nothing(sandbox, tmp_path):
    """Every ready flavor of every entry, byte for byte; what is returned is small and plain."""
    first = run(destination=named_in(tmp_path), flavor="each")
    assert first["downloaded"] == first["planned"] == len(files_in(tmp_path)) > 10
    source = small.flavor_id_of(small.READY, 0)
    assert files_in(tmp_path)[f"{small.READY}/{source}.mp4"] == sandbox.library.file(source, "2").read()
    assert (first["full"], first["since"], first["failed"], first["cursorMoved"]) == (True, None, 0, True)
    assert json.loads(json.dumps(first)) == first
    again = run(destination=named_in(tmp_path), flavor="each")
    assert (again["full"], again["planned"], again["bytes"], again["downloaded"]) == (False, 0, 0, 0)
    assert again["since"] is not None


def test_only_planned_moves_nothing(sandbox, tmp_path):
    """Counts, bytes and names are told, and all of it stands in a file; the cursor stays."""
    planned = run(destination=named_in(tmp_path), plan_only="true")
    assert (planned["planOnly"], planned["downloaded"], planned["bytes"], planned["cursorMoved"]) == (True, 0, 0, False)
    assert files_in(tmp_path) == {}
    rows = [json.loads(line) for line in Path(planned["report"]).read_text().splitlines()]
    assert len(rows) == planned["planned"]
    assert sum(row["sizeBytes"] for row in rows) == planned["plannedBytes"]
    assert {row["path"] for row in rows} == set(planned["paths"])
    assert run(destination=named_in(tmp_path))["downloaded"] == planned["planned"]
    assert sandbox.log.media_requests > 0


def test_conditions_choose_entries(sandbox, tmp_path):
    """As they do for a listing; templates give texts."""
    sandbox.control.set_entry(small.READY, tags="wanted")
    found = run(destination=named_in(tmp_path), tags="wanted, other", media_types="video")
    assert (found["entries"], found["downloaded"]) == (1, 1)


@pytest.mark.parametrize("given", [[], "[]"])
def test_an_empty_list_is_an_error(sandbox, tmp_path, given):
    """Neither a sync of nothing that looks like success, nor one of the whole library."""
    with pytest.raises(KalturaArgumentError, match="tags is an empty list"):
        run(destination=f"{tmp_path}/", tags=given)
    assert list(tmp_path.iterdir()) == []
    assert sandbox.library.entries


def test_deleted_files_go_when_that_is_wanted(sandbox, tmp_path):
    """``keep`` leaves what Kaltura has no more, ``delete`` removes it."""
    run(destination=named_in(tmp_path), flavor="each")
    delete_entry(sandbox, small.READY)
    kept = run(destination=named_in(tmp_path), flavor="each")
    assert kept["gone"] == {"keep": 3}
    assert any(name.startswith(small.READY) for name in files_in(tmp_path))
    other = f"{tmp_path}/other"
    sandbox.control.set_entry(small.UNICODE, tags="soon gone")
    run(destination=named_in(other), flavor="each", on_deleted="delete")
    delete_entry(sandbox, small.UNICODE)
    removed = run(destination=named_in(other), flavor="each", on_deleted="delete")
    assert removed["gone"] == {"delete": 3}
    assert not any(name.startswith(small.UNICODE) for name in files_in(other))


# ------------------------------------------------------------------ failures
def test_failures_are_told_and_tried_again(sandbox, tmp_path):
    """The rest is fetched, the task is green, its entry waits; the next run has it whatever it looks for."""
    flavor_id, size = spoil_size(sandbox)
    found = run(destination=named_in(tmp_path))
    assert (found["failed"], len(found["failures"])) == (1, 1)
    (failure,) = found["failures"]
    assert failure["entryId"] == small.READY
    assert "77" in failure["reason"]
    assert "://" not in failure["reason"]
    assert found["waiting"] >= 1
    assert found["downloaded"] > 2
    sandbox.control.set_flavor(flavor_id, sizeInBytes=size)
    again = run(destination=named_in(tmp_path))
    assert (again["failed"], again["downloaded"]) == (0, 1)


@pytest.mark.parametrize("how", [{"on_error": "fail"}, {"max_failures": "0"}])
def test_failures_may_fail_the_task(sandbox, tmp_path, how):
    """With the error of the flavor, in Airflow's words."""
    spoil_size(sandbox)
    with pytest.raises(KalturaProviderError) as raised:
        run(destination=named_in(tmp_path), **how)
    assert raised.value.lower_error
    assert run(destination=named_in(tmp_path), max_failures=1)["failed"] == 1


def test_a_run_that_gets_nothing_at_all_fails(sandbox, tmp_path):
    """With the first flavor's error in Airflow's words: an outage is no green task, unless so many may fail."""
    for flavor_id in sandbox.library.assets["flavor"]:
        sandbox.control.set_flavor(flavor_id, sizeInBytes="77")
    with pytest.raises(KalturaProviderError, match="77") as raised:
        run(destination=named_in(tmp_path), flavor="each")
    assert raised.value.lower_error
    found = run(destination=named_in(tmp_path), flavor="each", max_failures=1_000)
    assert (found["failed"] > 5, found["downloaded"], found["full"]) == (True, 0, False)


def test_a_reason_shows_no_session(sandbox, tmp_path, caplog):
    """Neither the result nor the log has a KS or a URL that works with one."""
    caplog.set_level(logging.DEBUG)
    spoil_size(sandbox, small.SECURE)
    found = run(destination=named_in(tmp_path))
    assert found["failed"] == 1
    own = [record.getMessage() for record in caplog.records if record.name.startswith("airflow")]
    for text in (json.dumps(found), *own):
        assert "/ks/" not in text
        assert small.ADMIN_SECRET not in text


def test_what_is_returned_stays_small():
    """However many failures there are, and however long names and reasons."""
    summary = SyncSummary(root="/lake", since=None, until=1_800_000_000, full=True)
    for number in range(100):
        summary.fail(f"0_e{number}", ValueError("日本語 /" * 400))
        summary.nothing[f"no_media:{'x' * 900}{number}"] = number
    summary.paths = ["/" + "ü" * 4_000] * 3 + ["/lake/" + "ü" * 200] * 17
    found = sync_result(summary)
    assert len(json.dumps(found)) <= 16 * 1024
    assert found["failed"] == 100
    assert len(found["failures"]) == NAMED_FAILURES


# ------------------------------------------------------------------ windows
def test_a_window_of_its_own(sandbox, tmp_path):
    """What was changed in it is looked at; the end is not passed, and now is the end by default."""
    run(destination=named_in(tmp_path))
    since = (NOW - timedelta(hours=2)).isoformat()
    found = run(destination=named_in(tmp_path), since=since, until=str(int(NOW.timestamp()) - 3_600))
    assert datetime.fromisoformat(found["until"]) <= NOW - timedelta(hours=1)
    assert datetime.fromisoformat(found["since"]) <= datetime.fromisoformat(since)
    assert not found["full"]
    assert run(destination=named_in(tmp_path), since=since)["until"] > found["until"]
    assert sandbox.log.api_requests > 0


def test_the_data_interval_is_a_window(sandbox, tmp_path):
    """As Airflow gives it."""
    run(destination=named_in(tmp_path))
    context = {"data_interval_start": NOW - timedelta(days=2), "data_interval_end": NOW - timedelta(days=1)}
    found = run(context, destination=named_in(tmp_path), window="interval")
    assert found["until"] == context["data_interval_end"].replace(microsecond=0).isoformat()
    assert not found["full"]
    assert sandbox.log.api_requests > 0


@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize(
    ("context", "arguments", "words"),
    [
        ({"data_interval_start": NOW, "data_interval_end": NOW}, {"window": "interval"}, "CronDataIntervalTimetable"),
        ({}, {"window": "interval"}, "window='cursor'"),
        ({}, {"window": "day"}, "'cursor', 'interval', 'all'"),
        ({}, {"since": "2026-01-01T00:00:00"}, "since has no time zone"),
        ({}, {"until": "2026-01-01T00:00:00Z"}, "Give since too"),
        ({}, {"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, "is empty"),
        ({}, {"since": "2100-01-01T00:00:00Z", "until": "2100-01-02T00:00:00Z"}, "in the future"),
        ({}, {"since": "2026-01-02T00:00:00Z", "window": "all"}, "compares all"),
        ({}, {"flavor": "biggest"}, "biggest"),
        ({}, {"name": " "}, "name"),
        ({}, {"on_deleted": "forget"}, "on_deleted must be"),
        ({}, {"on_error": "retry"}, "on_error must be"),
        ({}, {"overlap": "2 fortnights"}, "overlap must be"),
        ({}, {"full_every": "0"}, "full_every"),
        ({}, {"full": "perhaps"}, "full must be True or False"),
        ({}, {"filter": {"updatedAtLessThanOrEqual": 1_700_000_000}}, "filter can't have updatedAt"),
        ({}, {"filter": {"nameLke": "x"}}, "nameLke"),
        ({}, {"max_bytes": "much"}, "max_bytes"),
        ({}, {"checksum": "md5"}, "checksum must be"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_told(tmp_path, context, arguments, words):
    """When the task runs, and nothing was moved."""
    with pytest.raises(KalturaArgumentError, match=re.escape(words)):
        run(context, destination=named_in(tmp_path), **arguments)
    assert files_in(tmp_path) == {}


def test_overlaps_are_read():
    """As people and templates write them."""
    assert [read_overlap(one) for one in (timedelta(minutes=5), 90, "90", "2 hours", "1 Minute", 0)] == [
        300,
        90,
        90,
        7_200,
        60,
        0,
    ]


def test_a_part_of_a_backfill_leaves_the_cursor_alone(sandbox, tmp_path):
    """It compares what its conditions find and nothing else; the sync after it finds the rest."""
    created = {"created_since": datetime(2025, 3, 1, tzinfo=UTC), "created_until": "2025-04-01T00:00:00+00:00"}
    at = int(datetime(2025, 3, 15, tzinfo=UTC).timestamp())
    sandbox.control.set_entry(small.READY, createdAt=at)
    part = run(destination=named_in(tmp_path), window="all", **created)
    assert (part["entries"], part["downloaded"], part["cursorMoved"]) == (1, 1, False)
    again = run(destination=named_in(tmp_path), window="all", **created)
    assert (again["entries"], again["unchanged"], again["downloaded"]) == (1, 1, 0)
    whole = run(destination=named_in(tmp_path))
    assert (whole["full"], whole["cursorMoved"], whole["unchanged"]) == (True, True, 1)
    assert whole["downloaded"] > 2


def test_what_does_not_go_into_the_limit_is_left_to_the_next_run(sandbox, tmp_path):
    """It is no failure; run after run the rest comes, and no file twice."""
    planned = run(destination=named_in(tmp_path), flavor="each", plan_only=True)
    limit = planned["plannedBytes"] // 2
    fetched = []
    while not fetched or fetched[-1]["putOff"]:
        fetched.append(run(destination=named_in(tmp_path), flavor="each", max_bytes=limit))
    assert len(fetched) > 1
    assert all(one["bytes"] <= limit and one["failed"] == 0 for one in fetched)
    assert sum(one["bytes"] for one in fetched) == planned["plannedBytes"]
    assert sum(one["downloaded"] for one in fetched) == planned["planned"]
    assert sandbox.log.media_requests > 0


# ------------------------------------------------------------------ where the state is
@pytest.mark.parametrize(
    ("written", "moves"),
    [
        ("/data/lake/{entryId}/{flavorId}.{format}", False),
        ("/data/lake/", False),
        ("/data/lake/{entryId}/{{ ds }}.{format}", False),
        ("/data/{{ ds }}/{entryId}.{format}", True),
        ("s3://{{ var.value.bucket }}/lake/{entryId}.{format}", True),
        ("/data/{% if x %}a{% endif %}/{entryId}", True),
        ("{{ params.destination }}", True),
        (object(), True),
    ],
)
def test_a_root_that_moves_is_recognised(written, moves):
    """By what stands before the first placeholder, as it is written in the DAG."""
    assert has_moving_root(written, None) is moves


def test_a_destination_that_moves_by_itself_is_no_other_one(sandbox, tmp_path):
    """By date, each night's files go into a folder of their own; a DAG with other names compares all at once."""
    written = f"{tmp_path}/{{{{ ds }}}}/{{entryId}}.{{format}}"
    found = []
    for day, text in (("2026-01-01", written), ("2026-01-02", written), ("2026-01-02", written.replace("ds", "x"))):
        operator = KalturaSyncToStorageOperator(task_id="sync", destination=text, state_root=str(tmp_path))
        operator.destination = f"{tmp_path}/{day}/{{entryId}}.{{format}}"
        found.append(operator.execute({})["full"])
    assert found == [True, False, True]
    assert sandbox.log.media_requests > 0


def test_a_moving_root_needs_a_place_for_the_state(sandbox, tmp_path):
    """Else each run would begin anew: the error says what to do, and with it the lake is one."""
    operator = KalturaSyncToStorageOperator(task_id="sync", destination=named_in(f"{tmp_path}/{{{{ ds }}}}"))
    for day in ("2026-01-01", "2026-01-02"):
        operator.destination = named_in(f"{tmp_path}/{day}")
        with pytest.raises(KalturaArgumentError, match="Give state_root"):
            operator.execute({})
    operator.state_root = str(tmp_path)
    assert operator.execute({})["downloaded"] > 2
    assert operator.execute({})["downloaded"] == 0
    assert (tmp_path / "_kaltura" / "cursor").is_dir()
    assert sandbox.log.media_requests > 0


# ------------------------------------------------------------------ several accounts
def test_two_accounts_go_into_one_lake(sandbox, define_connection, tmp_path):
    """Each with a cursor and entries of its own, kept apart by ``{partnerId}``."""
    other = second_account(sandbox, define_connection)
    destination = f"{tmp_path}/{{partnerId}}/{{entryId}}/{{flavorId}}.{{format}}"
    run(destination=destination)
    found = run(destination=destination, kaltura_conn_id=other)
    assert (found["full"], found["downloaded"]) == (True, 1)
    assert len(files_in(tmp_path / "2002")) == 1
    assert len(list((tmp_path / "_kaltura" / "cursor").iterdir())) == 2
    assert run(destination=destination)["planned"] == 0
    assert run(destination=destination, kaltura_conn_id=other, full=True)["planned"] == 0


def test_two_accounts_never_share_a_name(sandbox, define_connection, tmp_path):
    """The second one's file is refused, whatever is said of the first one's, and both are named."""
    other = second_account(sandbox, define_connection, name="Same")
    sandbox.control.set_entry(small.READY, name="Same", tags="one")
    destination = f"{tmp_path}/{{entryName}}-{{entryId}}.{{format}}".replace("-{entryId}", "")
    run(destination=destination, tags="one", on_deleted="mark")
    sandbox.control.delete_entry(small.READY)
    run(destination=destination, tags="one", on_deleted="mark")
    before = files_in(tmp_path)
    found = run(destination=destination, kaltura_conn_id=other)
    assert (found["failed"], found["waiting"]) == (1, 1)
    assert found["failures"][0]["entryId"] == "0_other001"
    assert "Same" in found["failures"][0]["reason"]
    assert files_in(tmp_path) == before


def second_account(sandbox, define_connection, name="Elsewhere"):
    """Add an account with one entry; give its connection."""
    partner = sandbox.library.partners[small.PARTNER_ID]
    sandbox.library.partners[2002] = type(partner)(2002, partner.secret, "another-admin-secret-0123456789a")
    sandbox.control.add_entry("0_other001", partner_id=2002, name=name)
    sandbox.control.add_flavor("0_other001")
    return define_connection("other", host=sandbox.base_url, login="2002", password="another-admin-secret-0123456789a")


def test_a_lake_that_is_not_ready_waits(sandbox, tmp_path):
    """What is still being made is told, and fetched as soon as it is there."""
    found = run(destination=named_in(tmp_path), flavor="each")
    assert found["waiting"] >= 1
    for number in (0, 2, 4):
        lifecycle.set_flavor_status(sandbox.library, f"0_late00f{number}", 2)
    again = run(destination=named_in(tmp_path), flavor="each")
    assert again["downloaded"] >= 1
