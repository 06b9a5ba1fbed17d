"""A lake in memory whose parts are small, and jobs that are broken off and gone on with."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from airflow_provider_kaltura.ingest.lake import Lake
from airflow_provider_kaltura.ingest.models import RunOptions
from airflow_provider_kaltura.ingest.partial import PARTIAL_FOLDER, Partial
from airflow_provider_kaltura.ingest.run import run_one
from airflow_provider_kaltura.transfer.memory_sink import MemorySink
from tests.unit.ingest.fakes import BytesSource, job, metadata

MIB = 1024 * 1024
PART = MIB
DATA = bytes(range(251)) * (4 * MIB // 251 + 1)
RESUMING = RunOptions(resume_above_bytes=1)


class Place(MemorySink):
    """A memory sink whose capabilities a test chooses, and which calls a test's function at its turns."""

    def __init__(self, **capabilities):
        super().__init__()
        self.capabilities = replace(MemorySink.capabilities, **capabilities)
        self.begun = []
        self.at = lambda _name: None
        self.free = None

    def begin(self, key, *, attributes=None, state=None, **more):
        """Begin, without metadata, as a disk does."""
        self.at("before begin")
        self.begun.append(state)
        upload = super().begin(key, state=state, **more)
        self.at("after begin")
        commit = upload.commit

        def watched(**wanted):
            self.at("before commit")
            stat = commit(**wanted)
            self.at("after commit")
            return stat

        upload.commit = watched
        return upload

    def leftovers(self):
        """Tell them as this place does: marked, or by their final names only."""
        for one in super().leftovers():
            yield replace(one, is_marked=not self.capabilities.leaves_unmarked)

    def free_bytes(self):
        """Tell what the test says."""
        return self.free


def lake_of(sink=None, **capabilities):
    """Make a lake that keeps no metadata."""
    sink = sink or Place(**capabilities)
    return Lake("/lake", sink, sink.store)


def film(**more):
    """Make the job of the usual bytes."""
    return job("a", **{"size_bytes": len(DATA), "attributes": metadata(), **more})


def breaking_at(done_bytes, error):
    """Raise once so many bytes are there."""

    def progress(_job, done, _size):
        if done >= done_bytes:
            raise error

    return progress


def fetch(lake, *, wanted=None, options=RESUMING, source=None, **more):
    """Carry out the usual job."""
    source = source or BytesSource(DATA)
    return run_one(wanted or film(), lake, options, open_source=lambda _: source, **more)


def break_off(lake, error=None, *, done_bytes=2 * MIB + 10, **more):
    """Break the usual job off in the middle; gives what was raised."""
    error = error or KeyboardInterrupt()
    with pytest.raises(type(error)) as raised:
        fetch(lake, progress=breaking_at(done_bytes, error), **more)
    return raised.value


def records(lake):
    """Give the names of the records that stand."""
    return [stat.key for stat in lake.store.list(f"{PARTIAL_FOLDER}/")]


def record(lake):
    """Read the only record."""
    (name,) = records(lake)
    return Partial.from_json(lake.store.read(name))


def rewrite(lake, **changes):
    """Change the only record behind everybody's back."""
    (name,) = records(lake)
    found = json.loads(lake.store.read(name))
    lake.store.write(name, json.dumps({**found, **changes}).encode())


def assert_done(lake):
    """The file stands with its bytes, and nothing else is left."""
    assert lake.store.read("a.mp4") == DATA
    assert records(lake) == []
    assert lake.store._partials == {}
