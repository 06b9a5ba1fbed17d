"""Captions and other small files of many entries: all pages, and one bad asset that spoils no other."""

from __future__ import annotations

import pytest

from airflow_provider_kaltura.api import errors, secrets
from airflow_provider_kaltura.api.assets import SideAsset, asset_urls, get_asset, list_assets
from tests.unit.api.kaltura_double import die

SERVICE = "caption_captionasset"
ENTRIES = [f"0_entry{number:03}" for number in range(700)]
KS = "djJ8MTAxfAABBCCDDEEFFGGHHIIJJKKLLMMNNOOPP"


def caption(number):
    """Make an asset as it is listed."""
    return SideAsset(id=f"0_capti{number:03}", kind="caption", entry_id=ENTRIES[number], partner_id=101, status=2)


def listed(params):
    """Answer a page of two captions for each entry."""
    ids = params["filter"]["entryIdIn"].split(",")
    assert len(ids) <= 500
    found = [
        {
            "objectType": "KalturaCaptionAsset",
            "id": f"0_{language}{entry_id[-6:]}",
            "entryId": entry_id,
            "partnerId": 101,
            "status": 2,
            "version": "2",
            "sizeInBytes": "77",
            "format": "2",
        }
        for entry_id in ids
        for language in ("de", "en")
    ]
    size, index = int(params["pager"]["pageSize"]), int(params["pager"]["pageIndex"])
    page = found[size * (index - 1) : size * index]
    return {"objectType": "KalturaCaptionAssetListResponse", "totalCount": 10_000, "objects": page}


def test_all_pages_of_all_entries_are_read(double, api):
    """Each entry has its two, whatever the count says, in few requests."""
    double.actions[(SERVICE, "list")] = listed
    found = list_assets(api.runtime, ENTRIES, ["caption"])
    assert list(found) == ENTRIES
    assert {len(assets) for assets in found.values()} == {2}
    assert found[ENTRIES[0]][0].caption_format == "dfxp"
    assert found[ENTRIES[0]][0].size_bytes == 77
    assert len(double.requests) == 3


def test_one_refused_url_spoils_no_other(double, api):
    """A refusal empties the answer to a hundred; it is found, and named."""
    double.actions[(SERVICE, "getUrl")] = lambda params: (
        die("error-3") if params["id"] == "0_capti042" else f"https://x.example/{params['id']}/ks/{KS}"
    )
    wanted = [caption(number) for number in range(150)]
    found = asset_urls(api.runtime, wanted)
    refused = found.pop("0_capti042")
    assert isinstance(refused, errors.AccessRefusedError)
    assert refused.object_id == "0_capti042"
    assert {one.url for one in found.values()} == {f"https://x.example/{name}/ks/{KS}" for name in found}
    assert len(found) == 149
    assert len(double.requests) <= 2 + 8


def test_the_sessions_of_urls_are_not_announced(double, api):
    """Only those of such answers: the next one that shows a KS is told of."""
    double.actions[(SERVICE, "getUrl")] = f"https://x.example/ks/{KS}"
    found = asset_urls(api.runtime, [caption(0)])["0_capti000"]
    assert KS not in repr(found)
    assert KS not in secrets._known
    api.runtime.shared_client().caption.captionAsset.getUrl("0_capti000")
    assert KS in secrets._known


def test_no_url_is_an_error(double, api):
    """Of that asset."""
    double.actions[(SERVICE, "getUrl")] = None
    found = asset_urls(api.runtime, [caption(0)])["0_capti000"]
    assert isinstance(found, errors.KalturaTransportError)
    assert found.object_id == "0_capti000"


def test_an_asset_that_is_gone_is_not_found(double, api):
    """That is said with its id."""
    double.actions[(SERVICE, "get")] = None
    with pytest.raises(errors.KalturaTransportError, match="0_capti000"):
        get_asset(api.runtime, "caption", "0_capti000")
