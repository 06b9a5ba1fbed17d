"""Settings of the Kaltura layer: frozen, checked when made, without secrets in their repr."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args
from urllib.parse import urlsplit

from airflow_provider_kaltura import __version__
from airflow_provider_kaltura.api.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

AuthMethod: TypeAlias = Literal["admin_secret", "app_token", "session_start", "ks"]
SessionType: TypeAlias = Literal["admin", "user"]

HASH_TYPES = ("MD5", "SHA1", "SHA256", "SHA512")
DEFAULT_SERVICE_URL = "https://www.kaltura.com"
USER_AGENT = f"airflow-provider-kaltura/{__version__}"


def check_privileges(privileges: Sequence[str]) -> None:
    """
    Refuse privileges that allow everything, or that are not one each.

    :param privileges: Privileges of a session, such as ``list:*``.
    :raises ConfigurationError: One of them is ``*`` or ``all`` in any shape, blank, or several joined by commas.
    """
    if isinstance(privileges, str):
        raise ConfigurationError("privileges must be a list of texts such as ['list:*'], not one text.")
    for privilege in privileges:
        name = privilege.partition(":")[0].strip().lower()
        if name in {"*", "all"}:
            raise ConfigurationError(
                f"privileges: {privilege!r} would allow everything; name what the job needs, such as 'list:*'."
            )
        if not name or "," in privilege or privilege != privilege.strip():
            raise ConfigurationError(f"privileges: {privilege!r} is not one privilege.")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthConfig:
    """
    How to come to a KS.

    ``secret`` is the one secret of the method: admin secret, application token, admin or user secret, or a ready KS.
    ``session_type`` None means: admin for secrets, the token's own for application tokens.
    ``session_expiry_seconds``: 86400 is Kaltura's own default; 0 gives an expired KS and is refused.
    """

    method: AuthMethod
    secret: str = field(repr=False)
    app_token_id: str | None = None
    hash_type: str = "SHA256"
    session_type: SessionType | None = None
    user_id: str = ""
    privileges: tuple[str, ...] = ()
    session_expiry_seconds: int = 86400

    def __post_init__(self) -> None:
        if self.method not in get_args(AuthMethod):
            raise ConfigurationError(f"auth_method {self.method!r} is none of {', '.join(get_args(AuthMethod))}.")
        if not self.secret:
            raise ConfigurationError(
                f"auth_method {self.method!r} needs a secret: put it into the connection's password."
            )
        if self.method == "app_token" and not self.app_token_id:
            raise ConfigurationError("auth_method 'app_token' needs the extra 'app_token_id'.")
        if self.hash_type.upper() not in HASH_TYPES:
            raise ConfigurationError(f"hash_type {self.hash_type!r} is none of {', '.join(HASH_TYPES)}.")
        if self.session_type not in (None, "admin", "user"):
            raise ConfigurationError(f"session_type {self.session_type!r} is neither 'admin' nor 'user'.")
        if self.session_expiry_seconds <= 0:
            raise ConfigurationError(
                "session_expiry_seconds must be at least 1: Kaltura answers 0 with a KS that has already expired."
            )
        check_privileges(self.privileges)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientConfig:
    """
    One Kaltura connection.

    ``connect_timeout_seconds``: 10 s are many round trips; a host that needs longer is down.
    ``read_timeout_seconds``: 120 s is the official client's; a media.list page of 500 takes 0.4 s on an idle server.
    ``max_concurrent_requests`` and ``requests_per_second``: limits are set per installation and can't be read, so these
    are modest per process; :class:`~airflow_provider_kaltura.api.limiter.Limiter` halves them after a block.
    ``max_answer_bytes``: a page of 500 entries is about 1.5 MB of XML, 50 pages of flavors in one
    multirequest are 25 MB; more than this is a mistake or an attack.
    """

    connection_id: str
    service_url: str = DEFAULT_SERVICE_URL
    partner_id: int
    auth: AuthConfig
    connect_timeout_seconds: float = 10.0
    read_timeout_seconds: float = 120.0
    verify: bool | str = True
    proxies: Mapping[str, str] | None = field(default=None, repr=False)  # may hold a proxy password
    user_agent: str = USER_AGENT
    max_concurrent_requests: int = 8
    requests_per_second: float = 20.0
    max_answer_bytes: int = 32 * 1024 * 1024

    def __post_init__(self) -> None:
        object.__setattr__(self, "service_url", _checked_service_url(self.service_url))
        if self.partner_id <= 0:
            raise ConfigurationError(f"partner id {self.partner_id!r} is no positive number: put it into the login.")
        for name in ("connect_timeout_seconds", "read_timeout_seconds", "requests_per_second"):
            if not getattr(self, name) > 0:
                raise ConfigurationError(f"{name} must be greater than 0.")
        for name in ("max_concurrent_requests", "max_answer_bytes"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} must be at least 1.")

    def fingerprint(self) -> str:
        """A text that is equal exactly for equal credentials of the same account; no secret can be read from it."""
        auth = self.auth
        parts = (
            self.connection_id,
            self.service_url,
            str(self.partner_id),
            auth.method,
            auth.secret,
            auth.app_token_id or "",
            auth.hash_type.upper(),
            str(auth.session_type),
            auth.user_id,
            "\x1e".join(auth.privileges),
            str(auth.session_expiry_seconds),
        )
        return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


def _checked_service_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(f"Service URL {url!r} is no http(s) URL such as {DEFAULT_SERVICE_URL!r}.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigurationError("The service URL must not carry credentials, a query or a fragment.")
    try:
        _ = parts.port
    except ValueError as error:
        raise ConfigurationError(f"Service URL {url!r}: {error}.") from error
    return url.rstrip("/")
