"""What ``run`` does with a plan: every asset whole, or nothing; and what it leaves alone."""

from __future__ import annotations

import json

import pytest

from airflow_provider_kaltura.ingest.errors import KeyCollisionError
from airflow_provider_kaltura.ingest.manifest import Manifest, ManifestWriter, rows
from airflow_provider_kaltura.ingest.models import RunOptions
from airflow_provider_kaltura.ingest.run import Recorded, decide, run, run_one
from airflow_provider_kaltura.transfer.checksum import checksum_of
from airflow_provider_kaltura.transfer.errors import (
    SinkError,
    SizeMismatchError,
    SourceChangedError,
    SourceUnprovableError,
    TargetExistsError,
)
from airflow_provider_kaltura.transfer.protocols import ObjectAttributes
from tests.unit.ingest.fakes import NOON, BytesSource, ManualTime, Sources, job, memory_lake

SAME = Recorded(is_same_asset=True, size_bytes=5)
OTHER = Recorded(is_same_asset=False, size_bytes=5)
SHORTER = Recorded(is_same_asset=True, size_bytes=4)
OPTIONS = RunOptions()
FAIL = RunOptions(if_exists="fail")
OVERWRITE = RunOptions(if_exists="overwrite")


@pytest.fixture(params=[True, False], ids=["metadata", "manifest"])
def lake(request):
    """A lake that remembers by object metadata, and one that has only the manifest."""
    return memory_lake(with_metadata=request.param)


@pytest.fixture
def disk():
    """A lake that has only the manifest."""
    return memory_lake(with_metadata=False)


def metadata(asset_id="a", version="2"):
    """What the planner writes beside the bytes."""
    return ObjectAttributes(metadata={"kaltura-flavor": asset_id, "kaltura-version": version})


def names(lake):
    """Give the keys outside our own folder."""
    return [stat.key for stat in lake.store.list("") if not stat.key.startswith("_kaltura/")]


def recorded_outcomes(lake):
    """Give what the manifest says, in order."""
    return [row.outcome for row in sorted(rows(lake.store), key=lambda row: row.observed_at)]


@pytest.mark.parametrize(
    ("if_exists", "standing", "recorded", "wanted", "decision"),
    [
        ("skip", None, None, 5, "fetch"),
        ("skip", None, SAME, 5, "fetch"),
        ("skip", 5, SAME, 5, "skip"),
        ("skip", 5, OTHER, 5, "fetch"),
        ("skip", 5, SHORTER, 5, "fetch"),
        ("skip", 4, SAME, 5, "fetch"),
        ("skip", 4, SHORTER, 5, "fetch"),
        ("skip", 5, SAME, 6, "fetch"),
        ("skip", 5, None, 5, "adopt"),
        ("skip", 4, None, 5, "fetch"),
        ("skip", 6, None, 5, "fetch"),
        ("overwrite", None, None, 5, "fetch"),
        ("overwrite", 5, SAME, 5, "fetch"),
        ("overwrite", 5, None, 5, "fetch"),
        ("fail", None, None, 5, "fetch"),
        ("fail", 5, SAME, 5, "refuse"),
        ("fail", 4, None, 5, "refuse"),
        ("fail", 0, None, 5, "refuse"),
    ],
)
def test_decision_follows_length_asset_version_and_record(if_exists, standing, recorded, wanted, decision):
    """Only what is recorded as the wanted asset version, with its length, is left alone."""
    assert decide(if_exists, standing, recorded, wanted) == decision


@pytest.mark.parametrize(("recorded", "decision"), [(None, "fetch"), (SAME, "skip"), (OTHER, "fetch")])
def test_damaged_manifest_forbids_to_adopt(recorded, decision):
    """What a lost row may have said is not guessed, while readable rows still hold."""
    assert decide("skip", 5, recorded, 5, is_manifest_damaged=True) == decision


def test_new_asset_is_downloaded_and_recorded(lake):
    """The bytes stand, the outcome proves them, and the manifest has one row about them."""
    data = bytes(range(256)) * 50_000
    outcome = run_one(job("a", len(data)), lake, OPTIONS, open_source=Sources(a=data))
    assert outcome.outcome == "downloaded"
    assert lake.store.read("a.mp4") == data
    assert (outcome.size_bytes, outcome.fetched_bytes, outcome.verified) == (len(data), len(data), "full")
    assert outcome.checksum == checksum_of(data, "crc64nvme")
    (row,) = rows(lake.store)
    assert (row.path, row.asset_id, row.version, row.size_bytes) == ("a.mp4", "a", "2", len(data))
    assert (row.checksum, row.outcome, row.verified) == (outcome.checksum, "downloaded", "full")


def test_second_run_skips_without_opening_a_source(lake):
    """What stands as recorded costs no request, keeps its checksum and gets no second row."""
    first = run_one(job("a", 5, attributes=metadata()), lake, OPTIONS, open_source=Sources(a=b"12345"))
    sources = Sources()
    second = run_one(job("a", 5, attributes=metadata()), lake, OPTIONS, open_source=sources)
    assert second.outcome == "skipped"
    assert sources.opened == []
    assert recorded_outcomes(lake) == ["downloaded"]
    if lake.store.stat("a.mp4").metadata == {}:
        assert second.checksum == first.checksum


@pytest.mark.parametrize(
    ("change", "data"),
    [({"version": "12"}, b"54321"), ({"asset_id": "b", "key": "a.mp4"}, b"54321"), ({"size_bytes": 6}, b"654321")],
    ids=["version", "asset", "size"],
)
def test_changed_asset_replaces_what_stands(lake, change, data):
    """Another version, flavor or length is fetched, even where the length stays the same."""
    run_one(job("a", 5, attributes=metadata()), lake, OPTIONS, open_source=Sources(a=b"12345"))
    wanted = {"asset_id": "a", "size_bytes": 5, **change}
    outcome = run_one(job(**wanted), lake, OPTIONS, open_source=Sources(a=data, b=data))
    assert outcome.outcome == "replaced"
    assert lake.store.read("a.mp4") == data
    assert recorded_outcomes(lake) == ["downloaded", "replaced"]


def test_shortened_file_is_replaced(disk):
    """A file that lost bytes since it was recorded is fetched again."""
    run_one(job("a", 5), disk, OPTIONS, open_source=Sources(a=b"12345"))
    disk.store.write("a.mp4", b"1234")
    outcome = run_one(job("a", 5), disk, OPTIONS, open_source=Sources(a=b"12345"))
    assert outcome.outcome == "replaced"
    assert disk.store.read("a.mp4") == b"12345"


def test_unrecorded_file_of_right_length_is_adopted_once(disk, caplog):
    """It is taken over by its length, said so, and known from then on."""
    disk.store.write("a.mp4", b"12345")
    sources = Sources()
    first = run_one(job("a", 5), disk, OPTIONS, open_source=sources)
    assert (first.outcome, first.verified, first.checksum) == ("adopted", "length", None)
    assert "adopted" in caplog.text
    second = run_one(job("a", 5), disk, OPTIONS, open_source=sources)
    assert (second.outcome, second.verified) == ("skipped", "length")
    assert sources.opened == []
    assert recorded_outcomes(disk) == ["adopted"]


def test_unrecorded_file_of_other_length_is_replaced(disk):
    """What nobody recorded and has another length can't be the asset."""
    disk.store.write("a.mp4", b"1234")
    outcome = run_one(job("a", 5), disk, OPTIONS, open_source=Sources(a=b"12345"))
    assert outcome.outcome == "replaced"


def test_damaged_manifest_makes_unrecorded_file_be_fetched_again(disk):
    """A lost row may have told of other bytes of this length; what is fetched heals the record."""
    disk.store.write("a.mp4", b"stale")
    disk.store.write("_kaltura/manifest/dt=2026-11-20/x.jsonl", b'{"schemaVersion":1,"path":"a.m\n')
    outcome = run_one(job("a", 5), disk, OPTIONS, open_source=Sources(a=b"12345"))
    assert outcome.outcome == "replaced"
    assert disk.store.read("a.mp4") == b"12345"
    assert run_one(job("a", 5), disk, OPTIONS, open_source=Sources()).outcome == "skipped"


def test_overwrite_always_fetches(lake):
    """The outcome still tells whether something was replaced."""
    sources = Sources(a=b"12345")
    outcomes = [run_one(job("a", 5), lake, OVERWRITE, open_source=sources).outcome for _ in range(2)]
    assert outcomes == ["downloaded", "replaced"]
    assert sources.opened == ["a", "a"]


def test_fail_refuses_before_the_first_byte(lake):
    """With ``fail`` nothing is asked of the source when something stands there."""
    lake.store.write("a.mp4", b"mine")
    sources = Sources(a=b"12345")
    with pytest.raises(TargetExistsError, match=r"a\.mp4"):
        run_one(job("a", 5), lake, FAIL, open_source=sources)
    assert sources.opened == []
    assert lake.store.read("a.mp4") == b"mine"


def test_fail_refuses_what_appeared_meanwhile(lake):
    """A file that somebody else puts there during the transfer is not replaced."""

    def appear(_job, _done_bytes, _size_bytes):
        lake.store.write("a.mp4", b"mine")

    with pytest.raises(TargetExistsError):
        run_one(job("a", 5), lake, FAIL, open_source=Sources(a=b"12345"), progress=appear)
    assert lake.store.read("a.mp4") == b"mine"


def test_unknown_size_is_asked_of_the_source_and_verified_by_length(lake):
    """A job without Kaltura's size is proved by the server's word alone, and says so."""
    outcome = run_one(job("a"), lake, OPTIONS, open_source=Sources(a=b"12345"))
    assert (outcome.verified, outcome.size_bytes) == ("length", 5)
    (row,) = rows(lake.store)
    assert row.verified == "length"


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


def test_plan_is_consumed_lazily(lake):
    """A job is taken from the plan only when the one before has its outcome."""
    taken = []

    def plan():
        for name in ("a", "b"):
            taken.append(name)
            yield job(name, 5)

    outcomes = run(plan(), lake, OPTIONS, open_source=Sources(a=b"12345", b=b"12345"))
    assert taken == []
    next(outcomes)
    assert taken == ["a"]


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


def test_source_of_another_size_than_planned_leaves_nothing(lake):
    """Kaltura's size is the promise; a source that has another one is no proof."""
    with pytest.raises(SizeMismatchError):
        run_one(job("a", 5), lake, OPTIONS, open_source=Sources(a=b"123456"))
    assert names(lake) == []


def test_checksum_of_the_way_is_given_to_the_sink(lake):
    """A store that can check what it stored is asked to."""
    asked = []
    begin = lake.sink.begin

    def spying(*args, **more):
        upload = begin(*args, **more)
        commit = upload.commit
        upload.commit = lambda **wanted: asked.append(wanted) or commit(**wanted)
        return upload

    lake.sink.begin = spying
    outcome = run_one(job("a", 5), lake, OPTIONS, open_source=Sources(a=b"12345"))
    assert asked == [{"if_absent": False, "checksum": outcome.checksum}]


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


def test_clock_that_was_ahead_does_not_make_every_run_fetch_again(disk):
    """A row from the future is taken over by what comes after it."""
    ahead = ManualTime(NOON.replace(year=2099))
    writer = ManifestWriter(disk, OPTIONS, utcnow=ahead.utcnow)
    list(run([job("a", 5)], disk, OPTIONS, open_source=Sources(a=b"12345"), writer=writer))
    assert run_one(job("a", 5, version="12"), disk, OPTIONS, open_source=Sources(a=b"54321")).outcome == "replaced"
    assert run_one(job("a", 5, version="12"), disk, OPTIONS, open_source=Sources()).outcome == "skipped"


@pytest.mark.parametrize("wrong", [{"if_exists": "replace"}, {"checksum": "md5"}])
def test_unknown_option_is_refused(wrong):
    """A typo never means the default."""
    with pytest.raises(ValueError, match="is one of"):
        RunOptions(**wrong)


def test_source_that_changes_again_fails(lake):
    """There is no race to win against an asset that never rests."""
    changing = BytesSource(b"12345", error=SourceChangedError("new version"))
    restless = job("a", 5, refresh=lambda: job("a", 5))
    with pytest.raises(SourceChangedError):
        run_one(restless, lake, OPTIONS, open_source=lambda _job: changing)
    assert changing.opened == 2


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
    disk.store.list = _raise(SinkError("the disk is gone"))
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
    disk.store.write = _raise(SinkError("read-only"))
    with pytest.raises(SinkError, match="read-only"):
        list(run([job("a", 5)], disk, OPTIONS, open_source=Sources(a=b"12345")))


def test_entry_of_another_owner_is_said_in_the_log(disk, caplog):
    """A path that changes hands is legal, and never silent."""
    run_one(job("a", 5, key="x.mp4"), disk, OPTIONS, open_source=Sources(a=b"12345"))
    other = job("b", 5, key="x.mp4", entry_id="f")
    assert run_one(other, disk, OPTIONS, open_source=Sources(b=b"54321")).outcome == "replaced"
    assert "entry e" in caplog.text
    assert "entry f" in caplog.text


def test_unprovable_size_fails_before_anything_is_begun(lake):
    """Neither Kaltura nor the server know the length: nothing is written."""

    class Unknown(BytesSource):
        @property
        def size_bytes(self):
            raise SourceUnprovableError("no length")

    with pytest.raises(SourceUnprovableError):
        run_one(job("a"), lake, OPTIONS, open_source=Sources(a=Unknown(b"")))
    assert names(lake) == []


def test_manifest_rows_are_json_lines_with_the_documented_fields(lake):
    """Others may read the manifest: its field names are a contract."""
    run_one(job("a", 5), lake, OPTIONS, open_source=Sources(a=b"12345"))
    (stat,) = lake.store.list("_kaltura/")
    (line,) = lake.store.read(stat.key).splitlines()
    assert list(json.loads(line)) == [
        *("schemaVersion", "partnerId", "assetType", "assetId", "path", "entryId", "version", "sizeBytes"),
        *("checksum", "verified", "outcome", "observedAt", "sourceUpdatedAt"),
    ]
    assert Manifest(lake.store).standing("a.mp4").asset_id == "a"


def _raise(error):
    def raising(*_args, **_more):
        raise error

    return raising
