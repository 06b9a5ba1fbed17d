"""``test_connection`` tells what is wrong, in one sentence, with each of the four ways to authenticate."""

from __future__ import annotations

import socket

import pytest
import trustme

from airflow_provider_kaltura.api.runtime import forget_all
from airflow_provider_kaltura.hooks import KalturaHook
from airflow_provider_kaltura.sandbox import ks, small
from airflow_provider_kaltura.sandbox.server import serve

METHODS = ["admin_secret", "session_start", "app_token", "ks"]
every_method = pytest.mark.parametrize("method", METHODS)


def fields_of(method):
    """Give password and extras of a connection that authenticates this way."""
    if method == "app_token":
        return {"password": small.APP_TOKEN, "extra": {"app_token_id": small.APP_TOKEN_ID}}
    if method == "ks":
        # Valid for long, so that only what the test breaks is wrong; made without any server.
        ready = ks.make(small.ADMIN_SECRET, small.PARTNER_ID, kind=ks.ADMIN, user_id="any", expires_at=2**31 - 1)
        return {"password": ready, "extra": {"auth_method": "ks"}}
    return {"password": small.ADMIN_SECRET, "extra": {"auth_method": method}}


@pytest.fixture
def sentence(define_connection):
    """Give a function that tries a connection and returns (whether it is good, what is said)."""

    def try_it(method, host, **extra):
        forget_all()
        fields = fields_of(method)
        define_connection(host=host, password=fields["password"], extra={**fields["extra"], **extra})
        ok, message = KalturaHook().test_connection()
        assert message
        assert "\n" not in message
        for secret in (fields["password"], small.ADMIN_SECRET, small.APP_TOKEN, "djJ8"):
            assert secret not in message
        return ok, message

    return try_it


@pytest.fixture
def https(tmp_path):
    """Serve a library under a certificate that nobody vouches for; give base URL and the authority's file."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    key, certificate, bundle = (tmp_path / name for name in ("key.pem", "cert.pem", "ca.pem"))
    issued.private_key_pem.write_to_path(str(key))
    issued.cert_chain_pems[0].write_to_path(str(certificate))
    authority.cert_pem.write_to_path(str(bundle))
    with serve(small.library(ready_after_seconds=3600), tls_cert=certificate, tls_key=key) as running:
        yield running.base_url, bundle


@every_method
def test_a_good_connection_is_said_to_be_good(sandbox, sentence, method):
    """Partner and server are named."""
    ok, message = sentence(method, sandbox.base_url)
    assert ok, message
    assert str(small.PARTNER_ID) in message
    assert sandbox.base_url in message


@every_method
def test_an_unreachable_host_is_named(sentence, method):
    """Where nobody listens, the sentence names the host and blames no secret."""
    with socket.socket() as bound:
        # Bound, but not listening: refused, and nobody else can take the port meanwhile.
        bound.bind(("127.0.0.1", 0))
        ok, message = sentence(method, f"http://127.0.0.1:{bound.getsockname()[1]}")
    assert not ok
    assert "127.0.0.1" in message
    assert "secret" not in message
    assert "certificate" not in message


@every_method
def test_a_self_signed_certificate_is_named_and_can_be_trusted(https, sentence, method):
    """The sentence says what to set, and with that set the connection is good."""
    base_url, bundle = https
    ok, message = sentence(method, base_url)
    assert not ok
    assert "certificate" in message
    assert "'verify'" in message
    ok, message = sentence(method, base_url, verify=str(bundle))
    assert ok, message


@every_method
@pytest.mark.parametrize(
    ("service", "action", "words"),
    [("media", "list", "listing entries is refused"), ("flavorAsset", "getUrl", "download URLs are refused")],
)
def test_a_missing_permission_is_not_a_wrong_secret(sandbox, sentence, method, service, action, words):
    """Authenticated, but what the job needs is refused: the sentence says both, and what."""
    sandbox.control.faults.on("forbidden", service=service, action=action)
    ok, message = sentence(method, sandbox.base_url)
    assert not ok
    assert message.startswith("Authenticated, but")
    assert words in message


@pytest.mark.parametrize("method", ["admin_secret", "session_start"])
def test_only_session_start_sends_the_secret_for_a_session(sandbox, sentence, method):
    """A locally made KS starts no session with the secret; ``session_start`` does."""
    sentence(method, sandbox.base_url)
    called = {name.lower() for name in sandbox.log.action_counts()}
    assert ("session.start" in called) == (method == "session_start")
    assert ("session.startwidgetsession" in called) == (method == "admin_secret")
