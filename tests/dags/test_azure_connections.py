"""The download operator with Azure connections of every kind that needs no account in the cloud, in a DAG."""

from __future__ import annotations

import base64
import json
import logging
import secrets
from datetime import UTC, datetime

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_kaltura.operators import KalturaDownloadToStorageOperator
from airflow_provider_kaltura.sandbox import small
from tests import secret_scan
from tests.servers.azurite import AzuriteServer

#: What each kind of connection has besides the account's URL and name.
KINDS = {
    "password": lambda azurite, _token: {"password": azurite.key},
    "shared_access_key": lambda azurite, _token: {"extra": {"shared_access_key": azurite.key}},
    "account_key": lambda azurite, _token: {"extra": {"account_key": azurite.key}},
    "connection_string": lambda azurite, _token: {"extra": {"connection_string": azurite.connection_string}},
    "sas_token": lambda _azurite, token: {"extra": {"sas_token": token}},
}
#: Those that can't work, and what the log says about them.
REFUSED = {
    "no_credentials": (
        lambda _azurite, _token: {},
        "can't be used for Azure Blob Storage: give an account name with its key",
    ),
    "wrong_key": (
        # Airflow keeps the DAG's source, which is this file: the key may not stand in it.
        lambda _azurite, _token: {"password": base64.b64encode(secrets.token_bytes(64)).decode()},
        "Azure refuses the connection's credentials",
    ),
    "read_only": (
        lambda azurite, _token: {"extra": {"sas_token": azurite.sas("rl")}},
        "Azure refuses the connection's credentials, or they lack a right to this",
    ),
}


@pytest.fixture(scope="module")
def azurite():
    """Microsoft's emulator of Azure Blob Storage."""
    with AzuriteServer() as server:
        yield server


def define(monkeypatch, azurite, conn_id, fields):
    """Define a connection by its environment variable."""
    connection = {"conn_type": "wasb", "host": azurite.endpoint, "login": azurite.account, **fields}
    if "connection_string" in fields.get("extra", {}):
        del connection["host"], connection["login"]
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))


def download(dag_id, destination):
    """Make a DAG with one download."""
    with DAG(dag_id, schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        KalturaDownloadToStorageOperator(task_id="download", entry_id=small.READY, destination=destination)
    return dag


def shown(hidden, texts, home):
    """Look for secrets in texts, in the logs that Airflow keeps, and in its database."""
    logs = [path.read_text(errors="replace") for path in (home / "logs").rglob("*") if path.is_file()]
    rows = [text for _, text in secret_scan.texts_of_database(home / "airflow.db")]
    return [secret for secret in hidden for text in (*texts, *logs, *rows) if secret in text]


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_arrives_in_azure(run_dag, azurite, monkeypatch, caplog, capfd, airflow_database, kind):
    """The blob has all bytes, type and metadata, and neither log, output nor database shows key or signature."""
    caplog.set_level(logging.DEBUG)
    token, container = azurite.sas(), azurite.make_container()
    define(monkeypatch, azurite, f"azure_{kind}", KINDS[kind](azurite, token))
    run = run_dag(download(f"azure_{kind}", f"abfs://azure_{kind}@{container}/lake/"))
    assert {str(ti.state) for ti in run.get_task_instances()} == {"success"}
    with azurite.service() as service:
        client = service.get_container_client(container)
        (found,) = [blob for blob in client.list_blobs(include=["metadata"]) if "/_kaltura/" not in blob.name]
    assert found.size > 0
    assert found.content_settings.content_type == "video/mp4"
    assert found.metadata["kaltura_entry"] == small.READY
    captured = capfd.readouterr()
    assert "download" in caplog.text + captured.out + captured.err
    hidden = (azurite.key, token.rpartition("sig=")[2])
    assert shown(hidden, (caplog.text, captured.out, captured.err), airflow_database) == []


@pytest.mark.parametrize("kind", REFUSED)
def test_a_connection_that_can_not_write_says_so(run_dag, azurite, monkeypatch, caplog, capfd, airflow_database, kind):
    """The task fails with what to do about it, without the secret."""
    caplog.set_level(logging.DEBUG)
    fields, text = REFUSED[kind]
    token, container = azurite.sas(), azurite.make_container()
    made = fields(azurite, token)
    define(monkeypatch, azurite, f"azure_{kind}", made)
    run = run_dag(download(f"azure_{kind}", f"abfs://azure_{kind}@{container}/lake/"))
    assert {str(ti.state) for ti in run.get_task_instances()} == {"failed"}
    captured = capfd.readouterr()
    said = caplog.text + captured.out + captured.err
    assert text in said
    secret = made.get("password") or made.get("extra", {}).get("sas_token", azurite.key).rpartition("sig=")[2]
    assert shown((secret,), (said,), airflow_database) == []
