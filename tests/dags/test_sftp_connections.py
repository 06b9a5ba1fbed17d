"""The download operator with SFTP connections of every kind that a key can have, in a DAG."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_kaltura.operators import KalturaDownloadToStorageOperator
from airflow_provider_kaltura.sandbox import small
from tests.servers.sshd import Sshd


@pytest.fixture(scope="module")
def sshd(tmp_path_factory):
    """An SFTP server of OpenSSH."""
    with Sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


EXTRAS = {
    "key_file": lambda sshd: {"key_file": str(sshd.key_file), "no_host_key_check": "true"},
    "private_key": lambda sshd: {"private_key": sshd.private_key, "no_host_key_check": True},
    "host_key": lambda sshd: {"key_file": str(sshd.key_file), "host_key": public_key(sshd)},
    "host_key_without_kind": lambda sshd: {"private_key": sshd.private_key, "host_key": public_key(sshd).split()[1]},
}


def public_key(sshd):
    """Give the server's public key as OpenSSH writes it."""
    return (sshd.folder / "host_key.pub").read_text().strip()


def define(monkeypatch, sshd, conn_id, extra):
    """Define a connection by its environment variable."""
    connection = {
        "conn_type": "sftp",
        "host": "127.0.0.1",
        "port": sshd.port,
        "login": sshd.user,
        "extra": extra,
    }
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))


def download(dag_id, destination, **arguments):
    """Make a DAG with one download."""
    with DAG(dag_id, schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        KalturaDownloadToStorageOperator(task_id="download", entry_id=small.READY, destination=destination, **arguments)
    return dag


@pytest.fixture
def key_lines(sshd):
    """Every line of the private key that tells something."""
    return [line for line in sshd.private_key.splitlines() if line and not line.startswith("-----")]


@pytest.mark.parametrize("kind", EXTRAS)
def test_a_file_arrives_by_sftp(run_dag, sshd, tmp_path, monkeypatch, caplog, capfd, key_lines, kind):
    """The file stands on the server with all its bytes, and neither log nor output shows the key."""
    caplog.set_level(logging.DEBUG)
    define(monkeypatch, sshd, f"sftp_{kind}", EXTRAS[kind](sshd))
    run = run_dag(download(f"sftp_{kind}", f"sftp://sftp_{kind}@127.0.0.1{tmp_path}/lake/"))
    assert {str(ti.state) for ti in run.get_task_instances()} == {"success"}
    found = [path for path in (tmp_path / "lake").rglob("*") if path.is_file() and "_kaltura" not in path.parts]
    assert len(found) == 1
    assert found[0].stat().st_size > 0
    captured = capfd.readouterr()
    said = caplog.text + captured.out + captured.err
    assert "download" in said
    assert [line for line in key_lines if line in said] == []
