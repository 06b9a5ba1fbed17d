"""An exception at any moment in memory: nothing that is cut stands there, and nothing is left."""

from __future__ import annotations

import contextlib

import pytest

from airflow_provider_kaltura.transfer.checksum import checksum_of, crc64nvme
from airflow_provider_kaltura.transfer.errors import SinkError, TargetExistsError, UploadStateError
from airflow_provider_kaltura.transfer.memory_sink import MemorySink
from tests.unit.transfer.sink_contract import DATA, PART, begin, put, upload_whole
from tests.unit.transfer.test_local_interrupts import Interrupter, InterruptionError

KEY = "dir/object.bin"
OLD = b"what stood there before"
FILES = frozenset({"memory_sink.py"})


def in_parts(sink, uploads, **how):
    """Upload four parts."""
    uploads.append(begin(sink, KEY))
    put(uploads[0], range(4))
    uploads[0].commit(checksum=checksum_of(DATA), **how)


def only_in_parts(sink, uploads):
    """Upload four parts, where nothing stands."""
    in_parts(sink, uploads, if_absent=True)


def gone_on(sink, uploads):
    """Go on with what another try has begun."""
    uploads.append(begin(sink, KEY))
    put(uploads[0], [0, 2])
    uploads.append(begin(sink, KEY, state=uploads[0].state()))
    put(uploads[1], [1, 3])
    uploads[1].commit(checksum=checksum_of(DATA))


def put_again(sink, uploads):
    """Put a part with other bytes first."""
    uploads.append(begin(sink, KEY))
    put(uploads[0], [1], bytes(len(DATA)))
    put(uploads[0], range(4))
    uploads[0].commit(checksum=checksum_of(DATA))


def given_up(sink, uploads):
    """Discard two parts."""
    uploads.append(begin(sink, KEY))
    put(uploads[0], [0, 1])
    uploads[0].discard()
    raise UploadStateError("given up", KEY)


def small(sink, _uploads):
    """Write a small object."""
    sink.store.write(KEY, DATA)


def small_over_version(sink, _uploads):
    """Write a small object over the one that was read."""
    sink.store.write(KEY, DATA, if_version=sink.store.stat(KEY).version_tag)


def deleted(sink, _uploads):
    """Delete an object."""
    sink.store.delete(KEY)


#: What is done, what stands before, what may stand after it, and what must when it says that it worked.
SCENARIOS = {
    "parts": (in_parts, None, DATA),
    "parts, replacing": (in_parts, OLD, DATA),
    "parts, create-only": (only_in_parts, None, DATA),
    "parts, create-only, refused": (only_in_parts, OLD, OLD),
    "parts, gone on with": (gone_on, OLD, DATA),
    "parts, one put again": (put_again, OLD, DATA),
    "parts, given up": (given_up, OLD, OLD),
    "small": (small, None, DATA),
    "small, over a version": (small_over_version, OLD, DATA),
    "deleted": (deleted, OLD, None),
}


def attempt(scenario, number):
    """Do it, interrupted at a moment; give the sink, the uploads, whether it said that it worked, and the moments."""
    act, old, _ = scenario
    sink, uploads, said = MemorySink(), [], False
    if old is not None:
        sink.store.write(KEY, old)
    with Interrupter(number, FILES) as counter:
        try:
            act(sink, uploads)
            said = True
        except (InterruptionError, TargetExistsError, UploadStateError):
            pass
    return sink, uploads, said, counter.count


def stands(sink):
    """Give what has the final name; a description and the bytes belong together."""
    found = sink.store.stat(KEY)
    data = None if found is None else sink.store.read(KEY)
    assert found is None or found.size_bytes == len(data)
    return data


@pytest.mark.parametrize("name", SCENARIOS)
def test_an_exception_at_any_moment_leaves_old_or_new(name):
    """Before each instruction in turn: what stands is whole, and nothing is left after a discard or a clean-up."""
    scenario = SCENARIOS[name]
    _, old, new = scenario
    count = attempt(scenario, 0)[3]
    assert count > 20
    for number in range(1, count + 1):
        sink, uploads, said, _ = attempt(scenario, number)
        standing = stands(sink)
        assert standing in ({new} if said else {old, new}), number
        for upload in uploads:
            upload.discard()
        # Whoever was interrupted before it could tell what it has begun leaves that to the clean-up.
        left = list(sink.leftovers())
        assert len(left) <= 1, number
        for one in left:
            sink.remove_leftover(one)
        assert (list(sink.leftovers()), sink.store._partials) == ([], {}), number
        assert stands(sink) == standing, number
        assert [stat.key for stat in sink.store.list("")] == ([] if standing is None else [KEY])
        assert upload_whole(sink, KEY).size_bytes == len(DATA)


def test_a_discard_that_was_interrupted_can_be_repeated():
    """Wherever the first one ended."""
    sink = MemorySink()
    with Interrupter(0, FILES) as counter:
        begin(sink, KEY).discard()
    for number in range(1, counter.count + 1):
        upload = begin(sink, KEY)
        with contextlib.suppress(InterruptionError), Interrupter(number, FILES):
            upload.discard()
        upload.discard()
        assert sink.store._partials == {}


def test_a_part_that_was_interrupted_is_whole_or_not_there():
    """What is told as stored has the checksum that is told, whatever stood in its place before."""
    number, seen = 0, set()
    while True:
        number += 1
        sink = MemorySink()
        upload = begin(sink, KEY)
        put(upload, range(4))
        with contextlib.suppress(InterruptionError), Interrupter(number, FILES) as counter:
            put(upload, [1], bytes(len(DATA)))
        told = upload.part_checksums()
        seen.add(1 in told)
        if 1 not in told:
            with pytest.raises(SinkError):
                upload.commit()
            continue
        upload.commit()
        assert crc64nvme(sink.store.read(KEY)[PART : 2 * PART]) == told[1], number
        if counter.left > 0:
            break
    assert seen == {True, False}
