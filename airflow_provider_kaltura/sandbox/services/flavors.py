"""flavorAsset: the renditions of an entry, their states and their URLs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_kaltura.sandbox import access, enums, listing, urls
from airflow_provider_kaltura.sandbox.errors import ApiError
from airflow_provider_kaltura.sandbox.library import FLAVOR
from airflow_provider_kaltura.sandbox.parameters import is_set, text
from airflow_provider_kaltura.sandbox.services import filters
from airflow_provider_kaltura.sandbox.services.entries import entry_of
from airflow_provider_kaltura.sandbox.services.registry import Access, action, list_response

if TYPE_CHECKING:
    from airflow_provider_kaltura.sandbox.library import Json, Library
    from airflow_provider_kaltura.sandbox.services.registry import Call

READY, TEMP, EXPORTING = 2, 5, 9
_ORDER = {"size", "createdAt", "updatedAt", "deletedAt"}


def _flavor(call: Call, name: str = "id") -> Json:
    flavor = call.library.asset(FLAVOR, call.text(name), call.partner_id)
    if flavor is None:
        raise ApiError("FLAVOR_ASSET_ID_NOT_FOUND", ID=call.text(name))
    return flavor


@action("flavorAsset", "get", "id", access=Access.READ)
def get(call: Call) -> Json:
    """Answer one flavor asset."""
    return _flavor(call)


def asset_list(call: Call, kind: str, class_name: str, own_fields: dict[str, listing.Test], base: str) -> Json:
    """
    Answer a page of assets of the entries that the filter names.

    :param call: The call.
    :param kind: Kind of asset.
    :param class_name: Class of these assets; its filter and list answer are named after it.
    :param own_fields: Fields of that filter.
    :param base: Class of a filter that is sent without objectType.
    :returns: The list answer.
    :raises ApiError: Neither entryIdEqual nor entryIdIn is given.
    """
    conditions = call.object("filter")
    filter_class = f"{class_name}Filter"
    is_own_class = text(conditions.get("objectType")) == filter_class or base == filter_class
    fields = own_fields if is_own_class else filters.ASSET
    if is_own_class:
        enums.check("statusEqual", conditions.get("statusEqual"), f"{class_name}Status")
    if is_set(conditions.get("entryIdEqual")):
        entry_ids = [text(conditions["entryIdEqual"])]
    elif is_set(conditions.get("entryIdIn")):
        entry_ids = list(dict.fromkeys(listing.in_list(conditions["entryIdIn"])))
    else:
        names = f"{filter_class}::entryIdEqual/{filter_class}::entryIdIn"
        raise ApiError("PROPERTY_VALIDATION_CANNOT_BE_NULL", PROP_NAME=names)
    assets = call.library.assets_of(kind, entry_ids, call.partner_id)
    found = listing.choose(assets, conditions, fields, call.library.now)
    found = listing.order(found, conditions.get("orderBy"), _ORDER)
    page, total = listing.take(found, listing.Page.of(call.object("pager")))
    return list_response(f"{class_name}ListResponse", page, total)


@action("flavorAsset", "list", access=Access.LIST)
def list_flavors(call: Call) -> Json:
    """Answer a page of flavors; without the filter's objectType the fields of its base class alone count."""
    return asset_list(call, FLAVOR, "KalturaFlavorAsset", filters.FLAVOR_ASSET, "KalturaAssetFilter")


@action("flavorAsset", "getByEntryId", "entryId", access=Access.READ)
def get_by_entry_id(call: Call) -> list[Json]:
    """Answer all flavors of an entry."""
    return call.library.assets_of(FLAVOR, [entry_of(call)["id"]], call.partner_id)


def web_playable(library: Library, entry: Json) -> list[Json]:
    """Return an entry's READY flavors tagged mbr; those tagged web when there is none; then the source."""
    ready = [
        flavor for flavor in library.assets_of(FLAVOR, [entry["id"]], entry["partnerId"]) if flavor["status"] == READY
    ]
    tags = {flavor["id"]: listing.parts(flavor["tags"]) for flavor in ready}
    for tag in ("mbr", "web"):
        tagged = [flavor for flavor in ready if tag in tags[flavor["id"]]]
        if tagged:
            return tagged
    return [flavor for flavor in ready if flavor["isOriginal"]]


@action("flavorAsset", "getWebPlayableByEntryId", "entryId", access=Access.READ)
def get_web_playable_by_entry_id(call: Call) -> list[Json]:
    """Answer what a player in a browser would choose from."""
    found = web_playable(call.library, entry_of(call))
    if not found:
        raise ApiError("NO_FLAVORS_FOUND")
    return found


@action("flavorAsset", "getFlavorAssetsWithParams", "entryId", access=Access.READ)
def get_flavor_assets_with_params(call: Call) -> list[Json]:
    """Answer each flavor with its params, then the params that the entry has no flavor of."""
    library, entry = call.library, entry_of(call)
    flavors = library.assets_of(FLAVOR, [entry["id"]], call.partner_id)
    pairs: list[tuple[Json | None, Json | None]] = [
        (flavor, library.flavor_params.get(flavor["flavorParamsId"])) for flavor in flavors if flavor["status"] != TEMP
    ]
    used = {flavor["flavorParamsId"] for flavor in flavors}
    pairs += [
        (None, params)
        for params in library.flavor_params.values()
        if params["id"] not in used and not params["objectType"].startswith("KalturaThumb")
    ]
    return [
        {
            **({"flavorAsset": flavor} if flavor else {}),
            **({"flavorParams": params} if params else {}),
            "entryId": entry["id"],
            "objectType": "KalturaFlavorAssetWithParams",
        }
        for flavor, params in pairs
    ]


@action("flavorAsset", "getUrl", "id", access=Access.READ)
def get_url(call: Call) -> str | None:
    """Answer the URL of a flavor's file; the state is checked before who may have it."""
    library, flavor = call.library, _flavor(call)
    if flavor["status"] not in {READY, EXPORTING}:
        raise ApiError("FLAVOR_ASSET_IS_NOT_READY")
    if call.integer("storageId"):
        return None
    entry = library.entries[flavor["entryId"]]
    access.check(library, entry, call.session, access.DOWNLOAD, address=call.address)
    given = text(call.object("options").get("fileName"))
    name = given or urls.safe_name(urls.download_name(library, entry, flavor))
    url = call.place.base + urls.serve_flavor(flavor, file_name=name)
    return url if library.signed_urls is None else library.signed_urls.sign(url)


@action("flavorAsset", "getDownloadUrl", "id", access=Access.READ)
def get_download_url(call: Call) -> str:
    """Answer a /download URL with a user KS of its own, which opens this entry for a day."""
    flavor = _flavor(call)
    if flavor["status"] != READY:
        raise ApiError("FLAVOR_ASSET_IS_NOT_READY")
    session = urls.day_session(call.library, flavor["partnerId"], flavor["entryId"])
    path = f"/download/entry_id/{flavor['entryId']}/flavor/{flavor['id']}/ks/{session}"
    return call.place.base + urls.prefix(flavor["partnerId"]) + path
