"""Several jobs of one run at a time, each by a thread of its own."""

from __future__ import annotations

import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_kaltura.ingest.batch_names import require_own
from airflow_provider_kaltura.ingest.fetch import Fetcher
from airflow_provider_kaltura.ingest.manifest import Manifest, ManifestWriter

# Its outcome_of is made for parallel jobs; what is around it in run() is for one after the other.
from airflow_provider_kaltura.ingest.run import _Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from airflow_provider_kaltura.ingest.lake import Lake
    from airflow_provider_kaltura.ingest.manifest_row import ManifestRow
    from airflow_provider_kaltura.ingest.models import AssetJob, Outcome, RunOptions
    from airflow_provider_kaltura.ingest.run import JobProgress
    from airflow_provider_kaltura.ingest.standing import Recorded
    from airflow_provider_kaltura.transfer.protocols import ObjectStat, Source

# How long an interrupted batch waits for its threads, each of which ends at its next read.
_PATIENCE_SECONDS: Final = 20.0
# A store's clock may be so far behind ours.
_CLOCKS_APART_SECONDS: Final = 60.0
# How often the manifest is read anew for files that another task may be putting there.
_AGAIN_SECONDS: Final = 5.0


class SharedWriter(ManifestWriter):
    """A manifest writer for several threads."""

    def __init__(self, lake: Lake, options: RunOptions) -> None:
        super().__init__(lake, options)
        self._lock = threading.RLock()

    def add_row(self, row: ManifestRow, *, newer_than: datetime | None = None) -> ManifestRow:
        """
        Take a row that is observed now.

        :param row: The row; its time does not count.
        :param newer_than: The row that is written is newer than this.
        :returns: The row that will be written.
        """
        with self._lock:
            return super().add_row(row, newer_than=newer_than)

    def tick(self) -> None:
        """Write what is due."""
        with self._lock:
            super().tick()

    def flush_quietly(self) -> None:
        """Write what has not been written, if the store takes it."""
        with self._lock:
            super().flush_quietly()

    def flush(self) -> None:
        """
        Write what has not been written.

        :raises SinkError: The rows could not be written; they are kept for another try.
        """
        with self._lock:
            super().flush()


class _SharedFetcher(Fetcher):
    """A fetcher whose limits hold for all threads together."""

    def __init__(self, lake: Lake, options: RunOptions) -> None:
        super().__init__(lake, options)
        self._lock = threading.Lock()

    def take(self, job: AssetJob, size_bytes: int) -> None:
        with self._lock:
            super().take(job, size_bytes)


class _Stopped(BaseException):
    """The batch was interrupted; as if the interruption had come to this thread."""


class _Worker(_Run):
    """The run of one thread: it shares names, limits, writer and manifest with the others, not what it must finish."""

    team: ParallelRun

    def _read_manifest(self) -> Any:
        with self.team.lock:
            if self.team.manifest is None:
                self.manifest = None
                self.team.read_at_epoch = time.time()
                self.team.manifest = super()._read_manifest()
        # A job that was planned anew may have another name, of which the shared manifest does not know.
        self.manifest, self.paths = self.team.manifest, self.team.paths
        return self.manifest

    def _recorded(
        self, job: AssetJob, stat: ObjectStat | None, wanted_bytes: int, *, is_in_doubt: bool
    ) -> Recorded | None:
        if stat is not None and self.options.if_exists == "skip":
            require_own(job, stat, lambda: self._row_of(job, stat))
        return super()._recorded(job, stat, wanted_bytes, is_in_doubt=is_in_doubt)

    def _row_of(self, job: AssetJob, stat: ObjectStat) -> ManifestRow | None:
        """Read what is recorded about a file; anew where another task may have put it there since we read all."""
        row: ManifestRow | None = self._read_manifest().standing(job.key, stat.version_tag)
        if row is None and job.key not in self.team.paths:
            row = Manifest(self.lake.store, {job.key}).standing(job.key, stat.version_tag)
        modified_at = stat.modified_at_epoch
        if row is None and modified_at is not None and modified_at > self.team.read_at_epoch - _CLOCKS_APART_SECONDS:
            row = self._read_again().standing(job.key, stat.version_tag)
        return row

    def _read_again(self) -> Manifest:
        """Read what others have written meanwhile, every few seconds at most."""
        with self.team.lock:
            if self.team.again is None or time.time() > self.team.again_at_epoch + _AGAIN_SECONDS:
                self.team.again_at_epoch = time.time()
                self.team.again = Manifest(self.lake.store, self.team.paths)
            return self.team.again


@dataclass(slots=True)
class ParallelRun:
    """
    Carries jobs out, several at a time.

    :param lake: Where they go.
    :param options: How; limits are those of all jobs together.
    :param open_source: Gives the source of a job; called by several threads.
    :param claimed: Asset ids by name, of all jobs: two assets never get one name.
    :param max_parallel: Jobs at a time.
    :param progress: Told while bytes move, by several threads.
    """

    lake: Lake
    options: RunOptions
    open_source: Callable[[AssetJob], Source]
    claimed: dict[str, str]
    max_parallel: int
    progress: JobProgress | None = None
    manifest: Any = None
    read_at_epoch: float = 0.0
    again: Manifest | None = None
    again_at_epoch: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)
    paths: frozenset[str] = field(init=False)
    _stop: threading.Event = field(default_factory=threading.Event)
    _local: threading.local = field(default_factory=threading.local)
    _workers: list[_Worker] = field(default_factory=list)
    _writer: SharedWriter = field(init=False)
    _fetcher: Fetcher = field(init=False)

    def __post_init__(self) -> None:
        self.paths = frozenset(self.claimed)
        self._writer = SharedWriter(self.lake, self.options)
        self._fetcher = _SharedFetcher(self.lake, self.options)

    def outcomes(self, jobs: Iterator[AssetJob]) -> Iterator[Outcome]:
        """
        Carry jobs out.

        An interruption, and closing the iterator, end the files under way as they would end a single one.

        :param jobs: They are taken as they are needed, by the calling thread.
        :yields: One outcome per job, as they end; what stands is in the manifest at the latest when the iterator ends.
        :raises SinkError: The manifest can't be read or written.
        """
        running: set[Future[Outcome]] = set()
        pool = ThreadPoolExecutor(self.max_parallel, thread_name_prefix="kaltura-batch")
        try:
            for job in jobs:
                running.add(pool.submit(self._carry_out, job))
                if len(running) >= self.max_parallel:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    for one in done:
                        yield one.result()
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for one in done:
                    yield one.result()
        except BaseException:
            self._give_up(running)
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        self._writer.flush()
        self._finish()

    def _give_up(self, running: set[Future[Outcome]]) -> None:
        self._stop.set()
        for one in running:
            one.cancel()
        wait(running, timeout=_PATIENCE_SECONDS)
        self._writer.flush_quietly()
        self._finish()

    def _finish(self) -> None:
        if self._writer.is_flushed:
            for worker in self._workers:
                worker._finish_claims()  # noqa: SLF001 - see the import of _Run

    def _carry_out(self, job: AssetJob) -> Outcome:
        worker = self._worker()
        outcome = worker.outcome_of(job)
        if outcome.outcome != "skipped":
            worker._record(outcome)  # noqa: SLF001 - see the import of _Run
        worker._finish_claims()  # noqa: SLF001 - see the import of _Run
        return outcome

    def _worker(self) -> _Worker:
        found: _Worker | None = getattr(self._local, "worker", None)
        if found is None:
            found = _Worker(self.lake, self.options, self._writer, self.open_source, self._advance)
            found.team, found.claimed, found.fetcher, found.paths = self, self.claimed, self._fetcher, self.paths
            self._local.worker = found
            with self.lock:
                self._workers.append(found)
        return found

    def _advance(self, job: AssetJob, done_bytes: int, size_bytes: int) -> None:
        if self._stop.is_set():
            raise _Stopped
        if self.progress is not None:
            self.progress(job, done_bytes, size_bytes)
