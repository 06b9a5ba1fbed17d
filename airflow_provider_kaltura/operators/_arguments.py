"""Checks of arguments when the task runs: before that they may be templates, or values of tasks to come."""

from __future__ import annotations

import ast
import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_kaltura.exceptions import KalturaArgumentError
from airflow_provider_kaltura.transfer.options import StoreOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

_DIGITS: Final = re.compile(r"[0-9]{1,30}")
_SWITCHES: Final = {"true": True, "false": False}
_AGE: Final = re.compile(
    r"\s*(?P<number>[0-9]{1,15}(?:\.[0-9]{1,15})?)\s*(?:(?P<unit>second|minute|hour|day|week)s?)?\s*", re.IGNORECASE
)
_SECONDS: Final = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400, "week": 604_800}
_UNITS: Final = ", ".join(f"{unit}s" for unit in _SECONDS)
# Less would take away what is being uploaded at this moment, more is a mistake of units.
_LEAST_AGE_SECONDS: Final = 3_600
_MOST_AGE_SECONDS: Final = 10 * 366 * 86_400


def only_one_of(**arguments: Any) -> str:
    """
    Find the one argument that was given.

    :param **arguments: By name; None and empty values count as not given.
    :returns: Its name.
    :raises KalturaArgumentError: None was given, or several; names them.
    """
    given = [name for name, value in arguments.items() if value]
    if len(given) != 1:
        got = f"got {' and '.join(given)}" if given else "got none of them"
        raise KalturaArgumentError(f"Give exactly one of {', '.join(arguments)}; {got}.")
    return given[0]


def check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    """
    Check an argument that takes one of a few words.

    :param name: The argument.
    :param value: What was given.
    :param choices: What may be given.
    :raises KalturaArgumentError: It is none of them.
    """
    if not isinstance(value, str) or value not in choices:
        raise KalturaArgumentError(f"{name} must be one of {', '.join(map(repr, choices))}, not {str(value)[:40]!r}.")


def check_text(name: str, value: Any) -> str:
    """
    Check an argument that is a text.

    :param name: The argument.
    :param value: What was given.
    :returns: The text.
    :raises KalturaArgumentError: It is something else.
    """
    if not isinstance(value, str):
        raise KalturaArgumentError(f"{name} must be a text, not {type(value).__name__}.")
    return value


def _is_left_out(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value.strip() in {"", "None"})


def as_number(name: str, value: Any, *, least: int = 1, most: int | None = None) -> int | None:
    """
    Read an argument that is a whole number, or not given.

    :param name: The argument.
    :param value: A number, its digits as a text (what a template gives), or None; an empty text and ``"None"`` are
        None too.
    :param least: Smallest number allowed.
    :param most: Largest number allowed; None for any.
    :returns: The number, or None.
    :raises KalturaArgumentError: It is something else.
    """
    if _is_left_out(value):
        return None
    number = value if isinstance(value, int) and not isinstance(value, bool) else None
    if isinstance(value, str) and _DIGITS.fullmatch(value.strip()):
        number = int(value)
    if number is None or number < least or (most is not None and number > most):
        allowed = f"at least {least}" if most is None else f"from {least} to {most}"
        what = "whole number of bytes," if "_bytes" in name else "whole number"
        raise KalturaArgumentError(f"{name} must be a {what} {allowed}, or None, not {str(value)[:40]!r}.")
    return number


def as_switch(name: str, value: Any, *, default: bool = False) -> bool:
    """
    Read an argument that is on or off.

    :param name: The argument.
    :param value: True or False, or one of these words as a text (what a template gives); None, an empty text and
        ``"None"`` are not given.
    :param default: What it is when it is not given.
    :returns: Which it is.
    :raises KalturaArgumentError: It is something else.
    """
    if _is_left_out(value):
        return default
    found = _SWITCHES.get(str(value).strip().lower()) if isinstance(value, bool | str) else None
    if found is None:
        raise KalturaArgumentError(f"{name} must be True or False, not {str(value)[:40]!r}.")
    return found


def as_age(name: str, value: Any) -> timedelta:
    """
    Read an argument that is a length of time.

    :param name: The argument.
    :param value: A timedelta, a number of seconds, or a text such as ``"7 days"``, ``"36 hours"`` or ``"604800"``.
    :returns: The length.
    :raises KalturaArgumentError: It is none, or not between an hour and ten years.
    """
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    else:
        match = _AGE.fullmatch(str(value)) if isinstance(value, str | int | float) else None
        if match is None or isinstance(value, bool):
            raise KalturaArgumentError(
                f"{name} must be a timedelta, a number of seconds, or a text of a number and one of {_UNITS}, such as "
                f"'7 days', not {str(value)[:40]!r}."
            )
        seconds = float(match["number"]) * _SECONDS[(match["unit"] or "second").lower()]
    if not _LEAST_AGE_SECONDS <= seconds <= _MOST_AGE_SECONDS:
        raise KalturaArgumentError(
            f"{name} must be from 1 hour to 10 years, not {str(value)[:40]!r}{_meant_seconds(value)}."
        )
    return timedelta(seconds=seconds)


def _meant_seconds(value: Any) -> str:
    text = str(value).strip()
    match = None if isinstance(value, timedelta) else _AGE.fullmatch(text)
    if match is None or match["unit"]:
        return ""
    return f": a bare number is seconds; {text} is {text} seconds; write '{text} days' if days are meant"


def as_store_options(value: Any) -> StoreOptions:
    """
    Read what the store shall keep beside the bytes.

    :param value: A dict, the same as JSON or as Python writes it (what a template gives), or None.
    :returns: The options.
    :raises KalturaArgumentError: It can't be read, or there is no such option.
    """
    if isinstance(value, str):
        value = as_literal("store_options", value) if value.strip() not in {"", "None"} else None
    if value is not None and not isinstance(value, dict):
        raise KalturaArgumentError(f"store_options must be a dict, not {type(value).__name__}.")
    try:
        return StoreOptions.of(value)
    except ValueError as error:
        raise KalturaArgumentError(f"store_options: {error}.") from None


def as_connection_id(name: str, value: Any) -> str | None:
    """
    Read the id of a connection that need not be given.

    :param name: The argument.
    :param value: A text; None, an empty text and ``"None"`` (what a template makes of None) are none.
    :returns: The id, or None.
    :raises KalturaArgumentError: It is something else.
    """
    text = "" if value is None else check_text(name, value).strip()
    return None if text in {"", "None"} else text


def as_literal(name: str, text: str) -> Any:
    """
    Read a text that holds a value.

    :param name: The argument.
    :param text: JSON, or what a template makes of a Python value.
    :returns: The value.
    :raises KalturaArgumentError: It is neither.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        raise KalturaArgumentError(f"{name} can't be read as JSON, or as Python writes it.") from None
