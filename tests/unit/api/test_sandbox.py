"""The facade against a real HTTP server that holds the recorded library and checks sessions for what they are."""

from __future__ import annotations

import json
import logging
import traceback
from pathlib import Path

import pytest
import requests
from KalturaClient.exceptions import KalturaException
from KalturaClient.Plugins.Core import KalturaFilterPager, KalturaMediaEntryFilter, KalturaSessionType

from airflow_provider_kaltura.api import errors
from airflow_provider_kaltura.api.config import AuthConfig, ClientConfig
from airflow_provider_kaltura.api.facade import KalturaApi
from airflow_provider_kaltura.api.flavors import Never, Preferences, Ready, Wait, choose
from airflow_provider_kaltura.api.models import EntrySnapshot
from airflow_provider_kaltura.api.retries import Retrier, RetryPolicy
from airflow_provider_kaltura.api.runtime import Runtime
from airflow_provider_kaltura.sandbox import fixture as sandbox_fixture
from airflow_provider_kaltura.sandbox.server import serve

PATH = Path(__file__).parents[2] / "conformance" / "fixture.json"
STATE = json.loads(PATH.read_text())
PARTNER = 102
SECRETS = STATE["partners"][str(PARTNER)]
TOKENS = {token["id"]: token for token in STATE["appTokens"]}
READY_ENTRY, MIXED, SECURE, KMC = "0_yag0spw9", "0_1r8kric3", "0_80cuvwfr", "0_tmztxxn3"
ENTRIES = {entry["id"]: entry for entry in STATE["entries"][str(PARTNER)]}
VISIBLE = [entry_id for entry_id, entry in ENTRIES.items() if entry["status"] != 3]


@pytest.fixture(scope="module")
def sandbox():
    """Serve the recorded library."""
    with serve(sandbox_fixture.load(PATH)) as running:
        yield running


@pytest.fixture
def connect(sandbox):
    """Make a facade for an account of the sandbox."""
    sandbox.control.faults.clear()

    def make(method="admin_secret", secret=SECRETS["adminSecret"], partner_id=PARTNER, **auth):
        config = ClientConfig(
            connection_id="c",
            service_url=sandbox.base_url,
            partner_id=partner_id,
            auth=AuthConfig(method=method, secret=secret, **auth),
            requests_per_second=1e6,
        )
        retrier = Retrier(policy=RetryPolicy(max_tries=3), sleep=[].append)
        return KalturaApi(config, runtime=Runtime(config, retrier=retrier))

    yield make
    sandbox.control.faults.clear()


@pytest.fixture
def api(connect):
    """Give an admin facade."""
    return connect()


def counted(sandbox, work):
    """Do some work and return its result with the number of requests that it took."""
    sandbox.log.clear()
    return work(), sandbox.log.requests


@pytest.mark.parametrize("entry_id", VISIBLE)
def test_every_entry_is_read_as_it_is(api, entry_id):
    """Type, status and the other fields come over for entries of every type and state."""
    entry, recorded = api.get_entry(entry_id), ENTRIES[entry_id]
    assert (entry.id, entry.name, entry.partner_id) == (entry_id, recorded["name"], PARTNER)
    assert (entry.status, entry.type) == (str(recorded["status"]), str(recorded["type"]))
    assert entry.media_type == recorded.get("mediaType")
    assert entry.access_control_id == recorded.get("accessControlId")
    assert entry.replaced_entry_id == recorded.get("replacedEntryId")
    assert entry.created_at.timestamp() == recorded["createdAt"]


@pytest.mark.parametrize("entry_id", ["0_missing1", "0_765lbc40", "0_ppgbonrh", "_KMCLOGO"])
def test_missing_deleted_and_foreign_entries_are_not_found(api, entry_id):
    """Kaltura does not tell these apart."""
    with pytest.raises(errors.NotFoundError) as caught:
        api.get_entry(entry_id)
    assert (caught.value.code, caught.value.object_id) == ("ENTRY_ID_NOT_FOUND", entry_id)


def test_flavor_assets_of_all_entries_come_in_one_request(sandbox, api):
    """Every flavor asset of every entry, whatever its status, and no other."""
    found, requests_made = counted(sandbox, lambda: api.list_flavor_assets([*VISIBLE, "0_missing1"]))
    deleted = {item["id"] for item in STATE["deletedAssets"]}
    recorded = {
        entry_id: sorted(
            item["id"] for item in STATE["flavorAssets"] if item["entryId"] == entry_id and item["id"] not in deleted
        )
        for entry_id in [*VISIBLE, "0_missing1"]
    }
    assert {entry_id: [asset.id for asset in assets] for entry_id, assets in found.items()} == recorded
    assert requests_made == 1


def test_a_flavor_asset_is_read_as_it_is(api):
    """Sizes in bytes, versions as text, tags one by one."""
    recorded = next(item for item in STATE["flavorAssets"] if item["id"] == "0_ub2zvix8")
    asset = api.get_flavor_asset("0_ub2zvix8")
    assert (asset.size_bytes, asset.version, asset.status) == (int(recorded["sizeInBytes"]), "2", 2)
    assert (asset.width, asset.height, asset.bitrate_kbps) == (960, 540, 941)
    assert asset.tags[:3] == ("mobile", "web", "mbr")
    assert (asset.is_original, asset.flavor_params_id, asset.file_ext) == (False, 4, "mp4")
    with pytest.raises(errors.NotFoundError):
        api.get_flavor_asset("0_missing1")


def test_a_snapshot_takes_one_request_and_marks_what_is_missing(sandbox, api):
    """Entries and assets of one moment; a missing entry is a value, not an exception."""
    wanted = [READY_ENTRY, "0_missing1", MIXED]
    found, requests_made = counted(sandbox, lambda: api.snapshot(wanted))
    assert requests_made == 1
    assert list(found) == wanted
    assert isinstance(found["0_missing1"], errors.NotFoundError)
    assert found[MIXED].entry.id == MIXED
    assert {asset.entry_id for asset in found[MIXED].assets} == {MIXED}
    assert found[MIXED].web_playable_ids is None


def test_the_web_set_is_kalturas_own(sandbox, api):
    """`web` is decided by getWebPlayableByEntryId: the sets are equal, empty where Kaltura finds none."""
    entries = [READY_ENTRY, MIXED, "0_667532x4", "0_topr2l8h", "0_1dfu9jkj"]
    found, requests_made = counted(sandbox, lambda: api.snapshot(entries, web_playable_for=entries))
    assert requests_made == 2
    for entry_id in entries:
        assert found[entry_id].web_playable_ids == api.web_playable_ids(entry_id)
    assert found[READY_ENTRY].web_playable_ids == {"0_ffwhh2fe", "0_n72nb8e2", "0_ub2zvix8", "0_o46skufx"}
    assert found["0_667532x4"].web_playable_ids == frozenset()


def test_choices_over_the_whole_library(api):
    """What can be had, what may come and what never will, for the recorded entries."""
    found = api.snapshot(VISIBLE)
    outcomes = {
        entry_id: choose(snapshot.assets, Preferences.parse(), snapshot.entry)
        for entry_id, snapshot in found.items()
        if isinstance(snapshot, EntrySnapshot)
    }
    assert isinstance(outcomes[READY_ENTRY], Ready)
    assert outcomes[READY_ENTRY].asset.is_original
    assert isinstance(outcomes["0_667532x4"], Wait)
    assert isinstance(outcomes["0_ao9pybhw"], Wait)
    assert outcomes["0_topr2l8h"] == Never("no_media:image")
    assert outcomes["0_k9uf0zan"] == Never("no_media:playlist")
    assert isinstance(outcomes["0_l1wx8bif"], Never)


# -- URLs ----------------------------------------------------------------------------------------------------------


def a_ready_asset(api, entry_id):
    """Return an entry with one of its ready assets."""
    snapshot = api.snapshot([entry_id])[entry_id]
    return snapshot.entry, next(asset for asset in snapshot.assets if asset.status == 2)


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


# -- sessions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("session_type", ["admin", "user"])
@pytest.mark.parametrize("method", ["admin_secret", "session_start"])
def test_every_kind_of_session_lists_and_gets_urls(connect, method, session_type):
    """Made locally or by the server, admin or user: the defaults are enough for the job."""
    api = connect(method, session_type=session_type, user_id="lab")
    entries = api.client().media.list(KalturaMediaEntryFilter(), KalturaFilterPager(pageSize=500))
    assert len(entries.objects) == entries.totalCount == 12
    entry, asset = a_ready_asset(api, SECURE)
    assert api.media_url(asset, entry, allow_session=True).needs_session


@pytest.mark.parametrize("token_id", ["0_4doc3sb6", "0_8d3u62h9", "0_eb3swtt2", "0_xz4iir2k", "0_92gfx3ky"])
def test_every_application_token_opens_a_session(connect, token_id):
    """MD5, SHA1, SHA256, SHA512, admin and user: the granted type, privileges and expiry are read."""
    token = TOKENS[token_id]
    api = connect("app_token", token["token"], app_token_id=token_id, hash_type=token["hashType"])
    session = api.runtime.sessions.get()
    assert session.session_type == ("admin" if token["sessionType"] == 2 else "user")
    assert ("list:*" in session.privileges) == (token.get("sessionPrivileges") == "list:*")
    assert session.expires_at - api.runtime.now() == pytest.approx(token["sessionDuration"], abs=5)
    assert api.get_entry(READY_ENTRY).id == READY_ENTRY


def test_a_ready_session_is_used_as_it_is(connect):
    """A KS made elsewhere works, of version 2 here."""
    ks = connect().runtime.sessions.get().ks
    assert connect("ks", ks).get_entry(READY_ENTRY).id == READY_ENTRY


def test_a_listing_that_would_be_cut_down_is_an_error(connect):
    """A USER session without list:* is refused before it is taken for an empty library; by id it may read."""
    api = connect(session_type="user", user_id="nobody", privileges=("download:*",))
    client = api.client()
    with pytest.raises(errors.ForbiddenError) as caught:
        client.media.list()
    assert caught.value.code == "LISTING_NEEDS_PRIVILEGE"
    assert client.media.list(KalturaMediaEntryFilter(idEqual=READY_ENTRY)).totalCount == 1
    assert connect("ks", api.runtime.sessions.get().ks).client().media.list().totalCount == 0  # can't be known
    privileged = api.client(privileges=["list:*"])
    assert privileged.media.list().totalCount == 12


@pytest.mark.parametrize("word", ["invalid_ks_expired", "invalid_ks_logout"])
def test_an_ended_session_is_renewed_once(sandbox, connect, word):
    """EXPIRED or LOGOUT: a new KS and one more try; the second time it is an error."""
    api = connect()
    first = api.runtime.sessions.get().ks
    sandbox.control.faults.on(word, service="baseEntry", action="get", times=1)
    assert api.get_entry(READY_ENTRY).id == READY_ENTRY
    assert api.runtime.sessions.get().ks != first
    sandbox.control.faults.on(word, service="baseEntry", action="get")
    with pytest.raises(errors.InvalidSessionError):
        counted(sandbox, lambda: api.get_entry(READY_ENTRY))
    assert sandbox.log.requests == 2


def test_what_a_session_may_not_do_does_not_renew_it(sandbox, connect):
    """INVALID_KS with code -4 is permanent: the session stays, nothing is sent again."""
    api = connect(session_type="user", user_id="someoneelse")
    first = api.runtime.sessions.get().ks
    sandbox.control.faults.on("invalid_ks_permission", service="baseEntry", action="get")
    sandbox.log.clear()
    with pytest.raises(errors.ForbiddenError):
        api.get_entry(READY_ENTRY)
    assert (sandbox.log.requests, api.runtime.sessions.get().ks) == (1, first)


@pytest.mark.parametrize(
    "auth",
    [
        pytest.param({}, id="admin_secret"),
        pytest.param({"session_type": "user", "user_id": "lab"}, id="user"),
        pytest.param({"method": "session_start"}, id="session_start"),
        pytest.param(
            {"method": "app_token", "app_token_id": "0_4doc3sb6", "secret": TOKENS["0_4doc3sb6"]["token"]},
            id="app_token",
        ),
        pytest.param({"method": "ks", "secret": ""}, id="ks"),
    ],
)
def test_nothing_secret_is_logged_shown_or_raised(sandbox, connect, caplog, heard, auth):
    """At level DEBUG, with successes and failures of each method: no secret and no KS in logs, reprs, tracebacks."""
    caplog.set_level(logging.DEBUG)
    if auth.get("secret") == "":
        auth = {**auth, "secret": connect().runtime.sessions.get().ks}
    api = connect(**auth)
    shown = []
    entry, asset = a_ready_asset(api, SECURE)
    shown.append(repr([entry, asset, api, api.config, api.runtime.sessions.get()]))
    shown.append(repr(api.media_url(asset, entry, allow_session=True)))
    shown.append(repr(api.check()))
    for fault in ("invalid_ks_other_text", "invalid_ks_expired", "truncated", "bad_gateway_html", "die_access_control"):
        sandbox.control.faults.clear()
        where = {"service": "baseEntry", "action": "get"} if "ks" in fault or "die" in fault else {}
        sandbox.control.faults.on(fault, **where)
        try:
            api.get_entry(READY_ENTRY)
        except errors.KalturaError as error:
            shown += [traceback.format_exc(), repr(error), str(error), repr(vars(error))]
    assert len(shown) > 10
    assert len(heard) > 1
    # The sandbox serves from this process and logs its own requests, as a real server would on another machine.
    logged = [record.getMessage() for record in caplog.records if not record.name.startswith("uvicorn")]
    text = "".join([*logged, *shown])
    assert not [secret for secret in heard if secret in text]
    assert api.config.auth.secret not in text


# -- check ---------------------------------------------------------------------------------------------------------


def checked(api):
    """Check a connection; nothing secret may be in the sentence."""
    result = api.check()
    assert api.config.auth.secret not in result.message
    assert "\n" not in result.message
    return result


@pytest.mark.parametrize(
    ("auth", "code"),
    [
        pytest.param({}, "OK", id="admin secret"),
        pytest.param({"secret": "f" * 32}, "WRONG_SECRET", id="wrong admin secret"),
        pytest.param({"partner_id": 999999}, "UNKNOWN_PARTNER", id="unknown partner"),
        pytest.param({"session_type": "user", "user_id": "u"}, "OK", id="user"),
        pytest.param({"session_type": "user", "privileges": ("download:*",)}, "MISSING_PERMISSION", id="no list"),
        pytest.param({"method": "session_start"}, "OK", id="started"),
        pytest.param({"method": "session_start", "secret": "f" * 32}, "WRONG_SECRET", id="start, wrong secret"),
        pytest.param({"method": "session_start", "partner_id": 999999}, "UNKNOWN_PARTNER", id="start, unknown partner"),
        pytest.param(
            {"method": "app_token", "app_token_id": "0_4doc3sb6", "secret": TOKENS["0_4doc3sb6"]["token"]},
            "OK",
            id="token",
        ),
        pytest.param(
            {"method": "app_token", "app_token_id": "0_4doc3sb6", "secret": "f" * 32}, "WRONG_SECRET", id="wrong token"
        ),
        pytest.param(
            {"method": "app_token", "app_token_id": "0_missing1", "secret": "f" * 32},
            "WRONG_SECRET",
            id="no such token",
        ),
        pytest.param(
            {"method": "app_token", "app_token_id": "0_4doc3sb6", "secret": "f" * 32, "partner_id": 999999},
            "UNKNOWN_PARTNER",
            id="token of an unknown partner",
        ),
        pytest.param({"method": "ks", "secret": "notaksnotaks"}, "WRONG_KS", id="no KS"),
    ],
)
def test_a_check_tells_the_cases_apart(connect, auth, code):
    """Good, wrong secret, unknown partner, missing permission: one word each."""
    result = checked(connect(**auth))
    assert (result.code, result.ok) == (code, code == "OK")


def test_the_check_of_an_admin_secret_never_sends_it(sandbox, connect):
    """A widget session tells an unknown partner from a wrong secret."""
    sandbox.log.clear()
    checked(connect(secret="e" * 32))
    assert "session.start" not in {name.lower() for name in sandbox.log.action_counts()}


def test_a_refused_listing_or_url_is_a_missing_permission(sandbox, connect):
    """Authenticated, but not allowed: said so."""
    sandbox.control.faults.on("forbidden", service="media", action="list")
    assert checked(connect()).code == "MISSING_PERMISSION"
    sandbox.control.faults.clear()
    sandbox.control.faults.on("die_access_control", service="flavorAsset", action="getUrl")
    assert checked(connect()).code == "MISSING_PERMISSION"


def test_a_ready_session_that_ended_or_belongs_to_another_is_told(sandbox, connect):
    """The cases that exist for a ready KS."""
    ks = connect().runtime.sessions.get().ks
    assert checked(connect("ks", ks)).code == "OK"
    assert checked(connect("ks", ks, partner_id=103)).code == "OTHER_PARTNER"
    sandbox.control.faults.on("invalid_ks_expired", service="media")
    assert checked(connect("ks", ks)).code == "EXPIRED_KS"


# -- Kaltura's page "Asset Download Urls" ---------------------------------------------------------------------------


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
