"""
What became of each asset of a batch, for people and for programs: JSON Lines and CSV below ``_kaltura/reports/``.

The rows wait in temporary files, so that memory does not grow with the batch; the files in the lake are written at the
end, under a name that nothing else has. No URL and no KS gets into them by us. A spreadsheet runs a cell that begins
like a formula, and names come from strangers: such cells get an apostrophe before them in the CSV.
"""

from __future__ import annotations

import csv
import io
import re
import tempfile
import uuid
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any, Final, Self

from airflow_provider_kaltura.api.redact import redact
from airflow_provider_kaltura.ingest.destination import STATE_FOLDER
from airflow_provider_kaltura.ingest.safe_names import slug
from airflow_provider_kaltura.ingest.spool import json_line, upload_spool

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from airflow_provider_kaltura.api.models import Entry
    from airflow_provider_kaltura.ingest.lake import Lake
    from airflow_provider_kaltura.ingest.models import RunOptions

REPORT_FOLDER: Final = f"{STATE_FOLDER}/reports"
#: Columns of the CSV, keys of the JSON, in this order.
COLUMNS: Final = (
    "entryId",
    "name",
    "description",
    "owner",
    "creator",
    "createdAt",
    "updatedAt",
    "durationMs",
    "mediaType",
    "tags",
    "categories",
    "status",
    "fileName",
    "partnerId",
    "assetType",
    "assetId",
    "language",
    "label",
    "version",
    "size",
    "checksum",
    "outcome",
    "path",
    "code",
    "reason",
)
_MEDIA_TYPES: Final = {1: "video", 2: "image", 5: "audio"}
_CSV_TYPE: Final = "text/csv; charset=utf-8"
# What spreadsheets take for a formula, full-width forms included; blanks before it don't help.
_FORMULA: Final = re.compile(r"[\s\x00-\x20]*[=+\-@\uff1d\uff0b\uff0d\uff20|%]|[\t\r\n]")
_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?")
_LONGEST_REASON: Final = 1_000


def entry_columns(entry: Entry | None, entry_id: str) -> dict[str, Any]:
    """
    Give what Kaltura says about an entry.

    :param entry: The entry; None when it could not be had.
    :param entry_id: Its id.
    :returns: By column; times are UTC in ISO 8601.
    """
    if entry is None:
        return {"entryId": entry_id}
    return {
        "entryId": entry.id,
        "name": entry.name,
        "description": entry.description,
        "owner": entry.user_id,
        "creator": entry.creator_id,
        "createdAt": _time(entry.created_at),
        "updatedAt": _time(entry.updated_at),
        "durationMs": entry.duration_ms,
        "mediaType": None if entry.media_type is None else _MEDIA_TYPES.get(entry.media_type, str(entry.media_type)),
        "tags": list(entry.tags),
        "categories": list(entry.categories),
        "status": entry.status,
        "partnerId": entry.partner_id,
    }


def reason_of(error: BaseException) -> tuple[str, str]:
    """
    Say why something failed.

    :param error: What was raised.
    :returns: A code for programs, and a sentence without secrets.
    """
    code = getattr(error, "code", None)
    name = code if isinstance(code, str) and code else type(error).__name__
    return name, redact(str(error) or type(error).__name__)[:_LONGEST_REASON]


def of_entry(entry_id: str, reason: str) -> str:
    """
    Say which entry a sentence is about.

    :param entry_id: The entry.
    :param reason: The sentence, which may begin with it.
    :returns: The sentence that does.
    """
    return (
        reason if re.match(rf"entry {re.escape(entry_id)}\b", reason, re.IGNORECASE) else f"Entry {entry_id}: {reason}"
    )


def safe_cell(value: Any) -> str:
    """
    Write a value so that no spreadsheet takes it for a formula.

    :param value: Anything that JSON has.
    :returns: The text of the cell.
    """
    if value is None:
        return ""
    text = "; ".join(map(str, value)) if isinstance(value, list) else str(value)
    text = text.replace("\x00", "")
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


class Report:
    """
    Collects rows in temporary files; a context manager that removes them.

    :param options: Run, task, map index and try, for the files' names.
    :param kind: What the report is about, the first part of its name.
    """

    def __init__(self, options: RunOptions, kind: str = "batch") -> None:
        self.count = 0
        self._stem = "-".join(
            (
                kind,
                f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}",
                slug(options.run_id, 60),
                slug(options.task_id, 60),
                str(options.map_index),
                str(options.try_number),
                uuid.uuid4().hex[:12],
            )
        )
        self._lines: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._cells: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._write_cells(list(COLUMNS))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._lines.close()
        self._cells.close()

    def add(self, row: Mapping[str, Any]) -> None:
        """
        Take a row.

        :param row: By column; a missing one is null.
        """
        whole = {name: row.get(name) for name in COLUMNS}
        self._lines.write(json_line(whole))
        self._write_cells([safe_cell(value) for value in whole.values()])
        self.count += 1

    def write(self, lake: Lake) -> str:
        """
        Write both files into a lake.

        :param lake: Where they go.
        :returns: Key of the JSON Lines; that of the CSV ends in ``.csv`` instead of ``.jsonl``.
        :raises SinkError: The place refused.
        """
        key = f"{REPORT_FOLDER}/{self._stem}"
        upload_spool(self._cells, lake, f"{key}.csv", _CSV_TYPE)
        upload_spool(self._lines, lake, f"{key}.jsonl")
        return f"{key}.jsonl"

    def _write_cells(self, cells: list[str]) -> None:
        text = io.StringIO(newline="")
        # All quoted: a spreadsheet of a country with other separators would cut cells into formulas.
        csv.writer(text, quoting=csv.QUOTE_ALL).writerow(cells)
        self._cells.write(text.getvalue().encode("utf-8", "backslashreplace"))


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
