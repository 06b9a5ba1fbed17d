"""Which entries have flavors that changed, in few requests; which flavors are gone."""

from __future__ import annotations

import pytest

from airflow_provider_kaltura.api.errors import InvalidRequestError, KalturaError
from tests.unit.api.kaltura_double import Fault, flavor, listing

SINCE = 1_790_000_000
LIST = ("flavorasset", "list")
GET = ("flavorasset", "get")


def of_library(changed):
    """Answer lists from a library: number of changed flavors by entry."""

    def answer(params):
        wanted = params["filter"]
        assert wanted["objectType"] == "KalturaFlavorAssetFilter"
        assert int(wanted["updatedAtGreaterThanOrEqual"]) == SINCE
        ids = wanted["entryIdIn"].split(",")
        assert len(ids) <= 500
        found = [flavor(f"{one}f{number}", one) for one in ids for number in range(changed.get(one, 0))]
        return listing("KalturaFlavorAssetListResponse", found[: int(params["pager"]["pageSize"])], len(found))

    return answer


def test_many_quiet_entries_cost_few_requests(double, api):
    """100,000 entries are asked about in 10 requests."""
    double.actions[LIST] = of_library({"0_e00777": 1, "0_e99999": 2})
    ids = (f"0_e{number:05}" for number in range(100_000))
    assert sorted(api.changed_entry_ids(ids, SINCE)) == ["0_e00777", "0_e99999"]
    assert len(double.posts) == 10


def test_a_full_page_hides_nobody(double, api):
    """Those that were not in it are asked for again, each entry comes once."""
    changed = {f"0_e{number:05}": 8 for number in range(700)}
    double.actions[LIST] = of_library(changed)
    found = list(api.changed_entry_ids(changed, SINCE))
    assert sorted(found) == sorted(changed)
    assert len(double.posts) < 12


def test_an_entry_with_a_page_of_flavors_of_its_own(double, api):
    """It ends, too."""
    double.actions[LIST] = of_library({"0_a": 700, "0_b": 1})
    assert sorted(api.changed_entry_ids(["0_a", "0_b"], SINCE)) == ["0_a", "0_b"]


def test_a_time_that_is_read_as_relative_is_not_sent(double, api):
    """It would find nothing, or everything."""
    with pytest.raises(InvalidRequestError):
        list(api.changed_entry_ids(["0_a"], 0))
    assert double.posts == []


def test_flavors_are_gone_when_kaltura_says_so_by_id(double, api):
    """Unknown and deleted ones are, the others not."""
    answers = {
        "0_there": flavor("0_there"),
        "0_deleted": flavor("0_deleted", status=3),
        "0_gone": Fault("FLAVOR_ASSET_ID_NOT_FOUND"),
    }
    double.actions[GET] = lambda params: answers[params["id"]]
    assert api.gone_flavor_ids(answers) == {"0_deleted", "0_gone"}
    assert len(double.posts) == 1


def test_a_flavor_that_could_not_be_asked_for_is_not_gone(double, api):
    """Any other error ends the question."""
    double.actions[GET] = Fault("SERVICE_FORBIDDEN")
    with pytest.raises(KalturaError):
        api.gone_flavor_ids(["0_a"])
