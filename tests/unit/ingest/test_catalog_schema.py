"""The schema of a catalogue: documented as it is, in agreement with what is read, and proof against odd values."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest

from airflow_provider_kaltura.api.catalog_rows import FIELDS, row_of
from airflow_provider_kaltura.ingest import catalog_schema
from airflow_provider_kaltura.ingest.catalog_schema import SQL_TYPES, TABLES, arrow_schema, arrow_table, json_line
from airflow_provider_kaltura.ingest.errors import MissingExtraError

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "catalog.md"


def documented():
    """Read the tables of the page: name and type of each column, in order."""
    sections = re.findall(r"^### (\w+)\n(.*?)(?=^##)", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    return {name: re.findall(r"^\| `(\w+)` \| ([^|]+) \|", text, re.MULTILINE) for name, text in sections}


def test_the_page_has_the_schema():
    """Every table and column, in order, with its type."""
    assert documented() == {
        table: [(column.name, SQL_TYPES[column.kind]) for column in columns] for table, columns in TABLES.items()
    }


@pytest.mark.parametrize("table", TABLES)
def test_every_column_is_read(table):
    """What is read of Kaltura's objects and what is written have the same names."""
    assert list(FIELDS[table]) == [column.name for column in TABLES[table]]


def test_the_schema_is_what_it_was():
    """Columns may be added at the end; this list of the first version stays as it is."""
    assert [column.name for column in TABLES["categories"]][:19] == [
        *("partner_id", "category_id", "parent_id", "depth", "name", "full_name", "full_ids", "description", "tags"),
        *("owner_id", "reference_id", "status", "privacy_context", "entries_count", "direct_entries_count"),
        *("sub_categories_count", "members_count", "created_at", "updated_at"),
    ]


@pytest.mark.parametrize(
    ("column", "name", "given", "expected"),
    [
        ("duration_ms", "msDuration", "-1", None),
        ("duration_ms", "msDuration", "0", 0),
        ("duration_ms", "msDuration", "12.5", None),
        ("plays", "plays", str(2**63 - 1), 2**63 - 1),
        ("plays", "plays", str(2**63), None),
        ("plays", "plays", "9" * 5000, None),
        ("plays", "plays", "many", None),
        ("last_played_at", "lastPlayedAt", 0, None),
        ("last_played_at", "lastPlayedAt", -1, None),
        ("last_played_at", "lastPlayedAt", 10**13, None),
        ("last_played_at", "lastPlayedAt", "1800000000", datetime(2027, 1, 15, 8, tzinfo=UTC)),
        ("tags", "tags", "b, a,, b ,", ["b", "a", "b"]),
        ("tags", "tags", None, []),
        ("category_ids", "categoriesIds", "3,1,x", [3, 1]),
        ("name", "name", "", None),
        ("name", "name", NotImplemented, None),
        ("name", "name", " é😀\u2028\x7f ", " é😀\u2028\x7f "),
        ("media_type", "mediaType", 201, "201"),
        ("media_type", "mediaType", 5, "audio"),
        ("width", "width", 0, None),
        ("partner_id", "partnerId", None, 7),
    ],
)
def test_odd_values_are_null_or_exact(column, name, given, expected):
    """Through the columns and back."""
    row = row_of("entries", SimpleNamespace(**{name: given}), 7)
    assert row[column] == expected
    assert arrow_table(json_line(row), arrow_schema("entries")).column(column).to_pylist() == [expected]


@pytest.mark.parametrize(
    ("given", "expected"), [("29.97", 29.97), ("0", None), ("nan", None), ("inf", None), ("x", None), (None, None)]
)
def test_rates(given, expected):
    """A rate of 0 is unknown, and nothing that is no number comes through."""
    row = row_of("flavors", SimpleNamespace(frameRate=given), 7)
    assert row["frame_rate"] == expected


@pytest.mark.parametrize(("given", "expected"), [(True, True), ("1", True), (0, False), ("", None), ("maybe", None)])
def test_switches(given, expected):
    """Kaltura has 1 and 0; what is unset is NULL."""
    assert row_of("flavors", SimpleNamespace(isDefault=given), 7)["is_default"] is expected


def test_half_a_letter_does_not_end_an_export():
    """UTF-8 has no place for it."""
    row = row_of("entries", SimpleNamespace(name="a\ud800b"), 7)
    assert arrow_table(json_line(row), arrow_schema("entries")).column("name").to_pylist() == ["a?b"]


@pytest.mark.parametrize("table", TABLES)
def test_no_rows_have_all_columns(table):
    """A table without rows has the same schema."""
    schema = arrow_schema(table)
    assert arrow_table(b"", schema).schema.equals(schema, check_metadata=True)


def test_a_missing_pyarrow_is_told(monkeypatch):
    """With the command that brings it."""
    monkeypatch.setattr(catalog_schema, "find_spec", lambda _name: None)
    with pytest.raises(
        MissingExtraError, match=r"Parquet files need .*pip install 'airflow-provider-kaltura\[catalog\]"
    ):
        catalog_schema.require_pyarrow()


def test_the_queries_of_the_page_run(tmp_path):
    """Each as it stands there, over two accounts in one root; the views have the rows of both."""
    from pyarrow import parquet  # noqa: PLC0415, heavy

    for partner in (1, 2):
        path = f"catalog/{partner}/x"
        for table, columns in TABLES.items():
            row = {column.name: [] if column.kind in {"texts", "numbers"} else None for column in columns}
            folder = tmp_path / path / table / "created_month=2023-01"
            folder.mkdir(parents=True)
            lines = json_line(row | {"partner_id": partner})
            parquet.write_table(arrow_table(lines, arrow_schema(table)), folder / "part-00000.parquet")
        pointer = tmp_path / "_kaltura/catalog/current" / f"{partner}.json"
        pointer.parent.mkdir(parents=True, exist_ok=True)
        pointer.write_text(json.dumps({"path": path, "rows": dict.fromkeys(TABLES, 1)}))
    blocks = re.findall(r"^```sql\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 5
    with duckdb.connect() as database:
        for block in blocks:
            for statement in filter(str.strip, block.replace("/data/lake/", f"{tmp_path}/").split(";")):
                database.execute(statement).fetchall()
        assert database.execute("SELECT partner_id FROM entries ORDER BY 1").fetchall() == [(1,), (2,)]
