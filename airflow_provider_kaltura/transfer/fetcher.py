"""One thread that fetches pieces of parts from a source, over one connection at a time."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Final

from airflow_provider_kaltura.transfer import proofs
from airflow_provider_kaltura.transfer.errors import (
    RangeIgnoredError,
    SourceError,
    SourceLengthError,
    SourceUnavailableError,
)
from airflow_provider_kaltura.transfer.retry import Budget

if TYPE_CHECKING:
    from airflow_provider_kaltura.transfer.buffers import Claim
    from airflow_provider_kaltura.transfer.pipeline import Pipeline
    from airflow_provider_kaltura.transfer.protocols import SourceStream

log = logging.getLogger(__name__)

#: Longest single read: short enough that rates are measured well within a quarter of a second.
READ_BYTES: Final = 256 * 1024


class Fetcher:
    """
    Fetches claims until there are none, or until there are more connections than wanted.

    A stream is kept as long as the next claim goes on where it stands: alone, one request gets all that is missing;
    beside others, each claim is a request of its own, on a connection that is kept.

    :param hub: Gives the claims, and takes what comes.
    :param number: The lower ones stay when there are too many.
    """

    def __init__(self, hub: Pipeline, number: int) -> None:
        #: Set by the thread itself: whoever starts it may be interrupted before it could.
        self.thread: threading.Thread | None = None
        self.has_ended = False
        #: Whether the thread waits for the source, and may be interrupted there.
        self.is_in_source = False
        self._hub = hub
        self._number = number
        self._task = hub.task
        self._stream: SourceStream | None = None
        self._position = self._stop = 0
        self._fetched_bytes = 0
        self._budget = Budget(hub.task.retry, 0, hub.resumes)
        limiter = hub.task.limiter
        self._most_bytes = READ_BYTES if limiter is None else min(READ_BYTES, limiter.piece_bytes)
        self._read_bytes = self._most_bytes
        # One claim by range comes first where there may be several connections: whether the source knows ranges
        # must not turn out when much is there already.
        self._knows_ranges = hub.task.max_connections == 1 or number > 0
        self._waits_since = time.monotonic()

    def run(self) -> None:
        """Fetch; what can't be mended is raised."""
        self.thread = threading.current_thread()
        try:
            while (claim := self._hub.claim(self._number)) is not None:
                self._fetch(claim)
                if self._hub.is_stopped:
                    return
                self._hub.arrived(claim)
        finally:
            self._close()
            self.has_ended = True

    def interrupt(self) -> None:
        """End the wait for the source, from another thread; it comes out as an error there."""
        interrupt = getattr(self._task.source, "interrupt", None)
        if interrupt is not None and self.thread is not None and self.thread.ident is not None:
            interrupt(self.thread.ident)

    def _fetch(self, claim: Claim) -> None:
        if self._position != claim.start:
            self._close()
            self._position = claim.start
        while self._position < claim.stop:
            try:
                self._read(claim)
            except SourceError as error:
                self._close()
                if self._hub.is_stopped:
                    return
                self._hub.pause(self._mend(error))
            if self._hub.is_stopped:
                return

    def _mend(self, error: SourceError) -> float:
        if isinstance(error, (RangeIgnoredError, SourceLengthError)):
            raise error
        wait = self._budget.spend(error, self._fetched_bytes)
        # What a broken read had got already is lost: a line that never lasts for a long read gets short ones.
        self._read_bytes = max(1, self._read_bytes // 16)
        with self._hub.lock:
            self._hub.counts.resumes += 1
            self._hub.counts.refusals += isinstance(error, SourceUnavailableError)
        log.info("Going on at byte %d of %d in %.1f s: %s", self._position, self._task.size_bytes, wait, error)
        return wait

    def _read(self, claim: Claim) -> None:
        if self._stream is None:
            self._open(claim)
        stream = self._stream
        if stream is None:
            return
        while self._position < claim.stop and not self._hub.is_stopped:
            count = self._timed_read(stream, claim.window(self._position, self._read_bytes))
            if count == 0:
                break
            self._position += count
            self._read_bytes = min(self._most_bytes, self._read_bytes * 2)
            self._pay(count)
        if self._hub.is_stopped:
            return
        proofs.range_not_cut(claim.stop - self._position, None)
        if self._position == self._stop:
            # Before the claim counts as there: nothing of an answer that goes on after its end may be put.
            proofs.nothing_after_range(self._timed_read(stream, memoryview(bytearray(1)), is_wanted=False), None)
            self._knows_ranges = True
            self._close()

    def _open(self, claim: Claim) -> None:
        farthest = self._hub.run_stop(self._position) if self._knows_ranges else None
        self._stop = claim.stop if farthest is None else farthest
        with self._hub.lock:
            if self._hub.is_stopped:
                return
            counts = self._hub.counts
            counts.opens += 1
            counts.open_now += 1
            counts.connections = max(counts.connections, counts.open_now)
        began = self._begin()
        try:
            self._stream = self._task.source.open(self._position, self._stop)
        except BaseException:
            with self._hub.lock:
                self._hub.counts.open_now -= 1
            raise
        finally:
            self._count(began, 0)

    def _timed_read(self, stream: SourceStream, window: memoryview, *, is_wanted: bool = True) -> int:
        began, count = self._begin(), 0
        try:
            count = stream.readinto(window)
        finally:
            self._count(began, count if is_wanted else 0)
        return count

    def _begin(self) -> float:
        self.is_in_source = True
        return time.monotonic()

    def _count(self, began: float, count: int) -> None:
        self.is_in_source = False
        now = time.monotonic()
        self._fetched_bytes += count
        with self._hub.lock:
            counts = self._hub.counts
            counts.fetched_bytes += count
            counts.reading_seconds += now - began
            counts.waiting_seconds += began - self._waits_since
            if count:
                counts.reading.add(self._number)
        self._waits_since = now

    def _pay(self, count: int) -> None:
        if self._task.limiter is not None:
            seconds = self._task.limiter.reserve(count)
            if seconds > 0:
                self._hub.pause(seconds)

    def _close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()
            with self._hub.lock:
                self._hub.counts.open_now -= 1
