"""How far downloads are, in the task's log, at a pace that people can read."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from airflow_provider_kaltura.ingest.models import AssetJob

_UNITS = {"day": 86_400, "hour": 3_600, "minute": 60, "second": 1}
_EVERY_SECONDS = 10.0
_EVERY_PERCENT = 10
# Quick downloads would write ten lines within a second.
_AT_LEAST_SECONDS = 2.0
# In a batch only files of this length get lines of their own, and fewer: there may be sixteen of them at a time.
_BIG_BYTES = 256 * 1024 * 1024
_EVERY_SECONDS_IN_BATCH = 60.0
# Shorter files are never gone on with, so that all of their bytes were fetched in this try.
_RESUMED_ABOVE_BYTES = 64 * 1024 * 1024


class ProgressLog:
    """
    Log bytes, percent, rate and time left: every 10 seconds, or every 10 % when these take 2 seconds or more.

    :param tell: ``info`` of a logger.
    :param clock: Seconds that never go back.
    :param every_seconds: Instead of the 10 seconds.
    :param least_seconds: Instead of the 2 seconds.
    """

    def __init__(
        self,
        tell: Callable[..., None],
        clock: Callable[[], float] = time.monotonic,
        *,
        every_seconds: float = _EVERY_SECONDS,
        least_seconds: float = _AT_LEAST_SECONDS,
    ) -> None:
        self._tell = tell
        self._clock = clock
        self._every_seconds = every_seconds
        self._least_seconds = least_seconds
        self._lock = threading.Lock()
        self._asset_id: str | None = None
        self._begun_at = self._told_at = 0.0
        self._first_bytes = self._told_percent = 0

    def __call__(self, job: AssetJob, done_bytes: int, size_bytes: int) -> None:
        """
        Take note of a download's state.

        :param job: What is downloaded; only its id is shown.
        :param done_bytes: Bytes stored.
        :param size_bytes: Bytes wanted.
        """
        with self._lock:
            now = self._clock()
            if job.asset_id != self._asset_id:
                self._begin(job.asset_id, done_bytes, now)
                return
            percent = 100 * done_bytes // size_bytes if size_bytes else 100
            waited = now - self._told_at
            stepped = percent // _EVERY_PERCENT > self._told_percent // _EVERY_PERCENT
            if waited < self._every_seconds and not (stepped and waited >= self._least_seconds):
                return
            self._told_at, self._told_percent = now, percent
            rate = (done_bytes - self._first_bytes) / max(now - self._begun_at, 1e-9)
        self._tell(
            "Flavor %s: %s of %s (%d %%), %s/s, %s left",
            job.asset_id,
            in_units(done_bytes),
            in_units(size_bytes),
            percent,
            in_units(rate),
            in_time((size_bytes - done_bytes) / rate) if rate else "unknown time",
        )

    def _begin(self, asset_id: str, done_bytes: int, now: float) -> None:
        self._asset_id, self._begun_at, self._told_at = asset_id, now, now
        self._first_bytes, self._told_percent = done_bytes, 0


@dataclass(slots=True)
class _UnderWay:
    """The file that one thread has."""

    asset_id: str
    done_bytes: int
    log: ProgressLog | None


class BatchProgress:
    """
    Log how far a batch is, every 10 seconds while anything moves, and how far its big files are. For several threads.

    :param tell: ``info`` of a logger.
    :param clock: Seconds that never go back.
    """

    def __init__(self, tell: Callable[..., None], clock: Callable[[], float] = time.monotonic) -> None:
        self._tell = tell
        self._clock = clock
        self._lock = threading.Lock()
        self._done = self._total = self._fetched_bytes = 0
        self._begun_at: float | None = None
        self._told_at = clock()
        self._under_way: dict[int, _UnderWay] = {}

    def watch(self, done: int, total: int) -> None:
        """
        Take note of the batch's state.

        :param done: So many assets are done.
        :param total: So many there are.
        """
        with self._lock:
            self._done, self._total = done, total
            line = self._line()
        self._write(line)

    def __call__(self, job: AssetJob, done_bytes: int, size_bytes: int) -> None:
        """
        Take note of a download's state.

        :param job: What is downloaded, by the calling thread; only its id is shown.
        :param done_bytes: Bytes stored.
        :param size_bytes: Bytes wanted.
        """
        with self._lock:
            if self._begun_at is None:
                self._begun_at = self._clock()
            file = self._file(job.asset_id, done_bytes, size_bytes)
            self._fetched_bytes += done_bytes - file.done_bytes
            file.done_bytes = done_bytes
            line = self._line()
        self._write(line)
        if file.log is not None:
            file.log(job, done_bytes, size_bytes)

    def _file(self, asset_id: str, done_bytes: int, size_bytes: int) -> _UnderWay:
        """Give the calling thread's file as it was; a new one, or one that begins anew, as it was at its beginning."""
        thread, every = threading.get_ident(), _EVERY_SECONDS_IN_BATCH
        known = self._under_way.get(thread)
        if known is not None and known.asset_id == asset_id and known.done_bytes <= done_bytes:
            return known
        is_big = size_bytes >= _BIG_BYTES
        log = ProgressLog(self._tell, self._clock, every_seconds=every, least_seconds=every) if is_big else None
        stored_bytes = done_bytes if size_bytes > _RESUMED_ABOVE_BYTES else 0
        self._under_way[thread] = _UnderWay(asset_id, stored_bytes, log)
        return self._under_way[thread]

    def _line(self) -> tuple[int, int, str, str] | None:
        now = self._clock()
        if now - self._told_at < _EVERY_SECONDS:
            return None
        self._told_at = now
        begun_at = now if self._begun_at is None else self._begun_at
        rate = self._fetched_bytes / max(now - begun_at, 1e-9)
        return self._done, self._total, in_units(self._fetched_bytes), in_units(rate)

    def _write(self, line: tuple[int, int, str, str] | None) -> None:
        # Outside of the lock: a logger that waits must not hold up the other threads.
        if line is not None:
            self._tell("Batch: %d of %d files done, %s fetched, %s/s", *line)


def age_in_words(age: timedelta) -> str:
    """Write a length of time for people, in the largest unit that it is whole in."""
    seconds = round(age.total_seconds())
    for unit, length in _UNITS.items():
        if seconds % length == 0:
            count = seconds // length
            return f"{count:,} {unit}{'' if count == 1 else 's'}"
    return f"{seconds} seconds"


def in_units(size_bytes: float) -> str:
    """Write a number of bytes for people, in powers of 1024."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size_bytes < 1024:  # noqa: PLR2004, the base of these units
            return f"{size_bytes:.0f} B" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1024
    return f"{size_bytes:.1f} TiB"


def in_time(seconds: float) -> str:
    """Write a length of time for people, as ``h:mm:ss``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
