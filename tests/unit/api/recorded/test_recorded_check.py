"""What a check of a connection says about the recorded accounts."""

from __future__ import annotations

import pytest

from tests.unit.api.recorded.library import TOKENS


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
