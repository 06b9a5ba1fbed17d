"""
Which export of a catalogue readers see, and which are removed.

::

    catalog/<partner>/<export>/<table>/created_month=2026-01/part-00000.parquet   never changed
    _kaltura/catalog/exports/<partner>/<export>.json                              written when all of them stand
    _kaltura/catalog/current/<partner>.json                                       the pointer, written last

Readers begin at the pointer, which is replaced atomically. A killed export has no record, so that nobody reads it, and
the next one removes what is left of it. Of two at once each has its own folder; the pointer is that of the last to end.

An export that has less than the current one does not take its place unless that is wanted: views would lose tables,
or rows, without a word.
"""

from __future__ import annotations

import json
import logging
import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_kaltura.ingest.catalog_schema import SCHEMA_VERSION
from airflow_provider_kaltura.ingest.destination import STATE_FOLDER
from airflow_provider_kaltura.ingest.errors import CatalogReplaceError
from airflow_provider_kaltura.transfer.errors import ObjectMissingError, SinkError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from airflow_provider_kaltura.ingest.catalog_files import CatalogFile
    from airflow_provider_kaltura.ingest.lake import Lake
    from airflow_provider_kaltura.transfer.protocols import ObjectStat

log = logging.getLogger(__name__)

CATALOG_FOLDER: Final = "catalog"
_STATE: Final = f"{STATE_FOLDER}/catalog"
# Readers that have read the pointer may still be at the export that it named, and one that ended a moment ago may be
# about to become the current one.
_READERS_SECONDS: Final = 3_600
# An export puts a file for each month it comes by; one that has put none for so long is dead.
_DEAD_SECONDS: Final = 6 * 3_600
_UNIQUE_LENGTH: Final = 12
_EXPORT: Final = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Export:
    """
    One export.

    :param partner_id: The account.
    :param id: Its beginning in UTC, and something unique.
    :param began_at: When it began.
    :param conditions: Which entries it has; ``""`` for all, else something that other conditions don't have.
    """

    partner_id: int
    id: str
    began_at: datetime
    conditions: str = ""

    @classmethod
    def begin(cls, partner_id: int, now: datetime, conditions: str = "") -> Export:
        """Name a new one."""
        return cls(partner_id, f"{now:%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:_UNIQUE_LENGTH]}", now, conditions)

    @property
    def folder(self) -> str:
        """Where its files stand, below the root."""
        return f"{CATALOG_FOLDER}/{self.partner_id}/{self.id}"

    @property
    def record(self) -> str:
        """Name of its record."""
        return f"{_records(self.partner_id)}{self.id}.json"


def pointer_key(partner_id: int) -> str:
    """
    Name the pointer of an account.

    :param partner_id: The account.
    :returns: Its name below the root.
    """
    return f"{_STATE}/current/{partner_id}.json"


def publish(lake: Lake, export: Export, tables: Mapping[str, Iterable[CatalogFile]], now: datetime) -> None:
    """
    Make an export the one that readers see, once all of its files stand there as they were put.

    :param lake: Where they stand.
    :param export: Which.
    :param tables: Its files.
    :param now: When it ended.
    :raises SinkError: The place refused, or a file is gone or has another length.
    """
    files = {table: list(found) for table, found in tables.items()}
    _require_whole(lake, export, [file for found in files.values() for file in found])
    lake.sync()
    about = {
        "schemaVersion": SCHEMA_VERSION,
        "partnerId": export.partner_id,
        "export": export.id,
        "path": export.folder,
        "beganAt": _time(export.began_at),
        "endedAt": _time(now),
        "conditions": export.conditions,
        "rows": {table: sum(file.rows for file in found) for table, found in files.items()},
    }
    record = {**about, "files": [_described(table, file) for table, found in files.items() for file in found]}
    lake.store.write(export.record, _json(record), if_absent=True)
    lake.store.write(pointer_key(export.partner_id), _json({**about, "record": export.record}))


def remove_old(lake: Lake, partner_id: int, keep: int, now: datetime) -> int:
    """
    Remove exports that nobody needs: ended ones but the newest, and what killed ones have left.

    :param lake: Where they stand.
    :param partner_id: Whose.
    :param keep: How many of those that ended stay, the current one among them.
    :param now: The time.
    :returns: How many were removed.
    :raises SinkError: The place refused.
    """
    # Files before records: an export that ends meanwhile has one then.
    found = _by_export(lake, partner_id)
    records = {_name(stat.key): stat for stat in list(lake.store.list(_records(partner_id)))}
    ended = sorted((name for name in records if _EXPORT.fullmatch(name)), reverse=True)
    spared = {*ended[:keep], current_export(lake, partner_id)}
    old = [name for name in ended if name not in spared and _is_older(records[name], now, _READERS_SECONDS)]
    dead = [
        name
        for name, stats in found.items()
        if name not in records and name not in spared and all(_is_older(stat, now, _DEAD_SECONDS) for stat in stats)
    ]
    for name in [*old, *dead]:
        # The record first: should this be killed, the rest is a dead export's.
        lake.store.delete(f"{_records(partner_id)}{name}.json")
        for stat in found.get(name, []):
            lake.store.delete(stat.key)
        log.info("Removed the export %s of the catalogue, %d files", name, len(found.get(name, [])))
    return len(old) + len(dead)


def current_export(lake: Lake, partner_id: int) -> str | None:
    """
    Tell which export readers see.

    :param lake: Where it stands.
    :param partner_id: Whose.
    :returns: Its id; None where there is none.
    :raises SinkError: The pointer can't be read.
    """
    found = _pointer(lake, partner_id)
    return str(found.get("export")) if found else None


def require_no_less(lake: Lake, export: Export, tables: Iterable[str], rows: Mapping[str, int] | None = None) -> None:
    """
    Refuse an export that has less than the current one, which would vanish from readers' view.

    :param lake: Where they stand.
    :param export: The new one.
    :param tables: Its tables.
    :param rows: How many each has, once that is known.
    :raises CatalogReplaceError: It lacks tables, has other conditions, or no row at all.
    :raises SinkError: The pointer can't be read.
    """
    current = _pointer(lake, export.partner_id)
    if not current:
        return
    had = current.get("rows")
    had = had if isinstance(had, dict) else {}
    if missing := [table for table in had if table not in set(tables)]:
        raise _replaces(current, f"has {', '.join(missing)}, which this export lacks")
    if export.conditions and export.conditions != current.get("conditions", export.conditions):
        raise _replaces(current, "was made with other conditions, and may have entries that this export lacks")
    if rows is not None and any(_by_entry(had)) and not any(_by_entry(rows)):
        count = ", ".join(f"{table}: {number}" for table, number in had.items())
        raise _replaces(current, f"has rows ({count}), and nothing matches this export's conditions now")


def _replaces(current: Mapping[str, Any], why: str) -> CatalogReplaceError:
    return CatalogReplaceError(
        f"the current catalogue of this root, {current.get('export')}, {why}; it stays the current one. "
        "Give this export another root, or replace_any=True to put it in its place"
    )


def _by_entry(rows: Mapping[str, int]) -> Iterable[int]:
    # Categories are always all, whatever the conditions.
    return (count for table, count in rows.items() if table != "categories")


def _pointer(lake: Lake, partner_id: int) -> dict[str, Any] | None:
    key = pointer_key(partner_id)
    try:
        found = json.loads(lake.store.read(key))
    except ObjectMissingError:
        return None
    except ValueError as error:
        raise SinkError("the pointer to the current catalogue is no JSON", key) from error
    return found if isinstance(found, dict) else None


def _require_whole(lake: Lake, export: Export, files: list[CatalogFile]) -> None:
    stands = {stat.key: stat.size_bytes for stat in lake.store.list(f"{export.folder}/")}
    for file in files:
        if stands.get(file.key) != file.size_bytes:
            raise SinkError(f"{stands.get(file.key)} bytes stand there, and {file.size_bytes} were put", file.key)


def _by_export(lake: Lake, partner_id: int) -> dict[str, list[ObjectStat]]:
    prefix = f"{CATALOG_FOLDER}/{partner_id}/"
    found: dict[str, list[ObjectStat]] = {}
    for stat in list(lake.store.list(prefix)):
        name = stat.key.removeprefix(prefix).partition("/")[0]
        if _EXPORT.fullmatch(name):
            found.setdefault(name, []).append(stat)
    return found


def _is_older(stat: ObjectStat, now: datetime, seconds: int) -> bool:
    # Where the place tells no time, nothing is old.
    return stat.modified_at_epoch is not None and stat.modified_at_epoch <= now.timestamp() - seconds


def _records(partner_id: int) -> str:
    return f"{_STATE}/exports/{partner_id}/"


def _name(key: str) -> str:
    return key.rpartition("/")[2].removesuffix(".json")


def _described(table: str, file: CatalogFile) -> dict[str, Any]:
    return {
        "table": table,
        "path": file.key,
        "rows": file.rows,
        "sizeBytes": file.size_bytes,
        "checksum": file.checksum,
    }


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1).encode() + b"\n"
