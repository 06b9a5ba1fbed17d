"""When the entries of a library by rule were created and updated: bursts, and seconds that are very full."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_MASK: Final = (1 << 64) - 1
BURST, FULL, HUGE = 400, 700, 12_000
_LEAST_FOR_FULL = 3 * FULL
_BURSTS_PER_100_000: Final = 744  # of all seconds: 60 % of the entries then come in bursts
_DAY: Final = 86_400
_SMALL_GROUP: Final = 3
_TIED_OF_10: Final = 7
_HUGE_TIES: Final = 3


def mix(seed: int, number: int, salt: int) -> int:
    """Return 64 bits that look random, always the same for the same numbers."""
    x = (number * 0x9E3779B97F4A7C15 + salt * 0xBF58476D1CE4E5B9 + seed * 0x94D049BB133111EB + 0x2545F491) & _MASK
    x = ((x ^ (x >> 31)) * 0xD6E8FEB86659FD93) & _MASK
    x = ((x ^ (x >> 29)) * 0x9FB21C651E98DF25) & _MASK
    return x ^ (x >> 32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """
    How the times of a library are spread.

    :param entries: How many entries.
    :param seed: What decides the rest.
    :param since: First second.
    :param until: No time is later.
    :param huge_second: Whether one second has 12,000 entries.
    :param huge_second_updates: How those were updated: ``apart``, or all in one second as well (``together``).
    """

    entries: int
    seed: int
    since: int
    until: int
    huge_second: bool
    huge_second_updates: str

    def __post_init__(self) -> None:
        if self.huge_second and self.entries < 2 * HUGE:
            raise ValueError(f"a second of {HUGE} needs a library of at least {2 * HUGE} entries")
        if self.huge_second_updates not in {"apart", "together"}:
            raise ValueError("huge_second_updates is 'apart' or 'together'")


def _groups(shape: Shape) -> Iterator[int]:
    """Yield how many entries each second has, one after the other."""
    number = group = 0
    full_at = shape.entries // 5 if shape.entries >= _LEAST_FOR_FULL else -1
    huge_at = shape.entries // 2 if shape.huge_second else -1
    while number < shape.entries:
        chance = mix(shape.seed, group, 1)
        if number >= full_at >= 0:
            size, full_at = FULL, -1
        elif number >= huge_at >= 0:
            size, huge_at = HUGE, -1
        elif chance % 100_000 < _BURSTS_PER_100_000:
            size = BURST
        else:
            size = 1 + (chance >> 20) % _SMALL_GROUP
        # A special second is as full as it says: the one before ends where it begins.
        ends = [at for at in (full_at, huge_at) if at > number]
        size = min(size, shape.entries - number, *(at - number for at in ends))
        yield size
        number, group = number + size, group + 1


def times(shape: Shape) -> tuple[array[int], array[int]]:
    """
    Return createdAt and updatedAt of each entry by its number; later numbers are not created earlier.

    :param shape: How they are spread.
    :returns: Two arrays.
    """
    sizes = [*_groups(shape)]
    step = max((shape.until - shape.since) // (len(sizes) + 1), 1)
    created, updated = array("q"), array("q")
    for group, size in enumerate(sizes):
        second = shape.since + group * step + mix(shape.seed, group, 2) % step
        created.extend([second] * size)
        updated.extend(_updates(shape, group, size, second, len(updated)))
    _edit_many(shape, updated)
    return created, updated


def _updates(shape: Shape, group: int, size: int, second: int, first: int) -> Iterator[int]:
    """Yield when the entries of one second were updated: most of them together, the others within a month."""
    together = second + 60 + mix(shape.seed, group, 3) % 7200
    spread = size == HUGE and shape.huge_second_updates == "apart"
    for number in range(first, first + size):
        chance = mix(shape.seed, number, 4)
        if spread:
            at = second + 60 + chance % (HUGE // _HUGE_TIES)
        elif chance % 10 < _TIED_OF_10 or size == HUGE:
            at = together
        else:
            at = second + 60 + (chance >> 8) % (30 * _DAY)
        yield min(at, shape.until)


def _edit_many(shape: Shape, updated: array[int]) -> None:
    """Have 700 entries of different times updated in one second, as by a script."""
    step = 7
    first = shape.entries // 3
    if shape.entries < _LEAST_FOR_FULL or first + FULL * step > shape.entries // 2:
        return
    chosen = range(first, first + FULL * step, step)
    at = max(updated[number] for number in chosen) + 1
    for number in chosen:
        updated[number] = min(at, shape.until)
