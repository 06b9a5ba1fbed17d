"""Looks for secrets in everything that a run of Airflow leaves behind: logs, and every value of the database."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

# A KS version 2 is base64url of "v2|…": found whoever made it. Version 1 has no such mark: looked for by value.
KS_SHAPE = re.compile(r"djJ8[A-Za-z0-9_\-]{20,}")


@dataclass(frozen=True)
class Finding:
    """A secret that was found: where, and enough of it to recognise it."""

    place: str
    excerpt: str


def spellings(secret: str) -> set[str]:
    """How a secret may be written: as it is, percent-encoded, and with JSON's escapes of ``=``, ``&`` and ``/``."""
    return {secret, quote(secret, safe=""), secret.replace("/", "\\/"), secret.replace("=", "\\u003d")}


def find_in_text(text: str, secrets: Iterable[str], place: str, *, shapes: bool = True) -> Iterator[Finding]:
    """Yield each known secret in *text*, and each text that has the shape of a KS version 2."""
    for secret in secrets:
        for spelling in spellings(secret):
            if spelling in text:
                yield Finding(place, f"{secret[:6]}… ({len(secret)} characters)")
                break
    if shapes:
        for match in KS_SHAPE.finditer(text):
            yield Finding(place, f"KS {match.group()[:12]}…")


def texts_of_database(database: Path) -> Iterator[tuple[str, str]]:
    """Yield place and text of every value of every table of a SQLite database, serialised ones included."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            cursor = connection.execute(f'SELECT * FROM "{table}"')  # noqa: S608, the name comes from the schema
            columns = [column[0] for column in cursor.description]
            for row in cursor:
                for column, value in zip(columns, row, strict=True):
                    if isinstance(value, bytes):
                        yield f"{table}.{column}", value.decode("latin-1")
                    elif isinstance(value, str):
                        yield f"{table}.{column}", value


def texts_of_files(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield name and content of every file below *folder*, the database's excepted."""
    for file in sorted(folder.rglob("*")):
        if file.is_file() and not file.name.startswith("airflow.db") and file.suffix != ".cfg":
            yield str(file.relative_to(folder)), file.read_text(errors="replace")


def scan_home(home: Path, secrets: Iterable[str]) -> list[Finding]:
    """Return the secrets found below an AIRFLOW_HOME: console, task logs, and the whole database."""
    known = sorted(set(secrets))
    found: list[Finding] = []
    for place, text in texts_of_files(home):
        found.extend(find_in_text(text, known, place))
    for place, text in texts_of_database(home / "airflow.db"):
        found.extend(find_in_text(text, known, place))
    return found
