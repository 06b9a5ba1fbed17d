"""What a clean-up removes, and above all what it leaves alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_kaltura.ingest.clean import MOST_ITEMS, clean
from airflow_provider_kaltura.transfer import plan
from airflow_provider_kaltura.transfer.errors import SinkError, TransferError
from airflow_provider_kaltura.transfer.local_sink import LocalSink
from airflow_provider_kaltura.transfer.protocols import Leftover
from tests.unit.ingest.fakes import raising
from tests.unit.ingest.partials import DATA, PART, break_off, fetch, film, lake_of, record, records, rewrite

DAY = timedelta(days=1)
NOTHING = timedelta(0)
UNMARKED = {"leaves_unmarked": True, "single_put_bytes": PART}


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


def age(lake, seconds):
    """Let everything that is under way be older."""
    for one in lake.store._partials.values():
        one.touched_at_epoch -= seconds


@pytest.mark.parametrize("capabilities", [{}, UNMARKED], ids=["marked", "unmarked"])
def test_old_upload_goes_with_its_record(capabilities):
    """Both are gone, with one clean-up, and a finished file and the manifest stay."""
    lake = lake_of(**capabilities)
    fetch(lake, wanted=film(key="b.mp4"))
    before = [stat.key for stat in lake.store.list("")]
    break_off(lake)
    report = clean(lake, older_than=DAY, now=later(days=2))
    assert counts(report) == {"removed": 2}
    assert {item.kind for item in report.removed.items} == {"record", "temporary"}
    assert [stat.key for stat in lake.store.list("")] == before
    assert lake.store._partials == {}
    assert counts(clean(lake, older_than=NOTHING)) == {}


@pytest.mark.parametrize("capabilities", [{}, UNMARKED], ids=["marked", "unmarked"])
def test_young_upload_is_kept_and_gone_on_with(capabilities):
    """Whatever was touched lately may still be wanted."""
    lake = lake_of(**capabilities)
    break_off(lake)
    assert counts(clean(lake, older_than=DAY, now=later(hours=23))) == {"kept_young": 2}
    assert fetch(lake).fetched_bytes < len(DATA)


def test_old_upload_with_a_young_record_is_kept():
    """A long upload is begun once; the record's signs of life count."""
    lake = lake_of(**UNMARKED)
    break_off(lake)
    age(lake, 7 * 86_400)
    assert counts(clean(lake, older_than=DAY)) == {"kept_young": 2}


def test_old_record_with_a_young_upload_is_kept():
    """Bytes that still come are a sign of life too."""
    lake = lake_of()
    break_off(lake)
    rewrite(lake, touched_at_epoch=0, intended_at_epoch=0)
    assert counts(clean(lake, older_than=DAY)) == {"kept_young": 2}


def test_dry_run_tells_and_removes_nothing():
    """The same report, and everything stands."""
    lake = lake_of()
    break_off(lake)
    report = clean(lake, older_than=NOTHING, now=later(seconds=5), dry_run=True)
    assert (counts(report), report.dry_run) == ({"removed": 2}, True)
    assert report.removed.size_bytes >= len(DATA)
    assert len(records(lake)) == 1
    assert fetch(lake).fetched_bytes < len(DATA)


def test_upload_of_others_is_never_removed():
    """Without a record nothing shows that an unmarked upload is ours, however old it is."""
    lake = lake_of(**UNMARKED)
    lake.sink.begin("theirs.mp4", size_bytes=5, part_bytes=5)
    age(lake, 7 * 86_400)
    report = clean(lake, older_than=NOTHING, now=later(seconds=5))
    assert counts(report) == {"kept_foreign": 1}
    assert len(lake.store._partials) == 1


def test_upload_of_others_under_our_name_is_never_removed():
    """One that was begun before the intent is not ours, even if it is for the very key."""
    lake = lake_of(**UNMARKED)
    lake.sink.begin("a.mp4", size_bytes=5, part_bytes=5)
    age(lake, 3600)
    (foreign,) = lake.store._partials
    break_off(lake)
    assert counts(clean(lake, older_than=NOTHING, now=later(seconds=5))) == {"removed": 2, "kept_foreign": 1}
    assert list(lake.store._partials) == [foreign]


def test_upload_begun_after_an_intent_without_state_is_ours():
    """A kill between begin and state leaves no other trace."""
    lake = lake_of(**UNMARKED)
    break_off(lake)
    rewrite(lake, state=None)
    assert counts(clean(lake, older_than=NOTHING, now=later(seconds=5))) == {"removed": 2}
    assert lake.store._partials == {}


def test_worker_whose_clock_is_ahead_does_not_hide_its_upload():
    """The store's own time of the record counts where it is earlier."""
    lake = lake_of(**UNMARKED)
    break_off(lake)
    rewrite(lake, state=None, intended_at_epoch=record(lake).intended_at_epoch + 600)
    assert counts(clean(lake, older_than=NOTHING, now=later(seconds=5))) == {"removed": 2}


def test_marked_temporary_without_record_goes_by_its_own_age():
    """Small files have no record; their temporaries bear our mark."""
    lake = lake_of()
    lake.sink.begin("b.mp4", size_bytes=5, part_bytes=5)
    assert counts(clean(lake, older_than=DAY)) == {"kept_young": 1}
    age(lake, 2 * 86_400)
    assert counts(clean(lake, older_than=DAY)) == {"removed": 1}


def test_record_whose_object_stands_goes():
    """A try that was killed after its commit leaves a record only."""
    lake = lake_of()
    lake.sink.at = lambda name: raising(KeyboardInterrupt())() if name == "after commit" else None
    with pytest.raises(KeyboardInterrupt):
        fetch(lake)
    assert counts(clean(lake, older_than=NOTHING, now=later(seconds=5))) == {"removed": 1}
    assert records(lake) == []
    assert lake.store.read("a.mp4") == DATA


def test_damaged_record_goes_by_the_age_of_its_object():
    """Nothing can be read in it, but its name is ours."""
    lake = lake_of()
    break_off(lake)
    lake.store._partials.clear()
    lake.store.write(records(lake)[0], b"{")
    assert counts(clean(lake, older_than=DAY)) == {"kept_young": 1}
    assert counts(clean(lake, older_than=DAY, now=later(days=2))) == {"removed": 1}
    assert records(lake) == []


def test_other_objects_in_the_folder_are_not_touched():
    """Only names that we make are records."""
    lake = lake_of()
    lake.store.write("_kaltura/partial/notes.txt", b"mine")
    lake.store.write("_kaltura/partial/a-2.json", b"mine")
    assert counts(clean(lake, older_than=NOTHING, now=later(days=9))) == {}
    assert len(records(lake)) == 2


def test_what_only_the_service_drops_is_told():
    """Azure's uncommitted blocks are no failure."""
    lake = lake_of()
    blocks = Leftover(kind="uncommitted blocks", key="c.mp4", handle="c.mp4", size_bytes=7, is_removable=False)
    lake.sink.leftovers = lambda: iter([blocks])
    report = clean(lake, older_than=NOTHING)
    assert counts(report) == {"not_removable": 1}
    assert report.not_removable.size_bytes == 7
    assert report.not_removable.items[0].touched_at is None


def test_leftover_without_a_time_is_kept():
    """What tells no age is never old enough."""
    lake = lake_of()
    lake.sink.leftovers = lambda: iter([Leftover(kind="temporary", key="c.mp4", handle="handle-of-c")])
    assert counts(clean(lake, older_than=NOTHING)) == {"kept_young": 1}


def test_what_cannot_be_removed_is_told_and_keeps_its_record():
    """The record is all that shows whose the upload is; the next clean-up tries again."""
    lake = lake_of(**UNMARKED)
    break_off(lake)
    lake.sink.remove_leftover = raising(SinkError("refused"))
    assert counts(clean(lake, older_than=NOTHING, now=later(seconds=5))) == {"failed": 2}
    assert len(records(lake)) == 1
    del lake.sink.remove_leftover
    assert counts(clean(lake, older_than=NOTHING, now=later(seconds=5))) == {"removed": 2}


def test_record_that_a_retry_took_meanwhile_is_kept():
    """Between listing and removing, a retry may go on with it."""
    lake = lake_of()
    break_off(lake)
    stat, calls = lake.store.stat, []

    def taken(key):
        calls.append(key)
        if len(calls) == 2:
            rewrite(lake, owner="a retry")
        return stat(key)

    lake.store.stat = taken
    assert counts(clean(lake, older_than=NOTHING, now=later(seconds=5))) == {"kept_young": 2}
    lake.store.stat = stat
    assert record(lake).owner == "a retry"


def test_two_clean_ups_at_once_do_no_harm():
    """What the other one removed is gone, and that is all."""
    lake = lake_of()
    break_off(lake)
    remove = lake.sink.remove_leftover

    def both(leftover):
        lake.sink.remove_leftover = remove
        clean(lake, older_than=NOTHING, now=later(seconds=5))
        remove(leftover)

    lake.sink.remove_leftover = both
    clean(lake, older_than=NOTHING, now=later(seconds=5))
    assert records(lake) == []
    assert lake.store._partials == {}


@pytest.mark.parametrize("kind", ["memory", "unmarked", "local"])
def test_clean_up_beside_a_running_upload_makes_it_fail_and_a_retry_end_well(kind, tmp_path):
    """Nothing wrong is committed, nothing is left, and the next try begins anew."""
    lake = {
        "memory": lake_of(),
        "unmarked": lake_of(**UNMARKED),
        "local": lake_of(LocalSink(tmp_path)),
    }[kind]
    done = []

    def clean_once(_job, _done, _size):
        if not done:
            done.append(clean(lake, older_than=NOTHING, now=later(seconds=5)))

    with pytest.raises(TransferError) as raised:
        fetch(lake, progress=clean_once)
    assert raised.value.retryable
    assert lake.store.stat("a.mp4") is None
    assert fetch(lake).outcome == "downloaded"
    assert lake.store.read("a.mp4") == DATA
    assert counts(clean(lake, older_than=NOTHING, now=later(seconds=5))) in ({}, {"removed": 1}, {"removed": 2})
    assert list(lake.sink.leftovers()) == []
    assert records(lake) == []


def test_local_leftovers_are_found_wherever_they_are(tmp_path):
    """Hidden files beside their targets, and those of small objects, go; users' files stay."""
    lake = lake_of(LocalSink(tmp_path))
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / ".hidden").write_bytes(b"mine")
    (tmp_path / "theirs" / "x.kaltura-partial").write_bytes(b"mine")
    break_off(lake, wanted=film(key="deep/er/a.mp4"))
    assert counts(clean(lake, older_than=NOTHING, now=later(seconds=5))) == {"removed": 2}
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert left == ["theirs/.hidden", "theirs/x.kaltura-partial"]


def test_many_are_counted_and_some_are_listed():
    """A report stays small."""
    lake = lake_of()
    many = [
        Leftover(kind="part", key=f"{number}", handle=f"handle-{number}", touched_at_epoch=0, size_bytes=2)
        for number in range(1500)
    ]
    lake.sink.leftovers = lambda: iter(many)
    lake.sink.remove_leftover = lambda _leftover: None
    report = clean(lake, older_than=NOTHING)
    assert (report.removed.count, report.removed.size_bytes, len(report.removed.items)) == (1500, 3000, MOST_ITEMS)


def test_negative_age_is_refused():
    """A sign that slipped in is no order to remove everything."""
    with pytest.raises(ValueError, match="negative"):
        clean(lake_of(), older_than=timedelta(days=-1))
