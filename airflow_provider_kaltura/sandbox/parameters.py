"""
Read the parameters of a request, whichever way they are sent.

Names with colons (``filter:statusEqual``) become nested dicts. What stands in the path wins over the query string,
and that over the body.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import Request

Json = dict[str, Any]
_LEADING_INTEGER = re.compile(r"\s*([+-]?\d+)")


async def read(request: Request, path: str) -> Json:
    """
    Return all parameters of an API request.

    :param request: The request; its body is read.
    :param path: What follows ``/api_v3/`` or ``/api_v3/index.php/``, still quoted.
    :returns: The parameters; those with colons in their names are nested.
    """
    parameters = await _body(request)
    _merge(parameters, parse_qsl(request.url.query, keep_blank_values=True))
    parts = [unquote(part) for part in path.split("/") if part]
    _merge(parameters, zip(parts[::2], [*parts[1::2], ""], strict=False))
    return parameters


async def _body(request: Request) -> Json:
    """Return the parameters of the body: JSON, multipart (also with a part named json) or a form."""
    if request.method not in {"POST", "PUT"}:
        return {}
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind == "application/json":
        return _json_object(await request.body())
    if kind == "multipart/form-data":
        pairs = await _multipart(request)
        as_json = next((value for name, value in pairs if name == "json"), None)
        if as_json is not None:
            return _json_object(as_json.encode())
    else:
        pairs = parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True)
    parameters: Json = {}
    _merge(parameters, pairs)
    return parameters


async def _multipart(request: Request) -> list[tuple[str, str]]:
    """Return name and text of each part; the parts of a test are small, so the body is split as a whole."""
    _, _, boundary = request.headers["content-type"].partition("boundary=")
    delimiter = b"--" + boundary.split(";")[0].strip().strip('"').encode()
    pairs = []
    for part in (await request.body()).split(delimiter)[1:-1]:
        head, _, value = part.partition(b"\r\n\r\n")
        name = re.search(rb'name="([^"]*)"', head)
        if name:
            pairs.append((name[1].decode("utf-8", "replace"), value.removesuffix(b"\r\n").decode("utf-8", "replace")))
    return pairs


def _json_object(body: bytes) -> Json:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    parameters: Json = {}
    _merge(parameters, value.items() if isinstance(value, dict) else ())
    return parameters


def _merge(parameters: Json, pairs: Iterable[tuple[str, Any]]) -> None:
    """Put *pairs* into the nested *parameters*; later ones win."""
    for name, value in pairs:
        place = parameters
        *above, last = name.split(":") if ":" in name.strip(":") else [name]
        for step in above:
            inner = place.get(step)
            if not isinstance(inner, dict):
                inner = place[step] = {}
            place = inner
        if isinstance(value, dict):
            nested = place.setdefault(last, {})
            if isinstance(nested, dict):
                _merge(nested, value.items())
                continue
        place[last] = value


def text(value: object) -> str:
    """Return a parameter as text: null is empty, booleans are 1 and empty."""
    if value is None or value is False:
        return ""
    return "1" if value is True else str(value)


def integer(value: object) -> int:
    """Return a parameter as a number: its leading digits; a word is 0."""
    match = _LEADING_INTEGER.match(text(value))
    return int(match[1]) if match else 0


def is_set(value: object) -> bool:
    """Whether a parameter was given: null and the empty text are not."""
    return value is not None and value != ""
