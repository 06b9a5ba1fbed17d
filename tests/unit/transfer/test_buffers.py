from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_kaltura.transfer.buffers import Board, buffer_count

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("part", "count"), [(1, 4), (8 * MIB, 4), (9 * MIB, 3), (12 * MIB, 2), (20 * MIB, 2), (600 * MIB, 2)]
)
def test_buffers_are_bounded_together(part, count):
    """At most four, 32 MiB together, and at least two."""
    assert buffer_count(part) == count


@given(
    size=st.integers(1, 400),
    part=st.integers(1, 90),
    is_ordered=st.booleans(),
    is_hashed=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_every_byte_is_claimed_once_and_every_part_put_once(size, part, is_ordered, is_hashed, seed):
    """Whatever the order in which claims arrive and steps end; nothing waits for ever."""
    rng = random.Random(seed)
    missing = [index for index in range(-(-size // part)) if rng.random() < 0.7]
    board = Board(size, part, missing, is_ordered=is_ordered, is_hashed=is_hashed)
    claims, steps, bytes_seen, put, hashed, buffers = [], [], [], [], [], set()
    while board.left:
        moves = [move for move in (board.claim(), board.next_step()) if move is not None]
        for move in moves:
            (steps if isinstance(move, tuple) else claims).append(move)
        assert claims or steps, "nothing goes on"
        if claims and (not steps or rng.random() < 0.5):
            claim = claims.pop(rng.randrange(len(claims)))
            bytes_seen += range(claim.start, claim.stop)
            buffers.add(id(claim.part.buffer))
            board.arrived(claim)
        elif steps:
            name, done = steps.pop(rng.randrange(len(steps)))
            (put if name == "put" else hashed).append(done.index)
            board.done(name, done)
    assert board.is_claimed
    assert sorted(bytes_seen) == [b for i in missing for b in range(i * part, min((i + 1) * part, size))]
    assert sorted(put) == missing
    assert hashed == (missing if is_hashed else [])
    assert put == missing if is_ordered else True
    assert len(buffers) <= buffer_count(part)


def test_a_whole_part_is_the_whole_buffer():
    """Nobody need copy it to get bytes that own their memory; the last, shorter one is a piece."""
    board = Board(25, 10, [0, 1, 2], is_ordered=False, is_hashed=False)
    parts = []
    while (claim := board.claim()) is not None:
        parts.append(claim.part)
    assert parts[0].view.obj is parts[0].buffer
    assert [len(part.view) for part in dict.fromkeys(parts)] == [10, 10, 5]


def test_a_window_ends_with_its_claim():
    """A read can't run into the bytes of another connection."""
    claim = Board(100, 40, [0, 1, 2], is_ordered=False, is_hashed=False).claim()
    assert (claim.start, claim.stop) == (0, 10)
    assert len(claim.window(3, 100)) == 7
    assert len(claim.window(3, 5)) == 5
