"""The index in a temporary file says what the manifest in memory says."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_provider_kaltura.ingest.manifest import MANIFEST_FOLDER, Manifest
from airflow_provider_kaltura.ingest.manifest_row import ManifestRow
from airflow_provider_kaltura.ingest.sync_index import LakeIndex
from tests.unit.ingest.fakes import NOON, memory_lake

PATHS, TAGS = ("a.mp4", "b.mp4"), (None, "1", "2", "3")
ROWS = st.lists(
    st.tuples(
        st.sampled_from(PATHS),
        st.sampled_from(TAGS),
        st.sampled_from(["downloaded", "adopted", "replaced", "failed", "deleted", "marked"]),
        st.integers(0, 5),
    ),
    max_size=10,
)


def row(path, tag, outcome, seconds, **more):
    """Make a row; its version tells it from others."""
    given = {
        "partner_id": 102,
        "asset_type": "flavor",
        "asset_id": f"f-{path}",
        "path": path,
        "entry_id": "e",
        "version": "2",
        "size_bytes": 3,
        "checksum": None,
        "verified": "full",
        "outcome": outcome,
        "observed_at": NOON + timedelta(seconds=seconds),
        "version_tag": tag,
    }
    return ManifestRow(**{**given, **more})


def written(rows):
    """Write rows into a lake, two to a file."""
    store = memory_lake().store
    for start in range(0, len(rows), 2):
        lines = "".join(f"{one.to_json()}\n" for one in rows[start : start + 2])
        store.write(f"{MANIFEST_FOLDER}/dt=2026-11-21/{start:03}.jsonl", lines.encode())
    return store


@settings(max_examples=300, deadline=None)
@given(given_rows=ROWS, added=ROWS)
@example(
    given_rows=[("b.mp4", "1", "downloaded", 0), ("b.mp4", "1", "adopted", 1), ("b.mp4", None, "downloaded", 0)],
    added=[],
)
def test_both_say_the_same_of_every_file(given_rows, added):
    """Whatever was written in whatever order, and added by the task itself."""
    # A file that was deleted does not come back to be adopted.
    deleted = {one[:2] for one in [*given_rows, *added] if one[2] == "deleted"}
    given_rows, added = (
        [one for one in rows if one[2] != "adopted" or one[:2] not in deleted] for rows in (given_rows, added)
    )
    store = written([row(*one, version=str(number)) for number, one in enumerate(given_rows)])
    manifest, index = Manifest(store), LakeIndex(store, 102, "default")
    for number, one in enumerate(added):
        # No two rows of a task have one time.
        fresh = row(*one[:3], 100 + number, version=f"n{number}")
        manifest.add(fresh)
        index.add(fresh)
    for path in PATHS:
        for tag in (*TAGS, "unknown"):
            assert index.standing(path, tag) == manifest.standing(path, tag)
    index.close()


def test_states_are_those_of_one_sync_and_account():
    """The newest counts; others' syncs are not seen, gone entries are not walked over."""
    state = {"asset_type": "entry", "version": "mine"}
    rows = [
        row("", None, "waiting", 1, **state, entry_id="a"),
        row("", None, "seen", 2, **state, entry_id="a"),
        row("", None, "waiting", 0, **state, entry_id="b"),
        row("", None, "gone", 3, **state, entry_id="c"),
        row("", None, "seen", 3, **{**state, "version": "other"}, entry_id="d"),
        row("", None, "seen", 3, **state, entry_id="f", partner_id=7),
    ]
    index = LakeIndex(written(rows), 102, "mine")
    assert list(index.entry_ids()) == ["a", "b"]
    assert list(index.entry_ids(waiting=True)) == ["b"]
    assert [index.state(one) for one in "abcdf"] == ["seen", "waiting", "gone", None, None]
    assert (index.look("a"), index.look("a")) == (True, False)
    assert list(index.entry_ids()) == ["b"]
    index.close()


def test_a_damaged_line_is_counted():
    """What it said may be missing, so that nothing is adopted."""
    store = written([row("a.mp4", "1", "downloaded", 0)])
    assert not LakeIndex(store, 102, "mine", adopt=True).is_damaged
    store.write(f"{MANIFEST_FOLDER}/dt=2026-11-21/x.jsonl", b"{")
    index = LakeIndex(store, 102, "mine", adopt=True)
    assert (index.unreadable_lines, index.is_damaged) == (1, True)
    assert index.standing("a.mp4") is not None


def test_own_files_are_those_that_the_sync_itself_put_there():
    """Those of a batch, of another sync, and of a time when nobody wrote down who it was are not."""
    named = [
        row("a.mp4", "1", "downloaded", 0, sync="mine"),
        row("b.mp4", "1", "downloaded", 0, sync="other"),
        row("c.mp4", "1", "downloaded", 0),
    ]
    index = LakeIndex(written(named), 102, "mine")
    assert sorted(one.path for one in index.files_of("e")) == ["a.mp4", "b.mp4", "c.mp4"]
    assert [one.path for one in index.own_files_of("e")] == ["a.mp4"]
    index.close()
