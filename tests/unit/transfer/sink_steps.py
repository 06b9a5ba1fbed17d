"""What the contract of sinks is tried with: bytes, names, and the steps of an upload."""

from __future__ import annotations

import functools
import random

from airflow_provider_kaltura.transfer import plan
from airflow_provider_kaltura.transfer.protocols import ObjectAttributes

PART = 1_000
DATA = random.Random(7).randbytes(3 * PART + 1)
#: Zero bytes, one byte, one part less a byte, one part, one part and a byte, several parts, several and a byte:
#: (parts, bytes).
SIZES = [(0, 0), (0, 1), (1, -1), (1, 0), (1, 1), (3, 0), (3, 1)]
NAMES = [
    "plain.mp4",
    "with space & 'quotes' \"double\" #?%20+.mp4",
    "Übung – Straße.mp4",  # noqa: RUF001 - names in every script are the point
    "лекция.mp4",
    "محاضرة.mp4",
    "講義　第一回.mp4",
    "व्याख्यान.mp4",
    "🎬🎓.mp4",
    "e\u0301 decomposed.mp4",
    "-leading-dash",
    ".hidden",
    "trailing.dot.",
    "new\nline",
    "back\\slash",
    "deep/er/and/deeper.mp4",
    "a" * 255,
    "ا" * 127,  # noqa: RUF001 - see above
]


def begin(sink, key="dir/object.bin", data=None, part=None, state=None, attributes=None):
    """Begin an upload of *data*; by default that of the sink's contract, in parts of its length."""
    data, part = data_of(sink) if data is None else data, part or part_of(sink)
    return sink.begin(
        key, size_bytes=len(data), part_bytes=part, attributes=attributes or ObjectAttributes(), state=state
    )


def part_of(sink):
    """Length of the parts that a sink is tried with: the shortest that it takes, if that is longer than ours."""
    return max(PART, sink.capabilities.least_part_bytes)


@functools.cache
def _data(part):
    return random.Random(7).randbytes(3 * part + 1)


def data_of(sink):
    """Three parts and a byte."""
    return _data(part_of(sink))


def put(upload, indexes, data=DATA, part=PART):
    """Put some parts."""
    for index in indexes:
        upload.put_part(index, memoryview(data)[index * part : (index + 1) * part])


def put_parts(sink, upload, indexes, data=None):
    """Put some parts of the sink's length."""
    put(upload, indexes, data_of(sink) if data is None else data, part_of(sink))


def upload_whole(sink, key, data=None, **how):
    """Write an object with every step."""
    data, part = data_of(sink) if data is None else data, part_of(sink)
    upload = begin(sink, key, data, part)
    put(upload, range(plan.part_count(len(data), part)), data, part)
    return upload.commit(**how)
