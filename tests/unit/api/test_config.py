"""Settings."""

from __future__ import annotations

from collections import OrderedDict

import pytest

from airflow_provider_kaltura.api import secrets
from airflow_provider_kaltura.api.config import AuthConfig, ClientConfig
from airflow_provider_kaltura.api.errors import ConfigurationError

AUTH = AuthConfig(method="admin_secret", secret="a-secret")


def client(**values):
    """Make settings."""
    return ClientConfig(**{"connection_id": "c", "partner_id": 1, "auth": AUTH, **values})


@pytest.mark.parametrize(
    "values",
    [
        {"method": "magic"},
        {"secret": ""},
        {"method": "app_token"},
        {"hash_type": "CRC32"},
        {"session_type": "root"},
        {"session_expiry_seconds": 0},
        {"session_expiry_seconds": -1},
        {"privileges": ("*",)},
        {"privileges": ("list:*", "all:*")},
        {"privileges": ("list:*,download:*",)},
        {"privileges": (" ",)},
        *({"privileges": (bad,)} for bad in ("*:*", " * ", "ALL", "all:x", "All:*", "", ":x", "list:* ", "list:*,*")),
        {"privileges": "list:*"},
    ],
)
def test_what_cannot_work_is_refused_when_made(values):
    """Each impossible setting is an error that names itself, before anything is sent."""
    with pytest.raises(ConfigurationError):
        AuthConfig(**{"method": "admin_secret", "secret": "a-secret", **values})


@pytest.mark.parametrize(
    "values",
    [
        {"service_url": "www.kaltura.com"},
        {"service_url": "ftp://www.kaltura.com"},
        {"service_url": "https://user:word@www.kaltura.com"},
        {"service_url": "https://www.kaltura.com?x=1"},
        {"service_url": "https://www.kaltura.com:99999"},
        {"partner_id": 0},
        {"partner_id": -5},
        {"connect_timeout_seconds": 0},
        {"read_timeout_seconds": -1},
        {"requests_per_second": 0},
        {"max_concurrent_requests": 0},
        {"max_answer_bytes": 0},
    ],
)
def test_impossible_connections_are_refused(values):
    """Host, partner and bounds are checked."""
    with pytest.raises(ConfigurationError):
        client(**values)


def test_the_service_url_is_kept_without_its_slash():
    """A trailing slash would make a path with two."""
    assert client(service_url="http://localhost:8080/").service_url == "http://localhost:8080"
    assert client().service_url == "https://www.kaltura.com"


def test_no_repr_shows_a_secret():
    """Neither the secret nor a proxy's password."""
    text = repr(client(proxies={"https": "http://user:proxy-password@proxy:3128"}))
    assert "a-secret" not in text
    assert "proxy-password" not in text


def test_fingerprints_tell_credentials_apart_and_show_none():
    """Equal settings have one, others another; no secret can be read from it."""
    assert client().fingerprint() == client().fingerprint()
    others = [
        client(partner_id=2),
        client(connection_id="d"),
        client(service_url="http://localhost"),
        client(auth=AuthConfig(method="admin_secret", secret="b-secret")),
        client(auth=AuthConfig(method="session_start", secret="a-secret")),
        client(auth=AuthConfig(method="admin_secret", secret="a-secret", user_id="u")),
        client(auth=AuthConfig(method="admin_secret", secret="a-secret", privileges=("list:*",))),
    ]
    assert len({other.fingerprint() for other in [client(), *others]}) == 8
    assert "secret" not in client().fingerprint()


def test_secrets_are_told_once_to_everybody_and_to_those_who_come_later():
    """Each secret reaches each listener once, before or after it registered."""
    early, late = [], []
    secrets.register(early.append)
    secrets.announce("first-secret")
    secrets.announce("first-secret")
    secrets.announce("abc")
    secrets.register(late.append)
    secrets.announce("second-secret")
    secrets.unregister(early.append)
    secrets.unregister(late.append)
    secrets.announce("third-secret")
    assert early == late == ["first-secret", "second-secret"]


def test_the_memory_of_secrets_is_bounded(monkeypatch: pytest.MonkeyPatch):
    """A process that lives for months keeps the newest."""
    # Airflow's masker, where another test has registered it, takes longer with each secret that it learns.
    monkeypatch.setattr(secrets, "_callbacks", [])
    monkeypatch.setattr(secrets, "_known", OrderedDict())
    monkeypatch.setattr(secrets, "_forms", None)
    for number in range(5000):
        secrets.announce(f"secret-number-{number}")
    assert len(secrets._known) == 4096
    assert "secret-number-4999" in secrets.forms()
