"""Snapshots of several entries: one that is broken spoils no other."""

from __future__ import annotations

import pytest

from airflow_provider_kaltura.api import errors
from airflow_provider_kaltura.api.models import EntrySnapshot
from tests.unit.api.kaltura_double import Fault, Reply, die, flavor, listing, media_entry

GOOD, BAD = "0_entrygood", "0_entrybad1"


@pytest.fixture
def library(double):
    """Serve two entries with a flavor each; tests say what asking for the bad one's web-playable set gives."""
    double.actions[("baseentry", "getByIds")] = lambda params: [
        media_entry(entry_id) for entry_id in params["entryIds"].split(",")
    ]
    double.actions[("flavorasset", "list")] = lambda params: listing(
        "KalturaFlavorAssetListResponse",
        [flavor(f"0_f{entry_id}", entry_id) for entry_id in params["filter"]["entryIdIn"].split(",")],
    )

    def answer(bad):
        double.actions[("flavorasset", "getWebPlayableByEntryId")] = lambda params: (
            bad if params["entryId"] == BAD else [flavor(f"0_f{GOOD}", GOOD)]
        )

    return answer


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        (Fault("INTERNAL_SERVERL_ERROR"), errors.InternalServerError),
        (Fault("SOMETHING_NEW"), errors.KalturaAPIError),
        (die("3"), errors.AccessRefusedError),
        (Reply(b"crashed", 500), errors.KalturaTransportError),
        (Reply(b""), errors.KalturaTransportError),
    ],
    ids=["internal", "unknown", "die", "crash", "empty"],
)
def test_an_entry_that_fails_is_an_error_value_and_the_others_are_answered(api, library, bad, kind):
    """An error of one item, and one that empties the whole answer, belong to their entry only."""
    library(bad)
    found = api.snapshot([BAD, GOOD], web_playable_for=[BAD, GOOD])
    assert isinstance(found[BAD], kind)
    assert isinstance(found[GOOD], EntrySnapshot)
    assert found[GOOD].web_playable_ids == {f"0_f{GOOD}"}


def test_a_server_that_is_down_is_not_asked_entry_by_entry_for_ever(double, api, library):
    """A few crashes in a row are the server's own."""
    library(None)
    double.actions[("flavorasset", "getWebPlayableByEntryId")] = Reply(b"crashed", 500)
    ids = [f"0_entry{number:04}" for number in range(50)]
    with pytest.raises(errors.KalturaTransportError):
        api.snapshot(ids, web_playable_for=ids)
    assert len(double.posts) < 40


def test_what_concerns_the_session_is_raised_for_all(api, library):
    """A refused session is no property of an entry."""
    library(Fault("INVALID_KS", "no", {"KSID": "x"}))
    with pytest.raises(errors.InvalidSessionError):
        api.snapshot([BAD, GOOD], web_playable_for=[BAD, GOOD])


@pytest.mark.parametrize("when", ["1700000000000", "-99999999999999999999", "9" * 30, "soon", "inf"])
def test_a_time_that_no_calendar_holds_is_none(double, api, library, when):
    """Milliseconds instead of seconds in one entry must not break the look at all."""
    library(None)
    double.actions[("baseentry", "getByIds")] = [media_entry(BAD, createdAt=when), media_entry(GOOD, updatedAt=when)]
    found = api.snapshot([BAD, GOOD])
    assert (found[BAD].entry.created_at, found[GOOD].entry.updated_at) == (None, None)
    assert found[GOOD].entry.created_at is not None


@pytest.mark.parametrize("size", ["-5", "many", "", "1e9", "9" * 5000])
def test_a_size_that_can_be_none_is_unknown(double, api, size):
    """A negative size or a word is as good as no size."""
    double.actions[("flavorasset", "get")] = flavor(sizeInBytes=size, width="-1", height="x", bitrate="-7")
    asset = api.get_flavor_asset("0_flavor01")
    assert (asset.size_bytes, asset.width, asset.height, asset.bitrate_kbps) == (None, 0, 0, 0)
