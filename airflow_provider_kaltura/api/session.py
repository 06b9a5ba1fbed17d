"""Sessions: one KS per scope and process, renewed before it ends, and once when the server says that it has ended."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_kaltura.api import ks as ks_format
from airflow_provider_kaltura.api import secrets
from airflow_provider_kaltura.api.errors import InvalidSessionError, KalturaTransportError

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_kaltura.api.config import ClientConfig, SessionType

# Renewed this long before the end, or a tenth of the whole for short sessions: a request takes seconds, not minutes.
_MARGIN_SECONDS = 300.0
_MARGIN_SHARE = 0.1
# The least that a session is used whose end lies in the past by our clock.
_SHORTEST_SECONDS = 60.0
_TYPES: dict[int, SessionType] = {ks_format.USER: "user", ks_format.ADMIN: "admin"}
_NUMBERS = {"user": ks_format.USER, "admin": ks_format.ADMIN}


@dataclass(frozen=True, slots=True)
class SessionScope:
    """What a session is for; None as type leaves it to the application token or the ready KS."""

    session_type: SessionType | None
    user_id: str = ""
    privileges: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Session:
    """
    One KS and what is known about it.

    ``session_type`` and ``privileges`` are None where they can't be known: a ready KS of version 2 is encrypted, and
    session.get is forbidden to user sessions (recorded case sessions.get_user).
    """

    ks: str = field(repr=False)
    expires_at: float | None = None
    made_at: float = 0.0
    session_type: SessionType | None = None
    privileges: tuple[str, ...] | None = None
    user_id: str = ""

    @property
    def lists_own_entries_only(self) -> bool:
        """Whether a listing would silently hold the user's own entries only."""
        if self.session_type != "user" or self.privileges is None:
            return False
        # Only this lifts the limit (recorded case lists.userks_listall); `list:0_abc` names one entry.
        return "list:*" not in self.privileges

    def must_be_renewed(self, now: float) -> bool:
        """
        Tell whether the session ends soon.

        :param now: Seconds since the epoch.
        :returns: True within the margin before its end.
        """
        if self.expires_at is None:
            return False
        margin = min(_MARGIN_SECONDS, (self.expires_at - self.made_at) * _MARGIN_SHARE)
        return now >= self.expires_at - margin


class AnonymousClients(Protocol):
    """Makes official clients, with a given KS or without one."""

    def __call__(self, ks: str | None = None) -> Any:
        """Return a client that uses *ks* as it is."""


def default_scope(config: ClientConfig) -> SessionScope:
    """
    Tell what sessions of a connection are for.

    :param config: The connection; its own privileges replace the defaults.
    :returns: An admin session with ``disableentitlement``; a user session also with ``list:*`` and ``download:*``; for
        an application token or a ready KS what it was made with.
    """
    auth = config.auth
    if auth.method in {"app_token", "ks"}:
        return SessionScope(auth.session_type, auth.user_id, auth.privileges)
    kind: SessionType = auth.session_type or "admin"
    defaults = ("disableentitlement",) if kind == "admin" else ("disableentitlement", "list:*", "download:*")
    return SessionScope(kind, auth.user_id, auth.privileges or defaults)


class SessionManager:
    """
    Makes, keeps and renews the sessions of one connection.

    :param config: The connection.
    :param clients: Makes clients for the methods that need the network.
    :param now: Seconds since the epoch.
    """

    def __init__(
        self, config: ClientConfig, clients: AnonymousClients, *, now: Callable[[], float] = time.time
    ) -> None:
        self._config = config
        self._clients = clients
        self._now = now
        self._lock = threading.Lock()
        self._locks: dict[SessionScope, threading.Lock] = {}
        self._sessions: dict[SessionScope, Session] = {}

    def get(self, scope: SessionScope | None = None) -> Session:
        """
        Return a session that does not end soon, the same for all threads.

        :param scope: What it is for; the connection's own scope by default.
        :returns: The session.
        :raises AuthError: The credentials were refused.
        """
        scope = scope or default_scope(self._config)
        session = self._sessions.get(scope)
        if session is not None and not session.must_be_renewed(self._now()):
            return session
        with self._lock_of(scope):
            session = self._sessions.get(scope)
            if session is None or session.must_be_renewed(self._now()):
                session = self._sessions[scope] = self._make(scope)
            return session

    def renew(self, stale: str, scope: SessionScope | None = None) -> Session:
        """
        Return a session other than *stale*; threads that ask at once get the same new one.

        :param stale: The KS that the server called EXPIRED or LOGOUT.
        :param scope: What it is for.
        :returns: The session.
        :raises InvalidSessionError: The connection holds a ready KS, so there is no other.
        """
        scope = scope or default_scope(self._config)
        if self._config.auth.method == "ks":
            raise InvalidSessionError(
                "The ready KS of the connection has ended: put a fresh one into its password, or use an application "
                "token, which can be renewed.",
                "KS_ENDED",
            )
        with self._lock_of(scope):
            session = self._sessions.get(scope)
            if session is None or session.ks == stale:
                session = self._sessions[scope] = self._make(scope)
            return session

    def _lock_of(self, scope: SessionScope) -> threading.Lock:
        with self._lock:
            return self._locks.setdefault(scope, threading.Lock())

    def _make(self, scope: SessionScope) -> Session:
        makers = {
            "admin_secret": self._make_locally,
            "app_token": self._make_from_token,
            "session_start": self._start,
            "ks": self._take_ready,
        }
        return makers[self._config.auth.method](scope)

    def _make_locally(self, scope: SessionScope) -> Session:
        auth, now = self._config.auth, self._now()
        expires_at = int(now) + auth.session_expiry_seconds
        ks = ks_format.make_v2(
            auth.secret,
            partner_id=self._config.partner_id,
            session_type=_NUMBERS[scope.session_type or "admin"],
            user_id=scope.user_id,
            privileges=scope.privileges,
            expires_at=expires_at,
        )
        secrets.announce(ks)
        return Session(ks, expires_at, now, scope.session_type or "admin", scope.privileges, scope.user_id)

    def _start(self, scope: SessionScope) -> Session:
        auth, now = self._config.auth, self._now()
        kind = scope.session_type or "admin"
        ks = self._clients().session.start(
            auth.secret,
            scope.user_id,
            _NUMBERS[kind],
            self._config.partner_id,
            auth.session_expiry_seconds,
            ",".join(scope.privileges),
        )
        ks = _announced(ks, "session.start")
        expires_at: float = now + auth.session_expiry_seconds
        if kind == "admin":
            # The partner may shorten what was asked; session.get is forbidden to user sessions.
            client = self._clients(ks)
            expires_at = self._end(client.session.get().getExpiry(), client, now)
        elif fields := ks_format.read_v1(ks):
            expires_at = self._end(fields.expires_at, None, now)
        return Session(ks, expires_at, now, kind, scope.privileges, scope.user_id)

    def _make_from_token(self, scope: SessionScope) -> Session:
        auth, now = self._config.auth, self._now()
        widget = self._clients().session.startWidgetSession(f"_{self._config.partner_id}")
        widget_ks = _announced(widget.getKs(), "session.startWidgetSession")
        # The algorithm is the token's, chosen by who made it.
        token_hash = hashlib.new(auth.hash_type.lower(), (widget_ks + auth.secret).encode(), usedforsecurity=False)
        secrets.announce(token_hash.hexdigest())
        asked: dict[str, Any] = {"expiry": auth.session_expiry_seconds}
        if scope.user_id:
            asked["userId"] = scope.user_id
        if scope.session_type is not None:
            asked["type"] = _NUMBERS[scope.session_type]
        if scope.privileges:
            asked["sessionPrivileges"] = ",".join(scope.privileges)
        client = self._clients(widget_ks)
        info = client.appToken.startSession(auth.app_token_id, token_hash.hexdigest(), **asked)
        ks = _announced(info.getKs(), "appToken.startSession")
        kind = info.getSessionType()
        number = kind.getValue() if hasattr(kind, "getValue") else kind
        # The granted expiry is the smallest of asked, sessionDuration and what is left of the token.
        expires_at = self._end(info.getExpiry(), client, now)
        privileges = tuple(item for item in str(info.getPrivileges() or "").split(",") if item)
        return Session(
            ks, expires_at, now, _TYPES.get(int(number)) if number is not None else None, privileges, scope.user_id
        )

    def _end(self, expiry: Any, client: Any, now: float) -> float:
        """
        Tell by our own clock when a session ends, however wrong that is.

        The server names the end by its clock, which its answer's Date header shows. What is asked for is never
        exceeded, and a session that seems to have ended when it was made is kept for a while: the server says so if
        it has, while one that is renewed for every call would cost two requests each.
        """
        asked = float(self._config.auth.session_expiry_seconds)
        if not expiry:
            return now + asked
        granted = float(expiry) - (_server_time(client) or now)
        if granted <= 0:
            granted = _SHORTEST_SECONDS
        return now + min(granted, asked)

    def _take_ready(self, scope: SessionScope) -> Session:
        ks = self._config.auth.secret
        secrets.announce(ks)
        if fields := ks_format.read_v1(ks):
            # Never "soon": it can't be renewed, so it is used to its very end.
            return Session(ks, None, self._now(), _TYPES.get(fields.type), fields.privileges, fields.user_id)
        return Session(ks)


def _server_time(client: Any) -> float | None:
    """Read the Date header of a client's last answer."""
    headers = getattr(client, "responseHeaders", None)
    if not isinstance(headers, Mapping):
        return None
    try:
        return parsedate_to_datetime(headers["Date"]).timestamp()
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _announced(ks: object, what: str) -> str:
    if not isinstance(ks, str) or not ks:
        raise KalturaTransportError(f"{what} answered without a KS.", "NO_KS")
    secrets.announce(ks)
    return ks
