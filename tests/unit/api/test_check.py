"""What a check says where no Kaltura answers."""

from __future__ import annotations

import ssl

import pytest
import trustme

from airflow_provider_kaltura.api.check import check
from tests.unit.api.conftest import ADMIN_SECRET
from tests.unit.api.kaltura_double import Fault, Reply, die, flavor, listing, media_entry, running_double


def said(config):
    """Check, and make sure that it is one sentence without a secret."""
    result = check(config)
    assert ADMIN_SECRET not in result.message
    assert "\n" not in result.message
    return result


@pytest.fixture
def account(double):
    """Give a server where everything works."""
    double.actions[("session", "startWidgetSession")] = {
        "objectType": "KalturaStartWidgetSessionResponse",
        "ks": "widget-ks",
    }
    double.actions[("media", "list")] = listing("KalturaMediaListResponse", [media_entry(), media_entry("0_entry002")])
    double.actions[("flavorasset", "list")] = listing(
        "KalturaFlavorAssetListResponse", [flavor(), flavor("0_flavor02", "0_entry002"), flavor("0_flavor03", status=1)]
    )
    double.actions[("flavorasset", "getUrl")] = f"{double.base_url}/x"
    return double


@pytest.mark.usefixtures("account")
def test_a_good_connection_is_good(make_config):
    """Partner and host are named."""
    result = said(make_config())
    assert (result.ok, result.code) == (True, "OK")
    assert "101" in result.message


def test_an_empty_account_is_good(account, make_config):
    """Nothing to try a URL with is no failure, and is said."""
    account.actions[("media", "list")] = listing("KalturaMediaListResponse", [])
    result = said(make_config())
    assert (result.ok, result.code) == (True, "OK")
    assert "no ready flavor" in result.message


def test_one_entry_behind_its_schedule_is_no_missing_permission(account, make_config):
    """The next entry's flavor gives a URL."""
    account.actions[("flavorasset", "getUrl")] = lambda params: (
        die("2") if params["id"] == "0_flavor01" else f"{account.base_url}/x"
    )
    assert said(make_config()).ok


def test_refused_urls_are_a_missing_permission(account, make_config):
    """When no flavor gives a URL, that is what is missing."""
    account.actions[("flavorasset", "getUrl")] = die("3")
    assert said(make_config()).code == "MISSING_PERMISSION"


def test_an_unreachable_host_is_told_soon(make_config):
    """Nobody listens: said after two tries, not after three minutes."""
    assert said(make_config(service_url="http://127.0.0.1:9")).code == "UNREACHABLE"


def test_a_self_signed_server_is_told(make_config):
    """The certificate is the reason, and `verify` the remedy."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with running_double(tls=context) as server:
        result = said(make_config(service_url=server.base_url))
    assert result.code == "TLS"
    assert "verify" in result.message


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply(b"<html>Welcome</html>", 200, {"Content-Type": "text/html"}), "NOT_XML"),
        (Reply(b"no", 404, {"Content-Type": "text/html"}), "HTTP_404"),
        (Reply(b"no", 502, {"Content-Type": "text/html"}), "HTTP_502"),
    ],
)
def test_another_server_is_told(double, make_config, reply, code):
    """Something answers, but not Kaltura."""
    double.whole = [reply] * 3
    assert said(make_config()).code == code


@pytest.mark.parametrize(
    ("widget", "listed", "code"),
    [
        (Fault("INVALID_WIDGET_ID"), None, "UNKNOWN_PARTNER"),
        (
            {"objectType": "KalturaStartWidgetSessionResponse", "ks": "w"},
            Fault("INVALID_KS", args={"KSID": "x"}),
            "WRONG_SECRET",
        ),
        (
            {"objectType": "KalturaStartWidgetSessionResponse", "ks": "w"},
            Fault("SERVICE_FORBIDDEN"),
            "MISSING_PERMISSION",
        ),
    ],
)
def test_a_locally_made_session_is_checked_without_sending_the_secret(account, make_config, widget, listed, code):
    """An unknown partner shows in the widget session, a wrong secret in the first call; the secret is never sent."""
    account.actions[("session", "startWidgetSession")] = widget
    account.actions[("media", "list")] = listed
    assert said(make_config()).code == code
    assert ADMIN_SECRET not in str(account.requests)
