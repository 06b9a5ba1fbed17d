"""Requests and answers of Google Cloud Storage's JSON API as values; nothing here talks to anybody."""

from __future__ import annotations

import base64
import json
import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_kaltura.transfer.errors import InvalidKeyError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_provider_kaltura.transfer.protocols import Buffer, JsonObject

#: What worked may work again: no answer at all (0), too many requests, trouble of the service.
_PASSING: Final = frozenset({0, 408, 429, 500, 502, 503, 504})
_LIMITED: Final = frozenset({"rateLimitExceeded", "userRateLimitExceeded"})
_REASON: Final = re.compile(r"[A-Za-z][A-Za-z_.-]{1,60}")
_MOST_NAME_BYTES: Final = 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What came back.

    :param status: HTTP status, 0 when no answer came.
    :param body: The JSON object in it, if it was one.
    :param content: The bytes, where these were asked for.
    :param cause: What was raised instead of an answer.
    """

    status: int
    body: JsonObject = field(default_factory=dict)
    content: bytes = b""
    cause: Exception | None = None

    @property
    def is_good(self) -> bool:
        """The service has done what it was asked to."""
        return 200 <= self.status < 300  # noqa: PLR2004 - HTTP's own number

    @property
    def reason(self) -> str:
        """The service's word for a refusal, if it looks like one."""
        errors = self.body.get("error")
        listed = errors.get("errors") if isinstance(errors, dict) else None
        first = listed[0] if isinstance(listed, list) and listed else {}
        word = first.get("reason") if isinstance(first, dict) else None
        return word if isinstance(word, str) and _REASON.fullmatch(word) else ""

    @property
    def names_checksum(self) -> bool:
        """
        The service found other bytes than were announced, and wrote nothing.

        It has no code for that, only a sentence; all that depends on it is which of two errors is raised.
        """
        error = self.body.get("error")
        sentence = str(error.get("message", "")) if isinstance(error, dict) else ""
        return self.status == 400 and "crc32c" in sentence.lower()  # noqa: PLR2004 - HTTP's own number

    @property
    def may_pass(self) -> bool:
        """The same request may work later."""
        return self.status in _PASSING or (self.status == 403 and self.reason in _LIMITED)  # noqa: PLR2004 - see above


class RelatedBody:
    """
    Description and bytes of an object as one ``multipart/related`` body, without copying the bytes.

    It can be iterated again, since the session sends a request twice when the first finds its token expired.
    """

    def __init__(self, description: Mapping[str, Any], content: Buffer) -> None:
        boundary = secrets.token_hex(24)
        self.content_type = f"multipart/related; boundary={boundary}"
        kind = str(description["contentType"])
        self._head = (
            f"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{json.dumps(description)}\r\n"
            f"--{boundary}\r\nContent-Type: {kind}\r\n\r\n"
        ).encode()
        self._content = memoryview(content).cast("B")
        self._tail = f"\r\n--{boundary}--\r\n".encode()

    def __len__(self) -> int:
        return len(self._head) + len(self._content) + len(self._tail)

    def __iter__(self) -> Iterator[bytes | memoryview]:
        yield self._head
        yield self._content
        yield self._tail


def check_name(name: str) -> str:
    """
    Refuse what an object can't be called.

    :param name: Name in the bucket.
    :returns: The same.
    :raises InvalidKeyError: It has a line break, or more than 1,024 bytes.
    """
    if "\r" in name or "\n" in name:
        raise InvalidKeyError("Google Cloud Storage keeps no names with line breaks", name)
    if len(name.encode()) > _MOST_NAME_BYTES:
        raise InvalidKeyError(f"Google Cloud Storage keeps names of at most {_MOST_NAME_BYTES} bytes", name)
    if name.startswith(".well-known/acme-challenge/"):
        raise InvalidKeyError("Google Cloud Storage reserves names that begin with .well-known/acme-challenge/", name)
    return name


def encode_crc32c(value: int) -> str:
    """
    Write a CRC32C as the service does.

    :param value: The number.
    :returns: Its four bytes, the highest first, in Base64.
    """
    return base64.b64encode(value.to_bytes(4, "big")).decode()


def json_object(content: bytes) -> JsonObject:
    """
    Read the JSON object in an answer.

    :param content: Its body.
    :returns: Empty where it is none.
    """
    try:
        found = json.loads(content) if content else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
