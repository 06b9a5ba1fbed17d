"""flavorAsset and the small files: states, URLs, who may have them."""

import pytest

from airflow_provider_kaltura.sandbox.library import StoredFile
from tests.unit.sandbox.conftest import NOW, PARTNER

RULE = {
    "actions": [{"type": 1}],
    "conditions": [{"type": 1, "not": True, "privileges": [{"value": "sview"}]}],
}


@pytest.fixture
def film(control):
    """Add an entry with a source, two renditions and one that is converting."""
    control.library.flavor_params[4] = {
        "id": 4,
        "partnerId": 0,
        "name": "SD/Small (900)",
        "objectType": "KalturaFlavorParams",
    }
    control.add_entry("0_film", partner_id=PARTNER, name="Süd & Nord", userId="owner")
    control.add_flavor("0_film", "0_source", size_bytes=5000)
    control.add_flavor("0_film", "0_small", flavorParamsId=4, tags="web,mbr", size_bytes=3000, bitrate=900)
    control.add_flavor("0_film", "0_web", flavorParamsId=5, tags="web", size_bytes=2000)
    control.add_flavor("0_film", "0_busy", flavorParamsId=6, status=1)
    return "0_film"


def protect(control, **rule):
    """Put the entry behind a rule."""
    control.library.access_control_profiles[3] = {"id": 3, "partnerId": PARTNER, "rules": [RULE | rule]}
    control.set_entry("0_film", accessControlId=3)


@pytest.mark.usefixtures("film")
def test_get_url_names_version_and_file(ask):
    """The URL has the version, and a name in which every unsafe byte is an underscore."""
    assert ask("flavorAsset.getUrl", id="0_small") == (
        "http://sandbox.test/p/7/sp/700/serveFlavor/entryId/0_film/v/2/flavorId/0_small"
        "/fileName/S__d___Nord_(SD_Small_(900)).mp4/forceproxy/true/name/a.mp4"
    )


@pytest.mark.usefixtures("film")
def test_a_replaced_file_has_a_new_version(ask, control):
    """After a new file the URL has /v/12, size is in bytes, and the entry's updatedAt does not move."""
    before = ask("media.get", entryId="0_film")["updatedAt"]
    control.library.clock.advance(50)
    control.replace_flavor_file("0_small", size_bytes=4096)
    flavor = ask("flavorAsset.get", id="0_small")
    assert (flavor["version"], flavor["size"], flavor["sizeInBytes"]) == ("12", 4096, "4096")
    assert flavor["updatedAt"] == NOW + 50
    assert "/v/12/" in ask("flavorAsset.getUrl", id="0_small")
    assert ask("media.get", entryId="0_film")["updatedAt"] == before


@pytest.mark.usefixtures("film")
@pytest.mark.parametrize("status", [-1, 0, 1, 4, 5, 6, 7, 8])
def test_a_flavor_without_a_file_has_no_url(ask, control, status):
    """Passing and permanent states give the same code."""
    control.set_flavor("0_small", status=status)
    assert ask.code("flavorAsset.getUrl", id="0_small") == "FLAVOR_ASSET_IS_NOT_READY"


@pytest.mark.usefixtures("film")
def test_an_exporting_flavor_has_a_url_but_no_download_url(ask, control):
    """EXPORTING counts for getUrl; getDownloadUrl wants READY."""
    control.set_flavor("0_small", status=9)
    assert "0_small" in ask("flavorAsset.getUrl", id="0_small")
    assert ask.code("flavorAsset.getDownloadUrl", id="0_small") == "FLAVOR_ASSET_IS_NOT_READY"


@pytest.mark.usefixtures("film")
def test_the_state_is_checked_before_who_may(ask, control, make_ks):
    """A converting flavor of a protected entry is not ready, rather than refused."""
    protect(control)
    user = make_ks(0, "eve")
    assert ask.code("flavorAsset.getUrl", session=user, id="0_busy") == "FLAVOR_ASSET_IS_NOT_READY"
    assert ask("flavorAsset.getUrl", session=user, id="0_small", storageId=5) is None
    assert dict(ask.reply("flavorAsset.getUrl", session=user, id="0_small").headers)["X-Kaltura"] == "error-3"


@pytest.mark.usefixtures("film")
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"accessControlId": 3}, "3"),
        ({"startDate": NOW + 10}, "2"),
        ({"endDate": NOW - 10}, "2"),
        ({"moderationStatus": 3}, "13"),
        ({"moderationStatus": 1}, "13"),
        ({"accessControlId": 3, "startDate": NOW + 10, "moderationStatus": 3}, "3"),
        ({"startDate": NOW + 10, "moderationStatus": 3}, "2"),
    ],
)
def test_who_may_not_have_it_gets_an_empty_answer(ask, control, make_ks, changes, code):
    """A plain user is refused with the reason in X-Kaltura alone; admins and holders of a privilege are not."""
    protect(control)
    control.set_entry("0_film", **({"accessControlId": 1} | changes))
    refused = ask.reply("flavorAsset.getUrl", session=make_ks(0, "eve", "view:*,sview:0_other"), id="0_small")
    assert (refused.status, refused.body) == (200, b"")
    assert dict(refused.headers)["X-Kaltura"] == f"error-{code}"
    for session in (make_ks(), make_ks(0, "eve", "sview:0_film"), make_ks(0, "eve", "download:*")):
        assert "0_small" in ask("flavorAsset.getUrl", session=session, id="0_small")


@pytest.mark.usefixtures("film")
def test_the_owner_passes_moderation(ask, control, make_ks):
    """A rejected entry's owner still gets the URL."""
    control.set_entry("0_film", moderationStatus=3)
    assert "0_small" in ask("flavorAsset.getUrl", session=make_ks(0, "owner"), id="0_small")


@pytest.mark.usefixtures("film")
@pytest.mark.parametrize(("contexts", "refused"), [([2], True), ([1], False), ([6], False), ([], True)])
def test_a_rule_holds_in_its_contexts(ask, control, make_ks, contexts, refused):
    """Only a rule for downloads, or one without contexts, refuses getUrl."""
    protect(control, contexts=[{"type": context} for context in contexts])
    reply = ask.reply("flavorAsset.getUrl", session=make_ks(0, "eve"), id="0_small")
    assert (reply.body == b"") is refused


@pytest.mark.usefixtures("film")
def test_without_a_session_no_flavor_is_found(ask):
    """Get-type actions answer not found, list-type ones are forbidden."""
    assert ask.code("flavorAsset.getUrl", session=None, id="0_small") == "FLAVOR_ASSET_ID_NOT_FOUND"
    assert ask.code("flavorAsset.list", {"filter": {"entryIdEqual": "0_film"}}, session=None) == "SERVICE_FORBIDDEN"


@pytest.mark.usefixtures("film")
@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, ["0_source", "0_small", "0_web", "0_busy"]),
        ({"statusEqual": 1}, ["0_source", "0_small", "0_web", "0_busy"]),
        ({"statusEqual": 1, "objectType": "KalturaFlavorAssetFilter"}, ["0_busy"]),
        ({"statusNotIn": "1", "objectType": "KalturaFlavorAssetFilter"}, ["0_source", "0_small", "0_web"]),
        ({"flavorParamsIdIn": "4,5", "objectType": "KalturaFlavorAssetFilter"}, ["0_small", "0_web"]),
        ({"tagsLike": "mbr"}, ["0_small", "0_busy"]),
        ({"sizeGreaterThanOrEqual": 2}, ["0_source", "0_small"]),
        ({"orderBy": "-size"}, ["0_source", "0_small", "0_web", "0_busy"]),
        ({"orderBy": "+size"}, ["0_busy", "0_web", "0_small", "0_source"]),
    ],
)
def test_flavor_lists_need_the_filters_class_for_its_fields(ask, conditions, expected):
    """Status and params count only with the filter's objectType; the fields of the base class always do."""
    assert ask.ids("flavorAsset.list", {"filter": {"entryIdEqual": "0_film", **conditions}}) == expected


@pytest.mark.usefixtures("film")
def test_flavor_lists_need_an_entry(ask, control):
    """Without entryIdEqual or entryIdIn it is an error; unknown and deleted entries give an empty list."""
    assert ask.code("flavorAsset.list", {"filter": {"idIn": "0_small"}}) == "PROPERTY_VALIDATION_CANNOT_BE_NULL"
    assert ask.ids("flavorAsset.list", {"filter": {"entryIdIn": "0_none,0_none2"}}) == []
    control.delete_entry("0_film")
    assert ask.ids("flavorAsset.list", {"filter": {"entryIdEqual": "0_film"}}) == []
    assert ask.code("flavorAsset.getByEntryId", entryId="0_film") == "ENTRY_ID_NOT_FOUND"
    assert ask.code("flavorAsset.get", id="0_small") == "FLAVOR_ASSET_ID_NOT_FOUND"


@pytest.mark.usefixtures("film")
def test_web_playable_prefers_mbr_then_web_then_the_source(ask, control):
    """READY flavors tagged mbr; those tagged web when there is none; then the source; then an error."""

    def playable():
        answer = ask("flavorAsset.getWebPlayableByEntryId", entryId="0_film")
        return [flavor["id"] for flavor in answer] if isinstance(answer, list) else answer["code"]

    assert playable() == ["0_small"]
    control.set_flavor("0_small", status=9)
    assert playable() == ["0_source", "0_web"]
    control.set_flavor("0_source", tags="source")
    control.delete_flavor("0_web")
    assert playable() == ["0_source"]
    control.delete_flavor("0_source")
    assert playable() == "NO_FLAVORS_FOUND"


@pytest.mark.usefixtures("film")
def test_flavors_come_with_their_params(ask, control):
    """Each flavor but TEMP ones has its params beside it; params without a flavor stand alone."""
    control.add_flavor("0_film", "0_temp", flavorParamsId=8, status=5)
    for params_id in (0, 9):
        params = {"id": params_id, "partnerId": 0, "name": "p", "objectType": "KalturaFlavorParams"}
        control.library.flavor_params[params_id] = params
    pairs = [
        (item.get("flavorAsset", {}).get("id"), item.get("flavorParams", {}).get("id"))
        for item in ask("flavorAsset.getFlavorAssetsWithParams", entryId="0_film")
    ]
    assert pairs == [("0_source", 0), ("0_small", 4), ("0_web", None), ("0_busy", None), (None, 9)]


@pytest.mark.usefixtures("film")
def test_signed_urls_expire_after_their_uses(ask, running, http):
    """A signed URL is good for so many requests, then refused; asking again gives another one."""
    running.control.sign_urls(2, status=410)
    session = {"ks": ask("session.start", session=None, partnerId=PARTNER, secret="the admin secret", type=2)}
    url = f"{running.base_url}/api_v3/service/flavorAsset/action/getUrl"
    first = http.post(url, data={"id": "0_small", "format": 1, **session}).json()
    assert [http.get(first).status_code for _ in range(3)] == [200, 200, 410]
    assert http.get(first.partition("?")[0]).status_code == 410
    second = http.post(url, data={"id": "0_small", "format": 1, **session}).json()
    assert http.get(second).content == running.control.file("0_small").read()


@pytest.fixture
def caption(control, film):  # noqa: ARG001 - must be there first
    """Add a caption with a file and one without."""
    for asset_id, status in (("0_cap1", 2), ("0_cap2", 0)):
        known = {"id": asset_id, "entryId": "0_film", "partnerId": PARTNER, "status": status, "tags": "", "size": 5}
        control.library.add_asset("caption", known | ({"version": "2", "fileExt": "srt"} if status else {}))
    control.library.add_file(StoredFile("0_cap1", "2", 5, "srt", data=b"hello"))
    return "0_cap1"


def test_a_captions_url_needs_no_other_session(ask, caption, running, http):
    """The URL has a KS inside, which opens it; ranges work there."""
    url = ask("caption_captionAsset.getUrl", id=caption).replace("http://sandbox.test", running.base_url)
    answer = http.get(url)
    assert (answer.text, answer.headers["content-type"]) == ("hello", "text/plain;charset=UTF-8")
    part = http.get(url, headers={"Range": "bytes=1-2"})
    assert (part.status_code, part.content) == (206, b"el")


@pytest.mark.usefixtures("caption")
def test_a_caption_without_a_file_is_not_served(ask):
    """GetUrl is an error, serve an empty 200 with the code in X-Kaltura; so is serve of an unknown id."""
    assert ask("caption_captionAsset.getUrl", id="0_cap2")["args"] == {"ASSET_ID": "N/A"}
    for asset_id, code in (("0_cap2", "FILE_DOESNT_EXIST"), ("0_none", "CAPTION_ASSET_ID_NOT_FOUND")):
        reply = ask.reply("caption_captionAsset.serve", captionAssetId=asset_id)
        assert (reply.body, dict(reply.headers)["X-Kaltura"]) == (b"", f"error- {code}")


@pytest.mark.usefixtures("caption")
def test_caption_lists_need_an_entry_and_show_unfinished_ones(ask):
    """Lists include captions without a file; statusEqual counts without an objectType here."""
    assert ask.ids("caption_captionAsset.list", {"filter": {"entryIdEqual": "0_film"}}) == ["0_cap1", "0_cap2"]
    ready = {"filter": {"entryIdEqual": "0_film", "statusEqual": 2}}
    assert ask.ids("caption_captionAsset.list", ready) == ["0_cap1"]
    assert ask.code("caption_captionAsset.list") == "PROPERTY_VALIDATION_CANNOT_BE_NULL"
    assert ask.code("captionAsset.list") == "SERVICE_DOES_NOT_EXISTS"
