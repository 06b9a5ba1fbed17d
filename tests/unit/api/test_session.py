"""Sessions: made once per scope, renewed in time, never shared between scopes."""

from __future__ import annotations

import base64
import hashlib
import threading
from email.utils import formatdate

import pytest

from airflow_provider_kaltura.api import errors, ks
from airflow_provider_kaltura.api.session import SessionManager, SessionScope, default_scope
from tests.unit.api.conftest import ADMIN_SECRET
from tests.unit.api.kaltura_double import Fault, Step, media_entry

EXPIRED = Fault("INVALID_KS", 'Invalid KS "EXPIRED"', {"KSID": "EXPIRED", "ERR_CODE": "-1"})


class Clients:
    """Makes clients that answer from a script, and counts what was asked of them."""

    def __init__(self, **answers):
        self.answers = answers
        self.calls = []

    def __call__(self, ks=None):
        """Make a client."""
        return _Service(self, ks, "")


class _Service:
    def __init__(self, clients, session, name):
        self._clients, self._session, self._name = clients, session, name

    def __getattr__(self, name):
        return _Service(self._clients, self._session, f"{self._name}.{name}".strip("."))

    def __call__(self, *arguments, **named):
        self._clients.calls.append((self._name, self._session, arguments, named))
        return self._clients.answers[self._name.replace(".", "_")]


class Info:
    """What startWidgetSession, startSession and session.get answer."""

    def __init__(self, ks="", expiry=None, kind=2, privileges=""):
        self._ks, self._expiry, self._kind, self._privileges = ks, expiry, kind, privileges

    def getKs(self):  # noqa: N802 - the official name
        """KS."""
        return self._ks

    def getExpiry(self):  # noqa: N802 - the official name
        """End."""
        return self._expiry

    def getSessionType(self):  # noqa: N802 - the official name
        """Type."""
        return self._kind

    def getPrivileges(self):  # noqa: N802 - the official name
        """Privileges."""
        return self._privileges


def test_one_session_serves_until_shortly_before_its_end(make_config, clock):
    """The same KS comes back until the margin before its end, then another."""
    manager = SessionManager(make_config(), Clients(), now=clock)
    first = manager.get()
    clock.now += 86400 - 301
    assert manager.get() is first
    clock.now += 2
    second = manager.get()
    assert second.ks != first.ks
    assert second.expires_at == int(clock.now) + 86400


def test_a_short_session_is_renewed_a_tenth_before_its_end(make_config, clock):
    """A margin of five minutes would make a session of one minute useless."""
    manager = SessionManager(make_config(auth={"session_expiry_seconds": 60}), Clients(), now=clock)
    first = manager.get()
    clock.now += 53
    assert manager.get() is first
    clock.now += 2
    assert manager.get() is not first


def test_each_scope_has_its_own_session(make_config, clock):
    """Type, user and privileges keep sessions apart."""
    manager = SessionManager(make_config(), Clients(), now=clock)
    scopes = [
        SessionScope("admin", "", ()),
        SessionScope("user", "", ()),
        SessionScope("user", "joe", ()),
        SessionScope("user", "joe", ("list:*",)),
    ]
    assert len({manager.get(scope).ks for scope in scopes}) == 4
    assert manager.get(scopes[2]) is manager.get(SessionScope("user", "joe", ()))


def test_many_threads_share_one_renewal(make_config, clock):
    """However many threads see the same refused KS, one new one is made."""
    clients = Clients(session_start="started-ks-1")
    config = make_config(auth={"method": "session_start", "session_type": "user"})
    manager = SessionManager(config, clients, now=clock)
    stale = manager.get().ks
    clients.answers["session_start"] = "started-ks-2"
    all_there = threading.Barrier(8)
    renewed = []

    def renew():
        all_there.wait(5)
        renewed.append(manager.renew(stale).ks)

    threads = [threading.Thread(target=renew) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert renewed == ["started-ks-2"] * 8
    assert len(clients.calls) == 2


def test_the_default_privileges_are_what_the_job_needs(make_config):
    """Entitlement is off; users may list and download; nothing is everything."""
    assert default_scope(make_config()).privileges == ("disableentitlement",)
    user = default_scope(make_config(auth={"session_type": "user", "user_id": "joe"}))
    assert user == SessionScope("user", "joe", ("disableentitlement", "list:*", "download:*"))
    own = make_config(auth={"privileges": ("list:*",)})
    assert default_scope(own).privileges == ("list:*",)
    token = make_config(auth={"method": "app_token", "app_token_id": "0_token"})
    assert default_scope(token) == SessionScope(None, "", ())


def test_the_real_end_of_a_started_session_is_used(make_config, clock):
    """A partner that shortens what was asked is believed."""
    clients = Clients(session_start="started-ks", session_get=Info(expiry=int(clock.now) + 600))
    manager = SessionManager(make_config(auth={"method": "session_start"}), clients, now=clock)
    assert manager.get().expires_at == clock.now + 600
    assert clients.calls[0][2][3:5] == (101, 86400)
    assert clients.calls[1][1] == "started-ks"


@pytest.mark.parametrize("hash_type", ["MD5", "SHA1", "SHA256", "SHA512", "sha256"])
def test_an_application_token_is_hashed_and_never_sent(make_config, clock, heard, hash_type):
    """Widget session, hash of KS and token, startSession; the granted expiry, type and privileges are kept."""
    info = Info("token-ks", int(clock.now) + 900, 0, "sessionid:x,list:*")
    clients = Clients(session_startWidgetSession=Info("widget-ks"), appToken_startSession=info)
    auth = {"method": "app_token", "app_token_id": "0_token", "hash_type": hash_type}
    session = SessionManager(make_config(auth=auth), clients, now=clock).get()
    assert (session.ks, session.expires_at, session.session_type) == ("token-ks", clock.now + 900, "user")
    assert session.privileges == ("sessionid:x", "list:*")
    assert not session.lists_own_entries_only
    name, used, arguments, named = clients.calls[1]
    expected = hashlib.new(hash_type.lower(), b"widget-ks" + ADMIN_SECRET.encode()).hexdigest()
    assert (name, used, arguments) == ("appToken.startSession", "widget-ks", ("0_token", expected))
    assert named == {"expiry": 86400}
    assert {"widget-ks", "token-ks", expected} <= set(heard)
    assert ADMIN_SECRET not in str(clients.calls)


def test_what_is_asked_of_a_token_is_sent(make_config, clock):
    """User, type and privileges of the connection go with startSession."""
    clients = Clients(session_startWidgetSession=Info("widget-ks"), appToken_startSession=Info("token-ks", 1, 2))
    auth = {"method": "app_token", "app_token_id": "0_t", "session_type": "user", "user_id": "joe"}
    auth |= {"privileges": ("list:*", "download:*"), "session_expiry_seconds": 60}
    SessionManager(make_config(auth=auth), clients, now=clock).get()
    assert clients.calls[1][3] == {
        "expiry": 60, "userId": "joe", "type": 0, "sessionPrivileges": "list:*,download:*",
    }  # fmt: skip


def test_a_ready_session_is_never_renewed(make_config, clock):
    """There is no other: the error says what to do."""
    manager = SessionManager(make_config(auth={"method": "ks", "secret": "a-ready-ks"}), Clients(), now=clock)
    assert manager.get().ks == "a-ready-ks"
    clock.now += 1e9
    assert manager.get().ks == "a-ready-ks"
    with pytest.raises(errors.InvalidSessionError, match="put a fresh one") as caught:
        manager.renew("a-ready-ks")
    assert not caught.value.renewable


def test_an_answer_without_a_session_is_an_error(make_config, clock):
    """An empty KS would mean no KS, and every entry would look missing."""
    config = make_config(auth={"method": "session_start", "session_type": "user"})
    with pytest.raises(errors.KalturaTransportError):
        SessionManager(config, Clients(session_start=""), now=clock).get()


def test_no_session_shows_in_a_repr(make_config, clock):
    """Neither the session nor anything that holds it prints a secret."""
    manager = SessionManager(make_config(), Clients(), now=clock)
    session = manager.get()
    for thing in (session, manager, make_config(), default_scope(make_config())):
        assert session.ks not in repr(thing)
        assert ADMIN_SECRET not in repr(thing)


def test_a_client_renews_at_most_once_per_call(double, api):
    """EXPIRED twice in a row is an error: two requests, two different KSs."""
    double.actions[("baseentry", "get")] = EXPIRED
    with pytest.raises(errors.InvalidSessionError):
        api.get_entry("0_entry001")
    assert len({request.body["ks"] for request in double.posts}) == len(double.posts) == 2


@pytest.mark.parametrize("action", ["get", "update"])
def test_even_a_change_is_sent_again_with_a_new_session(double, api, action):
    """What the server refused for its KS was not done, so it may be sent again; the new KS is in it, and signed."""
    double.actions[("media", action)] = [Step(EXPIRED), Step(media_entry())]
    client = api.client()
    call = client.media.get if action == "get" else lambda id_: client.media.update(id_, None)
    assert call("0_entry001").id == "0_entry001"
    first, second = (request.body for request in double.posts)
    assert first["ks"] != second["ks"]
    assert first["kalsig"] != second["kalsig"]


def test_a_half_done_change_is_not_sent_again(double, api):
    """A multirequest of changes of which one was refused: the other was done."""
    double.actions[("media", "update")] = [Step(media_entry()), Step(EXPIRED), Step(media_entry())]
    client = api.client()
    client.startMultiRequest()
    client.media.update("0_entry001", None)
    client.media.update("0_entry002", None)
    done, refused = client.doMultiRequest()
    assert (done.id, type(refused).__name__, len(double.posts)) == ("0_entry001", "InvalidSessionError", 1)


def test_a_reading_multirequest_is_renewed_whole(double, api):
    """A multirequest that only reads is sent again with a new KS in every call."""
    double.actions[("baseentry", "get")] = [Step(media_entry()), Step(EXPIRED), Step(media_entry())]
    client = api.client()
    client.startMultiRequest()
    client.baseEntry.get("0_entry001")
    client.baseEntry.get("0_entry001")
    assert [item.id for item in client.doMultiRequest()] == ["0_entry001"] * 2
    used = [{params["ks"] for _, _, params in request.calls} for request in double.posts]
    assert [len(kss) for kss in used] == [1, 1]
    assert used[0] != used[1]


def test_a_client_that_lives_long_uses_the_session_of_the_day(double, make_api, clock):
    """A client made yesterday sends today's KS."""
    double.actions[("system", "ping")] = True
    client = make_api().client()
    client.system.ping()
    clock.now += 86_200
    client.system.ping()
    assert double.posts[0].body["ks"] != double.posts[1].body["ks"]


def test_a_users_own_session_is_left_alone(double, api, clock):
    """SetKs by the user wins, and is not renewed behind their back."""
    double.actions[("baseentry", "get")] = EXPIRED
    client = api.client()
    client.setKs("my-own-ks")
    clock.now += 90_000
    with pytest.raises(errors.InvalidSessionError):
        client.baseEntry.get("0_entry001")
    assert [request.body["ks"] for request in double.posts] == ["my-own-ks"]


def test_version_1_is_read():
    """Partner, expiry, type, user and privileges stand in clear in a KS of version 1."""
    text = b"0" * 40 + b"|101;101;1900000000;0;123;joe;list:*,download:0_a"
    fields = ks.read_v1(base64.b64encode(text).decode())
    assert fields == ks.KsFields(101, 1_900_000_000, 0, "joe", ("list:*", "download:0_a"))


@pytest.mark.parametrize("text", ["", "abc", "notaks!", "djJ8MTAxfAAA", "MTIzfDQ1Ng=="])
def test_other_texts_are_no_version_1(text):
    """Anything else says nothing."""
    assert ks.read_v1(text) is None


def test_version_2_shows_its_partner_only(make_config, clock):
    """The rest is encrypted."""
    session = SessionManager(make_config(), Clients(), now=clock).get()
    assert ks.read_partner_v2(session.ks) == 101
    assert ks.read_v1(session.ks) is None
    assert ks.read_partner_v2("abc") is None


def test_a_privilege_named_twice_is_refused():
    """The form of a locally made KS would silently keep one of the two."""
    with pytest.raises(errors.ConfigurationError, match="twice"):
        ks.make_v2("s", partner_id=1, session_type=0, user_id="", privileges=["edit:0_a", "edit:0_b"], expires_at=1)


@pytest.mark.parametrize("skew", [-172_800, 0, 172_800, 10**9])
@pytest.mark.parametrize("method", ["app_token", "session_start"])
def test_a_wrong_clock_makes_no_new_session_for_every_call(make_config, clock, method, skew):
    """The server's end of a session is by the server's clock; ours may be days off."""
    server_now = clock.now - skew
    info = Info("token-ks", int(server_now) + 900)
    clients = Clients(
        session_start="started-ks", session_get=info, session_startWidgetSession=Info("widget-ks"),
        appToken_startSession=info,
    )  # fmt: skip
    auth = {"method": method, **({"app_token_id": "0_token"} if method == "app_token" else {})}
    manager = SessionManager(make_config(auth=auth), clients, now=clock)
    first = manager.get()
    clock.now += 50
    assert manager.get() is first


def test_the_servers_date_tells_how_long_a_session_lasts(make_config, clock):
    """A clock two days ahead does not shorten it, and it is renewed in time."""

    class Dated(Clients):
        """Clients whose answers have a Date."""

        def __call__(self, ks=None):
            service = super().__call__(ks)
            service.responseHeaders = {"Date": formatdate(clock.now - 172_800, usegmt=True)}
            return service

    info = Info("token-ks", int(clock.now) - 172_800 + 900)
    clients = Dated(session_startWidgetSession=Info("widget-ks"), appToken_startSession=info)
    manager = SessionManager(make_config(auth={"method": "app_token", "app_token_id": "0_t"}), clients, now=clock)
    first = manager.get()
    assert first.expires_at == pytest.approx(clock.now + 900, abs=1)
    clock.now += 805
    assert manager.get() is first
    clock.now += 10
    assert manager.get() is not first
