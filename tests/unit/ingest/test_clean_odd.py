"""Records that are damaged, forged or of a newer format: what a clean-up and the next try make of them."""

from __future__ import annotations

import math
import os
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_kaltura.ingest import partial_claim
from airflow_provider_kaltura.ingest.clean import clean
from airflow_provider_kaltura.ingest.partial_claim import claim, remove_recorded, remove_rivals
from airflow_provider_kaltura.ingest.partial_read import read_partial
from airflow_provider_kaltura.transfer import plan
from airflow_provider_kaltura.transfer.local_sink import LocalSink
from tests.unit.ingest.fakes import raising
from tests.unit.ingest.partials import DATA, PART, break_off, fetch, film, lake_of, record, records, rewrite

DAY = timedelta(days=1)
UNMARKED = {"leaves_unmarked": True, "single_put_bytes": PART}
FORGED = {
    "time": {"touched_at_epoch": math.inf},
    "late": {"touched_at_epoch": 1e300},
    "length": {"size_bytes": -1},
    "huge": {"size_bytes": 10**30},
    "part": {"part_bytes": 0},
    "out": {"key": "../../x"},
    "surrogate": {"key": "a\ud800"},
}


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    """Parts of one MiB, so that a few MiB have several."""
    monkeypatch.setattr(plan, "DEFAULT_PART_BYTES", PART)


def later(**more):
    """Give a clock that is ahead."""
    return lambda: datetime.now(UTC) + timedelta(**more)


def counts(report):
    """Give the counts of a report, those of 0 left out."""
    groups = ("removed", "kept_young", "kept_foreign", "not_removable", "failed")
    return {name: getattr(report, name).count for name in groups if getattr(report, name).count}


@pytest.mark.parametrize("changes", FORGED.values(), ids=FORGED)
@pytest.mark.parametrize("kind", ["memory", "local"])
def test_forged_record_stops_neither_the_clean_up_nor_its_download(changes, kind, tmp_path):
    """It counts as damaged: it goes by the age of its object, and the next try begins anew."""
    lake = lake_of(LocalSink(tmp_path)) if kind == "local" else lake_of()
    break_off(lake)
    rewrite(lake, **changes)
    assert fetch(lake).outcome == "downloaded"
    break_off(lake, wanted=film(key="b.mp4"))
    rewrite(lake, **changes)
    clean(lake, older_than=DAY, now=later(days=2))
    assert records(lake) == []
    assert list(lake.sink.leftovers()) == []


def test_discard_takes_no_space_from_the_disk(tmp_path, monkeypatch):
    """A record that claims a length of its own must not fill the disk on the way to its removal."""
    lake = lake_of(LocalSink(tmp_path))
    break_off(lake)
    rewrite(lake, size_bytes=10**14, state={**record(lake).state, "size_bytes": 10**14})
    monkeypatch.setattr("os.posix_fallocate", raising(AssertionError("space is taken")))
    monkeypatch.setattr("os.ftruncate", raising(AssertionError("space is taken")))
    (name,) = records(lake)
    assert remove_recorded(lake, name, read_partial(lake.store, name), time.time)
    assert list(lake.sink.leftovers()) == []


def test_clean_up_goes_on_past_a_record_that_fails(monkeypatch):
    """Whatever one record makes a sink raise, all others are dealt with."""
    lake = lake_of()
    break_off(lake)
    break_off(lake, wanted=film(key="b.mp4"))
    begin = lake.sink.begin

    def picky(key, **more):
        return raising(OverflowError())() if key == "a.mp4" else begin(key, **more)

    monkeypatch.setattr(lake.sink, "begin", picky)
    assert counts(clean(lake, older_than=DAY, now=later(days=2))) == {"removed": 3, "failed": 1}
    assert len(records(lake)) == 1


def test_clean_up_goes_on_past_a_record_that_cannot_be_read(monkeypatch):
    """It is counted as failed."""
    lake = lake_of()
    break_off(lake)
    lake.sink.store._partials.clear()
    monkeypatch.setattr(lake.store, "read", raising(RuntimeError("odd")))
    assert counts(clean(lake, older_than=DAY, now=later(days=2))) == {"failed": 1}


def test_time_of_no_calendar_is_no_time(monkeypatch):
    """A file may bear any time; the report tells none then."""
    lake = lake_of()
    leftover = lake.sink.begin("b.mp4", size_bytes=5, part_bytes=5)
    (found,) = lake.sink.leftovers()
    monkeypatch.setattr(lake.sink, "leftovers", lambda: iter([replace(found, touched_at_epoch=1e15)]))
    report = clean(lake, older_than=DAY)
    assert report.kept_young.items[0].touched_at is None
    leftover.discard()


@pytest.mark.parametrize("shift", [-7200, 365 * 86_400])
def test_age_of_a_record_is_told_by_the_store(shift):
    """A worker whose clock is behind keeps its running upload, and one that is ahead keeps nothing for a year."""
    lake = lake_of(**UNMARKED)
    break_off(lake)
    rewrite(lake, touched_at_epoch=time.time() + shift)
    assert counts(clean(lake, older_than=timedelta(hours=1))) == {"kept_young": 2}
    assert counts(clean(lake, older_than=DAY, now=later(days=2))) == {"removed": 2}


def test_upload_of_others_for_the_same_key_is_kept_beside_one_that_is_named():
    """Once the record names ours, only that is ours, however late theirs was begun."""
    lake = lake_of(**UNMARKED)
    break_off(lake)
    ours = set(lake.store._partials)
    lake.sink.begin("a.mp4", size_bytes=5, part_bytes=5)
    assert counts(clean(lake, older_than=DAY, now=later(days=2))) == {"removed": 2, "kept_foreign": 1}
    assert not ours & set(lake.store._partials)
    assert len(lake.store._partials) == 1


def test_record_of_a_newer_format_stays_with_its_upload():
    """It is all that leads the newer version there."""
    lake = lake_of(**UNMARKED)
    break_off(lake)
    rewrite(lake, format=2)
    assert counts(clean(lake, older_than=DAY, now=later(days=2))) == {"kept_foreign": 2}
    assert (len(records(lake)), len(lake.store._partials)) == (1, 1)


def test_upload_that_a_newer_record_names_goes_when_the_file_is_begun_anew():
    """A download goes on all the same, and leaves nothing that nothing leads to."""
    lake = lake_of(**UNMARKED)
    break_off(lake)
    rewrite(lake, format=2)
    assert fetch(lake).outcome == "downloaded"
    assert (records(lake), lake.store._partials) == ([], {})


def test_upload_that_a_damaged_record_names_goes_with_it():
    """What can be read in it is used."""
    lake = lake_of(**UNMARKED)
    break_off(lake)
    rewrite(lake, size_bytes=-1)
    assert counts(clean(lake, older_than=DAY, now=later(days=2))) == {"removed": 2}
    assert (records(lake), lake.store._partials) == ([], {})


def test_unreadable_record_stays_while_its_upload_may_be_there():
    """Its name has the hash of the key: an upload for that may be its own."""
    lake = lake_of(**UNMARKED)
    break_off(lake)
    lake.store.write(records(lake)[0], b"{")
    assert counts(clean(lake, older_than=DAY, now=later(days=2))) == {"kept_foreign": 2}
    lake.store._partials.clear()
    assert counts(clean(lake, older_than=DAY, now=later(days=2))) == {"removed": 1}


@pytest.mark.parametrize("earlier", ["none", "damaged", "other version"])
def test_clock_that_is_ahead_does_not_hide_what_is_begun(earlier):
    """When it was intended is told by the store, whatever stood there, and stays so with every sign of life."""
    lake = lake_of(**UNMARKED)
    wanted = film(version="")
    if earlier != "none":
        claim(lake, wanted, len(DATA), PART, time.time)
    if earlier == "damaged":
        lake.store.write(records(lake)[0], b"{")
    held = claim(lake, wanted, len(DATA), PART, lambda: time.time() + 600)
    assert held.value.intended_at_epoch <= time.time()
    held.write(held.value)
    assert record(lake).intended_at_epoch <= time.time()


def test_finished_try_leaves_the_record_of_the_one_that_took_over():
    """It would be all that leads to the other one's upload."""
    lake = lake_of(**UNMARKED)
    wanted = film(version="")
    first = claim(lake, wanted, len(DATA), PART, time.time)
    claim(lake, wanted, len(DATA), PART, time.time)
    first.finish()
    assert len(records(lake)) == 1


def test_finished_try_removes_its_record_although_an_answer_was_lost():
    """The version is another one then, and the token is its own."""
    lake = lake_of(**UNMARKED)
    held = claim(lake, film(version=""), len(DATA), PART, time.time)
    lake.store.write(held.name, held.value.to_json())
    held.finish()
    assert records(lake) == []


def test_rival_that_cannot_be_removed_is_passed_over(monkeypatch):
    """It must not block the download for good."""
    lake = lake_of()
    break_off(lake)
    monkeypatch.setattr(partial_claim, "discard_recorded", raising(OverflowError()))
    remove_rivals(lake, film(version="3"), len(DATA), time.time)
    assert len(records(lake)) == 1


def test_record_that_a_pipe_has_replaced_does_not_block_its_download(tmp_path):
    """Nothing can be read there, and nothing is waited for."""
    lake = lake_of(LocalSink(tmp_path))
    break_off(lake)
    path = tmp_path / records(lake)[0]
    path.unlink()
    os.mkfifo(path)
    assert fetch(lake).outcome == "downloaded"
    assert not path.exists()
