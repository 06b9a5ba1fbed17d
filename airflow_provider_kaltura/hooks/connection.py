"""
An Airflow connection becomes the API's settings.

Every field is checked against the table of the form (:mod:`~airflow_provider_kaltura.get_provider_info`). Errors name
the connection and the field, never a value: people paste secrets into the wrong field.
"""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, cast
from urllib.parse import urlsplit

from airflow_provider_kaltura.api.config import AuthConfig, ClientConfig
from airflow_provider_kaltura.exceptions import KalturaArgumentError, KalturaConnectionError
from airflow_provider_kaltura.get_provider_info import get_provider_info

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_kaltura.api.config import AuthMethod

DEFAULT_SERVICE_URL = "https://www.kaltura.com"

log = logging.getLogger(__name__)


class ConnectionLike(Protocol):
    """What is read of an Airflow connection, of whichever version."""

    conn_id: str
    conn_type: str | None
    host: str | None
    schema: str | None
    login: str | None
    password: str | None
    port: int | None
    extra: str | None


@dataclass(frozen=True, slots=True)
class _Field:
    """One extra of the form, as ``conn-fields`` describes it."""

    connection_id: str
    name: str
    label: str
    schema: Mapping[str, Any]

    def read(self, value: Any) -> Any:
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        kind = self.schema["type"][0]
        if self.name in _READERS:
            return _READERS[self.name](self, value)
        if kind in {"integer", "number"}:
            return self._number(value, whole=kind == "integer")
        return self._text(value)

    def fail(self, what: str) -> NoReturn:
        raise KalturaConnectionError(
            f"Connection {self.connection_id!r}: the extra {self.name!r} ({self.label}) {what}."
        )

    def _text(self, value: Any) -> str:
        choices = [choice for choice in self.schema.get("enum", ()) if choice is not None]
        if not isinstance(value, str):
            self.fail(f"must be one of {', '.join(choices)}" if choices else "must be a text")
        if not choices:
            return value.strip()
        known = {choice.lower(): choice for choice in choices}
        if value.strip().lower() not in known:
            self.fail(f"must be one of {', '.join(choices)}")
        return str(known[value.strip().lower()])

    def _number(self, value: Any, *, whole: bool) -> float | int:
        what = f"must be a {'whole ' if whole else ''}number of at least {self.schema['minimum']}"
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            self.fail(what)
        try:
            number = int(value) if whole and not isinstance(value, float) else float(value)
        except ValueError:
            self.fail(what)
        # The comparison is written so that NaN fails it.
        if not self.schema["minimum"] <= number < float("inf") or (whole and number != int(number)):
            self.fail(what)
        return int(number) if whole else float(number)


def _privileges(field: _Field, value: Any) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        field.fail("must be a text with commas, or a list of texts")
    return tuple(part.strip() for part in parts if part.strip())


def _verify(field: _Field, value: Any) -> bool | str:
    if isinstance(value, bool):
        return value
    if not isinstance(value, str):
        field.fail("must be true, false or the path of a CA bundle")
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    return words.get(value.strip().lower(), value.strip())


def _proxies(field: _Field, value: Any) -> dict[str, str]:
    what = 'must be a proxy URL, or JSON such as {"https": "http://proxy:3128"}'
    if isinstance(value, str) and value.strip().startswith("{"):
        try:
            value = json.loads(value)
        except ValueError:
            field.fail(what)
    if isinstance(value, str):
        value = {"http": value.strip(), "https": value.strip()}
    if not isinstance(value, dict) or not all(isinstance(part, str) for pair in value.items() for part in pair):
        field.fail(what)
    if not set(value) <= {"http", "https"} or not all(_is_url(url) for url in value.values()):
        field.fail(what)
    return cast("dict[str, str]", value)


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return bool(parts.scheme and parts.hostname)


_READERS: dict[str, Callable[[_Field, Any], Any]] = {
    "privileges": _privileges,
    "verify": _verify,
    "proxies": _proxies,
}


def client_config(connection: ConnectionLike) -> ClientConfig:
    """
    Read an Airflow connection.

    :param connection: Host, login, password and extra are read; see the connection's reference page.
    :returns: The settings of the API.
    :raises KalturaConnectionError: It is of another type, or a field is missing or malformed; names the connection
        and the field.
    """
    _require_type(connection)
    extras = _extras(connection)
    secret = (connection.password or "").strip()
    if not secret:
        _fail(connection, "password", "is empty: it holds the admin secret, app token, user secret or ready KS")
    method = _auth_method(connection, extras)
    auth: dict[str, Any] = {"method": method, "secret": secret, "app_token_id": extras.pop("app_token_id", None)}
    for name in ("hash_type", "session_type", "user_id", "privileges", "session_expiry_seconds"):
        if (value := extras.pop(name, None)) is not None:
            auth[name] = value
    return ClientConfig(
        connection_id=connection.conn_id,
        service_url=_service_url(connection),
        partner_id=_partner_id(connection),
        auth=AuthConfig(**auth),
        **extras,
    )


def require_conn_id(conn_id: Any) -> str:
    """
    Refuse what names no connection: what a template makes of a value that is not there.

    :param conn_id: What was given.
    :returns: The same.
    :raises KalturaArgumentError: It is none.
    """
    if not isinstance(conn_id, str) or conn_id.strip() in {"", "None"}:
        raise KalturaArgumentError(
            f"kaltura_conn_id is empty ({conn_id!r:.60}): name the Airflow connection to Kaltura, such as "
            "'kaltura_default', which is taken where the argument is left out."
        )
    return conn_id


def is_missing(conn_id: str) -> KalturaArgumentError:
    """
    Say that there is no such connection.

    :param conn_id: Its id.
    :returns: The error.
    """
    return KalturaArgumentError(
        f"There is no connection {conn_id!r}, which kaltura_conn_id names: define it with the type kaltura, or name "
        "another one. If a secrets backend has it, that did not answer: the task's log may say why."
    )


def _require_type(connection: ConnectionLike) -> None:
    kind = (connection.conn_type or "").strip().lower()
    if kind not in {"", "kaltura"}:
        raise KalturaConnectionError(
            f"Connection {connection.conn_id!r} is of the type {kind!r:.40}, and not of the type 'kaltura': name "
            "another one as kaltura_conn_id, or change its type."
        )


def _fail(connection: ConnectionLike, field: str, what: str) -> NoReturn:
    labels = _connection_type()["ui-field-behaviour"]["relabeling"]
    raise KalturaConnectionError(
        f"Connection {connection.conn_id!r}: the field {field!r} ({labels.get(field, field.title())}) {what}."
    )


def _connection_type() -> dict[str, Any]:
    return cast("dict[str, Any]", get_provider_info()["connection-types"][0])


def _extras(connection: ConnectionLike) -> dict[str, Any]:
    given = _extra_object(connection)
    fields = _connection_type()["conn-fields"]
    if unknown := sorted(set(given) - set(fields)):
        log.warning(
            "Connection %r: the extras %s are not known and have no effect; there are %s.",
            connection.conn_id,
            ", ".join(unknown),
            ", ".join(fields),
        )
    read = {
        name: _Field(connection.conn_id, name, field["label"], field["schema"]).read(given.get(name))
        for name, field in fields.items()
    }
    return {name: value for name, value in read.items() if value is not None}


def _extra_object(connection: ConnectionLike) -> dict[str, Any]:
    # Not extra_dejson: Airflow 2.11 logs broken JSON and goes on as if nothing were there.
    if not connection.extra or not connection.extra.strip():
        return {}
    try:
        extra = json.loads(connection.extra)
    except ValueError:
        extra = None
    if not isinstance(extra, dict):
        _fail(connection, "extra", "must be a JSON object")
    return extra


def _auth_method(connection: ConnectionLike, extras: dict[str, Any]) -> AuthMethod:
    has_token_id = "app_token_id" in extras
    method = extras.pop("auth_method", "app_token" if has_token_id else "admin_secret")
    if method == "app_token" and not has_token_id:
        _fail(connection, "extra", "has auth_method app_token but no app_token_id")
    if method != "app_token":
        extras.pop("app_token_id", None)
    return cast("AuthMethod", method)


def _partner_id(connection: ConnectionLike) -> int:
    text = (connection.login or "").strip()
    if not re.fullmatch(r"[1-9][0-9]{0,17}", text):
        _fail(connection, "login", "must be the number of the Kaltura account (KMC, Settings, Integration)")
    return int(text)


def _service_url(connection: ConnectionLike) -> str:
    text = (connection.host or "").strip() or DEFAULT_SERVICE_URL
    scheme = (connection.schema or "").strip()
    if scheme not in {"", "http", "https"}:
        _fail(connection, "schema", "must be http, https or empty")
    if "://" not in text:
        text = f"{scheme or 'https'}://{text}"
    what = "must be a host name or URL such as https://www.kaltura.com, without user, query or fragment"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        _fail(connection, "host", what)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc or parts.query:
        _fail(connection, "host", what)
    if parts.fragment or re.search(r"[\s\\]", text):
        _fail(connection, "host", what)
    if connection.port and port and port != connection.port:
        _fail(connection, "port", "is not the port that the service URL has")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    where = f"{host}:{port or connection.port}" if port or connection.port else host
    # People paste the address of the API; the client adds /api_v3 itself.
    path = re.sub(r"/api_v3(/.*)?$", "", parts.path).rstrip("/")
    return f"{parts.scheme}://{where}{path}"
