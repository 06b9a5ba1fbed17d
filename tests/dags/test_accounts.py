"""One DAG over several accounts: their files, rows, cursors and catalogues stay apart."""

from __future__ import annotations

import hashlib
import json
import os
from datetime import UTC, datetime

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_kaltura.api.runtime import forget_all
from airflow_provider_kaltura.operators import KalturaExportCatalogOperator, KalturaSyncToStorageOperator
from airflow_provider_kaltura.sandbox import small
from airflow_provider_kaltura.sandbox.library import FLAVOR, Partner
from tests.dags.test_examples import result_of, states

OTHER_PARTNER = 1002
# Computed, since Airflow keeps this file's text in its database, where other tests look for secrets.
OTHER_SECRET = hashlib.sha256(b"another account").hexdigest()[:32]
FIRST, OTHER = small.READY, small.UNICODE
CONNECTIONS = ["kaltura_default", "kaltura_other"]


@pytest.fixture
def accounts(sandbox, monkeypatch):
    """Give a second account one of the first one's entries, and a connection."""
    library = sandbox.library
    library.partners[OTHER_PARTNER] = Partner(OTHER_PARTNER, "unused", OTHER_SECRET, "Other")
    entry = library.entries[OTHER]
    library.partner_entries[small.PARTNER_ID].remove(entry)
    library.partner_entries[OTHER_PARTNER] = [entry]
    for owned in (entry, *library.entry_assets[FLAVOR][OTHER]):
        owned["partnerId"] = OTHER_PARTNER
    first = json.loads(os.environ["AIRFLOW_CONN_KALTURA_DEFAULT"])
    other = first | {"login": str(OTHER_PARTNER), "password": OTHER_SECRET}
    monkeypatch.setenv("AIRFLOW_CONN_KALTURA_OTHER", json.dumps(other))
    forget_all()
    return sandbox


def make_dag(destination, root):
    """Make a DAG with one task per account, for the sync and for the catalogue."""
    with DAG(dag_id="accounts", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        synced = KalturaSyncToStorageOperator.partial(
            task_id="sync", destination=destination, state_root=str(root), flavor="source", max_failures=0
        ).expand(kaltura_conn_id=CONNECTIONS)
        exported = KalturaExportCatalogOperator.partial(task_id="catalogue", root=str(root)).expand(
            kaltura_conn_id=CONNECTIONS
        )
        synced >> exported
    return dag


def files(root):
    """Give the files of a lake that are not its state, by name."""
    return {
        name: file.read_bytes()
        for file in root.rglob("*")
        if file.is_file() and not (name := str(file.relative_to(root))).startswith(("_kaltura/", "catalog/"))
    }


def rows(root):
    """Give the manifest's rows of files."""
    found = [json.loads(line) for file in (root / "_kaltura/manifest").rglob("*.jsonl") for line in file.open()]
    return [row for row in found if row["assetType"] == "flavor"]


def test_accounts_stay_apart_in_one_lake(run_dag, accounts, tmp_path):
    """Each file, row, cursor and catalogue says whose it is, and a second run fetches nothing."""
    dag = make_dag(f"{tmp_path}/{{partnerId}}/{{entryId}}.{{format}}", tmp_path)
    run = run_dag(dag)
    assert set(states(run).values()) == {"success"}
    landed = files(tmp_path)
    by_account = {small.PARTNER_ID: FIRST, OTHER_PARTNER: OTHER}
    for partner_id, entry_id in by_account.items():
        source = accounts.library.file(small.flavor_id_of(entry_id, 0), "2").read()
        assert landed[f"{partner_id}/{entry_id}.mp4"] == source
        assert (tmp_path / f"_kaltura/catalog/current/{partner_id}.json").exists()
    assert [name for name in landed if name.startswith(f"{OTHER_PARTNER}/")] == [f"{OTHER_PARTNER}/{OTHER}.mp4"]
    assert {(row["partnerId"], row["path"].split("/")[0]) for row in rows(tmp_path)} == {
        (partner_id, str(partner_id)) for partner_id in by_account
    }
    cursors = {file.name.split("-")[0] for file in (tmp_path / "_kaltura/cursor").iterdir()}
    assert cursors == {str(partner_id) for partner_id in by_account}
    again = run_dag(dag)
    assert [result_of(again, "sync", index)["planned"] for index in (0, 1)] == [0, 0]
    assert files(tmp_path) == landed


def test_a_name_of_another_account_is_not_taken(run_dag, accounts, tmp_path):
    """Two accounts with one name for two files: the second one's task fails and says so, and the first file stays."""
    name = accounts.library.entries[FIRST]["name"]
    with accounts.library.changing(OTHER) as entry:
        entry["name"] = name
    run = run_dag(make_dag(f"{tmp_path}/{{entryName}}-{{flavorParamsId}}.{{format}}", tmp_path))
    assert states(run)["sync", 0] == "success"
    assert states(run)["sync", 1] == "failed"
    (stands,) = [data for key, data in files(tmp_path).items() if key.startswith(name)]
    assert stands == accounts.library.file(small.flavor_id_of(FIRST, 0), "2").read()
    assert {row["partnerId"] for row in rows(tmp_path)} == {small.PARTNER_ID}
