"""URLs of many assets: the promises of a single URL, at the price of a multirequest."""

from __future__ import annotations

import pytest

from airflow_provider_kaltura.api import errors
from airflow_provider_kaltura.api.models import Entry, FlavorAsset, FlavorStatus
from airflow_provider_kaltura.api.url_batches import media_urls
from tests.unit.api.kaltura_double import Fault, Reply, die

KS = "djJ8MTAxfAABBCCDDEEFFGGHHIIJJKKLLMMNNOOPP"
OPEN, RESTRICTED = 4, 5


def pair(number, profile=OPEN, status=2):
    """Make an entry with its asset."""
    entry = Entry(id=f"0_entry{number:03}", partner_id=101, access_control_id=profile)
    asset = FlavorAsset(id=f"0_flavor{number:03}", entry_id=entry.id, partner_id=101, status=status, size_bytes=3000)
    return entry, asset


PAIRS = [pair(number) for number in range(250)]


def byte(total=3000):
    """Answer a ranged request as a media server does."""
    return Reply(b"x", 206, {"Content-Type": "video/mp4", "Content-Range": f"bytes 0-0/{total}"})


class Everything:
    """Answers every media path, but those of some assets as told."""

    def __init__(self, **special):
        self.special = special

    def get(self, path, _default):
        """Give the answer to one GET."""
        return next((reply for name, reply in self.special.items() if name in path), byte())


def profile_of(params):
    """One profile has rules, the other has none."""
    rules = [{"objectType": "KalturaRule", "message": "x"}] if int(params["id"]) == RESTRICTED else []
    return {"objectType": "KalturaAccessControlProfile", "id": params["id"], "rules": rules}


@pytest.fixture
def server(double):
    """Give a server that has a URL for every asset, and a longer one with a KS."""
    double.actions[("flavorasset", "getUrl")] = lambda params: f"{double.base_url}/plain/{params['id']}"
    double.actions[("flavorasset", "getDownloadUrl")] = lambda params: f"{double.base_url}/ks/{KS}/{params['id']}"
    double.actions[("accesscontrolprofile", "get")] = profile_of
    double.media = Everything()
    return double


def refusing(server, refusals):
    """Let getUrl give these answers for some assets."""
    server.actions[("flavorasset", "getUrl")] = lambda params: refusals.get(
        params["id"], f"{server.base_url}/plain/{params['id']}"
    )


def test_a_hundred_urls_cost_one_request(server, api):
    """250 URLs: three multirequests, one for the profile, and no probe."""
    found = media_urls(api.runtime, PAIRS)
    assert list(found) == [asset.id for _, asset in PAIRS]
    assert {key: one.url for key, one in found.items()} == {key: f"{server.base_url}/plain/{key}" for key in found}
    assert sorted(len(request.calls) for request in server.posts) == [1, 50, 100, 100]
    assert server.gets == []


def test_what_is_known_of_profiles_is_not_asked_again(server, api):
    """The next batch, and a single URL, profit."""
    media_urls(api.runtime, PAIRS[:5])
    server.requests.clear()
    media_urls(api.runtime, PAIRS[5:9])
    assert [len(request.calls) for request in server.posts] == [4]


def test_nothing_asks_for_nothing(server, api):
    """No asset, no request."""
    assert media_urls(api.runtime, []) == {}
    assert server.requests == []


@pytest.mark.parametrize("signed", [False, True])
def test_a_restricted_entry_needs_a_session(server, api, signed):
    """Only its URL is tried; where it serves nothing, the one with a KS is tried, and told only to who asked for it."""
    server.media = Everything(**{"plain/0_flavor900": die("3")})
    found = media_urls(api.runtime, [*PAIRS[:150], pair(900, RESTRICTED)], allow_session=signed)
    secured = found.pop("0_flavor900")
    assert secured.needs_session
    assert secured.url == (f"{server.base_url}/ks/{KS}/0_flavor900" if signed else "")
    assert all(one.url and not one.needs_session for one in found.values())
    assert len(server.posts) == 4
    assert len(server.gets) == 2


def test_rules_that_this_session_can_not_read_make_every_url_tried(server, api):
    """Nothing is believed that could not be asked."""
    server.actions[("accesscontrolprofile", "get")] = Fault("SERVICE_FORBIDDEN")
    media_urls(api.runtime, PAIRS[:20])
    assert len(server.gets) == 20


def test_refusals_are_told_apart_and_nothing_else_is_lost(server, api):
    """Three refused entries keep their reasons; the others of their multirequest have URLs."""
    refusing(server, {"0_flavor003": die("3"), "0_flavor050": die("2"), "0_flavor149": die("13")})
    found = media_urls(api.runtime, PAIRS)
    refused = {key: one for key, one in found.items() if isinstance(one, errors.KalturaError)}
    assert {key: one.x_kaltura_code for key, one in refused.items()} == {
        "0_flavor003": "3",
        "0_flavor050": "2",
        "0_flavor149": "13",
    }
    assert all(isinstance(one, errors.AccessRefusedError) and one.object_id == key for key, one in refused.items())
    assert len(found) == 250
    assert len(server.posts) <= 4 + 3 * 8


def test_an_error_of_one_action_is_that_assets_own(server, api):
    """An item that fails alone is a value, not an end."""
    refusing(server, {"0_flavor001": Fault("FLAVOR_ASSET_ID_NOT_FOUND"), "0_flavor002": None})
    found = media_urls(api.runtime, PAIRS[:5])
    assert isinstance(found["0_flavor001"], errors.NotFoundError)
    # A storage without the file answers null; then the other URL is asked for.
    assert found["0_flavor002"].needs_session
    assert found["0_flavor003"].url


def test_an_asset_that_no_url_serves_is_an_error_with_the_reason(server, api):
    """Both kinds of URL were tried."""
    server.media = Everything(**{"0_flavor900": die("3")})
    (error,) = media_urls(api.runtime, [pair(900, RESTRICTED)]).values()
    assert isinstance(error, errors.UnverifiedUrlError)
    assert KS not in str(error)


def test_an_exporting_flavor_has_no_second_url(server, api):
    """The action getDownloadUrl takes READY exactly."""
    server.media = Everything(plain=die("3"))
    (error,) = media_urls(api.runtime, [pair(900, RESTRICTED, FlavorStatus.EXPORTING)]).values()
    assert "needs the status READY" in str(error)
    assert len(server.posts) == 2


def test_a_refused_session_ends_the_batch(server, api):
    """What is wrong with all is no reason of one."""
    server.actions[("flavorasset", "getUrl")] = Fault("START_SESSION_ERROR")
    with pytest.raises(errors.AuthError):
        media_urls(api.runtime, PAIRS[:5])


def test_a_media_host_that_is_down_ends_the_batch(server, api):
    """After a few URLs the host is to blame, and not each URL in turn."""
    server.media = Everything(plain=Reply(b"", 503, {"Content-Type": "text/plain"}))
    with pytest.raises(errors.KalturaTransportError):
        media_urls(api.runtime, [pair(number, RESTRICTED) for number in range(100)])
    assert len(server.gets) < 150


def test_a_call_that_crashes_the_server_spoils_no_other(server, api):
    """An answer that is empty without a reason is isolated too, and the asset's other URL is found."""
    refusing(server, {"0_flavor002": Reply(b"", 200, {"Content-Type": "text/html"})})
    found = media_urls(api.runtime, PAIRS[:6])
    assert found["0_flavor002"].needs_session
    assert sum(bool(one.url) for one in found.values()) == 5


def test_an_id_that_can_not_be_one_is_refused_before_a_request(server, api):
    """It could change the meaning of a request."""
    entry, asset = pair(1)
    broken = FlavorAsset(id="a,b", entry_id=entry.id, partner_id=101, status=asset.status)
    with pytest.raises(errors.InvalidRequestError):
        media_urls(api.runtime, [(entry, broken)])
    assert server.requests == []
