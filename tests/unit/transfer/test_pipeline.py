"""The copy by several threads: the same bytes, the same errors, and nothing left running."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_kaltura.transfer import copy as copying
from airflow_provider_kaltura.transfer import pipeline
from airflow_provider_kaltura.transfer.checksum import CHECKSUM_NAMES, checksum_of
from airflow_provider_kaltura.transfer.copy import copy
from airflow_provider_kaltura.transfer.errors import (
    RangeIgnoredError,
    SinkError,
    SourceChangedError,
    SourceCutError,
    SourceExpiredError,
    SourceUnavailableError,
)
from airflow_provider_kaltura.transfer.memory_sink import MemorySink
from airflow_provider_kaltura.transfer.rate import RateLimiter
from tests.fakes import FlakySource, ManualClock, RecordingSink

PART = 100
DATA = random.Random(3).randbytes(10 * PART + 7)


class FixedTuner:
    """As many connections as allowed, from the beginning."""

    def __init__(self, most):
        self.target = most

    def observe(self, _now):
        """Stay."""
        return self.target

    def refused(self, _at):
        """Stay."""


@pytest.fixture(autouse=True)
def in_parallel(monkeypatch):
    """Send the smallest object through the threads, with all connections at once; none of them may survive."""
    monkeypatch.setattr(copying, "PIPELINE_BYTES", 0)
    monkeypatch.setattr(pipeline, "Tuner", FixedTuner)
    yield
    assert living() == []


def living():
    """Give the threads of copies that still live, apart from those in their very last steps."""
    deadline = time.monotonic() + 2
    while found := [thread.name for thread in threading.enumerate() if thread.name.startswith("copy-")]:
        if time.monotonic() > deadline:
            break
    return found


def run(source, *, sink=None, data=DATA, part=PART, puts=2, connections=3, is_ordered=False, done=(), **options):
    """Copy and commit; give the result and the bytes that stand then."""
    sink = sink or MemorySink()
    upload = sink.begin("a", size_bytes=len(data), part_bytes=part)
    for index in done:
        upload.put_part(index, data[index * part : (index + 1) * part])
    capabilities = replace(sink.capabilities, any_order=not is_ordered, parallel_puts=puts)
    options = {"sleep": ManualClock().sleep, "max_connections": connections, "capabilities": capabilities, **options}
    try:
        result = copy(source, upload, size_bytes=len(data), part_bytes=part, **options)
        upload.commit(checksum=result.checksum)
    except BaseException:
        upload.discard()
        raise
    return result, sink.store.read("a")


# As many as are mended: a third refusal, or a third answer that nothing of can be trusted, ends a copy.
breaks = st.lists(
    st.one_of(
        st.none(),
        st.integers(0, 120),
        st.sampled_from([SourceCutError("x"), SourceUnavailableError("x"), SourceExpiredError("x")]),
        st.just(RangeIgnoredError("x")),
    ),
    max_size=5,
).filter(lambda breaks: all(breaks.count(each) <= 2 for each in breaks))


@settings(max_examples=150, deadline=None)
@given(
    size=st.integers(1, 1000),
    part=st.integers(1, 300),
    most=st.integers(1, 200),
    breaks=breaks,
    shape=st.tuples(st.integers(0, 4), st.integers(1, 8), st.booleans(), st.sampled_from(CHECKSUM_NAMES)),
    done=st.sets(st.integers(0, 9)),
)
def test_whatever_breaks_the_bytes_are_right(size, part, most, breaks, shape, done):
    """Over any number of connections and putting threads, in any order, from any set of stored parts."""
    puts, connections, is_ordered, checksum = shape
    data, part = DATA[:size], max(part, size // 40 + 1)
    done = {index for index in done if index * part < size}
    source, told, stored = FlakySource(data, breaks=breaks, most_bytes=most), [], []
    result, found = run(
        source,
        data=data,
        part=part,
        puts=puts,
        connections=connections,
        is_ordered=is_ordered,
        done=done,
        checksum=checksum,
        progress=lambda count, total: told.append((count, total)),
        stored=stored.append,
    )
    assert found == data
    assert result.checksum == (None if checksum == "sha256" and done else checksum_of(data, checksum))
    assert set(stored) == set(range(-(-size // part))) - done
    assert told[-1:] == ([(size, size)] if stored else told[-1:])
    assert result.connections <= connections
    assert source.open_streams == 0


def test_one_connection_reads_all_with_one_request():
    """Where there is nothing to try out, one stream serves all parts."""
    source = FlakySource(DATA)
    result, _ = run(source, connections=1)
    assert source.opened == [(0, len(DATA))]
    assert (result.connections, result.requests, result.fetched_bytes) == (1, 1, len(DATA))


def test_what_stands_ends_a_stream():
    """Only what is missing is asked for."""
    source = FlakySource(DATA)
    run(source, connections=1, done=[2, 3, 7])
    assert source.opened == [(0, 200), (400, 700), (800, len(DATA))]


def test_several_connections_ask_for_exact_ranges():
    """No connection is asked for what another one fetches."""
    source = FlakySource(DATA)
    run(source, connections=4)
    assert sorted(source.opened) == [(start, min(start + 25, len(DATA))) for start in range(0, len(DATA), 25)]


def test_ranges_are_tried_out_before_much_is_there(monkeypatch):
    """Alone at first, but maybe not for long: the first request is for a short range, the next one for all the rest."""
    monkeypatch.setattr(pipeline, "Tuner", lambda _most: FixedTuner(1))
    source = FlakySource(DATA)
    run(source, connections=8)
    assert source.opened == [(0, 25), (25, len(DATA))]


def test_a_source_without_ranges_is_read_in_order(monkeypatch):
    """What ignores ranges is asked for everything, by one connection."""
    monkeypatch.setattr(pipeline, "Tuner", lambda _most: FixedTuner(1))
    source = FlakySource(DATA, breaks=[RangeIgnoredError("whole")])
    result, found = run(source, connections=8)
    assert found == DATA
    assert source.opened == [(0, 25), (0, len(DATA))]
    assert (result.connections, result.resumes) == (1, 1)


def test_parts_of_an_ordered_sink_come_in_order():
    """One at a time, by index, whatever number of threads."""
    sink = RecordingSink()
    run(FlakySource(DATA), sink=sink, is_ordered=True, puts=3, connections=4)
    assert [index for name, index in sink.calls if name == "put_part"] == list(range(11))


@pytest.mark.parametrize("puts", [0, 3])
@pytest.mark.parametrize("error", [SinkError("full"), KeyboardInterrupt(), RuntimeError("bug")], ids=repr)
@pytest.mark.parametrize("number", [0, 5, 10])
def test_a_part_that_is_refused_ends_the_copy(error, number, puts):
    """What was raised comes out as it is; nothing is visible, nothing runs."""
    sink = RecordingSink(lambda name, count: error if (name, count) == ("put_part", number) else None)
    source = FlakySource(DATA)
    with pytest.raises(type(error)):
        run(source, sink=sink, puts=puts)
    assert source.open_streams == 0
    assert list(sink.store.list("")) == []


@pytest.mark.parametrize("puts", [0, 3])
def test_what_the_record_raises_ends_the_copy(puts):
    """A part whose record can't be written is as good as none."""

    def stored(_index):
        raise SinkError("no record")

    with pytest.raises(SinkError):
        run(FlakySource(DATA), puts=puts, stored=stored)


def test_the_record_is_told_one_at_a_time():
    """However many threads put."""
    inside, most = [], []

    def stored(index):
        inside.append(index)
        most.append(len(inside))
        time.sleep(0)
        inside.remove(index)

    run(FlakySource(DATA), puts=4, connections=4, stored=stored)
    assert set(most) == {1}


def test_progress_is_told_by_the_calling_thread():
    """It need not be safe across threads, and never goes back."""
    told, threads = [], set()

    def progress(done, _total):
        told.append(done)
        threads.add(threading.current_thread())

    run(FlakySource(DATA, most_bytes=3), progress=progress)
    assert threads == {threading.current_thread()}
    assert told == sorted(told)
    assert told[-1] == len(DATA)


@pytest.mark.parametrize("error", [SourceChangedError("x"), SourceExpiredError("x"), SourceCutError("x")], ids=repr)
def test_a_source_that_stays_broken_ends_the_copy(error):
    """All connections meet it, and the first to give up decides."""
    source = FlakySource(DATA, breaks=[None] * 3 + [error] * 1000)
    with pytest.raises(type(error)):
        run(source)
    assert source.open_streams == 0


def test_an_error_that_is_kept_keeps_no_buffers():
    """A run that remembers a thousand errors doesn't remember their bytes."""
    with pytest.raises(SourceChangedError) as found:
        run(FlakySource(DATA, breaks=[None] * 3 + [SourceChangedError("x")] * 100))
    frames, at = [], found.value.__traceback__
    while at is not None:
        frames += [name for name in ("claim", "window", "part") if name in at.tb_frame.f_locals]
        at = at.tb_next
    assert [name for name in frames if name != "part"] == []


def raising(error):
    """Give a callback that raises."""

    def progress(_done, _total):
        raise error

    return progress


def test_the_rate_holds_over_all_connections():
    """What the connections wait for, each after the other, is the time that all bytes need."""
    clock = ManualClock(0.0)
    limiter = RateLimiter(1000, clock=lambda: 0.0)
    run(FlakySource(DATA), connections=4, limiter=limiter, sleep=clock.sleep)
    assert max(clock.slept) == pytest.approx(len(DATA) / 1000, abs=0.11)


def test_a_sha256_needs_no_order_of_the_sink():
    """The hash takes the parts in order, the sink as they come."""
    result, _ = run(FlakySource(DATA), puts=4, connections=4, checksum="sha256")
    assert result.checksum == f"sha256:{hashlib.sha256(DATA).hexdigest()}"


def test_small_objects_are_read_in_order(monkeypatch):
    """Threads would cost more than they bring."""
    monkeypatch.setattr(copying, "PIPELINE_BYTES", len(DATA) + 1)
    source = FlakySource(DATA)
    run(source)
    assert source.opened == [(0, len(DATA))]
