"""What a sync does with files that it put there and that are not wanted any more. Against the sandbox, over HTTP."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_kaltura.ingest.sync_options import parse_sync_flavor
from airflow_provider_kaltura.transfer.errors import RedirectRefusedError
from tests.sync.neighbours import SOURCE, below, named, paths
from tests.sync.places import Place


def test_the_files_of_gone_entries_go_once_they_are_to_be_deleted(near):
    """A sync that kept or marked them, and deletes now, comes back to them when it compares all."""
    near.sync_to(below("a"), replace(SOURCE, on_deleted="keep"))
    near.control.delete_entry(near.ids[0])
    assert near.sync_to(below("a"), replace(SOURCE, on_deleted="keep")).gone == {"keep": 1}
    full = replace(SOURCE, full=True)
    assert near.sync_to(below("a"), replace(full, on_deleted="keep")).gone == {}
    assert near.sync_to(below("a"), replace(full, on_deleted="mark")).gone == {"mark": 1}
    assert near.sync_to(below("a"), replace(full, on_deleted="mark")).entries == 3
    assert near.sync_to(below("a"), full).gone == {"delete": 1}
    assert len(near.place.media()) == 3
    assert near.sync_to(below("a"), full).entries == 3


def moved(near):
    """Give the lake's files new version tags, as copying it to another bucket does; only their bytes tell them."""
    place = Place(with_metadata=False)
    for key, (data, _) in near.place.store._objects.items():
        place.store.write(key, b"of before")
        place.store.write(key, data)
    near.place = place


def test_a_file_that_only_has_another_tag_is_known_by_its_bytes(near):
    """A lake that was copied, or a file that was touched, is the sync's all the same."""
    near.sync_to(below("a"))
    moved(near)
    near.control.delete_entry(near.ids[0])
    assert near.sync_to(below("a")).gone == {"delete": 1}
    assert len(near.place.media()) == 3


def test_what_somebody_else_wrote_is_kept_and_looked_at_again(near):
    """The entry is not done with while a file stands where its own stood; once that is gone, it is."""
    near.sync_to(below("a"))
    moved(near)
    (path,) = (one for one in near.place.media() if near.ids[0] in one)
    near.place.store.write(path, b"x" * near.place.store.stat(path).size_bytes)
    near.control.delete_entry(near.ids[0])
    assert near.sync_to(below("a")).gone == {"foreign": 1}
    full = replace(SOURCE, full=True)
    assert near.sync_to(below("a"), full).gone == {"foreign": 1}
    assert path in near.place.media()
    near.place.store.delete(path)
    assert near.sync_to(below("a"), full).gone == {"delete": 1}
    assert near.sync_to(below("a"), full).entries == 3


@pytest.mark.parametrize("flavor", ["source", "each"])
def test_older_versions_under_other_names_go_where_the_lake_mirrors_the_library(near, flavor):
    """Whether the version is in their names, or their entry was renamed; a file that failed has no older one yet."""
    options = replace(SOURCE, flavor=parse_sync_flavor(flavor))
    destination = below("a", "{entryId}/{entryName}-{flavorId}-{version}.{format}")
    near.sync_to(destination, options)
    count, one = len(near.place.media()), near.ids[0]
    for name in ("New name", "Newer name"):
        near.control.set_entry(one, name=name)
        near.control.replace_flavor_file(near.source_of(one))
        failed = near.sync_to(destination, options, open_source=refusing)
        assert (failed.failed, failed.gone, len(near.place.media())) == (1, {}, count)
        summary = near.sync_to(destination, options)
        assert (summary.outcomes, summary.gone) == ({"downloaded": 1}, {"delete": 1})
        assert (len(near.place.media()), near.sha256(one) in near.lake().values()) == (count, True)
    assert near.sync_to(destination, replace(options, full=True)).gone == {}


def refusing(_sources, _job):
    """Give no source."""
    raise RedirectRefusedError("no")


def test_older_versions_stay_where_nothing_is_deleted(near):
    """Neither kept nor marked: Kaltura has the flavor."""
    destination = below("a", "{entryId}/{version}.{format}")
    options = replace(SOURCE, on_deleted="mark")
    near.sync_to(destination, options)
    near.control.replace_flavor_file(near.source_of(near.ids[0]))
    summary = near.sync_to(destination, options)
    assert (summary.outcomes, summary.gone, len(near.place.media())) == ({"downloaded": 1}, {}, 5)


def test_another_destination_takes_the_place_of_the_old_one_where_the_lake_mirrors_the_library(near):
    """The new files come first; only then the old ones go, and others' files beside them never do."""
    near.sync_to(below("old"))
    near.batch(below("by_hand"))
    summary = near.sync_to(below("new"), replace(SOURCE, full=True))
    assert (summary.outcomes, summary.gone) == ({"downloaded": 4}, {"delete": 4})
    assert [len(paths(near, folder)) for folder in ("old", "new", "by_hand")] == [0, 4, 4]


def test_a_name_that_comes_back_is_not_deleted_as_an_older_one(near):
    """Renamed back while it was fetched: the new version stands where an old one stood, and stays there."""
    destination = below("a", "{entryName}/{flavorId}.{format}")
    named(near)
    near.sync_to(destination)
    one = near.ids[0]
    near.control.set_entry(one, name="Renamed")
    near.control.replace_flavor_file(near.source_of(one))
    begun = []

    def source(sources, job):
        found = sources(job)
        if not begun:
            near.control.set_entry(one, name="Lecture 0")
            near.control.replace_flavor_file(near.source_of(one))
        begun.append(job.path)
        return found

    summary = near.sync_to(destination, open_source=source)
    assert (len(begun), summary.failed, summary.gone) == (2, 0, {})
    assert near.lake()[f"a/Lecture 0/{near.source_of(one)}.mp4"] == near.sha256(one)
    assert near.sync_to(destination, replace(SOURCE, full=True)).outcomes == {}
    assert len(near.place.media()) == 4
