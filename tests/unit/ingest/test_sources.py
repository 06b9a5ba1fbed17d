"""Sources of jobs: the URL is asked for once, and the size when nobody told it."""

from __future__ import annotations

import http.server
import threading
from base64 import urlsafe_b64encode

import pytest

from airflow_provider_kaltura.api.models import MediaUrl
from airflow_provider_kaltura.ingest.sources import HttpSources
from airflow_provider_kaltura.transfer.errors import (
    RedirectRefusedError,
    SourceChangedError,
    SourceExpiredError,
    SourceUnavailableError,
)
from tests.unit.ingest.fakes import job

DATA = b"0123456789"


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by the status in the path; ``/ok`` has the data."""

    def do_GET(self):
        """Answer one request."""
        self.server.asked.append((self.path, self.headers.get("Range")))
        if self.server.locations:
            self.send_response(302)
            self.send_header("Location", self.server.locations.pop(0))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        status = self.server.script.pop(0) if self.server.script else 200
        if status == 416:
            self.send_response(status)
            self.send_header("Content-Range", "bytes */0")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if status != 200:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        ranged = self.headers.get("Range")
        body = DATA[:1] if ranged else DATA
        self.send_response(206 if ranged else 200)
        self.send_header("Content-Length", str(len(body)))
        if ranged:
            self.send_header("Content-Range", f"bytes 0-0/{len(DATA)}")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments):
        """Say nothing."""


@pytest.fixture
def server():
    """A server with a script of statuses, and what it was asked."""
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.asked, made.script, made.locations = [], [], []
    thread = threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


class Urls:
    """Gives numbered URLs of a server and notes which were stale."""

    def __init__(self, server):
        self.base = f"http://127.0.0.1:{server.server_port}"
        self.stale = []

    def __call__(self, *, stale=None):
        """Give the next URL."""
        self.stale.append(stale)
        return MediaUrl(url=f"{self.base}/{len(self.stale)}")


@pytest.fixture
def sources():
    """Sources that don't wait."""
    waits = []
    with HttpSources(sleep=waits.append) as made:
        made.waits = waits
        yield made


def read(source):
    """Read the whole of a source."""
    buffer = bytearray(source.size_bytes)
    with source.open(0, source.size_bytes) as stream:
        assert stream.readinto(memoryview(buffer)) == len(buffer)
    return bytes(buffer)


def planned(urls, **more):
    """Make a job whose URLs come from *urls*."""
    made = job("a", **more)
    object.__setattr__(made, "resolve_url", urls)
    return made


def test_known_size_costs_no_request(server, sources):
    """The source is opened when its bytes are read."""
    urls = Urls(server)
    source = sources(planned(urls, size_bytes=len(DATA)))
    assert (server.asked, urls.stale) == ([], [])
    assert read(source) == DATA
    assert urls.stale == [None]


def test_refused_url_is_asked_for_anew(server, sources):
    """The resolver learns which URL stopped working, and that one is not used again."""
    server.script = [403]
    urls = Urls(server)
    source = sources(planned(urls, size_bytes=len(DATA)))
    with pytest.raises(SourceExpiredError):
        read(source)
    assert read(source) == DATA
    assert urls.stale == [None, f"{urls.base}/1"]


def of_version_2(server):
    """Give a resolver whose URL names version 2."""
    url = f"http://127.0.0.1:{server.server_port}/entryId/0_e/v/2/flavorId/0_f"
    return lambda *, stale=None: MediaUrl(url=stale or url)


@pytest.mark.parametrize("version", ["2", ""])
def test_url_of_the_planned_or_an_unknown_version_is_read(server, sources, version):
    """The version is proved by the URL's path where both are known."""
    assert read(sources(planned(of_version_2(server), size_bytes=len(DATA), version=version))) == DATA


def test_url_of_another_version_is_refused_before_a_request(server, sources):
    """Old versions go on being served, so only the path can tell."""
    with pytest.raises(SourceChangedError):
        read(sources(planned(of_version_2(server), size_bytes=len(DATA), version="12")))
    assert server.asked == []


def test_unknown_size_is_probed_and_the_url_kept(server, sources):
    """One ranged request, and no second getUrl."""
    urls = Urls(server)
    source = sources(planned(urls))
    assert source.size_bytes == len(DATA)
    assert read(source) == DATA
    assert server.asked == [("/1", "bytes=0-0"), ("/1", None)]
    assert urls.stale == [None]


@pytest.mark.parametrize(
    ("script", "asked"), [([503, 503], ["/1", "/1", "/1"]), ([403], ["/1", "/2"]), ([410, 503], ["/1", "/2", "/2"])]
)
def test_probe_goes_on_past_trouble_and_asks_anew_for_a_refused_url(server, sources, script, asked):
    """What a transfer survives, finding out the size survives too."""
    server.script = script
    urls = Urls(server)
    assert sources(planned(urls)).size_bytes == len(DATA)
    assert [path for path, _ in server.asked] == asked
    assert sources.waits == [0.5, 1.0][: len(asked) - 1]


@pytest.mark.parametrize(("status", "error"), [(503, SourceUnavailableError), (403, SourceExpiredError)])
def test_probe_ends_after_four_tries(server, sources, status, error):
    """Trouble that stays is told."""
    server.script = [status] * 10
    with pytest.raises(error):
        sources(planned(Urls(server)))
    assert len(server.asked) == 4


def test_probe_never_takes_nothing_for_a_media_file(server, sources):
    """416 with a length of 0 is a refusal: the URL is asked for anew, and at last the job fails."""
    server.script = [416] * 10
    urls = Urls(server)
    with pytest.raises(SourceExpiredError, match="empty"):
        sources(planned(urls))
    assert [path for path, _ in server.asked] == ["/1", "/2", "/3", "/4"]
    server.script = [416]
    assert sources(planned(urls)).size_bytes == len(DATA)


def test_flavor_of_size_0_has_an_unknown_size(server, sources):
    """Kaltura's 0 means that it doesn't know."""
    assert sources(planned(Urls(server), size_bytes=0)).size_bytes == len(DATA)
    assert sources(planned(Urls(server), size_bytes=0, asset_type="caption")).size_bytes == 0


def test_probe_does_not_repeat_what_cannot_change(sources):
    """A URL that is no http(s) URL stays one."""
    with pytest.raises(RedirectRefusedError):
        sources(planned(lambda *, stale=None: MediaUrl(url=stale or "ftp://host/a")))
    assert sources.waits == []


@pytest.mark.parametrize("size_bytes", [None, len(DATA)], ids=["probed", "read"])
def test_ks_that_a_redirect_brings_never_goes_to_another_host(server, sources, size_bytes):
    """A plain URL may lead to one with a KS, and that one to somebody else's."""
    ks = urlsafe_b64encode(b"v2|123|" + bytes(range(64))).decode()
    server.locations = [f"/mine?ks={ks}", f"http://localhost:{server.server_port}/theirs?ks={ks}"]
    with pytest.raises(RedirectRefusedError):
        read(sources(planned(Urls(server), size_bytes=size_bytes)))
    assert [path for path, _ in server.asked] == ["/1", f"/mine?ks={ks}"]


def test_connection_settings_hold_for_media(config):
    """Certificates, proxies and time limits are those of the connection."""
    options = HttpSources.of(config)._pool.options
    assert options.read_timeout_seconds == config.read_timeout_seconds
    assert options.user_agent == config.user_agent
    assert HttpSources.of(None)._pool.options.verify is True
    assert HttpSources.of(None)._pool.options.user_agent == config.user_agent
