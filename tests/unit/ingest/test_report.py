"""Reports: every row whole in both files, nothing that a spreadsheet would run, no secret."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_kaltura.api.errors import AccessRefusedError
from airflow_provider_kaltura.api.models import Entry
from airflow_provider_kaltura.ingest.models import RunOptions
from airflow_provider_kaltura.ingest.report import COLUMNS, Report, entry_columns, of_entry, reason_of, safe_cell
from tests.unit.ingest.fakes import memory_lake

ENTRY = Entry(
    id="0_entry001",
    partner_id=101,
    name='=HYPERLINK("http://evil")',
    description="two\nlines, \ud800 and 日本語",
    user_id="owner",
    creator_id="creator",
    tags=("a", "b"),
    categories=("x>y", "z"),
    duration_ms=4000,
    media_type=1,
    created_at=datetime(2026, 11, 21, 12, tzinfo=UTC),
)
KS = "djJ8MTAxfAABBCCDDEEFFGGHHIIJJKKLLMMNNOOPP"


def written(*rows):
    """Write a report, and give its lines, its cells and its keys."""
    lake = memory_lake()
    with Report(RunOptions(run_id="manual/1", task_id="load")) as report:
        for row in rows:
            report.add(row)
        key = report.write(lake)
    other = key.replace(".jsonl", ".csv")
    lines = [json.loads(line) for line in lake.store.read(key).splitlines()]
    return lines, list(csv.DictReader(io.StringIO(lake.store.read(other).decode(), newline=""))), [key, other]


def test_both_files_have_what_people_asked_for():
    """All columns in order; lists in JSON, text in CSV; times in UTC."""
    (line,), (cells,), keys = written({**entry_columns(ENTRY, ENTRY.id), "outcome": "downloaded", "size": 7})
    assert tuple(line) == tuple(cells) == COLUMNS
    assert (line["tags"], line["createdAt"], line["mediaType"]) == (["a", "b"], "2026-11-21T12:00:00Z", "video")
    assert (cells["categories"], cells["size"], cells["checksum"]) == ("x>y; z", "7", "")
    assert cells["name"] == "'" + ENTRY.name
    assert line["name"] == ENTRY.name
    assert all(key.startswith("_kaltura/reports/batch-") and "manual/1" not in key for key in keys)


def test_names_are_never_used_twice():
    """Two reports of one task stand side by side."""
    assert written()[2] != written()[2]


def test_an_empty_report_has_its_header():
    """No rows is an answer too."""
    lines, cells, _ = written()
    assert (lines, cells) == ([], [])


def test_an_unknown_entry_has_its_id():
    """And nothing else."""
    (line,), _, _ = written(entry_columns(None, "0_gone"))
    assert {name: value for name, value in line.items() if value is not None} == {"entryId": "0_gone"}


@given(st.text())
def test_no_cell_begins_like_a_formula(text):
    """Whatever a stranger calls an entry; and the text can be told from the cell."""
    cell = safe_cell(text)
    kept = text.replace("\x00", "")
    assert cell in {kept, f"'{kept}"}
    assert cell.lstrip()[:1] not in set("=+-@＝＋－＠") or cell.lstrip("-").replace(".", "", 1).isdecimal()  # noqa: RUF001


@pytest.mark.parametrize("value", [-1, 12, "-2", 3.5])
def test_numbers_stay_numbers(value):
    """A status of -2 is no formula."""
    assert safe_cell(value) == str(value)


@given(st.lists(st.text(), min_size=1, max_size=5))
def test_rows_come_back_whole(names):
    """Quotes, newlines and lone surrogates of names break no row."""
    lines, cells, _ = written(*({"entryId": "e", "name": name} for name in names))
    assert len(lines) == len(cells) == len(names)


def test_a_reason_tells_no_session():
    """Whatever an error's text holds."""
    code, reason = reason_of(ValueError(f"http://host/x/ks/{KS}/y failed"))
    assert code == "ValueError"
    assert KS not in reason
    assert reason_of(AccessRefusedError("no", "X_KALTURA_3"))[0] == "X_KALTURA_3"


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("Entry 0_a does not exist.", "Entry 0_a does not exist."),
        ("Entry 0_a: no flavor is ready.", "Entry 0_a: no flavor is ready."),
        ("Entry 0_ab does not exist.", "Entry 0_a: Entry 0_ab does not exist."),
        ("the line broke", "Entry 0_a: the line broke"),
    ],
)
def test_an_entry_is_named_once(reason, said):
    """Many of Kaltura's refusals name it themselves."""
    assert of_entry("0_a", reason) == said
