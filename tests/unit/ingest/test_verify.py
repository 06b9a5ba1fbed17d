"""A lake is held against its manifest: what is reported, what is not, and at what cost."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from airflow_provider_kaltura.ingest.lake import Lake
from airflow_provider_kaltura.ingest.models import RunOptions
from airflow_provider_kaltura.ingest.run import run
from airflow_provider_kaltura.ingest.verify import verify
from airflow_provider_kaltura.ingest.verify_report import MOST_EXAMPLES
from airflow_provider_kaltura.transfer.errors import SinkError, SinkForbiddenError
from airflow_provider_kaltura.transfer.local_sink import LocalSink
from airflow_provider_kaltura.transfer.protocols import ObjectAttributes
from tests.unit.ingest.fakes import NOON, ManualTime, Sources, job, memory_lake

FILMS = {name: name.encode() * 1000 for name in ("a", "b", "c")}


def fill(lake, films=FILMS, **options):
    """Download films into a lake."""
    jobs = [job(name, len(data), entry_id=f"0_entry_{name}") for name, data in films.items()]
    outcomes = list(run(jobs, lake, RunOptions(**options), open_source=Sources(**films)))
    assert {outcome.outcome for outcome in outcomes} == {"downloaded"}
    return lake


@pytest.fixture
def local(tmp_path):
    """A folder with three recorded films."""
    sink = LocalSink(tmp_path / "lake")
    return fill(Lake(str(tmp_path / "lake"), sink, sink.store))


@pytest.fixture
def folder(local):
    """Where they stand."""
    return Path(local.root)


@pytest.fixture(params=["length", "checksum"])
def level(request):
    """Both ways to look."""
    return request.param


def found(report):
    """Give kinds and paths of all kept findings."""
    return sorted((finding.kind, finding.path) for kept in report.examples.values() for finding in kept)


def reports(lake):
    """Give the report files of a lake, read."""
    keys = [stat.key for stat in lake.store.list("_kaltura/reports/")]
    return {key: [json.loads(line) for line in lake.store.read(key).splitlines()] for key in keys}


def test_a_sound_lake_has_no_findings(local, level):
    """Everything is there and right: no finding, no report file."""
    report = verify(local, level=level)
    assert (found(report), report.is_sound, report.report_path) == ([], True, None)
    assert (report.files, report.size_bytes) == (3, 3000)
    assert reports(local) == {}


def test_an_empty_lake_is_sound(tmp_path, level):
    """Where nothing was ever loaded, nothing is wrong."""
    sink = LocalSink(tmp_path / "nothing")
    report = verify(Lake("/nothing", sink, sink.store), level=level)
    assert (report.files, report.is_sound) == (0, True)


def test_a_missing_file_is_found(local, folder, level):
    """A row without its file is damage."""
    (folder / "b.mp4").unlink()
    report = verify(local, level=level)
    assert (found(report), report.is_sound) == ([("missing", "b.mp4")], False)


def test_a_wrong_length_is_found(local, folder, level):
    """A file that was cut is damage, and both lengths are told."""
    (folder / "b.mp4").write_bytes(b"b" * 999)
    (finding,) = verify(local, level=level).examples["wrong_length"]
    assert (finding.path, finding.expected, finding.found) == ("b.mp4", 1000, 999)
    assert (finding.entry_id, finding.asset_id) == ("0_entry_b", "b")


def flip(path):
    """Change one byte and leave length and times alone, as a dying disk does."""
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[500] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("checksum", ["crc64nvme", "sha256"])
def test_one_wrong_bit_is_found_by_reading(tmp_path, checksum):
    """Of the right length and age, with one flipped bit: the checksum tells, whichever is recorded."""
    sink = LocalSink(tmp_path)
    lake = fill(Lake(str(tmp_path), sink, sink.store), checksum=checksum)
    flip(tmp_path / "b.mp4")
    assert verify(lake, level="length").is_sound
    report = verify(lake, level="checksum")
    assert found(report) == [("wrong_checksum", "b.mp4")]
    assert (report.proved_by_reading, report.proved_by_store, report.length_only) == (2, 0, 0)


def test_nothing_is_read_twice_when_nothing_changed(local, folder):
    """What was found wrong is not read again at the end, as long as file and row are the same."""
    flip(folder / "b.mp4")
    assert verify(local, level="checksum").read_bytes == 3000


def test_without_a_recorded_checksum_only_the_length_counts(tmp_path):
    """A row that has none can't be held against bytes; the report says for how many that is so."""
    sink = LocalSink(tmp_path)
    report = verify(fill(Lake(str(tmp_path), sink, sink.store), checksum="none"), level="checksum")
    assert (report.is_sound, report.length_only, report.read_bytes) == (True, 3, 0)


def test_a_copied_lake_is_sound_and_said_to_be_retagged(local, folder, level):
    """Other version tags with the right bytes are no damage."""
    for path in folder.glob("*.mp4"):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    report = verify(local, level=level)
    assert (report.is_sound, report.counts["retagged"]) == (True, 3)
    assert {finding.kind for kept in report.examples.values() for finding in kept} == {"retagged"}


def test_an_unknown_file_is_told_and_is_no_damage(local, folder, level):
    """What nobody recorded may be anybody's."""
    (folder / "notes").mkdir()
    (folder / "notes" / "readme.txt").write_text("mine")
    report = verify(local, level=level)
    assert (found(report), report.is_sound) == ([("unknown", "notes/readme.txt")], True)


def test_our_own_folder_is_not_unknown(local):
    """Manifest, reports and partial state are never reported."""
    local.store.write("_kaltura/partial/x.json", b"{}")
    assert found(verify(local)) == []


def test_names_that_are_no_text_are_told(local, folder):
    """A file whose name is no UTF-8 is unknown, and the report file can still be written and read."""
    (folder / os.fsdecode(b"\xff.mp4")).touch()
    report = verify(local)
    assert report.counts["unknown"] == 1
    ((line,),) = reports(local).values()
    assert line["path"] == "\udcff.mp4"


def test_folder_objects_of_buckets_are_passed_over():
    """Some tools write an empty object for each folder; the name of a folder is no file's."""
    lake = fill(memory_lake())
    listing = lake.store.list
    marker = replace(next(listing("a")), key="videos/", size_bytes=0)
    lake.store.list = lambda prefix: iter([*listing(prefix), marker])
    assert found(verify(lake)) == []


def test_a_prefix_narrows_both_sides(local, folder):
    """Neither files nor rows outside the prefix are looked at."""
    (folder / "b.mp4").unlink()
    (folder / "zzz.mp4").touch()
    report = verify(local, prefix="a")
    assert (report.files, found(report)) == (1, [])


def test_the_newest_row_about_the_standing_file_counts(local, folder):
    """A replaced file is held against the row of its replacement."""
    jobs = [job("a", 5, version="3", entry_id="0_entry_a")]
    list(run(jobs, local, RunOptions(), open_source=Sources(a=b"short")))
    report = verify(local, level="checksum")
    assert (report.is_sound, report.size_bytes) == (True, 2005)
    assert (folder / "a.mp4").read_bytes() == b"short"


def test_the_report_file_has_every_finding(local, folder):
    """Beyond the first twenty of a kind only the file has them; each line is one JSON object."""
    for number in range(MOST_EXAMPLES + 5):
        (folder / f"unknown-{number:02}.txt").touch()
    (folder / "a.mp4").unlink()
    report = verify(local, utcnow=ManualTime().utcnow)
    assert len(report.examples["unknown"]) == MOST_EXAMPLES
    assert report.counts["unknown"] == MOST_EXAMPLES + 5
    ((key, lines),) = reports(local).items()
    assert key.startswith(f"_kaltura/reports/verify-{NOON:%Y%m%d}T120000Z-")
    assert report.report_path == f"{folder}/{key}"
    assert len(lines) == MOST_EXAMPLES + 6
    assert {
        "kind": "missing",
        "path": "a.mp4",
        "entryId": "0_entry_a",
        "assetId": "a",
        "expected": None,
        "found": None,
    } in lines


def test_each_report_has_a_name_of_its_own(local, folder):
    """Two verifications of the same second don't overwrite each other."""
    (folder / "a.mp4").unlink()
    verify(local, utcnow=ManualTime().utcnow)
    verify(local, utcnow=ManualTime().utcnow)
    assert len(reports(local)) == 2


def test_credentials_that_may_only_read_are_enough(local, folder, monkeypatch):
    """Where the report file is refused, the findings are still told."""
    (folder / "a.mp4").unlink()
    monkeypatch.setattr(local.store, "write", refuse)
    monkeypatch.setattr(local.sink, "leftovers", refuse)
    report = verify(local)
    assert (found(report), report.report_path, report.leftovers) == ([("missing", "a.mp4")], None, None)


def refuse(*_arguments, **_more):
    """Refuse, as a store does for want of rights."""
    raise SinkForbiddenError("the credentials may not do this")


def test_uploads_under_way_are_counted():
    """What has no final name yet is no finding, and is counted."""
    lake = fill(memory_lake())
    lake.sink.begin("d.mp4", size_bytes=77, part_bytes=77, attributes=ObjectAttributes())
    report = verify(lake)
    assert (report.leftovers, report.leftover_bytes, found(report)) == (1, 77, [])


def test_damaged_manifest_lines_are_damage(local):
    """A file of which only a damaged line tells may be missing without a word."""
    local.store.write("_kaltura/manifest/dt=2026-11-21/x.jsonl", b"{damaged\n")
    report = verify(local)
    assert (report.unreadable_lines, report.is_sound) == (1, False)
    assert report.damage_in_words().startswith("1 lines of the manifest can't be read")


class Recording:
    """The store of another lake whose listing or reading is changed by a test."""

    def __init__(self, store):
        self.inner = store
        self.reads = []

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def read(self, key, start=0, stop=None):
        """Read, and remember the names of files."""
        if not key.startswith("_kaltura/"):
            self.reads.append(key)
        return self.inner.read(key, start, stop)


class WithChecksums(Recording):
    """A store that keeps the checksum of each object itself, and tells it only when asked for the object."""

    def __init__(self, store, checksums):
        super().__init__(store)
        self.checksums = checksums

    def stat(self, key):
        """Describe, with the checksum."""
        found = self.inner.stat(key)
        return found and replace(found, checksum=self.checksums.get(key))


def checksums(lake):
    """Give the recorded checksums by path."""
    lines = [line for stat in lake.store.list("_kaltura/manifest/") for line in lake.store.read(stat.key).splitlines()]
    return {row["path"]: row["checksum"] for row in map(json.loads, lines)}


def test_a_checksum_that_the_store_keeps_spares_the_reading():
    """A record of the same kind is compared; nothing is read."""
    lake = fill(memory_lake())
    store = WithChecksums(lake.store, checksums(lake))
    report = verify(Lake(lake.root, lake.sink, store), level="checksum")
    assert (report.proved_by_store, report.proved_by_reading, store.reads) == (3, 0, [])


def test_a_wrong_checksum_that_the_store_keeps_is_damage():
    """The store tells of other bytes than those that were recorded."""
    lake = fill(memory_lake())
    store = WithChecksums(lake.store, {**checksums(lake), "b.mp4": "crc64nvme:0000000000000001"})
    (finding,) = verify(Lake(lake.root, lake.sink, store), level="checksum").examples["wrong_checksum"]
    assert (finding.path, finding.found) == ("b.mp4", "crc64nvme:0000000000000001")


def test_a_checksum_of_another_kind_is_not_compared():
    """Where the store keeps CRC-64 and sha256 is recorded, the file is read."""
    lake = fill(memory_lake(), checksum="sha256")
    store = WithChecksums(lake.store, dict.fromkeys(("a.mp4", "b.mp4", "c.mp4"), "crc64nvme:0000000000000001"))
    report = verify(Lake(lake.root, lake.sink, store), level="checksum")
    assert (report.is_sound, report.proved_by_reading) == (True, 3)


class Breaking(Recording):
    """A store that gives an error for some files."""

    def __init__(self, store, broken):
        super().__init__(store)
        self.broken = broken

    def read(self, key, start=0, stop=None):
        """Read, or fail as a dying disk does."""
        if key in self.broken:
            raise SinkError("the disk refused", key)
        return super().read(key, start, stop)


def test_a_file_that_cannot_be_read_is_damage_and_the_others_are_still_looked_at():
    """One bad sector is a finding."""
    lake = fill(memory_lake())
    report = verify(Lake(lake.root, lake.sink, Breaking(lake.store, {"b.mp4"})), level="checksum")
    assert found(report) == [("unreadable", "b.mp4")]
    assert report.proved_by_reading == 2


def test_a_store_that_reads_nothing_is_an_error():
    """When one file after another fails it is not the files."""
    films = {f"film{number}": b"film" for number in range(9)}
    lake = fill(memory_lake(), films)
    with pytest.raises(SinkError, match="the disk refused"):
        verify(Lake(lake.root, lake.sink, Breaking(lake.store, {f"{name}.mp4" for name in films})), level="checksum")


class Meanwhile(Recording):
    """A store in which something happens right after the listing."""

    def __init__(self, store, happens):
        super().__init__(store)
        self.happens = happens

    def list(self, prefix):
        """List; what follows happens when all files have been told."""
        yield from self.inner.list(prefix)
        if prefix == "":
            self.happens()


def test_a_file_that_is_replaced_meanwhile_is_no_finding(level):
    """What did not fit in the listing is looked at once more, with the rows that came meanwhile."""
    lake = fill(memory_lake(with_metadata=False))
    lake.store.delete("b.mp4")
    new = [job("b", 5, version="3", entry_id="0_entry_b"), job("d", 7, entry_id="0_entry_d")]
    sources = Sources(b=b"short", d=b"newfilm")
    store = Meanwhile(lake.store, lambda: list(run(new, lake, RunOptions(), open_source=sources)))
    report = verify(Lake(lake.root, lake.sink, store), level=level)
    assert (found(report), report.is_sound) == ([], True)


def test_a_file_whose_row_comes_meanwhile_is_not_unknown():
    """A row that is written after the manifest was read still counts."""
    lake = fill(memory_lake(with_metadata=False))
    rows = {stat.key: lake.store.read(stat.key) for stat in lake.store.list("_kaltura/manifest/")}
    for key in rows:
        lake.store.delete(key)
    store = Meanwhile(lake.store, lambda: [lake.store.write(key, data) for key, data in rows.items()])
    assert found(verify(Lake(lake.root, lake.sink, store), level="checksum")) == []


def test_reading_keeps_to_its_rate(local):
    """Three films of 1,000 bytes at 100 bytes a second take 30 seconds."""
    clock = ManualTime()

    def sleep(seconds):
        clock.seconds += seconds

    report = verify(local, level="checksum", max_bytes_per_second=100, monotonic=clock.monotonic, sleep=sleep)
    assert report.seconds == pytest.approx(30, abs=0.2)
    assert report.read_bytes == 3000


@pytest.mark.parametrize("arguments", [{"level": "md5"}, {"level": None}, {"max_bytes_per_second": 0}])
def test_arguments_that_mean_nothing_are_refused(local, arguments):
    """Which of them it is stands in the message."""
    with pytest.raises(ValueError, match=r"level is one of|a rate is at least 1"):
        verify(local, **arguments)


def test_damage_in_words(local, folder):
    """Counts, names and the report file, for people."""
    (folder / "a.mp4").unlink()
    (folder / "b.mp4").write_bytes(b"")
    report = verify(local)
    words = report.damage_in_words()
    assert "1 missing, 1 wrong length of 3 recorded files, such as a.mp4, b.mp4" in words
    assert words.endswith(report.report_path)
