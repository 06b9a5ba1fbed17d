"""Bytes of an answer that turned out wrong never get into the file, whatever ends the try and whoever goes on."""

from __future__ import annotations

import threading

import pytest

from airflow_provider_kaltura.ingest import fetch as fetching
from airflow_provider_kaltura.ingest.models import RunOptions
from airflow_provider_kaltura.ingest.partial_claim import TOUCH_SECONDS
from airflow_provider_kaltura.transfer import copy as copying
from airflow_provider_kaltura.transfer import plan
from airflow_provider_kaltura.transfer.checksum import checksum_of
from airflow_provider_kaltura.transfer.errors import RangeIgnoredError, SourceChangedError, SourceLengthError
from airflow_provider_kaltura.transfer.local_sink import LocalSink
from tests.fakes import ManualClock
from tests.unit.ingest.fakes import BytesSource
from tests.unit.ingest.partials import (
    DATA,
    PART,
    RESUMING,
    Place,
    assert_done,
    break_off,
    fetch,
    film,
    lake_of,
    record,
    records,
)

WRONG = bytes(reversed(DATA))


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    """Parts of one MiB, and a restart that does not wait."""
    monkeypatch.setattr(plan, "DEFAULT_PART_BYTES", PART)
    monkeypatch.setattr(copying.RetryPolicy, "__init__", _impatient(copying.RetryPolicy.__init__))


def _impatient(make):
    def init(self, **more):
        make(self, **{"first_wait_seconds": 0.0, **more})

    return init


class Turning:
    """Gives wrong bytes and then an error; what comes after that is told by *then*, by number of the opening."""

    def __init__(self, error, then):
        self.error, self.then, self.is_found_out = error, then, False
        self.version, self.size_bytes = "2", len(DATA)
        self._lock = threading.Lock()

    def open(self, start, stop):
        """Open one range."""
        with self._lock:
            if not self.is_found_out:
                return _Wrong(BytesSource(WRONG, error=self.error, error_at=3 * PART).open(start, stop), self)
        return self.then(start, stop)


class _Wrong:
    def __init__(self, stream, source):
        self._stream, self._source = stream, source

    def readinto(self, buffer):
        try:
            return self._stream.readinto(buffer)
        except type(self._source.error):
            self._source.is_found_out = True
            raise

    def close(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


class Keeping(Place):
    """A place where only the service itself removes what was stored."""

    def begin(self, key, **more):
        """Begin an upload that can't be discarded."""
        upload = super().begin(key, **more)
        upload.discard = lambda: None
        return upload


class Die(BaseException):
    """The end of a process, after which nothing of it runs."""


def dying(_start, _stop):
    """End the process in the middle of the restart."""
    raise Die


@pytest.mark.parametrize("is_parallel", [True, False])
@pytest.mark.parametrize("error", [RangeIgnoredError("whole"), SourceLengthError("too long")])
@pytest.mark.parametrize("place", [Place, Keeping])
def test_kill_while_beginning_again_leaves_nothing_distrusted(monkeypatch, place, error, is_parallel):
    """Before the restart asks for its first byte the record vouches for none of the parts any more."""
    monkeypatch.setattr(copying, "PIPELINE_BYTES", 1 if is_parallel else 1 << 40)
    monkeypatch.setattr(fetching._Transfer, "give_up", lambda _self, _error: None)
    lake = lake_of(place(any_order=True))
    with pytest.raises(Die):
        fetch(lake, source=Turning(error, dying), options=RunOptions(resume_above_bytes=1, max_connections=1))
    monkeypatch.undo()
    monkeypatch.setattr(plan, "DEFAULT_PART_BYTES", PART)
    assert fetch(lake).fetched_bytes == len(DATA)
    assert lake.store.read("a.mp4") == DATA
    assert records(lake) == []


@pytest.mark.parametrize("checksum", ["crc64nvme", "sha256"])
def test_same_try_begins_with_an_upload_of_its_own(checksum):
    """It ends well, with the checksum of the right bytes, and leaves nothing else; the limit counts the file once."""
    lake = lake_of()
    options = RunOptions(resume_above_bytes=1, checksum=checksum, max_bytes=len(DATA))
    outcome = fetch(lake, options=options, source=Turning(SourceLengthError("too long"), BytesSource(DATA).open))
    assert outcome.checksum == checksum_of(DATA, checksum)
    assert lake.sink.begun == [None, None]
    assert_done(lake)


def test_parts_of_an_earlier_try_are_thrown_away_with_distrusted_ones():
    """Which parts came from the wrong answers is not told any more once they are in one upload."""
    lake = lake_of()
    break_off(lake)
    source = Turning(SourceLengthError("too long"), BytesSource(DATA).open)
    assert fetch(lake, source=source).checksum == checksum_of(DATA)
    assert_done(lake)


def test_source_that_is_wrong_at_once_costs_nothing_of_what_is_there():
    """As long as nothing of its answers was stored, the parts of an earlier try are still good."""
    lake = lake_of()
    break_off(lake)
    good, opened = BytesSource(DATA), []

    class Once(BytesSource):
        def open(self, start, stop):
            opened.append((start, stop))
            if len(opened) == 1:
                raise RangeIgnoredError("whole")
            return good.open(start, stop)

    assert fetch(lake, source=Once(DATA)).fetched_bytes <= len(DATA) - 2 * PART
    assert_done(lake)


@pytest.mark.parametrize("error", [RangeIgnoredError("whole"), SourceLengthError("too long")])
@pytest.mark.parametrize("place", [Place, Keeping])
def test_source_that_stays_wrong_leaves_nothing_to_go_on_with(place, error):
    """The error may go away, what it had given does not get right."""
    lake = lake_of(place())
    source = BytesSource(WRONG, error=error, error_at=3 * PART)
    with pytest.raises(type(error)):
        fetch(lake, source=source)
    assert records(lake) == []
    assert fetch(lake).fetched_bytes == len(DATA)
    assert lake.store.read("a.mp4") == DATA


def test_what_cannot_be_discarded_is_not_vouched_for(monkeypatch):
    """Where neither the parts nor the record can be removed, the record no longer names them."""
    lake = lake_of()
    source = BytesSource(WRONG, error=SourceLengthError("too long"), error_at=3 * PART)
    monkeypatch.setattr(fetching._Transfer, "_discard", lambda _self: False)
    with pytest.raises(SourceLengthError):
        fetch(lake, source=source)
    assert record(lake).state is None


def test_distrusted_file_on_disk_is_fetched_anew(tmp_path):
    """On a disk the part file is another one."""
    lake = lake_of(LocalSink(tmp_path))
    source = Turning(SourceLengthError("too long"), BytesSource(DATA).open)
    assert fetch(lake, source=source, options=RESUMING).checksum == checksum_of(DATA)
    assert (tmp_path / "a.mp4").read_bytes() == DATA
    assert records(lake) == []


class Tagged(BytesSource):
    """A source whose URL names no version, but whose answers have a validator."""

    def __init__(self, data, tag, **more):
        super().__init__(data, **more)
        self.tag, self.validator, self.is_begun = tag, None, False

    def expect(self, validator, *, is_begun):
        """Compare with what an earlier try had."""
        self.validator, self.is_begun = validator, is_begun

    def open(self, start, stop):
        """Refuse another tag, as the HTTP source does."""
        if self.validator is None and not self.is_begun:
            self.validator = self.tag
        if self.validator != self.tag:
            raise SourceChangedError("another tag")
        return super().open(start, stop)


def test_validator_is_compared_between_two_tries():
    """The same one is gone on with; another one is other bytes, of which none gets into the file."""
    lake = lake_of()
    break_off(lake, source=Tagged(DATA, "one"))
    assert record(lake).validator == "one"
    assert fetch(lake, source=Tagged(DATA, "one")).fetched_bytes < len(DATA)
    assert_done(lake)
    lake = lake_of()
    break_off(lake, source=Tagged(WRONG, "one"))
    with pytest.raises(SourceChangedError):
        fetch(lake, source=Tagged(DATA, "two"))
    assert fetch(lake, source=Tagged(DATA, "two")).fetched_bytes == len(DATA)
    assert_done(lake)


def test_bytes_whose_validator_was_not_written_down_are_not_gone_on_with():
    """A kill may have come before it was."""
    lake = lake_of()
    break_off(lake, source=BytesSource(WRONG))
    with pytest.raises(SourceChangedError):
        fetch(lake, source=Tagged(DATA, "one"))
    assert fetch(lake, source=Tagged(DATA, "one")).fetched_bytes == len(DATA)
    assert_done(lake)


def test_long_part_gives_signs_of_life():
    """Bytes that come slowly keep the record fresh although no part is stored, at most once a minute."""
    lake, now, seen = lake_of(lists_parts=True), ManualClock(), []

    def progress(_done, _size):
        now.advance(TOUCH_SECONDS / 2)
        seen.append(now.now - record(lake).touched_at_epoch)

    one_part = plan.DEFAULT_PART_BYTES * 8
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "DEFAULT_PART_BYTES", one_part)
        found = fetching.Fetcher(lake, RESUMING, now).fetch(film(), BytesSource(DATA), progress=progress)
    assert found.size_bytes == len(DATA)
    assert len(seen) >= 4
    assert max(seen) <= TOUCH_SECONDS + TOUCH_SECONDS / 2
