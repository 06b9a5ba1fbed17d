"""The URL of an asset's bytes: when it is tried, what counts as working, where redirects may lead."""

from __future__ import annotations

import logging

import pytest

from airflow_provider_kaltura.api import errors
from airflow_provider_kaltura.api.models import Entry, FlavorAsset
from airflow_provider_kaltura.api.urls import check_scheme, probe, redirect_target
from tests.unit.api.kaltura_double import Fault, Reply, Step, die, running_double

KS = "djJ8MTAxfAABBCCDDEEFFGGHHIIJJKKLLMMNNOOPP"
ENTRY = Entry(id="0_entry001", partner_id=101, access_control_id=4)
ASSET = FlavorAsset(id="0_flavor01", entry_id="0_entry001", partner_id=101, status=2, size_bytes=3000)
RULES = {"objectType": "KalturaAccessControlProfile", "id": 4, "rules": [{"objectType": "KalturaRule", "message": "x"}]}
NO_RULES = {"objectType": "KalturaAccessControlProfile", "id": 4, "rules": []}


def byte(total=3000, **headers):
    """Answer a ranged request as a media server does."""
    return Reply(b"x", 206, {"Content-Type": "video/mp4", "Content-Range": f"bytes 0-0/{total}", **headers})


def redirect(location, status=302):
    """Answer a redirect."""
    return Reply(b"", status, {"Location": location, "Content-Type": "text/html"})


@pytest.fixture
def server(double):
    """Give a server where getUrl and getDownloadUrl both work."""
    double.actions[("flavorasset", "getUrl")] = f"{double.base_url}/plain"
    double.actions[("flavorasset", "getDownloadUrl")] = f"{double.base_url}/download/ks/{KS}"
    double.actions[("accesscontrolprofile", "get")] = RULES
    double.media["/plain"] = byte()
    double.media[f"/download/ks/{KS}"] = redirect(f"/download/ks/{KS}/relocate/a.mp4")
    double.media[f"/download/ks/{KS}/relocate/a.mp4"] = byte()
    return double


def test_a_plain_url_is_one_request(server, api):
    """Without rules nothing is probed; URL and profile come in one request, later the URL alone."""
    server.actions[("accesscontrolprofile", "get")] = NO_RULES
    for calls in (2, 1, 1):
        server.requests.clear()
        assert api.media_url(ASSET, ENTRY).url == f"{server.base_url}/plain"
        assert [len(request.calls) for request in server.requests] == [calls]


def test_what_is_known_of_a_profile_is_asked_again_after_a_while(server, api, clock):
    """An administrator may add a rule."""
    server.actions[("accesscontrolprofile", "get")] = [Step(NO_RULES), Step(RULES)]
    api.media_url(ASSET, ENTRY)
    clock.now += 601
    api.media_url(ASSET, ENTRY)
    assert len(server.gets) == 1


def test_a_probe_is_one_byte(server, api):
    """The plain URL is tried by a range of one byte, uncompressed, and kept."""
    assert api.media_url(ASSET, ENTRY).url == f"{server.base_url}/plain"
    (probed,) = server.gets
    assert (probed.headers["Range"], probed.headers["Accept-Encoding"]) == ("bytes=0-0", "identity")


USELESS = [
    pytest.param(die("3"), id="access control"),
    pytest.param(die("5"), id="no file"),
    pytest.param(Reply(b"", 200, {"Content-Type": "video/mp4"}), id="nothing"),
    pytest.param(Reply(b"", 206, {"Content-Type": "video/mp4", "Content-Range": "bytes 0-0/3000"}), id="no byte"),
    pytest.param(Reply(b"<html>", 200, {"Content-Type": "text/html"}), id="a page"),
    pytest.param(Reply(b"x", 403, {"Content-Type": "text/plain"}), id="forbidden"),
    pytest.param(Reply(b"", 404, {"Content-Type": "text/plain"}), id="not found"),
    pytest.param(Reply(b"", 416, {"Content-Range": "bytes */0"}), id="an empty file"),
    pytest.param(byte(total=2999), id="another length"),
    pytest.param(Reply(b"xyz", 200, {"Content-Type": "video/mp4"}), id="range ignored, another length"),
    pytest.param(redirect("ftp://127.0.0.1/x"), id="another scheme"),
    pytest.param(byte(**{"X-Kaltura": "cached-error-3"}), id="cached refusal"),
]


@pytest.mark.parametrize("reply", USELESS)
def test_a_useless_url_is_replaced_by_the_working_one(server, api, reply, heard):
    """Whatever is not the asset's first byte makes the alternative be tried, proved and announced."""
    server.media["/plain"] = reply
    found = api.media_url(ASSET, ENTRY, allow_session=True)
    assert (found.url, found.needs_session) == (f"{server.base_url}/download/ks/{KS}", True)
    assert KS in heard
    assert [request.path.partition("?")[0] for request in server.gets][1:] == [
        f"/download/ks/{KS}",
        f"/download/ks/{KS}/relocate/a.mp4",
    ]


@pytest.mark.parametrize("reply", USELESS)
def test_two_useless_urls_are_an_error(server, api, reply):
    """When neither works that is said, with both reasons and without the KS."""
    server.media["/plain"] = server.media[f"/download/ks/{KS}/relocate/a.mp4"] = reply
    with pytest.raises(errors.UnverifiedUrlError, match="0_flavor01") as caught:
        api.media_url(ASSET, ENTRY, allow_session=True)
    assert caught.value.code == "NO_WORKING_URL"
    assert KS not in str(caught.value) + repr(caught.value)


def test_a_range_that_is_ignored_is_no_failure(server, api):
    """A server without ranges shows the right length and its first byte."""
    server.media["/plain"] = Reply(b"x" * 3000, 200, {"Content-Type": "video/mp4"})
    assert api.media_url(ASSET, ENTRY).url.endswith("/plain")


def test_a_refusal_without_a_reason_finds_the_alternative(server, api):
    """GetUrl answers nothing at all: the other URL is tried, after the usual retries."""
    server.actions[("flavorasset", "getUrl")] = Reply(b"", 200, {"Content-Type": "text/html"})
    assert api.media_url(ASSET, ENTRY, allow_session=True).needs_session


def test_a_null_url_finds_the_alternative(server, api):
    """GetUrl's null is no URL."""
    server.actions[("flavorasset", "getUrl")] = None
    assert api.media_url(ASSET, ENTRY, allow_session=True).needs_session


@pytest.mark.parametrize("reason", ["2", "3", "13"])
def test_a_refusal_with_a_reason_is_raised(server, api, reason):
    """Access control, schedule and moderation refuse the session: nothing is tried around them."""
    server.actions[("flavorasset", "getUrl")] = die(reason)
    with pytest.raises(errors.AccessRefusedError) as caught:
        api.media_url(ASSET, ENTRY, allow_session=True)
    assert caught.value.x_kaltura_code == reason
    assert not server.gets


def test_a_profile_that_may_not_be_read_leads_to_a_probe(server, api):
    """A session that can't know the rules tries the URL."""
    server.actions[("accesscontrolprofile", "get")] = Fault("SERVICE_FORBIDDEN")
    api.media_url(ASSET, ENTRY)
    assert len(server.gets) == 1


def test_only_a_session_url_works_and_none_is_allowed(server, api):
    """No URL is given then, and its need is told."""
    server.media["/plain"] = die("3")
    found = api.media_url(ASSET, ENTRY, allow_session=False)
    assert (found.url, found.needs_session) == ("", True)


def test_a_plain_url_with_a_session_in_it_is_one(server, api):
    """An installation whose getUrl carries a KS is treated like the alternative."""
    server.actions[("accesscontrolprofile", "get")] = NO_RULES
    server.actions[("flavorasset", "getUrl")] = f"{server.base_url}/plain?ks={KS}"
    assert api.media_url(ASSET, ENTRY, allow_session=True).needs_session
    assert api.media_url(ASSET, ENTRY, allow_session=False).url == ""


def test_a_stale_url_is_proved_before_it_is_given_again(server, api):
    """After a failure what comes back has been tried, rules or not."""
    server.actions[("accesscontrolprofile", "get")] = NO_RULES
    url = api.media_url(ASSET, ENTRY).url
    server.media["/plain"] = die("3")
    assert api.media_url(ASSET, ENTRY, allow_session=True, stale=url).url.endswith(KS)


def test_an_exporting_asset_has_no_alternative(server, api):
    """GetDownloadUrl takes READY exactly, so it isn't asked."""
    server.media["/plain"] = die("3")
    exporting = FlavorAsset(id="0_flavor01", entry_id="0_entry001", partner_id=101, status=9)
    with pytest.raises(errors.UnverifiedUrlError, match="READY"):
        api.media_url(exporting, ENTRY, allow_session=True)


def test_a_probe_that_fails_for_the_moment_is_repeated(server, api, clock):
    """An outage or a rate limit of the media server is no reason for another URL."""
    replies = [Reply(b"", 500), die("57"), byte()]
    server.media["/plain"] = replies
    assert api.media_url(ASSET, ENTRY).url.endswith("/plain")
    assert len(clock.slept) == 2


def test_five_redirects_are_followed_and_no_more(server, api):
    """A loop ends."""
    hops = {f"/hop{number}": f"/hop{number + 1}" for number in range(5)}
    for path, target in hops.items():
        server.media[path] = redirect(target)
    server.media["/hop5"] = byte()
    probe(api.runtime, f"{server.base_url}/hop0", 3000)
    server.media["/more"] = redirect("/hop0")
    with pytest.raises(errors.UnverifiedUrlError, match="more than 5"):
        probe(api.runtime, f"{server.base_url}/more", 3000)


def test_a_session_never_goes_to_another_host(server, api):
    """A redirect that would carry the KS to another host is refused before anything is sent there."""
    with running_double() as other:
        server.media["/away"] = redirect(f"{other.base_url}/x/ks/{KS}/a.mp4")
        with pytest.raises(errors.UnverifiedUrlError) as caught:
            probe(api.runtime, f"{server.base_url}/away")
        assert (caught.value.code, other.requests) == ("KS_TO_OTHER_HOST", [])
        assert KS not in str(caught.value)


def test_a_redirect_without_a_session_may_change_hosts(server, api):
    """Kaltura may hand over to a CDN; no header of ours tells where from."""
    with running_double() as other:
        other.media["/a.mp4"] = byte()
        server.media[f"/start/ks/{KS}"] = redirect(f"{other.base_url}/a.mp4?token=1")
        probe(api.runtime, f"{server.base_url}/start/ks/{KS}", 3000)
        assert KS not in str(other.requests)


@pytest.mark.parametrize(
    ("url", "location", "target"),
    [
        ("https://h/a/b", "/c", "https://h/c"),
        ("https://h/a/b", "c", "https://h/a/c"),
        ("http://h/a", "https://g/b", "https://g/b"),
        ("https://h/a", "//g/b", "https://g/b"),
        (f"https://h/ks/{KS}", f"/x/ks/{KS}", f"https://h/x/ks/{KS}"),
        ("https://h/a", "http://h/a", "INSECURE_REDIRECT"),
        ("https://h/a", "file:///etc/passwd", "BAD_URL"),
        ("https://h/a", "javascript:1", "BAD_URL"),
        (f"https://h/ks/{KS}", f"https://g/ks/{KS}", "KS_TO_OTHER_HOST"),
        (f"https://h/ks/{KS}", f"https://h:8443/ks/{KS}", "KS_TO_OTHER_HOST"),
        ("https://h/a", f"https://g/b?ks={KS}", "KS_TO_OTHER_HOST"),
    ],
)
def test_where_a_redirect_may_lead(url, location, target):
    """Relative and absolute, never down to http, never with a KS to another host or port."""
    try:
        assert redirect_target(url, location) == target
    except errors.UnverifiedUrlError as error:
        assert error.code == target  # noqa: PT017 - the table holds both outcomes


@pytest.mark.parametrize("url", ["ftp://h/a", "file:///a", "https:///a", "a.mp4", ""])
def test_only_http_is_media(url):
    """Anything else is refused."""
    with pytest.raises(errors.UnverifiedUrlError):
        check_scheme(url)


def test_no_log_line_holds_a_session(server, api, caplog):
    """At level DEBUG neither urllib3 nor we log a URL with a KS, and no traceback shows one."""
    caplog.set_level(logging.DEBUG)
    server.media["/plain"] = die("3")
    url = api.media_url(ASSET, ENTRY, allow_session=True).url
    server.media[f"/download/ks/{KS}"] = die("3")
    with pytest.raises(errors.UnverifiedUrlError):
        api.media_url(ASSET, ENTRY, allow_session=True)
    assert KS in url
    assert KS not in caplog.text
    assert api.runtime.sessions.get().ks not in caplog.text
