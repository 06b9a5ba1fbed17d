"""The loop that moves bytes from a source into an upload; it knows neither which source nor which sink."""

from __future__ import annotations

import hashlib
import logging
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

from airflow_provider_kaltura.transfer import checksum as checksums
from airflow_provider_kaltura.transfer import plan, proofs
from airflow_provider_kaltura.transfer.errors import (
    RangeIgnoredError,
    SourceAnswerError,
    SourceCutError,
    SourceError,
    SourceExpiredError,
    SourceLengthError,
    SourceUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_kaltura.transfer.checksum import ChecksumName
    from airflow_provider_kaltura.transfer.protocols import Capabilities, Source, Upload
    from airflow_provider_kaltura.transfer.rate import RateLimiter

log = logging.getLogger(__name__)

Progress: TypeAlias = "Callable[[int, int], None]"

#: Longest single read, so that progress is told often and a cut loses little of a part on a slow line.
READ_BYTES = 1024 * 1024


class _Hash(Protocol):
    def update(self, data: memoryview, /) -> None: ...
    def hexdigest(self) -> str: ...
    def copy(self) -> _Hash: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """
    How long a copy goes on when its source breaks.

    Failures in a row without one new byte are counted apart, because a long copy over a bad line may break often and
    still get there; the total is bounded all the same, so that a source that gives a byte per connection ends.

    :param attempts: Failures since the last new byte with which the copy gives up; 6 wait up to 15 s in all.
    :param refusals: The same for refused URLs, each of which costs its owner some calls.
    :param restarts: How often a whole range is begun again because nothing of an answer could be trusted.
    :param resumes: Failures in all, besides one for each 16 MiB of the source.
    :param first_wait_seconds: Longest wait after the first failure; doubled each time, with full jitter.
    :param longest_wait_seconds: Bound of each wait, of ``Retry-After`` too.
    """

    attempts: int = 6
    refusals: int = 3
    restarts: int = 2
    resumes: int = 64
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 60.0

    def __post_init__(self) -> None:
        if min(self.attempts, self.refusals) < 1 or min(self.restarts, self.resumes) < 0:
            raise ValueError("attempts and refusals are at least 1, restarts and resumes at least 0")


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


@dataclass(slots=True, kw_only=True)
class _Copy:
    source: Source
    upload: Upload
    size_bytes: int
    part_bytes: int
    with_crc: bool
    retry: RetryPolicy
    progress: Progress | None
    sleep: Callable[[float], None]
    limiter: RateLimiter | None = None
    stored: Callable[[int], None] | None = None
    sha: _Hash | None = None
    done_bytes: int = 0
    fetched_bytes: int = 0
    opens: int = 0
    resumes: int = 0
    buffer: memoryview = field(init=False)
    read_bytes: int = field(init=False)
    most_read_bytes: int = field(init=False)

    def __post_init__(self) -> None:
        self.buffer = memoryview(bytearray(max(1, min(self.part_bytes, self.size_bytes))))
        self.most_read_bytes = READ_BYTES if self.limiter is None else min(READ_BYTES, self.limiter.piece_bytes)
        self.read_bytes = self.most_read_bytes

    def fetch(self, wanted: plan.ByteRange) -> None:
        """Fetch one range, however often it breaks within the policy; parts are put as they fill."""
        cursor = _Cursor(wanted.start, self.sha)
        budget = _Budget(self.retry, wanted.start, self.retry.resumes + self.size_bytes // (16 * 1024 * 1024))
        while True:
            try:
                self._fetch_once(cursor, wanted.stop)
            except SourceError as error:
                wait = budget.spend(error, cursor.position)
                self.resumes += 1
                # What a broken read had got already is lost: a line that never lasts for a long read gets short ones.
                self.read_bytes = max(1, self.read_bytes // 16)
                if isinstance(error, (RangeIgnoredError, SourceLengthError)):
                    self.done_bytes -= cursor.position - wanted.start
                    cursor = _Cursor(wanted.start, self.sha)
                log.info("Going on at byte %d of %d in %.1f s: %s", cursor.position, self.size_bytes, wait, error)
                self.sleep(wait)
            else:
                self.sha = cursor.sha
                return

    def _fetch_once(self, cursor: _Cursor, stop: int) -> None:
        self.opens += 1
        with self.source.open(cursor.position, stop) as stream:
            while cursor.position < stop:
                part = plan.part_range(cursor.position // self.part_bytes, self.size_bytes, self.part_bytes)
                # A part cut in the middle is gone on with, not fetched again: its beginning is still in the buffer.
                window = self.buffer[cursor.position - part.start : part.size_bytes][: self.read_bytes]
                count = stream.readinto(window)
                if count == 0:
                    break
                cursor.position += count
                self.fetched_bytes += count
                self.read_bytes = min(self.most_read_bytes, self.read_bytes * 2)
                self._advance(count)
                if self.limiter is not None:
                    self.limiter.take(count)
                if cursor.position == part.stop:
                    self._put(part, cursor)
            proofs.range_not_cut(stop - cursor.position, None)
            proofs.nothing_after_range(stream.readinto(memoryview(bytearray(1))), None)

    def _put(self, part: plan.ByteRange, cursor: _Cursor) -> None:
        data = self.buffer[: part.size_bytes]
        if cursor.sha is not None:
            cursor.sha.update(data)
        value = checksums.crc64nvme(data) if self.with_crc else None
        index = part.start // self.part_bytes
        self.upload.put_part(index, data, crc64nvme=value)
        if self.stored is not None:
            self.stored(index)

    def _advance(self, count: int) -> None:
        self.done_bytes += count
        if self.progress is not None:
            self.progress(self.done_bytes, self.size_bytes)


class _Cursor:
    """Where a range stands; a new one for each beginning, so that nothing distrusted stays in the hash."""

    def __init__(self, position: int, sha: _Hash | None) -> None:
        self.position = position
        self.sha = sha.copy() if sha is not None else None


class _Budget:
    """What may still go wrong within one range."""

    def __init__(self, policy: RetryPolicy, start: int, resumes: int) -> None:
        self._policy = policy
        self._farthest = start
        self._resumes = resumes
        self._restarts = policy.restarts
        self._failures = 0
        self._refusals = 0

    def spend(self, error: SourceError, position: int) -> float:
        """Return the seconds to wait, or raise *error* when nothing is left to spend on it."""
        if position > self._farthest:
            self._farthest, self._failures, self._refusals = position, 0, 0
        self._failures += 1
        self._resumes -= 1
        if isinstance(error, (RangeIgnoredError, SourceLengthError)):
            self._restarts -= 1
        elif isinstance(error, SourceExpiredError):
            self._refusals += 1
        elif not isinstance(error, (SourceUnavailableError, SourceCutError, SourceAnswerError)):
            raise error
        exhausted = (
            self._failures >= self._policy.attempts
            or self._refusals >= self._policy.refusals
            or self._restarts < 0
            or self._resumes < 0
        )
        if exhausted:
            raise error
        return self._wait(error)

    def _wait(self, error: SourceError) -> float:
        asked = error.retry_after_seconds if isinstance(error, SourceUnavailableError) else None
        longest = self._policy.longest_wait_seconds
        if asked is not None:
            return min(asked, longest)
        return random.uniform(0, min(self._policy.first_wait_seconds * 2 ** (self._failures - 1), longest))


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
) -> CopyResult:
    """
    Fetch what an upload still lacks, prove its length and compute its checksum. It neither commits nor discards.

    Memory, whatever the size: one buffer of ``min(part_bytes, size_bytes)``, and what the source needs for one read of
    :data:`READ_BYTES` (1 MiB).

    :param source: Where the bytes come from.
    :param upload: Where they go; parts that it has already are not fetched again.
    :param size_bytes: Length of the whole, known from elsewhere; that of the source must be the same.
    :param part_bytes: Length of a part, the same that the upload was begun with.
    :param checksum: Which checksum of the whole.
    :param progress: Called with (bytes that stand, bytes in all), after each read.
    :param retry: How long to go on when the source breaks.
    :param sleep: Waits some seconds; exchanged by tests.
    :param capabilities: Those of the sink; None takes the parts in order, one at a time.
    :param max_connections: Most connections to the source at once.
    :param limiter: How many bytes per second may come.
    :param stored: Called with the index of each part that the upload has acknowledged, from whatever thread, but one
        at a time; what it raises ends the copy.
    :returns: What was done.
    :raises SourceError: The source broke more often than *retry* allows, or can't be trusted any more.
    :raises SinkError: The upload refused a part.
    :raises SizeMismatchError: The source has another size, or the parts don't add up.
    """
    proofs.object_length(size_bytes, source.size_bytes, "the source")
    done = upload.done_parts()
    job = _Copy(
        source=source,
        upload=upload,
        size_bytes=size_bytes,
        part_bytes=part_bytes,
        with_crc=checksum == "crc64nvme",
        retry=retry or RetryPolicy(),
        progress=progress,
        sleep=sleep,
        limiter=limiter,
        stored=stored,
        sha=hashlib.sha256() if checksum == "sha256" and not done else None,
    )
    job.done_bytes = sum(plan.part_range(index, size_bytes, part_bytes).size_bytes for index in done)
    before = _requests_of(source)
    if size_bytes == 0:
        job.fetch(plan.ByteRange(0, 0))
    for wanted in plan.missing_ranges(size_bytes, part_bytes, done):
        job.fetch(wanted)
    proofs.object_length(size_bytes, job.done_bytes, "the bytes copied")
    requests = _requests_of(source) - before
    return CopyResult(
        size_bytes=size_bytes,
        checksum=_checksum(checksum, job),
        fetched_bytes=job.fetched_bytes,
        requests=requests or job.opens,
        resumes=job.resumes,
        connections=min(1, job.opens),
    )


def _checksum(name: ChecksumName, job: _Copy) -> str | None:
    if name == "sha256":
        return f"sha256:{job.sha.hexdigest()}" if job.sha is not None else None
    if name == "none":
        return None
    values = job.upload.part_checksums()
    count = plan.part_count(job.size_bytes, job.part_bytes)
    if any(index not in values for index in range(count)):
        return None
    sizes = (plan.part_range(index, job.size_bytes, job.part_bytes).size_bytes for index in range(count))
    whole = checksums.combine_crc64nvme((values[index], size) for index, size in enumerate(sizes))
    return checksums.format_crc64nvme(whole)


def _requests_of(source: Source) -> int:
    """Count the requests of a source that has many for one opening; 0 when it doesn't count them."""
    return int(getattr(source, "requests", 0))
