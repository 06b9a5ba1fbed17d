"""
What can go wrong at Kaltura.

::

    KalturaError
    ├─ ConfigurationError        the connection's settings can't work
    ├─ PreferenceError           a flavor preference can't be read (text, position)
    ├─ NoFlavorsError            the entry will never have what was asked for (entry_id, reason, available)
    ├─ FlavorNotReadyError       not yet, but it may still come
    ├─ UnverifiedUrlError        no URL of this asset serves its bytes
    ├─ KalturaTransportError     no usable answer: network, timeout, HTTP 5xx, not well-formed XML
    │  ├─ TlsError               the server's certificate is not trusted
    │  └─ HttpStatusError        HTTP 3xx or 4xx: not the API, or not this way
    └─ KalturaAPIError           the server answered with an error
       ├─ AuthError              wrong secret, unknown partner, application token refused
       │  └─ InvalidSessionError the KS is not (or no longer) accepted; ``renewable`` if a new one helps
       ├─ NotFoundError          no such object, or none that this session may see
       ├─ ForbiddenError         authenticated, but not allowed
       ├─ AccessRefusedError     refused without a body; the reason is in ``x_kaltura_code``
       ├─ ThrottledError         a rate limit; ``retry_after_seconds`` if somebody said so
       ├─ NotReadyError          the object exists, its file does not yet
       ├─ InvalidRequestError    a parameter is missing or wrong
       ├─ TooManyMatchesError    beyond the window of 10,000
       └─ InternalServerError    the server failed

Every message has been through :func:`~airflow_provider_kaltura.api.redact.redact`; every class can be pickled.
"""

from __future__ import annotations

import re
from typing import ClassVar

from airflow_provider_kaltura.api.redact import redact

__all__ = [
    "AccessRefusedError",
    "AuthError",
    "ConfigurationError",
    "FlavorNotReadyError",
    "ForbiddenError",
    "HttpStatusError",
    "InternalServerError",
    "InvalidRequestError",
    "InvalidSessionError",
    "KalturaAPIError",
    "KalturaError",
    "KalturaTransportError",
    "NoFlavorsError",
    "NotFoundError",
    "NotReadyError",
    "PreferenceError",
    "ThrottledError",
    "TlsError",
    "TooManyMatchesError",
    "UnverifiedUrlError",
]


_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_UNREADABLE_CODE = "UNREADABLE_CODE"


def safe_code(code: str | None) -> str | None:
    """
    Keep an error code only if it looks like one: a server may put any text there, a KS too.

    :param code: What the server said.
    :returns: The same, or ``UNREADABLE_CODE``.
    """
    if not code:
        return None if code is None else _UNREADABLE_CODE
    return code if _CODE.fullmatch(code) and redact(code) == code else _UNREADABLE_CODE


class KalturaError(Exception):
    """
    Anything that went wrong with Kaltura.

    :param message: What happened, to which object, and what to do; secrets are taken out here.
    :param code: Kaltura's error code, or a word of ours in capitals for what never reached Kaltura.
    :param service: Kaltura service, such as ``flavorAsset``.
    :param action: Its action, such as ``getUrl``.
    :param object_id: The object asked for.
    """

    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        code: str | None = None,
        service: str | None = None,
        action: str | None = None,
        object_id: str | None = None,
    ) -> None:
        message = redact(message)
        code = safe_code(code)
        super().__init__(message, code, service, action, object_id)
        self.message = message
        self.code = code
        self.service = service
        self.action = action
        self.object_id = object_id
        self.retry_after_seconds: float | None = None
        self.x_kaltura_code: str | None = None

    def __str__(self) -> str:
        return self.message


class ConfigurationError(KalturaError):
    """The connection's settings can't work, whatever the server says."""


class PreferenceError(KalturaError):
    """
    A flavor preference can't be read.

    :param message: What was expected.
    :param text: The text that was given.
    :param position: Index of the first character that can't be read; the text counts from 1, as people do.
    """

    def __init__(self, message: str, text: str, position: int) -> None:
        super().__init__(f"Flavor preference {text!r}, position {position + 1}: {message}")
        self.args = (message, text, position)
        self.text = text
        self.position = position


class NoFlavorsError(KalturaError):
    """
    The entry will never have what was asked for.

    :param entry_id: The entry.
    :param reason: Why, such as ``no_media:image``.
    :param available: What the entry has, one text per asset.
    """

    def __init__(self, entry_id: str, reason: str, available: tuple[str, ...] = ()) -> None:
        has = "; ".join(available) if available else "no flavor assets"
        super().__init__(f"Entry {entry_id}: {reason}. It has: {has}.", "NO_FLAVORS", None, None, entry_id)
        self.args = (entry_id, reason, available)
        self.entry_id = entry_id
        self.reason = reason
        self.available = available


class FlavorNotReadyError(KalturaError):
    """
    What was asked for is not ready yet, but may still come.

    :param entry_id: The entry.
    :param reason: What is waited for.
    """

    retryable = True

    def __init__(self, entry_id: str, reason: str) -> None:
        super().__init__(f"Entry {entry_id} is not ready: {reason}.", "FLAVOR_NOT_READY", None, None, entry_id)
        self.args = (entry_id, reason)
        self.entry_id = entry_id
        self.reason = reason


class UnverifiedUrlError(KalturaError):
    """Neither getUrl nor getDownloadUrl gave a URL that serves the asset's bytes."""


class KalturaTransportError(KalturaError):
    """No usable answer: network, timeout, HTTP 5xx, an answer that is cut, too long or not Kaltura's."""

    retryable = True


class TlsError(KalturaTransportError):
    """The server's certificate is not trusted; set ``verify`` to a CA bundle that knows it."""

    retryable = False


class HttpStatusError(KalturaTransportError):
    """HTTP 3xx or 4xx, which the API itself never answers to a right request: another host, path or proxy is meant."""

    retryable = False


class KalturaAPIError(KalturaError):
    """The server answered with an error."""


class AuthError(KalturaAPIError):
    """Wrong secret, unknown partner, or the application token was refused."""


class InvalidSessionError(AuthError):
    """
    The KS is not, or no longer, accepted.

    ``renewable`` is True for EXPIRED and LOGOUT, the only cases that a new KS of the same kind cures.
    """

    def __init__(
        self,
        message: str,
        code: str | None = None,
        service: str | None = None,
        action: str | None = None,
        object_id: str | None = None,
        renewable: bool = False,  # noqa: FBT001, FBT002 - positional, so that the error can be pickled
    ) -> None:
        super().__init__(message, code, service, action, object_id)
        self.args = (self.message, code, service, action, object_id, renewable)
        self.renewable = renewable


class NotFoundError(KalturaAPIError):
    """No such object, or none that this session may see."""


class ForbiddenError(KalturaAPIError):
    """Authenticated, but not allowed; another KS of the same kind does not help."""


class AccessRefusedError(KalturaAPIError):
    """An empty answer whose reason is only in the X-Kaltura header: access control, scheduling, moderation, …"""


class ThrottledError(KalturaAPIError):
    """A rate limit of the installation."""

    retryable = True


class NotReadyError(KalturaAPIError):
    """The object exists, its file does not yet; read the object's status before waiting for it."""

    retryable = True


class InvalidRequestError(KalturaAPIError):
    """A parameter is missing or wrong."""


class TooManyMatchesError(KalturaAPIError):
    """The offset lies beyond Kaltura's window of 10,000 matches."""


class InternalServerError(KalturaAPIError):
    """The server failed; it may be a passing outage or a permanent bug, so tries are capped."""

    retryable = True
