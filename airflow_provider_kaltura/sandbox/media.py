"""The media URLs: serveFlavor, download, playManifest, raw and thumbnail."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import unquote

from airflow_provider_kaltura.sandbox import access, listing, replies, urls
from airflow_provider_kaltura.sandbox.errors import ApiError, Die
from airflow_provider_kaltura.sandbox.filetypes import content_type
from airflow_provider_kaltura.sandbox.library import FLAVOR, THUMB
from airflow_provider_kaltura.sandbox.replies import Reply
from airflow_provider_kaltura.sandbox.services.flavors import READY, web_playable

if TYPE_CHECKING:
    from airflow_provider_kaltura.sandbox.api import Api, Caller
    from airflow_provider_kaltura.sandbox.ks import Session
    from airflow_provider_kaltura.sandbox.library import Json

_PATH = re.compile(r"(?:/s)?/p/(\d+)(?:/sp/(\d+))?/(serveFlavor|download|playManifest|raw|thumbnail)((?:/.*)?)")
_ENTRY_GONE, _FILE_GONE, _FLAVOR_GONE, _BAD_KS = 1, 5, 6, 7
_IMAGE = 2


def answer(api: Api, caller: Caller) -> Reply | None:
    """Return the answer to a media URL; None when the path is none."""
    match = _PATH.fullmatch(caller.path)
    if match is None:
        return None
    parts = [unquote(part) for part in match[4].split("/")[1:]]
    values = dict(zip(parts[::2], parts[1::2], strict=False))
    run = {
        "serveFlavor": _serve_flavor,
        "download": _download,
        "playManifest": _play_manifest,
        "raw": _raw,
        "thumbnail": _thumbnail,
    }[match[3]]
    try:
        return run(api, caller, values)
    except Die as error:
        return replies.media_died(error)


def _entry(api: Api, entry_id: str) -> Json:
    entry = api.library.entries.get(entry_id)
    if entry is None or api.library.entry(entry_id, entry["partnerId"]) is None:
        raise Die(_ENTRY_GONE)
    return entry


def _flavor(api: Api, entry: Json, flavor_id: str) -> Json:
    flavor = api.library.asset(FLAVOR, flavor_id, entry["partnerId"])
    if flavor is None or flavor["entryId"] != entry["id"]:
        raise Die(_FLAVOR_GONE)
    return flavor


def _entry_id_of(api: Api, flavor_id: str) -> str:
    flavor = api.library.assets[FLAVOR].get(flavor_id)
    if flavor is None:
        raise Die(_FLAVOR_GONE)
    return str(flavor["entryId"])


def _serve_flavor(api: Api, caller: Caller, values: dict[str, str]) -> Reply:
    """Serve a version of a flavor to anybody; of all checks only rules that hold for serving count."""
    signed = api.library.signed_urls
    if signed is not None and not signed.admits(caller.query):
        return Reply(status=signed.status, headers=(("Content-Type", "text/html"),), body=b"<h1>Expired</h1>")
    flavor_id = values.get("flavorId", "")
    entry = _entry(api, values["entryId"] if "entryId" in values else _entry_id_of(api, flavor_id))
    flavor = _flavor(api, entry, flavor_id)
    name = values.get("fileName")
    headers = (
        (("Content-Type", replies.DOWNLOAD_TYPE), ("Content-Disposition", f'attachment; filename="{name}"'))
        if name is not None
        else ()
    )
    if access.blocked_by_rules(api.library, entry, None, access.SERVE, address=caller.address):
        return replies.died(Die(access.ACCESS_CONTROL), *headers)
    file = api.library.file(flavor["id"], values.get("v", flavor["version"]))
    if file is None:
        return replies.died(Die(_FILE_GONE), *headers)
    return replies.from_file(file, content_type(file.ext), file_name=name, wanted=caller.range_header)


def _session(api: Api, caller: Caller, values: dict[str, str]) -> Session | None:
    if not values.get("ks"):
        return None
    try:
        return api.sessions.check(values["ks"], address=caller.address, path=caller.path, counts=False)
    except ApiError as error:
        raise Die(_BAD_KS) from error


def _download(api: Api, caller: Caller, values: dict[str, str]) -> Reply:
    """Redirect to the same path with the file's name, and there serve the file; the KS is checked each time."""
    entry = _entry(api, values.get("entry_id", ""))
    session = _session(api, caller, values)
    access.check(api.library, entry, session, access.DOWNLOAD, address=caller.address)
    flavor = _flavor(api, entry, values["flavor"]) if "flavor" in values else _original(api, entry)
    file = api.library.file(flavor["id"], flavor["version"])
    if file is None:
        raise Die(_FILE_GONE)
    name = urls.download_name(api.library, entry, flavor)
    if "relocate" not in values:
        return replies.redirect(f"{caller.path}/relocate/{urls.safe_name(name)}")
    return replies.from_file(file, content_type(file.ext), file_name=name, wanted=caller.range_header)


def _original(api: Api, entry: Json) -> Json:
    """Return an entry's READY source, or its largest READY flavor."""
    flavors = api.library.assets_of(FLAVOR, [entry["id"]], entry["partnerId"])
    ready = [flavor for flavor in flavors if flavor["status"] == READY]
    if not ready:
        raise Die(_FLAVOR_GONE)
    return max(ready, key=lambda flavor: (flavor["isOriginal"], flavor["bitrate"]))


def _play_manifest(api: Api, caller: Caller, values: dict[str, str]) -> Reply:
    """Redirect to serveFlavor; a flavor that is unknown or not READY gives way to another one, without a word."""
    try:
        entry = _entry(api, values.get("entryId", ""))
        session = _session(api, caller, values)
        access.check(api.library, entry, session, access.PLAY, address=caller.address)
        flavor = _playable(api, entry, values)
    except Die as error:
        return Reply(status=404, headers=replies.died(error).headers)
    name = None
    if values.get("format") == "download":
        name = urls.safe_name(urls.download_name(api.library, entry, flavor))
    place = replace(caller.place, scheme="https") if values.get("protocol") == "https" else caller.place
    return replies.redirect(place.base + urls.serve_flavor(flavor, file_name=name))


def _playable(api: Api, entry: Json, values: dict[str, str]) -> Json:
    flavors = api.library.assets_of(FLAVOR, [entry["id"]], entry["partnerId"])
    ready = [flavor for flavor in flavors if flavor["status"] == READY]
    params = listing.parts(values.get("flavorParamIds") or values.get("flavorParamsIds"))
    named = [flavor for flavor in ready if flavor["id"] == values.get("flavorId")]
    named += [flavor for flavor in ready if str(flavor["flavorParamsId"]) in params]
    fallback = sorted(web_playable(api.library, entry), key=lambda flavor: int(flavor["bitrate"]))
    for flavor in named + fallback:
        return flavor
    raise Die(_FLAVOR_GONE)


def _raw(api: Api, caller: Caller, values: dict[str, str]) -> Reply:
    """Serve an entry's own file (images, playlists, documents); a video is redirected to a name of its own first."""
    entry = _entry(api, values.get("entry_id", ""))
    access.check(api.library, entry, None, access.DOWNLOAD, address=caller.address)
    file = api.library.file(entry["id"], values.get("version") or entry.get("version"))
    if file is not None:
        name = f"{entry['name']}.{file.ext}"
        return replies.from_file(file, content_type(file.ext), file_name=name, wanted=caller.range_header)
    flavor = _original(api, entry)
    stored = api.library.file(flavor["id"], flavor["version"])
    if stored is None:
        raise Die(_FILE_GONE)
    name = f"{re.sub(r'[^A-Za-z0-9]+', '-', entry['name'])}.{stored.ext}"
    if caller.path.endswith(f"/{name}"):
        return replies.from_file(stored, content_type(stored.ext), file_name=name, wanted=caller.range_header)
    disposition = ("Content-Disposition", f'attachment; filename="{entry["name"]}"')
    return replies.redirect(f"{caller.path}/{name}?relocate=f.{stored.ext}", disposition)


def _thumbnail(api: Api, caller: Caller, values: dict[str, str]) -> Reply:
    """Serve an entry's picture: the image itself, or its first thumbnail that has a file."""
    entry = _entry(api, values.get("entry_id", ""))
    candidates = [(entry["id"], entry.get("version"))] if entry.get("mediaType") == _IMAGE else []
    thumbs = api.library.assets_of(THUMB, [entry["id"]], entry["partnerId"])
    candidates += [(thumb["id"], thumb.get("version")) for thumb in thumbs]
    for object_id, version in candidates:
        file = api.library.file(object_id, version)
        if file is not None:
            return replies.from_file(file, content_type(file.ext), wanted=caller.range_header)
    raise Die(_FILE_GONE)
