"""A sync beside others that use its lake: other syncs, batches, people. Against the sandbox, over HTTP."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_kaltura.ingest.destination import Destination
from airflow_provider_kaltura.ingest.models import RunOptions
from airflow_provider_kaltura.transfer.errors import SinkError
from tests.sync.neighbours import SMALLEST, SOURCE, below, named, paths


def test_a_sync_deletes_nothing_that_another_one_put_there(near):
    """Neither because it takes another flavor, nor when the entry is gone: each removes its own."""
    near.sync_to(below("a"), SOURCE)
    summary = near.sync_to(below("b"), SMALLEST)
    assert (summary.outcomes, summary.gone) == ({"downloaded": 4}, {})
    assert (len(paths(near, "a")), len(paths(near, "b"))) == (4, 4)
    near.control.delete_entry(near.ids[0])
    assert near.sync_to(below("b"), SMALLEST).gone == {"delete": 1}
    assert (len(paths(near, "a")), len(paths(near, "b"))) == (4, 3)
    assert near.sync_to(below("a"), SOURCE).gone == {"delete": 1}
    assert (len(paths(near, "a")), len(paths(near, "b"))) == (3, 3)


def test_a_sync_deletes_nothing_that_a_batch_put_there(near):
    """What was downloaded by hand stays, whatever becomes of the flavor or the entry."""
    near.batch(below("small"), "smallest")
    near.sync_to(below("a"), SOURCE)
    near.control.delete_entry(near.ids[0])
    assert near.sync_to(below("a"), replace(SOURCE, full=True)).gone == {"delete": 1}
    assert (len(paths(near, "a")), len(paths(near, "small"))) == (3, 4)


def newcomer(near, name):
    """Add a video."""
    entry = near.control.add_entry(name=name)
    near.control.add_flavor(entry["id"], size_bytes=500, fileExt="mp4", isOriginal=True)
    return entry["id"]


BY_NAME = Destination.parse("/lake/{entryName}.{format}")


@pytest.mark.parametrize("on_deleted", ["keep", "mark"])
def test_what_is_kept_is_kept_from_a_newer_entry_of_its_name_too(near, on_deleted):
    """Its file is all that there is of the deleted entry; the newer one fails, by itself, and is tried again."""
    options = replace(SOURCE, on_deleted=on_deleted)
    named(near)
    near.sync_to(BY_NAME, options)
    before = near.lake()
    near.control.delete_entry(near.ids[0])
    assert near.sync_to(BY_NAME, options).gone == {on_deleted: 1}
    newer = newcomer(near, "Lecture 0")
    near.control.replace_flavor_file(near.source_of(near.ids[1]))
    summary = near.sync_to(BY_NAME, options)
    assert (summary.outcomes, summary.failed, summary.waiting) == ({"replaced": 1}, 1, 1)
    assert (summary.failures[0].entry_id, summary.failures[0].code) == (newer, "KeyCollisionError")
    assert near.lake() == {**before, "Lecture 1.mp4": near.sha256(near.ids[1])}
    near.place.store.delete("Lecture 0.mp4")
    assert near.sync_to(BY_NAME, options).outcomes == {"downloaded": 1}


def test_the_name_of_a_deleted_entry_is_free_once_its_file_is_removed(near):
    """Also for an entry that is found together with the deletion."""
    named(near)
    near.sync_to(BY_NAME)
    near.control.delete_entry(near.ids[0])
    newer = newcomer(near, "Lecture 0")
    summary = near.sync_to(BY_NAME)
    assert (summary.outcomes, summary.gone, summary.failed) == ({"downloaded": 1}, {"delete": 1}, 0)
    assert near.lake()["Lecture 0.mp4"] == near.sha256(newer)


def test_a_name_that_is_taken_fails_its_entry_and_no_other(near):
    """Every run says so and goes on with the rest; so does one that finds two newcomers of one name."""
    named(near)
    near.sync_to(BY_NAME)
    near.control.set_entry(near.ids[0], name="Renamed")
    newcomer(near, "Lecture 0")
    twins = {newcomer(near, "Twins"), newcomer(near, "Twins")}
    near.control.replace_flavor_file(near.source_of(near.ids[3]))
    summary = near.sync_to(BY_NAME)
    assert (summary.outcomes, summary.failed, summary.cursor_moved) == ({"replaced": 1, "downloaded": 1}, 2, True)
    assert near.lake()["Lecture 0.mp4"] == near.sha256(near.ids[0])
    assert near.lake()["Twins.mp4"] in {near.sha256(one) for one in twins}
    before = near.lake()
    again = near.sync_to(BY_NAME, replace(SOURCE, full=True))
    assert (again.outcomes, again.failed, again.waiting) == ({}, 2, 2)
    assert near.lake() == before


def test_a_file_of_another_sync_is_not_replaced_by_another_flavor(near):
    """Two syncs that give one name to two flavors don't take it from each other."""
    destination = Destination.parse("/lake/{entryId}.{format}")
    near.sync_to(destination, SOURCE)
    before = near.lake()
    assert near.sync_to(destination, SMALLEST).failed == 4
    assert near.sync_to(destination, SOURCE).outcomes == {}
    assert near.lake() == before


def test_what_is_planned_anew_takes_no_name_that_another_entry_has(near):
    """An entry that is renamed and replaced while it is fetched doesn't overwrite whose name it got."""
    named(near)
    near.sync_to(BY_NAME)
    one, other = near.ids[:2]
    before = near.lake()
    near.control.replace_flavor_file(near.source_of(one))
    begun = []

    def source(sources, job):
        found = sources(job)
        if not begun:
            near.control.set_entry(one, name="Lecture 1")
            near.control.replace_flavor_file(near.source_of(one))
        begun.append(job.path)
        return found

    summary = near.sync_to(BY_NAME, open_source=source)
    assert begun == ["/lake/Lecture 0.mp4"]
    assert [(one.entry_id, one.code) for one in summary.failures] == [(one, "KeyCollisionError")]
    assert near.lake() == before
    assert near.lake()["Lecture 1.mp4"] == near.sha256(other)


def test_a_file_at_another_path_is_not_the_sync_s_own(near):
    """What a batch put elsewhere is fetched all the same; what it put at the very path is not fetched again."""
    near.batch(below("adhoc"))
    assert near.sync_to(below("a")).outcomes == {"downloaded": 4}
    near.batch(below("b"))
    summary = near.sync_to(below("b"), replace(SOURCE, name="b"))
    assert (summary.outcomes, summary.unchanged) == ({}, 4)


def test_what_stands_at_the_very_path_is_taken_over(near):
    """From then on it is the sync's: it goes with its entry, and stays under its name when the entry is renamed."""
    near.batch(Destination.parse("/lake/{entryId}/{entryName}.{format}"))
    destination = Destination.parse("/lake/{entryId}/{entryName}.{format}")
    assert near.sync_to(destination).outcomes == {}
    files = near.place.manifest_files()
    near.control.set_entry(near.ids[1], name="Renamed")
    assert near.sync_to(destination, replace(SOURCE, full=True)).outcomes == {}
    assert near.place.manifest_files() == files
    near.control.delete_entry(near.ids[0])
    assert near.sync_to(destination).gone == {"delete": 1}
    assert len(near.place.media()) == 3


def test_a_renamed_entry_keeps_its_file_where_it_is(near):
    """A library is not fetched anew because of names; the next version gets the new one."""
    destination = Destination.parse("/lake/{entryName}/{entryId}.{format}")
    named(near)
    near.sync_to(destination)
    before = near.lake()
    near.control.set_entry(near.ids[0], name="Renamed")
    assert near.sync_to(destination, replace(SOURCE, full=True)).outcomes == {}
    assert near.lake() == before


def test_another_destination_gets_its_files(near):
    """What stands by the names of the old one does not count."""
    near.sync_to(below("old"), replace(SOURCE, on_deleted="keep"))
    summary = near.sync_to(below("new"), replace(SOURCE, on_deleted="keep", full=True))
    assert (summary.outcomes, len(paths(near, "new")), len(paths(near, "old"))) == ({"downloaded": 4}, 4, 4)
    assert near.sync_to(below("new"), replace(SOURCE, on_deleted="keep", full=True)).outcomes == {}


def test_a_file_that_was_deleted_by_hand_is_fetched_when_all_is_compared(near):
    """The manifest says that it stands; a list of the lake says that it doesn't."""
    near.sync_to(below("a"))
    before = near.lake()
    near.place.store.delete(min(before))
    assert near.sync_to(below("a")).outcomes == {}
    assert near.sync_to(below("a"), replace(SOURCE, full=True)).outcomes == {"downloaded": 1}
    assert near.lake() == before
    files = near.place.manifest_files()
    assert near.sync_to(below("a"), replace(SOURCE, full=True)).unchanged == 4
    assert near.place.manifest_files() == files


def test_a_lake_that_can_not_be_listed_is_synced_all_the_same(near, monkeypatch, caplog):
    """Then nobody looks for files deleted by hand, and the log says so."""
    near.sync_to(below("a"))
    inner = type(near.place.store).list

    def refuse(store, prefix):
        if not prefix:
            raise SinkError("no right to list", "")
        return inner(store, prefix)

    monkeypatch.setattr(type(near.place.store), "list", refuse)
    summary = near.sync_to(below("a"), replace(SOURCE, full=True))
    assert (summary.unchanged, summary.failed) == (4, 0)
    assert "can't be listed" in caplog.text


def test_a_store_that_refuses_a_deletion_fails_its_entry_and_no_other(near, monkeypatch):
    """Such as an object lock: it is a failure of that entry, tried again by each run, and the rest goes on."""
    near.sync_to(below("a"))
    first, second = near.ids[:2]
    inner = type(near.place.store).delete

    def refuse(store, key):
        if key.startswith(f"a/{first}/"):
            raise SinkError("object lock", key)
        inner(store, key)

    for entry_id in (first, second):
        near.control.delete_entry(entry_id)
    near.control.replace_flavor_file(near.source_of(near.ids[2]))
    with monkeypatch.context() as patch:
        patch.setattr(type(near.place.store), "delete", refuse)
        summary = near.sync_to(below("a"))
        assert (summary.outcomes, summary.gone, summary.waiting) == ({"replaced": 1}, {"delete": 1}, 1)
        assert [(one.entry_id, one.code) for one in summary.failures] == [(first, "SinkError")]
        assert summary.cursor_moved
        assert (near.sync_to(below("a")).failed, len(near.place.media())) == (1, 3)
    assert near.sync_to(below("a")).gone == {"delete": 1}
    assert (near.sync_to(below("a")).entries, len(near.place.media())) == (0, 2)


def test_a_file_longer_than_max_bytes_is_a_failure(near):
    """It would be put off for ever, and no figure would say so; what only has to wait is none."""
    near.control.replace_flavor_file(near.source_of(near.ids[0]), size_bytes=50_000)
    most = max(near.control.file(near.source_of(one)).size_bytes for one in near.ids[1:])
    options = replace(SOURCE, run=RunOptions(max_bytes=most))
    summary = near.sync_to(below("a"), options)
    assert [(one.entry_id, one.code) for one in summary.failures] == [(near.ids[0], "LimitReachedError")]
    assert "50000 bytes" in summary.failures[0].reason
    assert summary.put_off == summary.waiting - 1
    for _ in range(3):
        summary = near.sync_to(below("a"), options)
    assert (summary.failed, summary.put_off, summary.waiting) == (1, 0, 1)
    assert len(near.place.media()) == 3
    assert near.sync_to(below("a")).outcomes == {"downloaded": 1}
