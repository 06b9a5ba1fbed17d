"""What a run leaves in Airflow's database: no secret, but where one was asked for."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_kaltura.api import secrets
from airflow_provider_kaltura.operators import KalturaDownloadToStorageOperator, KalturaGetDownloadUrlOperator
from airflow_provider_kaltura.sandbox import small
from airflow_provider_kaltura.sensors import KalturaFlavorReadySensor
from tests import secret_scan

METHODS = {
    "admin_secret": {},
    "session_start": {"extra": {"auth_method": "session_start"}},
    "app_token": {"password": small.APP_TOKEN, "extra": {"app_token_id": small.APP_TOKEN_ID}},
    "ks": {"extra": {"auth_method": "ks"}},
}


def main_job(dag_id, tmp_path, **url_arguments):
    """Make a DAG with the three tasks, for an entry whose media need a session."""
    with DAG(dag_id, schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        wait = KalturaFlavorReadySensor(task_id="wait", entry_id=small.SECURE, deferrable=True, poke_interval=0.5)
        url = KalturaGetDownloadUrlOperator(task_id="url", entry_id=small.SECURE, **url_arguments)
        download = KalturaDownloadToStorageOperator(
            task_id="download", download=url.output, destination=f"{tmp_path}/{dag_id}.mp4"
        )
        wait >> url >> download
    return dag


def findings(home, known):
    """Look for secrets in all rows of the database that belong to this DAG's run, and in rows of triggers."""
    found = []
    for place, text in secret_scan.texts_of_database(home / "airflow.db"):
        found.extend(secret_scan.find_in_text(text, known, place))
    return {finding.place for finding in found}


def define(monkeypatch, sandbox, **fields):
    """Define the default connection."""
    connection = {
        "conn_type": "kaltura",
        "host": sandbox.base_url,
        "login": str(small.PARTNER_ID),
        "password": small.ADMIN_SECRET,
        **fields,
    }
    monkeypatch.setenv("AIRFLOW_CONN_KALTURA_DEFAULT", json.dumps(connection))


@pytest.fixture
def known_secrets():
    """Collect every secret that this process meets, and those of the sandbox."""
    known = {small.ADMIN_SECRET, small.APP_TOKEN, small.USER_SECRET}
    secrets.register(known.add)
    yield known
    secrets.unregister(known.add)


@pytest.mark.parametrize("method", METHODS)
def test_no_secret_is_left_in_the_database(
    run_dag, sandbox, tmp_path, monkeypatch, airflow_database, known_secrets, method
):
    """XComs, rendered fields, serialised DAGs and triggers hold no secret, app token or KS, whatever the method."""
    fields = dict(METHODS[method])
    if method == "ks":
        from airflow_provider_kaltura.hooks import KalturaHook  # noqa: PLC0415, only here

        fields["password"] = KalturaHook().api.runtime.sessions.get().ks
    define(monkeypatch, sandbox, **fields)
    run = run_dag(main_job(f"plain_{method}", tmp_path))
    assert {str(ti.state) for ti in run.get_task_instances()} == {"success"}
    assert any(secret.startswith("djJ8") for secret in known_secrets)
    assert findings(airflow_database, known_secrets) == set()


def test_a_signed_url_is_found_where_it_was_asked_for(run_dag, tmp_path, airflow_database, known_secrets):
    """The search can fail: with url_in_xcom="signed" it finds the URL in the XCom and the rendered fields, only."""
    run = run_dag(main_job("signed", tmp_path, url_in_xcom="signed"))
    assert {str(ti.state) for ti in run.get_task_instances()} == {"success"}
    places = findings(airflow_database, known_secrets)
    assert "xcom.value" in places
    assert places <= {"xcom.value", "rendered_task_instance_fields.rendered_fields"}


@pytest.fixture(autouse=True)
def _clean_database(airflow_database):
    """Forget XComs and rendered fields of other tests."""
    import sqlite3  # noqa: PLC0415, the tests' own business

    with closing(sqlite3.connect(airflow_database / "airflow.db")) as connection, connection:
        for table in ("xcom", "rendered_task_instance_fields"):
            connection.execute(f"DELETE FROM {table}")  # noqa: S608, fixed names
