"""How a later try goes on with a file: what is kept, taken over, thrown away and settled."""

from __future__ import annotations

import pytest

from airflow_provider_kaltura.ingest.models import RunOptions
from airflow_provider_kaltura.ingest.partial_claim import TOUCH_SECONDS, claim
from airflow_provider_kaltura.transfer import plan
from airflow_provider_kaltura.transfer.checksum import checksum_of
from airflow_provider_kaltura.transfer.errors import (
    ChecksumMismatchError,
    RedirectRefusedError,
    SinkError,
    SourceChangedError,
    UploadTakenError,
)
from tests.fakes import ManualClock
from tests.unit.ingest.fakes import BytesSource, job, raising
from tests.unit.ingest.partials import (
    DATA,
    MIB,
    PART,
    assert_done,
    break_off,
    breaking_at,
    fetch,
    film,
    lake_of,
    record,
    records,
    rewrite,
)


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    """Parts of one MiB, so that a few MiB have several."""
    monkeypatch.setattr(plan, "DEFAULT_PART_BYTES", PART)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(), SinkError("the network is gone")])
def test_interrupted_file_is_gone_on_with(error):
    """The next try, whoever it is, fetches only what is missing, and leaves nothing but the file."""
    lake = lake_of()
    break_off(lake, error)
    assert lake.store.stat("a.mp4") is None
    assert record(lake).state is not None
    outcome = fetch(lake)
    assert outcome.outcome == "downloaded"
    assert 0 < outcome.fetched_bytes <= len(DATA) - 2 * PART
    assert outcome.checksum == checksum_of(DATA)
    assert_done(lake)


@pytest.mark.parametrize("done", [1, PART, PART + 1, 3 * PART, len(DATA)])
def test_any_prefix_is_gone_on_with(done):
    """Wherever it was broken off, the bytes are right."""
    lake = lake_of()
    break_off(lake, done_bytes=done)
    fetch(lake)
    assert_done(lake)


@pytest.mark.parametrize("error", [RedirectRefusedError("no"), SourceChangedError("new"), ValueError("a bug")])
def test_error_that_stays_leaves_nothing(error):
    """What can't be gone on with is removed with its record."""
    lake = lake_of()
    break_off(lake, error)
    assert records(lake) == []
    assert lake.store._partials == {}


@pytest.mark.parametrize(
    ("capabilities", "wanted"),
    [({"resumable": False}, film()), ({}, film(version=""))],
    ids=["place", "unknown version"],
)
def test_file_that_cannot_be_gone_on_with_is_discarded(capabilities, wanted):
    """An interruption leaves nothing of it, and no record was ever written."""
    lake = lake_of(**capabilities)
    break_off(lake, wanted=wanted)
    assert records(lake) == []
    assert lake.store._partials == {}


def test_small_file_is_not_recorded():
    """Up to the threshold nothing is written besides the file."""
    lake = lake_of()
    break_off(lake, options=RunOptions(resume_above_bytes=len(DATA)))
    assert records(lake) == []
    assert lake.store._partials == {}


@pytest.mark.parametrize(
    "changed",
    [film(version="3"), job("b", len(DATA), key="a.mp4"), film(version="3", key="a-3.mp4")],
    ids=["version", "asset", "version elsewhere"],
)
def test_leftovers_of_other_bytes_are_removed_first(changed):
    """Nothing of another version or asset gets into the file, and nothing of it stays."""
    lake = lake_of()
    break_off(lake)
    other = bytes(reversed(DATA))
    outcome = fetch(lake, wanted=changed, source=BytesSource(other, version=changed.version))
    assert outcome.fetched_bytes == len(DATA)
    assert lake.store.read(changed.key) == other
    assert records(lake) == []
    assert lake.store._partials == {}


def test_other_length_of_the_same_version_begins_anew():
    """A length that changed says that the bytes did."""
    lake = lake_of()
    break_off(lake)
    longer = DATA + b"more"
    outcome = fetch(lake, wanted=film(size_bytes=None), source=BytesSource(longer))
    assert outcome.fetched_bytes == len(longer)
    assert lake.store._partials == {}


def test_other_part_length_begins_anew(monkeypatch):
    """Parts of another length fit into no upload."""
    lake = lake_of()
    break_off(lake)
    monkeypatch.setattr(plan, "DEFAULT_PART_BYTES", 2 * PART)
    assert fetch(lake).fetched_bytes == len(DATA)
    assert_done(lake)


def test_same_asset_at_another_place_is_left_alone():
    """Two destinations of one asset are two files."""
    lake = lake_of()
    break_off(lake)
    fetch(lake, wanted=film(key="b.mp4"))
    assert fetch(lake).fetched_bytes < len(DATA)
    assert_done(lake)


def test_lost_upload_is_begun_anew():
    """A record whose upload is gone costs the bytes, nothing else."""
    lake = lake_of()
    break_off(lake)
    lake.store._partials.clear()
    assert fetch(lake).fetched_bytes == len(DATA)
    assert_done(lake)


def test_damaged_record_is_begun_anew():
    """What a loss of power left of a record is no reason to fail."""
    lake = lake_of()
    break_off(lake)
    lake.store.write(records(lake)[0], b"")
    assert fetch(lake).fetched_bytes == len(DATA)
    assert lake.store.read("a.mp4") == DATA
    assert records(lake) == []


def test_poisoned_upload_is_fetched_anew_once():
    """Parts that turn out wrong at the end are thrown away whole, and the same try ends well."""
    lake = lake_of()
    break_off(lake)
    (partial,) = lake.store._partials.values()
    partial.content[5] ^= 0xFF
    outcome = fetch(lake)
    assert outcome.fetched_bytes == len(DATA)
    assert_done(lake)


def test_fresh_file_that_fails_its_proof_is_not_fetched_again():
    """Without parts of an earlier try there is nobody else to blame; nothing wrong is committed or kept."""
    lake = lake_of()

    def spoil(name):
        if name == "before commit":
            (partial,) = lake.store._partials.values()
            partial.content[5] ^= 0xFF

    lake.sink.at = spoil
    with pytest.raises(ChecksumMismatchError):
        fetch(lake)
    assert lake.store.stat("a.mp4") is None
    assert records(lake) == []
    assert lake.store._partials == {}


@pytest.mark.parametrize("point", ["before begin", "after begin"])
def test_kill_around_begin_is_begun_anew(point):
    """An intent without a state says that something may be there, no more."""
    lake = lake_of()
    lake.sink.at = lambda name: raising(KeyboardInterrupt())() if name == point else None
    with pytest.raises(KeyboardInterrupt):
        fetch(lake)
    lake.sink.at = lambda _name: None
    assert fetch(lake).fetched_bytes == len(DATA)
    assert lake.store.read("a.mp4") == DATA
    assert records(lake) == []


def test_sha256_of_a_resumed_file_is_that_of_its_bytes():
    """The parts' CRC proves the file; the checksum asked for is read from where it stands."""
    lake, options = lake_of(), RunOptions(resume_above_bytes=1, checksum="sha256")
    break_off(lake, options=options)
    outcome = fetch(lake, options=options)
    assert outcome.fetched_bytes < len(DATA)
    assert outcome.checksum == checksum_of(DATA, "sha256")
    assert_done(lake)


def test_later_try_wins_and_the_earlier_one_fails():
    """Whoever writes its token last finishes the file; the other one notices at its next part, and removes nothing."""
    lake, later = lake_of(), []

    def take_over(_job, done, _size):
        if done >= 2 * MIB and not later:
            later.append(None)
            later[0] = fetch(lake)

    with pytest.raises((UploadTakenError, SinkError)):
        fetch(lake, progress=take_over)
    assert later[0].outcome == "downloaded"
    assert_done(lake)


def test_try_whose_record_was_taken_does_not_commit():
    """The token is looked at before the commit, even when every part is there."""
    lake = lake_of()
    with pytest.raises(UploadTakenError):
        fetch(lake, wanted=film(confirm=lambda: rewrite(lake, owner="somebody else")))
    assert lake.store.stat("a.mp4") is None
    assert record(lake).owner == "somebody else"


def test_try_whose_record_was_removed_leaves_nothing():
    """A clean-up that was too eager makes it fail, and its upload is not left without a record."""
    lake = lake_of()
    with pytest.raises(UploadTakenError):
        fetch(lake, wanted=film(confirm=lambda: lake.store.delete(records(lake)[0])))
    assert lake.store.stat("a.mp4") is None


def test_own_write_whose_answer_was_lost_is_known_again():
    """A repeated request meets its own work, and is no other try."""
    lake = lake_of()
    write, lost = lake.store.write, []

    def losing(key, data, **more):
        stat = write(key, data, **more)
        if more.get("if_version") and "partial" in key and not lost:
            lost.append(key)
            return write(key, data, **more)
        return stat

    lake.store.write = losing
    assert fetch(lake).outcome == "downloaded"
    assert lost
    assert_done(lake)


def test_record_that_cannot_be_written_now_does_not_end_the_copy():
    """Groups come again; what was not written is fetched twice at worst."""
    lake = lake_of()
    write = lake.store.write

    def refusing(key, data, *, durable=True, **more):
        if not durable:
            raise SinkError("not now", key)
        return write(key, data, **more)

    lake.store.write = refusing
    assert fetch(lake).outcome == "downloaded"
    assert_done(lake)


def test_groups_are_written_but_not_flushed_where_the_store_lists_no_parts():
    """Each part of a short file; where the store lists them itself, only now and then."""
    for lists_parts, least in ((False, 4), (True, 0)):
        lake, soft = lake_of(lists_parts=lists_parts), []
        write = lake.store.write

        def counting(key, data, *, durable=True, write=write, soft=soft, **more):
            soft.append(durable)
            return write(key, data, **more)

        lake.store.write = counting
        fetch(lake)
        assert soft.count(False) in range(least, 6 if least else 1)


def test_record_goes_only_after_the_row_stands():
    """Until the manifest is written the record is all that tells what the file is."""
    lake = lake_of()
    write = lake.store.write

    def refusing(key, data, **more):
        if key.startswith("_kaltura/manifest/"):
            raise SinkError("read-only", key)
        return write(key, data, **more)

    lake.store.write = refusing
    with pytest.raises(SinkError, match="read-only"):
        fetch(lake)
    assert record(lake).is_committing
    lake.store.write = write
    assert fetch(lake, source=BytesSource(DATA, error=AssertionError())).fetched_bytes == 0
    assert_done(lake)


def test_part_that_is_written_down_already_costs_no_write():
    """Parts that were stored while the record was written for another one are in it."""
    lake, now = lake_of(), ManualClock()
    held = claim(lake, film(), len(DATA), PART, now)
    upload = lake.sink.begin("a.mp4", size_bytes=len(DATA), part_bytes=PART)
    held.begun(upload)
    for index in range(2):
        upload.put_part(index, DATA[index * PART : (index + 1) * PART])
    tags = []
    for index in range(2):
        held.stored(index, upload, with_state=True)
        tags.append(held.tag)
    assert tags[0] == tags[1]
    now.advance(TOUCH_SECONDS)
    held.stored(1, upload, with_state=True)
    assert held.tag != tags[1]
    assert record(lake).touched_at_epoch == now.now


def test_intent_gives_signs_of_life_too():
    """A long upload without state is not taken for one that nobody will finish."""
    lake, now = lake_of(**UNMARKED), ManualClock()
    held = claim(lake, film(), len(DATA), PART, now)
    upload = lake.sink.begin("a.mp4", size_bytes=len(DATA), part_bytes=PART)
    held.stored(0, upload, with_state=False)
    before = record(lake).touched_at_epoch
    now.advance(TOUCH_SECONDS)
    assert before < now.now
    held.stored(1, upload, with_state=False)
    assert (record(lake).touched_at_epoch, record(lake).state) == (now.now, None)


UNMARKED = {"leaves_unmarked": True, "single_put_bytes": PART, "lists_parts": True}


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("a bug"), SinkError("no answer")], ids=repr)
def test_upload_that_nobody_wrote_down_is_removed_by_the_next_try(error):
    """What strikes between begin and state leaves an upload without mark; the intent tells that it is ours."""
    lake = lake_of(**UNMARKED)
    lake.sink.at = lambda name: raising(error)() if name == "after begin" else None
    with pytest.raises(type(error)):
        fetch(lake)
    assert len(lake.store._partials) == 1
    assert record(lake).state is None
    lake.sink.at = lambda _name: None
    assert fetch(lake).fetched_bytes == len(DATA)
    assert_done(lake)


def test_upload_of_others_for_the_same_name_is_not_removed():
    """What was begun before the intent was not begun for it."""
    lake = lake_of(**UNMARKED)
    lake.sink.begin("a.mp4", size_bytes=5, part_bytes=5)
    (foreign,) = lake.store._partials
    lake.store._partials[foreign].touched_at_epoch -= 3600
    break_off(lake)
    lake.store._partials = {foreign: lake.store._partials[foreign]}
    fetch(lake)
    assert list(lake.store._partials) == [foreign]


def test_intent_alone_is_written_where_a_kill_would_leave_something_unmarked():
    """Below the threshold of resuming there is a record without state while the file is on its way, and none after."""
    lake, seen = lake_of(**UNMARKED), []
    options = RunOptions(resume_above_bytes=1 << 40)
    fetch(lake, options=options, progress=lambda *_: seen.append(record(lake).state))
    assert set(seen) == {None}
    assert_done(lake)
    break_off(lake, options=options, wanted=film(version="3"))
    assert records(lake) == []
    assert lake.store._partials == {}


def test_every_break_ends_with_the_right_bytes():
    """A try that is broken off after each next part, with either kind of end, makes progress until it is done."""
    lake, tries = lake_of(), 0
    while lake.store.stat("a.mp4") is None:
        tries += 1
        error = KeyboardInterrupt() if tries % 2 else SinkError("gone")
        try:
            fetch(lake, progress=breaking_at(tries * PART + 1, error))
        except (KeyboardInterrupt, SinkError):
            assert tries < 20
    assert_done(lake)
