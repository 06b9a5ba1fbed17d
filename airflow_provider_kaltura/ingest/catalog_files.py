"""
Parquet files of one table, one at a time: rows wait in a temporary file until their month is over, then it is put.

Memory: the rows of one row group, as columns.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Final, Self

from airflow_provider_kaltura.ingest.catalog_schema import arrow_schema, arrow_table, json_line
from airflow_provider_kaltura.transfer.checksum import combine_crc64nvme, crc64nvme, format_crc64nvme
from airflow_provider_kaltura.transfer.errors import SinkError
from airflow_provider_kaltura.transfer.plan import part_bytes_for, part_count, part_range
from airflow_provider_kaltura.transfer.protocols import ObjectAttributes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from types import TracebackType

    from airflow_provider_kaltura.api.catalog_rows import Row
    from airflow_provider_kaltura.ingest.lake import Lake

#: What Hive, Spark and DuckDB read as NULL.
NO_MONTH: Final = "__HIVE_DEFAULT_PARTITION__"
_TYPE: Final = "application/vnd.apache.parquet"
# Of rows as JSON, about 1,300 of them: what is in memory for each table, several times over while it is written.
_ROW_GROUP_BYTES: Final = 512 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogFile:
    """
    A file of a catalogue that stands.

    :param key: Its name below the root.
    :param rows: How many.
    :param size_bytes: Its length.
    :param checksum: CRC-64/NVME, as a text.
    """

    key: str
    rows: int
    size_bytes: int
    checksum: str


def month_of(moment: datetime | None) -> str:
    """
    Name the partition of a time.

    :param moment: In UTC.
    :returns: Such as ``"2026-01"``.
    """
    return NO_MONTH if moment is None else f"{moment:%Y-%m}"


class TableWriter:
    """
    Writes a table's rows, in a new file whenever the month changes; a context manager that drops what was not put.

    :param lake: Where the files go.
    :param folder: Below which name; nothing else writes there.
    :param table: Which table.
    """

    def __init__(self, lake: Lake, folder: str, table: str) -> None:
        self.files: list[CatalogFile] = []
        self.rows = 0
        self._lake, self._folder, self._table = lake, folder, table
        self._schema = arrow_schema(table)
        self._month: str | None = None
        self._parts: dict[str, int] = {}
        self._file: _Spool | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.drop()

    @property
    def months(self) -> frozenset[str]:
        """The months of which there are rows."""
        return frozenset(self._parts) if self.rows else frozenset()

    def add(self, month: str, rows: Sequence[Row]) -> None:
        """
        Take rows.

        :param month: Their partition; the file of another one is put now.
        :param rows: Any number.
        :raises SinkError: The place refused.
        """
        if not rows:
            return
        if month != self._month:
            self._put()
            self._month = month
        if self._file is None:
            self._file = _Spool(self._schema)
        self._file.add(rows)
        self.rows += len(rows)

    def finish(self) -> None:
        """
        Put the last file; an empty table gets one without rows, so that it can be read as any other.

        :raises SinkError: The place refused.
        """
        if not self.rows:
            self._month, self._file = NO_MONTH, _Spool(self._schema)
        self._put()

    def _put(self) -> None:
        if self._file is None or self._month is None:
            return
        part = self._parts[self._month] = self._parts.get(self._month, -1) + 1
        key = f"{self._folder}/{self._table}/created_month={self._month}/part-{part:05d}.parquet"
        spool, self._file = self._file, None
        try:
            self.files.append(spool.put(self._lake, key))
        finally:
            spool.drop()


class _Spool:
    """A Parquet file that is being made."""

    def __init__(self, schema: Any) -> None:
        from pyarrow import parquet  # noqa: PLC0415 - an extra, and heavy

        self._schema, self._rows = schema, 0
        self._waiting = bytearray()
        self._open = ExitStack()
        self._bytes: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by drop
        self._open.callback(self._bytes.close)
        self._writer = parquet.ParquetWriter(self._bytes, schema, compression="zstd")

    def add(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self._waiting += json_line(row)
            self._rows += 1
            if len(self._waiting) >= _ROW_GROUP_BYTES:
                self._write()

    def put(self, lake: Lake, key: str) -> CatalogFile:
        if self._waiting:
            self._write()
        self._writer.close()
        size, checksum = put_file(self._bytes, lake, key)
        return CatalogFile(key=key, rows=self._rows, size_bytes=size, checksum=checksum)

    def drop(self) -> None:
        # The writer first: it may write once more, and would else do so when it is collected.
        self._open.callback(self._writer.close)
        self._open.close()

    def _write(self) -> None:
        lines, self._waiting = self._waiting, bytearray()
        group = arrow_table(lines, self._schema)
        self._writer.write_table(group, row_group_size=group.num_rows)


def put_file(spool: IO[bytes], lake: Lake, key: str) -> tuple[int, str]:
    """
    Put a temporary file under a name that nothing has.

    :param spool: The file.
    :param lake: Where it goes.
    :param key: Its name there.
    :returns: Length and checksum.
    :raises TargetExistsError: Something stands there.
    :raises SinkError: The place refused, or has another length than was put.
    """
    size = spool.seek(0, 2)
    part_bytes = part_bytes_for(size, lake.sink.capabilities)
    upload = lake.sink.begin(
        key, size_bytes=size, part_bytes=part_bytes, attributes=ObjectAttributes(content_type=_TYPE)
    )
    parts: list[tuple[int, int]] = []
    try:
        spool.seek(0)
        for index in range(part_count(size, part_bytes)):
            data = spool.read(part_range(index, size, part_bytes).size_bytes)
            parts.append((crc64nvme(data), len(data)))
            upload.put_part(index, data, crc64nvme=parts[-1][0])
        checksum = format_crc64nvme(combine_crc64nvme(parts))
        stands = upload.commit(if_absent=lake.sink.capabilities.conditional, checksum=checksum)
    except BaseException:
        upload.discard()
        raise
    if stands.size_bytes != size:
        raise SinkError(f"{stands.size_bytes} bytes stand there, and {size} were put", key)
    return size, checksum
