"""
The small library that the sandbox serves without a fixture: one partner, and an entry of each interesting kind.

The secrets below are no secrets: they belong to no account and protect nothing but this toy.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_kaltura.sandbox import lifecycle, video
from airflow_provider_kaltura.sandbox.library import (
    ATTACHMENT,
    CAPTION,
    FLAVOR,
    THUMB,
    Json,
    Library,
    Partner,
    StoredFile,
)
from airflow_provider_kaltura.sandbox.services.entries import new_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PARTNER_ID = 1001
ADMIN_SECRET = "sandbox-admin-secret-0123456789a"  # noqa: S105 - protects nothing
USER_SECRET = "sandbox-user-secret-0123456789ab"  # noqa: S105 - protects nothing
APP_TOKEN_ID = "0_apptokn1"  # noqa: S105 - protects nothing
APP_TOKEN = "sandbox-app-token-0123456789abcd"  # noqa: S105 - protects nothing
USER_APP_TOKEN_ID = "0_apptokn2"  # noqa: S105 - protects nothing
USER_APP_TOKEN = "sandbox-user-token-0123456789abc"  # noqa: S105 - protects nothing
USER_ID = "sandbox"

READY = "0_ready001"
LATE = "0_late0001"
NEVER = "0_never001"
FAILED = "0_failed01"
IMAGE = "0_image001"
DOCUMENT = "0_document"
PLAYLIST = "0_playlist"
LIVE = "0_live0001"
EXTERNAL = "0_external"
SECURE = "0_secure01"
FUTURE = "0_future01"
REJECTED = "0_reject01"
UNICODE = "0_unicode1"
UNICODE_NAME = '../Ünïcødé & "quotes" <tag> /slash\\ name: 日本語 العربية 🎬.mp4'

_OPEN, _KS_NEEDED = 1, 2
_CONVERSION_PROFILE = 1


@dataclass(frozen=True)
class Rendition:
    """A flavor params object of the library, and the video that stands for it."""

    params_id: int
    name: str
    tags: str
    width: int
    height: int
    kbps: int


_SOURCE = Rendition(0, "Source", "source,web", 640, 360, 900)
_RENDITIONS = (
    Rendition(2, "Small/Web - 180p (H264/300)", "mobile,web,mbr,iphone,ipad,dash", 320, 180, 300),
    Rendition(4, "Medium/Web - 270p (H264/600)", "mobile,web,mbr,ipad,dash", 480, 270, 600),
)
_SECONDS = 4
_SRT = "1\n00:00:00,000 --> 00:00:02,000\nThe sea.\n\n2\n00:00:02,500 --> 00:00:04,000\nÉtoiles de mer.\n"
_VTT = "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\nDas Meer.\n\n00:00:02.500 --> 00:00:04.000\nSeesterne.\n"
_NOTES = "Shot list: one sea, two starfish.\n"


def describe() -> list[str]:
    """Return lines that tell how to log in, and what there is."""
    return [
        *describe_account(),
        f"entries      ready {READY}, late {LATE}, never ready {NEVER}, failed {FAILED}, image {IMAGE},",
        f"             access control {SECURE}, future {FUTURE}, rejected {REJECTED}, nasty name {UNICODE}",
    ]


def describe_account() -> list[str]:
    """Return lines that tell how to log in."""
    return [
        f"partner id   {PARTNER_ID}",
        f"admin secret {ADMIN_SECRET}   user secret {USER_SECRET}",
        f"app token    {APP_TOKEN_ID} {APP_TOKEN} (admin)   {USER_APP_TOKEN_ID} {USER_APP_TOKEN} (user)",
    ]


def library(*, ready_after_seconds: float = 10, clock: Callable[[], float] = time.time) -> Library:
    """
    Return the small library.

    :param ready_after_seconds: When the late entry becomes ready, from now; its source after a third of that.
    :param clock: The library's clock.
    :returns: The library.
    """
    made = Library(clock=clock)
    add_account(made)
    add_profiles(made, made.now, (_SOURCE, *_RENDITIONS))
    made.categories[1] = category(1, "films", "1", 0, made.now)
    videos = {r.params_id: video.mp4(r.width, r.height, kbps=r.kbps, seconds=_SECONDS) for r in (_SOURCE, *_RENDITIONS)}
    for entry_id, name, properties in (
        (READY, "The sea, a short film", {"referenceId": "sea-1", "categories": "films", "categoriesIds": "1"}),
        (LATE, "Converting, ready soon", {}),
        (FAILED, "Every conversion failed", {"status": -1}),
        (SECURE, "Behind access control", {"accessControlId": _KS_NEEDED}),
        (FUTURE, "Scheduled for the year 2100", {"startDate": 4102444800}),
        (REJECTED, "Rejected by a moderator", {"moderationStatus": 3}),
        (UNICODE, UNICODE_NAME, {}),
    ):
        _add_video(made, entry_id, name, videos, **properties)
    for flavor in made.entry_assets[FLAVOR][FAILED]:
        if not flavor["isOriginal"]:
            _unfinish(made, flavor, lifecycle.ERROR)
    lifecycle.convert_later(made, LATE, ready_after_seconds)
    _add_never(made)
    _add_side_files(made)
    _add_other_types(made)
    return made


def add_account(made: Library) -> None:
    """Add the partner and its app tokens."""
    now = made.now
    made.partners[PARTNER_ID] = Partner(
        PARTNER_ID, USER_SECRET, ADMIN_SECRET, "Sandbox", default_conversion_profile_id=_CONVERSION_PROFILE
    )
    for token_id, token, kind, user_id, privileges in (
        (APP_TOKEN_ID, APP_TOKEN, 2, USER_ID, ""),
        (USER_APP_TOKEN_ID, USER_APP_TOKEN, 0, "guest", "list:*,download:*"),
    ):
        made.app_tokens[token_id] = {
            "id": token_id,
            "token": token,
            "partnerId": PARTNER_ID,
            "createdAt": now,
            "updatedAt": now,
            "status": 2,
            "sessionType": kind,
            "sessionUserId": user_id,
            "sessionDuration": 86400,
            **({"sessionPrivileges": privileges} if privileges else {}),
            "hashType": "SHA256",
            "objectType": "KalturaAppToken",
        }


def add_profiles(made: Library, now: int, all_params: Sequence[Rendition]) -> None:
    """Add access control profiles, and a conversion profile that makes *all_params*."""
    common: Json = {"partnerId": PARTNER_ID, "createdAt": now, "description": ""}
    rule = {
        "actions": [{"type": 1, "objectType": "KalturaAccessControlBlockAction"}],
        "conditions": [
            {
                "type": 1,
                "not": True,
                "privileges": [{"value": "sview", "objectType": "KalturaStringValue"}],
                "objectType": "KalturaAuthenticatedCondition",
            }
        ],
        "objectType": "KalturaRule",
    }
    for profile_id, name, rules in ((_OPEN, "Default", []), (_KS_NEEDED, "KS needed, everywhere", [rule])):
        made.access_control_profiles[profile_id] = {
            "id": profile_id,
            "name": name,
            **common,
            "updatedAt": now,
            "isDefault": profile_id == _OPEN,
            "rules": rules,
            "objectType": "KalturaAccessControlProfile",
        }
    made.conversion_profiles[_CONVERSION_PROFILE] = {
        "id": _CONVERSION_PROFILE,
        **common,
        "status": 2,
        "type": 1,
        "name": "Default",
        "systemName": "Default",
        "tags": "",
        "flavorParamsIds": ",".join(str(params.params_id) for params in all_params),
        "isDefault": True,
        "isPartnerDefault": True,
        "objectType": "KalturaConversionProfile",
    }
    for params in all_params:
        _add_params(made, params, now)


def category(category_id: int, full_name: str, full_ids: str, parent_id: int, now: int) -> Json:
    """Return a category; full name and ids have those above it, joined with ``>``."""
    return {
        "id": category_id,
        "parentId": parent_id,
        "depth": full_ids.count(">"),
        "partnerId": PARTNER_ID,
        "name": full_name.rpartition(">")[2],
        "fullName": full_name,
        "fullIds": full_ids,
        "entriesCount": 1,
        "createdAt": now,
        "updatedAt": now,
        "status": 2,
        "objectType": "KalturaCategory",
    }


def _add_params(made: Library, params: Rendition, now: int) -> None:
    made.flavor_params[params.params_id] = {
        "id": params.params_id,
        "partnerId": 0,
        "name": params.name,
        "systemName": params.name,
        "createdAt": now,
        "isSystemDefault": 1,
        "tags": params.tags,
        "videoBitrate": params.kbps,
        "width": 0,
        "height": params.height,
        "format": "mp4",
        "objectType": "KalturaFlavorParams",
    }
    made.conversion_profile_asset_params.append(
        {
            "conversionProfileId": _CONVERSION_PROFILE,
            "assetParamsId": params.params_id,
            "readyBehavior": 2 if params.params_id else 0,
            "origin": 0 if params.params_id else 1,
            "systemName": params.name,
            "objectType": "KalturaConversionProfileAssetParams",
        }
    )


def _add_entry(made: Library, entry_id: str, name: str, **properties: Any) -> Json:
    properties = {"accessControlId": _OPEN, "name": name} | properties
    return made.add_entry(new_entry(entry_id, PARTNER_ID, now=made.now, user_id=USER_ID, **properties))


def _add_video(made: Library, entry_id: str, name: str, videos: dict[int, bytes], **properties: Any) -> None:
    """Add a video entry; its flavors are named after it: S the source, 2 and 4 the renditions."""
    known = {
        "width": _SOURCE.width,
        "height": _SOURCE.height,
        "duration": _SECONDS,
        "msDuration": 1000 * _SECONDS,
        "conversionProfileId": _CONVERSION_PROFILE,
        "flavorParamsIds": ",".join(str(params_id) for params_id in videos),
    }
    _add_entry(made, entry_id, name, **(known | properties))
    for rendition in (_SOURCE, *_RENDITIONS):
        flavor_id = flavor_id_of(entry_id, rendition.params_id)
        data = video.labelled(videos[rendition.params_id], flavor_id)
        made.add_asset(FLAVOR, _flavor(made, entry_id, rendition, len(data)))
        made.add_file(StoredFile(flavor_id, "2", len(data), "mp4", data=data))


def flavor_id_of(entry_id: str, params_id: int) -> str:
    """Return the id of an entry's flavor: that of the entry, with ``f`` and the params id at its end."""
    return f"{entry_id[:-2]}f{params_id}"


def _flavor(made: Library, entry_id: str, rendition: Rendition, size_bytes: int) -> Json:
    return {
        "id": flavor_id_of(entry_id, rendition.params_id),
        "entryId": entry_id,
        "partnerId": PARTNER_ID,
        "version": "2",
        "size": size_bytes // 1024,
        "tags": rendition.tags,
        "fileExt": "mp4",
        "createdAt": made.now,
        "updatedAt": made.now,
        "description": "",
        "sizeInBytes": str(size_bytes),
        "flavorParamsId": rendition.params_id,
        "width": rendition.width,
        "height": rendition.height,
        "bitrate": size_bytes * 8 // _SECONDS // 1000,
        "frameRate": 25,
        "isOriginal": rendition is _SOURCE,
        "isWeb": True,
        "containerFormat": "isom",
        "videoCodecId": "avc1",
        "status": lifecycle.READY,
        "isDefault": False,
        "objectType": "KalturaFlavorAsset",
    }


def _unfinish(made: Library, flavor: Json, status: int) -> None:
    """Take a flavor's file and everything known from it away."""
    flavor.update(version="0", size=0, sizeInBytes=0, width=0, height=0, bitrate=0, frameRate=0, status=status)
    made.files.pop((flavor["id"], "2"), None)


def _add_never(made: Library) -> None:
    """Add an entry whose source is missing and whose renditions stay CONVERTING."""
    _add_entry(made, NEVER, "Converting for ever", status=1, conversionProfileId=_CONVERSION_PROFILE)
    for rendition in _RENDITIONS:
        _unfinish(made, made.add_asset(FLAVOR, _flavor(made, NEVER, rendition, 0)), lifecycle.CONVERTING)


def _add_side_files(made: Library) -> None:
    """Give the ready entry captions (one without a file), a thumbnail and an attachment."""
    common: Json = {"entryId": READY, "partnerId": PARTNER_ID, "tags": "", "createdAt": made.now, "updatedAt": made.now}
    for asset_id, ext, form, language, code, data in (
        ("0_captions", "srt", "1", "English", "en", _SRT.encode()),
        ("0_captionv", "vtt", "3", "German", "de", _VTT.encode()),
        ("0_captionn", "srt", "1", "French", "fr", b""),
    ):
        caption: Json = {
            "id": asset_id,
            **common,
            **({"version": "2", "fileExt": ext} if data else {}),
            "size": len(data),
            "sizeInBytes": str(len(data)) if data else 0,
            "captionParamsId": 0,
            "language": language,
            "languageCode": code,
            "label": language,
            "format": form,
            "status": 2 if data else 0,
            "objectType": "KalturaCaptionAsset",
        }
        made.add_asset(CAPTION, caption)
        if data:
            made.add_file(StoredFile(asset_id, "2", len(data), ext, data=data))
    picture = StoredFile("0_thumb001", "2", 24_680, "jpg")
    _add_small_file(made, THUMB, picture, common | {"thumbParamsId": 0, "objectType": "KalturaThumbAsset"})
    notes = StoredFile("0_attach01", "2", len(_NOTES), "txt", data=_NOTES.encode())
    own = {"filename": "notes.txt", "title": "notes", "format": "1", "objectType": "KalturaAttachmentAsset"}
    _add_small_file(made, ATTACHMENT, notes, common | own)


def _add_small_file(made: Library, kind: str, file: StoredFile, properties: Json) -> None:
    made.add_file(file)
    asset = {"id": file.object_id, "version": file.version, "fileExt": file.ext, "size": file.size_bytes}
    made.add_asset(kind, asset | {"sizeInBytes": str(file.size_bytes), "status": 2, "description": ""} | properties)


def _add_other_types(made: Library) -> None:
    """Add entries that never have a flavor."""
    for entry_id, name, ext, size_bytes, properties in (
        (IMAGE, "A picture", "jpg", 61_357, {"mediaType": 2, "width": 1280, "height": 720}),
        (DOCUMENT, "A paper", "pdf", 4_321, {"type": 10, "objectType": "KalturaDocumentEntry"}),
    ):
        _add_entry(made, entry_id, name, version="100002", **properties)
        place = made.entries[entry_id]["downloadUrl"].partition("/playManifest/")[0]
        made.entries[entry_id]["downloadUrl"] = f"{place}/raw/entry_id/{entry_id}/version/100002"
        made.add_file(StoredFile(entry_id, "100002", size_bytes, ext))
    playlist = {"type": 5, "playlistType": 3, "playlistContent": f"{READY},{LATE}", "objectType": "KalturaPlaylist"}
    _add_entry(made, PLAYLIST, "A playlist", **playlist)
    live = {"type": 7, "mediaType": 201, "sourceType": "32", "objectType": "KalturaLiveStreamEntry"}
    _add_entry(made, LIVE, "A live stream", **live)
    external = {"type": "externalMedia.externalMedia", "objectType": "KalturaExternalMediaEntry"}
    _add_entry(made, EXTERNAL, "A video of another site", externalSourceType="YouTube", **external)
    for entry_id in (DOCUMENT, PLAYLIST):
        made.entries[entry_id].pop("mediaType")
