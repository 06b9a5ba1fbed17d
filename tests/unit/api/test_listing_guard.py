"""Listings that a session would silently cut down."""

from __future__ import annotations

import pytest

from airflow_provider_kaltura.api import listing_guard
from airflow_provider_kaltura.api.errors import ForbiddenError
from airflow_provider_kaltura.api.session import Session


def refused(privileges=(), *, user="joe", service="media", action="list", **given):
    """Tell whether a USER session's listing is refused."""
    session = Session("a-ks", session_type="user", privileges=privileges, user_id=user)
    try:
        listing_guard.check(service, action, {"filter": given} if given else {}, session)
    except ForbiddenError as error:
        return error.code == "LISTING_NEEDS_PRIVILEGE"
    return False


@pytest.mark.parametrize("privilege", ["list:0_abc", "list", "list:", "sview:*", "LIST:*", "listing:*"])
def test_only_the_privilege_for_all_entries_lifts_the_limit(privilege):
    """One entry's privilege, or one of another name, lists no library."""
    assert refused((privilege,))
    assert not refused((privilege, "list:*"))


@pytest.mark.parametrize(
    ("given", "is_refused"),
    [
        ({"userIdEqual": "joe"}, False),
        ({"userIdIn": "joe"}, False),
        ({"creatorIdEqual": "joe"}, False),
        ({"userIdEqual": "ann"}, True),
        ({"userIdIn": "joe,ann"}, True),
        ({"creatorIdEqual": "ann"}, True),
        ({"userIdEqual": "joe", "creatorIdEqual": "ann"}, True),
        ({"userIdEqual": ""}, True),
        ({"idEqual": "0_abc"}, False),
        ({"idIn": "0_abc,0_def"}, False),
        ({"tagsLike": "x"}, True),
    ],
)
def test_a_filter_by_user_is_taken_for_the_sessions_own_user_only(given, is_refused):
    """What another user owns would be missing without a word; by id a session reads anything."""
    assert refused(**given) == is_refused


def test_a_session_without_a_user_owns_nothing():
    """An empty user id is nobody's."""
    assert refused(user="", userIdEqual="joe")


@pytest.mark.parametrize(
    ("service", "action"),
    [
        ("baseEntry", "listByReferenceId"),
        ("externalmedia_externalmedia", "list"),
        ("externalMedia_externalMedia", "count"),
        *((name, "list") for name in ("baseEntry", "media", "mixing", "data", "liveStream", "playlist")),
        *((name, "count") for name in ("baseEntry", "media", "MIXING")),
    ],
)
def test_every_action_that_lists_entries_is_guarded(service, action):
    """Whatever the service calls it."""
    assert refused(service=service, action=action)


def test_what_lists_no_entries_is_let_through():
    """Flavor assets are asked for by entry."""
    assert not refused(service="flavorAsset")
    assert not refused(action="get")
