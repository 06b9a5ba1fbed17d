"""How far a download is, in the task's log, at a pace that people can read."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_kaltura.ingest.models import AssetJob

_EVERY_SECONDS = 10.0
_EVERY_PERCENT = 10
# Quick downloads would write ten lines within a second.
_AT_LEAST_SECONDS = 2.0


class ProgressLog:
    """
    Log bytes, percent, rate and time left: every 10 seconds, or every 10 % when these take 2 seconds or more.

    :param tell: ``info`` of a logger.
    :param clock: Seconds that never go back.
    """

    def __init__(self, tell: Callable[..., None], clock: Callable[[], float] = time.monotonic) -> None:
        self._tell = tell
        self._clock = clock
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
            if waited < _EVERY_SECONDS and not (stepped and waited >= _AT_LEAST_SECONDS):
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
