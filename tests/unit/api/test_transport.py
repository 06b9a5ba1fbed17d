"""HTTP below the official client."""

from __future__ import annotations

import contextlib
import gzip
import os
import socket
import ssl
import threading
import traceback

import pytest
import trustme

from airflow_provider_kaltura.api import errors
from airflow_provider_kaltura.api.retries import Retrier, RetryPolicy
from airflow_provider_kaltura.api.runtime import Runtime
from airflow_provider_kaltura.api.transport import Transport
from tests.unit.api.conftest import ADMIN_SECRET
from tests.unit.api.kaltura_double import Reply, reply_of, running_double

ONE_TRY = Retrier(policy=RetryPolicy(max_tries=1))


def ping(config):
    """Ask once, without retries."""
    own = Runtime(config, retrier=ONE_TRY)
    try:
        return own.client().system.ping()
    finally:
        own.transport.close()


def failure(config):
    """Ask once and return the error."""
    with pytest.raises(errors.KalturaTransportError) as caught:
        ping(config)
    return caught.value


def test_an_answer_that_is_too_long_is_refused_while_it_comes(double, make_config):
    """A flood ends at the bound, not in memory."""
    double.whole = [Reply(b"x" * 200_000)]
    assert failure(make_config(max_answer_bytes=100_000)).code == "ANSWER_TOO_LONG"


def test_the_bound_holds_for_what_is_unpacked(double, make_config):
    """A small compressed answer may not become a large one."""
    bomb = gzip.compress(b" " * 5_000_000)
    double.whole = [Reply(bomb, headers={"Content-Type": "text/xml", "Content-Encoding": "gzip"})]
    assert len(bomb) < 10_000
    assert failure(make_config(max_answer_bytes=1_000_000)).code == "ANSWER_TOO_LONG"


def test_compressed_answers_are_read(double, make_config):
    """Gzip is asked for and understood."""
    whole = reply_of(True)
    double.whole = [Reply(gzip.compress(whole.body), headers={**whole.headers, "Content-Encoding": "gzip"})]
    assert ping(make_config()) is True
    assert double.posts[0].headers["Accept-Encoding"] == "gzip"


def test_a_connection_that_ends_early_is_an_error(double, make_config):
    """A body shorter than its Content-Length is never parsed."""
    whole = reply_of(True)
    double.whole = [Reply(whole.body, cut=True)]
    assert failure(make_config()).code == "CUT_ANSWER"


def test_a_server_that_says_nothing_is_given_up(double, make_config):
    """The read timeout of the connection is kept."""
    never = threading.Event()
    double.whole = [Reply(b"", delay=never)]
    assert failure(make_config(read_timeout_seconds=0.2)).code == "TIMEOUT"
    never.set()


PACKED = gzip.compress(os.urandom(3000))


@pytest.mark.parametrize(
    ("headers", "piece"),
    [
        ("Content-Length: 100000", lambda _: b"x"),
        ("Transfer-Encoding: chunked", lambda _: b"1\r\nx\r\n"),
        ("Content-Length: 3000\r\nContent-Encoding: gzip", lambda at: PACKED[at : at + 1]),
    ],
    ids=["plain", "chunked", "gzip"],
)
def test_a_server_that_dribbles_is_given_up(make_config, headers, piece):
    """Bytes now and then keep a read timeout alive; the whole answer has a limit as well, and it holds."""
    gone = threading.Event()

    def dribble():
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(65536)
            connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n{headers}\r\n\r\n".encode())
            for at in range(200):
                connection.sendall(piece(at))
                if gone.wait(0.02):
                    return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=dribble, daemon=True)
        server.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        transport = Transport(make_config(service_url=url, read_timeout_seconds=0.1))
        with pytest.raises(errors.KalturaTransportError) as caught:
            transport.post(url, json={})
        # It was given up by us, in the middle of the answer.
        assert (caught.value.code, server.is_alive()) == ("ANSWER_TOO_SLOW", True)
        gone.set()
        server.join(5)
        transport.close()


def test_a_packed_answer_that_is_cut_or_damaged_is_refused(double, make_config):
    """An end that is missing and bytes that are no gzip are told, not read as far as they go."""
    whole = gzip.compress(reply_of(True).body)
    headers = {"Content-Type": "text/xml", "Content-Encoding": "gzip"}
    for packed in (whole[:-4], whole[:20], b"no gzip at all", whole[:30] + b"\xff" * 20):
        double.whole = [Reply(packed, headers=headers)]
        assert failure(make_config()).code == "CUT_ANSWER"


def test_a_packing_that_was_not_asked_for_is_refused(double, make_config):
    """Only gzip was offered."""
    double.whole = [Reply(b"x", headers={"Content-Type": "text/xml", "Content-Encoding": "gzip, gzip"})]
    assert failure(make_config()).code == "NOT_GZIP"


def test_gzip_in_several_members_is_one_answer(double, make_config):
    """What a proxy joins is read to the end."""
    whole = reply_of(True).body
    packed = gzip.compress(whole[:30]) + gzip.compress(whole[30:])
    double.whole = [Reply(packed, headers={"Content-Type": "text/xml", "Content-Encoding": "gzip"})]
    assert ping(make_config()) is True


def test_nobody_listening_is_unreachable(make_config):
    """A refused connection and an unknown host are told by one word."""
    for url in ("http://127.0.0.1:9", "http://no-such-host.invalid"):
        error = failure(make_config(service_url=url, connect_timeout_seconds=2))
        assert error.code in {"UNREACHABLE", "PROXY"}
        assert error.retryable


def test_a_certificate_that_nobody_signed_is_refused_and_a_known_one_is_taken(make_config, tmp_path):
    """Verify takes a CA bundle; without it a self-signed server is an error that retries don't help."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with running_double(tls=context) as server:
        server.actions[("system", "ping")] = True
        error = failure(make_config(service_url=server.base_url))
        assert (type(error).__mro__[1], error.code, error.retryable) == (errors.TlsError, "TLS", False)
        assert "certificate" in str(error)
        assert ping(make_config(service_url=server.base_url, verify=str(tmp_path / "ca.pem"))) is True


def test_a_server_without_tls_is_told_as_such(double, make_config):
    """No CA bundle helps there."""
    error = failure(make_config(service_url=double.base_url.replace("http://", "https://")))
    assert isinstance(error, errors.TlsError)
    assert (error.code, error.retryable) == ("PLAIN_HTTP", False)
    assert "put http:// before the host" in str(error)


def test_the_connections_own_verify_wins_over_the_environment(make_config, tmp_path, monkeypatch):
    """REQUESTS_CA_BUNDLE counts only where the connection says nothing else."""
    authority, other = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    other.cert_pem.write_to_path(str(tmp_path / "other.pem"))

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with running_double(tls=context) as server:
        server.actions[("system", "ping")] = True
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "other.pem"))
        assert ping(make_config(service_url=server.base_url, verify=str(tmp_path / "ca.pem"))) is True
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
        assert ping(make_config(service_url=server.base_url)) is True


def test_a_proxy_of_the_connection_is_used(double, make_config):
    """Requests go to the proxy with the whole URL."""
    double.actions[("system", "ping")] = True
    config = make_config(service_url="http://kaltura.invalid", proxies={"http": double.base_url})
    assert ping(config) is True
    assert double.posts[0].path.startswith("http://kaltura.invalid/api_v3/")


def test_we_say_who_we_are_and_nothing_of_the_machine(double, make_config, tmp_path, monkeypatch):
    """User-Agent with our version; no credentials of a .netrc, no cookies."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password mine\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    whole = reply_of(True)
    double.whole = [Reply(whole.body, headers={**whole.headers, "Set-Cookie": "a=b"}), whole]
    own = Runtime(make_config(), retrier=ONE_TRY)
    own.client().system.ping()
    own.client().system.ping()
    own.transport.close()
    for request in double.posts:
        assert request.headers["User-Agent"].startswith("airflow-provider-kaltura/")
        assert not {"Authorization", "Cookie"} & set(request.headers)


def test_a_redirect_of_the_api_is_not_followed(double, make_config):
    """A KS is never sent on; the message says what to do."""
    with running_double() as other:
        double.whole = [Reply(b"moved", 301, {"Location": f"{other.base_url}/api_v3", "Content-Type": "text/html"})]
        error = failure(make_config())
        assert (error.code, error.retryable, other.requests) == ("HTTP_301", False, [])


@pytest.mark.parametrize(
    ("status", "retryable"), [(400, False), (403, False), (404, False), (500, True), (503, True), (504, True)]
)
def test_http_statuses_are_typed(double, make_config, status, retryable):
    """5xx may pass, 4xx never does."""
    double.whole = [Reply(b"no", status, {"Content-Type": "text/plain", "Retry-After": "7"})]
    error = failure(make_config())
    assert (error.code, error.retryable, error.retry_after_seconds) == (f"HTTP_{status}", retryable, 7.0)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("Sat, 21 Nov 2026 12:00:30 GMT", 30.0), ("Sat, 21 Nov 2026 11:00:00 GMT", 0.0), ("soon", None)],
)
def test_retry_after_is_seconds_or_a_date(double, make_config, header, seconds):
    """Both forms are read; nonsense is none."""
    double.whole = [Reply(b"no", 429, {"Content-Type": "text/plain", "Retry-After": header})]
    own = Runtime(make_config(), retrier=ONE_TRY, now=lambda: 1795262400.0)
    with pytest.raises(errors.ThrottledError) as caught:
        own.client().system.ping()
    own.transport.close()
    assert caught.value.retry_after_seconds == seconds


def test_no_traceback_holds_a_secret(make_config):
    """With the whole chain of causes printed, neither secret nor KS is in it."""
    config = make_config(auth={"method": "session_start"}, service_url="http://127.0.0.1:9")
    try:
        ping(config)
    except errors.KalturaTransportError:
        assert ADMIN_SECRET not in traceback.format_exc()


def test_files_are_uploaded_once(double, api, tmp_path):
    """An upload goes as a form beside its JSON, and is never repeated."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"content of the file")
    double.actions[("uploadtoken", "upload")] = {"objectType": "KalturaUploadToken", "id": "1"}
    with path.open("rb") as file:
        assert api.client().uploadToken.upload("1", file).id == "1"
    (request,) = double.posts
    assert request.headers["Content-Type"].startswith("multipart/form-data")
    assert b"content of the file" in request.body["raw"]
    assert b'"uploadTokenId"' in request.body["raw"]


def test_a_short_answer_of_countless_tags_is_not_parsed(double, make_config):
    """Each empty element costs a hundred times its text in memory."""
    head, tail = b"<xml><result>", b"</result></xml>"
    double.whole = [Reply(head + b"<a/>" * 2_000_001 + tail)]
    assert failure(make_config()).code == "ANSWER_TOO_LONG"
    double.whole = [Reply(head + b"<a " + b" ".join(b'b%x=""' % n for n in range(2_000_001)) + b"/>" + tail)]
    assert failure(make_config()).code == "ANSWER_TOO_LONG"
