"""
Media of any size from a seed: every byte is known from (seed, offset), and nothing is stored.

An object is a row of tiles of 1 MiB. Each tile is the same pseudo-random block, rotated by an amount that differs
from tile to tile, so bytes that are shifted, swapped or taken from another object never compare equal.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

TILE_BYTES = 1 << 20
_SMALL_BYTES = 1 << 16
_STEP = 619_957  # odd, so that 2**20 tiles (1 TiB) all have their own rotation


@lru_cache(maxsize=4)
def _block(seed: str) -> bytes:
    """Return the block of *seed* twice in a row: every rotation of it is then one slice."""
    block = _beginning(seed, TILE_BYTES)
    return block + block


def _beginning(seed: str, length: int) -> bytes:
    return hashlib.shake_128(f"airflow-provider-kaltura:{seed}".encode()).digest(length)


def pieces(seed: str, start: int, stop: int) -> Iterator[bytes]:
    """Yield the bytes ``[start, stop)`` of the object with *seed*, at most one tile at a time."""
    if start < stop <= _SMALL_BYTES:
        # The first tile isn't rotated, and a shorter digest is the beginning of a longer one.
        yield _beginning(seed, stop)[start:]
        return
    block = _block(seed)
    position = start
    while position < stop:
        tile, inside = divmod(position, TILE_BYTES)
        length = min(TILE_BYTES - inside, stop - position)
        # Rotated tile, seen from `inside`: the doubled block makes the wrap-around contiguous.
        first = (tile * _STEP + inside) % TILE_BYTES
        yield block[first : first + length]
        position += length


def content_bytes(seed: str, start: int, stop: int) -> bytes:
    """
    Return the bytes ``[start, stop)`` of the object with *seed*.

    :param seed: Name of the object's content; equal seeds give equal bytes.
    :param start: First byte, at least 0.
    :param stop: One past the last byte; nothing is returned when it isn't beyond *start*.
    :returns: Exactly ``stop - start`` bytes.
    """
    return b"".join(pieces(seed, start, stop))
