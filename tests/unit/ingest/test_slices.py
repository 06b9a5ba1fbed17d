from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_kaltura.ingest.errors import SliceError
from airflow_provider_kaltura.ingest.slices import MAX_SLICE_BYTES, Slice, read_slice, write_listing
from airflow_provider_kaltura.transfer.errors import ObjectMissingError, TargetExistsError
from tests.unit.ingest.fakes import memory_lake

KEY, PATH = "_kaltura/listings/run.jsonl", "/lake/_kaltura/listings/run.jsonl"


def rows(count):
    """Make lines of different lengths."""
    return [{"entryId": f"0_{number}", "name": "ü" * (number % 7)} for number in range(count)]


def write(lake, count, **how):
    """Write a listing of so many lines."""
    return write_listing(rows(count), lake, KEY, PATH, **{"per_slice": 3, "most_slices": 1_000, **how})


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 9, 10, 100])
@pytest.mark.parametrize(("per_slice", "most_slices"), [(1, 1_000), (3, 1_000), (3, 4), (1_000, 1)])
def test_the_slices_hold_each_line_once(count, per_slice, most_slices):
    """In order, and never more slices than may be mapped."""
    lake = memory_lake()
    listing = write(lake, count, per_slice=per_slice, most_slices=most_slices)
    assert listing.count == count
    assert len(listing.slices) <= most_slices
    found = [row for piece in listing.slices for row in read_slice(lake.store, KEY, Slice.parse(str(piece)))]
    assert found == rows(count)


@given(st.text(min_size=1), st.integers(0, 10**12), st.integers(1, MAX_SLICE_BYTES))
def test_any_path_comes_back_from_its_text(path, start, length):
    """Also one that holds a # or looks like a slice itself."""
    piece = Slice(path, start, start + length)
    assert Slice.parse(str(piece)) == piece


@pytest.mark.parametrize(
    "text", ["", "path", "path#", "path#1", "path#1-", "path#2-1", "path#1-1", "#1-2", "p#-1-2", None, 5]
)
def test_what_is_no_slice_is_refused(text):
    """The message shows what was given."""
    with pytest.raises(SliceError, match="no slice"):
        Slice.parse(text)


@pytest.mark.parametrize(("start", "more"), [(1, 0), (0, -1), (0, 1)])
def test_a_slice_that_does_not_fit_is_refused(start, more):
    """Bytes that are not whole lines are never taken for entries."""
    lake = memory_lake()
    (piece,) = write(lake, 3).slices
    with pytest.raises(SliceError, match="begin and end at a line"):
        list(read_slice(lake.store, KEY, Slice(PATH, piece.start + start, piece.end + more)))


@pytest.mark.parametrize("line", [b"{}", b"[]", b"nonsense", b'{"entryId": "../x"}', b'{"entryId": 5}'])
def test_a_line_that_names_no_entry_is_refused(line):
    """Somebody else's file is no listing."""
    lake = memory_lake()
    lake.store.write(KEY, b'{"entryId":"0_a"}\n' + line + b"\n")
    with pytest.raises(SliceError, match="line 2"):
        list(read_slice(lake.store, KEY, Slice(PATH, 0, 19 + len(line))))


def test_a_listing_is_never_replaced():
    """Tasks may be reading the one that stands."""
    lake = memory_lake()
    write(lake, 2)
    with pytest.raises(TargetExistsError):
        write(lake, 3)
    assert list(lake.sink.leftovers()) == []


def test_a_missing_listing_is_an_error():
    """An empty answer would be a task that did nothing and succeeded."""
    with pytest.raises(ObjectMissingError):
        list(read_slice(memory_lake().store, KEY, Slice(PATH, 0, 5)))


@pytest.mark.parametrize("how", [{"per_slice": 0}, {"most_slices": 0}])
def test_there_is_at_least_one_line_and_one_slice(how):
    """Anything else is a mistake of the caller."""
    with pytest.raises(ValueError, match="at least one"):
        write(memory_lake(), 1, **how)


def test_a_name_with_half_a_surrogate_pair_is_no_obstacle():
    """Kaltura cuts texts where it likes; one such name must not keep a library from being listed."""
    lake = memory_lake()
    (piece,) = write_listing([{"entryId": "0_a", "name": "\ud83d"}], lake, KEY, PATH, per_slice=1, most_slices=1).slices
    assert list(read_slice(lake.store, KEY, piece)) == [{"entryId": "0_a", "name": "\ud83d"}]
