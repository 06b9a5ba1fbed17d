"""What a catalogue must say, computed from the sandbox's own state, past any API and past the code that exports."""

from __future__ import annotations

from datetime import UTC, datetime

MEDIA = {1: "video", 2: "image", 5: "audio"}
FORMATS = {"1": "srt", "2": "dfxp", "3": "webvtt"}


def entries(library, *, deleted=False):
    """Give the rows of all media entries that lists show."""
    found = (library.shown(number) for number in range(library.size))
    return [
        _entry(item)
        for item in found
        if item["type"] == 1 and item.get("displayInSearch") == 1 and (deleted or str(item["status"]) != "3")
    ]


def flavors(library, listed):
    """Give the rows of the flavor assets of these entries."""
    return [_flavor(item, row) for row, item in _assets(library, "flavor", listed)]


def captions(library, listed):
    """Give the rows of the captions of these entries."""
    return [_caption(item, row) for row, item in _assets(library, "caption", listed)]


def categories(library):
    """Give the rows of all categories."""
    return [
        {
            **_same(item, partner_id="partnerId", category_id="id", depth="depth", name="name", full_name="fullName"),
            **_same(item, description="description", owner_id="owner", reference_id="referenceId", status="status"),
            **_same(item, privacy_context="privacyContext", entries_count="entriesCount"),
            **_same(item, direct_entries_count="directEntriesCount", members_count="membersCount"),
            **_same(item, sub_categories_count="directSubCategoriesCount"),
            "parent_id": item["parentId"] or None,
            "full_ids": [int(part) for part in item["fullIds"].split(">")],
            "tags": _parts(item.get("tags")),
            "created_at": item["createdAt"],
            "updated_at": item["updatedAt"],
            "created_month": month(item["createdAt"]),
        }
        for item in library.categories.values()
    ]


def month(seconds):
    """Name the partition of a time."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m")


def _assets(library, kind, listed):
    own = {row["entry_id"]: row for row in listed}
    items = library.assets_of(kind, own, listed[0]["partner_id"]) if listed else []
    return [(own[item["entryId"]], item) for item in items]


def _entry(item):
    return {
        **_same(item, partner_id="partnerId", entry_id="id", name="name", description="description", user_id="userId"),
        **_same(item, creator_id="creatorId", duration_ms="msDuration", plays="plays", views="views"),
        **_same(item, reference_id="referenceId", parent_entry_id="parentEntryId", root_entry_id="rootEntryId"),
        **_same(item, replaced_entry_id="replacedEntryId", replacing_entry_id="replacingEntryId"),
        **_same(item, access_control_id="accessControlId", conversion_profile_id="conversionProfileId"),
        **_same(item, partner_data="partnerData"),
        "source_type": _text(item.get("sourceType")),
        "tags": _parts(item.get("tags")),
        "admin_tags": _parts(item.get("adminTags")),
        "categories": _parts(item.get("categories")),
        "category_ids": [int(part) for part in _parts(item.get("categoriesIds"))],
        "status": str(item["status"]),
        "moderation_status": _text(item.get("moderationStatus")),
        "type": str(item["type"]),
        "media_type": MEDIA[item["mediaType"]],
        "created_at": item["createdAt"],
        "updated_at": item["updatedAt"],
        "last_played_at": item.get("lastPlayedAt") or None,
        "starts_at": item.get("startDate") or None,
        "ends_at": item.get("endDate") or None,
        "width": item.get("width") or None,
        "height": item.get("height") or None,
        "created_month": month(item["createdAt"]),
    }


def _asset(item, entry):
    return {
        **_same(item, partner_id="partnerId", entry_id="entryId", status="status", file_ext="fileExt"),
        **_same(item, description="description", label="label", language="language"),
        "version": _text(item.get("version")),
        "size_bytes": int(item.get("sizeInBytes") or 0) or None,
        "tags": _parts(item.get("tags")),
        "is_default": _switch(item.get("isDefault")),
        "created_at": item["createdAt"],
        "updated_at": item["updatedAt"],
        "created_month": entry["created_month"],
    }


def _flavor(item, entry):
    return {
        **_asset(item, entry),
        **_same(item, flavor_id="id", flavor_params_id="flavorParamsId", container_format="containerFormat"),
        **_same(item, video_codec="videoCodecId"),
        "bitrate_kbps": item.get("bitrate") or None,
        "width": item.get("width") or None,
        "height": item.get("height") or None,
        "frame_rate": float(item.get("frameRate") or 0) or None,
        "is_original": _switch(item.get("isOriginal")),
        "is_web": _switch(item.get("isWeb")),
    }


def _caption(item, entry):
    return {
        **_asset(item, entry),
        **_same(item, caption_id="id", language_code="languageCode", accuracy_percent="accuracy"),
        "format": FORMATS[item["format"]],
    }


def _same(item, **columns):
    return {column: None if item.get(name) in ("", None) else item[name] for column, name in columns.items()}


def _text(value):
    return None if value in ("", None) else str(value)


def _switch(value):
    return None if value is None else bool(value)


def _parts(value):
    return [part.strip() for part in (value or "").split(",") if part.strip()]
