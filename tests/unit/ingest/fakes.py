"""A source in memory that breaks when asked to, and jobs made of few words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow_provider_kaltura.api.models import MediaUrl
from airflow_provider_kaltura.ingest.lake import Lake
from airflow_provider_kaltura.ingest.manifest import rows
from airflow_provider_kaltura.ingest.models import AssetJob, RunOptions
from airflow_provider_kaltura.transfer.memory_sink import MemorySink
from airflow_provider_kaltura.transfer.protocols import ObjectAttributes

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


class BytesSource:
    """Gives *data*; raises *error* once *error_at* bytes of a range have been read, or when it is opened (-1)."""

    def __init__(self, data, *, version="2", error=None, error_at=-1):
        self.data = data
        self.version = version
        self.error = error
        self.error_at = error_at
        self.opened = 0

    @property
    def size_bytes(self):
        """Length of the data."""
        return len(self.data)

    def open(self, start, stop):
        """Open one range."""
        self.opened += 1
        if self.error is not None and self.error_at < 0:
            raise self.error
        return _Stream(self, start, stop)


class _Stream:
    def __init__(self, source, start, stop):
        self._source = source
        self._position = start
        self._stop = stop

    def readinto(self, buffer):
        """Fill the beginning of *buffer*."""
        source = self._source
        stop = min(self._position + len(buffer), self._stop)
        if source.error is not None:
            if self._position >= source.error_at:
                raise source.error
            stop = min(stop, source.error_at)
        count = max(stop - self._position, 0)
        buffer[:count] = source.data[self._position : stop]
        self._position = max(stop, self._position)
        return count

    def close(self):
        """Do nothing."""

    def __enter__(self):
        return self

    def __exit__(self, *details):
        self.close()


class Sources:
    """Opens sources by asset id and counts them."""

    def __init__(self, **by_asset_id):
        self.by_asset_id = by_asset_id
        self.opened = []

    def __call__(self, job):
        """Give the source of a job."""
        self.opened.append(job.asset_id)
        found = self.by_asset_id[job.asset_id]
        return BytesSource(found) if isinstance(found, bytes) else found


class ManualTime:
    """A wall clock and a monotonic clock that move only when told."""

    def __init__(self, start=NOON):
        self.start = start
        self.seconds = 0.0

    def utcnow(self):
        """Give the time, aware."""
        return self.start + timedelta(seconds=self.seconds)

    def monotonic(self):
        """Give the seconds since the start."""
        return self.seconds


def resolve_nothing(*, stale=None):
    """Give a URL that nobody opens, whatever is stale."""
    return MediaUrl(url=stale or "http://127.0.0.1/")


def job(asset_id="a", size_bytes=None, *, key=None, version="2", entry_id="e", **more):
    """Make a job whose key is ``<asset id>.mp4``."""
    key = key or f"{asset_id}.mp4"
    more = {"partner_id": 102, "asset_type": "flavor", "path": f"/lake/{key}", **more}
    return AssetJob(
        asset_id=asset_id,
        entry_id=entry_id,
        version=version,
        size_bytes=size_bytes,
        key=key,
        resolve_url=resolve_nothing,
        **more,
    )


def memory_lake(*, with_metadata=True):
    """Make a lake in memory; without metadata its store is like a disk."""
    sink = MemorySink()
    if not with_metadata:
        sink = _Forgetful(sink.store)
    return Lake("/lake", sink, sink.store)


class _Forgetful(MemorySink):
    def begin(self, key, *, attributes=None, **more):
        return super().begin(key, **more)


OPTIONS = RunOptions()


FAIL = RunOptions(if_exists="fail")


OVERWRITE = RunOptions(if_exists="overwrite")


def metadata(asset_id="a", version="2"):
    """What the planner writes beside the bytes."""
    return ObjectAttributes(metadata={"kaltura-flavor": asset_id, "kaltura-version": version})


def names(lake):
    """Give the keys outside our own folder."""
    return [stat.key for stat in lake.store.list("") if not stat.key.startswith("_kaltura/")]


def recorded_outcomes(lake):
    """Give what the manifest says, in order."""
    return [row.outcome for row in sorted(rows(lake.store), key=lambda row: row.observed_at)]


def raising(error):
    """Make a function that raises, whatever it is given."""

    def fail(*_args, **_more):
        raise error

    return fail
