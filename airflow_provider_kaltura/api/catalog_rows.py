"""
Kaltura's objects as rows of a catalogue: plain values with the catalogue's own names, units in them.

Numbers come as texts, times as 0, lists as texts with commas. What is missing, and what can't be (a size below 0, a
time beyond the calendar, a number beyond 64 bits), is None; so is an empty text, since XML does not tell it from a
missing one. Nothing is cut, and no list loses a member.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from airflow_provider_kaltura.api import convert

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

Row: TypeAlias = "dict[str, Any]"
_Reader: TypeAlias = "Callable[[Any], Any]"
#: By column: the attribute of Kaltura's object, and how it is read.
_Fields: TypeAlias = "dict[str, tuple[str, _Reader]]"

_LARGEST: Final = 2**63 - 1
_MEDIA_TYPES: Final = {"1": "video", "2": "image", "5": "audio"}
# caption format: a text (recorded case assets.captions).
_CAPTION_FORMATS: Final = {"1": "srt", "2": "dfxp", "3": "webvtt"}
# Category ids are joined with this from the top down (recorded case assets.categories).
_LEVEL: Final = ">"


def _text(value: Any) -> str | None:
    return convert.text(value) or None


def _number(value: Any) -> int | None:
    found = convert.number(value)
    return None if found is None or not -_LARGEST <= found <= _LARGEST else found


def _count(value: Any) -> int | None:
    """Read what can't be negative."""
    found = _number(value)
    return None if found is None or found < 0 else found


def _known(value: Any) -> int | None:
    """Read what is 0 as long as it is unknown, such as the size of an unfinished flavor asset."""
    return _count(value) or None


def _rate(value: Any) -> float | None:
    try:
        found = float(convert.text(value) or "nan")
    except ValueError:
        return None
    return found if math.isfinite(found) and found > 0 else None


def _moment(value: Any) -> datetime | None:
    seconds = convert.number(value)
    return convert.moment(seconds) if seconds is not None and seconds > 0 else None


def _switch(value: Any) -> bool | None:
    text = convert.text(value).lower()
    return {"1": True, "true": True, "0": False, "false": False}.get(text)


def _parts(value: Any) -> list[str]:
    return [part.strip() for part in convert.text(value).split(",") if part.strip()]


def _numbers(value: Any, separator: str = ",") -> list[int]:
    found = (_number(part.strip()) for part in convert.text(value).split(separator))
    return [number for number in found if number is not None]


def _levels(value: Any) -> list[int]:
    return _numbers(value, _LEVEL)


def _media_type(value: Any) -> str | None:
    text = _text(value)
    return None if text is None else _MEDIA_TYPES.get(text, text)


def _caption_format(value: Any) -> str | None:
    text = _text(value)
    return None if text is None else _CAPTION_FORMATS.get(text, text)


_ENTRY: Final[_Fields] = {
    "partner_id": ("partnerId", _number),
    "entry_id": ("id", _text),
    "name": ("name", _text),
    "description": ("description", _text),
    "tags": ("tags", _parts),
    "admin_tags": ("adminTags", _parts),
    "user_id": ("userId", _text),
    "creator_id": ("creatorId", _text),
    "category_ids": ("categoriesIds", _numbers),
    "categories": ("categories", _parts),
    "status": ("status", _text),
    "moderation_status": ("moderationStatus", _text),
    "type": ("type", _text),
    "media_type": ("mediaType", _media_type),
    "duration_ms": ("msDuration", _count),
    "plays": ("plays", _count),
    "views": ("views", _count),
    "created_at": ("createdAt", _moment),
    "updated_at": ("updatedAt", _moment),
    "last_played_at": ("lastPlayedAt", _moment),
    "starts_at": ("startDate", _moment),
    "ends_at": ("endDate", _moment),
    "reference_id": ("referenceId", _text),
    "parent_entry_id": ("parentEntryId", _text),
    "root_entry_id": ("rootEntryId", _text),
    "replaced_entry_id": ("replacedEntryId", _text),
    "replacing_entry_id": ("replacingEntryId", _text),
    "access_control_id": ("accessControlId", _number),
    "conversion_profile_id": ("conversionProfileId", _number),
    "source_type": ("sourceType", _text),
    "width": ("width", _known),
    "height": ("height", _known),
    "partner_data": ("partnerData", _text),
}
_ASSET: Final[_Fields] = {
    "status": ("status", _number),
    "version": ("version", _text),
    "size_bytes": ("sizeInBytes", _known),
    "file_ext": ("fileExt", _text),
    "tags": ("tags", _parts),
    "description": ("description", _text),
    "created_at": ("createdAt", _moment),
    "updated_at": ("updatedAt", _moment),
}
_FLAVOR: Final[_Fields] = {
    "partner_id": ("partnerId", _number),
    "flavor_id": ("id", _text),
    "entry_id": ("entryId", _text),
    "flavor_params_id": ("flavorParamsId", _number),
    **_ASSET,
    "bitrate_kbps": ("bitrate", _known),
    "width": ("width", _known),
    "height": ("height", _known),
    "frame_rate": ("frameRate", _rate),
    "container_format": ("containerFormat", _text),
    "video_codec": ("videoCodecId", _text),
    "language": ("language", _text),
    "label": ("label", _text),
    "is_original": ("isOriginal", _switch),
    "is_web": ("isWeb", _switch),
    "is_default": ("isDefault", _switch),
}
_CAPTION: Final[_Fields] = {
    "partner_id": ("partnerId", _number),
    "caption_id": ("id", _text),
    "entry_id": ("entryId", _text),
    **_ASSET,
    "format": ("format", _caption_format),
    "language": ("language", _text),
    "language_code": ("languageCode", _text),
    "label": ("label", _text),
    "is_default": ("isDefault", _switch),
    "accuracy_percent": ("accuracy", _count),
}
_CATEGORY: Final[_Fields] = {
    "partner_id": ("partnerId", _number),
    "category_id": ("id", _number),
    "parent_id": ("parentId", _known),
    "depth": ("depth", _count),
    "name": ("name", _text),
    "full_name": ("fullName", _text),
    "full_ids": ("fullIds", _levels),
    "description": ("description", _text),
    "tags": ("tags", _parts),
    "owner_id": ("owner", _text),
    "reference_id": ("referenceId", _text),
    "status": ("status", _number),
    "privacy_context": ("privacyContext", _text),
    "entries_count": ("entriesCount", _count),
    "direct_entries_count": ("directEntriesCount", _count),
    "sub_categories_count": ("directSubCategoriesCount", _count),
    "members_count": ("membersCount", _count),
    "created_at": ("createdAt", _moment),
    "updated_at": ("updatedAt", _moment),
}
#: By table.
FIELDS: Final[dict[str, _Fields]] = {
    "entries": _ENTRY,
    "flavors": _FLAVOR,
    "captions": _CAPTION,
    "categories": _CATEGORY,
}


def row_of(table: str, item: Any, partner_id: int) -> Row:
    """
    Read an object.

    :param table: Which of :data:`FIELDS`.
    :param item: As the official client holds it.
    :param partner_id: The connection's account, for an object that does not name its own.
    :returns: By column.
    """
    row = {column: read(getattr(item, name, None)) for column, (name, read) in FIELDS[table].items()}
    row["partner_id"] = row["partner_id"] or partner_id
    return row
