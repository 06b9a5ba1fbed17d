"""Files that are made here, of what Kaltura says or of small files that it has: in memory, within a bound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

from airflow_provider_kaltura.ingest.errors import IngestError
from airflow_provider_kaltura.transfer.copy import copy
from airflow_provider_kaltura.transfer.memory_sink import MemorySink

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from airflow_provider_kaltura.ingest.models import AssetJob
    from airflow_provider_kaltura.transfer.protocols import Source

_KEY: Final = "whole"


class MadeSource:
    """
    Bytes in memory.

    :param data: All of them.
    :param version: Of what they were made of.
    """

    def __init__(self, data: bytes, version: str) -> None:
        self._data = data
        self.size_bytes = len(data)
        self.version = version

    def open(self, start: int, stop: int) -> _Stream:
        """
        Open the half-open range ``[start, stop)``.

        :param start: First byte.
        :param stop: One past the last byte.
        :returns: The stream.
        """
        return _Stream(memoryview(self._data)[start:stop])


class _Stream:
    def __init__(self, rest: memoryview) -> None:
        self._rest = rest

    def readinto(self, buffer: memoryview) -> int:
        """Fill the beginning of *buffer*."""
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def close(self) -> None:
        """Nothing is held."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def with_made(open_source: Callable[[AssetJob], Source]) -> Callable[[AssetJob], Source]:
    """
    Open the sources of files that are made as well.

    :param open_source: Opens the others.
    :returns: Opens all.
    """

    def open_any(job: AssetJob) -> Source:
        return open_source(job) if job.make is None else MadeSource(job.make(open_source), job.version)

    return open_any


def read_whole(source: Source, most_bytes: int, what: str) -> bytes:
    """
    Fetch a small file into memory, proved as every other.

    :param source: Its bytes.
    :param most_bytes: More are an error, before the first of them.
    :param what: What it is, for that error.
    :returns: The bytes.
    :raises IngestError: It is longer.
    :raises TransferError: It can't be fetched.
    """
    size_bytes = source.size_bytes
    if size_bytes > most_bytes:
        raise IngestError(f"{what} has {size_bytes} bytes; at most {most_bytes} are taken into memory")
    sink = MemorySink()
    upload = sink.begin(_KEY, size_bytes=size_bytes, part_bytes=max(1, size_bytes))
    copy(source, upload, size_bytes=size_bytes, part_bytes=max(1, size_bytes), max_connections=1)
    upload.commit()
    return sink.store.read(_KEY)
