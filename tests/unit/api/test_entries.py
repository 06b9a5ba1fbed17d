"""Listing entries through the official client, on a scripted server."""

from __future__ import annotations

import pytest

from airflow_provider_kaltura.api.errors import InvalidRequestError, KalturaTransportError
from airflow_provider_kaltura.api.queries import EntryQuery
from tests.unit.api.kaltura_double import listing, media_entry

LIST = "KalturaMediaListResponse"
START = 1_700_000_000


def library(count):
    """Answer media.list by keyset from entries of which ten share each second."""
    entries = [media_entry(f"0_{number:05}", createdAt=START + number // 10) for number in range(count)]

    def answer(params):
        wanted = params["filter"]
        since, hidden = int(wanted.get("createdAtGreaterThanOrEqual", 0)), wanted.get("idNotIn", "").split(",")
        found = [one for one in entries if one["createdAt"] >= since and one["id"] not in hidden]
        return listing(LIST, found[: int(params["pager"]["pageSize"])], len(found))

    return answer


@pytest.mark.parametrize("count", [0, 1, 500, 1_205])
def test_every_entry_comes_once(double, api, count):
    """Page by page, the filter with its type and an order in each."""
    double.actions[("media", "list")] = library(count)
    found = [entry.id for entry in api.list_entries(EntryQuery())]
    assert found == [f"0_{number:05}" for number in range(count)]
    for request in double.posts:
        ((_, _, params),) = request.calls
        assert params["filter"]["objectType"] == "KalturaMediaEntryFilter"
        assert (params["filter"]["orderBy"], params["filter"]["statusIn"]) == ("+createdAt", "2")
        assert (params["pager"]["pageSize"], params["pager"]["pageIndex"]) == ("500", "1")


def test_nothing_is_sent_for_a_query_that_cannot_be(double, api):
    """A typo would list everything."""
    with pytest.raises(InvalidRequestError, match="did you mean"):
        api.list_entries(EntryQuery(more={"tagLike": "x"}))
    assert double.posts == []


def test_an_entry_without_its_time_is_no_answer(double, api):
    """The walk could neither go on nor tell that it is done."""
    bare = {name: value for name, value in media_entry("0_a").items() if name != "createdAt"}
    double.actions[("media", "list")] = listing(LIST, [dict(bare, id=f"0_{number}") for number in range(500)])
    with pytest.raises(KalturaTransportError, match="without createdAt"):
        list(api.list_entries(EntryQuery()))
