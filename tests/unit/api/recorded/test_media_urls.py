"""Download URLs of the recorded library, and Kaltura's own page about them."""

from __future__ import annotations

import pytest
import requests
from KalturaClient.exceptions import KalturaException
from KalturaClient.Plugins.Core import KalturaSessionType

from airflow_provider_kaltura.api import errors
from airflow_provider_kaltura.api.flavors import Preferences, choose
from tests.unit.api.recorded.library import KMC, MIXED, PARTNER, READY_ENTRY, SECRETS, SECURE, a_ready_asset, counted


def test_a_plain_url_costs_one_request(sandbox, api):
    """The profile is learnt in the same request, and remembered."""
    entry, asset = a_ready_asset(api, READY_ENTRY)
    for actions in (2, 1):
        found, requests_made = counted(sandbox, lambda: api.media_url(asset, entry, allow_session=False))
        assert (found.needs_session, requests_made, sandbox.log.actions) == (False, 1, actions)
    assert len(requests.get(found.url, timeout=5).content) == asset.size_bytes


def test_behind_access_control_the_working_url_is_found_and_proved(sandbox, api, heard):
    """The plain URL serves nothing to anybody; getDownloadUrl's does, and its KS is announced."""
    entry, asset = a_ready_asset(api, SECURE)
    found, requests_made = counted(sandbox, lambda: api.media_url(asset, entry, allow_session=True))
    assert found.needs_session
    assert "/ks/" in found.url
    assert any(secret in found.url for secret in heard)
    assert len(requests.get(found.url, timeout=5).content) == asset.size_bytes
    assert requests_made == 5  # getUrl, a byte of it, getDownloadUrl, a byte of it after its redirect
    assert found.url not in repr(found)


def test_without_permission_for_a_session_only_its_need_is_told(api):
    """allow_session=False gives no URL with a KS, and says that one would be needed."""
    entry, asset = a_ready_asset(api, SECURE)
    found = api.media_url(asset, entry, allow_session=False)
    assert (found.url, found.needs_session) == ("", True)


def test_rules_that_do_not_cover_serving_leave_the_plain_url(sandbox, api):
    """A profile with rules is probed, with one byte, and the plain URL kept where it works."""
    entry, asset = a_ready_asset(api, KMC)
    found, requests_made = counted(sandbox, lambda: api.media_url(asset, entry, allow_session=False))
    assert (found.needs_session, requests_made) == (False, 2)


def test_a_stale_url_is_tried_before_it_comes_back(sandbox, api):
    """Asked again with a URL that failed, what comes back has been tried."""
    entry, asset = a_ready_asset(api, READY_ENTRY)
    first = api.media_url(asset, entry, allow_session=False)
    again, requests_made = counted(sandbox, lambda: api.media_url(asset, entry, allow_session=False, stale=first.url))
    assert (again.url, requests_made) == (first.url, 2)


@pytest.mark.parametrize(("entry_id", "reason"), [(SECURE, "3"), ("0_bynq55q5", "2"), ("0_z2hl13md", "13")])
def test_a_refusal_with_a_reason_is_final_for_this_session(connect, entry_id, reason):
    """Access control, schedule, moderation: a user without the privilege gets the reason, an admin the URL."""
    admin, user = connect(), connect(session_type="user", user_id="someoneelse", privileges=("list:*",))
    entry, asset = a_ready_asset(admin, entry_id)
    with pytest.raises(errors.AccessRefusedError) as caught:
        user.media_url(asset, entry, allow_session=True)
    assert caught.value.x_kaltura_code == reason
    assert admin.media_url(asset, entry, allow_session=True).url


def test_an_asset_that_is_not_ready_has_no_url(api):
    """The server's own word for it is typed."""
    snapshot = api.snapshot([MIXED])[MIXED]
    asset = next(item for item in snapshot.assets if item.status == 1)
    with pytest.raises(errors.NotReadyError):
        api.media_url(asset, snapshot.entry, allow_session=True)


def test_the_documented_multirequest_works_as_printed(connect):
    """session.start with disableentitlement, then getWebPlayableByEntryId and getUrl with {1:result:0:id}."""
    api = connect()
    client = api.runtime.anonymous_client()
    ks = client.session.start(
        SECRETS["adminSecret"], "lab", KalturaSessionType.ADMIN, PARTNER, 86400, "disableentitlement"
    )
    client.setKs(ks)
    client.startMultiRequest()
    client.flavorAsset.getWebPlayableByEntryId(READY_ENTRY)
    client.flavorAsset.getUrl("{1:result:0:id}")
    results = client.doMultiRequest()
    assert results[0][0].id in results[1]
    assert requests.get(results[1], timeout=5).ok


def test_the_documented_multirequest_works_through_the_connection(api):
    """The same through get_conn's client, which needs no session.start."""
    client = api.client()
    client.startMultiRequest()
    client.flavorAsset.getWebPlayableByEntryId(READY_ENTRY)
    client.flavorAsset.getUrl("{1:result:0:id}")
    playable, url = client.doMultiRequest()
    assert {item.id for item in playable} == api.web_playable_ids(READY_ENTRY)
    assert playable[0].id in url


def test_flavor_params_0_is_the_source(api):
    """The only id that is the same on all editions."""
    snapshot = api.snapshot([READY_ENTRY])[READY_ENTRY]
    outcome = choose(snapshot.assets, Preferences.parse("params:0"), snapshot.entry)
    assert outcome.asset.is_original


def test_conversion_profiles_can_be_listed(api):
    """The documented way to an account's flavor ids."""
    profiles = api.client().conversionProfile.list()
    assert {item.id for item in profiles.objects} >= {SECRETS["defaultConversionProfileId"]}


def test_errors_of_the_official_examples_are_official(api):
    """`except KalturaException` with `.code` works as in Kaltura's examples."""
    with pytest.raises(KalturaException) as caught:
        api.client().media.get("0_missing1")
    assert caught.value.code == "ENTRY_ID_NOT_FOUND"
