"""
What Airflow reads at start-up. It imports nothing, since it runs whenever Airflow starts.

``conn-fields`` and ``ui-field-behaviour`` are the one table of the connection form: Airflow 3.2 and later show them as
they are, for older versions the hook makes its widgets from them, and :mod:`.hooks.connection` checks against them.
"""

from __future__ import annotations

from typing import Any

_DESCRIPTION = "Move media out of Kaltura: readiness sensors, download URLs, verified downloads into storage."


def get_provider_info() -> dict[str, Any]:
    """Return the provider's description in the form of Airflow's ``provider_info.schema.json``."""
    return {
        "package-name": "airflow-provider-kaltura",
        "name": "Kaltura",
        "description": _DESCRIPTION,
        "integrations": [
            {
                "integration-name": "Kaltura",
                "external-doc-url": "https://developer.kaltura.com/",
                "tags": ["service"],
            },
        ],
        "hooks": [_modules("airflow_provider_kaltura.hooks.kaltura")],
        "operators": [
            _modules(
                "airflow_provider_kaltura.operators.catalog",
                "airflow_provider_kaltura.operators.download",
                "airflow_provider_kaltura.operators.listing",
                "airflow_provider_kaltura.operators.storage",
                "airflow_provider_kaltura.operators.sync",
                "airflow_provider_kaltura.operators.urls",
            )
        ],
        "sensors": [_modules("airflow_provider_kaltura.sensors.kaltura")],
        "triggers": [
            _modules("airflow_provider_kaltura.triggers.entry_ready", "airflow_provider_kaltura.triggers.kaltura")
        ],
        "connection-types": [
            {
                "connection-type": "kaltura",
                "hook-class-name": "airflow_provider_kaltura.hooks.kaltura.KalturaHook",
                "hook-name": "Kaltura",
                "ui-field-behaviour": _standard_fields(),
                "conn-fields": {**_session_fields(), **_network_fields()},
            },
        ],
    }


def _modules(*names: str) -> dict[str, Any]:
    return {"integration-name": "Kaltura", "python-modules": list(names)}


def _standard_fields() -> dict[str, Any]:
    return {
        "hidden-fields": ["schema"],
        "relabeling": {
            "host": "Service URL",
            "login": "Partner id",
            "password": "Secret (admin secret, app token, user secret or ready KS)",
        },
        "placeholders": {"host": "https://www.kaltura.com", "login": "1234567"},
    }


def _session_fields() -> dict[str, Any]:
    return {
        "auth_method": {
            "label": "Authentication",
            "description": "How the secret is used. Empty: app_token when an app token id is given, else admin_secret.",
            "schema": {
                "type": ["string", "null"],
                "enum": ["admin_secret", "app_token", "session_start", "ks", None],
            },
        },
        "app_token_id": {
            "label": "App token id",
            "description": "Id of the app token whose token is the secret.",
            "schema": {"type": ["string", "null"]},
        },
        "hash_type": {
            "label": "App token hash",
            "description": "Hash that the app token was made with. Empty: SHA256.",
            "schema": {"type": ["string", "null"], "enum": ["SHA1", "SHA256", "SHA512", "MD5", None]},
        },
        "session_type": {
            "label": "Session type",
            "description": "Empty: admin for secrets, the token's own type for app tokens.",
            "schema": {"type": ["string", "null"], "enum": ["admin", "user", None]},
        },
        "user_id": {
            "label": "User id",
            "description": "The Kaltura user in whose name sessions are made. Empty: none.",
            "schema": {"type": ["string", "null"]},
        },
        "privileges": {
            "label": "Privileges",
            "description": "Privileges of the session, separated by commas. Empty: those that the job needs.",
            "schema": {"type": ["string", "null"]},
        },
        "session_expiry_seconds": {
            "label": "Session expiry (seconds)",
            "description": "How long a session lasts, if the server allows it; it is renewed by itself. Empty: 86400.",
            "schema": {"type": ["integer", "null"], "minimum": 60},
        },
    }


def _network_fields() -> dict[str, Any]:
    return {
        "connect_timeout_seconds": {
            "label": "Connect timeout (seconds)",
            "description": "Longest wait for a connection. Empty: 10.",
            "schema": {"type": ["number", "null"], "minimum": 0.1},
        },
        "read_timeout_seconds": {
            "label": "Read timeout (seconds)",
            "description": "Longest silence of the server. Empty: 120.",
            "schema": {"type": ["number", "null"], "minimum": 0.1},
        },
        "verify": {
            "label": "Verify TLS",
            "description": "true, false, or the path of a CA bundle. Empty: true.",
            "schema": {"type": ["string", "null"]},
        },
        "proxies": {
            "label": "Proxies",
            "description": 'One proxy URL, or JSON such as {"https": "http://proxy:3128"}. Empty: none.',
            "schema": {"type": ["string", "null"]},
        },
    }
