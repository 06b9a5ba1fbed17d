"""Listings in DAGs: slices and batches that tasks are mapped over, windows of data intervals, and nothing found."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_kaltura.listings import read_slice
from airflow_provider_kaltura.operators import KalturaListEntriesOperator
from tests.dags.conftest import load_example
from tests.dags.test_examples import result_of, states

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def lectures(sandbox):
    """Give the sandbox with ten entries of one hour each, a day apart."""
    for number in range(10):
        created = int(datetime(2025, 3, 1 + number, 12, tzinfo=UTC).timestamp())
        sandbox.control.add_entry(f"0_lecture{number}", tags="lecture", createdAt=created, msDuration=3_600_000)
    return sandbox


def mapped(run, task_id):
    """Give what the mapped instances of a task returned, in order."""
    indexes = sorted(index for name, index in states(run) if name == task_id and index >= 0)
    return [result_of(run, task_id, index) for index in indexes]


@pytest.mark.usefixtures("lectures")
def test_the_example_maps_over_slices(run_dag, tmp_path):
    """One task for each slice, and each entry in one of them."""
    conf = {"listing_root": str(tmp_path), "tags": "lecture", "entries_per_slice": 4}
    run = run_dag(load_example("example_kaltura_list"), conf)
    assert set(states(run).values()) == {"success"}
    assert mapped(run, "hours_of_video") == [4.0, 4.0, 2.0]


@pytest.mark.usefixtures("lectures")
def test_the_example_takes_a_window_from_the_form(run_dag, tmp_path):
    """Times as the form writes them; the end is not included."""
    conf = {
        "listing_root": str(tmp_path),
        "tags": "lecture",
        "created_since": "2025-03-02T12:00:00+00:00",
        "created_until": "2025-03-05T12:00:00Z",
    }
    run = run_dag(load_example("example_kaltura_list"), conf)
    assert mapped(run, "hours_of_video") == [3.0]


def test_nothing_found_skips_what_is_mapped(run_dag, tmp_path):
    """The listing succeeds, and no task runs over nothing."""
    run = run_dag(load_example("example_kaltura_list"), {"listing_root": str(tmp_path), "tags": "nobody's"})
    assert states(run) == {("list_entries", -1): "success", ("hours_of_video", -1): "skipped"}


def test_a_time_without_a_zone_fails_and_is_not_retried(run_dag, tmp_path):
    """Nobody is left to guess which zone was meant."""
    conf = {"listing_root": str(tmp_path), "created_since": "2025-03-02T12:00:00"}
    run = run_dag(load_example("example_kaltura_list"), conf)
    assert states(run)["list_entries", -1] == "failed"
    assert not list(tmp_path.rglob("*.jsonl"))


@pytest.mark.usefixtures("lectures")
def test_no_more_slices_than_airflow_maps(run_dag, tmp_path, monkeypatch):
    """The limit that this Airflow has, else the whole run would fail."""
    monkeypatch.setenv("AIRFLOW__CORE__MAX_MAP_LENGTH", "2")
    conf = {"listing_root": str(tmp_path), "tags": "lecture", "entries_per_slice": 1}
    run = run_dag(load_example("example_kaltura_list"), conf)
    assert mapped(run, "hours_of_video") == [5.0, 5.0]


@pytest.mark.usefixtures("lectures")
def test_a_list_of_ids_goes_from_task_to_task(run_dag, tmp_path):
    """Ids of a task before are listed, as batches and as slices; the listings of a mapping don't collide."""
    with DAG("list_ids", schedule=None, start_date=START) as dag:

        @task
        def chosen():
            return ["0_lecture3", "0_lecture1", "0_lecture3"]

        @task
        def ids_of(piece):
            return [row["entryId"] for row in read_slice(piece)]

        batches = KalturaListEntriesOperator(task_id="batches", as_="batches", entry_ids=chosen())
        slices = KalturaListEntriesOperator.partial(task_id="slices", listing_root=str(tmp_path)).expand(
            entry_ids=batches.output
        )
        ids_of.expand(piece=slices.output.map(lambda pieces: pieces[0]))
    run = run_dag(dag)
    assert result_of(run, "batches") == [["0_lecture1", "0_lecture3"]]
    assert mapped(run, "ids_of") == [["0_lecture1", "0_lecture3"]]


@pytest.mark.usefixtures("lectures")
def test_a_template_may_give_times_lists_and_numbers(run_dag, tmp_path):
    """What Jinja makes of dates, lists and dicts is read back; empty texts are none; intervals have a zone."""
    with DAG(
        "list_templates",
        schedule=None,
        start_date=START,
        params={"tags": ["lecture", "talk"], "more": {"nameLike": ""}, "empty": ""},
    ) as dag:
        KalturaListEntriesOperator(
            task_id="list",
            listing_root=f"{tmp_path}/{{{{ dag.dag_id }}}}",
            tags="{{ params.tags }}",
            owners="{{ params.empty }}",
            filter="{{ params.more }}",
            created_until="{{ data_interval_end }}",
            entries_per_slice="{{ 2 * 2 }}",
        )
    run = run_dag(dag)
    pieces = result_of(run, "list")
    assert len(pieces) == 3
    assert len([row for piece in pieces for row in read_slice(piece)]) == 10
    assert len(json.dumps(pieces)) < 16 * 1024
    (path,) = tmp_path.glob("list_templates/_kaltura/listings/*.jsonl")
    assert "-list--1-1-" in path.name


def test_params_make_a_form():
    """Every parameter has a title, a description and a type; the DAG has the name of its file."""
    dag = load_example("example_kaltura_list")
    assert dag.dag_id == "example_kaltura_list"
    for param in dag.params.values():
        assert {"title", "type"} <= set(param.schema)
        assert param.description
