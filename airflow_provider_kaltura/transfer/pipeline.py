"""
A copy by several threads: some fetch pieces of parts, some put whole parts, and the calling one watches.

The calling thread only waits, tells progress and decides about the number of connections, so that a signal that ends
the task always finds it able to end all others. Memory: the buffers (:func:`buffers.buffer_count` parts), and for each
connection what the source needs for one read of :data:`READ_BYTES`; besides these whatever the sink needs for
``parallel_puts`` parts at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import queue
import threading
import time
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from airflow_provider_kaltura.transfer import checksum as checksums
from airflow_provider_kaltura.transfer import plan
from airflow_provider_kaltura.transfer.buffers import Board, Claim
from airflow_provider_kaltura.transfer.fetcher import Fetcher
from airflow_provider_kaltura.transfer.retry import Resumes
from airflow_provider_kaltura.transfer.tuning import Measure, Tuner

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_provider_kaltura.transfer.buffers import Part, StepName
    from airflow_provider_kaltura.transfer.protocols import Source, Upload
    from airflow_provider_kaltura.transfer.rate import RateLimiter
    from airflow_provider_kaltura.transfer.retry import RetryPolicy

log = logging.getLogger(__name__)

#: The calling thread looks this often; nothing else waits for it.
WATCH_SECONDS: Final = 0.03
#: A thread that waits for the source is interrupted, and waited for so long. After that it is left to the source's own
#: time limits: it is looking a name up or connecting, holds nothing but its buffer, and ends without another step.
SOURCE_END_SECONDS: Final = 1.0
#: So long a thread may take to begin once it was started.
START_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """
    What a pipeline does.

    :param source: Where the bytes come from.
    :param upload: Where they go.
    :param size_bytes: Length of the whole.
    :param part_bytes: Length of a part.
    :param missing: Parts to fetch, in order.
    :param with_crc: Compute the CRC-64/NVME of each part.
    :param with_sha: Compute the SHA-256 of the parts, in order.
    :param is_ordered: Put parts in order, one at a time.
    :param parallel_puts: Threads that put; 0 leaves it to those that fetch.
    :param max_connections: Most connections at once.
    :param retry: How long to go on when the source breaks.
    :param sleep: Waits some seconds; ``time.sleep`` stands for waits that end with the copy.
    :param progress: Told by the calling thread how many bytes have come.
    :param limiter: How many bytes per second may come.
    :param stored: Told about each part that was put, one at a time.
    """

    source: Source
    upload: Upload
    size_bytes: int
    part_bytes: int
    missing: Sequence[int]
    with_crc: bool
    with_sha: bool
    is_ordered: bool
    parallel_puts: int
    max_connections: int
    retry: RetryPolicy
    sleep: Callable[[float], None]
    progress: Callable[[int], None]
    limiter: RateLimiter | None
    stored: Callable[[int], None] | None


@dataclass(slots=True)
class Counts:
    """What the fetching threads have done, together."""

    fetched_bytes: int = 0
    reading_seconds: float = 0.0
    waiting_seconds: float = 0.0
    opens: int = 0
    resumes: int = 0
    open_now: int = 0
    connections: int = 0
    refusals: int = 0
    reading: set[int] = field(default_factory=set)


class Pipeline:
    """
    One run of threads over a task; used once.

    :param task: What to do.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self.counts = Counts()
        self.sha = hashlib.sha256() if task.with_sha else None
        self.resumes = Resumes(task.retry, task.size_bytes)
        # A plain lock, since only its own "with" can't be left locked by a signal; the calling thread never waits for
        # the condition itself.
        self.lock = threading.Lock()
        self.changed = threading.Condition(self.lock)
        self.is_stopped = False
        self._runs = plan.missing_ranges(task.size_bytes, task.part_bytes, _others(task))
        self._board = Board(
            task.size_bytes, task.part_bytes, task.missing, is_ordered=task.is_ordered, is_hashed=task.with_sha
        )
        self._tuner = Tuner(task.max_connections)
        self._target = self._tuner.target
        self._error: BaseException | None = None
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._telling = threading.Lock()
        self._fetchers: dict[int, Fetcher] = {}
        self._threads: list[threading.Thread] = []
        self._begun: set[threading.Thread] = set()
        self._ended: set[threading.Thread] = set()

    def run(self) -> None:
        """
        Fetch and put all missing parts.

        No put is under way when this returns or raises, so that the upload may be discarded: a sink whose call hangs
        is waited for as long as its own time limits let it hang. All that fetches has ended within about a second.

        :raises RangeIgnoredError: Nothing of this run can be trusted.
        :raises SourceLengthError: The same.
        :raises Exception: Whatever ended the first thread that failed.
        """
        try:
            try:
                for number in range(self.task.parallel_puts):
                    self._start(self._put_parts, f"put-{number}")
                self._start_fetchers()
                self._watch()
            finally:
                self._end()
        except BaseException:
            # A signal may strike before the first line of the first call has run.
            self._end()
            raise
        if self._error is not None:
            _forget_buffers(self._error)
            raise self._error

    def claim(self, number: int) -> Claim | None:
        """
        Wait for the next bytes to fetch.

        :param number: Of the fetcher.
        :returns: None when it is to end.
        """
        with self.lock:
            while not self.is_stopped and number < self._target:
                found = self._board.claim()
                if found is not None or self._board.is_claimed:
                    return found
                self.changed.wait()
            return None

    def arrived(self, claim: Claim) -> None:
        """
        Take a claim whose bytes are there, and do what became possible by it.

        :param claim: From :meth:`claim`.
        """
        with self.lock:
            self._board.arrived(claim)
            self.changed.notify_all()
        if not self.task.parallel_puts:
            while (step := self._next_step()) is not None:
                self._do(*step)

    def run_stop(self, position: int) -> int | None:
        """
        Tell how far a single connection may read on.

        :param position: Where it begins.
        :returns: The end of the missing bytes from there on; None while there are several connections.
        """
        if self._target > 1:
            return None
        return next(run.stop for run in self._runs if position < run.stop)

    def pause(self, seconds: float) -> None:
        """
        Wait, though not longer than the copy goes on.

        :param seconds: How long.
        """
        if self.task.sleep is not time.sleep:
            self.task.sleep(seconds)
            return
        until = time.monotonic() + seconds
        with self.lock:
            while not self.is_stopped and (left := until - time.monotonic()) > 0:
                self.changed.wait(left)

    def fail(self, error: BaseException) -> None:
        """
        End the copy by an error, unless it has ended already.

        :param error: What is raised by :meth:`run`, if it is the first.
        """
        with self.lock:
            if not self.is_stopped:
                self._error = error
            self._stop()

    def _stop(self) -> None:
        self.is_stopped = True
        self.changed.notify_all()
        self._wake.put(None)

    def _next_step(self) -> tuple[StepName, Part] | None:
        with self.lock:
            return None if self.is_stopped else self._board.next_step()

    def _do(self, step: StepName, part: Part) -> None:
        data = part.view
        if step == "put":
            value = checksums.crc64nvme(data) if self.task.with_crc else None
            self.task.upload.put_part(part.index, data, crc64nvme=value)
            if self.task.stored is not None:
                with self._telling:
                    self.task.stored(part.index)
        elif self.sha is not None:
            self.sha.update(data)
        with self.lock:
            self._board.done(step, part)
            if self._board.left == 0:
                self._stop()
            self.changed.notify_all()

    def _put_parts(self) -> None:
        while (step := self._await_step()) is not None:
            self._do(*step)

    def _await_step(self) -> tuple[StepName, Part] | None:
        with self.lock:
            while not self.is_stopped:
                step = self._board.next_step()
                if step is not None:
                    return step
                self.changed.wait()
            return None

    def _start(self, work: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=self._guarded, args=(work,), name=f"copy-{name}", daemon=True)
        self._threads.append(thread)
        try:
            thread.start()
        except RuntimeError as error:
            # A signal in the last step of start() comes out as an error of its lock (Python 3.11).
            if error.__context__ is None:
                raise
            raise error.__context__ from None

    def _guarded(self, work: Callable[[], None]) -> None:
        self._begun.add(threading.current_thread())
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised by the calling thread, whatever it is
            self.fail(error)
        finally:
            self._ended.add(threading.current_thread())
            self._wake.put(None)

    def _start_fetchers(self) -> None:
        with self.lock:
            is_claimed = self._board.is_claimed
        for number in range(0 if is_claimed else self._target):
            found = self._fetchers.get(number)
            if found is None or found.has_ended:
                self._fetchers[number] = fetcher = Fetcher(self, number)
                self._start(fetcher.run, f"fetch-{number}")

    def _watch(self) -> None:
        while True:
            with contextlib.suppress(queue.Empty):
                self._wake.get(timeout=WATCH_SECONDS)
            with self.lock:
                now = self._measure()
                is_stopped, refusals = self.is_stopped, self.counts.refusals
                self.counts.refusals = 0
            if is_stopped:
                return
            self.task.progress(now.fetched_bytes)
            self._tune(now, refusals)

    def _measure(self) -> Measure:
        return Measure(
            at=time.monotonic(),
            fetched_bytes=self.counts.fetched_bytes,
            reading_seconds=self.counts.reading_seconds,
            waiting_seconds=self.counts.waiting_seconds,
            reading=len(self.counts.reading),
        )

    def _tune(self, now: Measure, refusals: int) -> None:
        if refusals:
            self._tuner.refused(now.at)
        target = self._tuner.observe(now)
        if target != self._target:
            log.debug("%d connections instead of %d", target, self._target)
            with self.lock:
                self._target = target
                self.counts.reading.clear()
                self.changed.notify_all()
        self._start_fetchers()

    def _end(self) -> None:
        interruption: BaseException | None = None
        while True:
            try:
                self._end_threads()
            except BaseException as error:  # noqa: BLE001 - another signal; still no put may be left running
                interruption = error
            else:
                break
        if interruption is not None:
            raise interruption

    def _end_threads(self) -> None:
        with self.lock:
            self._stop()
        began = time.monotonic()
        while alive := [thread for thread in self._threads if self._may_live(thread, began)]:
            waiting = [fetcher for fetcher in self._fetchers.values() if fetcher.is_in_source]
            for fetcher in waiting:
                fetcher.interrupt()
            if time.monotonic() > began + SOURCE_END_SECONDS:
                left = {fetcher.thread for fetcher in waiting}
                alive = [thread for thread in alive if thread not in left]
            if not alive:
                log.warning("A connection that is being made is left to its own time limit")
                return
            with contextlib.suppress(queue.Empty):
                self._wake.get(timeout=WATCH_SECONDS)
        for thread in self._ended.copy():
            thread.join()

    def _may_live(self, thread: threading.Thread, began: float) -> bool:
        # Not is_alive(): a join that a signal interrupts takes a living thread for a dead one (Python 3.11). And a
        # signal may strike while a thread is started: then it is not known whether it will ever run.
        if thread in self._begun:
            return thread not in self._ended
        return time.monotonic() < began + START_SECONDS


def _forget_buffers(error: BaseException) -> None:
    # Whoever keeps the error would keep the buffers with it: they are in the frames of the threads, which have ended.
    each: BaseException | None = error
    while each is not None:
        traceback.clear_frames(each.__traceback__)
        each = each.__cause__ or each.__context__


def _others(task: Task) -> frozenset[int]:
    return frozenset(range(plan.part_count(task.size_bytes, task.part_bytes))).difference(task.missing)
