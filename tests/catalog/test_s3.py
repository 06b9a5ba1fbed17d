"""A catalogue in a real S3: written by the operator with Airflow's connection, and read by DuckDB."""

from __future__ import annotations

import json

import pytest

from airflow_provider_kaltura.ingest.catalog_exports import remove_old
from airflow_provider_kaltura.stores import open_lake
from tests.catalog import truth
from tests.catalog.conftest import export
from tests.catalog.reading import rows_of
from tests.catalog.test_atomic import later
from tests.servers.seaweed import SeaweedServer


@pytest.fixture(scope="module")
def seaweed():
    """Run SeaweedFS."""
    with SeaweedServer() as running:
        yield running


def copied(seaweed, bucket, root):
    """Fetch all objects of a bucket into a folder."""
    client = seaweed.client()
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for item in page.get("Contents", []):
            path = root / item["Key"].removeprefix("lake/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(client.get_object(Bucket=bucket, Key=item["Key"])["Body"].read())
    return root


def test_a_catalogue_in_s3(sandbox, seaweed, monkeypatch, tmp_path):
    """The same rows; what a later export removes is gone, and the pointer's stays."""
    bucket = seaweed.make_bucket()
    extra = {"endpoint_url": seaweed.endpoint, "region_name": "us-east-1"}
    fields = {"conn_type": "aws", "login": seaweed.access_key, "password": seaweed.secret_key, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps(fields))
    listed = [row for row in truth.entries(sandbox.library) if row["user_id"] == "user001"]
    root = f"s3://lake@{bucket}/lake"
    for _ in range(2):
        result = export(root, owners="user001")
    assert remove_old(open_lake(root), listed[0]["partner_id"], 1, later(2)) == 1
    copied(seaweed, bucket, tmp_path)
    assert len(list(tmp_path.rglob("*.parquet"))) == result["files"]
    assert {row["entry_id"]: row for row in rows_of(tmp_path, "entries")} == {row["entry_id"]: row for row in listed}
    found = {row["flavor_id"]: row for row in rows_of(tmp_path, "flavors")}
    assert found == {row["flavor_id"]: row for row in truth.flavors(sandbox.library, listed)}
