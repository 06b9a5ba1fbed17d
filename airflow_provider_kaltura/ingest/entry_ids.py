"""The entries of a batch: what people and templates write, and slices of a listing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_kaltura.api.errors import InvalidRequestError
from airflow_provider_kaltura.api.ids import is_id
from airflow_provider_kaltura.api.redact import redact
from airflow_provider_kaltura.ingest.errors import SliceError
from airflow_provider_kaltura.ingest.literals import as_listed
from airflow_provider_kaltura.ingest.slices import Slice, read_slice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_kaltura.ingest.lake import Lake

#: What one task takes by default.
MAX_ENTRIES: Final = 10_000
_SEPARATORS: Final = re.compile(r"[,;\s]+")
# So many wrong ids are named, each so far.
_NAMED: Final = 10
_LONGEST: Final = 60


def parse_entry_ids(value: Any, *, max_entries: int = MAX_ENTRIES) -> list[str]:
    """
    Read what was given as ``entry_ids``.

    :param value: A list; the same as JSON, or as Python writes it (which is what Jinja makes of a list); or a text with
        commas, semicolons, blanks or newlines between the ids.
    :param max_entries: More entries than this are an error.
    :returns: Each id once, in the order given.
    :raises InvalidRequestError: Some can't be ids, there is none, or there are too many.
    """
    wrong = _Wrong()
    found = _unique(_right(_items_of(value), wrong), max_entries, or_else=wrong.tell)
    wrong.tell()
    return found


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


@dataclass(slots=True)
class _Wrong:
    """What can't be an id: all are counted, the first ones named, since whoever pasted them has to find them."""

    count: int = 0
    named: list[str] = field(default_factory=list)

    def add(self, item: Any, where: str) -> None:
        self.count += 1
        if len(self.named) < _NAMED:
            text = redact(repr(item))
            self.named.append(f"{text[:_LONGEST]}{'…' if len(text) > _LONGEST else ''} ({where})")

    def tell(self) -> None:
        """Raise, where there is something to tell."""
        if not self.count:
            return
        more = f" and {self.count - len(self.named)} more" if self.count > len(self.named) else ""
        raise InvalidRequestError(
            f"No Kaltura entry id: {', '.join(self.named)}{more}. An id has letters, digits, '_' and '-', such as "
            "'0_abc12345'; commas, semicolons, blanks or new lines stand between two.",
            "INVALID_ID",
        )


def _right(items: Iterable[tuple[str, Any]], wrong: _Wrong) -> Iterator[str]:
    for where, item in items:
        text = item.strip() if isinstance(item, str) else item
        if is_id(text):
            yield text
        else:
            wrong.add(text, where)


def _items_of(value: Any) -> Iterable[tuple[str, Any]]:
    """Give what may be ids, each with its place."""
    if isinstance(value, str):
        text = value.strip()
        return _numbered(_listed(text)) if text.startswith(("[", "(")) else _pasted(value)
    if isinstance(value, Iterable) and not isinstance(value, Mapping | bytes):
        return _numbered(value)
    raise InvalidRequestError(f"entry_ids is a list or a text, not {type(value).__name__}.", "INVALID_ID")


def _numbered(items: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    return ((f"number {number}", item) for number, item in enumerate(items, 1))


def _pasted(text: str) -> Iterator[tuple[str, str]]:
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        found = _numbered(item for item in _SEPARATORS.split(line) if item)
        yield from ((f"line {number}" if len(lines) > 1 else place, item) for place, item in found)


def _listed(text: str) -> Iterable[Any]:
    found = as_listed(text)
    if found is not None:
        return found
    raise InvalidRequestError("entry_ids looks like a list but can't be read as JSON or Python.", "INVALID_ID")


def _unique(entry_ids: Iterable[str], max_entries: int, *, or_else: Callable[[], None] = lambda: None) -> list[str]:
    found: dict[str, None] = {}
    for entry_id in entry_ids:
        found[entry_id] = None
        if len(found) > max_entries:
            raise InvalidRequestError(
                f"More than {max_entries} entries for one task: raise max_entries, or map over slices.",
                "TOO_MANY_ENTRIES",
            )
    if not found:
        or_else()
        raise InvalidRequestError("There is no entry: entry_ids is empty.", "NO_ENTRIES")
    return list(found)
