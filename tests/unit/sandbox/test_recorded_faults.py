"""faults.py: each recorded fault of faults.json, made by the sandbox, answers as it was recorded."""

import json
from pathlib import Path

import pytest
from lxml import etree

from airflow_provider_kaltura.sandbox.library import CAPTION
from tests.unit.sandbox.conftest import PARTNER

FAULTS = {
    fault["name"]: fault
    for fault in json.loads((Path(__file__).parents[2] / "conformance/faults.json").read_text("utf-8"))["faults"]
}
MEDIA = "/p/7/sp/700/serveFlavor/entryId/0_film/v/2/flavorId/0_f"
LIST, GET = {"service": "media", "action": "list"}, {"service": "media", "action": "get", "entryId": "0_film"}
GET_URL = {"service": "flavorAsset", "action": "getUrl", "id": "0_f"}
PARTS = {f"{n}:{name}": value for n, part in ((1, LIST), (2, GET)) for name, value in part.items()}
MULTIREQUEST = {"service": "multirequest", **PARTS}

# name -> (fault, its settings, what is asked: parameters of the API, or the path of a medium).
# Without a fault the sandbox answers so by itself.
MADE = {
    "internal_error": ("internal_error", {}, LIST),
    "internal_error_xml": ("internal_error", {}, LIST | {"format": 2}),
    "database_error": ("database_error", {}, GET),
    "database_error_xml": ("database_error", {}, GET | {"format": 2}),
    "database_error_multirequest": ("database_error", {}, MULTIREQUEST),
    "index_down_multirequest": ("internal_error", {"action": "list"}, MULTIREQUEST),
    "media_500_html": ("media_500_html", {}, MEDIA),
    "rate_limit": ("rate_limit", {}, {"service": "system", "action": "getVersion"}),
    "die_access_control": ("die_access_control", {}, GET_URL),
    "die_scheduling": ("die_scheduling", {}, GET_URL),
    "die_moderation": ("die_moderation", {}, GET_URL),
    "die_format": (None, {}, GET | {"format": 77}),
    "serve_no_file": (
        None,
        {},
        {"service": "caption_captionAsset", "action": "serve", "captionAssetId": "0_cap"},
    ),
    "media_entry_gone": ("media_error", {"code": 1}, MEDIA),
    "media_flavor_gone": ("media_error", {"code": 6}, MEDIA),
    "media_file_gone": ("media_error", {"code": 5}, MEDIA),
    "media_cached_error": ("media_error", {"code": 1, "cached": True}, MEDIA),
    "media_access_control": ("media_access_control", {}, MEDIA),
    "multirequest_fatal": (
        None,
        {},
        {
            "service": "multirequest",
            "1:service": "system",
            "1:action": "ping",
            "2:service": "media",
            "2:action": "get",
            "2:entryId": "{1:result:property}",
        },
    ),
    "invalid_ks_expired": ("invalid_ks_expired", {}, GET),
    "invalid_ks_logout": ("invalid_ks_logout", {}, GET),
    "invalid_ks_permission": ("invalid_ks_permission", {}, GET),
    "invalid_ks_other_text": ("invalid_ks_other_text", {"text": "notaks"}, GET),
    "partner_blocked": ("partner_blocked", {}, {"service": "session", "action": "start", "secret": "x"}),
    "index_lag": ("index_lag", {}, LIST | {"filter:nameLike": "film"}),
    **{
        name: ("media_error", {"code": int(name.rpartition("_")[2])}, MEDIA)
        for name in FAULTS
        if name.startswith("media_error_")
    },
}


@pytest.fixture
def answer(running, http, make_ks):
    """Return a function that makes a recorded fault happen and returns what came."""
    running.control.add_entry("0_film", partner_id=PARTNER)
    running.control.add_flavor("0_film", "0_f", size_bytes=5000)
    running.library.assets[CAPTION]["0_cap"] = {
        "id": "0_cap",
        "entryId": "0_film",
        "partnerId": PARTNER,
        "status": 0,
        "objectType": "KalturaCaptionAsset",
    }

    def make(name):
        fault, settings, asked = MADE[name]
        if fault is not None:
            running.control.faults.on(fault, **settings)
        if isinstance(asked, str):
            return http.get(running.base_url + asked)
        return http.post(f"{running.base_url}/api_v3/", data={"format": 1, "ks": make_ks(), **asked})

    return make


def shape(value):
    """Return a JSON value, or an XML tree, with its names, error codes and messages, but without other values."""
    if isinstance(value, str) and value.startswith("<?xml"):
        tree = etree.fromstring(value.encode())
        return [(item.tag, None if item.tag == "executionTime" else item.text) for item in tree.iter()]
    if isinstance(value, list):
        return [shape(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "..." in value or value.get("objectType", "").endswith("Entry"):
        return ("an object", value["objectType"])
    return {name: shape(item) for name, item in value.items()}


def test_there_is_a_way_to_make_each():
    """No recorded fault is left out."""
    assert MADE.keys() == FAULTS.keys()


@pytest.mark.parametrize("name", FAULTS)
def test_a_recorded_fault_answers_as_recorded(answer, name):
    """Status, every recorded header, and the body: its names, codes and messages, or that there is nothing."""
    recorded, came = FAULTS[name], answer(name)
    assert came.status_code == recorded["http_status"]
    headers = {key: came.headers.get(key) for key in recorded["headers"]}
    wanted = dict(recorded["headers"])
    if "Content-Disposition" in wanted:
        # The name is that of the entry and flavor.
        assert headers.pop("Content-Disposition").startswith("attachment; filename=")
        del wanted["Content-Disposition"]
    assert headers == wanted
    if name == "media_500_html":
        assert came.text.startswith("<!DOCTYPE html")
    elif isinstance(recorded["body"], str):
        assert shape(came.text) == shape(recorded["body"])
    else:
        assert shape(came.json()) == shape(recorded["body"])
