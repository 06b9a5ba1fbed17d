"""rates.py and the counts: what is too much in 10 seconds, and how much there was."""

import pytest

from tests.unit.sandbox.conftest import OTHER, PARTNER

PING = {"service": "system", "action": "ping"}


def test_more_than_the_limit_is_blocked_until_the_window_has_slid(ask, control, clock):
    """HTTP 200, ACTION_BLOCKED with names in lower case, no Retry-After; places come free one after the other."""
    control.limit_rate(3)
    for _ in range(3):
        assert ask("system.ping") is True
        clock.advance(2)
    reply = ask.reply("system.ping")
    assert (reply.status, "retry-after" in {name.lower() for name, _ in reply.headers}) == (200, False)
    error = ask("flavorAsset.getUrl", id="0_f")
    assert (error["code"], error["args"]) == (
        "ACTION_BLOCKED",
        {"ACTION_NAME": "geturl", "SERVICE_NAME": "flavorasset"},
    )
    clock.advance(4)
    assert [ask("system.ping") is True for _ in range(2)] == [True, False]
    assert control.rates.as_dict() == {
        "passedRequests": 4,
        "blockedRequests": 3,
        "limits": [
            {
                "number": 1,
                "actions": 3,
                "seconds": 10.0,
                "partner_id": None,
                "service": None,
                "action": None,
                "passed": 4,
                "blocked": 3,
            }
        ],
    }


def test_the_actions_of_a_multirequest_count_one_by_one(ask, control):
    """Those beyond the limit are blocked, the others not; the request counts as blocked once."""
    control.limit_rate(2)
    answers = ask("multirequest.", {str(number): PING for number in range(5)})
    assert [answer is True or answer["code"] for answer in answers] == [True, True, *["ACTION_BLOCKED"] * 3]
    assert (control.rates.passed_requests, control.rates.blocked_requests) == (0, 1)
    assert control.rates.as_dict()["limits"][0]["blocked"] == 3


def test_each_partner_has_its_own_window(ask, control, make_ks):
    """What one partner uses up is no matter to another; a limit for one partner is none for another."""
    control.limit_rate(1)
    other = make_ks(partner=OTHER)
    assert [ask("system.ping"), ask("system.ping", session=other)] == [True, True]
    assert ask.code("system.ping", session=other) == "ACTION_BLOCKED"
    control.end_rate_limits()
    control.limit_rate(1, partner_id=PARTNER)
    assert [ask("system.ping", session=other) for _ in range(3)] == [True] * 3


def test_a_limit_may_be_for_one_action(ask, control):
    """Other actions, and other services, pass."""
    number = control.limit_rate(1, service="flavorAsset", action="LIST", seconds=60)["number"]
    asked = {"filter": {"entryIdEqual": "0_a"}}
    assert ask("flavorAsset.list", asked)["totalCount"] == 0
    assert ask.code("flavorAsset.list", asked) == "ACTION_BLOCKED"
    assert ask("media.list")["totalCount"] == 0
    assert ask.code("flavorAsset.get", id="0_f") == "FLAVOR_ASSET_ID_NOT_FOUND"
    control.end_rate_limits(number)
    assert ask("flavorAsset.list", asked)["totalCount"] == 0


def test_a_bad_session_is_said_before_the_limit(ask, control):
    """INVALID_KS uses up nothing."""
    control.limit_rate(1)
    assert ask.code("system.ping", session="nonsense") == "INVALID_KS"
    assert ask("system.ping") is True


@pytest.mark.parametrize("wrong", [{"actions": 0}, {"actions": 1, "seconds": 0}])
def test_an_impossible_limit_is_refused(control, wrong):
    """At least one action must pass."""
    with pytest.raises(ValueError, match="at least one action"):
        control.limit_rate(**wrong)


def test_limits_and_counts_over_http(running, http, make_ks):
    """Switched on, read, reset and ended by the control endpoint; requests for files are counted apart."""
    base = f"{running.base_url}/_sandbox"
    assert http.post(f"{base}/limit_rate", json={"actions": 3}).json()["number"] == 1
    assert http.post(f"{base}/limit_rate", json={"actions": 3, "speed": 1}).status_code == 400
    running.control.add_entry("0_a", partner_id=PARTNER)
    running.control.add_flavor("0_a", "0_f")
    body = {"format": 1, "ks": make_ks(), "1": PING, "2": PING}
    for _ in range(2):
        http.post(f"{running.base_url}/api_v3/service/multirequest", json=body)
    http.get(f"{running.base_url}/p/7/sp/700/serveFlavor/flavorId/0_f")
    http.get(f"{running.base_url}/api_v3/service/caption_captionAsset/action/serve/captionAssetId/0_c")
    counts = http.get(f"{base}/counts").json()
    assert (counts["apiRequests"], counts["mediaRequests"], counts["byAction"]["system.ping"]) == (2, 2, 4)
    rates = http.get(f"{base}/rates").json()
    assert (rates["passedRequests"], rates["blockedRequests"]) == (2, 1)
    assert (rates["limits"][0]["passed"], rates["limits"][0]["blocked"]) == (4, 1)  # one without a session
    http.post(f"{base}/reset_counts", json={})
    assert http.get(f"{base}/counts").json()["apiRequests"] == 0
    assert http.get(f"{base}/rates").json()["blockedRequests"] == 0
    http.post(f"{base}/end_rate_limits", json={})
    assert http.get(f"{base}/rates").json()["limits"] == []
