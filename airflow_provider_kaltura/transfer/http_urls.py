"""Where bytes may be fetched from, and what a URL takes along when it is redirected."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import parse_qsl, unquote, urljoin, urlsplit

from airflow_provider_kaltura.transfer.errors import RedirectRefusedError

#: A query value or path segment at least this long may be a session (signed ones have more than 90 characters);
#: shorter ones are names and ids, which a redirect to a CDN repeats.
_SECRET_LENGTH = 64


class ResolvedUrl(Protocol):
    """Where the bytes are now. ``needs_session``: a session is in the URL, and never leaves its host."""

    @property
    def url(self) -> str:
        """The URL, a secret."""

    @property
    def needs_session(self) -> bool:
        """Whether a session is in it."""


class Resolve(Protocol):
    """Gives the URL; asked again when one stopped working."""

    def __call__(self, *, stale: str | None = None) -> ResolvedUrl:
        """Return a URL; *stale* is one that no longer works."""


@dataclass(frozen=True, slots=True)
class FixedUrl:
    """
    A URL that is known beforehand; also its own resolver.

    :param url: The URL; not in the repr.
    :param needs_session: Whether a session is in it.
    """

    url: str = field(repr=False)
    needs_session: bool = False

    def __call__(self, *, stale: str | None = None) -> FixedUrl:
        """
        Return the same URL.

        :param stale: Ignored: there is no other.
        :returns: Itself.
        """
        return self


def next_url(first: ResolvedUrl, url: str, location: str) -> str:
    """
    Follow a redirect, if it may be followed.

    :param first: What the resolver gave.
    :param url: Where the redirect came from.
    :param location: Where it leads, absolute or relative.
    :returns: The absolute URL.
    :raises RedirectRefusedError: It leaves http(s), goes from https to http, or takes a session to another host.
    """
    # http.client reads headers as Latin-1; servers send UTF-8.
    with contextlib.suppress(UnicodeError):
        location = location.encode("latin-1").decode("utf-8")
    try:
        target = urljoin(url, location)
    except ValueError:
        raise RedirectRefusedError("the redirect can't be read", urlsplit(url).hostname) from None
    require_http(target, before=url)
    home = urlsplit(first.url).hostname
    if first.needs_session and urlsplit(target).hostname != home:
        # A session may be anywhere in the URL that has it, so that nothing that may be one goes on; the service may
        # have put a new one into a redirect to itself.
        before = {first.url, url} if urlsplit(url).hostname == home else {first.url}
        text = _plain(target)
        if any(secret in text for each in before for secret in _possible_secrets(each)):
            raise RedirectRefusedError("a redirect would take a session to another host", urlsplit(target).hostname)
    return target


def _possible_secrets(url: str) -> set[str]:
    parts = urlsplit(url)
    texts = [value for _, value in parse_qsl(parts.query)] + parts.path.split("/")
    return {_plain(text) for text in texts if len(text) >= _SECRET_LENGTH}


def _plain(text: str) -> str:
    # "+" and "%20" are one thing in a query, and a redirect may encode what is encoded once more.
    return unquote(unquote(text)).replace("+", " ")


def require_http(url: str, *, before: str | None) -> None:
    """
    Refuse a URL that media don't come from.

    :param url: Where to ask.
    :param before: Where the redirect to it came from, None for the first.
    :raises RedirectRefusedError: It is no http(s), or http after https.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        raise RedirectRefusedError("the URL can't be read") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise RedirectRefusedError("media come over http or https only", host)
    if before is not None and urlsplit(before).scheme == "https" and parts.scheme == "http":
        raise RedirectRefusedError("a redirect would leave https", host)
