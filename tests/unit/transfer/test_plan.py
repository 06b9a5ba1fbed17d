from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_kaltura.transfer.plan import ByteRange, missing_parts, missing_ranges, part_count, part_range
from tests.strategies import sizes_and_parts


@given(sizes_and_parts)
def test_parts_cover_the_object_without_gap_or_overlap(size_and_part):
    """The parts, joined, are exactly the object, and all but the last are full."""
    size, part = size_and_part
    ranges = [part_range(index, size, part) for index in range(part_count(size, part))]
    assert [byte for each in ranges for byte in range(each.start, each.stop)] == list(range(size))
    assert all(each.size_bytes == part for each in ranges[:-1])
    assert all(each.size_bytes > 0 for each in ranges)


@given(sizes_and_parts, st.data())
def test_missing_ranges_cover_exactly_what_is_missing(size_and_part, data):
    """The ranges join up to the bytes of the missing parts, each as long as it can be."""
    size, part = size_and_part
    count = part_count(size, part)
    done = data.draw(st.frozensets(st.integers(0, max(0, count - 1)), max_size=count))
    ranges = missing_ranges(size, part, done)
    covered = [byte for each in ranges for byte in range(each.start, each.stop)]
    assert covered == [byte for byte in range(size) if byte // part not in done]
    assert all(left.stop < right.start for left, right in pairwise(ranges))
    assert list(missing_parts(size, part, done)) == [index for index in range(count) if index not in done]


@pytest.mark.parametrize(
    ("size", "part", "count"), [(0, 5, 0), (1, 5, 1), (5, 5, 1), (6, 5, 2), (10, 5, 2), (11, 5, 3)]
)
def test_number_of_parts(size, part, count):
    """Zero bytes have no part; an exact multiple has no empty last one."""
    assert part_count(size, part) == count


@pytest.mark.parametrize(("size", "part"), [(-1, 1), (1, 0), (1, -5)])
def test_impossible_sizes_are_refused(size, part):
    """Negative sizes and parts without bytes are mistakes of the caller."""
    with pytest.raises(ValueError, match=r"size|part"):
        part_count(size, part)


@pytest.mark.parametrize("index", [-1, 2])
def test_a_part_that_does_not_exist_has_no_range(index):
    """Ten bytes in parts of five have the parts 0 and 1."""
    assert part_range(1, 10, 5) == ByteRange(5, 10)
    with pytest.raises(ValueError, match="no part"):
        part_range(index, 10, 5)
