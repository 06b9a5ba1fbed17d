"""Batches in DAGs: slices that downloads are mapped over, ids from the form, retries, and how small XComs stay."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_kaltura.ingest.manifest import rows
from airflow_provider_kaltura.operators import (
    KalturaDownloadToStorageOperator,
    KalturaGetDownloadUrlOperator,
    KalturaListEntriesOperator,
)
from airflow_provider_kaltura.sandbox import small
from airflow_provider_kaltura.stores import open_lake
from tests.dags.conftest import load_example
from tests.dags.test_examples import result_of, states

START = datetime(2026, 1, 1, tzinfo=UTC)
GOOD = [small.READY, small.UNICODE, small.FUTURE, small.SECURE]
NOTHING = {"total": 0, "downloaded": 0, "skipped": 0, "failed": 0, "bytes": 0}


def mapped(run, task_id):
    """Give what the mapped instances of a task returned, in order."""
    indexes = sorted(index for name, index in states(run) if name == task_id and index >= 0)
    return [result_of(run, task_id, index) for index in indexes]


def are_right(sandbox, folder, entry_ids):
    """Tell whether exactly the sources of these entries stand, byte for byte."""
    stand = {path.stem: path.read_bytes() for path in folder.glob("*.mp4")}
    flavors = [small.flavor_id_of(entry_id, 0) for entry_id in entry_ids]
    return stand == {one: sandbox.library.file(one, "2").read() for one in flavors}


def destination(tmp_path):
    """Give a destination with the flavor's id for a name."""
    return f"{tmp_path}/lake/{{flavorId}}.{{format}}"


def tag(sandbox, entry_ids):
    """Give entries a tag of their own."""
    for entry_id in entry_ids:
        sandbox.control.set_entry(entry_id, tags="chosen")


def test_the_example_maps_downloads_over_slices(run_dag, sandbox, tmp_path):
    """One task for each slice, every file, one sum; a second run moves nothing."""
    tag(sandbox, GOOD)
    conf = {
        "destination": destination(tmp_path),
        "listing_root": str(tmp_path),
        "tags": "chosen",
        "flavor": "source",
        "entries_per_slice": 2,
    }
    run = run_dag(load_example("example_kaltura_batches"), conf)
    assert set(states(run).values()) == {"success"}
    assert [one["downloaded"] for one in mapped(run, "download")] == [2, 2]
    assert result_of(run, "totals")["downloaded"] == 4
    assert are_right(sandbox, tmp_path / "lake", GOOD)
    names = [path.name for path in (tmp_path / "lake" / "_kaltura" / "manifest").rglob("*.jsonl")]
    assert sorted("-download-0-1-" in name for name in names) == [False, True]
    again = run_dag(load_example("example_kaltura_batches"), conf)
    assert result_of(again, "totals") == {**NOTHING, "total": 4, "skipped": 4}


def test_the_example_skips_where_nothing_is_found(run_dag, tmp_path):
    """No slice, no download, no sum."""
    conf = {"listing_root": str(tmp_path), "tags": "nobody's", "destination": destination(tmp_path)}
    run = run_dag(load_example("example_kaltura_batches"), conf)
    assert states(run)["list_entries", -1] == "success"
    assert states(run)["totals", -1] == "skipped"
    assert not (tmp_path / "lake").exists()


@pytest.mark.parametrize("between", ["\n", ", ", "\r\n"])
def test_ids_from_the_form(run_dag, sandbox, tmp_path, between):
    """Pasted lines or commas become files; what is unknown is told and keeps nothing else from coming."""
    conf = {"entry_ids": between.join(["0_unknown1", *GOOD, ""]), "destination": destination(tmp_path)}
    run = run_dag(load_example("example_kaltura_on_demand"), conf)
    assert states(run) == {("download", -1): "success"}
    result = result_of(run, "download")
    assert (result["total"], result["downloaded"], result["failed"]) == (5, 4, 1)
    assert result["failures"][0]["entryId"] == "0_unknown1"
    assert are_right(sandbox, tmp_path / "lake", GOOD)
    report = [json.loads(line) for line in Path(result["report"]).read_text().splitlines()]
    assert sorted(row["entryId"] for row in report) == sorted([*GOOD, "0_unknown1"])


@pytest.mark.usefixtures("sandbox")
def test_a_form_that_stops_at_the_first_failure(run_dag, tmp_path):
    """The task fails, and is not retried: nobody can help an unknown id."""
    conf = {"entry_ids": f"0_unknown1,{small.READY}", "on_error": "fail", "destination": destination(tmp_path)}
    run = run_dag(load_example("example_kaltura_on_demand"), conf)
    assert states(run) == {("download", -1): "failed"}


def test_ids_of_a_task_before(run_dag, sandbox, tmp_path):
    """A list goes from task to task, an empty one too; batches are mapped."""
    with DAG("batches_of_tasks", schedule=None, start_date=START) as dag:

        @task
        def chosen():
            return GOOD

        @task
        def none_chosen():
            return []

        @task
        def one_of(entry_id):
            return entry_id

        common = {"destination": destination(tmp_path), "flavor": "source"}
        KalturaDownloadToStorageOperator(task_id="few", entry_ids=chosen(), **common)
        none = none_chosen()
        KalturaDownloadToStorageOperator(task_id="none", entry_ids=none, **common)
        none >> KalturaDownloadToStorageOperator(
            task_id="rendered", entry_ids="{{ ti.xcom_pull(task_ids='none_chosen') }}", **common
        )
        KalturaDownloadToStorageOperator(task_id="gathered", entry_ids=one_of.expand(entry_id=chosen()), **common)
        listed = KalturaListEntriesOperator(task_id="list", as_="batches", entry_ids=chosen(), entries_per_slice=3)
        KalturaDownloadToStorageOperator.partial(task_id="mapped", **common).expand(entry_ids=listed.output)
    run = run_dag(dag)
    assert set(states(run).values()) == {"success"}
    assert result_of(run, "few")["total"] == result_of(run, "gathered")["total"] == 4
    assert result_of(run, "none")["total"] == result_of(run, "rendered")["total"] == 0
    assert [one["total"] for one in mapped(run, "mapped")] == [3, 1]
    assert are_right(sandbox, tmp_path / "lake", GOOD)


def test_urls_of_slices(run_dag, sandbox, tmp_path):
    """Mapped tasks write a file each; templates name connection, path and numbers."""
    tag(sandbox, GOOD)
    with DAG("url_batches", schedule=None, start_date=START, params={"most": 2}) as dag:
        listed = KalturaListEntriesOperator(
            task_id="list", listing_root=str(tmp_path), tags="chosen", entries_per_slice=2
        )
        KalturaGetDownloadUrlOperator.partial(
            task_id="urls", report_path=f"{tmp_path}/urls/{{{{ dag.dag_id }}}}/", max_entries="{{ params.most }}"
        ).expand(entries_from=listed.output)
    run = run_dag(dag)
    results = mapped(run, "urls")
    assert len({one["report"] for one in results}) == 2
    lines = [json.loads(line) for one in results for line in Path(one["report"]).read_text().splitlines()]
    assert sorted(line["entryId"] for line in lines) == sorted(GOOD)
    assert all(Path(one["report"]).parent == tmp_path / "urls" / "url_batches" for one in results)


def test_a_retry_fetches_what_did_not_come(run_dag, sandbox, tmp_path):
    """Once the flavor is there the retry succeeds, and what the first try had fetched is not fetched again."""
    sandbox.control.convert_later(small.LATE, 0.5)
    with DAG("batch_retries", schedule=None, start_date=START) as dag:
        KalturaDownloadToStorageOperator(
            task_id="download",
            entry_ids=[*GOOD, small.LATE],
            flavor="source",
            destination=destination(tmp_path),
            on_error="continue",
            max_failures=0,
            max_parallel=1,
            retries=20,
            retry_delay=timedelta(seconds=0.1),
        )
    run = run_dag(dag)
    assert states(run) == {("download", -1): "success"}
    recorded = [row.asset_id for row in rows(open_lake(f"{tmp_path}/lake").store)]
    assert sorted(recorded) == sorted(small.flavor_id_of(entry_id, 0) for entry_id in [*GOOD, small.LATE])


@pytest.mark.usefixtures("sandbox")
def test_hostile_names_make_no_large_xcom(run_dag, tmp_path):
    """Thirty failures below a folder of long names stay within what no task of ours exceeds."""
    root = tmp_path.joinpath(*["ü" * 100] * 8)
    with DAG("batch_hostile", schedule=None, start_date=START) as dag:
        KalturaDownloadToStorageOperator(
            task_id="download",
            entry_ids=[f"0_{'x' * 90}{number:02}" for number in range(30)],
            destination=f"{root}/{{flavorId}}.{{format}}",
            on_error="continue",
        )
    run = run_dag(dag)
    result = result_of(run, "download")
    assert (result["failed"], len(result["failures"])) == (30, 20)
    assert result["report"].startswith(str(root))
    assert len(json.dumps(result)) <= 16 * 1024


@pytest.mark.parametrize("name", ["example_kaltura_on_demand", "example_kaltura_batches"])
def test_params_make_a_form(name):
    """Every parameter has a title, a description and a type; the DAG has the name of its file."""
    dag = load_example(name)
    assert dag.dag_id == Path(dag.fileloc).stem == name
    for param in dag.params.values():
        assert {"title", "type"} <= set(param.schema)
        assert param.description
