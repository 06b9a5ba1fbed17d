"""multirequest: several actions in one request, with references into earlier answers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from airflow_provider_kaltura.sandbox.errors import ApiError, Crash
from airflow_provider_kaltura.sandbox.parameters import text

if TYPE_CHECKING:
    from airflow_provider_kaltura.sandbox.library import Json

_REFERENCE = re.compile(r"\{(\d+):result(?::([^{}]*))?\}")


def items(parameters: Json) -> list[Json]:
    """
    Return the parameters of each part, in order.

    Numbering starts at 0 or 1 and stops at the first gap; what stands outside the parts holds for all of them.
    References count from 1 either way: the official Python client numbers its parts from 0 and refers to the first
    as ``{1:result}``, which worked on the real server.
    """
    shared = {
        name: value for name, value in parameters.items() if not name.isdigit() and name not in {"service", "action"}
    }
    number = 0 if isinstance(parameters.get("0"), dict) else 1
    found = []
    while isinstance(parameters.get(str(number)), dict):
        found.append({**shared, **parameters[str(number)]})
        number += 1
    return found


def resolve(value: Any, results: dict[int, Any]) -> Any:
    """
    Return *value* with the references in its texts replaced.

    :param value: Parameters, or a part of them.
    :param results: The answers so far, counted from 1. A reference to another number stays as it is.
    :returns: The value without references.
    :raises Crash: A reference asks for a property of something that has none, such as true.
    """
    if isinstance(value, dict):
        return {key: resolve(item, results) for key, item in value.items()}
    if isinstance(value, list):
        return [resolve(item, results) for item in value]
    if not isinstance(value, str) or ":result" not in value:
        return value
    return _REFERENCE.sub(lambda match: _referred(match, results), value)


def _referred(match: re.Match[str], results: dict[int, Any]) -> str:
    number = int(match[1])
    if number not in results:
        return match[0]
    value = results[number]
    for step in (match[2] or "").split(":"):
        if step == "":
            continue
        if isinstance(value, ApiError) or value is None:
            return ""
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list):
            value = value[int(step)] if step.isdigit() and int(step) < len(value) else None
        else:
            raise Crash
    return "" if isinstance(value, (dict, list, ApiError)) else text(value)
