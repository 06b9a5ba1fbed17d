"""flavorParams, conversion profiles, access control profiles and categories: what entries refer to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_kaltura.sandbox import listing
from airflow_provider_kaltura.sandbox.errors import ApiError
from airflow_provider_kaltura.sandbox.listing import all_of, any_of, equal, has_words, none_of, one_of, times
from airflow_provider_kaltura.sandbox.parameters import is_set
from airflow_provider_kaltura.sandbox.services.registry import Access, action, list_response

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow_provider_kaltura.sandbox.library import Json
    from airflow_provider_kaltura.sandbox.listing import Test
    from airflow_provider_kaltura.sandbox.services.registry import Call

_MEDIA_PROFILE = 1
_COMMON: dict[str, Test] = {
    "idEqual": equal("id"),
    "idIn": one_of("id"),
    "systemNameEqual": equal("systemName"),
    "systemNameIn": one_of("systemName"),
    "nameEqual": equal("name"),
    "statusEqual": equal("status"),
    "statusIn": one_of("status"),
    "typeEqual": equal("type"),
    "typeIn": one_of("type"),
    "isSystemDefaultEqual": equal("isSystemDefault"),
    "tagsEqual": equal("tags"),
    "formatEqual": equal("format"),
    "tagsMultiLikeOr": any_of(has_words("tags")),
    "tagsMultiLikeAnd": all_of(has_words("tags")),
    **times("createdAt", "updatedAt"),
}
_ASSET_PARAMS: dict[str, Test] = {
    "conversionProfileIdEqual": equal("conversionProfileId"),
    "conversionProfileIdIn": one_of("conversionProfileId"),
    "assetParamsIdEqual": equal("assetParamsId"),
    "assetParamsIdIn": one_of("assetParamsId"),
    "readyBehaviorEqual": equal("readyBehavior"),
    "readyBehaviorIn": one_of("readyBehavior"),
    "originEqual": equal("origin"),
    "originIn": one_of("origin"),
    "systemNameEqual": equal("systemName"),
    "systemNameIn": one_of("systemName"),
}
_CATEGORY: dict[str, Test] = {
    **_COMMON,
    "idNotIn": none_of("id"),
    "parentIdEqual": equal("parentId"),
    "parentIdIn": one_of("parentId"),
    "depthEqual": equal("depth"),
    "fullNameEqual": equal("fullName"),
    "fullNameIn": one_of("fullName"),
    "fullIdsEqual": equal("fullIds"),
    "referenceIdEqual": equal("referenceId"),
    "nameOrReferenceIdStartsWith": lambda value, _: lambda item: str(item["name"]).startswith(str(value)),
    "fullNameStartsWith": lambda value, _: lambda item: str(item["fullName"]).startswith(str(value)),
    "freeText": has_words("name", "tags", "description"),
    "tagsLike": has_words("tags"),
}
_CATEGORY_ENTRY: dict[str, Test] = {
    "entryIdEqual": equal("entryId"),
    "entryIdIn": one_of("entryId"),
    "categoryIdEqual": equal("categoryId"),
    "categoryIdIn": one_of("categoryId"),
    "categoryFullIdsStartsWith": lambda value, _: lambda item: str(item["categoryFullIds"]).startswith(str(value)),
    "statusEqual": equal("status"),
    "statusIn": one_of("status"),
    "creatorUserIdEqual": equal("creatorUserId"),
    **times("createdAt"),
}
_ORDER = {"createdAt", "updatedAt", "name", "fullName", "depth", "entriesCount", "partnerSortValue"}


def _list(call: Call, items: Iterable[Json], fields: Mapping[str, Test], class_name: str) -> Json:
    conditions = call.object("filter")
    found = listing.choose(items, conditions, fields, call.library.now)
    found = listing.order(found, conditions.get("orderBy"), _ORDER)
    page, total = listing.take(found, listing.Page.of(call.object("pager")))
    return list_response(f"{class_name}ListResponse", page, total)


def _own(call: Call, items: Iterable[Json], *, shared: bool = False) -> list[Json]:
    """Return the objects of the caller's partner, and with *shared* those of partner 0, which everybody has."""
    partners = {call.partner_id, 0} if shared else {call.partner_id}
    return [item for item in items if item["partnerId"] in partners]


def _one(call: Call, objects: Mapping[int, Json], code: str, *, shared: bool = False) -> Json:
    found = objects.get(call.integer("id"))
    if found is None or found not in _own(call, [found], shared=shared):
        raise ApiError(code, ID=call.text("id"))
    return found


# ---------------------------------------------------------------- flavor params
def _is_flavor_params(params: Json) -> bool:
    return not params["objectType"].startswith("KalturaThumb")


@action("flavorParams", "get", "id", access=Access.READ)
def get_flavor_params(call: Call) -> Json:
    """Answer one flavor params object."""
    return _one(call, call.library.flavor_params, "FLAVOR_PARAMS_ID_NOT_FOUND", shared=True)


@action("flavorParams", "list", access=Access.LIST)
def list_flavor_params(call: Call) -> Json:
    """Answer the partner's flavor params and the shared ones."""
    own = _own(call, filter(_is_flavor_params, call.library.flavor_params.values()), shared=True)
    return _list(call, own, _COMMON, "KalturaFlavorParams")


@action("flavorParams", "getByConversionProfileId", "conversionProfileId", access=Access.READ)
def get_flavor_params_by_profile(_call: Call) -> None:
    """Fail, as this action does in the version that was recorded."""
    raise ApiError("INTERNAL_SERVERL_ERROR")


# ---------------------------------------------------------------- conversion profiles
@action("conversionProfile", "get", "id", access=Access.READ)
def get_conversion_profile(call: Call) -> Json:
    """Answer one conversion profile."""
    return _one(call, call.library.conversion_profiles, "CONVERSION_PROFILE_ID_NOT_FOUND")


@action("conversionProfile", "getDefault", access=Access.LIST)
def get_default_conversion_profile(call: Call) -> Json:
    """Answer the partner's default profile of a type, by default for media."""
    kind = call.integer("type", _MEDIA_PROFILE)
    partner = call.library.partners[call.partner_id or 0]
    own = [p for p in _own(call, call.library.conversion_profiles.values()) if p["type"] == kind]
    default = next((p for p in own if p["id"] == partner.default_conversion_profile_id), own[0] if own else None)
    if default is None:
        raise ApiError("CONVERSION_PROFILE_ID_NOT_FOUND", ID="")
    return default


@action("conversionProfile", "list", access=Access.LIST)
def list_conversion_profiles(call: Call) -> Json:
    """Answer the partner's conversion profiles."""
    return _list(call, _own(call, call.library.conversion_profiles.values()), _COMMON, "KalturaConversionProfile")


@action("conversionProfileAssetParams", "list", access=Access.LIST)
def list_conversion_profile_asset_params(call: Call) -> Json:
    """Answer which flavors the partner's profiles make."""
    own = {profile["id"] for profile in _own(call, call.library.conversion_profiles.values())}
    items = [item for item in call.library.conversion_profile_asset_params if item["conversionProfileId"] in own]
    return _list(call, items, _ASSET_PARAMS, "KalturaConversionProfileAssetParams")


# ---------------------------------------------------------------- access control
@action("accessControlProfile", "get", "id", access=Access.ADMIN)
def get_access_control_profile(call: Call) -> Json:
    """Answer one access control profile."""
    return _one(call, call.library.access_control_profiles, "ACCESS_CONTROL_ID_NOT_FOUND")


@action("accessControlProfile", "list", access=Access.ADMIN)
def list_access_control_profiles(call: Call) -> Json:
    """Answer the partner's access control profiles."""
    own = _own(call, call.library.access_control_profiles.values())
    return _list(call, own, _COMMON, "KalturaAccessControlProfile")


# ---------------------------------------------------------------- categories
@action("category", "get", "id", access=Access.READ)
def get_category(call: Call) -> Json:
    """Answer one category."""
    return _one(call, call.library.categories, "CATEGORY_NOT_FOUND")


@action("category", "list", access=Access.LIST, enums={"filter.statusEqual": "KalturaCategoryStatus"})
def list_categories(call: Call) -> Json:
    """Answer the partner's categories."""
    return _list(call, _own(call, call.library.categories.values()), _CATEGORY, "KalturaCategory")


@action("category", "count", access=Access.LIST)
def count_categories(call: Call) -> int:
    """Answer how many categories the filter selects."""
    own = _own(call, call.library.categories.values())
    return len(listing.choose(own, call.object("filter"), _CATEGORY, call.library.now))


@action("categoryEntry", "list", access=Access.LIST, enums={"filter.statusEqual": "KalturaCategoryEntryStatus"})
def list_category_entries(call: Call) -> Json:
    """Answer which entries stand in which categories."""
    own = {category["id"] for category in _own(call, call.library.categories.values())}
    conditions = call.object("filter")
    named = conditions.get("entryIdEqual") or conditions.get("entryIdIn")
    entry_ids = listing.in_list(named) if is_set(named) else None
    items = [item for item in call.library.category_entries_of(entry_ids) if item["categoryId"] in own]
    return _list(call, items, _CATEGORY_ENTRY, "KalturaCategoryEntry")
