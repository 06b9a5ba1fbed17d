"""Checks of arguments when the task runs: before that they may be templates, or values of tasks to come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_kaltura.exceptions import KalturaArgumentError

if TYPE_CHECKING:
    from collections.abc import Sequence


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
