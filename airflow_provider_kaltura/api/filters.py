"""
Fields of a filter, checked before they are sent: the server ignores a misspelt name and returns too much (recorded case
lists.ignored_unknown_field), and takes a word for a time as "now" (lists.createdAtGTE_word).

Names and kinds are asked of the official client's class, not written down here.
"""

from __future__ import annotations

import difflib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_kaltura.api.errors import InvalidRequestError
from airflow_provider_kaltura.api.listing import IN_LIST, RELATIVE_TIME_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping

_LISTS: Final = ("In", "MatchOr", "MatchAnd", "MultiLikeOr", "MultiLikeAnd", "NotContains")
# The walk's own.
_RESERVED: Final = ("orderBy", "idNotIn")
# Milliseconds, which some write for seconds, are far beyond.
_LAST_SECOND: Final = 2**33


def check_filter(given: Mapping[str, Any], kind: type) -> dict[str, Any]:
    """
    Check the fields of a filter and write their values as the server reads them.

    :param given: By Kaltura's names; times as aware ``datetime`` or seconds since 1970, lists as lists or texts with
        commas, booleans as such.
    :param kind: The official client's filter class.
    :returns: The same, plain; fields that are None are left out.
    :raises InvalidRequestError: There is no such field, or the value can't be one; says which and what would do.
    """
    kinds = _kinds_of(kind)
    checked: dict[str, Any] = {}
    for name, value in given.items():
        if name not in kinds or name in _RESERVED:
            near = difflib.get_close_matches(str(name), [one for one in kinds if one not in _RESERVED], 3)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            text = f"{kind.__name__} has no field {name!r:.60} that may be given{hint}"
            raise InvalidRequestError(text, "FILTER_NAME")
        if value is not None:
            checked[name] = _value(name, value, kinds[name])
    return checked


def _kinds_of(kind: type) -> dict[str, str]:
    """Tell "number", "text" or the name of an enum for each field, those of the bases included."""
    kinds: dict[str, str] = {}
    for base in kind.__mro__:
        for name, loader in getattr(base, "PROPERTY_LOADERS", {}).items():
            if isinstance(loader, tuple):
                kinds.setdefault(name, loader[1])
            else:
                kinds.setdefault(name, "number" if loader.__name__ in {"getXmlNodeInt", "getXmlNodeFloat"} else "text")
    return kinds


def _value(name: str, value: Any, kind: str) -> Any:
    if "At" in name.replace("MatchA", "") and kind == "number":
        return _moment(name, value)
    if kind == "KalturaNullableBoolean" and isinstance(value, bool):
        return int(value)
    if kind == "number":
        return _number(name, value)
    if name.endswith(_LISTS):
        return _list(name, value)
    if isinstance(value, bool) or not isinstance(value, str | int) or (isinstance(value, str) and not value.strip()):
        raise _refused(name, value, "a text that is not empty")
    return value


def _moment(name: str, value: Any) -> int:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise _refused(name, value, "a time with a time zone")
        value = int(value.astimezone(UTC).timestamp())
    number = _number(name, value)
    if not RELATIVE_TIME_SECONDS < number < _LAST_SECOND:
        raise _refused(
            name, value, "seconds since 1970, after 1980: the server reads a smaller number as relative to now"
        )
    return int(number)


def _number(name: str, value: Any) -> int | float:
    if isinstance(value, str) and value.strip().lstrip("-").isdigit():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _refused(name, value, "a number")
    return value


def _list(name: str, value: Any) -> str:
    items = value.split(",") if isinstance(value, str) else value
    if isinstance(items, int) and not isinstance(items, bool):
        items = [items]
    if not isinstance(items, list | tuple | set | frozenset) or not items:
        raise _refused(name, value, "a list, or a text with commas")
    texts = [str(item).strip() for item in items]
    if any(not text or "," in text for text in texts):
        raise _refused(name, value, "a list without empty members and without commas in them")
    if len(texts) > IN_LIST:
        raise _refused(name, f"{len(texts)} values", f"at most {IN_LIST} values: the server ignores the rest silently")
    return ",".join(texts)


def _refused(name: str, value: Any, wanted: str) -> InvalidRequestError:
    return InvalidRequestError(f"filter field {name} takes {wanted}, not {value!r:.60}", "FILTER_VALUE")
