"""What ``run`` does with one asset: fetch it whole, or leave alone what stands there."""

from __future__ import annotations

import pytest

from airflow_provider_kaltura.ingest.manifest import rows
from airflow_provider_kaltura.ingest.models import RunOptions
from airflow_provider_kaltura.ingest.run import run, run_one
from airflow_provider_kaltura.ingest.standing import Recorded, decide
from airflow_provider_kaltura.transfer.checksum import checksum_of
from airflow_provider_kaltura.transfer.errors import (
    TargetExistsError,
)
from airflow_provider_kaltura.transfer.protocols import ObjectAttributes
from tests.unit.ingest.fakes import (
    FAIL,
    OPTIONS,
    OVERWRITE,
    Sources,
    job,
    memory_lake,
    metadata,
    recorded_outcomes,
)

SAME = Recorded(is_same_asset=True, size_bytes=5)


OTHER = Recorded(is_same_asset=False, size_bytes=5)


SHORTER = Recorded(is_same_asset=True, size_bytes=4)


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
    assert decide("skip", 5, recorded, 5, is_record_incomplete=True) == decision


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
    kept = {"kaltura-checksum": outcome.checksum}
    assert asked == [{"if_absent": False, "checksum": outcome.checksum, "metadata": kept}]


@pytest.mark.parametrize("wrong", [{"if_exists": "replace"}, {"checksum": "md5"}])
def test_unknown_option_is_refused(wrong):
    """A typo never means the default."""
    with pytest.raises(ValueError, match="is one of"):
        RunOptions(**wrong)


def test_entry_of_another_owner_is_said_in_the_log(disk, caplog):
    """A path that changes hands is legal, and never silent."""
    run_one(job("a", 5, key="x.mp4"), disk, OPTIONS, open_source=Sources(a=b"12345"))
    other = job("b", 5, key="x.mp4", entry_id="f")
    assert run_one(other, disk, OPTIONS, open_source=Sources(b=b"54321")).outcome == "replaced"
    assert "entry e" in caplog.text
    assert "entry f" in caplog.text


@pytest.mark.parametrize("options", [OPTIONS, OVERWRITE], ids=["skip", "overwrite"])
def test_metadata_of_another_entry_is_said_in_the_log(caplog, options):
    """Stores that keep metadata tell whose file it is without the manifest."""
    lake = memory_lake()
    own = ObjectAttributes(metadata={"kaltura-entry": "e", "kaltura-flavor": "a", "kaltura-version": "2"})
    first = job("a", 5, key="x.mp4", attributes=own)
    other = job("b", 5, key="x.mp4", entry_id="f")
    for one in (first, other):
        run_one(one, lake, options, open_source=Sources(a=b"12345", b=b"54321"))
    assert "is the file of entry e, and is REPLACED by that of entry f" in caplog.text
