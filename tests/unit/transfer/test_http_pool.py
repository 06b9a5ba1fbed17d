from __future__ import annotations

import socket
import ssl
import threading

import pytest
import trustme

from airflow_provider_kaltura.transfer.errors import SourceUnavailableError, SourceUntrustedError
from airflow_provider_kaltura.transfer.http_pool import HttpOptions, HttpPool, no_answer, reason_of
from airflow_provider_kaltura.transfer.http_source import FixedUrl, HttpSource
from tests.media_server import Fault, MediaServer, SeededContent

CONTENT = SeededContent(5, 3_000)


@pytest.fixture(scope="module")
def authority():
    """A certificate authority of the test's own."""
    return trustme.CA()


@pytest.fixture
def tls_url(authority):
    """A server that speaks TLS and answers every request with the content."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_serve_tls, args=(listener, context), daemon=True).start()
    yield f"https://127.0.0.1:{listener.getsockname()[1]}/a"
    listener.close()


def _serve_tls(listener, context):
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        try:
            with context.wrap_socket(connection, server_side=True) as tls:
                tls.recv(65536)
                tls.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3000\r\n\r\n" + CONTENT.all())
        except OSError:
            connection.close()


def fetch(url, **options):
    """Get everything from a URL."""
    with HttpPool(HttpOptions(connect_timeout_seconds=5, read_timeout_seconds=5, **options)) as pool:
        source, buffer = HttpSource(FixedUrl(url), size_bytes=3_000, pool=pool), memoryview(bytearray(3_000))
        with source.open(0, 3_000) as stream:
            return bytes(buffer[: stream.readinto(buffer)])


def test_a_certificate_that_does_not_hold_is_not_trusted(tls_url):
    """The error is of its own kind, is not tried again, and says why."""
    with pytest.raises(SourceUntrustedError, match="issuer certificate") as caught:
        fetch(tls_url, proxies={})
    assert not caught.value.retryable


def test_a_given_authority_is_trusted(tls_url, authority, tmp_path):
    """By path in the options, or in the environment."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    assert fetch(tls_url, verify=str(path), proxies={}) == CONTENT.all()


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_the_authority_of_the_environment_is_trusted(tls_url, authority, tmp_path, monkeypatch, name):
    """As requests does it."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    for other in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, str(tmp_path / "ca.pem"))
    assert fetch(tls_url, proxies={}) == CONTENT.all()


def test_a_folder_of_authorities_is_taken(tls_url, tmp_path):
    """An empty folder trusts nobody."""
    with pytest.raises(SourceUntrustedError):
        fetch(tls_url, verify=str(tmp_path), proxies={})


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_verification_can_be_switched_off(tls_url):
    """For self-signed test systems, by the user's explicit word."""
    assert fetch(tls_url, verify=False, proxies={}) == CONTENT.all()


@pytest.mark.parametrize("key", ["http", "all", "http://media.invalid"])
def test_a_proxy_is_used(key):
    """The request goes to the proxy, with the whole URL and the proxy's password."""
    with MediaServer(CONTENT) as proxy:
        address = f"http://user:pass@127.0.0.1:{proxy.port}"
        assert fetch("http://media.invalid/a?b=c", proxies={key: address}) == CONTENT.all()
    assert proxy.requests[0].path == "http://media.invalid/a?b=c"
    assert proxy.requests[0].header("Proxy-Authorization") == "Basic dXNlcjpwYXNz"


def test_the_proxy_of_the_environment_is_used(monkeypatch):
    """Where the options say nothing, http_proxy and no_proxy count."""
    with MediaServer(CONTENT) as proxy, MediaServer(CONTENT) as direct:
        monkeypatch.setenv("http_proxy", f"127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert fetch("http://media.invalid/a") == CONTENT.all()
        assert fetch(direct.url) == CONTENT.all()
        assert (len(proxy.requests), len(direct.requests)) == (1, 1)


def test_who_asks_is_told():
    """The User-Agent is the one of the options."""
    with MediaServer(CONTENT) as server:
        fetch(server.url, user_agent="mine/1.0", proxies={})
    assert server.requests[0].header("User-Agent") == "mine/1.0"


def test_a_pool_can_be_used_after_close():
    """Closing gives idle connections up, nothing else."""
    with MediaServer(CONTENT) as server, HttpPool(HttpOptions(proxies={})) as pool:
        pool.get(server.url, {}).release_conn()
        pool.close()
        assert pool.get(server.url, {}).status == 200


@pytest.mark.parametrize(
    "wrong",
    [{"connect_timeout_seconds": 0}, {"read_timeout_seconds": -1}, {"max_redirects": -1}, {"max_connections": 0}],
    ids=str,
)
def test_impossible_options_are_refused(wrong):
    """At once, not with the first request."""
    with pytest.raises(ValueError, match=r"greater|least"):
        HttpOptions(**wrong)


def test_proxies_are_not_in_the_repr():
    """They may hold a password."""
    assert "pass" not in repr(HttpOptions(proxies={"http": "http://user:pass@proxy"}))


def test_a_broken_answer_is_unavailable():
    """What is no HTTP at all is trouble that may pass."""
    with MediaServer(CONTENT, [Fault(drop_connection=True)]) as server, pytest.raises(SourceUnavailableError):
        fetch(server.url, proxies={})


def test_reasons_never_quote_the_library():
    """Names of classes and the system's own words only."""
    inner = OSError(111, "Connection refused")
    outer = ValueError("http://host/secret?ks=secret")
    outer.__cause__ = inner
    assert reason_of(outer) == "ValueError, Connection refused"
    assert reason_of(ValueError("secret")) == "ValueError"
    assert str(no_answer(ValueError("secret"), "host")) == "no answer: ValueError (host host)"
