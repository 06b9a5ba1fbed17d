"""media and baseEntry: reading, listing and counting entries, and the few changes that need no upload."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from airflow_provider_kaltura.sandbox import enums, lifecycle, listing
from airflow_provider_kaltura.sandbox.errors import ApiError, not_allowed
from airflow_provider_kaltura.sandbox.library import DELETED
from airflow_provider_kaltura.sandbox.parameters import is_set, text
from airflow_provider_kaltura.sandbox.services.registry import Access, action, list_response
from airflow_provider_kaltura.sandbox.services.search import MEDIA_CLIP, search

if TYPE_CHECKING:
    from airflow_provider_kaltura.sandbox.library import Json
    from airflow_provider_kaltura.sandbox.services.registry import Call

_NO_CONTENT = 7
_FILTER_ENUMS = {
    "filter.statusEqual": "KalturaEntryStatus",
    "filter.statusNotEqual": "KalturaEntryStatus",
    "filter.moderationStatusEqual": "KalturaEntryModerationStatus",
    "filter.moderationStatusNotEqual": "KalturaEntryModerationStatus",
    "filter.replacementStatusEqual": "KalturaEntryReplacementStatus",
    "filter.typeEqual": "KalturaEntryType",
}
_MEDIA_ENUMS = {
    **_FILTER_ENUMS,
    "filter.mediaTypeEqual": "KalturaMediaType",
    "filter.sourceTypeEqual": "KalturaSourceType",
    "filter.sourceTypeNotEqual": "KalturaSourceType",
}
_UPDATABLE = ("name", "description", "tags", "adminTags", "referenceId", "partnerData", "userId", "categories")
_READ_ONLY = (
    "id",
    "partnerId",
    "creatorId",
    "status",
    "moderationStatus",
    "moderationCount",
    "type",
    "createdAt",
    "updatedAt",
    "rank",
    "totalRank",
    "votes",
    "downloadUrl",
    "searchText",
    "version",
    "thumbnailUrl",
    "replacingEntryId",
    "replacedEntryId",
    "replacementStatus",
    "rootEntryId",
    "plays",
    "views",
    "lastPlayedAt",
    "width",
    "height",
    "duration",
    "mediaType",
    "dataUrl",
    "flavorParamsIds",
)


def entry_of(call: Call, name: str = "entryId") -> Json:
    """
    Return the caller's entry that a parameter names.

    :param call: The call.
    :param name: Name of the parameter.
    :returns: The entry.
    :raises ApiError: It is unknown, deleted or another partner's, or there is no session.
    """
    entry = call.library.entry(call.text(name), call.partner_id)
    if entry is None:
        raise ApiError("ENTRY_ID_NOT_FOUND", ENTRY_ID=call.text(name))
    return entry


@action("baseEntry", "get", "entryId", access=Access.READ)
def get(call: Call) -> Json:
    """Answer an entry of any type; every state but deleted."""
    return call.show(entry_of(call))


@action("media", "get", "entryId", access=Access.READ)
def get_media(call: Call) -> Json:
    """Answer a media entry; those of another type are unknown here."""
    entry = entry_of(call)
    if text(entry["type"]) != MEDIA_CLIP:
        raise ApiError("ENTRY_ID_NOT_FOUND", ENTRY_ID=entry["id"])
    return call.show(entry)


@action("baseEntry", "getByIds", "entryIds", access=Access.READ)
def get_by_ids(call: Call) -> list[Json]:
    """Answer those of the named entries that there are; no limit on their number."""
    ids = dict.fromkeys(part.strip() for part in call.text("entryIds").split(","))
    found = (call.library.entry(entry_id, call.partner_id) for entry_id in ids)
    return [call.show(entry) for entry in found if entry is not None]


def _list(call: Call, *, media_only: bool) -> Json:
    found = search(call, media_only=media_only)
    page, total = listing.take(found, listing.Page.of(call.object("pager")), window=listing.MAX_MATCHES)
    library = call.library
    if library.lag.seen and library.lag.shows == "database":
        page = [library.entries[entry["id"]] for entry in page]
    name = "KalturaMediaListResponse" if media_only else "KalturaBaseEntryListResponse"
    return list_response(name, [call.show(entry) for entry in page], total)


@action("media", "list", access=Access.LIST, enums=_MEDIA_ENUMS)
def list_media(call: Call) -> Json:
    """Answer a page of media entries."""
    return _list(call, media_only=True)


@action("baseEntry", "list", access=Access.LIST, enums=_FILTER_ENUMS)
def list_entries(call: Call) -> Json:
    """Answer a page of entries of every type."""
    return _list(call, media_only=False)


@action("media", "count", access=Access.LIST, enums=_MEDIA_ENUMS)
def count_media(call: Call) -> int:
    """Answer how many media entries the list would have."""
    return len(search(call, media_only=True))


@action("baseEntry", "count", access=Access.LIST, enums=_FILTER_ENUMS)
def count_entries(call: Call) -> int:
    """Answer how many entries the list would have."""
    return len(search(call, media_only=False))


def _check_updatable(given: Json, class_name: str) -> None:
    for name in given:
        if name in _READ_ONLY:
            raise ApiError("PROPERTY_VALIDATION_NOT_UPDATABLE", PROP_NAME=f"{class_name}::{name}")


def _editable(call: Call) -> Json:
    """Return the entry if the caller may change it: admins, its owner, and who has edit for it."""
    entry, session = entry_of(call), call.session
    owns = session is not None and session.user_id == entry.get("userId")
    if session is None or not (session.is_admin or owns or session.allows("edit", entry["id"])):
        raise not_allowed()
    return entry


def _update(call: Call, given: Json, class_name: str) -> Json:
    entry_id = _editable(call)["id"]
    _check_updatable(given, class_name)
    with call.library.changing(entry_id) as entry:
        entry.update({name: text(given[name]) for name in _UPDATABLE if name in given})
        entry["updatedAt"] = call.library.now
    return call.show(entry)


@action("media", "update", "entryId", "mediaEntry", access=Access.LIST)
def update_media(call: Call) -> Json:
    """Change texts of an entry."""
    return _update(call, call.object("mediaEntry"), "KalturaMediaEntry")


@action("baseEntry", "update", "entryId", "baseEntry", access=Access.LIST)
def update_entry(call: Call) -> Json:
    """Change texts of an entry."""
    return _update(call, call.object("baseEntry"), "KalturaBaseEntry")


def _delete(call: Call) -> None:
    lifecycle.set_entry_status(call.library, _editable(call)["id"], DELETED)


@action("media", "delete", "entryId", access=Access.LIST)
def delete_media(call: Call) -> None:
    """Delete an entry; it stays as a tombstone."""
    _delete(call)


@action("baseEntry", "delete", "entryId", access=Access.LIST)
def delete_entry(call: Call) -> None:
    """Delete an entry; it stays as a tombstone."""
    _delete(call)


@action("media", "add", "entry", access=Access.LIST)
def add_media(call: Call) -> Json:
    """Make an entry without content."""
    given: Json = call.object("entry")
    if not is_set(given.get("mediaType")):
        raise ApiError("PROPERTY_VALIDATION_CANNOT_BE_NULL", PROP_NAME="KalturaMediaEntry::mediaType")
    enums.check("mediaType", given["mediaType"], "KalturaMediaType")
    user_id = call.session.user_id if call.session else ""
    entry = new_entry(
        f"0_{secrets.token_hex(4)}",
        call.partner_id or 0,
        now=call.library.now,
        user_id=user_id,
        status=_NO_CONTENT,
        mediaType=int(given["mediaType"]),
        **{name: text(given[name]) for name in _UPDATABLE if name in given},
    )
    return call.show(call.library.add_entry(entry))


def new_entry(entry_id: str, partner_id: int, *, now: int, user_id: str = "", **properties: Any) -> Json:
    """
    Return a media entry.

    :param entry_id: Its id.
    :param partner_id: Its partner.
    :param now: Its time of creation.
    :param user_id: Its owner.
    :param **properties: What it has beside, or other than, what every entry has.
    :returns: The entry.
    """
    place = f"{{BASE}}/p/{partner_id}/sp/{partner_id}00"
    entry: Json = {
        "id": entry_id,
        "name": entry_id,
        "description": "",
        "partnerId": partner_id,
        "userId": user_id,
        "creatorId": user_id,
        "tags": "",
        "categories": "",
        "categoriesIds": "",
        "status": 2,
        "moderationStatus": 6,
        "moderationCount": 0,
        "type": 1,
        "createdAt": now,
        "updatedAt": now,
        "rank": 0,
        "totalRank": 0,
        "votes": 0,
        "downloadUrl": f"{place}/playManifest/entryId/{entry_id}/format/download/protocol/http/flavorParamIds/0",
        "licenseType": -1,
        "version": 0,
        "thumbnailUrl": f"{place}/thumbnail/entry_id/{entry_id}/version/0",
        "replacementStatus": 0,
        "partnerSortValue": 0,
        "rootEntryId": entry_id,
        "operationAttributes": [],
        "entitledUsersEdit": "",
        "entitledUsersPublish": "",
        "entitledUsersView": "",
        "capabilities": "",
        "displayInSearch": 1,
        "blockAutoTranscript": False,
        "plays": 0,
        "views": 0,
        "duration": 0,
        "msDuration": 0,
        "mediaType": 1,
        "sourceType": "1",
        "dataUrl": f"{place}/playManifest/entryId/{entry_id}/format/url/protocol/http",
        "objectType": "KalturaMediaEntry",
    }
    return entry | properties
