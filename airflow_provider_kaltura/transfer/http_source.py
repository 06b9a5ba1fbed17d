"""A source over HTTP: ranges of one version, each answer proved before its first byte is believed."""

from __future__ import annotations

import contextlib
import http.client
import threading
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol, Self
from urllib.parse import parse_qsl, unquote, urljoin, urlsplit

from airflow_provider_kaltura.transfer import http_answer, proofs
from airflow_provider_kaltura.transfer.errors import (
    RedirectRefusedError,
    SourceChangedError,
    SourceExpiredError,
    SourceUnprovableError,
)
from airflow_provider_kaltura.transfer.http_pool import HttpPool, reason_of
from airflow_provider_kaltura.transfer.plan import ByteRange

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    import urllib3

#: A path segment at least this long may be a session; shorter ones are names and ids.
_SECRET_LENGTH = 40
#: An answer that isn't needed is read to its end up to this length, so that its connection can be used again.
_DRAIN_BYTES = 64 * 1024


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


class HttpSource:
    """
    One immutable version of an object behind a URL, readable by ranges from several threads at once.

    The URL is asked for when it is needed, and again when it was refused. Nothing that this class raises, logs or shows
    contains it.

    :param resolve: Gives the URL.
    :param size_bytes: Length of the whole, from elsewhere (or from :func:`probe_size`).
    :param version: What the URL must be for; empty when unknown.
    :param version_of: Reads the version out of a URL; None when it names none.
    :param pool: Connections; an own one by default.
    """

    def __init__(
        self,
        resolve: Resolve,
        *,
        size_bytes: int,
        version: str = "",
        version_of: Callable[[str], str | None] | None = None,
        pool: HttpPool | None = None,
    ) -> None:
        if size_bytes < 0:
            raise ValueError(f"a size can't be negative: {size_bytes}")
        self.size_bytes = size_bytes
        self.version = version
        self.requests = 0
        self._resolve = resolve
        self._version_of = version_of or (lambda _: None)
        self._pool = pool or HttpPool()
        self._lock = threading.Lock()
        self._url: ResolvedUrl | None = None
        self._stale: str | None = None
        self._validator: str | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size_bytes={self.size_bytes}, version={self.version!r})"

    def open(self, start: int, stop: int) -> HttpStream:
        """
        Ask for the half-open range ``[start, stop)``: one try, which the caller repeats as it likes.

        The whole is asked for without a ``Range``, so that servers without ranges serve too.

        :param start: First byte.
        :param stop: One past the last byte.
        :returns: The stream of exactly these bytes.
        :raises SourceError: The answer is not what was asked for; see ``retryable`` and the class.
        """
        if not 0 <= start <= stop <= self.size_bytes:
            raise ValueError(f"[{start}, {stop}) is not within {self.size_bytes} bytes")
        wanted = ByteRange(start, stop)
        whole = (start, stop) == (0, self.size_bytes)
        # HTTP ranges include both ends (RFC 9110, 14.1.2); ours are half-open.
        response, host, asked = self._ask({} if whole else {"Range": f"bytes={start}-{stop - 1}"})
        try:
            status, headers = response.status, response.headers
            http_answer.refuse_useless(status, headers, self._pool.options, host)
            if whole:
                promised = http_answer.prove_whole(status, headers, self.size_bytes, host)
            else:
                promised = http_answer.prove_range(status, headers, wanted, self.size_bytes, host)
            self._same_validator(headers, host)
        except SourceExpiredError:
            self._renounce(asked)
            _drop(response)
            raise
        except BaseException:
            _drop(response)
            raise
        return HttpStream(
            response, wanted.size_bytes, promised=promised, host=host, refused=partial(self._renounce, asked)
        )

    def size_told(self) -> int:
        """
        Ask for the first byte only to learn the length of the whole.

        :returns: The length.
        :raises SourceUnprovableError: The server doesn't tell it.
        :raises SourceError: The answer is of no use.
        """
        response, host, asked = self._ask({"Range": "bytes=0-0"})
        try:
            http_answer.refuse_useless(response.status, response.headers, self._pool.options, host)
            size_bytes = http_answer.size_told(response.status, response.headers, host)
        except SourceExpiredError:
            self._renounce(asked)
            raise
        finally:
            _drop(response)
        if size_bytes is None:
            raise SourceUnprovableError("the server doesn't tell the size, so that nothing could prove the bytes", host)
        return size_bytes

    def _ask(self, headers: Mapping[str, str]) -> tuple[urllib3.BaseHTTPResponse, str | None, ResolvedUrl]:
        first = self._current()
        url = first.url
        _require_http(url, before=None)
        for _ in range(self._pool.options.max_redirects + 1):
            host = urlsplit(url).hostname
            proofs.source_version(self.version, self._version_of(url), host)
            with self._lock:
                self.requests += 1
            response = self._pool.get(url, headers)
            location = response.headers.get("Location")
            if response.status not in http_answer.REDIRECTS or location is None:
                return response, host, first
            _drop(response)
            url = _next_url(first, url, location)
        raise RedirectRefusedError(
            f"more than {self._pool.options.max_redirects} redirects", urlsplit(first.url).hostname
        )

    def _current(self) -> ResolvedUrl:
        with self._lock:
            if self._url is None:
                self._url = self._resolve(stale=self._stale)
            return self._url

    def _renounce(self, refused: ResolvedUrl) -> None:
        with self._lock:
            # Another thread may have got a new one meanwhile, which nobody has refused.
            if self._url is refused:
                self._stale, self._url = refused.url, None

    def _same_validator(self, headers: Mapping[str, str], host: str | None) -> None:
        # Where the URL names its version, entity tags prove nothing more and differ between the nodes of some CDNs.
        tag = headers.get("ETag")
        if self.version or tag is None or tag.startswith("W/"):
            return
        with self._lock:
            known, self._validator = self._validator or tag, self._validator or tag
        if known != tag:
            raise SourceChangedError("the entity tag has changed", host)


class HttpStream:
    """
    The body of one proved answer.

    The last bytes are given out only when the body has been seen to end where it should.

    :param response: With its body unread.
    :param size_bytes: How many bytes the body must have.
    :param promised: Its Content-Length, None when only its end tells.
    :param host: Who sends it.
    :param refused: Told when the body turns out to be an empty refusal.
    """

    def __init__(
        self,
        response: urllib3.BaseHTTPResponse,
        size_bytes: int,
        *,
        promised: int | None,
        host: str | None,
        refused: Callable[[], None],
    ) -> None:
        self._response = response
        self._missing = size_bytes
        self._promised = promised
        self._host = host
        self._refused = refused
        self._empty = True
        self._ended = False
        self._reusable = False
        body = getattr(response, "_fp", None)
        self._body = body if isinstance(body, http.client.HTTPResponse) else None
        if size_bytes == 0:
            self._prove_end()

    def readinto(self, buffer: memoryview) -> int:
        """
        Fill the beginning of *buffer*.

        :param buffer: Writable, at least one byte long.
        :returns: Number of bytes; 0 only when the whole range has been given.
        :raises SourceCutError: The body ended early.
        :raises SourceLengthError: It goes on after its end.
        :raises SourceExpiredError: It is empty and promised nothing.
        """
        if self._missing == 0 or self._ended:
            return 0
        count = self._read_into(buffer[: self._missing])
        if count == 0:
            self._ended = True
            if self._empty and self._promised is None and self._response.status == http_answer.OK:
                self._refused()
                raise SourceExpiredError("an empty answer", self._host, self._response.status)
            proofs.range_not_cut(self._missing, self._host)
            return 0
        self._empty = False
        self._missing -= count
        if self._missing == 0:
            self._prove_end()
        return count

    def close(self) -> None:
        """Give the connection back when its body was read to the end, and up otherwise; harmless when repeated."""
        if self._reusable:
            self._response.release_conn()
        self._response.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _read_into(self, window: memoryview) -> int:
        # urllib3 copies what it reads; the body under it reads into the buffer, a fifth faster. It doesn't notice a
        # body that ends early (nor does its end give the connection back), but here every byte is counted anyway.
        try:
            if self._body is not None:
                return self._body.readinto(window)
            data = self._response.read(len(window), decode_content=False)
            window[: len(data)] = data
            return len(data)
        except Exception as error:
            if not _is_network_trouble(error):
                raise
            reason = reason_of(error)
        self._ended = True
        proofs.range_not_cut(self._missing, self._host, reason)
        return 0

    def _prove_end(self) -> None:
        # With a Content-Length the library stops where it says; without one only the end of the body tells.
        if self._promised is None:
            proofs.nothing_after_range(self._read_into(memoryview(bytearray(1))), self._host)
        self._reusable = not self._ended


def probe_size(resolve: Resolve, *, pool: HttpPool) -> int:
    """
    Learn the length of what stands behind a bare URL.

    :param resolve: Gives the URL.
    :param pool: Connections.
    :returns: The length, from Content-Range or Content-Length.
    :raises SourceUnprovableError: The server tells neither.
    :raises SourceError: The answer is of no use.
    """
    return HttpSource(resolve, size_bytes=0, pool=pool).size_told()


def _is_network_trouble(error: Exception) -> bool:
    import urllib3  # noqa: PLC0415 - loaded already by whoever made the response

    # ValueError: a chunk's length that is no number.
    return isinstance(error, (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ValueError))


def _next_url(first: ResolvedUrl, url: str, location: str) -> str:
    # http.client reads headers as Latin-1; servers send UTF-8.
    with contextlib.suppress(UnicodeError):
        location = location.encode("latin-1").decode("utf-8")
    try:
        target = urljoin(url, location)
    except ValueError:
        raise RedirectRefusedError("the redirect can't be read", urlsplit(url).hostname) from None
    _require_http(target, before=url)
    if first.needs_session and urlsplit(target).hostname != urlsplit(first.url).hostname:
        # A session may be anywhere in the URL that has it, so that nothing that may be one goes on.
        text = unquote(target)
        if any(secret in text for secret in _possible_secrets(first.url)):
            raise RedirectRefusedError("a redirect would take a session to another host", urlsplit(target).hostname)
    return target


def _possible_secrets(url: str) -> set[str]:
    parts = urlsplit(url)
    values = {value for _, value in parse_qsl(parts.query)}
    segments = {segment for segment in unquote(parts.path).split("/") if len(segment) >= _SECRET_LENGTH}
    return values | segments


def _require_http(url: str, *, before: str | None) -> None:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        raise RedirectRefusedError("the URL can't be read") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise RedirectRefusedError("media come over http or https only", host)
    if before is not None and urlsplit(before).scheme == "https" and parts.scheme == "http":
        raise RedirectRefusedError("a redirect would leave https", host)


def _drop(response: urllib3.BaseHTTPResponse) -> None:
    try:
        length = int(response.headers.get("Content-Length", ""))
    except ValueError:
        length = _DRAIN_BYTES + 1
    if length <= _DRAIN_BYTES:
        response.drain_conn()
        response.release_conn()
    response.close()
