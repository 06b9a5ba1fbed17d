"""A rate limit that hits one action of a multirequest slows the connection down like any other."""

from __future__ import annotations

import pytest

from airflow_provider_kaltura.api import errors
from tests.unit.api.kaltura_double import Fault, Step, listing, media_entry

LIMITED = Fault("ACTION_BLOCKED")


def test_a_limited_item_halves_what_is_asked_for(double, api):
    """One ACTION_BLOCKED among the answers of a multirequest, raised or asked again, counts as a block."""
    double.actions[("system", "ping")] = True
    double.actions[("baseentry", "get")] = [Step(LIMITED), Step(media_entry())]
    client = api.client()
    client.startMultiRequest()
    client.system.ping()
    client.baseEntry.get("0_entry001")
    answers = client.doMultiRequest()
    assert answers[1].id == "0_entry001"
    assert len(double.posts) == 2
    # Halved by the first answer, raised by a fiftieth by the second.
    assert api.runtime.limiter.share == pytest.approx(0.52)


def test_a_limited_change_halves_and_is_not_sent_again(double, api):
    """A multirequest that changes something is sent once; the block counts all the same."""
    double.actions[("system", "ping")] = True
    double.actions[("media", "delete")] = LIMITED
    client = api.client()
    client.startMultiRequest()
    client.system.ping()
    client.media.delete("0_entry001")
    answers = client.doMultiRequest()
    assert isinstance(answers[1], errors.ThrottledError)
    assert len(double.posts) == 1
    assert api.runtime.limiter.share == 0.5


def test_an_item_with_another_error_halves_nothing(double, api):
    """What is refused for another reason says nothing about the rate."""
    double.actions[("baseentry", "getByIds")] = Fault("SERVICE_FORBIDDEN")
    double.actions[("flavorasset", "list")] = listing("KalturaFlavorAssetListResponse", [])
    with pytest.raises(errors.ForbiddenError):
        api.snapshot(["0_entry001"])
    assert api.runtime.limiter.share == 1.0
