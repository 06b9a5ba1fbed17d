"""Kaltura's codes and their classes."""

from __future__ import annotations

import json
import pickle
from operator import itemgetter
from pathlib import Path

import pytest

from airflow_provider_kaltura.api import codes, errors, secrets
from airflow_provider_kaltura.api.codes import from_code, from_x_kaltura, is_x_kaltura_error

FAULTS = json.loads((Path(__file__).parents[2] / "conformance" / "faults.json").read_text())["faults"]
NAME = itemgetter("name")


KS_TEXT = "djJ8MTAxfA" + "Q" * 60


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("START_SESSION_ERROR", errors.AuthError),
        ("SERVICE_FORBIDDEN_CONTENT_BLOCKED", errors.AuthError),
        ("APP_TOKEN_EXPIRED", errors.AuthError),
        ("APP_TOKEN_ID_NOT_FOUND", errors.AuthError),
        ("INVALID_WIDGET_ID", errors.AuthError),
        ("SERVICE_FORBIDDEN", errors.ForbiddenError),
        ("ENTRY_ID_NOT_FOUND", errors.NotFoundError),
        ("FLAVOR_ASSET_ID_NOT_FOUND", errors.NotFoundError),
        ("ACTION_BLOCKED", errors.ThrottledError),
        ("FLAVOR_ASSET_IS_NOT_READY", errors.NotReadyError),
        ("NO_FLAVORS_FOUND", errors.NotReadyError),
        ("MISSING_MANDATORY_PARAMETER", errors.InvalidRequestError),
        ("INVALID_ENUM_VALUE", errors.InvalidRequestError),
        ("PROPERTY_VALIDATION_NOT_UPDATABLE", errors.InvalidRequestError),
        ("QUERY_EXCEEDED_MAX_MATCHES_ALLOWED", errors.TooManyMatchesError),
        ("INTERNAL_SERVERL_ERROR", errors.InternalServerError),
        ("INTERNAL_DATABASE_ERROR", errors.InternalServerError),
        ("SOMETHING_NEW", errors.KalturaAPIError),
    ],
)
def test_each_code_has_its_class(code, kind):
    """A code decides the class; an unknown one is the general, permanent one."""
    error = from_code(code, "text", {}, "media", "get", "0_a")
    assert type(error) is kind
    assert (error.code, error.service, error.action, error.object_id) == (code, "media", "get", "0_a")
    assert code in str(error)
    assert "0_a" in str(error)


@pytest.mark.parametrize("ksid", ["EXPIRED", "LOGOUT"])
def test_only_an_ended_session_is_renewable(ksid):
    """EXPIRED and LOGOUT are cured by a new KS."""
    error = from_code("INVALID_KS", f'Invalid KS "{ksid}"', {"KSID": ksid, "ERR_CODE": "-1"})
    assert isinstance(error, errors.InvalidSessionError)
    assert error.renewable
    assert ksid in str(error)


@pytest.mark.parametrize("ksid", ["EXCEEDED_ACTIONS_LIMIT", "EXCEEDED_RESTRICTED_IP", "notaks", "djJ8OTk5fAAA", ""])
def test_other_reasons_are_permanent(ksid):
    """No other reason is cured by a new KS."""
    error = from_code("INVALID_KS", f'Invalid KS "{ksid}"', {"KSID": ksid, "ERR_CODE": "-1"})
    assert isinstance(error, errors.InvalidSessionError)
    assert not error.renewable


@pytest.mark.parametrize("ksid", ["notaks-of-another-caller", "djJ8OTk5fAAAAAAAAAAAAAAA", "bm90IGEga3M="])
def test_a_foreign_session_is_never_shown(ksid):
    """KSID and message may be the KS of another caller: neither is in text, repr or arguments."""
    error = from_code("INVALID_KS", f'Invalid KS "{ksid}", Error "-1,INVALID_STR"', {"KSID": ksid, "ERR_CODE": "-1"})
    assert ksid not in str(error) + repr(error) + repr(vars(error))


def test_a_long_message_is_cut():
    """No server fills a log with one error."""
    assert len(str(from_code("X" * 10_000, "y" * 1_000_000, {}))) < 1000


def test_invalid_type_means_not_allowed():
    """INVALID_KS with code -4 is a missing permission, and permanent (recorded case sessions.userks_update_other)."""
    for args in ({"KSID": "", "ERR_CODE": "-4"}, {"KSID": "", "ERR_DESC": "INVALID_TYPE"}):
        assert type(from_code("INVALID_KS", "", args)) is errors.ForbiddenError


@pytest.mark.parametrize(
    ("header", "kind", "reason"),
    [
        ("error-3", errors.AccessRefusedError, "3"),
        ("cached-error-3", errors.AccessRefusedError, "3"),
        ("error-2", errors.AccessRefusedError, "2"),
        ("error-13", errors.AccessRefusedError, "13"),
        ("error-1", errors.NotFoundError, "1"),
        ("error-6", errors.NotFoundError, "6"),
        ("error-5", errors.NotReadyError, "5"),
        ("error-44", errors.InternalServerError, "44"),
        ("error-46", errors.InternalServerError, "46"),
        ("error-55", errors.InternalServerError, "55"),
        ("error-57", errors.ThrottledError, "57"),
        ("error- UNKNOWN_RESPONSE_FORMAT", errors.AccessRefusedError, "UNKNOWN_RESPONSE_FORMAT"),
        ("error- FILE_DOESNT_EXIST", errors.NotReadyError, "FILE_DOESNT_EXIST"),
        ("error-999", errors.AccessRefusedError, "999"),
    ],
)
def test_each_reason_has_its_class(header, kind, reason):
    """The header of an empty answer decides the class and keeps its number."""
    error = from_x_kaltura(header, "flavorAsset", "getUrl", "0_a")
    assert (type(error), error.x_kaltura_code, error.code) == (kind, reason, f"X_KALTURA_{reason}")


@pytest.mark.parametrize("fault", [f for f in FAULTS if is_x_kaltura_error(f["headers"].get("X-Kaltura"))], ids=NAME)
def test_every_recorded_refusal_may_be_tried_again_or_not_as_recorded(fault):
    """The recorded class of an empty answer and ours agree on what may pass."""
    error = from_x_kaltura(fault["headers"]["X-Kaltura"])
    assert error.retryable == fault["class"].startswith(("transient", "wait"))


@pytest.mark.parametrize("fault", [f for f in FAULTS if isinstance(f["body"], dict) and "code" in f["body"]], ids=NAME)
def test_every_recorded_error_may_be_tried_again_or_not_as_recorded(fault):
    """The recorded class of an API error and ours agree on what may pass."""
    error = from_code(fault["body"]["code"], fault["body"]["message"], dict(fault["body"]["args"] or {}))
    assert error.retryable == fault["class"].startswith(("transient", "wait"))


def test_other_headers_are_no_errors():
    """X-Kaltura is set on successes as well."""
    assert not is_x_kaltura_error(None)
    assert not is_x_kaltura_error("cached-dispatcher,cache_v3-abc")


@pytest.mark.parametrize("code", ["INTERNAL_" + KS_TEXT, KS_TEXT[:60], "A B", "<b>", "x" * 65, "", "CODE\n"])
def test_a_code_that_is_none_is_never_kept(code):
    """A server can put any text there, and a code goes to places that a message does not."""
    error = codes.from_code(code, "m", {})
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    shown = f"{error!r} {error} {error.args} {error.code} {again.args}"
    assert error.code == "UNREADABLE_CODE"
    assert not code or code not in shown
    assert KS_TEXT[:30] not in shown


def test_the_class_still_follows_a_code_that_is_not_kept():
    """What is retried does not depend on what is shown."""
    assert isinstance(codes.from_code("INTERNAL_" + KS_TEXT, "m", {}), errors.InternalServerError)


def test_a_reason_in_the_header_is_kept_only_if_it_looks_like_one():
    """The header is a text of the server too."""
    error = codes.from_x_kaltura(f"error-{KS_TEXT}")
    assert error.x_kaltura_code == "UNREADABLE_CODE"
    assert KS_TEXT[:30] not in f"{error!r} {error}"
    assert codes.from_x_kaltura("error-3").x_kaltura_code == "3"


def test_a_message_is_cut_only_after_its_secrets_are_out():
    """Half a secret at the cut could not be recognised."""
    secrets.announce("a-secret-of-somebody")
    assert "a-secret" not in str(codes.from_code("CODE", "x" * 490 + "a-secret-of-somebody", {}))
