"""Typed errors."""

from __future__ import annotations

import copy
import pickle

import pytest

from airflow_provider_kaltura.api import errors
from airflow_provider_kaltura.api.official import as_official

SPECIAL = {
    errors.PreferenceError: ("expected more", "source,", 7),
    errors.NoFlavorsError: ("0_entry001", "no_media:image", ("0_a READY",)),
    errors.FlavorNotReadyError: ("0_entry001", "converting"),
    errors.InvalidSessionError: ("text", "INVALID_KS", "media", "get", "0_a", True),
}
ALL = [getattr(errors, name) for name in errors.__all__]


def make(kind):
    """Make one error of a class, with every attribute set."""
    error = kind(*SPECIAL.get(kind, ("text", "CODE", "media", "get", "0_a")))
    error.retry_after_seconds = 3.5
    error.x_kaltura_code = "3"
    return error


def through_pickle(error):
    """Send an error to another process and back."""
    return pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes


@pytest.mark.parametrize("dual", [False, True], ids=["typed", "official"])
@pytest.mark.parametrize("through", [through_pickle, copy.copy, copy.deepcopy])
@pytest.mark.parametrize("kind", ALL)
def test_every_error_survives_a_pickle(kind, through, dual):
    """Errors cross processes with everything they know; official ones arrive as the plain typed ones."""
    error = as_official(make(kind)) if dual else make(kind)
    back = through(error)
    assert type(back) is kind
    assert (str(back), back.args, vars(back)) == (str(error), error.args, vars(error))


def test_every_class_is_listed():
    """A new class can't be forgotten: the list names every one of the module."""
    found = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.KalturaError)
    }
    assert found == set(errors.__all__)


@pytest.mark.parametrize("kind", ALL)
def test_no_message_holds_a_session(kind):
    """Whatever a message is made of, no KS or signed query is in text, repr or arguments."""
    ks = "djJ8MTAxfAABBCCDDEEFFGGHHIIJJKKLLMMNNOOPP"
    url = f"https://h/download/ks/{ks}"
    arguments = tuple(value.replace("text", url) if value == "text" else value for value in SPECIAL.get(kind, (url,)))
    error = kind(*arguments)
    assert ks not in str(error) + repr(error)
    assert ks not in repr(as_official(error))


def test_what_may_be_retried():
    """Only outages, limits and states that pass are retryable."""
    retryable = {kind.__name__ for kind in ALL if kind.retryable}
    assert retryable == {
        "KalturaTransportError", "ThrottledError", "InternalServerError", "NotReadyError", "FlavorNotReadyError",
    }  # fmt: skip


def test_no_flavors_tells_what_there_is():
    """The message names the entry, the reason and what could be had."""
    text = str(errors.NoFlavorsError("0_entry001", "nothing meets 'web'", ("0_a READY", "0_b ERROR")))
    assert text == "Entry 0_entry001: nothing meets 'web'. It has: 0_a READY; 0_b ERROR."
