"""What an HTTP answer proves, decided from its status and headers alone."""

from __future__ import annotations

import re
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from airflow_provider_kaltura.transfer.errors import (
    RangeIgnoredError,
    SourceAnswerError,
    SourceChangedError,
    SourceExpiredError,
    SourceLengthError,
    SourceUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_kaltura.transfer.http_pool import HttpOptions
    from airflow_provider_kaltura.transfer.plan import ByteRange

OK: Final = 200
PARTIAL: Final = 206
RANGE_NOT_SATISFIABLE: Final = 416
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
REFUSED: Final = frozenset({401, 403, 404, 410})
TRANSIENT: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_FIRST_SERVER_ERROR: Final = 500
_SAFE_REASON = re.compile(r"[A-Za-z0-9_-]{1,40}")
_CONTENT_RANGE = re.compile(r"bytes\s+(?:(\d+)-(\d+)|\*)/(\d+|\*)", re.IGNORECASE)


def refuse_useless(status: int, headers: Mapping[str, str], options: HttpOptions, host: str | None) -> None:
    """
    Refuse an answer that holds no media at all, whatever was asked for.

    :param status: HTTP status, no redirect.
    :param headers: Of the answer; any case.
    :param options: Which header refuses, and whether pages are objects.
    :param host: Who answered.
    :raises SourceExpiredError: The URL is refused, by status or by header.
    :raises SourceUnavailableError: It may work later.
    :raises SourceAnswerError: It is a page, or encoded.
    """
    reason = headers.get(options.refusal_header) if options.refusal_header else None
    if reason and options.refusal_mark in reason:
        reason = _safe_reason(reason, options.refusal_mark)
        raise SourceExpiredError(f"refused with {options.refusal_header}: {reason}", host, status, reason)
    if status in REFUSED:
        raise SourceExpiredError(f"refused with HTTP {status}", host, status)
    if status in TRANSIENT or status >= _FIRST_SERVER_ERROR:
        raise SourceUnavailableError(f"HTTP {status}", host, status, retry_after_seconds(headers.get("Retry-After")))
    if headers.get("Content-Encoding", "identity").strip().lower() not in {"", "identity"}:
        raise SourceAnswerError("the body is encoded although identity was asked for", host)
    media_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type == "text/html" and not options.allow_html and status in {OK, PARTIAL}:
        raise SourceAnswerError("a page (text/html) instead of the object", host)


def refuse_unread(unread: str, options: HttpOptions, host: str | None) -> None:
    """
    Refuse an answer whose head has lines that the library could not read, where they matter.

    It stops at the first line that is no header, such as one with a blank before the colon; what comes after it is
    unknown to everything else here, and might say that the body is framed, encoded or a refusal.

    :param unread: The rest of the head.
    :param options: Which header refuses.
    :param host: Who answered.
    :raises SourceAnswerError: A header is among it that decides what the body is.
    """
    for line in unread.splitlines():
        name = line.partition(":")[0].strip().lower()
        if name == "transfer-encoding" or name.startswith("content-") or name == (options.refusal_header or "").lower():
            raise SourceAnswerError("the head of the answer can't be read to its end", host)


def _safe_reason(text: str, mark: str) -> str:
    # Servers put all kinds of things into such headers, a session for one; the word that begins with the mark is told.
    found = re.search(re.escape(mark) + r"[A-Za-z0-9_-]*", text)
    return found[0] if found and _SAFE_REASON.fullmatch(found[0]) else "no reason that can be shown"


def promised_bytes(headers: Mapping[str, str], host: str | None) -> int | None:
    """
    Read how many bytes an answer promises.

    :param headers: Of the answer.
    :param host: Who answered.
    :returns: The Content-Length; None when there is none, or it doesn't count because the body is chunked.
    :raises SourceAnswerError: It is no number, or several; or the body is framed in a way that nobody takes off.
    """
    framing = headers.get("Transfer-Encoding")
    if framing is not None:
        # http.client takes the frames off for this very word only; of anything else the frames would be kept as bytes
        # of the object. Several such headers come joined by a comma.
        if framing.lower() != "chunked":
            raise SourceAnswerError("the Transfer-Encoding is another than chunked", host)
        return None
    text = headers.get("Content-Length")
    if text is None:
        return None
    values = {value.strip() for value in text.split(",")}
    value = values.pop()
    if values or not (value.isascii() and value.isdigit()):
        raise SourceAnswerError("the Content-Length is no number", host)
    return int(value)


def prove_whole(status: int, headers: Mapping[str, str], size_bytes: int, host: str | None) -> int | None:
    """
    Check the answer to a request for everything.

    :param status: HTTP status, passed by :func:`refuse_useless`.
    :param headers: Of the answer.
    :param size_bytes: Expected length.
    :param host: Who answered.
    :returns: The promised length, None when the end of the connection is the end of the body.
    :raises SourceExpiredError: Nothing is promised although something is expected.
    :raises SourceLengthError: Another length is promised.
    :raises SourceAnswerError: The status is another than 200.
    """
    if status != OK:
        raise SourceAnswerError(f"HTTP {status} instead of 200", host)
    promised = promised_bytes(headers, host)
    if promised == 0 and size_bytes > 0:
        raise SourceExpiredError("an empty answer", host, status)
    if promised is not None and promised != size_bytes:
        raise SourceLengthError(f"the answer has {promised} bytes instead of {size_bytes}", host)
    return promised


def prove_range(
    status: int, headers: Mapping[str, str], wanted: ByteRange, size_bytes: int, host: str | None
) -> int | None:
    """
    Check the answer to a request for a range.

    :param status: HTTP status, passed by :func:`refuse_useless`.
    :param headers: Of the answer.
    :param wanted: The range.
    :param size_bytes: Expected length of the whole.
    :param host: Who answered.
    :returns: The promised length of the body, None when it isn't told.
    :raises SourceExpiredError: An empty 200: this is how some servers refuse.
    :raises RangeIgnoredError: A 200 with a body.
    :raises SourceChangedError: The whole has another length than expected.
    :raises SourceAnswerError: Status or Content-Range are not the expected ones.
    """
    promised = promised_bytes(headers, host)
    if status == OK:
        if promised == 0:
            raise SourceExpiredError("an empty answer", host, status)
        raise RangeIgnoredError("the server answered 200 to a request for a range", host)
    found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
    total = found.group(3) if found else None
    if status in {PARTIAL, RANGE_NOT_SATISFIABLE} and total not in {None, "*", str(size_bytes)}:
        raise SourceChangedError(f"the source has {total} bytes now, not {size_bytes}", host)
    if status != PARTIAL:
        raise SourceAnswerError(f"HTTP {status} instead of 206", host)
    if not found or (found.group(1), found.group(2), total) != (
        str(wanted.start),
        str(wanted.stop - 1),
        str(size_bytes),
    ):
        raise SourceAnswerError("the Content-Range is not that of the request", host)
    if promised is not None and promised != wanted.size_bytes:
        raise SourceAnswerError(f"the range has {promised} bytes instead of {wanted.size_bytes}", host)
    return promised


def size_told(status: int, headers: Mapping[str, str], host: str | None) -> int | None:
    """
    Read the length of the whole from the answer to a request for the first byte.

    :param status: HTTP status, passed by :func:`refuse_useless`.
    :param headers: Of the answer.
    :param host: Who answered.
    :returns: The length, None when the answer doesn't tell it.
    :raises SourceExpiredError: An empty 200.
    :raises SourceAnswerError: The status is none of 200, 206, 416.
    """
    if status == OK:
        promised = promised_bytes(headers, host)
        if promised == 0:
            raise SourceExpiredError("an empty answer", host, status)
        return promised
    if status not in {PARTIAL, RANGE_NOT_SATISFIABLE}:
        raise SourceAnswerError(f"HTTP {status} instead of 206", host)
    found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
    return int(found.group(3)) if found and found.group(3) != "*" else None


def retry_after_seconds(value: str | None) -> float | None:
    """
    Read a ``Retry-After``.

    :param value: Seconds or a date.
    :returns: Seconds from now, at least 0; None when there is none that can be read.
    """
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None
