"""Where a URL may lead, and where it never shows."""

from __future__ import annotations

import logging
import traceback
from urllib.parse import quote

import pytest

from airflow_provider_kaltura.transfer.errors import RedirectRefusedError, SourceAnswerError, SourceError
from airflow_provider_kaltura.transfer.http_pool import HttpOptions, HttpPool
from airflow_provider_kaltura.transfer.http_source import FixedUrl, HttpSource
from tests.media_server import Fault
from tests.unit.transfer.reading import CONTENT, SECRET, connections_of, read, redirect


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(server, source, status):
    """Relative and absolute ones, with the same range."""
    server.again([redirect("../elsewhere?x=1", status), redirect(f"{server.base_url}/there", status)])
    assert read(source, 10, 20) == CONTENT.read(10, 20)
    assert [request.path for request in server.requests] == ["/object", "/elsewhere?x=1", "/there"]
    assert {request.header("Range") for request in server.requests} == {"bytes=10-19"}
    assert source.requests == 3


def test_five_redirects_are_enough(server, source):
    """The fifth is followed, a sixth is an error."""
    server.again([redirect("/again")] * 5)
    assert read(source, 0, 5_000) == CONTENT.all()
    server.again([redirect("/again")] * 6)
    with pytest.raises(RedirectRefusedError):
        source.open(0, 5_000)
    assert len(server.requests) == 6


@pytest.mark.timeout(30)
@pytest.mark.parametrize("came", [0, 1, 999])
def test_a_body_beside_a_redirect_is_not_waited_for(server, came):
    """One that doesn't come, or byte by byte, costs its connection but no time: nobody wants it."""
    slow = Fault(
        status=302, body=b"x" * 1_000, cut_after=came, with_silence=True, headers=(("Location", "/elsewhere"),)
    )
    server.again([slow])
    with HttpPool(HttpOptions(read_timeout_seconds=3_600, proxies={})) as pool:
        assert read(HttpSource(FixedUrl(server.url), size_bytes=5_000, pool=pool), 0, 5_000) == CONTENT.all()


@pytest.mark.parametrize(
    ("body", "connections"), [(b"", 1), (b"moved", 1), (b"x" * 100_000, 2)], ids=["none", "short", "long"]
)
def test_a_redirect_gives_its_connection_back(server, source, body, connections):
    """When its body is short and comes at once; a long one is not read."""
    server.again([Fault(status=302, body=body, headers=(("Location", "/elsewhere"),))])
    assert read(source, 0, 5_000) == CONTENT.all()
    assert connections_of(source) == connections


@pytest.mark.parametrize("location", ["ftp://127.0.0.1/x", "file:///etc/passwd", "http://[bad", "javascript:1"])
def test_redirects_to_other_schemes_are_refused(server, source, location):
    """Media come over http or https only."""
    server.again([redirect(location)])
    with pytest.raises(RedirectRefusedError):
        source.open(0, 5_000)
    assert len(server.requests) == 1


def test_a_redirect_without_a_location_is_no_media(server, source):
    """Nothing is guessed."""
    server.again([Fault(status=302, body=b"")])
    with pytest.raises(SourceAnswerError):
        source.open(0, 5_000)


def test_a_url_that_is_no_http_is_refused(pool):
    """Whatever the resolver gives."""
    for url in ("file:///etc/passwd", "ftp://x/y", "", "no-scheme", "http://"):
        with pytest.raises(RedirectRefusedError):
            HttpSource(FixedUrl(url), size_bytes=1, pool=pool).open(0, 1)


@pytest.mark.parametrize("place", ["/a?ks={}", "/ks/{}/a"], ids=["query", "path"])
@pytest.mark.parametrize(
    "encode",
    [lambda text: text, lambda text: text.replace("T", "%54"), lambda text: text.replace("+", "%252B")],
    ids=["plain", "encoded", "encoded twice"],
)
def test_a_session_never_goes_to_another_host(server, pool, place, encode):
    """A redirect that takes it along is refused, however it is written; nothing is asked there."""
    other = f"http://localhost:{server.port}"
    session = f"{SECRET}+x="
    server.again([redirect(other + place.format(encode(session)))])
    url = FixedUrl(server.base_url + place.format(session), needs_session=True)
    with pytest.raises(RedirectRefusedError):
        HttpSource(url, size_bytes=5_000, pool=pool).open(0, 5_000)
    assert len(server.requests) == 1


def test_a_session_that_a_redirect_brought_never_goes_to_another_host(server, pool):
    """A service may answer with a session of its own making; that one stays too."""
    server.again([redirect(f"/b/ks/{SECRET}"), redirect(f"http://localhost:{server.port}/b/ks/{SECRET}")])
    with pytest.raises(RedirectRefusedError):
        HttpSource(FixedUrl(f"{server.base_url}/a", needs_session=True), size_bytes=5_000, pool=pool).open(0, 5_000)
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "disguise",
    [
        lambda text: text.rstrip("="),
        lambda text: f"{text[:60]}/{text[60:]}",
        lambda text: "/".join(text[start : start + 20] for start in range(0, len(text), 20)),
        lambda text: text[10:-10],
        lambda text: quote(quote(quote(text, safe=""), safe=""), safe=""),
        lambda text: "".join(f"%{ord(letter):02x}" for letter in text),
    ],
    ids=["without padding", "divided", "in short pieces", "shortened", "encoded three times", "each letter encoded"],
)
def test_a_session_in_disguise_never_goes_to_another_host(server, pool, disguise):
    """However the redirect writes it, as long as most of it is there."""
    session = f"{SECRET}-_=="
    server.again([redirect(f"http://localhost:{server.port}/x/{disguise(session)}")])
    url = FixedUrl(f"{server.base_url}/p?ks={session}", needs_session=True)
    with pytest.raises(RedirectRefusedError):
        HttpSource(url, size_bytes=5_000, pool=pool).open(0, 5_000)
    assert len(server.requests) == 1


def knows(secret):
    """A recogniser of one session."""
    return lambda url: secret in url


@pytest.mark.parametrize(
    "locations",
    [
        ["{there}/b?ks=short"],
        ["/b?ks=short", "{there}/b?ks=short"],
        ["{there}/b?ks=%73hort"],
        ["{there}/b", "{home}/c?ks=short"],
        ["/b?ks=short&long={long}", "{there}/b/{long}"],
        ["/b?ks=short&long={long}", "{there}/b", "{there}/b/{long}"],
    ],
    ids=["at once", "by its own host", "encoded", "from elsewhere", "what was beside it", "what was beside it, later"],
)
def test_a_session_that_came_with_a_redirect_from_a_plain_url_stays(server, pool, locations):
    """Whether the first URL needed one says nothing about those that follow."""
    names = {"there": f"http://localhost:{server.port}", "home": server.base_url, "long": SECRET}
    server.again([redirect(location.format(**names)) for location in locations])
    source = HttpSource(FixedUrl(f"{server.base_url}/a"), size_bytes=5_000, pool=pool, has_session=knows("ks=short"))
    with pytest.raises(RedirectRefusedError, match="session"):
        source.open(0, 5_000)
    assert len(server.requests) == len(locations)


def test_a_session_that_came_with_a_redirect_may_stay_on_its_host(server, pool):
    """Or be left behind there; a host's own session on its way to itself is nobody else's."""
    there = f"http://localhost:{server.port}"
    server.again([redirect("/b?ks=short"), redirect(f"{there}/c"), redirect("/d?ks=short")])
    source = HttpSource(FixedUrl(f"{server.base_url}/a"), size_bytes=5_000, pool=pool, has_session=knows("ks=short"))
    assert read(source, 0, 5_000) == CONTENT.all()
    assert [request.path for request in server.requests] == ["/a", "/b?ks=short", "/c", "/d?ks=short"]


def test_a_session_may_be_left_behind_or_stay_on_its_host(server, pool):
    """A redirect elsewhere without the session is fine, as is one with it on the same host."""
    url = FixedUrl(f"{server.base_url}/a-file-name-that-both-have.mp4?x=1&ks={SECRET}", needs_session=True)
    source = HttpSource(url, size_bytes=5_000, pool=pool)
    cdn = f"http://localhost:{server.port}/a-file-name-that-both-have.mp4?token=1"
    server.again([redirect(f"/relocate/a?ks={SECRET}"), redirect(cdn)])
    assert read(source, 0, 5_000) == CONTENT.all()
    assert SECRET not in server.requests[2].head.decode()


# Nothing shows a URL.


@pytest.mark.parametrize(
    "script",
    [
        [Fault(status=404, body=b"")],
        [Fault(status=503, body=b"")],
        [Fault(drop_connection=True)],
        [Fault(body=b"")],
        [Fault(declared=1)],
        [Fault(headers=(("Content-Encoding", "gzip"),))],
        [redirect("ftp://x/" + SECRET)],
        [redirect("http://[" + SECRET)],
        [redirect("http://bad host/" + SECRET)],
        [redirect("/" + SECRET)] * 9,
    ],
    ids=lambda script: repr(script[0])[:40],
)
def test_no_error_and_no_log_shows_the_url(server, pool, script, caplog):
    """Neither the text, nor the cause, nor the traceback, nor a log line at any level."""
    caplog.set_level(logging.DEBUG)
    server.again(script)
    source = HttpSource(FixedUrl(f"{server.base_url}/{SECRET}?ks={SECRET}"), size_bytes=5_000, pool=pool)
    with pytest.raises(SourceError) as caught:
        source.open(0, 5_000)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(source) + caplog.text
    assert SECRET not in shown
    assert SECRET not in repr(FixedUrl(SECRET))
    assert SECRET not in repr(vars(caught.value))


def test_other_peoples_log_lines_stay(server, pool, caplog):
    """Only the records of our own requests are dropped."""
    import urllib3  # noqa: PLC0415 - somebody else's use of the library

    caplog.set_level(logging.DEBUG)
    read(HttpSource(FixedUrl(server.url), size_bytes=5_000, pool=pool), 0, 5_000)
    assert "/object" not in caplog.text
    urllib3.request("GET", f"{server.base_url}/theirs")
    assert "/theirs" in caplog.text


def test_a_url_without_a_session_may_keep_its_parts(server, pool):
    """Long names and tokens of a plain URL go on to the host that the server names."""
    server.again([redirect(f"http://localhost:{server.port}/{SECRET}?token={SECRET}")])
    source = HttpSource(FixedUrl(f"{server.base_url}/{SECRET}?token={SECRET}"), size_bytes=5_000, pool=pool)
    assert read(source, 0, 5_000) == CONTENT.all()
