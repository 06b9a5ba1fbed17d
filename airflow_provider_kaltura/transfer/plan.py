"""Ranges and parts: the arithmetic of a copy, pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from airflow_provider_kaltura.transfer.protocols import Capabilities

#: Length of a part where the caller has no reason for another: large enough that one write costs nothing beside it.
_MIB = 1024 * 1024
DEFAULT_PART_BYTES = 8 * _MIB
#: Most parts that an object gets: below S3's limit of 10,000.
MOST_PARTS = 9_000


@dataclass(frozen=True, slots=True, order=True)
class ByteRange:
    """
    The half-open range ``[start, stop)``.

    :param start: First byte.
    :param stop: One past the last byte.
    """

    start: int
    stop: int

    @property
    def size_bytes(self) -> int:
        """Number of bytes in the range."""
        return self.stop - self.start


def part_count(size_bytes: int, part_bytes: int) -> int:
    """
    Count the parts of an object.

    :param size_bytes: Length of the whole; 0 has no part.
    :param part_bytes: Length of every part but the last, at least 1.
    :returns: Number of parts.
    :raises ValueError: A negative size, or *part_bytes* below 1.
    """
    if size_bytes < 0:
        raise ValueError(f"a size can't be negative: {size_bytes}")
    if part_bytes < 1:
        raise ValueError(f"a part has at least 1 byte, not {part_bytes}")
    return -(-size_bytes // part_bytes)


def part_range(index: int, size_bytes: int, part_bytes: int) -> ByteRange:
    """
    Tell which bytes a part holds.

    :param index: From 0.
    :param size_bytes: Length of the whole.
    :param part_bytes: Length of every part but the last.
    :returns: The part's range.
    :raises ValueError: There is no such part.
    """
    count = part_count(size_bytes, part_bytes)
    if not 0 <= index < count:
        raise ValueError(f"there is no part {index} among {count}")
    return ByteRange(index * part_bytes, min((index + 1) * part_bytes, size_bytes))


def part_bytes_for(size_bytes: int, capabilities: Capabilities) -> int:
    """
    Choose the length of an object's parts.

    At least :data:`DEFAULT_PART_BYTES` and a 9,000th of the object (S3 takes 10,000 parts), and whole MiB, so that the
    same object always has the same parts; the whole object where the sink puts it with one request.

    :param size_bytes: Length of the whole.
    :param capabilities: What the sink can do.
    :returns: At least 1.
    """
    if size_bytes <= capabilities.single_put_bytes:
        return max(1, size_bytes)
    most_parts = min(MOST_PARTS, capabilities.most_parts)
    least = max(DEFAULT_PART_BYTES, capabilities.least_part_bytes, -(-size_bytes // most_parts))
    return -(-least // _MIB) * _MIB


def missing_parts(size_bytes: int, part_bytes: int, done: Collection[int]) -> Iterator[int]:
    """
    List the parts that are not stored yet, in order.

    :param size_bytes: Length of the whole.
    :param part_bytes: Length of every part but the last.
    :param done: Indexes of the stored parts.
    :returns: Indexes.
    """
    return (index for index in range(part_count(size_bytes, part_bytes)) if index not in done)


def missing_ranges(size_bytes: int, part_bytes: int, done: Collection[int]) -> list[ByteRange]:
    """
    Join the missing parts to the longest ranges, so that one request gets as much as it can.

    A scheduler of parallel connections cuts these at part boundaries; nothing else in a copy changes.

    :param size_bytes: Length of the whole.
    :param part_bytes: Length of every part but the last.
    :param done: Indexes of the stored parts.
    :returns: Ranges in order; each starts at a part boundary and ends at one, or at the end.
    """
    ranges: list[ByteRange] = []
    for index in missing_parts(size_bytes, part_bytes, done):
        part = part_range(index, size_bytes, part_bytes)
        if ranges and ranges[-1].stop == part.start:
            ranges[-1] = ByteRange(ranges[-1].start, part.stop)
        else:
            ranges.append(part)
    return ranges
