"""Several jobs at a time: each whole or not at all, each recorded once, whoever ends first."""

from __future__ import annotations

import threading

import pytest

from airflow_provider_kaltura.ingest.batch_run import ParallelRun, SharedWriter
from airflow_provider_kaltura.ingest.lake import Lake
from airflow_provider_kaltura.ingest.manifest import rows
from airflow_provider_kaltura.ingest.models import Outcome
from tests.unit.ingest.fakes import OPTIONS, BytesSource, Sources, job, memory_lake, names, recorded_outcomes


def parallel(lake, source, jobs, **more):
    """Make a run whose jobs have all claimed their names."""
    claimed = {one.key: one.asset_id for one in jobs}
    return ParallelRun(lake, more.pop("options", OPTIONS), source, claimed, more.pop("max_parallel", 4), **more)


def test_every_job_ends_and_is_recorded(lake):
    """250 files by four threads: all stand, each has one row."""
    jobs = [job(f"a{number}", 3) for number in range(250)]
    sources = Sources(**{one.asset_id: b"abc" for one in jobs})
    outcomes = list(parallel(lake, sources, jobs).outcomes(iter(jobs)))
    assert {one.job.asset_id for one in outcomes} == {one.asset_id for one in jobs}
    assert sorted(row.asset_id for row in rows(lake.store)) == sorted(one.asset_id for one in jobs)
    assert len(names(lake)) == 250


def test_the_manifest_is_read_once_for_all_threads(disk):
    """A second run on a disk, where only the manifest tells what stands."""
    jobs = [job(f"a{number}", 3) for number in range(40)]
    sources = Sources(**{one.asset_id: b"abc" for one in jobs})
    list(parallel(disk, sources, jobs).outcomes(iter(jobs)))
    run = parallel(disk, sources, jobs)
    assert {one.outcome for one in run.outcomes(iter(jobs))} == {"skipped"}
    assert len({id(worker.manifest) for worker in run._workers if worker.manifest is not None}) == 1
    assert recorded_outcomes(disk) == ["downloaded"] * 40


def test_a_failure_is_one_jobs_own(lake):
    """The others go on; what failed is recorded as such."""
    jobs = [job(f"a{number}", 3) for number in range(20)]
    sources = Sources(**{one.asset_id: b"abc" for one in jobs})
    sources.by_asset_id["a7"] = BytesSource(b"abc", error=OSError("broken"))
    outcomes = {one.job.asset_id: one.outcome for one in parallel(lake, sources, jobs).outcomes(iter(jobs))}
    assert outcomes.pop("a7") == "failed"
    assert set(outcomes.values()) == {"downloaded"}


def test_never_more_jobs_at_a_time_than_allowed(lake):
    """Jobs are taken as threads become free, so that a plan of any length takes no memory."""
    jobs = [job(f"a{number}", 3) for number in range(30)]
    lock, under_way, most, taken = threading.Lock(), set(), [0], [0]
    sources = Sources(**{one.asset_id: b"abc" for one in jobs})

    def open_source(one):
        with lock:
            under_way.add(one.asset_id)
            most[0] = max(most[0], len(under_way))
        return sources(one)

    def give():
        for one in jobs:
            taken[0] += 1
            yield one

    for count, outcome in enumerate(parallel(lake, open_source, jobs, max_parallel=3).outcomes(give())):
        with lock:
            under_way.discard(outcome.job.asset_id)
        assert taken[0] <= count + 4
    assert most[0] <= 4


def test_an_interruption_of_the_task_ends_the_files_under_way(lake):
    """The main thread is interrupted while a file is read: that one is not committed, what stands is recorded."""
    reading = threading.Event()
    runs = []

    class Slow(BytesSource):
        def open(self, start, stop):
            reading.set()
            assert runs[0]._stop.wait(10)
            return super().open(start, stop)

    jobs = [job("a", 3), job("b", 3), job("c", 3)]

    def give():
        yield jobs[0]
        yield jobs[1]
        assert reading.wait(10)
        raise KeyboardInterrupt

    runs.append(parallel(lake, Sources(a=b"abc", b=Slow(b"abc")), jobs))
    with pytest.raises(KeyboardInterrupt):
        list(runs[0].outcomes(give()))
    assert "b.mp4" not in names(lake)
    assert sorted(row.path for row in rows(lake.store)) == names(lake)


def test_no_row_is_lost_while_others_are_written():
    """A row that another thread adds in the middle of a write is written next."""
    lake = memory_lake()
    threads = []

    class Busy:
        def __init__(self, store):
            self.store = store

        def write(self, key, data, **more):
            if not threads:
                threads.append(threading.Thread(target=add, args=["late"]))
                threads[0].start()
                # It ends at once if nothing holds it back, and only after this write if the writer is locked.
                threads[0].join(0.2)
            return self.store.write(key, data, **more)

    writer = SharedWriter(Lake(lake.root, lake.sink, Busy(lake.store)), OPTIONS)

    def add(name):
        writer.add(Outcome(job=job(name, 3), outcome="downloaded", size_bytes=3))

    add("early")
    writer.flush()
    threads[0].join(10)
    writer.flush()
    assert sorted(row.asset_id for row in rows(lake.store)) == ["early", "late"]
