"""From the official client's objects to our values: numbers come as texts, unset ones as NotImplemented or None."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow_provider_kaltura.api.models import Entry, FlavorAsset


def entry_of(item: Any) -> Entry:
    """
    Convert an entry of any class.

    :param item: A ``KalturaBaseEntry``.
    :returns: The entry.
    """
    return Entry(
        id=text(item.id),
        partner_id=number(item.partnerId) or 0,
        name=text(item.name),
        status=text(item.status),
        type=text(item.type),
        media_type=number(getattr(item, "mediaType", None)),
        reference_id=text(item.referenceId) or None,
        access_control_id=number(item.accessControlId),
        description=text(item.description),
        user_id=text(item.userId),
        creator_id=text(item.creatorId),
        tags=_parts(item.tags),
        categories=_parts(item.categories),
        duration_ms=number(getattr(item, "msDuration", None)),
        parent_entry_id=text(item.parentEntryId) or None,
        last_played_at=moment(getattr(item, "lastPlayedAt", None)),
        replaced_entry_id=text(item.replacedEntryId) or None,
        moderation_status=number(item.moderationStatus),
        created_at=moment(item.createdAt),
        updated_at=moment(item.updatedAt),
    )


def flavor_of(item: Any) -> FlavorAsset:
    """
    Convert a flavor asset.

    :param item: A ``KalturaFlavorAsset``.
    :returns: The flavor asset; ``size_bytes`` is None where Kaltura says 0, nothing, or what no size can be.
    """
    return FlavorAsset(
        id=text(item.id),
        entry_id=text(item.entryId),
        partner_id=number(item.partnerId) or 0,
        # A status that is no number is none that we know: neither ready nor final.
        status=_or(number(item.status), -1000),
        flavor_params_id=number(item.flavorParamsId) or 0,
        version=text(item.version) or "0",
        size_bytes=_count(item.sizeInBytes) or None,
        width=_count(item.width),
        height=_count(item.height),
        bitrate_kbps=_count(item.bitrate),
        file_ext=text(item.fileExt),
        tags=_parts(item.tags),
        is_original=item.isOriginal is True,
        description=text(item.description),
        updated_at=moment(item.updatedAt),
    )


def text(value: Any) -> str:
    """
    Read a text or an enum of texts.

    :param value: What the official client holds.
    :returns: The text, empty when unset.
    """
    value = _plain(value)
    return "" if value is None else str(value)


def number(value: Any) -> int | None:
    """
    Read a number or an enum of numbers.

    :param value: What the official client holds.
    :returns: The number, None when unset or not a number.
    """
    value = _plain(value)
    try:
        return None if value is None or value == "" else int(value)
    except (TypeError, ValueError, OverflowError):
        return None


def moment(value: Any) -> datetime | None:
    """
    Read a time.

    :param value: Seconds since the epoch, or unset.
    :returns: The time in UTC, None when unset or beyond what a calendar holds, as milliseconds would be.
    """
    seconds = number(value)
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _plain(value: Any) -> Any:
    if value is NotImplemented:
        return None
    return value.getValue() if hasattr(value, "getValue") else value


def _parts(value: Any) -> tuple[str, ...]:
    return tuple(part.strip() for part in text(value).split(",") if part.strip())


def _count(value: Any) -> int:
    """Read what can't be negative; 0 when unset or nonsense."""
    return max(0, number(value) or 0)


def _or(value: int | None, other: int) -> int:
    return other if value is None else value
