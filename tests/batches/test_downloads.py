"""A thousand small files by one task: the lake equals the library, in few requests and little memory."""

from __future__ import annotations

import csv
import json

import psutil
import pytest

from airflow_provider_kaltura.ingest.batch import download_batch
from airflow_provider_kaltura.ingest.batch_choice import parse_batch_flavor
from airflow_provider_kaltura.ingest.batch_models import BatchOptions
from airflow_provider_kaltura.ingest.destination import Destination
from airflow_provider_kaltura.ingest.sources import HttpSources
from airflow_provider_kaltura.sandbox.library import FLAVOR
from airflow_provider_kaltura.stores import open_lake
from tests.batches.conftest import ENTRIES, FUTURE, REJECTED, SECURE

MOST_BYTES = 150 * 1024 * 1024


@pytest.fixture
def load(tmp_path):
    """Download entries, the way the operator will."""

    def load_all(api, entry_ids, flavor="source", **more):
        destination = Destination.parse(f"{tmp_path}/{{entryId}}/{{flavorId}}.{{format}}")
        options = BatchOptions(flavor=parse_batch_flavor(flavor), max_parallel=4, **more)
        with HttpSources.of(api.config) as sources:
            return download_batch(
                api, entry_ids, destination, open_lake(destination.root), options, open_source=sources
            )

    return load_all


def wrong_files(sandbox, folder, entry_ids, *, are_all):
    """Compare what stands with what the library has."""
    wrong = []
    for entry_id in entry_ids:
        flavors = sandbox.library.entry_assets[FLAVOR][entry_id]
        for flavor in flavors if are_all else [one for one in flavors if one["isOriginal"]]:
            path = folder / entry_id / f"{flavor['id']}.{flavor['fileExt']}"
            if not path.is_file() or path.read_bytes() != sandbox.library.file(flavor["id"], flavor["version"]).read():
                wrong.append(path)
    return wrong


def test_a_thousand_files_and_then_nothing(api, load, sandbox, entry_ids, requests, tmp_path):
    """All files, 20 requests or so; a second run moves nothing and asks for no URL; memory stays small."""
    before = psutil.Process().memory_info().rss
    first = load(api, entry_ids)
    asked = len(requests())
    grown = psutil.Process().memory_info().rss - before
    assert first.as_dict() | {"seconds": 0, "report": "", "bytes": 0} == {
        "total": ENTRIES,
        "downloaded": ENTRIES,
        "skipped": 0,
        "failed": 0,
        "bytes": 0,
        "seconds": 0,
        "report": "",
        "failures": [],
    }
    assert wrong_files(sandbox, tmp_path, entry_ids, are_all=False) == []
    assert len(json.dumps(first.as_dict())) < 16_000
    assert grown < MOST_BYTES
    assert asked <= 40
    second = load(api, entry_ids)
    assert (second.skipped, second.downloaded) == (ENTRIES, 0)
    assert len(requests()) == asked + 3
    print(asked, "requests,", first.seconds, "s,", second.seconds, "s,", grown // 2**20, "MiB")  # noqa: T201 - figures


def test_each_flavor_of_a_hundred_entries(api, load, sandbox, entry_ids, tmp_path):
    """800 files."""
    summary = load(api, entry_ids[:100], "each")
    assert (summary.downloaded, summary.failed) == (800, 0)
    assert wrong_files(sandbox, tmp_path, entry_ids[:100], are_all=True) == []


def test_what_a_user_may_not_have_fails_alone(make_api, load, sandbox, entry_ids, tmp_path):
    """Three failures with their reasons, 997 files, and a row for each in both reports."""
    api = make_api(session_type="user", user_id="somebody", privileges=("list:*",))
    summary = load(api, entry_ids, on_error="continue")
    assert (summary.downloaded, summary.failed) == (ENTRIES - 3, 3)
    refused = {entry_ids[SECURE]: "X_KALTURA_3", entry_ids[FUTURE]: "X_KALTURA_2", entry_ids[REJECTED]: "X_KALTURA_13"}
    assert {one["entryId"]: one["code"] for one in summary.failures} == refused
    with open(summary.report, encoding="utf-8") as lines:  # noqa: PTH123 - the summary has a text
        assert sorted(json.loads(line)["entryId"] for line in lines) == sorted(entry_ids)
    with open(summary.report.replace(".jsonl", ".csv"), encoding="utf-8", newline="") as cells:  # noqa: PTH123 - as above
        assert sorted(row["entryId"] for row in csv.DictReader(cells)) == sorted(entry_ids)
    rest = [entry_id for entry_id in entry_ids if entry_id not in refused]
    assert wrong_files(sandbox, tmp_path, rest, are_all=False) == []
