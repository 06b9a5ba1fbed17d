"""Which flavor asset of an entry to take, now, later or never: one pure decision for sensor, trigger and operators."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from airflow_provider_kaltura.api.models import FlavorStatus
from airflow_provider_kaltura.api.preferences import Condition, Preference, Preferences

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from airflow_provider_kaltura.api.models import Entry, FlavorAsset

__all__ = [
    "Choice",
    "Never",
    "Preference",
    "Preferences",
    "Ready",
    "ReadyAll",
    "Wait",
    "choose",
    "choose_all",
    "describe",
    "no_media",
    "status_name",
]

# EXPORTING has a file (recorded case flavors.getUrl_exporting).
READY = frozenset({FlavorStatus.READY, FlavorStatus.EXPORTING})
DEAD = frozenset({FlavorStatus.ERROR, FlavorStatus.DELETED, FlavorStatus.NOT_APPLICABLE})
# Statuses in which nothing more comes by itself: ready, conversions failed, import failed.
FINAL_ENTRY = frozenset({"2", "-1", "-2"})
# Statuses in which something is certainly still to come: importing, converting, no content.
OPEN_ENTRY = frozenset({"0", "1", "7"})
DELETED_ENTRY = "3"

_COMPARE = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt, "=": operator.eq}
# KalturaEntryType; media (1) is told apart by its media type.
_NO_MEDIA_TYPES = {"5": "playlist", "6": "data", "7": "live", "8": "live", "10": "document"}
_IMAGE, _FIRST_LIVE = 2, 201


@dataclass(frozen=True, slots=True)
class Ready:
    """Take this asset."""

    asset: FlavorAsset


@dataclass(frozen=True, slots=True)
class ReadyAll:
    """Take these assets."""

    assets: tuple[FlavorAsset, ...]


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to take yet, but it may still come."""

    reason: str


@dataclass(frozen=True, slots=True)
class Never:
    """It will never come; ``available`` tells what the entry has."""

    reason: str
    available: tuple[str, ...] = ()


Choice: TypeAlias = Ready | Wait | Never


def choose(
    assets: Iterable[FlavorAsset],
    preferences: Preferences,
    entry: Entry,
    *,
    web_playable_ids: Collection[str] | None = None,
) -> Choice:
    """
    Choose one flavor asset.

    :param assets: All flavor assets of the entry.
    :param preferences: What is wanted, in order; one is passed over only when it can never be met.
    :param entry: The entry, of the same moment.
    :param web_playable_ids: What ``flavorAsset.getWebPlayableByEntryId`` answered; needed when
        ``preferences.wants_web``.
    :returns: The asset, or why to wait, or why it will never come.
    :raises ValueError: ``web`` is asked for and *web_playable_ids* is None.
    """
    if preferences.wants_web and web_playable_ids is None:
        raise ValueError("the preference 'web' needs web_playable_ids")
    known = _known(assets)
    if refusal := _refusal(entry, known):
        return refusal
    for preference in preferences.items:
        outcome = _try_one(preference, known, entry, frozenset(web_playable_ids or ()))
        if outcome is not None:
            return outcome
    return Never(f"nothing meets {preferences.text!r}", _describe_all(known))


def choose_all(assets: Iterable[FlavorAsset], entry: Entry) -> ReadyAll | Wait | Never:
    """
    Choose every ready flavor asset, once nothing more is to come.

    :param assets: All flavor assets of the entry.
    :param entry: The entry, of the same moment.
    :returns: The ready assets, by id, when all are final and at least one is ready, unless the entry is still to be
        imported, converted or given content (status 0, 1, 7); else why not. An entry that waits for moderation, or is
        in a plugin's status, may stay so for ever and has its flavors all the same.
    """
    known = _known(assets)
    if refusal := _refusal(entry, known):
        return refusal
    if unfinished := [asset for asset in known if _is_unfinished(asset)]:
        return Wait(f"{_brief(unfinished[0])} is not finished")
    ready = tuple(asset for asset in known if asset.status in READY)
    if entry.status in OPEN_ENTRY or (not ready and entry.status not in FINAL_ENTRY):
        return Wait(f"the entry is in status {entry.status}, more flavors may come")
    return ReadyAll(ready) if ready else Never("no flavor is ready", _describe_all(known))


def no_media(entry: Entry) -> str | None:
    """
    Tell why an entry can't have flavor assets.

    :param entry: The entry.
    :returns: ``image``, ``document``, ``playlist``, ``data``, ``live`` or ``external``; None for video and audio.
    """
    if entry.type in _NO_MEDIA_TYPES:
        return _NO_MEDIA_TYPES[entry.type]
    # Types of plugins are texts, such as externalMedia.externalMedia.
    if entry.type.lower().startswith("externalmedia."):
        return "external"
    if entry.media_type == _IMAGE:
        return "image"
    if entry.media_type is not None and entry.media_type >= _FIRST_LIVE:
        return "live"
    return None


def _known(assets: Iterable[FlavorAsset]) -> list[FlavorAsset]:
    # TEMP assets belong to a conversion in progress and never become anybody's file.
    return sorted((asset for asset in assets if asset.status != FlavorStatus.TEMP), key=lambda asset: asset.id)


def _refusal(entry: Entry, known: list[FlavorAsset]) -> Never | None:
    if kind := no_media(entry):
        return Never(f"no_media:{kind}", _describe_all(known))
    if entry.status == DELETED_ENTRY:
        return Never("the entry is deleted", _describe_all(known))
    if entry.replaced_entry_id:
        reason = f"the entry is a temporary one, made to replace the content of {entry.replaced_entry_id}"
        return Never(reason, _describe_all(known))
    return None


def _try_one(
    preference: Preference, known: list[FlavorAsset], entry: Entry, web: frozenset[str]
) -> Ready | Wait | None:
    """Return what this preference gives, or None when it can never be met."""
    candidates = [asset for asset in known if all(_meets(asset, item, web) for item in preference.conditions)]
    ready = [asset for asset in candidates if asset.status in READY]
    unfinished = [asset for asset in candidates if _is_unfinished(asset)]
    if ready and (not unfinished or preference.names_one or preference.wants_web):
        return Ready(_pick(ready, preference))
    if unfinished:
        return Wait(f"{preference.text}: {_brief(unfinished[0])} is not finished")
    if candidates or entry.status in FINAL_ENTRY:
        return None
    return Wait(f"{preference.text}: no such flavor yet, the entry is in status {entry.status}")


def _meets(asset: FlavorAsset, condition: Condition, web: frozenset[str]) -> bool:
    match condition.kind:
        case "source":
            met = asset.is_original
        case "id":
            met = asset.id == condition.value
        case "params":
            met = asset.flavor_params_id == condition.number
        case "tag":
            met = condition.value.lower() in {tag.lower() for tag in asset.tags}
        case "web":
            # The set holds ready assets only: while it is empty, an unfinished one may still join it.
            met = asset.id in web or (not web and _is_unfinished(asset))
        case "width" | "height" | "bitrate":
            met = _compares(asset, condition)
    return met


def _compares(asset: FlavorAsset, condition: Condition) -> bool:
    value = {"width": asset.width, "height": asset.height}.get(condition.kind, asset.bitrate_kbps)
    # What is unfinished may be anything; a 0 of what is ready or dead is a 0.
    if _is_unfinished(asset):
        return True
    return bool(_COMPARE[condition.operator](value, condition.number))


def _pick(ready: Sequence[FlavorAsset], preference: Preference) -> FlavorAsset:
    if preference.order == "smallest":
        return min(ready, key=_by_size)
    return min(ready, key=_by_quality)


def _by_quality(asset: FlavorAsset) -> tuple[int, int, int, str]:
    return (-asset.height, -asset.bitrate_kbps, -(asset.size_bytes or 0), asset.id)


def _by_size(asset: FlavorAsset) -> tuple[bool, int, int, int, str]:
    # A size that Kaltura does not know is no small size.
    return (asset.size_bytes is None, asset.size_bytes or 0, asset.height, asset.bitrate_kbps, asset.id)


def _is_unfinished(asset: FlavorAsset) -> bool:
    # A status that we don't know is neither a file nor a final failure.
    return asset.status not in READY and asset.status not in DEAD


def _brief(asset: FlavorAsset) -> str:
    return f"{asset.id} ({status_name(asset.status)})"


def _describe_all(known: list[FlavorAsset]) -> tuple[str, ...]:
    return tuple(describe(asset) for asset in known)


def status_name(status: int) -> str:
    """
    Name a flavor status.

    :param status: Its number.
    :returns: Kaltura's word for it, or the number.
    """
    try:
        return FlavorStatus(status).name
    except ValueError:
        return f"status {status}"


def describe(asset: FlavorAsset) -> str:
    """
    Describe an asset in one line, for messages.

    :param asset: The asset.
    :returns: Such as ``0_ab12cd34 params 0 source READY 1280x720 1306 kbit/s mp4``.
    """
    parts = [asset.id, f"params {asset.flavor_params_id}"]
    if asset.is_original:
        parts.append("source")
    parts.append(status_name(asset.status))
    if asset.width or asset.height:
        parts.append(f"{asset.width}x{asset.height}")
    if asset.bitrate_kbps:
        parts.append(f"{asset.bitrate_kbps} kbit/s")
    if asset.file_ext:
        parts.append(asset.file_ext)
    return " ".join(parts)
