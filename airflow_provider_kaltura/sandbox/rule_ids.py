"""Ids of a library by rule: each stands for a number and can be read back."""

from __future__ import annotations

from typing import Final

from airflow_provider_kaltura.sandbox.rule_times import mix

_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_ID_DIGITS: Final = 8
_PAIR: Final = tuple(first + second for second in _DIGITS for first in _DIGITS)
_PAIRS: Final = len(_PAIR)
_IDS: Final = len(_DIGITS) ** _ID_DIGITS
_FACTOR: Final = 1_181_783_497_277  # has no divisor in common with 36, so that each number has an id of its own
_UNFACTOR: Final = pow(_FACTOR, -1, _IDS)
_SLOTS: Final = 16
#: An entry has an id for itself, and one for each of its flavors and captions.
FLAVOR_SLOTS, CAPTION_SLOTS, ENTRY_SLOT = range(8), range(12, 14), 15


class Ids:
    """
    Makes and reads ids.

    :param count: How many entries there are.
    :param seed: Another seed, other ids.
    """

    def __init__(self, count: int, seed: int) -> None:
        self.count = count
        self._shift = mix(seed, 0, 5) % _IDS

    def make(self, number: int, slot: int = ENTRY_SLOT) -> str:
        """Return the id of an entry, or of one of its assets."""
        code = ((number * _SLOTS + slot) * _FACTOR + self._shift) % _IDS
        code, first = divmod(code, _PAIRS)
        code, second = divmod(code, _PAIRS)
        fourth, third = divmod(code, _PAIRS)
        return f"0_{_PAIR[first]}{_PAIR[second]}{_PAIR[third]}{_PAIR[fourth]}"

    def read(self, object_id: str) -> tuple[int, int] | None:
        """Return the number of the entry and the slot of an id; None when it stands for nothing."""
        digits = object_id[2:]
        if len(digits) != _ID_DIGITS or not object_id.startswith("0_") or not set(digits) <= _ALLOWED:
            return None
        code = (int(digits[::-1], len(_DIGITS)) - self._shift) * _UNFACTOR % _IDS
        number, slot = divmod(code, _SLOTS)
        return (number, slot) if number < self.count else None

    def entry(self, entry_id: str) -> int | None:
        """Return the number of the entry with an id; None for an id of something else."""
        found = self.read(entry_id)
        return found[0] if found is not None and found[1] == ENTRY_SLOT else None


_ALLOWED: Final = frozenset(_DIGITS)
