"""The loop that moves bytes from a source into an upload; it knows neither which source nor which sink."""

from __future__ import annotations

import hashlib
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

from airflow_provider_kaltura.transfer import checksum as checksums
from airflow_provider_kaltura.transfer import plan, proofs
from airflow_provider_kaltura.transfer.errors import RangeIgnoredError, SourceError, SourceLengthError
from airflow_provider_kaltura.transfer.pipeline import Pipeline, Task
from airflow_provider_kaltura.transfer.retry import Budget, Resumes, RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_kaltura.transfer.checksum import ChecksumName
    from airflow_provider_kaltura.transfer.protocols import Capabilities, Source, Upload
    from airflow_provider_kaltura.transfer.rate import RateLimiter

log = logging.getLogger(__name__)

Progress: TypeAlias = "Callable[[int, int], None]"

#: Longest single read, so that progress is told often and a cut loses little of a part on a slow line.
READ_BYTES = 1024 * 1024
#: Less than this is fetched in order, over one connection: the threads would cost more than they bring.
PIPELINE_BYTES = 16 * 1024 * 1024

__all__ = ["PIPELINE_BYTES", "READ_BYTES", "CopyResult", "Progress", "RetryPolicy", "combined", "copy"]


class _Hash(Protocol):
    def update(self, data: memoryview, /) -> None: ...
    def hexdigest(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyResult:
    """
    What a copy did.

    ``checksum`` is None for ``"none"``, and for ``"sha256"`` when parts of an earlier try were there already: the
    object must then be read back (:func:`checksum_of_object`). ``connections`` is the most that were used at once.
    """

    size_bytes: int
    checksum: str | None
    fetched_bytes: int
    requests: int
    resumes: int
    connections: int = 0


@dataclass(slots=True)
class _Copy:
    source: Source
    upload: Upload
    size_bytes: int
    part_bytes: int
    checksum: ChecksumName
    retry: RetryPolicy
    progress: Progress | None
    sleep: Callable[[float], None]
    limiter: RateLimiter | None
    stored: Callable[[int], None] | None
    renew: Callable[[], Upload] | None
    done: frozenset[int] = field(init=False)
    sha: _Hash | None = None
    has_put: bool = False
    done_bytes: int = 0
    fetched_bytes: int = 0
    opens: int = 0
    resumes: int = 0
    connections: int = 0
    buffer: memoryview = field(init=False)
    read_bytes: int = field(init=False)
    most_read_bytes: int = field(init=False)
    position: int = 0

    def __post_init__(self) -> None:
        self.most_read_bytes = READ_BYTES if self.limiter is None else min(READ_BYTES, self.limiter.piece_bytes)
        self.read_bytes = self.most_read_bytes
        self.done = self.upload.done_parts()

    @property
    def with_crc(self) -> bool:
        """Whether each part gets its CRC-64/NVME."""
        return self.checksum == "crc64nvme"

    @property
    def with_sha(self) -> bool:
        """Whether all bytes come by here, in order, so that they can be hashed."""
        return self.checksum == "sha256" and not self.done

    @property
    def bytes_before(self) -> int:
        """Bytes that stood before this copy began."""
        sizes = (plan.part_range(index, self.size_bytes, self.part_bytes).size_bytes for index in self.done)
        return sum(sizes)

    def copy_in_order(self) -> None:
        """Fetch and put what is missing, one part after the other; all of it again when it can't be trusted."""
        self.buffer = memoryview(bytearray(max(1, min(self.part_bytes, self.size_bytes))))
        self.connections = max(self.connections, 1 if self.size_bytes else 0)
        budget = Budget(self.retry, 0, Resumes(self.retry, self.size_bytes))
        while True:
            self.sha = hashlib.sha256() if self.with_sha else None
            self.done_bytes = self.bytes_before
            ranges = list(plan.missing_ranges(self.size_bytes, self.part_bytes, self.done))
            try:
                for wanted in ranges if self.size_bytes else [plan.ByteRange(0, 0)]:
                    self.fetch(wanted, budget)
            except _Distrusted as signal:
                log.info("Beginning again in %.1f s: %s", signal.wait_seconds, signal)
                self.distrust()
                self.sleep(signal.wait_seconds)
            else:
                return

    def distrust(self) -> None:
        """Go on with an upload that has nothing of what was put here; whoever gives it makes sure of that."""
        if self.has_put and self.renew is not None:
            self.upload = self.renew()
            self.done, self.has_put = self.upload.done_parts(), False

    def copy_in_parallel(self, capabilities: Capabilities, max_connections: int) -> bool:
        """Fetch and put what is missing by several threads; False when that is not worth it, or nothing came of it."""
        before = self.bytes_before
        is_alone = max_connections == 1 and not capabilities.parallel_puts
        if is_alone or self.size_bytes - before < max(1, PIPELINE_BYTES):
            return False
        # A quick copy ends before the threads' progress was looked at: its rate needs a beginning.
        self._tell(before)
        pipeline, is_distrusted = Pipeline(self._task(capabilities, max_connections, before)), False
        try:
            pipeline.run()
        except (RangeIgnoredError, SourceLengthError) as error:
            log.info("Beginning again, over one connection: %s", error)
            self.resumes += 1
            is_distrusted = True
        finally:
            counts = pipeline.counts
            self.fetched_bytes += counts.fetched_bytes
            self.opens += counts.opens
            self.resumes += counts.resumes
            self.connections = counts.connections
        if is_distrusted:
            self.has_put = counts.fetched_bytes > 0
            self.distrust()
            return False
        self.sha, self.done_bytes = pipeline.sha, before + counts.fetched_bytes
        self._tell(self.done_bytes)
        return True

    def _task(self, capabilities: Capabilities, max_connections: int, before: int) -> Task:
        return Task(
            source=self.source,
            upload=self.upload,
            size_bytes=self.size_bytes,
            part_bytes=self.part_bytes,
            missing=list(plan.missing_parts(self.size_bytes, self.part_bytes, self.done)),
            with_crc=self.with_crc,
            with_sha=self.with_sha,
            is_ordered=not capabilities.any_order,
            parallel_puts=capabilities.parallel_puts,
            max_connections=max_connections,
            retry=self.retry,
            sleep=self.sleep,
            progress=lambda fetched: self._tell(before + fetched),
            limiter=self.limiter,
            stored=self.stored,
        )

    def fetch(self, wanted: plan.ByteRange, budget: Budget) -> None:
        """Fetch one range, however often it breaks within the policy; parts are put as they fill."""
        self.position = wanted.start
        while True:
            try:
                self._fetch_once(wanted.stop)
            except SourceError as error:
                wait = budget.spend(error, self.position)
                self.resumes += 1
                # What a broken read had got already is lost: a line that never lasts for a long read gets short ones.
                self.read_bytes = max(1, self.read_bytes // 16)
                if isinstance(error, (RangeIgnoredError, SourceLengthError)):
                    raise _Distrusted(wait, error) from error
                log.info("Going on at byte %d of %d in %.1f s: %s", self.position, self.size_bytes, wait, error)
                self.sleep(wait)
            else:
                return

    def _fetch_once(self, stop: int) -> None:
        self.opens += 1
        with self.source.open(self.position, stop) as stream:
            while self.position < stop:
                part = plan.part_range(self.position // self.part_bytes, self.size_bytes, self.part_bytes)
                # A part cut in the middle is gone on with, not fetched again: its beginning is still in the buffer.
                window = self.buffer[self.position - part.start : part.size_bytes][: self.read_bytes]
                count = stream.readinto(window)
                if count == 0:
                    break
                self.position += count
                self.fetched_bytes += count
                self.read_bytes = min(self.most_read_bytes, self.read_bytes * 2)
                self._advance(count)
                if self.limiter is not None:
                    self.limiter.take(count)
                if self.position == part.stop:
                    self._put(part)
            proofs.range_not_cut(stop - self.position, None)
            proofs.nothing_after_range(stream.readinto(memoryview(bytearray(1))), None)

    def _put(self, part: plan.ByteRange) -> None:
        data = self.buffer[: part.size_bytes]
        if self.sha is not None:
            self.sha.update(data)
        value = checksums.crc64nvme(data) if self.with_crc else None
        index = part.start // self.part_bytes
        self.has_put = True
        self.upload.put_part(index, data, crc64nvme=value)
        if self.stored is not None:
            self.stored(index)

    def _advance(self, count: int) -> None:
        self.done_bytes += count
        self._tell(self.done_bytes)

    def _tell(self, done_bytes: int) -> None:
        if self.progress is not None:
            self.progress(done_bytes, self.size_bytes)


class _Distrusted(Exception):  # noqa: N818 - a signal from one method to the next
    def __init__(self, wait_seconds: float, error: SourceError) -> None:
        super().__init__(wait_seconds, error)
        self.wait_seconds = wait_seconds

    def __str__(self) -> str:
        return str(self.args[1])


def copy(
    source: Source,
    upload: Upload,
    *,
    size_bytes: int,
    part_bytes: int,
    checksum: ChecksumName = "crc64nvme",
    progress: Progress | None = None,
    retry: RetryPolicy | None = None,
    sleep: Callable[[float], None] = time.sleep,
    capabilities: Capabilities | None = None,
    max_connections: int = 1,
    limiter: RateLimiter | None = None,
    stored: Callable[[int], None] | None = None,
    renew: Callable[[], Upload] | None = None,
) -> CopyResult:
    """
    Fetch what an upload still lacks, prove its length and compute its checksum. It neither commits nor discards.

    At least :data:`PIPELINE_BYTES` (16 MiB) of a sink whose *capabilities* are known are fetched over up to
    *max_connections* connections, as many as pay, and put by up to ``capabilities.parallel_puts`` threads.

    Memory, whatever the size: ``max(2, min(4, 32 MiB // part_bytes)) * part_bytes`` for the parts (one
    ``min(part_bytes, size_bytes)`` in order), for each connection what the source needs for one read (256 KiB, 1 MiB
    in order), and what the sink needs for ``parallel_puts`` parts at once.

    :param source: Where the bytes come from.
    :param upload: Where they go; parts that it has already are not fetched again.
    :param size_bytes: Length of the whole, known from elsewhere; that of the source must be the same.
    :param part_bytes: Length of a part, the same that the upload was begun with.
    :param checksum: Which checksum of the whole.
    :param progress: Called with (bytes that came, bytes in all) by the calling thread: after each read; with several
        threads at the beginning, 30 times a second and at the end; less again when nothing of a run could be trusted.
    :param retry: How long to go on when the source breaks.
    :param sleep: Waits some seconds; exchanged by tests.
    :param capabilities: Those of the sink; None takes the parts in order, one at a time.
    :param max_connections: Most connections to the source at once.
    :param limiter: How many bytes per second may come.
    :param stored: Called with the index of each part that the upload has acknowledged, from whatever thread, but one
        at a time; what it raises ends the copy.
    :param renew: Called when parts that were put here can't be trusted: gives an upload that has none of them. Without
        it they are put again.
    :returns: What was done.
    :raises SourceError: The source broke more often than *retry* allows, or can't be trusted any more.
    :raises SinkError: The upload refused a part.
    :raises SizeMismatchError: The source has another size, or the parts don't add up.
    """
    proofs.object_length(size_bytes, source.size_bytes, "the source")
    policy = retry or RetryPolicy()
    job = _Copy(source, upload, size_bytes, part_bytes, checksum, policy, progress, sleep, limiter, stored, renew)
    before = _requests_of(source)
    if capabilities is None or not job.copy_in_parallel(capabilities, max_connections):
        job.copy_in_order()
    proofs.object_length(size_bytes, job.done_bytes, "the bytes copied")
    return _result(job, _requests_of(source) - before)


def _result(job: _Copy, requests: int) -> CopyResult:
    return CopyResult(
        size_bytes=job.size_bytes,
        checksum=_checksum(job.checksum, job),
        fetched_bytes=job.fetched_bytes,
        requests=requests or job.opens,
        resumes=job.resumes,
        connections=job.connections,
    )


def _checksum(name: ChecksumName, job: _Copy) -> str | None:
    if name == "sha256":
        return f"sha256:{job.sha.hexdigest()}" if job.sha is not None else None
    if name == "none":
        return None
    return combined(job.upload, job.size_bytes, job.part_bytes)


def combined(upload: Upload, size_bytes: int, part_bytes: int) -> str | None:
    """
    Combine the checksums of the parts of an upload.

    :param upload: The upload.
    :param size_bytes: Length of the whole.
    :param part_bytes: Length of a part.
    :returns: The CRC-64/NVME of the whole; None unless all are known.
    """
    values = upload.part_checksums()
    count = plan.part_count(size_bytes, part_bytes)
    if any(index not in values for index in range(count)):
        return None
    sizes = (plan.part_range(index, size_bytes, part_bytes).size_bytes for index in range(count))
    whole = checksums.combine_crc64nvme((values[index], size) for index, size in enumerate(sizes))
    return checksums.format_crc64nvme(whole)


def _requests_of(source: Source) -> int:
    """Count the requests of a source that has many for one opening; 0 when it doesn't count them."""
    return int(getattr(source, "requests", 0))
