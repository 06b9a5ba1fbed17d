"""A source over HTTP: ranges of one version, each answer proved before its first byte is believed."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airflow_provider_kaltura.transfer import http_answer, proofs
from airflow_provider_kaltura.transfer.errors import (
    RedirectRefusedError,
    SourceChangedError,
    SourceExpiredError,
    SourceUnprovableError,
)
from airflow_provider_kaltura.transfer.http_pool import HttpPool
from airflow_provider_kaltura.transfer.http_stream import HttpStream
from airflow_provider_kaltura.transfer.http_urls import FixedUrl, HasSession, Resolve, ResolvedUrl, UrlChain
from airflow_provider_kaltura.transfer.plan import ByteRange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import urllib3

__all__ = ["FixedUrl", "HttpSource", "Resolve", "ResolvedUrl", "probe_size"]

#: An answer that isn't needed is read, once, up to this length and for so long, so that its connection can be used
#: again; that takes a body that came with its head, and waits for none.
_DRAIN_BYTES = 4 * 1024
_DRAIN_SECONDS = 0.25


class HttpSource:
    """
    One immutable version of an object behind a URL, readable by ranges from several threads at once.

    The URL is asked for when it is needed, and again when it was refused. Nothing that this class raises, logs or shows
    contains it.

    :param resolve: Gives the URL.
    :param size_bytes: Length of the whole, from elsewhere (or from :func:`probe_size`).
    :param version: What the URL must be for; empty when unknown.
    :param version_of: Reads the version out of a URL; None when it names none.
    :param has_session: Tells whether a session is in a URL; such a URL is never followed to another host. Beside that
        all of a URL that ``needs_session`` is guarded, by length.
    :param pool: Connections; an own one by default.
    """

    def __init__(
        self,
        resolve: Resolve,
        *,
        size_bytes: int,
        version: str = "",
        version_of: Callable[[str], str | None] | None = None,
        has_session: HasSession | None = None,
        pool: HttpPool | None = None,
    ) -> None:
        if size_bytes < 0:
            raise ValueError(f"a size can't be negative: {size_bytes}")
        self.size_bytes = size_bytes
        self.version = version
        self.requests = 0
        self._resolve = resolve
        self._version_of = version_of or (lambda _: None)
        self._has_session = has_session or (lambda _: False)
        self._pool = pool or HttpPool()
        self._lock = threading.Lock()
        self._url: ResolvedUrl | None = None
        self._stale: str | None = None
        self._validator: str | None = None
        self._by_range = False
        self._is_begun = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size_bytes={self.size_bytes}, version={self.version!r})"

    def open(self, start: int, stop: int) -> HttpStream:
        """
        Ask for the half-open range ``[start, stop)``: one try, which the caller repeats as it likes.

        The whole is asked for without a ``Range``, so that servers without ranges serve too; with one after a body
        without any length ended early, since only a Content-Range can then prove what was got.

        :param start: First byte.
        :param stop: One past the last byte.
        :returns: The stream of exactly these bytes.
        :raises SourceError: The answer is not what was asked for; see ``retryable`` and the class.
        """
        if not 0 <= start <= stop <= self.size_bytes:
            raise ValueError(f"[{start}, {stop}) is not within {self.size_bytes} bytes")
        wanted = ByteRange(start, stop)
        is_whole = (start, stop) == (0, self.size_bytes)
        # HTTP ranges include both ends (RFC 9110, 14.1.2); ours are half-open.
        answer = self._ask({} if is_whole and not self._by_range else {"Range": f"bytes={start}-{stop - 1}"})
        with self._dropped_on_error(answer):
            return HttpStream(
                answer.response,
                wanted.size_bytes,
                promised=self._prove(answer, wanted, is_whole=is_whole),
                host=answer.host,
                refused=partial(self._renounce, answer.asked),
                unproved=self._ask_by_range,
            )

    @property
    def validator(self) -> str | None:
        """What all answers whose URLs named no version have in common: a digest of their entity tag or time."""
        return self._validator

    def expect(self, validator: str | None, *, is_begun: bool) -> None:
        """
        Compare what comes with what an earlier try has got.

        :param validator: The :attr:`validator` of that try, None when it had none or could not write it down.
        :param is_begun: It has left some bytes. Without a validator only answers that name their version, or that
            tell no validator either, can then be of the same object.
        """
        with self._lock:
            self._validator, self._is_begun = validator, is_begun

    def interrupt(self, thread_id: int) -> None:
        """
        End what another thread waits for here, once it has a connection; it gets an error.

        :param thread_id: The ``ident`` of that thread.
        """
        from airflow_provider_kaltura.transfer.http_interrupt import interrupt  # noqa: PLC0415 - needs urllib3

        interrupt(thread_id)

    def size_told(self) -> int:
        """
        Ask for the first byte only to learn the length of the whole.

        :returns: The length.
        :raises SourceUnprovableError: The server doesn't tell it.
        :raises SourceError: The answer is of no use.
        """
        answer = self._ask({"Range": "bytes=0-0"})
        status, headers, host = answer.response.status, answer.response.headers, answer.host
        with self._dropped_on_error(answer):
            http_answer.refuse_useless(status, headers, self._pool.options, host)
            size_bytes = http_answer.size_told(status, headers, host)
        _drop(answer.response)
        if size_bytes is None:
            raise SourceUnprovableError("the server doesn't tell the size, so that nothing could prove the bytes", host)
        return size_bytes

    def _prove(self, answer: _Answer, wanted: ByteRange, *, is_whole: bool) -> int | None:
        status, headers, host = answer.response.status, answer.response.headers, answer.host
        http_answer.refuse_useless(status, headers, self._pool.options, host)
        if is_whole and not (self._by_range and status == http_answer.PARTIAL):
            promised = http_answer.prove_whole(status, headers, self.size_bytes, host)
        else:
            promised = http_answer.prove_range(status, headers, wanted, self.size_bytes, host)
        self._same_validator(answer)
        return promised

    @contextlib.contextmanager
    def _dropped_on_error(self, answer: _Answer) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            if isinstance(error, SourceExpiredError):
                self._renounce(answer.asked)
            _drop(answer.response)
            raise

    def _ask(self, headers: Mapping[str, str]) -> _Answer:
        first = self._current()
        chain = UrlChain(first, self._has_session)
        is_versioned = False
        for _ in range(self._pool.options.max_redirects + 1):
            version = self._version_of(chain.url)
            proofs.source_version(self.version, version, chain.host)
            is_versioned = is_versioned or version is not None
            with self._lock:
                self.requests += 1
            response = self._pool.get(chain.url, headers)
            location = response.headers.get("Location")
            if response.status not in http_answer.REDIRECTS or location is None:
                answer = _Answer(response, chain.host, first, is_versioned)
                with self._dropped_on_error(answer):
                    http_answer.refuse_unread(_unread_head(response), self._pool.options, chain.host)
                return answer
            _drop(response)
            chain.follow(location)
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

    def _ask_by_range(self) -> None:
        self._by_range = True

    def _same_validator(self, answer: _Answer) -> None:
        # Where the URL names its version these prove nothing more, and differ between the nodes of some CDNs.
        if answer.is_versioned:
            return
        tag, modified = answer.response.headers.get("ETag"), answer.response.headers.get("Last-Modified")
        validator = modified if tag is None or tag.startswith("W/") else tag
        if validator is None:
            return
        # Not a secret, but anybody's text; it gets written down.
        digest = hashlib.blake2b(validator.encode("utf-8", "replace"), digest_size=16).hexdigest()
        with self._lock:
            if self._validator is None and not self._is_begun:
                self._validator = digest
            known = self._validator
        if known != digest:
            raise SourceChangedError("the entity tag or the time of the last change is another", answer.host)


@dataclass(frozen=True, slots=True)
class _Answer:
    response: urllib3.BaseHTTPResponse
    host: str | None
    asked: ResolvedUrl
    is_versioned: bool


def probe_size(resolve: Resolve, *, pool: HttpPool, has_session: HasSession | None = None) -> int:
    """
    Learn the length of what stands behind a bare URL.

    :param resolve: Gives the URL.
    :param pool: Connections.
    :param has_session: See :class:`HttpSource`.
    :returns: The length, from Content-Range or Content-Length.
    :raises SourceUnprovableError: The server tells neither.
    :raises SourceError: The answer is of no use.
    """
    return HttpSource(resolve, size_bytes=0, has_session=has_session, pool=pool).size_told()


def _unread_head(response: urllib3.BaseHTTPResponse) -> str:
    head = getattr(getattr(response, "_fp", None), "msg", None)
    rest = None if head is None else head.get_payload()
    return rest if isinstance(rest, str) else ""


def _drop(response: urllib3.BaseHTTPResponse) -> None:
    """Give the connection back if the rest of the answer is there already, and up otherwise."""
    with contextlib.suppress(Exception):
        # Nothing of such a body is wanted, so that no trouble with it matters.
        if _read_to_its_end(response):
            response.drain_conn()
            response.release_conn()
    response.close()


def _read_to_its_end(response: urllib3.BaseHTTPResponse) -> bool:
    headers = response.headers
    length = headers.get("Content-Length", "")
    if "Transfer-Encoding" in headers or not (length.isascii() and length.isdigit()) or int(length) > _DRAIN_BYTES:
        return False
    sock = getattr(response.connection, "sock", None)
    if int(length) == 0:
        return True
    if sock is None:
        return False
    # The next request on this connection sets its own time limit.
    sock.settimeout(_DRAIN_SECONDS)
    return len(response.read1(int(length), decode_content=False)) == int(length)
