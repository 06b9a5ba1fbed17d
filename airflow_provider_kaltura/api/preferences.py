"""Flavor preferences as text: parsed once, strictly, into conditions and an order."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Self, TypeAlias

from airflow_provider_kaltura.api.errors import PreferenceError
from airflow_provider_kaltura.api.ids import is_id, looks_like_id

if TYPE_CHECKING:
    from collections.abc import Sequence

Kind: TypeAlias = Literal["source", "web", "id", "params", "tag", "width", "height", "bitrate"]
Order: TypeAlias = Literal["best", "smallest"]

DEFAULT = "source, best"
_WORD = re.compile(r"[A-Za-z]+")
_COMPARISON = re.compile(
    r"(?P<name>width|height|bitrate)\s*(?P<operator><=|>=|<|>|=)\s*(?P<number>[0-9]{1,9})", re.IGNORECASE
)
_EXPECTED = (
    "expected source, best, smallest, web, id:ID, params:NUMBER, tag:WORD, or a condition such as height<=720, "
    "width<=1280, bitrate<=2500"
)


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that an asset must meet: ``operator`` and ``number`` only for width, height and bitrate."""

    kind: Kind
    value: str = ""
    operator: str = ""
    number: int = 0


_SIMPLE: dict[str, Condition | Order] = {
    "best": "best",
    "smallest": "smallest",
    "source": Condition("source"),
    "web": Condition("web"),
}


@dataclass(frozen=True, slots=True)
class Preference:
    """Conditions that hold together, and which asset to take among several that meet them."""

    text: str
    conditions: tuple[Condition, ...] = ()
    order: Order = "best"

    @property
    def names_one(self) -> bool:
        """Whether it names a single asset, so that other candidates are nothing to wait for."""
        return any(condition.kind in {"source", "id"} for condition in self.conditions)

    @property
    def wants_web(self) -> bool:
        """Whether the set of web-playable assets is needed."""
        return any(condition.kind == "web" for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class Preferences:
    """Preferences in the order in which they are tried."""

    items: tuple[Preference, ...]
    text: str = field(compare=False, default="")

    @property
    def wants_web(self) -> bool:
        """Whether :func:`choose` needs ``web_playable_ids``."""
        return any(preference.wants_web for preference in self.items)

    @classmethod
    def parse(cls, preferences: str | Sequence[str] | Preferences | None = None) -> Self:
        """
        Read preferences.

        :param preferences: ``"height<=720 & tag:mobile, source"``, a list of such texts, None for ``"source, best"``,
            or what this function returned before.
        :returns: The preferences.
        :raises PreferenceError: A text can't be read; it names the position.
        """
        if isinstance(preferences, Preferences):
            return cls(preferences.items, preferences.text)
        if preferences is None:
            preferences = DEFAULT
        texts = [preferences] if isinstance(preferences, str) else list(preferences)
        if not texts:
            raise PreferenceError("the list is empty; " + _EXPECTED, "", 0)
        items: list[Preference] = []
        for text in texts:
            if not isinstance(text, str):
                raise PreferenceError("not a text; " + _EXPECTED, repr(text)[:80], 0)
            items.extend(_parse_list(text))
        return cls(tuple(items), ", ".join(texts))


def _parse_list(text: str) -> list[Preference]:
    found: list[Preference] = []
    start = 0
    for part in text.split(","):
        found.append(_parse_one(text, start, start + len(part)))
        start += len(part) + 1
    return found


def _parse_one(text: str, start: int, stop: int) -> Preference:
    conditions: list[Condition] = []
    order: Order | None = None
    position = start
    for part in text[start:stop].split("&"):
        at = position + len(part) - len(part.lstrip())
        parsed = _parse_term(text, at, part.strip())
        if isinstance(parsed, Condition):
            conditions.append(parsed)
        elif order is None:
            order = parsed
        else:
            raise PreferenceError(f"{part.strip()!r} after {order!r}: only one order can hold", text, at)
        position += len(part) + 1
    return Preference(text[start:stop].strip(), tuple(conditions), order or "best")


def _parse_term(text: str, at: int, term: str) -> Condition | Order:
    if not term:
        raise PreferenceError("nothing here; " + _EXPECTED, text, at)
    if simple := _SIMPLE.get(term.lower()):
        return simple
    if comparison := _COMPARISON.fullmatch(term):
        return _comparison(comparison)
    name, colon, value = term.partition(":")
    if colon:
        return _named(text, at, name.strip().lower(), value.strip(), at + len(name) + 1)
    if looks_like_id(term):
        return Condition("id", term)
    if term.lower() in {"all", "each"}:
        raise PreferenceError(f"{term!r} stands alone and is not a preference here; " + _EXPECTED, text, at)
    start = _WORD.match(term)
    bad = len(start[0]) if start and start[0].lower() in {"width", "height", "bitrate"} else 0
    raise PreferenceError(_EXPECTED, text, at + bad)


def _comparison(match: re.Match[str]) -> Condition:
    name = match["name"].lower()
    kind: Kind = "width" if name == "width" else "height" if name == "height" else "bitrate"
    return Condition(kind, operator=match["operator"], number=int(match["number"]))


def _named(text: str, at: int, name: str, value: str, value_at: int) -> Condition:
    if name == "id":
        if not is_id(value):
            raise PreferenceError("expected a flavor asset id such as id:1_ab12cd34", text, value_at)
        return Condition("id", value)
    if name == "params":
        if not value.isascii() or not value.isdigit():
            raise PreferenceError("expected the number of flavor params such as params:301951", text, value_at)
        return Condition("params", number=int(value))
    if name == "tag":
        if not value:
            raise PreferenceError("expected a tag such as tag:mobile", text, value_at)
        return Condition("tag", value)
    raise PreferenceError(_EXPECTED, text, at)
