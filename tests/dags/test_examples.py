"""The example DAGs run as they are: on this Airflow, against the sandbox, and the bytes are right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_provider_kaltura.sandbox import lifecycle, small
from airflow_provider_kaltura.sandbox.library import FLAVOR
from tests.dags.conftest import load_example


def states(run):
    """Give the state of each task instance, by task and map index."""
    return {(ti.task_id, ti.map_index): str(ti.state) for ti in run.get_task_instances()}


def result_of(run, task_id, map_index=-1):
    """Give what a task instance returned."""
    (instance,) = [ti for ti in run.get_task_instances() if (ti.task_id, ti.map_index) == (task_id, map_index)]
    return instance.xcom_pull(task_ids=task_id, map_indexes=map_index)


def test_download_example_lands_the_right_bytes(run_dag, sandbox, tmp_path):
    """Wait, URL, download: three tasks green, the file is the source."""
    conf = {"entry_id": small.READY, "destination": f"{tmp_path}/{{entryId}}.{{format}}"}
    run = run_dag(load_example("example_kaltura_download"), conf)
    assert set(states(run).values()) == {"success"}
    assert len(states(run)) == 3
    source = sandbox.library.file(small.flavor_id_of(small.READY, 0), "2").read()
    assert (tmp_path / f"{small.READY}.mp4").read_bytes() == source


def test_download_example_defers_until_the_late_flavor_is_ready(run_dag, sandbox, tmp_path):
    """The sensor is deferred, its trigger waits, and the flavor that came late is downloaded."""
    vars(sandbox.library).update(vars(small.library(ready_after_seconds=2)))
    conf = {"entry_id": small.LATE, "flavor": "smallest", "destination": f"{tmp_path}/{{entryId}}.{{format}}"}
    run = run_dag(load_example("example_kaltura_download"), conf)
    assert set(states(run).values()) == {"success"}
    smallest = sandbox.library.file(small.flavor_id_of(small.LATE, 2), "2").read()
    assert (tmp_path / f"{small.LATE}.mp4").read_bytes() == smallest


def test_download_example_fails_at_once_for_an_image(run_dag, tmp_path):
    """An entry that never has a flavor fails the sensor, and nothing after it runs."""
    conf = {"entry_id": small.IMAGE, "destination": f"{tmp_path}/a.mp4"}
    run = run_dag(load_example("example_kaltura_download"), conf)
    assert states(run)["wait_for_flavor", -1] == "failed"
    assert states(run)["download", -1] == "upstream_failed"
    assert list(tmp_path.iterdir()) == []


def test_download_example_takes_another_connection(run_dag, tmp_path):
    """The form's connection is the one that is used: one that does not exist fails."""
    conf = {"entry_id": small.READY, "kaltura_conn_id": "other", "destination": f"{tmp_path}/a.mp4"}
    run = run_dag(load_example("example_kaltura_download"), conf)
    assert states(run)["wait_for_flavor", -1] == "failed"


def test_expand_example_downloads_each_entry(run_dag, sandbox, tmp_path):
    """One mapped task per entry, for the URL and for the download."""
    conf = {
        "entry_ids": [small.READY, small.UNICODE, small.SECURE],
        "flavor": "smallest",
        "destination": f"{tmp_path}/{{entryId}}.{{format}}",
    }
    run = run_dag(load_example("example_kaltura_expand"), conf)
    assert set(states(run).values()) == {"success"}
    for index, entry_id in enumerate(conf["entry_ids"]):
        assert ("get_download_url", index) in states(run)
        flavor_id = small.flavor_id_of(entry_id, 2)
        assert (tmp_path / f"{entry_id}.mp4").read_bytes() == sandbox.library.file(flavor_id, "2").read()


def test_expand_example_keeps_entries_apart(run_dag, sandbox, tmp_path):
    """One entry that fails does not keep the others from being mapped and fetched."""
    lifecycle.set_flavor_status(sandbox.library, small.flavor_id_of(small.UNICODE, 2), lifecycle.ERROR)
    conf = {
        "entry_ids": [small.READY, small.UNICODE],
        "flavor": "params:2",
        "destination": f"{tmp_path}/{{entryId}}.{{format}}",
    }
    run = run_dag(load_example("example_kaltura_expand"), conf)
    assert states(run)["get_download_url", 0] == "success"
    assert states(run)["get_download_url", 1] == "failed"


@pytest.mark.parametrize("name", ["example_kaltura_download", "example_kaltura_expand"])
def test_params_make_a_form(name):
    """Every parameter has a title, a description and a type, so that the trigger form explains itself."""
    dag = load_example(name)
    for param in dag.params.values():
        schema = param.schema if hasattr(param, "schema") else {}
        assert {"title", "type"} <= set(schema), schema
        assert param.description


def test_what_the_form_asks_for():
    """These names are what REST callers put into conf."""
    assert set(load_example("example_kaltura_download").params) == {
        "entry_id",
        "flavor",
        "destination",
        "kaltura_conn_id",
    }


@pytest.mark.parametrize("name", ["example_kaltura_download", "example_kaltura_expand"])
def test_dag_id_is_the_file_name(name):
    """People find the file by the name of the DAG."""
    assert load_example(name).dag_id == name
    assert Path(load_example(name).fileloc).stem == name


def test_flavor_is_that_of_the_library(sandbox):
    """The sandbox's own flavors are what the tests above compare with."""
    assert small.flavor_id_of(small.READY, 0) in sandbox.library.assets[FLAVOR]


def test_mark_archived_example_adds_a_tag_once(run_dag, sandbox, tmp_path):
    """The file lands, the entry has one more tag beside its own, and a second run sends no change at all."""
    entry = sandbox.library.entries[small.READY]
    with sandbox.library.changing(small.READY) as changed:
        changed["tags"] = "sea, two words"
    before = dict(entry)
    conf = {"entry_id": small.READY, "destination": f"{tmp_path}/{{entryId}}.{{format}}"}
    run = run_dag(load_example("example_kaltura_mark_archived"), conf)
    assert result_of(run, "mark_archived") is True
    assert entry["tags"] == "sea, two words, archived"
    moved = {name for name in entry if entry[name] != before[name]}
    assert moved <= {"tags", "updatedAt"}
    again = run_dag(load_example("example_kaltura_mark_archived"), conf)
    assert set(states(again).values()) == {"success"}
    assert result_of(again, "download")["outcome"] == "skipped"
    assert result_of(again, "mark_archived") is False
    assert sandbox.log.action_counts()["media.update"] == 1


def test_mark_archived_example_marks_nothing_that_is_not_proved(run_dag, sandbox, tmp_path):
    """A file that stood there and has the right length only is not called archived."""
    source = sandbox.library.file(small.flavor_id_of(small.READY, 0), "2").read()
    (tmp_path / f"{small.READY}.mp4").write_bytes(source)
    conf = {"entry_id": small.READY, "destination": f"{tmp_path}/{{entryId}}.{{format}}"}
    run = run_dag(load_example("example_kaltura_mark_archived"), conf)
    assert result_of(run, "download")["outcome"] == "adopted"
    assert states(run)["mark_archived", -1] == "failed"
    assert "media.update" not in sandbox.log.action_counts()


def test_captions_example_writes_nothing_for_no_entries(run_dag, tmp_path):
    """What its form has by default: there is no report to read; rows of an earlier run stay."""
    (tmp_path / "captions.jsonl").write_text("earlier")
    run = run_dag(load_example("example_kaltura_captions"), {"folder": str(tmp_path)})
    assert states(run) == {("captions", -1): "success", ("write_rows", -1): "skipped"}
    assert (tmp_path / "captions.jsonl").read_text() == "earlier"


def test_captions_example_writes_a_row_for_each_caption_line(run_dag, sandbox, tmp_path):
    """Entry id, language, times and text of all captions; a second run fetches nothing and writes the same."""
    conf = {"entry_ids": [small.READY, small.UNICODE], "folder": str(tmp_path)}
    first = run_dag(load_example("example_kaltura_captions"), conf)
    assert set(states(first).values()) == {"success"}
    written = (tmp_path / "captions.jsonl").read_text()
    lines = [json.loads(line) for line in written.splitlines()]
    assert {(line["entryId"], line["language"]) for line in lines} == {(small.READY, "en"), (small.READY, "de")}
    english = sandbox.library.file("0_captions", "2").read().decode()
    assert all(line["text"] in english for line in lines if line["language"] == "en")
    assert [line["startMs"] < line["endMs"] for line in lines] == [True] * len(lines)
    again = run_dag(load_example("example_kaltura_captions"), conf)
    assert result_of(again, "captions")["downloaded"] == 0
    # Files are told of as they come.
    assert sorted((tmp_path / "captions.jsonl").read_text().splitlines()) == sorted(written.splitlines())
