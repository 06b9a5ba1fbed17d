"""content.py: bytes from a seed."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_kaltura.sandbox.content import TILE_BYTES, content_bytes, pieces

ENDS = st.integers(0, 3 * TILE_BYTES + 17)


@given(start=ENDS, length=st.integers(0, 2000))
def test_a_range_is_a_slice_of_the_whole(start, length):
    """Any range equals the same slice of the whole object."""
    whole = content_bytes("a", max(start - 100, 0), start + length + 100)
    first = start - max(start - 100, 0)
    assert content_bytes("a", start, start + length) == whole[first : first + length]


@settings(max_examples=30)
@given(cuts=st.lists(ENDS, max_size=5))
def test_ranges_that_join_give_the_same_bytes(cuts):
    """Cut anywhere and put together again, the bytes are the same."""
    edges = [0, *sorted(cuts), 3 * TILE_BYTES + 17]
    joined = b"".join(content_bytes("a", a, b) for a, b in pairwise(edges))
    assert joined == content_bytes("a", 0, edges[-1])


@given(offset=st.integers(0, 1 << 40), shift=st.integers(-(1 << 30), 1 << 30).filter(bool))
def test_shifted_bytes_differ(offset, shift):
    """The same number of bytes from elsewhere in the object are others."""
    assert content_bytes("a", offset, offset + 64) != content_bytes("a", abs(offset + shift), abs(offset + shift) + 64)


def test_whole_tiles_swapped_differ():
    """No two of the first thousand tiles begin alike."""
    beginnings = {content_bytes("a", tile * TILE_BYTES, tile * TILE_BYTES + 32) for tile in range(1000)}
    assert len(beginnings) == 1000


def test_another_seed_gives_other_bytes():
    """Objects of different seeds differ."""
    assert content_bytes("a", 0, 64) != content_bytes("b", 0, 64)


def test_pieces_are_never_longer_than_a_tile():
    """A long range comes in pieces, so memory stays constant."""
    assert max(len(piece) for piece in pieces("a", 5, 4 * TILE_BYTES)) <= TILE_BYTES


def test_an_empty_range_has_no_bytes():
    """Nothing lies between an offset and itself."""
    assert content_bytes("a", 77, 77) == b""
