"""Flavors as they are when they are new."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
_READY = 2


def new_flavor(flavor_id: str, entry_id: str, partner_id: int, params_id: int, *, now: int) -> Json:
    """
    Return a flavor that is READY, but has no file yet.

    :param flavor_id: Its id.
    :param entry_id: Its entry.
    :param partner_id: Its partner.
    :param params_id: Its flavor params; 0 is the source.
    :param now: Its time of creation.
    :returns: The flavor.
    """
    return {
        "id": flavor_id,
        "entryId": entry_id,
        "partnerId": partner_id,
        "version": "0",
        "size": 0,
        "tags": "source,web" if params_id == 0 else "web,mbr",
        "fileExt": "mp4",
        "createdAt": now,
        "updatedAt": now,
        "description": "",
        "sizeInBytes": 0,
        "flavorParamsId": params_id,
        "width": 0,
        "height": 0,
        "bitrate": 0,
        "frameRate": 0,
        "isOriginal": params_id == 0,
        "isWeb": True,
        "status": _READY,
        "isDefault": False,
        "objectType": "KalturaFlavorAsset",
    }
