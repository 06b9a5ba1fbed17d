"""A library of a few thousand entries with odd ones among them, and exports of it by the operator."""

from __future__ import annotations

import json

import pytest

from airflow_provider_kaltura.api.runtime import forget_all
from airflow_provider_kaltura.operators import KalturaExportCatalogOperator
from airflow_provider_kaltura.sandbox import rules, small
from airflow_provider_kaltura.sandbox.server import serve
from tests import airflow_home

ENTRIES = 2_000
HOSTILE = "Robert'); DROP TABLE entries;--\u2028 \"é\" 😀 日本語 \t=cmd|' /C calc'!A0, </name>&amp;"
#: By number: what is odd about an entry.
ODD = {
    10: {"name": HOSTILE, "description": "x" * 200_000, "tags": "a, a, b  c, é😀"},
    11: {"msDuration": -5, "plays": 0, "views": None, "lastPlayedAt": 0},
    12: {"tags": "", "categories": "", "categoriesIds": "", "referenceId": "", "userId": ""},
    13: {"partnerData": json.dumps({"a": [1, None, "\\"]}), "startDate": 4_102_444_800, "endDate": 4_133_980_799},
    14: {"plays": 2**53 + 1, "views": 2**31, "name": "NULL", "description": "None"},
}


def connection(url):
    """Write the connection as an Airflow worker would find it."""
    fields = {"conn_type": "kaltura", "host": url, "login": str(small.PARTNER_ID), "password": small.ADMIN_SECRET}
    return json.dumps(fields)


def make_odd(library):
    """Change some entries of a library into odd ones."""
    media = [number for number in range(library.size) if library.shown(number)["type"] == 1]
    for place, properties in ODD.items():
        with library.changing(library.entry_id(media[place])) as entry:
            entry.update(properties)


@pytest.fixture(scope="session")
def running():
    """Serve such a library."""
    assert airflow_home.HOME.is_dir()
    library = rules.library(entries=ENTRIES, seed=3)
    make_odd(library)
    with serve(library, kept_requests=1_000) as server:
        yield server


@pytest.fixture
def sandbox(running, monkeypatch):
    """Give the server, and the default connection to it."""
    running.control.faults.clear()
    forget_all()
    monkeypatch.setenv("AIRFLOW_CONN_KALTURA_DEFAULT", connection(running.base_url))
    yield running
    forget_all()


def export(root, **words):
    """Export once, as a task would."""
    return KalturaExportCatalogOperator(task_id="catalog", root=str(root), **words).execute({})
