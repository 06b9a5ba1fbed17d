"""The conditions of a listing when the task runs: texts of templates, values of other tasks."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast, get_args

from airflow_provider_kaltura.api.queries import Moderation
from airflow_provider_kaltura.exceptions import KalturaArgumentError
from airflow_provider_kaltura.hooks.listing import EntryWords
from airflow_provider_kaltura.operators._arguments import as_literal, as_number, as_switch, check_choice, check_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: All conditions: arguments of the operator, of the hook, and template fields.
WORDS: Final = tuple(EntryWords.__annotations__)

_SECONDS: Final = re.compile(r"[0-9]{9,10}")


def read_words(given: dict[str, Any]) -> EntryWords:
    """
    Read all conditions.

    :param given: By name, as the templates left them; None, ``""`` and ``"None"`` are not given, an empty list is.
    :returns: Those that were given.
    :raises KalturaArgumentError: One can't be read; names it.
    """
    found: dict[str, Any] = {}
    for name, value in given.items():
        if not _is_missing(value):
            found[name] = _READERS[name](name, value)
    # An empty list stays one, and finds nothing: else a task before that found no tags would give the whole library.
    return cast("EntryWords", found)


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value.strip() in {"", "None"})


def as_list(name: str, value: Any) -> list[str]:
    """
    Read a list, the same as JSON or as Python writes it, or a text with commas or lines.

    :param name: The argument.
    :param value: What was given.
    :returns: Its members, without empty ones.
    :raises KalturaArgumentError: It is none.
    """
    if isinstance(value, str):
        text = value.strip()
        value = as_literal(name, text) if text.startswith("[") else re.split(r"[,\n]", text)
    elif isinstance(value, int) and not isinstance(value, bool):
        value = [value]
    elif hasattr(value, "__iter__") and not isinstance(value, dict | bytes):
        # A list of another task, which Airflow may hand over piece by piece.
        value = list(value)
    if not isinstance(value, list) or any(isinstance(one, bool) or not isinstance(one, str | int) for one in value):
        raise KalturaArgumentError(f"{name} must be a list of texts, or a text with commas, not {str(value)[:40]!r}.")
    return [text for one in value if (text := str(one).strip())]


def _numbers(name: str, value: Any) -> list[int]:
    numbers = [as_number(name, text) for text in as_list(name, value)]
    return [number for number in numbers if number is not None]


def _number(name: str, value: Any) -> int | None:
    return as_number(name, value, least=0)


def _text(name: str, value: Any) -> str:
    return check_text(name, value).strip()


def _moderation(name: str, value: Any) -> str:
    check_choice(name, value, get_args(Moderation))
    return str(value)


def _time(name: str, value: Any) -> datetime:
    moment = value if isinstance(value, datetime) else _parsed(value)
    if moment is None:
        raise KalturaArgumentError(
            f"{name} must be a time such as 2026-01-31T00:00:00+00:00, or seconds since 1970, not {str(value)[:40]!r}."
        )
    if moment.tzinfo is None:
        raise KalturaArgumentError(
            f"{name} has no time zone: {str(value)[:40]!r}; write it as 2026-01-31T00:00:00+00:00 or with a Z at the "
            "end, for UTC."
        )
    return moment


def _parsed(value: Any) -> datetime | None:
    text = str(value).strip()
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    if _SECONDS.fullmatch(text):
        return datetime.fromtimestamp(int(text), UTC)
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _fields(name: str, value: Any) -> dict[str, Any]:
    found = as_literal(name, value) if isinstance(value, str) else value
    if not isinstance(found, dict):
        raise KalturaArgumentError(f"{name} must be a dict of fields, or such a dict as JSON, not {str(value)[:40]!r}.")
    return {str(field): one for field, one in found.items() if not _is_missing(one)}


_READERS: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    "entry_ids": as_list,
    "tags": as_list,
    "category_ids": _numbers,
    "with_subcategories": as_switch,
    "category": _text,
    "owners": as_list,
    "text": _text,
    "media_types": as_list,
    "least_seconds": _number,
    "most_seconds": _number,
    **{name: _time for name in WORDS if name.endswith(("_since", "_until"))},
    "parent_id": _text,
    "statuses": as_list,
    "moderation": _moderation,
    "filter": _fields,
}
