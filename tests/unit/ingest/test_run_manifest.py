"""How ``run`` uses the manifest: read at most once, written in time, never a reason to judge blindly."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_kaltura.ingest.manifest import Manifest, ManifestWriter
from airflow_provider_kaltura.ingest.models import RunOptions
from airflow_provider_kaltura.ingest.run import run, run_one
from airflow_provider_kaltura.stores import open_lake
from airflow_provider_kaltura.transfer.checksum import checksum_of
from airflow_provider_kaltura.transfer.errors import (
    SinkError,
)
from tests.unit.ingest.fakes import (
    FAIL,
    NOON,
    OPTIONS,
    OVERWRITE,
    ManualTime,
    Sources,
    job,
    memory_lake,
    metadata,
    raising,
    recorded_outcomes,
)


def test_damaged_manifest_makes_unrecorded_file_be_fetched_again(disk):
    """A lost row may have told of other bytes of this length; what is fetched heals the record."""
    disk.store.write("a.mp4", b"stale")
    disk.store.write("_kaltura/manifest/dt=2026-11-20/x.jsonl", b'{"schemaVersion":1,"path":"a.m\n')
    outcome = run_one(job("a", 5), disk, OPTIONS, open_source=Sources(a=b"12345"))
    assert outcome.outcome == "replaced"
    assert disk.store.read("a.mp4") == b"12345"
    assert run_one(job("a", 5), disk, OPTIONS, open_source=Sources()).outcome == "skipped"


def test_same_asset_twice_in_a_plan_is_skipped_the_second_time(disk):
    """What the run itself has just put there is known although its row may not be written yet."""
    disk.store.write("b.mp4", b"12345")
    plan = [job("b", 5), job("a", 5), job("a", 5)]
    outcomes = run(plan, disk, OPTIONS, open_source=Sources(a=b"12345"))
    assert [outcome.outcome for outcome in outcomes] == ["adopted", "downloaded", "skipped"]


def test_same_asset_twice_in_a_first_run_is_skipped_the_second_time(disk):
    """Rows that still wait are written before the manifest is read."""
    outcomes = run([job("a", 5), job("a", 5)], disk, OPTIONS, open_source=Sources(a=b"12345"))
    assert [outcome.outcome for outcome in outcomes] == ["downloaded", "skipped"]


@pytest.mark.parametrize("options", [OVERWRITE, FAIL])
def test_manifest_is_not_read_when_it_decides_nothing(disk, options):
    """What is overwritten or refused anyway needs no record."""
    disk.store.write("a.mp4", b"12345")
    disk.store.read = None
    outcomes = list(run([job("a", 5)], disk, options, open_source=Sources(a=b"12345")))
    assert [outcome.outcome for outcome in outcomes] == ["replaced" if options is OVERWRITE else "failed"]


def test_damage_elsewhere_does_not_keep_a_small_plan_from_adopting(disk):
    """Only what may be about the plan's own files matters."""
    disk.store.write("a.mp4", b"12345")
    disk.store.write("_kaltura/manifest/dt=2026-11-20/x.jsonl", b'{"schemaVersion":1,"path":"b.mp4",\n')
    assert run_one(job("a", 5), disk, OPTIONS, open_source=Sources()).outcome == "adopted"


def test_clock_that_was_ahead_does_not_make_every_run_fetch_again(disk):
    """A row from the future is taken over by what comes after it."""
    ahead = ManualTime(NOON.replace(year=2099))
    writer = ManifestWriter(disk, OPTIONS, utcnow=ahead.utcnow)
    list(run([job("a", 5)], disk, OPTIONS, open_source=Sources(a=b"12345"), writer=writer))
    assert run_one(job("a", 5, version="12"), disk, OPTIONS, open_source=Sources(a=b"54321")).outcome == "replaced"
    assert run_one(job("a", 5, version="12"), disk, OPTIONS, open_source=Sources()).outcome == "skipped"


def test_manifest_is_not_read_when_nothing_stands_there(disk):
    """A first run asks for no manifest at all."""
    disk.store.read = None
    run_one(job("a", 5), disk, OPTIONS, open_source=Sources(a=b"12345"))


def test_manifest_is_not_read_when_metadata_answers():
    """A store that keeps metadata with the object needs no manifest to skip."""
    lake = memory_lake()
    run_one(job("a", 5, attributes=metadata()), lake, OPTIONS, open_source=Sources(a=b"12345"))
    lake.store.read = None
    assert run_one(job("a", 5), lake, OPTIONS, open_source=Sources()).outcome == "skipped"


def test_manifest_is_read_at_most_once(disk):
    """However many files stand already, each manifest file is read once per run."""
    plan = [job(name, 5) for name in "abc"]
    list(run(plan, disk, OPTIONS, open_source=Sources(a=b"12345", b=b"12345", c=b"12345")))
    read = []
    original = disk.store.read
    disk.store.read = lambda key, *more: read.append(key) or original(key, *more)
    outcomes = [outcome.outcome for outcome in run(plan, disk, OPTIONS, open_source=Sources())]
    assert outcomes == ["skipped"] * 3
    assert len(read) == 1


def test_unreadable_store_of_the_manifest_ends_the_run(disk):
    """Without its record no file is judged, and none is touched."""
    disk.store.write("a.mp4", b"12345")
    disk.store.list = raising(SinkError("the disk is gone"))
    with pytest.raises(SinkError, match="the disk is gone"):
        list(run([job("a", 5), job("b", 5)], disk, OPTIONS, open_source=Sources()))
    assert disk.store.read("a.mp4") == b"12345"


def test_rows_are_written_while_a_long_file_is_on_its_way(disk):
    """After 30 seconds a row is written although the next file has not ended."""
    time = ManualTime()
    writer = ManifestWriter(disk, OPTIONS, utcnow=time.utcnow, monotonic=time.monotonic)
    seen = []

    def progress(_job, _done_bytes, _size_bytes):
        seen.append(recorded_outcomes(disk))
        time.seconds += 31

    plan = [job("a", 5), job("b", 3 * 1024 * 1024)]
    sources = Sources(a=b"12345", b=bytes(3 * 1024 * 1024))
    list(run(plan, disk, OPTIONS, open_source=sources, progress=progress, writer=writer))
    assert seen == [[], [], ["downloaded"], ["downloaded"]]


def test_manifest_that_cannot_be_written_ends_the_run_with_its_error(disk):
    """Files without a record are no success."""
    disk.store.write = raising(SinkError("read-only"))
    with pytest.raises(SinkError, match="read-only"):
        list(run([job("a", 5)], disk, OPTIONS, open_source=Sources(a=b"12345")))


def test_manifest_rows_are_json_lines_with_the_documented_fields(lake):
    """Others may read the manifest: its field names are a contract."""
    run_one(job("a", 5), lake, OPTIONS, open_source=Sources(a=b"12345"))
    (stat,) = lake.store.list("_kaltura/")
    (line,) = lake.store.read(stat.key).splitlines()
    assert list(json.loads(line)) == [
        *("schemaVersion", "partnerId", "assetType", "assetId", "path", "entryId", "version", "sizeBytes"),
        *("checksum", "verified", "outcome", "observedAt", "sourceUpdatedAt", "versionTag"),
    ]
    assert Manifest(lake.store).standing("a.mp4").asset_id == "a"


def landed_by(lake, version, data, *, ahead_seconds=0, options=OVERWRITE):
    """Put one version there, by a worker whose clock is ahead."""
    clock = ManualTime(datetime.now(UTC) + timedelta(seconds=ahead_seconds))
    writer = ManifestWriter(lake, options, utcnow=clock.utcnow)
    (outcome,) = run([job("a", 5, version=version)], lake, options, open_source=Sources(a=data), writer=writer)
    return outcome


def test_row_of_a_file_that_was_replaced_since_is_not_believed(disk):
    """A worker whose clock is ahead, or one that was overtaken, leaves the newest row about a file that is gone."""
    landed_by(disk, "12", b"12345", ahead_seconds=60)
    landed_by(disk, "2", b"54321")
    assert run_one(job("a", 5, version="2"), disk, OPTIONS, open_source=Sources()).outcome == "skipped"
    outcome = run_one(job("a", 5, version="12"), disk, OPTIONS, open_source=Sources(a=b"12345"))
    assert (outcome.outcome, disk.store.read("a.mp4")) == ("replaced", b"12345")


def copied(lake, data):
    """Copy manifest and file to another disk, where the file has these bytes."""
    other = memory_lake(with_metadata=False)
    other.store.write("something else", b"")
    for stat in lake.store.list("_kaltura/"):
        other.store.write(stat.key, lake.store.read(stat.key))
    other.store.write("a.mp4", data)
    return other


@pytest.mark.parametrize("checksum", ["crc64nvme", "sha256"])
def test_copied_lake_is_read_back_once_and_not_fetched(disk, checksum):
    """On another disk no tag is known; the recorded checksum proves the file, and a new row says so."""
    landed_by(disk, "2", b"12345", options=RunOptions(checksum=checksum))
    other, read = copied(disk, b"12345"), []
    original = other.store.read
    other.store.read = lambda key, *more: read.append(key) or original(key, *more)
    outcomes = [run_one(job("a", 5), other, OPTIONS, open_source=Sources()) for _ in range(3)]
    assert [outcome.outcome for outcome in outcomes] == ["skipped"] * 3
    assert {outcome.checksum for outcome in outcomes} == {checksum_of(b"12345", checksum)}
    assert read.count("a.mp4") == 1
    assert recorded_outcomes(other) == ["downloaded"] * 2


@pytest.mark.parametrize(("checksum", "data"), [("crc64nvme", b"1234x"), ("none", b"12345")])
def test_file_that_its_row_does_not_prove_is_fetched(disk, checksum, data):
    """Other bytes of the same length, or no checksum to tell: only fetching makes it sure."""
    landed_by(disk, "2", b"12345", options=RunOptions(checksum=checksum))
    other = copied(disk, data)
    assert run_one(job("a", 5), other, OPTIONS, open_source=Sources(a=b"12345")).outcome == "replaced"
    assert other.store.read("a.mp4") == b"12345"


@pytest.mark.parametrize(("stands", "outcome"), [(b"12345", "skipped"), (b"1234x", "replaced")])
def test_row_without_a_tag_is_believed_when_the_bytes_are_read_back(disk, stands, outcome):
    """Rows of older versions do not say which file they are about."""
    landed_by(disk, "2", b"12345")
    (stat,) = disk.store.list("_kaltura/")
    line = json.loads(disk.store.read(stat.key))
    del line["versionTag"]
    disk.store.write(stat.key, json.dumps(line, separators=(",", ":")).encode())
    disk.store.write("a.mp4", stands)
    assert run_one(job("a", 5), disk, OPTIONS, open_source=Sources(a=b"12345")).outcome == outcome


def test_file_that_changes_while_it_is_read_back_is_fetched(disk):
    """What was read may be neither of the two files."""
    landed_by(disk, "2", b"12345")
    other = copied(disk, b"12345")
    original = other.store.read

    def read(key, *more):
        data = original(key, *more)
        if key == "a.mp4":
            other.store.write(key, b"54321")
        return data

    other.store.read = read
    assert run_one(job("a", 5), other, OPTIONS, open_source=Sources(a=b"12345")).outcome == "replaced"


def test_unrecorded_file_is_not_adopted_where_a_loss_of_power_may_have_left_it(tmp_path):
    """With durability="batch" a name may stand before its bytes are on the disk."""
    for durability, outcome in (("batch", "replaced"), ("file", "adopted")):
        root = tmp_path / durability
        root.mkdir()
        (root / "a.mp4").write_bytes(bytes(5))
        lake = open_lake(str(root), durability=durability)
        assert run_one(job("a", 5), lake, OPTIONS, open_source=Sources(a=b"12345")).outcome == outcome
