"""Which fields each filter class has, and what they mean."""

from __future__ import annotations

from operator import gt, lt
from typing import TYPE_CHECKING

from airflow_provider_kaltura.sandbox.listing import (
    all_of,
    any_of,
    at_least,
    at_most,
    compare,
    contains,
    equal,
    has_words,
    in_list,
    member,
    none_of,
    not_any,
    not_equal,
    one_of,
    parts,
    times,
)
from airflow_provider_kaltura.sandbox.parameters import text

if TYPE_CHECKING:
    from airflow_provider_kaltura.sandbox.library import Library
    from airflow_provider_kaltura.sandbox.listing import Match, Test


def _in_category_tree(value: object, _now: int) -> Match:
    """Match entries in the named category or below it; full names join levels with ``>``."""
    wanted = text(value).casefold()
    return lambda item: any(
        name == wanted or name.startswith(f"{wanted}>") for name in parts(text(item.get("categories")).casefold())
    )


def category_ancestor(library: Library) -> Test:
    """Match entries of the categories with these ids and of all below them."""

    def test(value: object, _now: int) -> Match:
        ids = set(in_list(value))
        below = {str(c["id"]) for c in library.categories.values() if ids & set(c["fullIds"].split(">"))}
        return lambda item: not below.isdisjoint(parts(item.get("categoriesIds")))

    return test


def _text_fields(name: str) -> dict[str, Test]:
    return {
        f"{name}Like": has_words(name),
        f"{name}MultiLikeOr": any_of(has_words(name)),
        f"{name}MultiLikeAnd": all_of(has_words(name)),
    }


BASE_ENTRY: dict[str, Test] = {
    "idEqual": equal("id"),
    "idIn": one_of("id"),
    "idNotIn": none_of("id"),
    "nameEqual": equal("name"),
    **_text_fields("name"),
    **_text_fields("tags"),
    **_text_fields("adminTags"),
    "freeText": has_words("name", "tags", "description", "id", "referenceId"),
    "searchTextMatchOr": any_of(has_words("name", "tags", "description")),
    "searchTextMatchAnd": all_of(has_words("name", "tags", "description")),
    "tagsNameMultiLikeOr": any_of(has_words("name", "tags")),
    "tagsNameMultiLikeAnd": all_of(has_words("name", "tags")),
    "statusEqual": equal("status"),
    "statusNotEqual": not_equal("status"),
    "statusIn": one_of("status"),
    "statusNotIn": none_of("status"),
    "moderationStatusEqual": equal("moderationStatus"),
    "moderationStatusNotEqual": not_equal("moderationStatus"),
    "moderationStatusIn": one_of("moderationStatus"),
    "moderationStatusNotIn": none_of("moderationStatus"),
    "typeEqual": equal("type"),
    "typeIn": one_of("type"),
    "partnerIdEqual": equal("partnerId"),
    "partnerIdIn": one_of("partnerId"),
    "userIdEqual": equal("userId"),
    "userIdIn": one_of("userId"),
    "userIdNotIn": none_of("userId"),
    "creatorIdEqual": equal("creatorId"),
    "referenceIdEqual": equal("referenceId"),
    "referenceIdIn": one_of("referenceId"),
    "accessControlIdEqual": equal("accessControlId"),
    "accessControlIdIn": one_of("accessControlId"),
    "categoriesIdsMatchOr": any_of(member("categoriesIds")),
    "categoriesIdsMatchAnd": all_of(member("categoriesIds")),
    "categoriesIdsNotContains": not_any(member("categoriesIds")),
    "categoriesNotContains": not_any(_in_category_tree),
    "categoriesMatchOr": any_of(_in_category_tree),
    "categoriesMatchAnd": all_of(_in_category_tree),
    "rootEntryIdEqual": equal("rootEntryId"),
    "rootEntryIdIn": one_of("rootEntryId"),
    "parentEntryIdEqual": equal("parentEntryId"),
    "replacingEntryIdEqual": equal("replacingEntryId"),
    "replacingEntryIdIn": one_of("replacingEntryId"),
    "replacedEntryIdEqual": equal("replacedEntryId"),
    "replacedEntryIdIn": one_of("replacedEntryId"),
    "replacementStatusEqual": equal("replacementStatus"),
    "replacementStatusIn": one_of("replacementStatus"),
    "displayInSearchEqual": equal("displayInSearch"),
    "groupIdEqual": equal("groupId"),
    "partnerSortValueGreaterThanOrEqual": at_least("partnerSortValue"),
    "partnerSortValueLessThanOrEqual": at_most("partnerSortValue"),
    "totalRankGreaterThanOrEqual": at_least("totalRank"),
    "totalRankLessThanOrEqual": at_most("totalRank"),
    **times("createdAt", "updatedAt", "startDate", "endDate"),
}
PLAYABLE_ENTRY: dict[str, Test] = {
    **BASE_ENTRY,
    **times("lastPlayedAt"),
    "durationLessThan": compare("duration", lt),
    "durationGreaterThan": compare("duration", gt),
    "durationLessThanOrEqual": at_most("duration"),
    "durationGreaterThanOrEqual": at_least("duration"),
}
MEDIA_ENTRY: dict[str, Test] = {
    **PLAYABLE_ENTRY,
    "mediaTypeEqual": equal("mediaType"),
    "mediaTypeIn": one_of("mediaType"),
    "sourceTypeEqual": equal("sourceType"),
    "sourceTypeNotEqual": not_equal("sourceType"),
    "sourceTypeIn": one_of("sourceType"),
    "sourceTypeNotIn": none_of("sourceType"),
    "flavorParamsIdsMatchOr": any_of(member("flavorParamsIds")),
    "flavorParamsIdsMatchAnd": all_of(member("flavorParamsIds")),
    **times("mediaDate"),
}
ENTRY_CLASSES = {
    "KalturaBaseEntryFilter": BASE_ENTRY,
    "KalturaPlayableEntryFilter": PLAYABLE_ENTRY,
    "KalturaMediaEntryFilter": MEDIA_ENTRY,
    "KalturaPlaylistFilter": BASE_ENTRY,
    "KalturaDocumentEntryFilter": BASE_ENTRY,
    "KalturaLiveStreamEntryFilter": MEDIA_ENTRY,
}

ASSET: dict[str, Test] = {
    "idEqual": equal("id"),
    "idIn": one_of("id"),
    "partnerIdEqual": equal("partnerId"),
    "partnerIdIn": one_of("partnerId"),
    "sizeGreaterThanOrEqual": at_least("size"),
    "sizeLessThanOrEqual": at_most("size"),
    "tagsLike": contains("tags"),
    "tagsMultiLikeOr": any_of(contains("tags")),
    "tagsMultiLikeAnd": all_of(contains("tags")),
    **times("createdAt", "updatedAt", "deletedAt"),
}
_STATUS: dict[str, Test] = {
    "statusEqual": equal("status"),
    "statusIn": one_of("status"),
    "statusNotIn": none_of("status"),
}
FLAVOR_ASSET: dict[str, Test] = {
    **ASSET,
    **_STATUS,
    "flavorParamsIdEqual": equal("flavorParamsId"),
    "flavorParamsIdIn": one_of("flavorParamsId"),
}
CAPTION_ASSET: dict[str, Test] = {
    **ASSET,
    **_STATUS,
    "captionParamsIdEqual": equal("captionParamsId"),
    "captionParamsIdIn": one_of("captionParamsId"),
    "formatEqual": equal("format"),
    "formatIn": one_of("format"),
    "languageEqual": equal("language"),
    "languageIn": one_of("language"),
    "labelEqual": equal("label"),
}
THUMB_ASSET: dict[str, Test] = {
    **ASSET,
    **_STATUS,
    "thumbParamsIdEqual": equal("thumbParamsId"),
    "thumbParamsIdIn": one_of("thumbParamsId"),
}
ATTACHMENT_ASSET: dict[str, Test] = {
    **ASSET,
    **_STATUS,
    "formatEqual": equal("format"),
    "formatIn": one_of("format"),
}
