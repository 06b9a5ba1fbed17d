"""The entries of a batch: what people and templates write, and slices of a listing."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_kaltura.api.errors import InvalidRequestError
from airflow_provider_kaltura.api.ids import check_id
from airflow_provider_kaltura.ingest.errors import SliceError
from airflow_provider_kaltura.ingest.slices import Slice, read_slice

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_kaltura.ingest.lake import Lake

#: What one task takes by default.
MAX_ENTRIES: Final = 10_000
_SEPARATORS: Final = re.compile(r"[,\s]+")


def parse_entry_ids(value: Any, *, max_entries: int = MAX_ENTRIES) -> list[str]:
    """
    Read what was given as ``entry_ids``.

    :param value: A list; the same as JSON, or as Python writes it (which is what Jinja makes of a list); or a text with
        commas, blanks or newlines between the ids.
    :param max_entries: More entries than this are an error.
    :returns: Each id once, in the order given.
    :raises InvalidRequestError: An id can't be one, there is none, or there are too many.
    """
    items = _items_of(value)
    return _unique((check_id(item.strip() if isinstance(item, str) else item) for item in items), max_entries)


def read_entries(text: Any, open_lake: Callable[[str], Lake], *, max_entries: int = MAX_ENTRIES) -> list[str]:
    """
    Read what was given as ``entries_from``.

    :param text: ``path#start-end``, a slice of a listing.
    :param open_lake: Opens the folder of the listing.
    :param max_entries: More entries than this are an error.
    :returns: Each id once, in the order of the listing.
    :raises SliceError: It is no slice, or does not fit the listing.
    :raises ObjectMissingError: There is no such listing.
    :raises InvalidRequestError: There are too many.
    """
    piece = Slice.parse(str(text).strip())
    root, slash, key = piece.path.rpartition("/")
    if not slash or not key:
        raise SliceError(f"{text!r:.200} names no listing; expected 'path#start-end' with an absolute path or a URL")
    lake = open_lake(root or "/")
    return _unique((row["entryId"] for row in read_slice(lake.store, key, piece)), max_entries)


def _items_of(value: Any) -> Iterable[Any]:
    if isinstance(value, str):
        text = value.strip()
        return _listed(text) if text.startswith(("[", "(")) else [item for item in _SEPARATORS.split(text) if item]
    if isinstance(value, Iterable) and not isinstance(value, Mapping | bytes):
        return value
    raise InvalidRequestError(f"entry_ids is a list or a text, not {type(value).__name__}.", "INVALID_ID")


def _listed(text: str) -> Iterable[Any]:
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(found, list | tuple):
            return found
    raise InvalidRequestError("entry_ids looks like a list but can't be read as JSON or Python.", "INVALID_ID")


def _unique(entry_ids: Iterable[str], max_entries: int) -> list[str]:
    found: dict[str, None] = {}
    for entry_id in entry_ids:
        found[entry_id] = None
        if len(found) > max_entries:
            raise InvalidRequestError(
                f"More than {max_entries} entries for one task: raise max_entries, or map over slices.",
                "TOO_MANY_ENTRIES",
            )
    if not found:
        raise InvalidRequestError("There is no entry: entry_ids is empty.", "NO_ENTRIES")
    return list(found)
