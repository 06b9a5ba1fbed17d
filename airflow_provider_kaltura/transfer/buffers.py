"""The buffers of a copy, and which parts, claims and steps there are: bookkeeping without threads or I/O."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from airflow_provider_kaltura.transfer import plan

if TYPE_CHECKING:
    from collections.abc import Sequence

StepName: TypeAlias = Literal["hash", "put"]

_MIB: Final = 1024 * 1024
#: All buffers together, as long as two parts fit.
BUFFERS_BYTES: Final = 32 * _MIB
MOST_BUFFERS: Final = 4
#: A part is fetched in so many pieces, so that several connections need few buffers.
CLAIMS_PER_PART: Final = 4


def buffer_count(part_bytes: int) -> int:
    """
    Tell how many parts are held in memory at most.

    :param part_bytes: Length of a part.
    :returns: ``max(2, min(4, 32 MiB // part_bytes))``.
    """
    return max(2, min(MOST_BUFFERS, BUFFERS_BYTES // part_bytes))


@dataclass(slots=True, eq=False)
class Part:
    """One part in memory: its place, its bytes, and how many of them are there."""

    index: int
    place: plan.ByteRange
    buffer: bytearray = field(repr=False)
    claimed: int = 0
    arrived: int = 0

    @property
    def view(self) -> memoryview:
        """The bytes of the part; those of a whole part are the whole buffer, which nobody need copy."""
        whole = memoryview(self.buffer)
        return whole if self.place.size_bytes == len(self.buffer) else whole[: self.place.size_bytes]


@dataclass(frozen=True, slots=True)
class Claim:
    """Bytes of a part that one connection fetches."""

    part: Part
    start: int
    stop: int

    def window(self, position: int, most_bytes: int) -> memoryview:
        """
        Give room for the next bytes.

        :param position: Of the object, within the claim.
        :param most_bytes: Longest window.
        :returns: Writable, not longer than the rest of the claim.
        """
        offset = position - self.part.place.start
        return memoryview(self.part.buffer)[offset : offset + min(most_bytes, self.stop - position)]


class Board:
    """
    Which parts are fetched, whole, hashed and put. Its owner holds a lock around every call.

    Parts get their buffers in order and are claimed in order, so that the lowest one always goes on: however few
    buffers there are, an order of hashing or putting never waits for a part that has none.

    :param size_bytes: Length of the whole.
    :param part_bytes: Length of every part but the last.
    :param missing: Parts to fetch, in order.
    :param is_ordered: Parts are put in order, one at a time.
    :param is_hashed: Parts are hashed in order, each before it is put.
    """

    def __init__(
        self, size_bytes: int, part_bytes: int, missing: Sequence[int], *, is_ordered: bool, is_hashed: bool
    ) -> None:
        self._size_bytes = size_bytes
        self._part_bytes = part_bytes
        self._claim_bytes = max(1, -(-part_bytes // CLAIMS_PER_PART))
        self._waiting = deque(missing)
        self._to_hash = deque(missing if is_hashed else ())
        self._to_put = deque(missing if is_ordered else ())
        self._is_ordered = is_ordered
        self._is_hashed = is_hashed
        self._is_hashing = self._is_putting = False
        self._current: Part | None = None
        # All of them from the beginning, used in turn: a copy then takes the same memory on good days and bad ones.
        count = min(buffer_count(part_bytes), len(missing))
        self._free = deque(bytearray(min(part_bytes, size_bytes)) for _ in range(count))
        self._whole: dict[int, Part] = {}
        self._hashed: dict[int, Part] = {}
        self.left = len(missing)

    @property
    def is_claimed(self) -> bool:
        """Whether nothing is left to be claimed, now or later."""
        return not self._waiting and self._current is None

    def claim(self) -> Claim | None:
        """
        Claim the lowest bytes that nobody has claimed.

        :returns: None when everything is claimed, or no buffer is free.
        """
        part = self._current or self._next_part()
        if part is None:
            return None
        start = part.place.start + part.claimed
        stop = min(start + self._claim_bytes, part.place.stop)
        part.claimed += stop - start
        self._current = part if stop < part.place.stop else None
        return Claim(part, start, stop)

    def arrived(self, claim: Claim) -> None:
        """
        Take note that all bytes of a claim are there.

        :param claim: From :meth:`claim`.
        """
        part = claim.part
        part.arrived += claim.stop - claim.start
        if part.arrived == part.place.size_bytes:
            self._whole[part.index] = part

    def next_step(self) -> tuple[StepName, Part] | None:
        """
        Tell what can be done with a whole part; whoever gets it does it and tells by :meth:`done`.

        :returns: None when there is nothing at this moment.
        """
        if self._to_hash and not self._is_hashing and self._to_hash[0] in self._whole:
            self._is_hashing = True
            return "hash", self._whole.pop(self._to_hash[0])
        ready = self._hashed if self._is_hashed else self._whole
        if not ready or (self._is_ordered and (self._is_putting or self._to_put[0] not in ready)):
            return None
        self._is_putting = True
        return "put", ready.pop(self._to_put[0] if self._is_ordered else min(ready))

    def done(self, step: StepName, part: Part) -> None:
        """
        Take note that a step is done; a part that was put gives its buffer back.

        :param step: Which.
        :param part: Of which part.
        """
        if step == "hash":
            self._is_hashing = False
            self._hashed[self._to_hash.popleft()] = part
            return
        self._is_putting = False
        if self._is_ordered:
            self._to_put.popleft()
        self._free.append(part.buffer)
        self.left -= 1

    def _next_part(self) -> Part | None:
        if not self._waiting or not self._free:
            return None
        index = self._waiting.popleft()
        return Part(index, plan.part_range(index, self._size_bytes, self._part_bytes), self._free.popleft())
