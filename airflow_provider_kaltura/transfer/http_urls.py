"""Where bytes may be fetched from, and what a URL takes along when it is redirected."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias
from urllib.parse import parse_qsl, unquote, urljoin, urlsplit

from airflow_provider_kaltura.transfer.errors import RedirectRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Tells whether a session is in a URL.
HasSession: TypeAlias = "Callable[[str], bool]"

#: A query value or path segment at least this long may be a session (signed ones have more than 90 characters);
#: shorter ones are names and ids, which a redirect to a CDN repeats.
_SECRET_LENGTH = 64
_PIECE_LENGTH = 32


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


class UrlChain:
    """
    A URL and those that redirects led to from it: what may be a session in one of them never goes to another host.

    Guards against servers that hand on what they were given, in whatever spelling; a server that means harm could
    disguise it, but it has it anyway.

    :param first: What the resolver gave.
    :param has_session: Tells whether a session is in a URL.
    :raises RedirectRefusedError: It is no http(s) URL.
    """

    def __init__(self, first: ResolvedUrl, has_session: HasSession) -> None:
        require_http(first.url, before=None)
        self.url = first.url
        self._first = first
        self._has_session = has_session
        self._home = self.host
        self._guarded: list[tuple[str | None, frozenset[str]]] = []
        self._note()

    @property
    def host(self) -> str | None:
        """Host of the URL that the chain has come to."""
        return urlsplit(self.url).hostname

    def follow(self, location: str) -> None:
        """
        Go on to where a redirect leads, if it may be followed.

        :param location: Absolute or relative.
        :raises RedirectRefusedError: It leaves http(s), goes from https to http, or takes a session to another host.
        """
        # http.client reads headers as Latin-1; servers send UTF-8.
        with contextlib.suppress(UnicodeError):
            location = location.encode("latin-1").decode("utf-8")
        try:
            target = urljoin(self.url, location)
        except ValueError:
            raise RedirectRefusedError("the redirect can't be read", self.host) from None
        require_http(target, before=self.url)
        host = urlsplit(target).hostname
        if self._takes_along(target, host):
            raise RedirectRefusedError("a redirect would take a session to another host", host)
        self.url = target
        self._note()

    def _takes_along(self, target: str, host: str | None) -> bool:
        if host != self.host and self._shows_session(target):
            return True
        bare = _bare(target)
        foreign = frozenset[str]().union(*(secrets for owner, secrets in self._guarded if owner != host))
        return any(piece in bare for secret in foreign for piece in _pieces(secret))

    def _note(self) -> None:
        # What a CDN makes for itself (a signature, a token) is its own matter; the service's host may put a new session
        # into a redirect to itself, which nothing but its length shows.
        is_of_service = self._first.needs_session and self.host == self._home
        if is_of_service or self._shows_session(self.url):
            self._guarded.append((self.host, _possible_secrets(self.url)))

    def _shows_session(self, url: str) -> bool:
        return self._has_session(url) or self._has_session(_unquoted(url))


def _possible_secrets(url: str) -> frozenset[str]:
    parts = urlsplit(url)
    texts = [value for _, value in parse_qsl(parts.query)] + parts.path.split("/")
    return frozenset(_bare(text) for text in texts if len(text) >= _SECRET_LENGTH)


def _pieces(secret: str) -> Iterator[str]:
    # Any piece of it, since it may come cut or divided.
    for start in range(max(1, len(secret) - _PIECE_LENGTH + 1)):
        yield secret[start : start + _PIECE_LENGTH]


def _bare(text: str) -> str:
    # Padding, separators and how often something was encoded make no difference.
    return "".join(filter(str.isalnum, _unquoted(text)))


def _unquoted(text: str) -> str:
    while (plain := unquote(text)) != text:
        text = plain
    return text


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
