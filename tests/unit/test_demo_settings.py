"""How the demo reads which account it runs against."""

from __future__ import annotations

import json

import pytest

from scripts.demo import SettingsError, real_target

ACCOUNT = {"KALTURA_PARTNER_ID": "12", "KALTURA_SECRET": "s3cret-s3cret", "KALTURA_ENTRY_ID": "1_ab12cd34"}


def test_nothing_set_means_the_sandbox() -> None:
    """Without any variable there is no real account."""
    assert real_target({"PATH": "/bin"}) is None


def test_a_full_account_becomes_a_connection() -> None:
    """Partner, secret and entry are enough; the secret stays out of headline and repr."""
    target = real_target(ACCOUNT)
    assert target is not None
    assert json.loads(target.connection)["login"] == "12"
    assert target.entry_ids == ("1_ab12cd34",)
    assert "12 at www.kaltura.com" in target.headline
    assert "s3cret" not in target.headline + repr(target)


def test_app_token_and_service_url_are_passed_on() -> None:
    """The optional variables end in host and extras."""
    more = {"KALTURA_SERVICE_URL": "http://k.example:81", "KALTURA_AUTH_METHOD": "app_token"}
    target = real_target(ACCOUNT | more | {"KALTURA_APP_TOKEN_ID": "1_tok"})
    assert target is not None
    connection = json.loads(target.connection)
    assert connection["host"] == "http://k.example:81"
    assert connection["extra"] == {"auth_method": "app_token", "app_token_id": "1_tok"}


@pytest.mark.parametrize("missing", sorted(ACCOUNT))
def test_half_an_account_is_an_error_that_names_the_rest(missing: str) -> None:
    """Leaving one variable out says which."""
    with pytest.raises(SettingsError, match=missing):
        real_target({name: value for name, value in ACCOUNT.items() if name != missing})


def test_an_app_token_without_its_id_is_an_error() -> None:
    """The method app_token needs the id."""
    with pytest.raises(SettingsError, match="KALTURA_APP_TOKEN_ID"):
        real_target(ACCOUNT | {"KALTURA_AUTH_METHOD": "app_token"})


def test_a_connection_needs_its_entry_and_nothing_else() -> None:
    """AIRFLOW_CONN_KALTURA_DEFAULT goes with KALTURA_ENTRY_ID alone."""
    connection = {"AIRFLOW_CONN_KALTURA_DEFAULT": "kaltura://12:s@h"}
    with pytest.raises(SettingsError, match="KALTURA_ENTRY_ID"):
        real_target(connection)
    with pytest.raises(SettingsError, match="no other"):
        real_target(connection | ACCOUNT)
    target = real_target(connection | {"KALTURA_ENTRY_ID": "1_ab12cd34"})
    assert target is not None
    assert target.connection == "kaltura://12:s@h"
