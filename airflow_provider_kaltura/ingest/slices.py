"""
A listing in storage, and slices of it for mapped tasks: ``path#start-end``.

The listing is JSON Lines, one object with ``entryId`` per line; a slice names a half-open range of its bytes that
begins and ends at a line. Its text is split at the last ``#``, since a path may hold one. So the XCom of a library of
200,000 entries has as many texts as there are tasks, not as many as there are entries.
"""

from __future__ import annotations

import json
import re
import tempfile
from array import array
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, Self

from airflow_provider_kaltura.api.ids import is_id
from airflow_provider_kaltura.ingest.errors import SliceError
from airflow_provider_kaltura.ingest.spool import json_line, upload_spool

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from airflow_provider_kaltura.ingest.lake import Lake
    from airflow_provider_kaltura.transfer.protocols import Store

_SLICE: Final = re.compile(r"(?P<path>.+)#(?P<start>\d{1,18})-(?P<end>\d{1,18})", re.DOTALL)
#: A slice is read at once; one of more bytes was not made here.
MAX_SLICE_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Slice:
    """
    Some lines of a listing.

    :param path: Of the listing, as destinations are written.
    :param start: First byte.
    :param end: One past the last byte.
    """

    path: str
    start: int
    end: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        Read ``path#start-end``.

        :param text: The text.
        :returns: The slice.
        :raises SliceError: It is none.
        """
        found = _SLICE.fullmatch(str(text))
        if found is None or not 0 < int(found["end"]) - int(found["start"]) <= MAX_SLICE_BYTES:
            raise SliceError(f"{text!r:.200} is no slice of a listing; expected 'path#start-end', both in bytes")
        return cls(found["path"], int(found["start"]), int(found["end"]))

    def __str__(self) -> str:
        return f"{self.path}#{self.start}-{self.end}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """
    A written listing.

    :param path: Where it stands.
    :param count: Number of lines.
    :param slices: All of it, in order; none for no lines.
    """

    path: str
    count: int
    slices: tuple[Slice, ...]


def write_listing(
    rows: Iterable[Mapping[str, Any]], lake: Lake, key: str, path: str, *, per_slice: int, most_slices: int
) -> Listing:
    """
    Write a listing and cut it into slices. Memory: 8 bytes per line and one part of the file, whatever its length.

    :param rows: One JSON object each, with ``entryId``.
    :param lake: Where it goes.
    :param key: Its name there; nothing may stand there yet.
    :param path: The same for people, and for the slices.
    :param per_slice: Lines of a slice, more where there would be more than *most_slices*.
    :param most_slices: How many slices there may be (Airflow's ``max_map_length``).
    :returns: The listing.
    :raises TargetExistsError: Something stands there.
    :raises SinkError: The place refused.
    """
    if min(per_slice, most_slices) < 1:
        raise ValueError("a slice has at least one line, and there is at least one slice")
    ends = array("Q")
    with tempfile.TemporaryFile() as spool:
        size = 0
        for row in rows:
            size += spool.write(json_line(row))
            ends.append(size)
        upload_spool(spool, lake, key)
    step = max(per_slice, -(-len(ends) // most_slices))
    bounds = [0, *(ends[index - 1] for index in range(step, len(ends), step)), size]
    pairs = pairwise(bounds) if len(ends) else ()
    return Listing(path=path, count=len(ends), slices=tuple(Slice(path, start, end) for start, end in pairs))


def read_slice(store: Store, key: str, piece: Slice) -> Iterator[dict[str, Any]]:
    """
    Read the lines of a slice.

    :param store: Where the listing stands.
    :param key: Its name there.
    :param piece: Which of its bytes.
    :yields: One object per line, with a usable ``entryId``.
    :raises ObjectMissingError: There is no such listing.
    :raises SliceError: It is shorter than the slice says, or these bytes are not whole lines of a listing.
    """
    data = store.read(key, max(0, piece.start - 1), piece.end)
    before, data = (data[:1], data[1:]) if piece.start else (b"\n", data)
    if before != b"\n" or len(data) != piece.end - piece.start or not data.endswith(b"\n"):
        raise SliceError(f"{piece} does not begin and end at a line of the listing; it is another file now, or cut")
    for number, line in enumerate(data.splitlines(), 1):
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict) or not is_id(row.get("entryId")):
            raise SliceError(f"line {number} of {piece} names no entry")
        yield row
