"""From a job to the source of its bytes, over one pool of connections."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from airflow_provider_kaltura.api.config import USER_AGENT
from airflow_provider_kaltura.api.redact import session_in_url
from airflow_provider_kaltura.ingest.media_urls import version_in_url
from airflow_provider_kaltura.ingest.plan import FLAVOR
from airflow_provider_kaltura.transfer.errors import SourceError, SourceExpiredError
from airflow_provider_kaltura.transfer.http_pool import HttpOptions, HttpPool
from airflow_provider_kaltura.transfer.http_source import HttpSource, probe_size

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from airflow_provider_kaltura.api.config import ClientConfig
    from airflow_provider_kaltura.api.models import MediaUrl
    from airflow_provider_kaltura.ingest.models import AssetJob, UrlResolver

_PROBES: Final = 4
_FIRST_WAIT_SECONDS: Final = 0.5


class HttpSources:
    """
    Opens the source of each job; what :func:`~airflow_provider_kaltura.ingest.run.run` takes as ``open_source``.

    :param pool: Connections; an own one by default.
    :param sleep: Waits some seconds between two probes; exchanged by tests.
    """

    def __init__(self, pool: HttpPool | None = None, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._pool = pool or HttpPool(HttpOptions(user_agent=USER_AGENT))
        self._sleep = sleep

    @classmethod
    def of(cls, config: ClientConfig | None, *, sleep: Callable[[float], None] = time.sleep) -> Self:
        """
        Fetch media as the connection says: its certificates, proxies and time limits.

        :param config: A connection's settings; None for none, such as for a bare URL.
        :param sleep: See the class.
        :returns: The sources.
        """
        if config is None:
            return cls(sleep=sleep)
        return cls(
            HttpPool(
                HttpOptions(
                    connect_timeout_seconds=config.connect_timeout_seconds,
                    read_timeout_seconds=config.read_timeout_seconds,
                    verify=config.verify,
                    proxies=config.proxies,
                    user_agent=config.user_agent,
                )
            ),
            sleep=sleep,
        )

    def __call__(self, job: AssetJob) -> HttpSource:
        """
        Open the source of a job.

        :param job: The job; when it has no size, the server is asked for it.
        :returns: The source.
        :raises SourceExpiredError: The server says that the object is empty.
        :raises SourceError: The size is unknown and the server doesn't tell it.
        """
        resolver = _Remembering(job.resolve_url)
        return HttpSource(
            resolver,
            # A flavor is never empty: Kaltura's size 0 means that it does not know it.
            size_bytes=self._probe(resolver) if job.size_bytes is None or _is_unset(job) else job.size_bytes,
            version=job.version,
            version_of=version_in_url,
            has_session=_has_session,
            pool=self._pool,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections up."""
        self._pool.close()

    def _probe(self, resolver: _Remembering) -> int:
        for count in range(1, _PROBES):
            try:
                return self._probe_once(resolver)
            except SourceError as error:
                if not error.retryable:
                    raise
                if isinstance(error, SourceExpiredError):
                    resolver.renounce()
            self._sleep(_FIRST_WAIT_SECONDS * 2 ** (count - 1))
        return self._probe_once(resolver)

    def _probe_once(self, resolver: _Remembering) -> int:
        size_bytes = probe_size(resolver, pool=self._pool, has_session=_has_session)
        if size_bytes == 0:
            # An empty answer is how Kaltura refuses, and no media file is empty.
            raise SourceExpiredError("an empty object", urlsplit(resolver().url).hostname)
        return size_bytes


def _is_unset(job: AssetJob) -> bool:
    return job.asset_type == FLAVOR and job.size_bytes == 0


def _has_session(url: str) -> bool:
    return session_in_url(url) is not None


class _Remembering:
    """Keeps the URL that a probe found for the transfer, and tells the resolver which one was refused."""

    def __init__(self, resolve_url: UrlResolver) -> None:
        self._resolve_url = resolve_url
        self._known: MediaUrl | None = None
        self._stale: str | None = None

    def __call__(self, *, stale: str | None = None) -> MediaUrl:
        if stale is not None:
            self._known, self._stale = None, stale
        if self._known is None:
            self._known = self._resolve_url(stale=self._stale)
        return self._known

    def renounce(self) -> None:
        """Ask for another URL the next time."""
        if self._known is not None:
            self._stale = self._known.url
            self._known = None
