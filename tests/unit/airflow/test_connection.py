"""An Airflow connection becomes settings, or an error that names connection and field and shows no value."""

from __future__ import annotations

import json
import os
from unittest import mock

import pytest
from airflow.providers.common.compat.sdk import Connection
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_kaltura.api.config import AuthConfig, ClientConfig
from airflow_provider_kaltura.exceptions import KalturaConnectionError
from airflow_provider_kaltura.get_provider_info import get_provider_info
from airflow_provider_kaltura.hooks import KalturaHook
from airflow_provider_kaltura.hooks.connection import client_config

SECRET = "0123456789abcdef0123456789abcdef"
EVERYTHING = {
    "auth_method": "app_token",
    "app_token_id": "0_token123",
    "hash_type": "SHA512",
    "session_type": "user",
    "user_id": "harvester@example.org",
    "privileges": "list:*,download:*",
    "session_expiry_seconds": 3600,
    "connect_timeout_seconds": 2.5,
    "read_timeout_seconds": 60,
    "verify": "/etc/ssl/own.pem",
    "proxies": '{"https": "http://proxy:3128"}',
}
CONFIG = ClientConfig(
    connection_id="kaltura_default",
    service_url="https://kaltura.example.org:8443",
    partner_id=104,
    auth=AuthConfig(
        method="app_token",
        secret=SECRET,
        app_token_id="0_token123",
        hash_type="SHA512",
        session_type="user",
        user_id="harvester@example.org",
        privileges=("list:*", "download:*"),
        session_expiry_seconds=3600,
    ),
    connect_timeout_seconds=2.5,
    read_timeout_seconds=60.0,
    verify="/etc/ssl/own.pem",
    proxies={"https": "http://proxy:3128"},
)


def connection(**fields):
    """Make an Airflow connection with usual values."""
    extra = fields.pop("extra", {})
    given = {"conn_id": "acme", "conn_type": "kaltura", "login": "104", "password": SECRET, **fields}
    return Connection(extra=extra if isinstance(extra, str) else json.dumps(extra), **given)


def config(**fields):
    """Read such a connection."""
    return client_config(connection(**fields))


def refusal(**fields):
    """Read a connection that can't be read and give the message."""
    with pytest.raises(KalturaConnectionError) as caught:
        config(**fields)
    return str(caught.value)


def read_from_environment(value):
    """Read a connection as a worker reads it from its environment."""
    with mock.patch.dict(os.environ, {"AIRFLOW_CONN_KALTURA_DEFAULT": value}):
        return KalturaHook().config


def test_the_least_connection_takes_all_defaults():
    """Partner id and secret are enough."""
    assert config() == ClientConfig(
        connection_id="acme",
        service_url="https://www.kaltura.com",
        partner_id=104,
        auth=AuthConfig(method="admin_secret", secret=SECRET),
    )


def test_json_form_is_read_in_full():
    """Every field of the JSON form arrives."""
    value = {
        "conn_type": "kaltura",
        "host": "https://kaltura.example.org",
        "port": 8443,
        "login": "104",
        "password": SECRET,
        "extra": EVERYTHING,
    }
    assert read_from_environment(json.dumps(value)) == CONFIG


def test_uri_form_is_read_in_full():
    """The URI that Airflow itself writes for a connection says the same as its JSON form."""
    made = connection(conn_id="kaltura_default", host="https://kaltura.example.org", port=8443, extra=EVERYTHING)
    assert read_from_environment(made.get_uri()) == CONFIG


def test_uri_form_written_by_hand():
    """The short URI that people type works: host, port, partner and secret."""
    read = read_from_environment(f"kaltura://104:{SECRET}@kaltura.example.org:8443")
    assert (read.service_url, read.partner_id) == ("https://kaltura.example.org:8443", 104)


def test_form_and_json_give_the_same():
    """The old form stores every extra as text, empty where nothing was typed."""
    typed = dict.fromkeys(get_provider_info()["connection-types"][0]["conn-fields"], "")
    assert config(extra=typed) == config(extra={})
    texts = {name: value if isinstance(value, str) else str(value) for name, value in EVERYTHING.items()}
    assert config(extra=texts) == config(extra=EVERYTHING)


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({}, "https://www.kaltura.com"),
        ({"host": "  "}, "https://www.kaltura.com"),
        ({"host": "kaltura.example.org"}, "https://kaltura.example.org"),
        ({"host": "kaltura.example.org", "port": 8443}, "https://kaltura.example.org:8443"),
        ({"host": "kaltura.example.org:8443"}, "https://kaltura.example.org:8443"),
        ({"host": "http://127.0.0.1", "port": 8080}, "http://127.0.0.1:8080"),
        ({"host": "http://127.0.0.1:8080/", "port": 8080}, "http://127.0.0.1:8080"),
        ({"host": "127.0.0.1", "port": 80, "schema": "http"}, "http://127.0.0.1:80"),
        ({"host": "https://kaltura.example.org/api_v3/index.php"}, "https://kaltura.example.org"),
        ({"host": "https://example.org/kaltura/"}, "https://example.org/kaltura"),
        ({"host": "http://[::1]:8080"}, "http://[::1]:8080"),
    ],
)
def test_service_url(fields, url):
    """Scheme and port are honoured wherever people put them."""
    assert config(**fields).service_url == url


@pytest.mark.parametrize(
    ("extra", "method"),
    [
        ({}, "admin_secret"),
        ({"app_token_id": "0_abc"}, "app_token"),
        ({"auth_method": "session_start"}, "session_start"),
        ({"auth_method": "ks"}, "ks"),
        ({"auth_method": "admin_secret", "app_token_id": "0_abc"}, "admin_secret"),
    ],
)
def test_authentication_method(extra, method):
    """An app token id means app_token, unless the connection says otherwise."""
    assert config(extra=extra).auth.method == method


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"login": None}, "login"),
        ({"login": "acme"}, "login"),
        ({"login": "0"}, "login"),
        ({"login": "-104"}, "login"),
        ({"login": "1e3"}, "login"),
        ({"password": None}, "password"),
        ({"password": "  "}, "password"),
        ({"host": "ftp://kaltura.example.org"}, "host"),
        ({"host": "https://"}, "host"),
        ({"host": "https://user:pass@kaltura.example.org"}, "host"),
        ({"host": "https://kaltura.example.org/?ks=x"}, "host"),
        ({"host": "https://kaltura.example.org/#x"}, "host"),
        ({"host": "https://kaltura.example.org:port"}, "host"),
        ({"host": "kaltura example.org"}, "host"),
        ({"host": "https://kaltura.example.org:8443", "port": 8080}, "port"),
        ({"schema": "ftp"}, "schema"),
        ({"extra": "not json"}, "extra"),
        ({"extra": "[1]"}, "extra"),
        ({"extra": {"auth_method": "app_token"}}, "extra"),
        ({"extra": {"auth_method": "password"}}, "auth_method"),
        ({"extra": {"hash_type": "sha-1"}}, "hash_type"),
        ({"extra": {"hash_type": 1}}, "hash_type"),
        ({"extra": {"session_type": "root"}}, "session_type"),
        ({"extra": {"user_id": 7}}, "user_id"),
        ({"extra": {"privileges": {"list": "*"}}}, "privileges"),
        ({"extra": {"privileges": [1]}}, "privileges"),
        ({"extra": {"session_expiry_seconds": "a day"}}, "session_expiry_seconds"),
        ({"extra": {"session_expiry_seconds": 0}}, "session_expiry_seconds"),
        ({"extra": {"session_expiry_seconds": 90.5}}, "session_expiry_seconds"),
        ({"extra": {"session_expiry_seconds": True}}, "session_expiry_seconds"),
        ({"extra": {"connect_timeout_seconds": -1}}, "connect_timeout_seconds"),
        ({"extra": {"connect_timeout_seconds": "nan"}}, "connect_timeout_seconds"),
        ({"extra": {"read_timeout_seconds": "inf"}}, "read_timeout_seconds"),
        ({"extra": {"read_timeout_seconds": [1]}}, "read_timeout_seconds"),
        ({"extra": {"verify": 1}}, "verify"),
        ({"extra": {"proxies": "proxy"}}, "proxies"),
        ({"extra": {"proxies": "{"}}, "proxies"),
        ({"extra": {"proxies": {"ftp": "http://proxy:3128"}}}, "proxies"),
        ({"extra": {"proxies": {"https": 1}}}, "proxies"),
    ],
)
def test_a_malformed_field_is_named(fields, field):
    """The error names the connection and the field."""
    message = refusal(**fields)
    assert "'acme'" in message
    assert f"'{field}'" in message


@given(st.text(min_size=6).filter(lambda text: not text.strip().isdigit() and len(text.strip()) > 5))
def test_a_secret_in_the_wrong_field_is_not_shown(text):
    """People paste secrets into the login; the error must not repeat them."""
    labels = "Connection 'acme': the field 'login' (Partner id) must be the number of the Kaltura account"
    assert text.strip() not in refusal(login=text).replace(labels, "") or text.strip() in labels


def test_every_extra_of_the_form_is_read():
    """A field of the form that nothing reads would be a trap: each one changes the settings."""
    fields = get_provider_info()["connection-types"][0]["conn-fields"]
    assert set(EVERYTHING) == set(fields)
    for name in fields:
        without = {key: value for key, value in EVERYTHING.items() if key != name}
        if name != "auth_method":
            changed = {**without, "auth_method": "admin_secret"} if name == "app_token_id" else without
            assert config(extra=changed) != config(extra=EVERYTHING)


def test_words_may_be_written_in_any_case():
    """SHA256 and sha256 are the same word."""
    auth = config(extra={"app_token_id": "0_abc", "hash_type": "sha1", "auth_method": "APP_TOKEN"}).auth
    assert (auth.hash_type, auth.method) == ("SHA1", "app_token")


def test_an_unknown_extra_is_warned_about(caplog):
    """A misspelt extra is named in the log, without its value."""
    config(extra={"app_tokn_id": "0_secret_looking"})
    assert "app_tokn_id" in caplog.text
    assert "0_secret_looking" not in caplog.text


@pytest.mark.parametrize(
    ("value", "read"),
    [(True, True), (False, False), ("false", False), ("True", True), ("/ca.pem", "/ca.pem"), ("0", False), ("", True)],
)
def test_verify(value, read):
    """TLS verification takes a boolean, its words, or a path."""
    assert config(extra={"verify": value}).verify == read


@pytest.mark.parametrize(
    "value", ["http://proxy:3128", {"http": "http://proxy:3128", "https": "http://proxy:3128"}], ids=["url", "object"]
)
def test_one_proxy_url_serves_both_schemes(value):
    """A single proxy URL is meant for http and https."""
    assert config(extra={"proxies": value}).proxies == {"http": "http://proxy:3128", "https": "http://proxy:3128"}


def test_the_secret_may_have_been_pasted_with_its_line_end():
    """White space around a secret is never part of it."""
    assert config(password=f" {SECRET}\n").auth.secret == SECRET
