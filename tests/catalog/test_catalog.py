"""A catalogue says exactly what the library has, in the documented types, and DuckDB reads it."""

from __future__ import annotations

import json

import pytest
from pyarrow import parquet

from airflow_provider_kaltura.api.runtime import forget_all
from airflow_provider_kaltura.exceptions import KalturaArgumentError
from airflow_provider_kaltura.ingest.catalog_schema import SCHEMA_VERSION, TABLES
from tests.catalog import truth
from tests.catalog.conftest import ENTRIES, ODD, connection, export
from tests.catalog.reading import connect, documented_types, rows_of, types_of

IDS = {"entries": "entry_id", "flavors": "flavor_id", "captions": "caption_id", "categories": "category_id"}


@pytest.fixture(scope="module")
def exported(running, tmp_path_factory):
    """Export the whole library once, and count what it took."""
    root = tmp_path_factory.mktemp("lake")
    forget_all()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AIRFLOW_CONN_KALTURA_DEFAULT", connection(running.base_url))
        before = running.control.counts()["apiRequests"]
        result = export(root)
    return root, result, running.control.counts()["apiRequests"] - before


def by_id(table, rows):
    """Give rows by their own id, each of which is there once."""
    found = {row[IDS[table]]: row for row in rows}
    assert len(found) == len(rows)
    return found


def expected(library, table):
    """Compute a table."""
    listed = truth.entries(library)
    if table == "entries":
        return listed
    return truth.categories(library) if table == "categories" else getattr(truth, table)(library, listed)


@pytest.mark.parametrize("table", TABLES)
def test_every_row_is_what_the_library_has(running, exported, table):
    """All columns of all rows, odd ones, ties and unfinished ones included; deleted entries are not there."""
    root, result, _ = exported
    wanted = by_id(table, expected(running.library, table))
    assert by_id(table, rows_of(root, table)) == {key: odd(row) for key, row in wanted.items()}
    assert result["rows"][table] == len(wanted) > 0


def odd(row):
    """Say what becomes of what can't be: a duration below 0 is unknown."""
    return row | {"duration_ms": None} if (row.get("duration_ms") or 0) < 0 else row


@pytest.mark.parametrize("table", TABLES)
def test_the_types_are_the_documented_ones(exported, table):
    """Names, order and types, as DuckDB describes them."""
    assert types_of(exported[0], table) == documented_types(table)


def test_odd_values_are_exact(running, exported):
    """Tags twice, quotes, emoji and long texts come through; big numbers keep their last digit."""
    rows = by_id("entries", rows_of(exported[0], "entries"))
    found = [row for row in rows.values() if row["name"] == ODD[10]["name"]]
    assert [row["tags"] for row in found] == [["a", "a", "b  c", "é😀"]]
    assert [len(row["description"]) for row in found] == [200_000]
    assert [row["plays"] for row in rows.values() if row["name"] == "NULL"] == [2**53 + 1]
    assert len(rows) < running.library.size


def test_files_are_partitioned_by_the_month_of_the_entry(exported):
    """One file for each table and month, assets in that of their entry."""
    root, result, _ = exported
    with connect(root) as database:
        apart = database.execute(
            "SELECT count(*) FROM entries JOIN flavors USING (entry_id) "
            "WHERE entries.created_month <> flavors.created_month"
        ).fetchone()
        wrong = database.execute("SELECT count(*) FROM entries WHERE created_month <> strftime(created_at, '%Y-%m')")
        assert (apart, wrong.fetchone()) == ((0,), (0,))
        (months,) = database.execute("SELECT count(DISTINCT created_month) FROM entries").fetchone()
    assert months == result["months"]
    files = sorted((root / result["path"] / "entries").glob("*/*.parquet"))
    assert len(files) == months


def test_the_record_names_every_file(exported):
    """With rows, length and checksum; the pointer tells where it is."""
    root, result, _ = exported
    pointer = json.loads((root / "_kaltura/catalog/current/1001.json").read_text())
    record = json.loads((root / pointer["record"]).read_text())
    stands = {str(path.relative_to(root)): path.stat().st_size for path in (root / "catalog").rglob("*.parquet")}
    assert {file["path"]: file["sizeBytes"] for file in record["files"]} == stands
    assert sum(stands.values()) == result["bytes"]
    assert len(stands) == result["files"]
    assert pointer["rows"] == result["rows"]


def test_files_tell_their_schema(exported):
    """Table and version stand in each file's metadata."""
    root, result, _ = exported
    for table in TABLES:
        path = next((root / result["path"] / table).rglob("*.parquet"))
        metadata = parquet.read_schema(path).metadata
        assert metadata[b"kaltura.table"] == table.encode()
        assert metadata[b"kaltura.schema_version"] == str(SCHEMA_VERSION).encode()


def test_it_takes_few_requests(exported):
    """A request for 500 entries and two for their assets: 600 for 100,000 entries."""
    pages = -(-ENTRIES // 500)
    print(f"{exported[2]} requests for {ENTRIES} entries")  # noqa: T201, a figure to report
    assert exported[2] <= 3 * pages + 5


def test_chosen_tables_and_entries(sandbox, tmp_path):
    """Only what was asked for; deleted entries where they are wanted; nothing found is a table without rows."""
    listed = truth.entries(sandbox.library, deleted=True)
    gone = {row["entry_id"] for row in listed if row["status"] == "3"}
    result = export(tmp_path, statuses="3", tables="flavors, entries")
    assert {row["entry_id"] for row in rows_of(tmp_path, "entries")} == gone
    assert result["rows"] == {"entries": len(gone), "flavors": 0}
    assert types_of(tmp_path, "flavors") == documented_types("flavors")


def test_entries_by_id_in_any_order(sandbox, tmp_path):
    """More ids than one list takes: their months come again and again, and all rows are there."""
    listed = truth.entries(sandbox.library)[:1_100]
    ids = [row["entry_id"] for row in listed]
    result = export(tmp_path, entry_ids=ids[::3] + ids[1::3] + ids[2::3], tables=["entries", "captions"])
    assert by_id("entries", rows_of(tmp_path, "entries")).keys() == set(ids)
    assert by_id("captions", rows_of(tmp_path, "captions")) == by_id(
        "captions", truth.captions(sandbox.library, listed)
    )
    assert result["rows"]["entries"] == 1_100


@pytest.mark.usefixtures("sandbox")
def test_wrong_arguments_are_told_before_anything_is_asked(tmp_path):
    """A table that there is not, placeholders in the root, no root."""
    for words in ({"tables": "entries, users"}, {"tables": []}, {"keep": 0}):
        with pytest.raises(KalturaArgumentError, match=next(iter(words))):
            export(tmp_path, **words)
    for root in ("", "/data/{entryId}"):
        with pytest.raises(KalturaArgumentError, match="root"):
            export(root)
    assert not list(tmp_path.iterdir())
