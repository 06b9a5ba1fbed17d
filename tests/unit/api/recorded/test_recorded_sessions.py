"""Every kind of session against a server that checks them for what they are."""

from __future__ import annotations

import logging
import traceback

import pytest
from KalturaClient.Plugins.Core import KalturaFilterPager, KalturaMediaEntryFilter

from airflow_provider_kaltura.api import errors
from tests.unit.api.recorded.library import READY_ENTRY, SECURE, TOKENS, a_ready_asset, counted


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
