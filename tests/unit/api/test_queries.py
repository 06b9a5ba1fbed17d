from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from KalturaClient.Plugins.Core import KalturaMediaEntryFilter

from airflow_provider_kaltura.api.errors import InvalidRequestError
from airflow_provider_kaltura.api.filters import check_filter
from airflow_provider_kaltura.api.queries import EntryQuery

SOME = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
STATUSES = ("-1", "0", "1", "2", "3", "virusScan.Infected")


def fields(**given):
    """Make a checked filter."""
    return check_filter(EntryQuery(**given).fields(STATUSES, ("1", "2", "3")), KalturaMediaEntryFilter)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"ids": ("0_a", "0_b")}, {"idIn": "0_a,0_b"}),
        ({"tags": ("alpha", "two words")}, {"tagsMultiLikeOr": "alpha,two words"}),
        ({"category_ids": (1, 2)}, {"categoryAncestorIdIn": "1,2"}),
        ({"category_ids": (1,), "with_subcategories": False}, {"categoriesIdsMatchOr": "1"}),
        ({"category": "site>lectures"}, {"categoriesMatchOr": "site>lectures"}),
        ({"owners": ("anna",)}, {"userIdIn": "anna"}),
        ({"text": "physics"}, {"freeText": "physics"}),
        ({"media_types": ("video", 5, "2")}, {"mediaTypeIn": "1,5,2"}),
        ({"least_seconds": 0, "most_seconds": 60}, {"durationGreaterThanOrEqual": 0, "durationLessThanOrEqual": 60}),
        ({"parent_id": "0_p"}, {"parentEntryIdEqual": "0_p"}),
        ({"moderation": "any"}, {"moderationStatusIn": "1,2,3"}),
        ({"statuses": ("2", "3")}, {"statusIn": "2,3"}),
        ({"statuses": ("any",)}, {"statusIn": "-1,0,1,2,virusScan.Infected"}),
        ({"statuses": ("3", "any")}, {"statusIn": "3,-1,0,1,2,virusScan.Infected"}),
        ({"created": (SOME, None)}, {"createdAtGreaterThanOrEqual": 1767323045}),
        ({"updated": (None, SOME)}, {"updatedAtLessThanOrEqual": 1767323045}),
        (
            {"last_played": (SOME, SOME)},
            dict.fromkeys(("lastPlayedAtGreaterThanOrEqual", "lastPlayedAtLessThanOrEqual"), 1767323045),
        ),
        ({"more": {"nameLike": "x", "isRoot": True}}, {"nameLike": "x", "isRoot": 1}),
        ({"more": {"referenceIdIn": ["a", "b"]}}, {"referenceIdIn": "a,b"}),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_conditions_become_fields(given, expected):
    """Each condition is one field of Kaltura's; the statuses are always said."""
    assert fields(**given) == {"statusIn": "2", **expected}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"more": {"tagLike": "x"}}, "tagsLike"),
        ({"more": {"orderBy": "-createdAt"}}, "no field 'orderBy'"),
        ({"more": {"idNotIn": "0_a"}}, "no field 'idNotIn'"),
        ({"more": {"statusIn": "2"}}, "given twice"),
        ({"more": {"createdAtGreaterThanOrEqual": 0}}, "relative to now"),
        ({"more": {"createdAtGreaterThanOrEqual": -86400}}, "relative to now"),
        ({"more": {"updatedAtLessThanOrEqual": 1767323045000}}, "seconds since 1970"),
        ({"more": {"updatedAtLessThanOrEqual": "2026-01-02"}}, "takes a number"),
        ({"created": (datetime(2026, 1, 2), None)}, "time zone"),  # noqa: DTZ001 - what is refused
        ({"more": {"nameLike": ""}}, "not empty"),
        ({"more": {"durationLessThan": "long"}}, "takes a number"),
        ({"more": {"referenceIdIn": []}}, "takes a list"),
        ({"more": {"referenceIdIn": ["a,b"]}}, "without commas"),
        ({"more": {"referenceIdIn": [str(number) for number in range(501)]}}, "at most 500 values"),
        ({"statuses": ()}, "statuses is empty"),
        ({"statuses": ("ready",)}, r"no entry status 'ready'; there are .*\('2' is ready\), and 'any'"),
        ({"media_types": ("film",)}, "no media type 'film'"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_the_server_would_ignore_or_misread_is_refused(given, words):
    """The message names the field and what would do."""
    with pytest.raises(InvalidRequestError, match=words):
        fields(**given)


def test_times_of_any_zone_are_the_same_second():
    """A time is sent as seconds since 1970."""
    there = SOME.astimezone(timezone(timedelta(hours=-9)))
    assert fields(created=(there, None)) == fields(created=(SOME, None))


def test_the_walks_own_time_is_taken_out():
    """The window has the time of creation; that of the last change stays a condition."""
    window, rest = EntryQuery().window(fields(created=(SOME, None), updated=(SOME, SOME)))
    assert (window.key, window.since, window.until) == ("createdAt", 1767323045, None)
    assert sorted(name for name in rest if "At" in name) == ["updatedAtGreaterThanOrEqual", "updatedAtLessThanOrEqual"]
