"""session, appToken and the checks of a KS, asked as a client would."""

import hashlib

import pytest

from airflow_provider_kaltura.sandbox import ks
from tests.unit.sandbox.conftest import NOW, OTHER, PARTNER, SECRET, USER_SECRET


def token(library, **changes):
    """Put an app token into the library and return its id."""
    values = {
        "id": "0_token001",
        "token": "t0ken",
        "partnerId": PARTNER,
        "status": 2,
        "sessionType": 2,
        "sessionUserId": "svc",
        "sessionDuration": 600,
        "hashType": "SHA256",
        "objectType": "KalturaAppToken",
    } | changes
    library.app_tokens[values["id"]] = values
    return values["id"]


def start(ask, token_id, *, algorithm="sha256", secret="t0ken", **more):
    """Start a session with an app token over a widget session."""
    widget = ask("session.startWidgetSession", session=None, widgetId=f"_{PARTNER}")["ks"]
    digest = hashlib.new(algorithm, (widget + secret).encode()).hexdigest()
    return ask("appToken.startSession", session=widget, id=token_id, tokenHash=digest, **more)


@pytest.mark.parametrize(
    ("kind", "secret", "works"),
    [(2, SECRET, True), (2, USER_SECRET, False), (0, USER_SECRET, True), (0, SECRET, True), (0, "", False)],
)
def test_session_start_wants_the_secret_of_its_type(ask, kind, secret, works):
    """Type 2 takes the admin secret, type 0 either; a wrong one is START_SESSION_ERROR."""
    answer = ask("session.start", session=None, partnerId=PARTNER, secret=secret, type=kind)
    assert isinstance(answer, str) is works
    assert works or answer["code"] == "START_SESSION_ERROR"


def test_session_start_of_an_unknown_partner_is_blocked(ask):
    """An unknown partner is reported as blocked."""
    code = ask.code("session.start", session=None, partnerId=999, secret="x", type=2)
    assert code == "SERVICE_FORBIDDEN_CONTENT_BLOCKED"


def test_session_start_may_be_shortened(ask, control):
    """The server may grant less than what is asked for; session.get tells."""
    control.shorten_sessions(60)
    granted = ask("session.start", session=None, partnerId=PARTNER, secret=SECRET, type=2, expiry=9999)
    assert ask("session.get", session=granted)["expiry"] == str(NOW + 60)


def test_session_get_reads_another_session(ask, make_ks):
    """With the parameter session it tells about that one."""
    other = make_ks(0, "somebody", "list:*,edit:0_a")
    answer = ask("session.get", {"session": other})
    assert (answer["userId"], answer["sessionType"], answer["privileges"]) == ("somebody", "0", "list:*,edit:0_a")


def test_an_unknown_widget_needs_no_secret_to_be_told(ask):
    """StartWidgetSession tells an unknown partner apart without any secret."""
    assert ask.code("session.startWidgetSession", session=None, widgetId="_999") == "INVALID_WIDGET_ID"


def test_a_session_expires_with_the_clock(ask, make_ks, clock):
    """A KS is good until its expiry, then INVALID_KS EXPIRED."""
    session = make_ks(seconds=10)
    assert ask("system.ping", session=session) is True
    clock.advance(10)
    assert ask("system.ping", session=session)["args"]["KSID"] == "EXPIRED"


def test_ending_a_session_ends_its_group(ask, make_ks):
    """session.end ends the KS and all others with its sessionid, and no others."""
    first, second, other = (make_ks(privileges=f"sessionid:{name}") for name in ("g", "g", "h"))
    assert ask("session.end", session=first) is None
    assert ask("system.ping", session=first)["args"]["KSID"] == "LOGOUT"
    assert ask("system.ping", session=second)["args"]["KSID"] == "LOGOUT"
    assert ask("system.ping", session=other) is True


def test_actionslimit_counts_actions(ask, make_ks):
    """actionslimit:N fails call N + 1."""
    session = make_ks(privileges="actionslimit:2")
    answers = [ask("system.ping", session=session) for _ in range(3)]
    assert answers[:2] == [True, True]
    assert answers[2]["args"]["KSID"] == "EXCEEDED_ACTIONS_LIMIT"


def test_a_foreign_partner_id_is_forbidden(ask):
    """A KS with the partnerId of somebody else is refused, with its own it works."""
    assert ask.code("media.list", partnerId=OTHER) == "SERVICE_FORBIDDEN"
    assert ask("media.list", partnerId=PARTNER)["totalCount"] == 0


def test_arguments_are_checked_before_the_session(ask):
    """A missing parameter is reported before a bad KS, and that before a missing permission."""
    assert ask.code("media.get", session="garbage") == "MISSING_MANDATORY_PARAMETER"
    assert ask.code("media.list", session="garbage") == "INVALID_KS"
    assert ask.code("media.list", session=None) == "SERVICE_FORBIDDEN"


def test_an_app_token_grants_its_own_type_user_and_privileges(ask, library):
    """The session is what the token says, and carries sessionid and apptoken."""
    answer = start(ask, token(library, sessionType=0, sessionPrivileges="list:*"))
    session = ks.read(answer["ks"], library.admin_secret)
    assert (session.kind, session.user_id, session.expires_at) == (0, "svc", NOW + 600)
    assert answer["privileges"] == "sessionid:0_token001,apptoken:0_token001,list:*"


@pytest.mark.parametrize(
    ("asked", "left", "granted"),
    [(None, None, 600), (60, None, 60), (9999, None, 600), (None, 100, 100), (50, 100, 50)],
)
def test_an_app_token_grants_the_smallest_expiry(ask, library, asked, left, granted):
    """Of what is asked for, the token's duration and what is left of the token, the smallest counts."""
    token_id = token(library, **({} if left is None else {"expiry": NOW + left}))
    more = {} if asked is None else {"expiry": asked}
    assert start(ask, token_id, **more)["expiry"] == NOW + granted


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "sha512"])
def test_app_tokens_hash_with_their_own_algorithm(ask, library, algorithm):
    """The hash is that of the token's hashType."""
    token_id = token(library, hashType=algorithm.upper())
    assert "ks" in start(ask, token_id, algorithm=algorithm)
    wrong = "sha1" if algorithm != "sha1" else "md5"
    assert start(ask, token_id, algorithm=wrong)["code"] == "INVALID_APP_TOKEN_HASH"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"status": 3}, "APP_TOKEN_ID_NOT_FOUND"),
        ({"status": 1}, "APP_TOKEN_NOT_ACTIVE"),
        ({"expiry": NOW - 1}, "APP_TOKEN_EXPIRED"),
        ({"partnerId": OTHER}, "APP_TOKEN_ID_NOT_FOUND"),
    ],
)
def test_app_tokens_that_are_no_good(ask, library, changes, code):
    """Deleted, disabled, expired and foreign tokens are told apart."""
    assert start(ask, token(library, **changes))["code"] == code


def test_app_tokens_can_be_made_and_listed_by_admins(ask, make_ks):
    """appToken.add makes one that works; user sessions may not."""
    added = ask("appToken.add", {"appToken": {"sessionType": "2", "hashType": "SHA256", "sessionUserId": "me"}})
    assert ask.ids("appToken.list") == [added["id"]]
    assert start(ask, added["id"], secret=added["token"])["userId"] == "me"
    assert ask.code("appToken.list", session=make_ks(0)) == "SERVICE_FORBIDDEN"


def test_a_player_role_reads_but_does_not_list(ask, make_ks, control):
    """Setrole narrows a session to what a player needs."""
    control.add_entry("0_a", partner_id=PARTNER)
    session = make_ks(0, "x", "setrole:PLAYBACK_BASE_ROLE")
    assert ask("media.get", session=session, entryId="0_a")["id"] == "0_a"
    assert ask.code("media.list", session=session) == "SERVICE_FORBIDDEN"
