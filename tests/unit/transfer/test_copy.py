from __future__ import annotations

import hashlib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_kaltura.transfer import retry as retrying
from airflow_provider_kaltura.transfer.checksum import CHECKSUM_NAMES, checksum_of, checksum_of_object
from airflow_provider_kaltura.transfer.copy import RetryPolicy, copy
from airflow_provider_kaltura.transfer.errors import (
    RangeIgnoredError,
    RedirectRefusedError,
    SinkError,
    SizeMismatchError,
    SourceAnswerError,
    SourceChangedError,
    SourceCutError,
    SourceExpiredError,
    SourceLengthError,
    SourceUnavailableError,
)
from airflow_provider_kaltura.transfer.memory_sink import MemorySink
from tests.fakes import FlakySource, ManualClock, RecordingSink

PART = 100
DATA = random.Random(3).randbytes(10 * PART + 7)


def run(source, *, sink=None, data=DATA, part=PART, clock=None, **options):
    """Copy and commit; give the result and the bytes that stand then."""
    sink, clock = sink or MemorySink(), clock or ManualClock()
    upload = sink.begin("a", size_bytes=len(data), part_bytes=part)
    try:
        result = copy(source, upload, size_bytes=len(data), part_bytes=part, sleep=clock.sleep, **options)
        upload.commit(checksum=result.checksum)
    except BaseException:
        upload.discard()
        raise
    return result, sink.store.read("a")


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 3 * PART, 10 * PART + 7])
def test_one_stream_fetches_everything_once(size):
    """Whatever the size, one opening, every byte once, and the right checksum."""
    data = DATA[:size]
    source = FlakySource(data)
    result, found = run(source, data=data)
    assert found == data
    assert (result.fetched_bytes, result.requests, result.resumes) == (size, 1, 0)
    assert result.checksum == checksum_of(data)
    assert source.opened == [(0, size)]
    assert source.open_streams == 0


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(0, 700),
    part=st.integers(1, 300),
    most=st.integers(1, 400),
    cuts=st.lists(st.integers(0, 200), max_size=8),
)
def test_an_interrupted_copy_equals_an_uninterrupted_one(size, part, most, cuts):
    """However often it is cut, however little each read gives, the bytes are right and none is fetched twice."""
    data = DATA[:size]
    breaks = [cut for cut in cuts if cut > 0]
    source = FlakySource(data, breaks=breaks, most_bytes=most)
    result, found = run(source, data=data, part=part)
    assert found == data
    assert result.checksum == checksum_of(data)
    assert result.fetched_bytes == size


@pytest.mark.parametrize("name", CHECKSUM_NAMES)
def test_every_checksum_survives_cuts_and_restarts(name):
    """Bytes of a distrusted answer are not in the checksum."""
    source = FlakySource(DATA, breaks=[250, RangeIgnoredError("whole"), 430, SourceLengthError("too long"), 33])
    result, found = run(source, checksum=name)
    assert found == DATA
    assert result.checksum == checksum_of(DATA, name)
    assert [start for start, _ in source.opened] == [0, 250, 0, 430, 0, 33]


def test_sha256_after_a_resume_is_left_to_reading_back():
    """A hash that needs the bytes in order is not invented: the object tells it when it stands."""
    sink = MemorySink()
    first = sink.begin("a", size_bytes=len(DATA), part_bytes=PART)
    first.put_part(0, DATA[:PART])
    upload = sink.begin("a", size_bytes=len(DATA), part_bytes=PART, state=first.state())
    result = copy(FlakySource(DATA), upload, size_bytes=len(DATA), part_bytes=PART, checksum="sha256")
    upload.commit()
    assert result.checksum is None
    expected = f"sha256:{hashlib.sha256(DATA).hexdigest()}"
    assert checksum_of_object(sink.store, "a", len(DATA), "sha256") == expected


def test_a_cut_goes_on_where_it_was_cut():
    """Within a part too: what is in the buffer is not fetched again."""
    source = FlakySource(DATA, breaks=[150])
    result, _ = run(source)
    assert source.opened == [(0, len(DATA)), (150, len(DATA))]
    assert (result.resumes, result.requests) == (1, 2)


def test_failures_without_progress_end_the_copy():
    """The sixth failure since the last new byte is raised as it came."""
    source = FlakySource(DATA, breaks=[150] + [0] * 100)
    with pytest.raises(SourceCutError):
        run(source)
    assert len(source.opened) == 6
    assert source.open_streams == 0


def test_progress_gives_the_attempts_back():
    """A line that breaks often but always gives something gets there."""
    source = FlakySource(DATA, breaks=[20] * 45)
    result, found = run(source)
    assert found == DATA
    assert result.resumes == 45


def test_the_total_of_resumes_is_bounded():
    """A source that gives a byte per connection ends, by an error."""
    source = FlakySource(DATA, breaks=[1] * 1000)
    with pytest.raises(SourceCutError):
        run(source)
    assert len(source.opened) == 65


def test_a_refused_url_is_asked_for_again_a_few_times():
    """Refusals in a row are bounded more tightly, because each costs its owner some calls."""
    refused = SourceExpiredError("refused", "host", 404)
    assert run(FlakySource(DATA, breaks=[150, refused, refused]))[1] == DATA
    source = FlakySource(DATA, breaks=[150] + [refused] * 100)
    with pytest.raises(SourceExpiredError):
        run(source)
    assert len(source.opened) == 1 + 3


@pytest.mark.parametrize("kind", [SourceLengthError, RangeIgnoredError])
def test_restarts_are_bounded(kind):
    """A server that never gives ranges is read from the beginning, but not for ever."""
    source = FlakySource(DATA, breaks=[50, kind("x"), 60, kind("x"), 70, kind("x"), 80])
    with pytest.raises(kind):
        run(source)


@pytest.mark.parametrize("kind", [SourceChangedError, RedirectRefusedError])
def test_what_can_not_get_better_is_raised_at_once(kind):
    """Another version, or a refused redirect, is not tried again here."""
    source, clock = FlakySource(DATA, breaks=[150, kind("x")]), ManualClock()
    with pytest.raises(kind):
        run(source, clock=clock)
    assert len(source.opened) == 2
    assert len(clock.slept) == 1


def test_waits_grow_and_are_bounded(monkeypatch):
    """Full jitter below a doubled bound; Retry-After is followed up to the longest wait."""
    monkeypatch.setattr(retrying.random, "uniform", lambda _low, high: high)
    answers = [SourceUnavailableError("busy", None, 503), SourceAnswerError("page"), SourceCutError("cut")]
    asked = [SourceUnavailableError("busy", None, 429, 7.0), SourceUnavailableError("busy", None, 429, 9999.0)]
    clock = ManualClock()
    run(FlakySource(DATA, breaks=[*answers, *asked]), clock=clock)
    assert clock.slept == [0.5, 1.0, 2.0, 7.0, 60.0]


def test_the_policy_can_be_chosen():
    """One attempt means that the first failure is raised."""
    with pytest.raises(SourceCutError):
        run(FlakySource(DATA, breaks=[0]), retry=RetryPolicy(attempts=1))
    with pytest.raises(ValueError, match="at least"):
        RetryPolicy(attempts=0)


def test_progress_is_told_after_each_read_and_ends_at_the_size():
    """Bytes that stand and bytes in all; less again after a restart."""
    told = []
    source = FlakySource(DATA, breaks=[150, RangeIgnoredError("whole")], most_bytes=60)
    run(source, progress=lambda done, total: told.append((done, total)))
    assert told[0] == (60, len(DATA))
    assert told[-1] == (len(DATA), len(DATA))
    assert {total for _, total in told} == {len(DATA)}
    assert [done for done, _ in told] != sorted(done for done, _ in told)


def test_progress_is_told_at_least_once_per_mebibyte():
    """A large part on a slow line is no reason for silence."""
    data, told = bytes(3 << 20), []
    run(FlakySource(data), data=data, part=8 << 20, progress=lambda done, _total: told.append(done))
    assert told == [1 << 20, 2 << 20, 3 << 20]


def test_reads_get_short_after_a_break_and_long_again():
    """A broken read loses what it had got, so that the next ones ask for less; each that succeeds asks for more."""
    data, told = bytes(5 << 20), []
    source = FlakySource(data, breaks=[SourceUnavailableError("busy")])
    run(source, data=data, part=8 << 20, progress=lambda done, _total: told.append(done))
    assert told[:6] == [(1 << 16) * number for number in (1, 3, 7, 15, 31, 47)]


def test_a_source_of_another_size_is_refused_before_the_first_byte():
    """The size known from elsewhere decides."""
    source = FlakySource(DATA[:-1])
    with pytest.raises(SizeMismatchError):
        run(source)
    assert source.opened == []


class Lying(FlakySource):
    """A source whose stream ends early without a word."""

    def open(self, start, stop):
        """Leave the last byte out."""
        return super().open(start, max(start, stop - 1))


class Generous(FlakySource):
    """A source whose stream goes on after its end."""

    def open(self, start, stop):
        """Add one byte, where there is one."""
        return super().open(start, stop + 1)


def test_a_stream_that_ends_silently_is_noticed():
    """Even a source without proofs of its own can't make a short file."""
    with pytest.raises(SourceCutError):
        run(Lying(DATA))


def test_a_stream_that_goes_on_is_noticed():
    """Even a source without proofs of its own can't make a long file, or hide that it would."""
    upload = MemorySink().begin("a", size_bytes=PART, part_bytes=PART)
    source = Generous(DATA)
    with pytest.raises(SizeMismatchError):
        copy(source, upload, size_bytes=PART, part_bytes=PART)


@pytest.mark.parametrize("error", [SinkError("full"), KeyboardInterrupt(), RuntimeError("bug")], ids=repr)
@pytest.mark.parametrize(("call", "number"), [("begin", 0), ("put_part", 0), ("put_part", 5), ("commit", 0)])
def test_an_exception_at_any_call_leaves_nothing(error, call, number):
    """Whatever is raised wherever: it comes out as it is, the stream is closed, nothing is visible."""
    sink = RecordingSink(lambda name, count: error if (name, count) == (call, number) else None)
    source = FlakySource(DATA)
    with pytest.raises(type(error)):
        run(source, sink=sink)
    assert source.open_streams == 0
    assert list(sink.store.list("")) == []
    assert sink.store._partials == {}


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("bug")], ids=repr)
def test_an_exception_of_the_progress_callback_ends_the_copy(error):
    """A task's timeout may strike anywhere."""

    def progress(done, _total):
        if done >= 5 * PART:
            raise error

    sink, source = MemorySink(), FlakySource(DATA, most_bytes=PART)
    with pytest.raises(type(error)):
        run(source, sink=sink, progress=progress)
    assert source.open_streams == 0
    assert list(sink.store.list("")) == []


def test_parts_that_stand_are_not_fetched():
    """An upload that has everything needs no request."""
    sink = MemorySink()
    upload = sink.begin("a", size_bytes=PART, part_bytes=PART)
    upload.put_part(0, DATA[:PART])
    source = FlakySource(DATA[:PART])
    result = copy(source, upload, size_bytes=PART, part_bytes=PART)
    assert source.opened == []
    assert (result.fetched_bytes, result.checksum) == (0, checksum_of(DATA[:PART]))
