"""What all users of one connection share within a process: connections, limits, sessions, what was learnt."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_kaltura.api import secrets
from airflow_provider_kaltura.api.limiter import Limiter
from airflow_provider_kaltura.api.retries import Retrier
from airflow_provider_kaltura.api.session import SessionManager, default_scope
from airflow_provider_kaltura.api.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_kaltura.api.config import ClientConfig
    from airflow_provider_kaltura.api.session import Session, SessionScope


@dataclass(frozen=True, slots=True)
class _ScopedSessions:
    """The sessions of one scope, as clients want them."""

    manager: SessionManager
    scope: SessionScope

    def current(self) -> Session:
        return self.manager.get(self.scope)

    def renew(self, stale: str) -> Session:
        return self.manager.renew(stale, self.scope)


class Runtime:
    """
    The shared parts of one connection.

    :param config: The connection.
    :param retrier: How requests are repeated.
    :param now: Seconds since the epoch.
    """

    def __init__(
        self,
        config: ClientConfig,
        *,
        retrier: Retrier | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        secrets.announce(config.auth.secret)
        self.config = config
        self.now = now
        self.retrier = retrier or Retrier()
        self.limiter = Limiter(config.max_concurrent_requests, config.requests_per_second)
        self.transport = Transport(config)
        self.sessions = SessionManager(config, self.anonymous_client, now=now)
        self._shared: Any = None
        self.access_rules: dict[int, tuple[float, bool | None]] = {}

    def anonymous_client(self, ks: str | None = None) -> Any:
        """
        Make a client outside the session cache.

        :param ks: A KS to use as it is; None for none.
        :returns: A :class:`~airflow_provider_kaltura.api.client.TrustedKalturaClient`.
        """
        from airflow_provider_kaltura.api.client import TrustedKalturaClient  # noqa: PLC0415 - imports KalturaClient

        client = TrustedKalturaClient(self)
        if ks is not None:
            client.setKs(ks)
        return client

    def client(self, scope: SessionScope | None = None) -> Any:
        """
        Make an authenticated client.

        :param scope: What its session is for; the connection's own scope by default.
        :returns: A :class:`~airflow_provider_kaltura.api.client.TrustedKalturaClient`.
        """
        from airflow_provider_kaltura.api.client import TrustedKalturaClient  # noqa: PLC0415 - imports KalturaClient

        return TrustedKalturaClient(self, _ScopedSessions(self.sessions, scope or default_scope(self.config)))

    def shared_client(self) -> Any:
        """
        Return the connection's own client, for calls of this package; users get one of their own.

        :returns: A :class:`~airflow_provider_kaltura.api.client.TrustedKalturaClient`; binding 300 services to a new
            one takes 1 ms.
        """
        if self._shared is None:
            self._shared = self.client()
        return self._shared


_lock = threading.Lock()
_runtimes: dict[tuple[object, ...], Runtime] = {}


def runtime_of(config: ClientConfig) -> Runtime:
    """
    Return this process's runtime of a connection.

    :param config: The connection; equal settings share one runtime.
    :returns: The runtime.
    """
    key = (
        config.fingerprint(),
        config.connect_timeout_seconds,
        config.read_timeout_seconds,
        config.verify,
        tuple(sorted((config.proxies or {}).items())),
        config.user_agent,
        config.max_concurrent_requests,
        config.requests_per_second,
        config.max_answer_bytes,
    )
    with _lock:
        if key not in _runtimes:
            _runtimes[key] = Runtime(config)
        return _runtimes[key]


def forget_all() -> None:
    """Forget every runtime: in a forked child, whose sockets and locks are its parent's, and in tests."""
    global _lock  # noqa: PLW0603 - a lock that another thread held during a fork would never be released
    _lock = threading.Lock()
    _runtimes.clear()


os.register_at_fork(after_in_child=forget_all)
