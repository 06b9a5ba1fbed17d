"""An answer before it is sent: status, headers, and a body that is given or a range of a stored file."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_kaltura.sandbox.errors import Die
    from airflow_provider_kaltura.sandbox.library import StoredFile

HTML = "text/html; charset=UTF-8"
LAST_MODIFIED = "Sun, 19 Nov 2000 08:52:00 GMT"
DOWNLOAD_TYPE = "application/force-download"
_GONE = frozenset({1, 6})  # no such entry, no such flavor
_CACHED_AS_GONE = "private, max-age=60, max-stale=0"
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True)
class Reply:
    """
    What the server answers.

    :param status: HTTP status.
    :param headers: Names and values, without Content-Length, which follows from the body.
    :param body: The body, when it isn't from a file.
    :param file: A stored file whose bytes ``[start, stop)`` are the body.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    file: StoredFile | None = field(default=None, repr=False)
    start: int = 0
    stop: int = 0

    @property
    def size_bytes(self) -> int:
        """Length of the body."""
        return len(self.body) if self.file is None else self.stop - self.start

    def pieces(self) -> Iterator[bytes]:
        """Yield the body in pieces."""
        if self.file is not None:
            yield from self.file.pieces(self.start, self.stop)
        elif self.body:
            yield self.body

    def with_headers(self, **changes: str | None) -> Reply:
        """Return the same with headers set, or removed by None; underscores in names stand for hyphens."""
        names = {name.replace("_", "-").lower(): value for name, value in changes.items()}
        kept = tuple(pair for pair in self.headers if pair[0].lower() not in names)
        return replace(self, headers=kept + tuple((n, value) for n, value in names.items() if value is not None))


def died(error: Die, *headers: tuple[str, str]) -> Reply:
    """Return the empty answer of a die error."""
    own = (("X-Kaltura", error.header), ("X-Kaltura-App", error.app_header))
    return Reply(headers=(headers or (("Content-Type", HTML),)) + own)


def media_died(error: Die) -> Reply:
    """Return what a media URL answers for a die error; that something is gone may be cached for a minute."""
    reply = died(error)
    return reply.with_headers(cache_control=_CACHED_AS_GONE) if error.reason in _GONE else reply


def redirect(location: str, *headers: tuple[str, str]) -> Reply:
    """Return a 302 to *location*."""
    return Reply(status=302, headers=(("Content-Type", HTML), ("Location", location), *headers))


def file_range(text: str, size_bytes: int) -> tuple[int, int] | None:
    """
    Return the half-open range that a Range header asks for.

    :param text: Value of the header.
    :param size_bytes: Length of the file.
    :returns: The range, clipped to the file; None for several ranges, nonsense, or a start past the end.
    """
    match = _RANGE.fullmatch(text.strip())
    if match is None or match[1] == match[2] == "":
        return None
    if match[1] == "":
        start, stop = max(size_bytes - int(match[2]), 0), size_bytes
    else:
        start, stop = int(match[1]), min(int(match[2]) + 1 if match[2] else size_bytes, size_bytes)
    return (start, stop) if start < stop else None


def from_file(file: StoredFile, content_type: str, *, file_name: str | None = None, wanted: str | None = None) -> Reply:
    """
    Return a stored file, or the range of it that is asked for.

    :param file: The file.
    :param content_type: Its type.
    :param file_name: Makes it an attachment of this name.
    :param wanted: The request's Range header. One that can't be met gives a 416 without a body.
    :returns: The reply.
    """
    total = file.size_bytes
    named = (("Content-Disposition", f'attachment; filename="{file_name}"'),) if file_name is not None else ()
    common = (("Content-Type", content_type), ("Accept-Ranges", "bytes"), *named, ("Last-Modified", LAST_MODIFIED))
    if wanted is None:
        return Reply(headers=common, file=file, stop=total)
    found = file_range(wanted, total)
    if found is None:
        refused_type = DOWNLOAD_TYPE if named else HTML
        headers = (
            ("Content-Type", refused_type),
            ("Accept-Ranges", f"0-{total}"),
            ("Content-Range", f"bytes 0-{total - 1}/{total}"),
            *named,
        )
        return Reply(status=416, headers=headers)
    start, stop = found
    content_range = ("Content-Range", f"bytes {start}-{stop - 1}/{total}")
    return Reply(status=206, headers=(*common, content_range), file=file, start=start, stop=stop)
