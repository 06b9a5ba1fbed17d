"""Where a redirect may lead, decided without a request."""

from __future__ import annotations

import pytest

from airflow_provider_kaltura.transfer.errors import RedirectRefusedError
from airflow_provider_kaltura.transfer.http_urls import FixedUrl, UrlChain


def follow(url, *locations):
    """Follow redirects from a URL without a session; returns where they lead."""
    chain = UrlChain(FixedUrl(url), lambda _: False)
    for location in locations:
        chain.follow(location)
    return chain.url


@pytest.mark.parametrize("locations", [["http://a/y"], ["HTTP://a/y"], ["http://b:8080/y"], ["/z", "http://a/y"]])
def test_bytes_never_go_from_https_to_http(locations):
    """Once a URL was https, no redirect leaves it, to the same host or another, at once or later."""
    with pytest.raises(RedirectRefusedError, match="https"):
        follow("https://a/x", *locations)


def test_what_http_reached_over_https_stays_https():
    """A redirect may go from http to https, and then not back."""
    assert follow("http://a/x", "https://a/y") == "https://a/y"
    with pytest.raises(RedirectRefusedError, match="https"):
        follow("http://a/x", "https://a/y", "http://a/z")


@pytest.mark.parametrize(
    ("url", "location", "target"),
    [
        ("https://a/x/1", "2", "https://a/x/2"),
        ("https://a/x", "//b/y", "https://b/y"),
        ("https://a/x", "https://b/y?z", "https://b/y?z"),
        ("http://a/x", "http://b/y", "http://b/y"),
    ],
)
def test_other_redirects_are_followed(url, location, target):
    """Relative ones and those to other hosts lead on."""
    assert follow(url, location) == target
