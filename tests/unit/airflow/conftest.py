"""Every test that imports Airflow gets a home of its own; connections come from the environment."""

from __future__ import annotations

import json

import pytest

from tests import airflow_home

ADMIN_SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="session")
def home():
    """Give the folder that Airflow uses in this run."""
    return airflow_home.HOME


@pytest.fixture
def define_connection(monkeypatch):
    """Give a function that defines a connection in the environment, as an Airflow worker would find it."""

    def define(conn_id="kaltura_default", **fields):
        connection = {"conn_type": "kaltura", "login": "104", "password": ADMIN_SECRET, **fields}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))
        return conn_id

    return define
