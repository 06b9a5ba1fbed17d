"""
Who is refused, when one refusal empties the answer to all: found by halving, at a bounded cost.

A multirequest whose answer is empty holds at least one refused item. The first of them is found by asking for the
halves, which takes 7 requests for up to 128 items; what was set aside on the way, behind it, is then asked for as one.
So each refused item costs at most 8 requests, which holds for their sum as well where many are refused: then the next
suspect is tried first, while earlier ones have cost less.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from airflow_provider_kaltura.api.errors import KalturaError

Item = TypeVar("Item", bound="Hashable")
Answer = TypeVar("Answer")

#: Requests beyond the first, per refused item.
MOST_REQUESTS: Final = 8
#: More items in one request can't be isolated at that cost.
MOST_ITEMS: Final = 128


@dataclass(slots=True)
class _Isolation(Generic[Item, Answer]):
    ask: Callable[[Sequence[Item]], Sequence[Answer] | KalturaError]
    found: dict[Item, Answer | KalturaError] = field(default_factory=dict)
    refused: int = 0
    # The first request is not due to any refusal.
    spent: int = -1

    def all(self, items: Sequence[Item]) -> None:
        while items:
            refusal = self._try(items)
            if refusal is None:
                return
            items = self._settle_first(items, refusal)

    def _try(self, items: Sequence[Item]) -> KalturaError | None:
        self.spent += 1
        answers = self.ask(items)
        # An exception class can't be told from a sequence of answers in another way.
        if isinstance(answers, Exception):
            return answers
        self.found.update(zip(items, answers, strict=True))
        return None

    def _settle_first(self, suspects: Sequence[Item], refusal: KalturaError) -> list[Item]:
        """Find the first refused item, and return those behind it of which nothing is known."""
        aside: list[Item] = []
        if len(suspects) > 1 and self._can_afford(len(suspects)):
            first, rest = suspects[:1], suspects[1:]
            refused = self._try(first)
            if refused is not None:
                suspects, aside, refusal = first, list(rest), refused
            else:
                suspects = rest
        while len(suspects) > 1:
            middle = len(suspects) // 2
            left, right = suspects[:middle], suspects[middle:]
            refused = self._try(left)
            if refused is None:
                suspects = right
            else:
                suspects, aside, refusal = left, [*right, *aside], refused
        # All others of the last refused request are answered or come later: a server works from first to last.
        self.found[suspects[0]] = refusal
        self.refused += 1
        return aside

    def _can_afford(self, count: int) -> bool:
        """Tell whether one request may be risked on the next suspect alone, and the bound still holds."""
        to_halve = (count - 2).bit_length()
        return self.refused > 0 and self.spent + 1 + to_halve + 1 <= MOST_REQUESTS * (self.refused + 1)


def isolate(
    items: Sequence[Item], ask: Callable[[Sequence[Item]], Sequence[Answer] | KalturaError]
) -> dict[Item, Answer | KalturaError]:
    """
    Ask for items together, whatever is refused among them.

    :param items: At most 128, each once.
    :param ask: Gives one answer per item, or the error that a refused one among them causes for all.
    :returns: The answer of each, or why it is refused.
    :raises ValueError: There are too many.
    """
    if len(items) > MOST_ITEMS:
        raise ValueError(f"at most {MOST_ITEMS} items can be asked for together, not {len(items)}")
    work: _Isolation[Item, Answer] = _Isolation(ask)
    work.all(items)
    return work.found
