"""What ``run`` does when an asset fails, changes, or gets another's name."""

from __future__ import annotations

import pytest

from airflow_provider_kaltura.ingest.errors import KeyCollisionError
from airflow_provider_kaltura.ingest.manifest import rows
from airflow_provider_kaltura.ingest.run import run, run_one
from airflow_provider_kaltura.transfer.errors import (
    SizeMismatchError,
    SourceChangedError,
    SourceUnprovableError,
)
from tests.unit.ingest.fakes import (
    OPTIONS,
    OVERWRITE,
    BytesSource,
    Sources,
    job,
    names,
    raising,
    recorded_outcomes,
)


def test_failure_is_an_outcome_and_the_next_job_begins(lake):
    """One asset's error neither ends the plan nor leaves anything under its name."""
    sources = Sources(a=BytesSource(b"12345", error=SourceChangedError("no"), error_at=3), b=b"12345")
    first, second = run([job("a", 5), job("b", 5)], lake, OPTIONS, open_source=sources)
    assert (first.outcome, second.outcome) == ("failed", "downloaded")
    assert isinstance(first.error, SourceChangedError)
    assert names(lake) == ["b.mp4"]
    assert lake.sink.store._partials == {}
    failed, _ = sorted(rows(lake.store), key=lambda row: row.path)
    assert (failed.outcome, failed.error_code) == ("failed", "SourceChangedError")


def test_failed_row_does_not_hide_the_standing_one(disk):
    """After a failed replacement the old file is still known for what it is."""
    run_one(job("a", 5), disk, OPTIONS, open_source=Sources(a=b"12345"))
    broken = Sources(a=BytesSource(b"54321", error=SourceChangedError("no")))
    with pytest.raises(SourceChangedError):
        run_one(job("a", 5, version="12"), disk, OPTIONS, open_source=broken)
    assert recorded_outcomes(disk) == ["downloaded", "failed"]
    assert disk.store.read("a.mp4") == b"12345"
    assert run_one(job("a", 5), disk, OPTIONS, open_source=Sources()).outcome == "skipped"


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_interruption_leaves_nothing_and_goes_on_to_the_caller(lake, interruption):
    """Ctrl-C or a timeout in the middle discards the file under way, but records what stands."""

    def interrupt(job, _done_bytes, _size_bytes):
        if job.asset_id == "b":
            raise interruption

    outcomes = run(
        [job("a", 5), job("b", 5)], lake, OPTIONS, open_source=Sources(a=b"12345", b=b"5"), progress=interrupt
    )
    assert next(outcomes).outcome == "downloaded"
    sources = Sources(a=b"12345", b=b"12345")
    outcomes = run([job("a", 5), job("b", 5)], lake, OVERWRITE, open_source=sources, progress=interrupt)
    next(outcomes)
    with pytest.raises(interruption):
        next(outcomes)
    assert names(lake) == ["a.mp4"]
    assert lake.sink.store._partials == {}
    assert "replaced" in recorded_outcomes(lake)


def test_closing_the_iterator_writes_the_manifest(lake):
    """A consumer that stops early loses no record of what stands."""
    outcomes = run([job("a", 5), job("b", 5)], lake, OPTIONS, open_source=Sources(a=b"12345"))
    next(outcomes)
    assert recorded_outcomes(lake) == []
    outcomes.close()
    assert recorded_outcomes(lake) == ["downloaded"]


def test_two_assets_with_one_name_are_refused_before_the_first_byte(lake):
    """Both assets are named, and nothing has moved."""
    sources = Sources(a=b"12345", b=b"12345")
    with pytest.raises(KeyCollisionError, match=r"assets a and b .* /lake/x\.mp4"):
        run([job("a", 5, key="x.mp4"), job("b", 5, key="x.mp4")], lake, OPTIONS, open_source=sources)
    assert sources.opened == []


def test_two_assets_with_one_name_in_a_lazy_plan_fail_the_second(lake):
    """A plan that is not known in advance refuses the later asset before its first byte."""
    plan = iter([job("a", 5, key="x.mp4"), job("b", 5, key="x.mp4")])
    sources = Sources(a=b"12345", b=b"54321")
    first, second = run(plan, lake, OPTIONS, open_source=sources)
    assert (first.outcome, second.outcome) == ("downloaded", "failed")
    assert isinstance(second.error, KeyCollisionError)
    assert sources.opened == ["a"]
    assert lake.store.read("x.mp4") == b"12345"


def test_source_of_another_size_than_planned_leaves_nothing(lake):
    """Kaltura's size is the promise; a source that has another one is no proof."""
    with pytest.raises(SizeMismatchError):
        run_one(job("a", 5), lake, OPTIONS, open_source=Sources(a=b"123456"))
    assert names(lake) == []


def test_replanned_job_may_not_take_a_name_of_the_same_plan(lake):
    """Two assets never share a file, whenever that turns out."""
    fresh = job("a", 6, version="12", key="x.mp4")
    stale = job("a", 5, refresh=lambda: fresh)
    changed = BytesSource(b"12345", error=SourceChangedError("new version"))
    sources = Sources(b=b"12345", a=changed)
    first, second = run([job("b", 5, key="x.mp4"), stale], lake, OPTIONS, open_source=sources)
    assert (first.outcome, second.outcome) == ("downloaded", "failed")
    assert isinstance(second.error, KeyCollisionError)
    assert lake.store.read("x.mp4") == b"12345"


def test_changed_source_is_planned_anew_once(lake):
    """A version that changed after planning is fetched in its new version, under its new name."""
    fresh = job("a", 6, version="12", key="a-12.mp4")
    stale = job("a", 5, version="2", key="a-2.mp4", refresh=lambda: fresh)
    sources = {"2": BytesSource(b"12345", error=SourceChangedError("new version")), "12": BytesSource(b"654321")}
    outcome = run_one(stale, lake, OPTIONS, open_source=lambda job: sources[job.version])
    assert (outcome.outcome, outcome.job.version, outcome.job.key) == ("downloaded", "12", "a-12.mp4")
    assert names(lake) == ["a-12.mp4"]


def test_changed_source_is_judged_by_the_record_of_its_new_name(disk):
    """What stands under the new name is known although the plan did not have that name."""
    run_one(job("b", 6, key="a-12.mp4"), disk, OPTIONS, open_source=Sources(b=b"other!"))
    fresh = job("a", 6, version="12", key="a-12.mp4")
    stale = job("a", 5, key="a-2.mp4", refresh=lambda: fresh)
    disk.store.write("a-2.mp4", b"1234")
    sources = {"2": BytesSource(b"12345", error=SourceChangedError("new version")), "12": BytesSource(b"654321")}
    outcome = run_one(stale, disk, OPTIONS, open_source=lambda job: sources[job.version])
    assert outcome.outcome == "replaced"
    assert disk.store.read("a-12.mp4") == b"654321"


def test_replanned_job_is_not_adopted_without_its_record(disk):
    """The manifest was read for other names and is not read twice: what stands under the new one is fetched."""
    disk.store.write("a-2.mp4", b"12345")
    disk.store.write("a-12.mp4", b"stale!")
    run_one(job("a", 4, version="1", key="a-2.mp4"), disk, OPTIONS, open_source=Sources(a=b"1234"))
    fresh = job("a", 6, version="12", key="a-12.mp4")
    stale = job("a", 5, key="a-2.mp4", refresh=lambda: fresh)
    sources = {"2": BytesSource(b"12345", error=SourceChangedError("new version")), "12": BytesSource(b"654321")}
    listed = []
    original = disk.store.list
    disk.store.list = lambda prefix: listed.append(prefix) or original(prefix)
    outcome = run_one(stale, disk, OPTIONS, open_source=lambda job: sources[job.version])
    assert outcome.outcome == "replaced"
    assert disk.store.read("a-12.mp4") == b"654321"
    assert len(listed) == 1


def test_source_that_changes_again_fails(lake):
    """There is no race to win against an asset that never rests."""
    changing = BytesSource(b"12345", error=SourceChangedError("new version"))
    restless = job("a", 5, refresh=lambda: job("a", 5))
    with pytest.raises(SourceChangedError):
        run_one(restless, lake, OPTIONS, open_source=lambda _job: changing)
    assert changing.opened == 2


def test_unprovable_size_fails_before_anything_is_begun(lake):
    """Neither Kaltura nor the server know the length: nothing is written."""

    class Unknown(BytesSource):
        @property
        def size_bytes(self):
            raise SourceUnprovableError("no length")

    with pytest.raises(SourceUnprovableError):
        run_one(job("a"), lake, OPTIONS, open_source=Sources(a=Unknown(b"")))
    assert names(lake) == []


def test_bytes_that_need_not_be_of_the_planned_version_are_fetched_again(lake):
    """What turns out when all bytes are there is no file yet: the asset is planned anew, once."""
    fresh = job("a", 5, version="12")
    first = job("a", 5, confirm=raising(SourceChangedError("replaced")), refresh=lambda: fresh)
    lake.store.write("a.mp4", b"stays")
    outcome = run_one(first, lake, OVERWRITE, open_source=Sources(a=b"12345"))
    assert (outcome.outcome, outcome.job.version) == ("replaced", "12")
    again = job("b", 5, confirm=raising(SourceChangedError("replaced")), refresh=lambda: again)
    with pytest.raises(SourceChangedError, match="replaced"):
        run_one(again, lake, OPTIONS, open_source=Sources(b=b"12345"))
    assert names(lake) == ["a.mp4"]
