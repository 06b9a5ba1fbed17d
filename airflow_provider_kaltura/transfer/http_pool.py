"""One pool of connections for many sources: settings, proxies, certificates, and no URL in anybody's log."""

from __future__ import annotations

import os
import ssl
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from airflow_provider_kaltura.quiet import quiet_urllib3
from airflow_provider_kaltura.transfer.errors import SourceError, SourceUnavailableError, SourceUntrustedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Self

    import urllib3


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpOptions:
    """
    How bytes are fetched over HTTP.

    :param connect_timeout_seconds: For a connection; hosts that are there answer within a few seconds.
    :param read_timeout_seconds: Longest silence between two bytes; media servers may open a file slowly.
    :param verify: True for the usual certificates (``REQUESTS_CA_BUNDLE``, ``SSL_CERT_FILE``, else certifi's), a path
        to others, False for none.
    :param proxies: URL of the proxy by scheme, as requests takes it; None for those of the environment.
    :param user_agent: Sent with every request.
    :param refusal_header: Header with which a server refuses although its status is 200.
    :param refusal_mark: The header refuses only when its value contains this.
    :param allow_html: Take ``text/html`` for the object itself, not for an error page.
    :param max_redirects: As many as are followed.
    :param max_connections: Kept per host.
    """

    connect_timeout_seconds: float = 10.0
    read_timeout_seconds: float = 120.0
    verify: bool | str = True
    proxies: Mapping[str, str] | None = field(default=None, repr=False)
    user_agent: str = "airflow-provider-kaltura"
    refusal_header: str | None = "X-Kaltura"
    refusal_mark: str = "error-"
    allow_html: bool = False
    max_redirects: int = 5
    max_connections: int = 8

    def __post_init__(self) -> None:
        if min(self.connect_timeout_seconds, self.read_timeout_seconds) <= 0:
            raise ValueError("timeouts are greater than 0")
        if self.max_redirects < 0 or self.max_connections < 1:
            raise ValueError("max_redirects is at least 0, max_connections at least 1")


class HttpPool:
    """
    Connections that several sources share, from any thread. ``urllib3`` is imported with the first request.

    :param options: How to fetch.
    """

    def __init__(self, options: HttpOptions | None = None) -> None:
        self.options = options or HttpOptions()
        self._lock = threading.Lock()
        self._managers: dict[tuple[str, str | None], urllib3.PoolManager] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(self, url: str, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        """
        Ask for a URL and read the head of the answer; redirects are not followed.

        :param url: Absolute, http or https.
        :param headers: Besides those of every request.
        :returns: The answer with its body unread.
        :raises SourceUnavailableError: No answer came.
        :raises SourceUntrustedError: The certificate does not hold.
        """
        import urllib3  # noqa: PLC0415 - 40 ms that a DAG file need not pay

        host = urlsplit(url).hostname
        common = {"Accept-Encoding": "identity", "User-Agent": self.options.user_agent, "Accept": "*/*"}
        try:
            with quiet_urllib3():
                return self._manager(url).request(
                    "GET", url, headers={**common, **headers}, redirect=False, retries=False, preload_content=False
                )
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            # The cause's text may hold the URL, so that only what failed is told.
            raise no_answer(error, host) from None

    def close(self) -> None:
        """Give all idle connections up."""
        with self._lock:
            managers, self._managers = list(self._managers.values()), {}
        for manager in managers:
            manager.clear()

    def _manager(self, url: str) -> urllib3.PoolManager:
        proxy = self._proxy_of(url)
        key = (urlsplit(url).scheme, proxy)
        with self._lock:
            if key not in self._managers:
                self._managers[key] = self._make_manager(*key)
            return self._managers[key]

    def _make_manager(self, scheme: str, proxy: str | None) -> urllib3.PoolManager:
        import urllib3  # noqa: PLC0415 - see get

        timeout = urllib3.Timeout(connect=self.options.connect_timeout_seconds, read=self.options.read_timeout_seconds)
        common: dict[str, Any] = {"timeout": timeout, "maxsize": self.options.max_connections, "num_pools": 32}
        if scheme == "https" or (proxy or "").startswith("https:"):
            # Reading the certificates takes 20 ms, so that nobody pays for them without need.
            common["ssl_context"] = self._tls()
        if proxy is None:
            return _interruptible(urllib3.PoolManager(**common))
        parts = urlsplit(proxy)
        headers = None
        if parts.username is not None:
            headers = urllib3.make_headers(proxy_basic_auth=f"{parts.username}:{parts.password or ''}")
        return _interruptible(
            urllib3.ProxyManager(proxy, proxy_headers=headers, proxy_ssl_context=common.get("ssl_context"), **common)
        )

    def _tls(self) -> ssl.SSLContext:
        verify = self.options.verify
        if verify is False:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            return context
        path = verify if isinstance(verify, str) else _usual_certificates()
        if path is None:
            return ssl.create_default_context()
        if os.path.isdir(path):  # noqa: PTH112 - nothing but this one question
            return ssl.create_default_context(capath=path)
        return ssl.create_default_context(cafile=path)

    def _proxy_of(self, url: str) -> str | None:
        parts = urlsplit(url)
        if self.options.proxies is not None:
            exact = f"{parts.scheme}://{parts.hostname}"
            proxies = self.options.proxies
            return proxies.get(exact) or proxies.get(parts.scheme) or proxies.get("all") or None
        if parts.hostname is None or proxy_bypass(parts.hostname):
            return None
        found = getproxies()
        proxy = found.get(parts.scheme) or found.get("all")
        return f"http://{proxy}" if proxy and "://" not in proxy else proxy


def _interruptible(manager: urllib3.PoolManager) -> urllib3.PoolManager:
    from airflow_provider_kaltura.transfer.http_interrupt import POOL_CLASSES  # noqa: PLC0415 - needs urllib3

    manager.pool_classes_by_scheme = POOL_CLASSES
    return manager


def no_answer(error: Exception, host: str | None) -> SourceError:
    """
    Say why no answer came, without the URL that the library's own text may hold.

    :param error: What the library raised.
    :param host: Who was asked.
    :returns: The error to raise.
    """
    reason = reason_of(error)
    if _caused_by(error, ssl.SSLCertVerificationError):
        return SourceUntrustedError(f"the server's certificate does not hold: {reason}", host)
    return SourceUnavailableError(f"no answer: {reason}", host)


def reason_of(error: BaseException) -> str:
    """
    Name an error of the network in words that can't hold a URL.

    :param error: What the library raised.
    :returns: The name of its class, and the system's words if there are any.
    """
    for each in _chain(error):
        if isinstance(each, ssl.SSLCertVerificationError):
            return f"{type(error).__name__}, {each.verify_message}"
        if isinstance(each, OSError) and each.strerror:
            return f"{type(error).__name__}, {each.strerror}"
    return type(error).__name__


def _caused_by(error: BaseException, kind: type[BaseException]) -> bool:
    return any(isinstance(each, kind) for each in _chain(error))


def _chain(error: BaseException) -> Iterator[BaseException]:
    waiting, seen = [error], set[int]()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        nested = (each.__cause__, each.__context__, getattr(each, "reason", None), *each.args)
        waiting.extend(inner for inner in nested if isinstance(inner, BaseException))


def _usual_certificates() -> str | None:
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        if os.environ.get(name):
            return os.environ[name]
    try:
        import certifi  # noqa: PLC0415 - comes with requests; not needed for http
    except ImportError:
        return None
    return certifi.where()
