"""Storage in DAGs: the example that downloads into a store, the one that takes care of a lake, and what they leave."""

from __future__ import annotations

import json
import os
from contextlib import closing
from datetime import UTC, datetime
from secrets import token_hex
from sqlite3 import connect

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_kaltura.operators import (
    KalturaCleanStorageOperator,
    KalturaDownloadToStorageOperator,
    KalturaVerifyStorageOperator,
)
from airflow_provider_kaltura.sandbox import lifecycle, small
from airflow_provider_kaltura.stores import open_lake
from airflow_provider_kaltura.transfer.protocols import ObjectAttributes
from tests import secret_scan
from tests.dags.conftest import load_example
from tests.dags.test_examples import result_of, states
from tests.servers.seaweed import SeaweedServer

SOURCE = small.flavor_id_of(small.READY, 0)


@pytest.fixture(scope="module")
def seaweed():
    """Give a real S3: SeaweedFS."""
    with SeaweedServer() as running:
        yield running


@pytest.fixture
def bucket(seaweed, monkeypatch):
    """Give an empty bucket, with a connection ``lake`` that may use it."""
    extra = {"endpoint_url": seaweed.endpoint, "region_name": "us-east-1"}
    keys = {"login": seaweed.access_key, "password": seaweed.secret_key}
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps({"conn_type": "aws", **keys, "extra": extra}))
    return seaweed.make_bucket()


@pytest.fixture
def local(run_dag, tmp_path):
    """Give a folder into which the example downloaded one file."""
    conf = {"entry_id": small.READY, "destination": f"{tmp_path}/lake/{{entryId}}.{{format}}"}
    assert states(run_dag(load_example("example_kaltura_to_storage"), conf)) == {("download", -1): "success"}
    return tmp_path / "lake"


def source(sandbox):
    """Give the bytes of the ready entry's source."""
    return sandbox.library.file(SOURCE, "2").read()


def test_the_example_downloads_into_s3(run_dag, sandbox, seaweed, bucket):
    """The object is the source, with the options that the form asked for."""
    conf = {
        "entry_id": small.READY,
        "destination": f"s3://{bucket}/media/{{entryId}}.{{format}}",
        "storage_conn_id": "lake",
        "store_options": {"metadata": {"course": "biology"}, "tags": {"team": "archive"}},
        "max_bytes_per_second": 500_000_000,
    }
    run = run_dag(load_example("example_kaltura_to_storage"), conf)
    assert states(run) == {("download", -1): "success"}
    result = result_of(run, "download")
    assert result["path"] == f"s3://{bucket}/media/{small.READY}.mp4"
    with closing(seaweed.client()) as client:
        stored = client.get_object(Bucket=bucket, Key=f"media/{small.READY}.mp4")
        tags = client.get_object_tagging(Bucket=bucket, Key=f"media/{small.READY}.mp4")["TagSet"]
        assert stored["Body"].read() == source(sandbox)
    assert stored["Metadata"]["course"] == "biology"
    assert stored["Metadata"]["kaltura-flavor"] == SOURCE
    assert tags == [{"Key": "team", "Value": "archive"}]


def test_the_care_of_a_lake_in_s3(run_dag, seaweed, bucket):
    """After a download both tasks are green, and an upload of somebody else stays open."""
    destination = f"s3://{bucket}/media/{{entryId}}.{{format}}"
    conf = {"entry_id": small.READY, "destination": destination, "storage_conn_id": "lake"}
    run_dag(load_example("example_kaltura_to_storage"), conf)
    with closing(seaweed.client()) as client:
        client.create_multipart_upload(Bucket=bucket, Key="media/theirs.bin")
        conf = {"root": f"s3://{bucket}/media", "storage_conn_id": "lake", "level": "checksum"}
        run = run_dag(load_example("example_kaltura_lake_care"), conf)
        assert set(states(run).values()) == {"success"}
        assert len(client.list_multipart_uploads(Bucket=bucket)["Uploads"]) == 1
    verified, cleaned = result_of(run, "verify"), result_of(run, "clean")
    assert (verified["sound"], verified["files"], verified["asked"], verified["leftovers"]) == (True, 1, 1, 1)
    assert verified["provedByStore"] + verified["provedByReading"] == 1
    assert (cleaned["removed"], cleaned["keptForeign"]) == (0, 1)


def test_the_care_of_a_lake_finds_a_changed_object_in_s3(run_dag, seaweed, bucket):
    """Somebody wrote other bytes of the same length under the name: the task fails and is not retried."""
    destination = f"s3://{bucket}/{{entryId}}.{{format}}"
    conf = {"entry_id": small.READY, "destination": destination, "storage_conn_id": "lake"}
    run_dag(load_example("example_kaltura_to_storage"), conf)
    key = f"{small.READY}.mp4"
    with closing(seaweed.client()) as client:
        size = client.head_object(Bucket=bucket, Key=key)["ContentLength"]
        client.put_object(Bucket=bucket, Key=key, Body=b"\0" * size)
    conf = {"root": f"s3://{bucket}", "storage_conn_id": "lake", "level": "checksum"}
    run = run_dag(load_example("example_kaltura_lake_care"), conf)
    assert states(run) == {("clean", -1): "success", ("verify", -1): "failed"}
    with closing(seaweed.client()) as client:
        (report,) = client.list_objects_v2(Bucket=bucket, Prefix="_kaltura/reports/")["Contents"]
        lines = client.get_object(Bucket=bucket, Key=report["Key"])["Body"].read().splitlines()
    assert [(line["kind"], line["path"]) for line in map(json.loads, lines)] == [("wrong_checksum", key)]


def test_the_care_of_a_local_lake(run_dag, local, sandbox):
    """What a killed download left ten days ago is gone, the file is not, and what changed at Kaltura is told."""
    upload = open_lake(str(local)).sink.begin("x.mp4", size_bytes=4, part_bytes=4, attributes=ObjectAttributes())
    upload.put_part(0, b"left")
    for path in local.rglob("*"):
        then = path.stat().st_mtime - 10 * 86_400
        os.utime(path, (then, then))
    lifecycle.set_flavor_status(sandbox.library, SOURCE, lifecycle.CONVERTING)
    run = run_dag(load_example("example_kaltura_lake_care"), {"root": str(local), "level": "checksum"})
    assert set(states(run).values()) == {"success"}
    assert result_of(run, "clean")["removed"] == 1
    verified = result_of(run, "verify")
    assert (verified["sound"], verified["retagged"], verified["changed"]) == (True, 1, 1)
    assert [path.name for path in local.iterdir() if path.is_file()] == [f"{small.READY}.mp4"]


def test_damage_is_told_even_where_the_clean_up_fails(run_dag, local):
    """The second task runs whatever became of the first."""
    (local / f"{small.READY}.mp4").write_bytes(b"")
    run = run_dag(load_example("example_kaltura_lake_care"), {"root": str(local), "older_than": "soon"})
    assert states(run) == {("clean", -1): "failed", ("verify", -1): "failed"}


@pytest.mark.parametrize("name", ["example_kaltura_to_storage", "example_kaltura_lake_care"])
def test_params_make_a_form(name):
    """Every parameter has a title, a description and a type; the DAG has the name of its file."""
    dag = load_example(name)
    assert dag.dag_id == name
    for param in dag.params.values():
        assert {"title", "type"} <= set(param.schema)
        assert param.description


def storage_job(dag_id, bucket, conn_id):
    """Make a DAG that loads into S3, verifies and cleans."""
    root = f"s3://{conn_id}@{bucket}/{dag_id}"
    with DAG(dag_id, schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        download = KalturaDownloadToStorageOperator(task_id="download", entry_id=small.SECURE, destination=f"{root}/")
        verify = KalturaVerifyStorageOperator(
            task_id="verify", root=root, level="checksum", against_kaltura=True, trigger_rule="all_done"
        )
        clean = KalturaCleanStorageOperator(task_id="clean", root=root, trigger_rule="all_done")
        download >> verify >> clean
    return dag


def unreachable(seaweed):
    """A closed port."""
    return {"login": seaweed.access_key, "password": seaweed.secret_key}, "http://127.0.0.1:9"


def refused(seaweed):
    """A wrong key; made here, since Airflow keeps the source of a DAG's file."""
    return {"login": seaweed.access_key, "password": f"{token_hex(12)}/+{token_hex(12)}="}, seaweed.endpoint


def working(seaweed):
    """A right one."""
    return {"login": seaweed.access_key, "password": seaweed.secret_key}, seaweed.endpoint


@pytest.mark.parametrize(
    ("kind", "state"),
    [(working, "success"), (refused, "failed"), (unreachable, "failed")],
    ids=["working", "refused", "unreachable"],
)
def test_the_keys_of_the_storage_are_left_nowhere(
    run_dag, seaweed, bucket, monkeypatch, airflow_database, caplog, capfd, kind, state
):
    """Whether the tasks succeed or fail: neither database nor log nor output has the secret key of the storage."""
    keys, endpoint = kind(seaweed)
    extra = {
        "endpoint_url": endpoint,
        "region_name": "us-east-1",
        "config_kwargs": {"retries": {"total_max_attempts": 1}},
    }
    name = f"keys_{kind.__name__}"
    monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps({"conn_type": "aws", **keys, "extra": extra}))
    run = run_dag(storage_job(name, bucket, name))
    assert set(states(run).values()) == {state}
    known = {keys["password"], small.ADMIN_SECRET}
    found = {
        (finding.place, finding.excerpt)
        for place, text in secret_scan.texts_of_database(airflow_database / "airflow.db")
        for finding in secret_scan.find_in_text(text, known, place, shapes=False)
    }
    captured = capfd.readouterr()
    said = caplog.text + captured.out + captured.err
    assert name in said
    assert (found, list(secret_scan.find_in_text(said, known, "log", shapes=False))) == (set(), [])


def test_the_search_can_fail(airflow_database):
    """A key that stands in the database is found by the search above."""
    with closing(connect(airflow_database / "airflow.db")) as connection, connection:
        connection.execute("CREATE TABLE IF NOT EXISTS planted (value TEXT)")
        connection.execute("INSERT INTO planted VALUES ('the secret not/the+secret=key')")
    try:
        texts = dict(secret_scan.texts_of_database(airflow_database / "airflow.db"))
        found = list(secret_scan.find_in_text(texts["planted.value"], {"not/the+secret=key"}, "planted"))
        assert [finding.place for finding in found] == ["planted"]
    finally:
        with closing(connect(airflow_database / "airflow.db")) as connection, connection:
            connection.execute("DROP TABLE planted")
