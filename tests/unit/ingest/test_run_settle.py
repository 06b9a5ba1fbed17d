"""What a later try makes of a file that stands already, and whose own try had not come to its end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_kaltura.ingest.manifest import rows
from airflow_provider_kaltura.ingest.models import RunOptions
from airflow_provider_kaltura.transfer import plan
from airflow_provider_kaltura.transfer.checksum import checksum_of
from airflow_provider_kaltura.transfer.errors import (
    ChecksumMismatchError,
    TargetExistsError,
)
from tests.unit.ingest.fakes import BytesSource, raising, recorded_outcomes
from tests.unit.ingest.partials import (
    DATA,
    PART,
    RESUMING,
    Place,
    assert_done,
    break_off,
    fetch,
    film,
    lake_of,
    record,
)


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    """Parts of one MiB, so that a few MiB have several."""
    monkeypatch.setattr(plan, "DEFAULT_PART_BYTES", PART)


def killed_after_commit(lake, options=RESUMING, **more):
    """A try that ends between the commit and whatever comes after it."""
    lake.sink.at = lambda name: raising(KeyboardInterrupt())() if name == "after commit" else None
    with pytest.raises(KeyboardInterrupt):
        fetch(lake, options=options, **more)
    lake.sink.at = lambda _name: None


@pytest.mark.parametrize("checksum", ["crc64nvme", "sha256", "none"])
def test_file_whose_try_was_killed_after_the_commit_is_proved_and_recorded(checksum):
    """Nothing is fetched, nothing adopted by its length: the outcome is that of the try that died."""
    lake, options = lake_of(), RunOptions(resume_above_bytes=1, checksum=checksum)
    killed_after_commit(lake, options)
    assert record(lake).is_committing
    outcome = fetch(lake, options=options, source=BytesSource(DATA, error=AssertionError()))
    assert (outcome.outcome, outcome.verified, outcome.fetched_bytes) == ("downloaded", "full", 0)
    assert outcome.checksum == checksum_of(DATA, checksum)
    assert recorded_outcomes(lake) == ["downloaded"]
    assert_done(lake)


def test_own_file_is_no_obstacle_where_nothing_may_be_replaced():
    """With ``fail`` the retry of a try that had committed ends well, and the next run is refused."""
    lake, options = lake_of(), RunOptions(resume_above_bytes=1, if_exists="fail")
    killed_after_commit(lake, options)
    assert fetch(lake, options=options).outcome == "downloaded"
    with pytest.raises(TargetExistsError):
        fetch(lake, options=options)
    assert_done(lake)


def test_file_that_is_not_what_was_proved_is_fetched():
    """Other bytes of the same length under the name are neither settled nor adopted."""
    lake = lake_of()
    killed_after_commit(lake)
    lake.store.write("a.mp4", bytes(len(DATA)))
    assert fetch(lake).outcome == "replaced"
    assert_done(lake)


def test_unrecorded_file_beside_a_record_is_not_adopted():
    """A record says that more is known than the manifest has."""
    lake = lake_of()
    break_off(lake)
    lake.store.write("a.mp4", bytes(len(DATA)))
    assert fetch(lake).outcome == "replaced"
    assert_done(lake)


def test_commit_that_happened_while_it_was_taken_over_is_found():
    """The earlier try's upload is gone since it was committed: the later one says so instead of fetching."""
    lake = lake_of()
    killed_after_commit(lake)
    stat, hidden = lake.store.stat, ["a.mp4"]
    lake.store.stat = lambda key: hidden.clear() if key in hidden else stat(key)
    outcome = fetch(lake, source=BytesSource(DATA, error=AssertionError()))
    assert (outcome.outcome, outcome.fetched_bytes) == ("downloaded", 0)
    assert_done(lake)


def test_file_read_back_wrong_is_kept_as_unproved():
    """It is no success; the record stays, so that the next try proves the file instead of believing it."""
    lake, options = lake_of(), RunOptions(resume_above_bytes=1, checksum="sha256")
    break_off(lake, options=options)
    read = lake.store.read
    lake.store.read = lambda key, *more: bytes(len(read(key, *more))) if key == "a.mp4" else read(key, *more)
    with pytest.raises(ChecksumMismatchError):
        fetch(lake, options=options)
    lake.store.read = read
    assert record(lake).is_committing
    assert fetch(lake, options=options, source=BytesSource(DATA, error=AssertionError())).fetched_bytes == 0
    assert_done(lake)


def test_metadata_gets_its_row_in_a_later_try():
    """A kill may have come between an object and its row; a task's retry writes it once."""
    lake = lake_of(MemoryWithMetadata())
    fetch(lake, options=RunOptions())
    for stat in list(lake.store.list("_kaltura/")):
        lake.store.delete(stat.key)
    assert fetch(lake, options=RunOptions()).outcome == "skipped"
    assert list(rows(lake.store)) == []
    for _ in range(2):
        assert fetch(lake, options=RunOptions(try_number=2)).outcome == "skipped"
    (row,) = rows(lake.store)
    assert (row.outcome, row.checksum, row.verified) == ("downloaded", checksum_of(DATA), "full")
    assert row.version_tag == lake.store.stat("a.mp4").version_tag


class MemoryWithMetadata(Place):
    """A place that keeps metadata."""

    def begin(self, key, **more):
        """Begin with all attributes."""
        return super(Place, self).begin(key, **more)


def read_back_wrong(lake, options):
    """A resumed file whose store gives other bytes than it was given; the try that finds it out fails."""
    break_off(lake, options=options)
    read = lake.store.read

    def damaging(key, *more):
        data = read(key, *more)
        return bytes([data[0] ^ 1]) + data[1:] if key == "a.mp4" else data

    lake.store.read = damaging
    with pytest.raises(ChecksumMismatchError):
        fetch(lake, options=options)
    assert lake.store.stat("a.mp4") is not None


@pytest.mark.parametrize("place", [Place, MemoryWithMetadata])
def test_damaged_file_is_not_believed_to_be_what_its_metadata_says(place):
    """What is read is what counts: the next try fetches, also when the one between them was killed."""
    lake = lake_of(place())
    options = RunOptions(resume_above_bytes=1, checksum="sha256")
    read = lake.store.read
    read_back_wrong(lake, options)
    break_off(lake, options=options)
    lake.store.read = read
    outcome = fetch(lake, options=options)
    assert (outcome.outcome, outcome.checksum) == ("replaced", checksum_of(DATA, "sha256"))


def test_store_whose_own_checksum_is_right_is_still_read_for_another_one():
    """A store may vouch for bytes that it no longer gives; that is never a success, and never an end either."""
    lake = lake_of(MemoryWithMetadata())
    options = RunOptions(resume_above_bytes=1, checksum="sha256")
    read_back_wrong(lake, options)
    stat = lake.store.stat

    def vouching(key):
        found = stat(key)
        return replace(found, checksum=checksum_of(DATA)) if found is not None and key == "a.mp4" else found

    lake.store.stat = vouching
    assert fetch(lake, options=options).fetched_bytes == len(DATA)


def test_own_small_file_is_no_obstacle_where_its_metadata_names_it():
    """With ``fail`` a retry knows the file of the try before it again; a first try, or another version, is refused."""
    lake = lake_of(MemoryWithMetadata())
    first = RunOptions(if_exists="fail")
    write = lake.store.write
    lake.store.write = raising(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        fetch(lake, options=first)
    lake.store.write = write
    with pytest.raises(TargetExistsError):
        fetch(lake, options=first)
    second = RunOptions(if_exists="fail", try_number=2)
    with pytest.raises(TargetExistsError):
        fetch(lake, options=second, wanted=film(version="3"))
    assert fetch(lake, options=second, source=BytesSource(DATA, error=AssertionError())).outcome == "skipped"
    assert recorded_outcomes(lake)[-1] == "downloaded"
