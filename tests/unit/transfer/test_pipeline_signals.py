"""Signals while several threads copy: the hanging are interrupted, and nothing is left running."""

from __future__ import annotations

import random
import signal
import threading
import time
from dataclasses import dataclass, field

import pytest

from airflow_provider_kaltura.transfer.errors import SourceCutError, SourceUnavailableError
from airflow_provider_kaltura.transfer.memory_sink import MemorySink
from tests.fakes import FlakySource, RecordingSink
from tests.unit.transfer.test_pipeline import DATA, in_parallel, living, raising, run

__all__ = ["in_parallel"]


@dataclass
class Hanging:
    """A source that says nothing after a while until it is interrupted."""

    inner: FlakySource
    reads: int = 0
    reading: int = 0
    interrupted: set[int] = field(default_factory=set)
    ends: threading.Event = field(default_factory=threading.Event)

    @property
    def size_bytes(self):
        """That of the inner one."""
        return self.inner.size_bytes

    def open(self, start, stop):
        """Open a stream that will hang."""
        stream = self.inner.open(start, stop)
        return _HangingStream(self, stream)

    def interrupt(self, thread_id):
        """End what a thread waits for."""
        self.interrupted.add(thread_id)
        self.ends.set()


@dataclass
class _HangingStream:
    source: Hanging
    inner: object

    def readinto(self, buffer):
        """Read, or hang."""
        self.source.reads -= 1
        if self.source.reads >= 0:
            return self.inner.readinto(buffer)
        self.source.reading += 1
        assert self.source.ends.wait(30)
        raise SourceCutError("interrupted")

    def close(self):
        """Close the inner stream."""
        self.inner.close()


class StruckError(BaseException):
    """What the signal of a test raises."""


@pytest.fixture
def strike():
    """Give a function that has an exception raised in this thread after some seconds, wherever it is then."""

    def handler(_signal, _frame):
        raise StruckError

    before = signal.signal(signal.SIGALRM, handler)
    timer = signal.getitimer(signal.ITIMER_REAL)
    yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
    signal.setitimer(signal.ITIMER_REAL, *timer)


@pytest.mark.parametrize("reads", [0, 1, 7])
def test_a_signal_ends_a_copy_whose_source_hangs(strike, reads):
    """The hanging reads are interrupted, and all threads have ended when it comes out."""
    source = Hanging(FlakySource(DATA), reads=reads)
    strike(0.1)
    began = time.monotonic()
    with pytest.raises(StruckError):
        run(source, connections=4, sleep=time.sleep)
    assert time.monotonic() - began < 10
    assert source.inner.open_streams == 0


def test_a_signal_ends_a_long_wait(strike):
    """A pause after a failure doesn't outlive the copy."""
    busy = SourceUnavailableError("busy", None, 503, 60.0)
    strike(0.1)
    began = time.monotonic()
    with pytest.raises(StruckError):
        run(FlakySource(DATA, breaks=[busy] * 8), sleep=time.sleep)
    assert time.monotonic() - began < 10


def test_no_put_runs_when_a_signal_comes_out(strike):
    """The upload may be discarded then: a put that hangs is waited for."""
    running, seen = [], []

    class Slow(RecordingSink):
        def note(self, name, detail=None):
            super().note(name, detail)
            if name == "put_part":
                running.append(detail)
                time.sleep(0.3)  # a store that takes its time; nothing here waits for just so long
                running.remove(detail)
            if name == "discard":
                seen.append(list(running))

    strike(0.1)
    with pytest.raises(StruckError):
        run(FlakySource(DATA), sink=Slow(), puts=4, sleep=time.sleep)
    assert seen == [[]]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # one that strikes in a finaliser
def test_signals_at_any_moment_leave_nothing(strike):
    """Early, late, while threads start or end: the copy is whole or the exception comes out."""
    rng, struck = random.Random(7), 0
    for _ in range(60):
        source, sink = FlakySource(DATA, most_bytes=20), MemorySink()
        try:
            strike(rng.uniform(0.0002, 0.02))
            _, found = run(source, sink=sink, connections=4, puts=2)
            strike(0)
        except StruckError:
            struck += 1
        else:
            assert found == DATA
        assert living() == []
        assert source.open_streams == 0
    assert struck > 0


def test_what_progress_raises_ends_the_copy():
    """A task's timeout may strike there."""
    source = Hanging(FlakySource(DATA))
    with pytest.raises(KeyboardInterrupt):
        run(source, progress=raising(KeyboardInterrupt()))
