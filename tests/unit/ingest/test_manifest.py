"""The manifest: rows that come back as they were, immutable files, and damage that misleads nobody."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_kaltura.ingest.lake import Lake
from airflow_provider_kaltura.ingest.manifest import Manifest, ManifestWriter, rows
from airflow_provider_kaltura.ingest.manifest_row import ManifestRow, describes
from airflow_provider_kaltura.ingest.models import Outcome, RunOptions
from airflow_provider_kaltura.transfer.errors import ObjectMissingError, SinkError
from airflow_provider_kaltura.transfer.local_sink import LocalSink
from tests.unit.ingest.fakes import NOON, ManualTime, job, memory_lake

OPTIONS = RunOptions(run_id="manual__2026-11-21T00:00:00+00:00", task_id="group.load it", map_index=3, try_number=2)


def row(**changes):
    """Make a row about ``a.mp4``."""
    values = {
        "partner_id": 102,
        "asset_type": "flavor",
        "asset_id": "a",
        "path": "a.mp4",
        "entry_id": "e",
        "version": "2",
        "size_bytes": 5,
        "checksum": "crc64nvme:0000000000000001",
        "verified": "full",
        "outcome": "downloaded",
        "observed_at": NOON,
        "source_updated_at": None,
        "error_code": None,
    }
    return ManifestRow(**{**values, **changes})


def stored(*files):
    """Make a store that holds the given files of rows or raw lines, in order of name."""
    store = memory_lake().store
    for index, lines in enumerate(files):
        texts = [line if isinstance(line, str) else line.to_json() for line in lines]
        store.write(f"_kaltura/manifest/dt=2026-11-21/r-t--1-1-{index:032x}-0.jsonl", "\n".join(texts).encode())
    return store


def done(**more):
    """Make an outcome of a download."""
    return Outcome(job=job("a", 5), outcome="downloaded", size_bytes=5, **more)


ROWS = st.builds(
    row,
    version_tag=st.none() | st.text(alphabet=st.characters(exclude_categories=["Cs"])),
    path=st.text(alphabet=st.characters(exclude_categories=["Cs"])),
    entry_id=st.text(alphabet=st.characters(exclude_categories=["Cs"])),
    size_bytes=st.integers(0, 2**63),
    checksum=st.none() | st.just("sha256:00"),
    observed_at=st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-9))])),
    source_updated_at=st.none() | st.datetimes(timezones=st.just(UTC)),
    error_code=st.none() | st.just("SinkError"),
    sync=st.none() | st.text(alphabet=st.characters(exclude_categories=["Cs"])),
    layout=st.none() | st.just("0a1b2c3d"),
)


@given(original=ROWS)
def test_row_comes_back_as_it_was_written(original):
    """One line, whatever is in it, and the same values again."""
    line = original.to_json()
    assert "\n" not in line
    assert "\r" not in line
    assert ManifestRow.from_json(line) == original


def test_unknown_fields_are_passed_over():
    """A later version may add what this one need not know."""
    line = json.dumps({**json.loads(row().to_json()), "etag": "x"})
    assert ManifestRow.from_json(line) == row()


@pytest.mark.parametrize(
    "change",
    [
        {"schemaVersion": 2},
        {"schemaVersion": None},
        {"schemaVersion": True},
        {"path": None},
        {"path": 5},
        {"sizeBytes": "5"},
        {"observedAt": "yesterday"},
        {"observedAt": "2026-11-21T12:00:00"},
        {"version": 2},
        {"sync": 2},
    ],
)
def test_line_that_does_not_hold_the_contract_is_unreadable(change):
    """Nothing is guessed: a newer schema may mean other things by the same names."""
    line = json.dumps({**json.loads(row().to_json()), **change})
    with pytest.raises(ValueError, match=r".+"):
        ManifestRow.from_json(line)


@pytest.mark.parametrize(
    "line",
    ["{", "[]", "5", "null", "[" * 100_000, row().to_json()[:-5], "\ufffd", '{"schemaVersion":1}'],
    ids=["brace", "list", "number", "null", "deep", "cut", "noise", "empty"],
)
def test_damaged_line_hides_nothing_but_itself(line, caplog):
    """The rows around it still hold, and the damage is counted and said."""
    manifest = Manifest(stored([row(asset_id="b", path="b.mp4"), line, row()]))
    assert manifest.standing("a.mp4") == row()
    assert manifest.standing("b.mp4").asset_id == "b"
    assert (manifest.is_damaged, manifest.unreadable_lines) == (True, 1)
    assert "line 2" in caplog.text


def test_bytes_that_are_no_text_are_damage():
    """A file of noise, or one that was cut within a letter, is no error of the task."""
    store = stored([row()])
    store.write("_kaltura/manifest/dt=2026-11-21/noise.jsonl", b"\xff\xfe\x00")
    manifest = Manifest(store)
    assert manifest.is_damaged
    assert manifest.standing("a.mp4") == row()


@pytest.mark.parametrize(
    "key",
    [
        "_kaltura/manifest/dt=2026-11-21/readme.txt",
        "_kaltura/manifest/x.jsonl",
        "_kaltura/manifest/dt=2026-11-21/deeper/x.jsonl",
        "_kaltura/manifest/dt=today/x.jsonl",
        "_kaltura/manifesto/dt=2026-11-21/x.jsonl",
    ],
)
def test_foreign_files_are_not_read(key):
    """What others leave in the folder is neither believed nor damage."""
    store = memory_lake().store
    store.write(key, b"noise")
    manifest = Manifest(store)
    assert not manifest.is_damaged
    assert list(rows(store)) == []


LATER = NOON + timedelta(microseconds=1)


@pytest.mark.parametrize(
    "files",
    [
        [[row(version="2"), row(version="12", observed_at=LATER)]],
        [[row(version="12", observed_at=LATER), row(version="2")]],
        [[row(version="12", observed_at=LATER)], [row(version="2")]],
        [[row(version="2")], [row(version="12")]],
        [[row(version="2"), row(version="12")]],
        [[row(version="12"), row(version="30", outcome="failed", observed_at=LATER)]],
        [[row(version="12"), row(version="30", outcome="skipped", observed_at=LATER)]],
        [[row(version="12"), row(version="30", outcome="who knows", observed_at=LATER)]],
        [[row(version="2"), row(version="12", outcome="adopted", observed_at=LATER)]],
        [[row(version="2"), row(version="12", outcome="replaced", observed_at=LATER)]],
        [[row(version="12"), row(version="30", path="b.mp4", observed_at=LATER)]],
    ],
    ids=[
        *("later", "order of lines", "order of files", "tie: file", "tie: line", "failed", "skipped"),
        *("unknown outcome", "adopted", "replaced", "another path"),
    ],
)
def test_newest_row_that_says_a_file_stands_wins(files):
    """By time, then file name, then line; what failed or was skipped never hides it."""
    assert Manifest(stored(*files)).standing("a.mp4").version == "12"


def test_newest_row_of_a_path_may_be_of_another_asset():
    """A path tells of the asset that was put there last."""
    store = stored([row(asset_id="a"), row(asset_id="b", observed_at=LATER)])
    assert Manifest(store).standing("a.mp4").asset_id == "b"


def test_only_the_wanted_paths_are_kept():
    """One asset of a large library does not cost the library's memory."""
    manifest = Manifest(stored([row(), row(path="b.mp4")]), {"b.mp4"})
    assert manifest.standing("a.mp4") is None
    assert manifest.standing("b.mp4") is not None


@pytest.mark.parametrize("path", ["b.mp4", "ü.mp4", 'quote".mp4', "back\\slash.mp4", "tab\t.mp4", "\u2028.mp4"])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_wanted_path_is_found_however_it_is_written(path, ascii_only):
    """The quick look at a line misses no spelling that JSON allows."""
    line = json.dumps(json.loads(row(path=path).to_json()), ensure_ascii=ascii_only)
    for text in (line, line.replace(": ", ":").replace(", ", ",")):
        assert Manifest(stored([text]), {path}).standing(path) is not None


def test_damage_of_other_paths_does_not_matter_to_a_wanted_one():
    """Only a line that may be about the wanted paths can hide something about them."""
    other, own = row(path="b.mp4").to_json()[:-5], row().to_json()[:-5]
    assert not Manifest(stored([other]), {"a.mp4"}).is_damaged
    assert Manifest(stored([own]), {"a.mp4"}).is_damaged
    assert Manifest(stored(["{"]), {"a.mp4"}).is_damaged


def test_file_that_vanishes_between_listing_and_reading_is_an_error():
    """Without a part of the record no file is judged."""
    store = stored([row()])

    def read(key, *_more):
        raise ObjectMissingError("gone", key)

    store.read = read
    with pytest.raises(SinkError, match="run the task again") as caught:
        Manifest(store)
    assert caught.value.retryable


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"version": "3"}, False),
        ({"asset_id": "b"}, False),
        ({"asset_type": "caption"}, False),
        ({"partner_id": 103}, False),
        ({"partner_id": 0}, True),
        ({"entry_id": "f"}, True),
    ],
)
def test_row_describes_an_asset_version_of_one_partner(change, same):
    """Asset ids are unique within one server only; an unknown partner is no contradiction."""
    assert describes(row(**change), job("a", 5)) is same


def test_file_name_tells_run_task_map_and_try_and_is_safe_everywhere():
    """Run ids hold colons and plus signs, task ids what people like."""
    lake = memory_lake()
    writer = ManifestWriter(lake, OPTIONS, utcnow=ManualTime(datetime(2026, 11, 21, 23, 59, tzinfo=UTC)).utcnow)
    writer.add(done())
    writer.flush()
    (stat,) = lake.store.list("")
    expected = (
        r"_kaltura/manifest/dt=2026-11-21/manual__2026_11_21T00_00_00_00_00-group\.load_it-3-2-[0-9a-f]{32}-0\.jsonl"
    )
    assert re.fullmatch(expected, stat.key)


def test_long_ids_still_make_a_file_name(tmp_path):
    """Airflow's ids have up to 250 characters each."""
    sink = LocalSink(tmp_path)
    writer = ManifestWriter(Lake(str(tmp_path), sink, sink.store), RunOptions(run_id="ü" * 250, task_id="t" * 250))
    writer.add(done())
    writer.flush()
    assert Manifest(sink.store).standing("a.mp4").asset_id == "a"


def test_two_writers_of_the_same_try_never_meet():
    """Even a try that Airflow started twice keeps its rows apart."""
    lake = memory_lake()
    for _ in range(2):
        writer = ManifestWriter(lake, OPTIONS)
        writer.add(done())
        writer.flush()
    assert len(list(lake.store.list(""))) == 2


def test_file_is_written_after_100_rows_or_30_seconds():
    """What stands becomes known soon, and not by one file per asset."""
    lake, time = memory_lake(), ManualTime()
    writer = ManifestWriter(lake, OPTIONS, utcnow=time.utcnow, monotonic=time.monotonic)
    counts = []
    for _ in range(250):
        writer.add(done())
        counts.append(len(list(lake.store.list(""))))
    assert [counts[98], counts[99], counts[198], counts[199], counts[249]] == [0, 1, 1, 2, 2]
    time.seconds = 29.9
    writer.tick()
    assert len(list(lake.store.list(""))) == 2
    time.seconds = 30
    writer.tick()
    assert len(list(lake.store.list(""))) == 3
    assert len(list(rows(lake.store))) == 250
    writer.flush()
    assert len(list(lake.store.list(""))) == 3


def test_rows_wait_when_the_store_refuses_in_between(caplog):
    """A full disk does not end the file under way; the rows go with the next file, or the end raises."""
    lake = memory_lake()
    time = ManualTime()
    writer = ManifestWriter(lake, OPTIONS, utcnow=time.utcnow, monotonic=time.monotonic)
    original = lake.store.write

    def refuse(key, *_args, **_more):
        raise SinkError("no space left", key)

    lake.store.write = refuse
    writer.add(done())
    time.seconds = 31
    writer.tick()
    assert "1 rows wait" in caplog.text
    with pytest.raises(SinkError):
        writer.flush()
    lake.store.write = original
    writer.flush()
    assert len(list(rows(lake.store))) == 1


def test_name_is_not_used_again_after_a_failed_write():
    """A write that failed may have arrived all the same, so another try needs another name."""
    lake = memory_lake()
    writer = ManifestWriter(lake, OPTIONS)
    original = lake.store.write

    def arrive_and_fail(*args, **more):
        original(*args, **more)
        raise SinkError("the answer was lost")

    lake.store.write = arrive_and_fail
    writer.add(done())
    with pytest.raises(SinkError):
        writer.flush()
    lake.store.write = original
    writer.flush()
    assert len(list(rows(lake.store))) == 2
    assert Manifest(lake.store).standing("a.mp4").asset_id == "a"


def test_files_are_synced_before_their_rows_are_written(tmp_path):
    """With ``durability="batch"`` no row may outlast a loss of power that its file does not."""
    sink = LocalSink(tmp_path, "batch")
    order = []
    lake = Lake(str(tmp_path), sink, sink.store)
    write, sync = sink.store.write, sink.sync
    sink.store.write = lambda *args, **more: order.append("write") or write(*args, **more)
    sink.sync = lambda: order.append("sync") or sync()
    writer = ManifestWriter(lake, OPTIONS)
    writer.add(done())
    writer.flush()
    assert order == ["sync", "write"]


def test_times_are_written_in_utc_with_microseconds():
    """Rows of one second can be told apart, and compared as text by others."""
    local = datetime(2026, 11, 21, 14, 0, tzinfo=timezone(timedelta(hours=2)))
    assert '"observedAt":"2026-11-21T12:00:00.000000Z"' in row(observed_at=local).to_json()


@pytest.mark.parametrize(
    ("seconds", "wins"), [(-5, NOON), (0, LATER), (3600, NOON + timedelta(hours=1, microseconds=1))]
)
def test_row_that_takes_over_is_newer_than_the_one_before(seconds, wins):
    """A worker whose clock is ahead must not hide for ever what others put there later."""
    before = NOON + timedelta(seconds=seconds)
    row_of_now = ManifestWriter(memory_lake(), OPTIONS, utcnow=lambda: NOON).add(done(), newer_than=before)
    assert row_of_now.observed_at == wins


def test_row_of_the_very_file_goes_before_newer_ones():
    """Rows of two writers may be in another order than their files; a copied lake has none of its file."""
    manifest = Manifest(
        stored(
            [row(version="2", version_tag="x")],
            [row(version="12", version_tag="y", observed_at=NOON + timedelta(seconds=1))],
        )
    )
    assert manifest.standing("a.mp4", "x").version == "2"
    assert manifest.standing("a.mp4", "y").version == "12"
    assert manifest.standing("a.mp4", "z").version == "12"
    assert manifest.standing("a.mp4").version == "12"


@pytest.mark.parametrize("adopted_at", [-1, 1])
def test_who_fetched_a_file_knows_better_than_who_adopted_it(adopted_at):
    """A file may be adopted in the moment before the row of its own writer is there."""
    adopted = row(version="12", version_tag="x", outcome="adopted", observed_at=NOON + timedelta(seconds=adopted_at))
    manifest = Manifest(stored([row(version="2", version_tag="x"), adopted]))
    assert manifest.standing("a.mp4", "x").version == "2"


def test_few_rows_of_a_path_are_kept():
    """A file that is replaced every day must not fill the memory of whoever reads the manifest."""
    manifest = Manifest(
        stored(
            [
                row(version=str(number), version_tag=str(number), observed_at=NOON + timedelta(seconds=number))
                for number in range(9)
            ]
        )
    )
    assert [manifest.standing("a.mp4", str(number)).version for number in (5, 8)] == ["5", "8"]
    assert manifest.standing("a.mp4", "4").version == "8"
