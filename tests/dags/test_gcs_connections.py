"""The download operator with Google's connections of the kinds that need no account there, in a DAG."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

import pytest
from airflow.providers.common.compat.sdk import DAG
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from airflow_provider_kaltura.operators import KalturaDownloadToStorageOperator
from airflow_provider_kaltura.sandbox import small
from airflow_provider_kaltura.stores import open_lake
from tests.servers.gcs_emulator import LOCKED, GcsEmulator

#: How the hook is told of a key.
KEYS = ["key_path", "keyfile_dict", "keyfile_dict_as_text"]


@pytest.fixture(scope="module")
def emulator():
    """The emulator, with the bucket that wants a token."""
    with GcsEmulator() as running:
        running.make_bucket(LOCKED)
        yield running


@pytest.fixture(scope="module")
def key(emulator):
    """A service account's key of our own making, whose tokens come from the emulator."""
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private_key = made.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "type": "service_account",
        "project_id": "test",
        "private_key_id": "1",
        "private_key": private_key.decode(),
        "client_email": "mover@test.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": f"{emulator.url}/token",
    }


@pytest.fixture
def define(emulator, monkeypatch):
    """Define a connection beside the emulator's address."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator.url)

    def with_extra(conn_id, extra):
        connection = {"conn_type": "google_cloud_platform", "extra": extra}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))

    return with_extra


def download(dag_id, destination, **arguments):
    """Make a DAG with one download."""
    with DAG(dag_id, schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        KalturaDownloadToStorageOperator(task_id="download", entry_id=small.READY, destination=destination, **arguments)
    return dag


def states(run):
    """Give the states of the tasks."""
    return {str(ti.state) for ti in run.get_task_instances()}


def content_of(root, emulator, bucket, prefix):
    """Give the one file below a prefix."""
    names = [one["name"] for one in emulator.objects(bucket) if one["name"].startswith(prefix)]
    (name,) = (name for name in names if "_kaltura/" not in name)
    return open_lake(root).store.read(name.removeprefix(prefix))


@pytest.mark.parametrize("kind", KEYS)
def test_a_key_opens_the_bucket(run_dag, sandbox, emulator, key, define, tmp_path, caplog, capfd, kind):
    """The file arrives with every byte, each request carries a token, and no log shows the key."""
    caplog.set_level(logging.DEBUG)
    path = tmp_path / "key.json"
    path.write_text(json.dumps(key))
    extras = {
        "key_path": {"key_path": str(path)},
        "keyfile_dict": {"keyfile_dict": key},
        "keyfile_dict_as_text": {"keyfile_dict": json.dumps(key)},
    }
    define(f"gcs_{kind}", extras[kind])
    emulator.requests()
    root = f"gs://gcs_{kind}@{LOCKED}/{kind}/"
    assert states(run_dag(download(f"gcs_{kind}", root))) == {"success"}
    asked = [one for one in emulator.requests() if one["path"] != "/token"]
    assert asked
    assert all(one["has_token"] for one in asked)
    found = content_of(root, emulator, LOCKED, f"{kind}/")
    assert found == sandbox.library.file(small.flavor_id_of(small.READY, 0), "2").read()
    captured = capfd.readouterr()
    said = caplog.text + captured.out + captured.err
    assert [line for line in key["private_key"].splitlines()[1:-1] if line in said] == []


def test_an_anonymous_connection(run_dag, sandbox, emulator, define):
    """A bucket that anybody may write to is written without a token."""
    bucket = emulator.make_bucket()
    define("gcs_anonymous", {"is_anonymous": True})
    emulator.requests()
    assert states(run_dag(download("gcs_anonymous", f"gs://gcs_anonymous@{bucket}/lake/"))) == {"success"}
    assert not any(one["has_token"] for one in emulator.requests())
    found = content_of(f"gs://gcs_anonymous@{bucket}/lake/", emulator, bucket, "lake/")
    assert found == sandbox.library.file(small.flavor_id_of(small.READY, 0), "2").read()


def test_an_anonymous_connection_does_not_open_the_locked_bucket(run_dag, define):
    """The task fails, and writes nothing."""
    define("gcs_refused", {"is_anonymous": True})
    assert states(run_dag(download("gcs_refused", f"gs://gcs_refused@{LOCKED}/refused/"))) == {"failed"}
