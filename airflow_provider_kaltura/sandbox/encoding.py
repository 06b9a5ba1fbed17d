"""Write results as Kaltura's JSON and XML."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from airflow_provider_kaltura.sandbox.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

JSON, XML = 1, 2
JSON_TYPE = "application/json"
XML_TYPE = "text/xml;charset=UTF-8"


def to_json(value: Any) -> bytes:
    """Return *value* as JSON; slashes and everything beyond ASCII are escaped, as Kaltura does."""
    return json.dumps(_json_form(value), separators=(",", ":")).replace("/", "\\/").encode()


def _json_form(value: Any) -> Any:
    if isinstance(value, ApiError):
        return {
            "code": value.code,
            "message": value.message,
            "objectType": "KalturaAPIException",
            "args": value.args_by_name or [],
        }
    return [_json_form(item) for item in value] if isinstance(value, list) else value


class XmlWriter:
    """
    Writes results as XML.

    :param order: For each class its elements in order; a property that the object lacks is an empty element.
    :param ignore_null: Leave such empty elements out.
    """

    def __init__(self, order: Mapping[str, Sequence[str]], *, ignore_null: bool = False) -> None:
        self._order = order
        self._ignore_null = ignore_null

    def document(self, result: Any, seconds: float) -> bytes:
        """Return the whole answer with *result* in it."""
        body = self._inner(result)
        text = (
            f'<?xml version="1.0" encoding="utf-8"?><xml><result>{body}</result>'
            f"<executionTime>{seconds:.6f}</executionTime></xml>"
        )
        return text.encode()

    def _inner(self, value: Any) -> str:
        if isinstance(value, ApiError):
            return self._error(value)
        if isinstance(value, dict):
            return self._object(value)
        if isinstance(value, list):
            return "".join(f"<item>{self._inner(item)}</item>" for item in value)
        if value is None:
            return ""
        return escape(_xml_text(str(int(value) if isinstance(value, bool) else value)))

    def _object(self, value: dict[str, Any]) -> str:
        names: Sequence[str] = self._order.get(value.get("objectType", ""), ())
        if not names:
            names = ["objectType", *(name for name in value if name != "objectType")]
        return "".join(
            f"<{name}>{self._inner(value.get(name))}</{name}>"
            for name in names
            if not self._ignore_null or value.get(name) is not None
        )

    def _error(self, error: ApiError) -> str:
        items = "".join(
            "<item><objectType>KalturaApiExceptionArg</objectType>"
            f"<name>{escape(name)}</name><value>{escape(_xml_text(value))}</value></item>"
            for name, value in error.args_by_name.items()
        )
        return (
            f"<error><code>{error.code}</code><message>{escape(_xml_text(error.message))}</message>"
            f"<objectType>KalturaAPIException</objectType><args>{items}</args></error>"
        )


def _xml_text(text: str) -> str:
    """Drop the characters that XML 1.0 can't carry at all."""
    if text.isprintable():
        return text
    return "".join(
        c for c in text if c in "\t\n\r" or (c >= " " and not "\ud800" <= c <= "\udfff" and c not in "\ufffe\uffff")
    )
