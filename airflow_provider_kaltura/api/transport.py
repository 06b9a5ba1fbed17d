"""HTTP that can be trusted: pooled, with timeouts, bounded answers, and redirects that never carry a KS away."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_kaltura.api import body
from airflow_provider_kaltura.api.errors import KalturaTransportError, TlsError
from airflow_provider_kaltura.quiet import quiet_urllib3

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import requests

    from airflow_provider_kaltura.api.config import ClientConfig

# A server that sends a byte now and then keeps every read timeout alive: the whole answer has a limit too. It is looked
# at between reads of the body; http.client reads the headers (64 KB a line, 100 lines at most) and the size line of a
# chunk in one go, so that only the read timeout, byte for byte, holds there, and the limit directly afterwards.
_WHOLE_ANSWER_FACTOR = 5


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, read to its end; ``headers`` ignore case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def content_type(self) -> str:
        """Content type without parameters, in lower case."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()


class Transport:
    """
    Connections of one Kaltura account, for any number of threads.

    :param config: Timeouts, proxies, CA, User-Agent, bounds.
    :param clock: Seconds, never going back.
    """

    def __init__(self, config: ClientConfig, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._clock = clock
        self._lock = threading.Lock()
        self._session: requests.Session | None = None
        self._owner = 0
        self._routes: dict[tuple[str, str], tuple[bool | str | None, Any]] = {}
        self.requests_sent = 0

    def post(self, url: str, *, json: Any = None, data: Any = None, content_type: str | None = None) -> Answer:
        """
        Send one POST and read its answer to the end.

        :param url: Below the service URL.
        :param json: Body as JSON, or
        :param data: body as bytes or an encoder of a form with files.
        :param content_type: Content type of *data*.
        :returns: The answer, whatever its status.
        :raises KalturaTransportError: No answer, a cut one, or one that is too long.
        """
        headers = {"Accept": "text/xml"}
        if content_type:
            headers["Content-Type"] = content_type
        with _translated(self._config.service_url):
            begun = self._clock()
            response = self.open("POST", url, headers=headers, json=json, data=data)
            try:
                return Answer(response.status_code, response.headers, self._read(response, begun))
            finally:
                response.close()

    def open(
        self, method: str, url: str, *, headers: Mapping[str, str], json: Any = None, data: Any = None
    ) -> requests.Response:
        """
        Send one request and give its answer unread; redirects are never followed here.

        :param method: HTTP method.
        :param url: Where.
        :param headers: Headers.
        :param json: Body as JSON, or
        :param data: body as it is.
        :returns: The open answer; the caller closes it.
        """
        config = self._config
        session = self._get_session()
        with self._lock:
            self.requests_sent += 1
        verify, proxies = self._route(session, url)
        request = _requests().Request(method, url, headers=dict(headers), json=json, data=data, auth=_no_auth)
        with quiet_urllib3():
            return session.send(
                session.prepare_request(request),
                timeout=(config.connect_timeout_seconds, config.read_timeout_seconds),
                verify=verify,
                proxies=proxies,
                allow_redirects=False,
                stream=True,
            )

    def close(self) -> None:
        """Close idle connections; the transport stays usable."""
        with self._lock:
            session, self._session = self._session, None
            self._routes = {}
        if session is not None:
            session.close()

    def _route(self, session: requests.Session, url: str) -> tuple[bool | str | None, Any]:
        """Tell the CA and the proxies for a host; looked up once, since reading the environment takes 1 ms."""
        parts = urlsplit(url)
        host = (parts.scheme, parts.netloc)
        if host not in self._routes:
            config = self._config
            # By hand, since Session.request would let REQUESTS_CA_BUNDLE win over the connection's own `verify`.
            settings = session.merge_environment_settings(url, dict(config.proxies or {}), True, None, None)
            verify = settings["verify"] if config.verify is True else config.verify
            self._routes[host] = (verify, settings["proxies"])
        return self._routes[host]

    def _get_session(self) -> requests.Session:
        with self._lock:
            # Sockets must not be shared with a parent process.
            if self._session is None or self._owner != os.getpid():
                self._session = self._new_session()
                self._owner = os.getpid()
            return self._session

    def _new_session(self) -> requests.Session:
        from http.cookiejar import DefaultCookiePolicy  # noqa: PLC0415 - not needed before the first request

        session: requests.Session = _requests().Session()
        adapter = _requests().adapters.HTTPAdapter(
            pool_connections=8, pool_maxsize=self._config.max_concurrent_requests, max_retries=0
        )
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        # Cookies of one call must not decide about another.
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        session.headers.update({"User-Agent": self._config.user_agent, "Accept-Encoding": "gzip"})
        return session

    def _read(self, response: requests.Response, begun: float) -> bytes:
        limit = _WHOLE_ANSWER_FACTOR * self._config.read_timeout_seconds

        def check_time() -> None:
            if self._clock() - begun > limit:
                raise KalturaTransportError("The answer takes too long to arrive.", "ANSWER_TOO_SLOW")

        check_time()
        return body.read(response, max_bytes=self._config.max_answer_bytes, check_time=check_time)


class _translated:  # noqa: N801 - used as a function
    """Turn what requests raises into our errors, without URLs in the texts."""

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is None:
            return
        if translated := translate(error, self._where):
            raise translated from error


def translate(error: BaseException, where: str) -> KalturaTransportError | None:
    """
    Make our error of one that requests raised.

    :param error: What was raised.
    :param where: What was asked, for the message; without secrets.
    :returns: The error, not raised; None when requests did not raise it.
    """
    exceptions = _requests().exceptions
    if not isinstance(error, exceptions.RequestException):
        return None
    if isinstance(error, exceptions.SSLError) and "WRONG_VERSION_NUMBER" in repr(error):
        text = "the server speaks plain HTTP on this port, not TLS; put http:// before the host if that is meant"
        return TlsError(f"{where}: {text}.", "PLAIN_HTTP")
    if isinstance(error, exceptions.SSLError):
        return TlsError(f"{where}: no trusted TLS connection ({_cause(error)}).", "TLS")
    for kinds, code, text in (
        (exceptions.ProxyError, "PROXY", "the proxy on the way failed"),
        (exceptions.ConnectTimeout, "UNREACHABLE", "no connection in time"),
        (exceptions.Timeout, "TIMEOUT", "no answer in time"),
        ((exceptions.ChunkedEncodingError, exceptions.ContentDecodingError), "CUT_ANSWER", "the answer was cut"),
        (exceptions.ConnectionError, "UNREACHABLE", "no connection"),
    ):
        if isinstance(error, kinds):
            return KalturaTransportError(f"{where}: {text} ({_cause(error)}).", code)
    return KalturaTransportError(f"{where}: the request failed ({_cause(error)}).", "REQUEST_FAILED")


def _cause(error: BaseException) -> str:
    """Name the innermost cause: the texts around it repeat the URL with everything in it."""
    seen: set[int] = set()
    while id(error) not in seen:
        seen.add(id(error))
        inner = getattr(error, "reason", None) or error.__cause__ or error.__context__ or _first_argument(error)
        if not isinstance(inner, BaseException):
            break
        error = inner
    text = str(getattr(error, "strerror", None) or getattr(error, "verify_message", None) or "")
    return f"{type(error).__name__}{': ' if text else ''}{text}"


def _first_argument(error: BaseException) -> object:
    return next((item for item in error.args if isinstance(item, BaseException)), None)


def _no_auth(request: Any) -> Any:
    # Without this, requests would send credentials of a .netrc file.
    return request


def _requests() -> Any:
    import requests  # noqa: PLC0415 - heavy; not needed before the first request

    return requests
