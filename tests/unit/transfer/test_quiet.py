"""What urllib3 says about our requests, to whatever logger, is not heard."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path

import pytest
import urllib3

from airflow_provider_kaltura.api.config import AuthConfig, ClientConfig
from airflow_provider_kaltura.api.errors import KalturaError
from airflow_provider_kaltura.api.runtime import Runtime
from airflow_provider_kaltura.api.urls import probe
from airflow_provider_kaltura.quiet import LOGGERS, quiet_urllib3
from airflow_provider_kaltura.transfer.errors import SourceError
from airflow_provider_kaltura.transfer.http_source import FixedUrl, HttpSource
from tests.media_server import Fault
from tests.unit.transfer.reading import SECRET

#: A header line without a colon: what comes after it is no header any more, and urllib3 warns with the URL.
BROKEN = Fault(headers=(("X-Fine", "1\r\nbroken header line"), ("X-More", "2")))


@pytest.fixture
def secret_url(server):
    """A URL with a session in its path and a signature in its query, whose answers have a broken header."""
    server.again(lambda _: BROKEN)
    return f"{server.base_url}/ks/{SECRET}/a.mp4?Signature={SECRET[::-1]}"


def test_urllib3_really_tells_the_url_of_a_broken_header(secret_url, caplog):
    """Somebody else's request: without this the other tests would prove nothing."""
    urllib3.request("GET", secret_url)
    assert SECRET in caplog.text


def test_a_broken_header_shows_no_url_of_a_transfer(secret_url, pool, caplog):
    """Neither at WARNING nor below."""
    caplog.set_level(logging.DEBUG)
    with contextlib.suppress(SourceError), HttpSource(FixedUrl(secret_url), size_bytes=5_000, pool=pool).open(0, 5_000):
        pass
    assert SECRET not in caplog.text
    assert SECRET[::-1] not in caplog.text


def test_a_broken_header_shows_no_url_of_a_probe(secret_url, caplog):
    """The one byte with which a URL is tried."""
    caplog.set_level(logging.DEBUG)
    auth = AuthConfig(method="admin_secret", secret="a-secret")
    runtime = Runtime(ClientConfig(connection_id="c", service_url="http://127.0.0.1:1", partner_id=1, auth=auth))
    with contextlib.suppress(KalturaError):
        probe(runtime, secret_url, 5_000)
    assert SECRET not in caplog.text
    assert SECRET[::-1] not in caplog.text


def test_every_logger_of_the_library_is_known():
    """A module of urllib3's that begins to log is noticed here."""
    root = Path(urllib3.__file__).parent
    logging_modules = {
        ".".join(path.relative_to(root.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in root.rglob("*.py")
        if "getLogger(__name__)" in path.read_text()
    }
    assert logging_modules
    assert logging_modules <= set(LOGGERS)


def test_a_block_within_a_block_ends_alone(caplog):
    """After the inner block the outer one is still quiet, after the outer one others are heard."""
    log = logging.getLogger("urllib3.connection")
    with quiet_urllib3():
        with quiet_urllib3():
            log.warning("inner")
        log.warning("outer")
    log.warning("others")
    assert [record.message for record in caplog.records] == ["others"]
