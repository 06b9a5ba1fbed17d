"""Read a catalogue as its users do: DuckDB, beginning at the pointer."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb

from airflow_provider_kaltura.ingest.catalog_schema import SQL_TYPES, TABLES


def connect(root):
    """Open DuckDB with a view of each table of the current catalogue below a local root."""
    database = duckdb.connect()
    # Else DuckDB would give times in the machine's zone.
    database.execute("SET TimeZone = 'UTC'")
    (pointer,) = Path(root, "_kaltura", "catalog", "current").glob("*.json")
    for table in json.loads(pointer.read_text())["rows"]:
        # Names of our own, put together: DuckDB takes no parameters in these places.
        path = f"SELECT '{root}/' || path || '/{table}/*/*.parquet' FROM read_json('{pointer}')"  # noqa: S608, see above
        database.execute(f"SET VARIABLE files = ({path})")
        rows = "SELECT * FROM read_parquet(getvariable('files'), hive_partitioning = true)"
        database.execute(f"CREATE TABLE {table} AS {rows}")
    return database


def rows_of(root, table):
    """Give all rows of a table as dicts, times as seconds since 1970."""
    columns = [
        f"epoch_us({column.name})::DOUBLE / 1000000 AS {column.name}" if column.kind == "time" else column.name
        for column in TABLES[table]
    ]
    with connect(root) as database:
        found = database.execute(f"SELECT {', '.join(columns)}, created_month FROM {table}")  # noqa: S608, our own names
        names = [about[0] for about in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def types_of(root, table):
    """Tell name and type of each column, as DuckDB sees them."""
    with connect(root) as database:
        return [(name, kind) for name, kind, *_ in database.execute(f"DESCRIBE {table}").fetchall()]


def documented_types(table):
    """Tell what :func:`types_of` should give."""
    return [*((column.name, SQL_TYPES[column.kind]) for column in TABLES[table]), ("created_month", "VARCHAR")]
