"""What goes where: jobs made of resolved assets. Nothing moves here."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

from airflow_provider_kaltura.api.flavors import READY
from airflow_provider_kaltura.ingest.media_urls import as_media_url, facts_in_url, version_in_url
from airflow_provider_kaltura.ingest.models import METADATA_ENTRY, METADATA_FLAVOR, METADATA_VERSION, AssetJob
from airflow_provider_kaltura.ingest.resolve import resolve, resolve_flavor
from airflow_provider_kaltura.transfer.errors import SourceChangedError
from airflow_provider_kaltura.transfer.protocols import ObjectAttributes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_kaltura.api.facade import KalturaApi
    from airflow_provider_kaltura.api.flavors import Preferences
    from airflow_provider_kaltura.api.models import Entry, FlavorAsset, MediaUrl
    from airflow_provider_kaltura.ingest.destination import Destination
    from airflow_provider_kaltura.ingest.resolve import BareUrl, FlavorDownload, Resolved

log = logging.getLogger(__name__)

FLAVOR: Final = "flavor"
URL: Final = "url"

# Not mimetypes: its answers depend on files of the worker's system.
_CONTENT_TYPES: Final = {
    "3gp": "video/3gpp",
    "aac": "audio/aac",
    "avi": "video/x-msvideo",
    "dfxp": "application/ttml+xml",
    "flac": "audio/flac",
    "flv": "video/x-flv",
    "gif": "image/gif",
    "ism": "application/vnd.ms-sstr+xml",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "json": "application/json",
    "m4a": "audio/mp4",
    "m4v": "video/x-m4v",
    "mkv": "video/x-matroska",
    "mov": "video/quicktime",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "mpeg": "video/mpeg",
    "mpg": "video/mpeg",
    "mxf": "application/mxf",
    "ogg": "audio/ogg",
    "ogv": "video/ogg",
    "pdf": "application/pdf",
    "png": "image/png",
    "srt": "application/x-subrip; charset=utf-8",
    "ts": "video/mp2t",
    "txt": "text/plain; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
    "wav": "audio/wav",
    "webm": "video/webm",
    "wma": "audio/x-ms-wma",
    "wmv": "video/x-ms-wmv",
    "xml": "application/xml",
}


def plan_entry(api: KalturaApi, entry_id: str, preferences: Preferences, destination: Destination) -> AssetJob:
    """
    Plan the flavor of one entry.

    :param api: Kaltura.
    :param entry_id: The entry.
    :param preferences: Which flavor.
    :param destination: Where it goes.
    :returns: The job.
    :raises NoFlavorsError: There will never be such a flavor.
    :raises FlavorNotReadyError: Not yet.
    :raises DestinationError: The destination can't be filled for it.
    :raises KalturaError: Kaltura could not be asked.
    """

    def again() -> AssetJob:
        return plan_flavor(api, resolve(api, entry_id, preferences), destination)

    return plan_flavor(api, resolve(api, entry_id, preferences), destination, refresh=again)


def plan_download(api: KalturaApi, download: FlavorDownload, destination: Destination) -> AssetJob:
    """
    Plan what the URL operator pushed. The flavor is asked for once more: what was pushed may be hours old.

    Its URL is used while version and size are still the same and its path names no other flavor; otherwise, and when it
    is refused, the flavor's URL is asked for anew.

    :param api: Kaltura.
    :param download: What was pushed.
    :param destination: Where it goes.
    :returns: The job, for the version that the flavor has now.
    :raises FlavorNotReadyError: The flavor has no file now.
    :raises NoFlavorsError: It will have none.
    :raises DestinationError: The destination can't be filled for it.
    :raises KalturaError: Kaltura could not be asked, or does not know the flavor.
    """

    def ask() -> Resolved:
        return resolve_flavor(api, download.flavor_id, entry_id=download.entry_id)

    resolved = ask()
    differing = list(_differences(download, resolved))
    if differing:
        log.info("Flavor %s: %s changed since it was pushed; its URL is asked for anew", resolved.asset.id, differing)
    url = None if differing or download.url is None else as_media_url(download.url)
    return plan_flavor(api, resolved, destination, url=url, refresh=lambda: plan_flavor(api, ask(), destination))


def plan_flavor(
    api: KalturaApi,
    resolved: Resolved,
    destination: Destination,
    *,
    url: MediaUrl | None = None,
    refresh: Callable[[], AssetJob] | None = None,
) -> AssetJob:
    """
    Plan one flavor asset.

    :param api: Kaltura, asked for the URL when it is needed.
    :param resolved: The asset and its entry.
    :param destination: Where it goes.
    :param url: A URL to try first.
    :param refresh: Plans it anew when it turns out to have changed.
    :returns: The job.
    :raises DestinationError: The destination can't be filled for it.
    """
    entry, asset = resolved.entry, resolved.asset
    key = destination.render(entry, asset)
    flavor_url = _FlavorUrl(api, entry, asset, url)
    return AssetJob(
        partner_id=entry.partner_id,
        entry_id=entry.id,
        asset_type=FLAVOR,
        asset_id=asset.id,
        version=asset.version,
        size_bytes=asset.size_bytes,
        key=key,
        path=destination.path(key),
        resolve_url=flavor_url,
        attributes=attributes_of(key, asset.file_ext, _metadata(entry.id, asset.id, asset.version)),
        source_updated_at=asset.updated_at,
        refresh=refresh,
        confirm=flavor_url.confirm,
    )


def plan_url(bare: BareUrl, destination: Destination) -> AssetJob:
    """
    Plan a bare URL: the server's Content-Length is the only proof of its bytes.

    :param bare: The URL; ids, version and file extension are read from its path where it has them.
    :param destination: Where it goes; placeholders that the URL says nothing about are missing values.
    :returns: The job.
    :raises DestinationError: The destination asks for an id that the URL does not name.
    """
    facts = facts_in_url(bare.url)
    key = destination.render_values(
        {
            "entryId": facts.entry_id,
            "assetId": facts.flavor_id,
            "flavorId": facts.flavor_id,
            "format": facts.file_ext,
            "version": facts.version,
            "partnerId": facts.partner_id or None,
        }
    )
    return AssetJob(
        partner_id=facts.partner_id,
        entry_id=facts.entry_id,
        asset_type=FLAVOR if facts.flavor_id else URL,
        asset_id=facts.flavor_id or _url_id(bare.url),
        version=facts.version,
        size_bytes=None,
        key=key,
        path=destination.path(key),
        resolve_url=_BareUrl(as_media_url(bare.url)),
        attributes=attributes_of(
            key,
            facts.file_ext,
            _metadata(facts.entry_id, facts.flavor_id, facts.version) if facts.flavor_id else {},
        ),
    )


def _differences(download: FlavorDownload, resolved: Resolved) -> Iterator[str]:
    """Name what speaks against the pushed URL; a URL's path may name the flavor that it is for."""
    asset = resolved.asset
    facts = facts_in_url(download.url or "")
    for name, then, now in (
        ("version", download.version, asset.version),
        ("size", download.size_bytes, asset.size_bytes),
        ("entry in the URL", facts.entry_id or None, asset.entry_id),
        ("flavor in the URL", facts.flavor_id or None, asset.id),
        ("version in the URL", facts.version or None, asset.version),
    ):
        if then is not None and then != now:
            yield name


class _FlavorUrl:
    """A URL that was given, as long as it works; then those of Kaltura."""

    def __init__(self, api: KalturaApi, entry: Entry, asset: FlavorAsset, first: MediaUrl | None) -> None:
        self._api = api
        self._entry = entry
        self._asset = asset
        self._first = first
        self._are_versioned = True

    def __call__(self, *, stale: str | None = None) -> MediaUrl:
        if self._first is None or stale is not None:
            self._first = None
            found = self._api.media_url(self._asset, self._entry, allow_session=True, stale=stale)
        else:
            found = self._first
        self._are_versioned = self._are_versioned and version_in_url(found.url) is not None
        return found

    def confirm(self) -> None:
        """Ask whether the asset is still the planned one, where a URL that was used did not say which version it is."""
        if self._are_versioned:
            return
        now = self._api.get_flavor_asset(self._asset.id)
        if now.status not in READY or _identity(now) != _identity(self._asset):
            raise SourceChangedError(
                f"flavor {self._asset.id} changed while it was fetched from a URL without a version"
            )


def _identity(asset: FlavorAsset) -> tuple[object, ...]:
    # A reconversion may keep the version for a while, but it moves updatedAt.
    return asset.entry_id, asset.version, asset.size_bytes, asset.updated_at


class _BareUrl:
    """The only URL there is."""

    def __init__(self, url: MediaUrl) -> None:
        self._url = url

    def __call__(self, *, stale: str | None = None) -> MediaUrl:
        return self._url


def _metadata(entry_id: str, flavor_id: str, version: str) -> dict[str, str]:
    return {METADATA_ENTRY: entry_id, METADATA_FLAVOR: flavor_id, METADATA_VERSION: version}


def attributes_of(key: str, file_ext: str, metadata: dict[str, str]) -> ObjectAttributes:
    """
    Say what a store shall keep beside a file.

    :param key: Its name.
    :param file_ext: Its extension, which tells its type.
    :param metadata: What it says about itself.
    :returns: The attributes.
    """
    name = key.rpartition("/")[2]
    plain = name.encode("ascii", "replace").decode().replace("?", "_").replace('"', "_").replace("\\", "_")
    disposition = f'attachment; filename="{plain}"'
    if plain != name:
        disposition += f"; filename*=UTF-8''{quote(name, safe='')}"
    return ObjectAttributes(
        content_type=_CONTENT_TYPES.get(file_ext.lower(), "application/octet-stream"),
        content_disposition=disposition,
        metadata=metadata,
    )


def _url_id(url: str) -> str:
    # The query may hold what expires; the path may hold a secret, so that only a hash of it is kept.
    parts = urlsplit(url)
    return f"url-{hashlib.sha256(f'{parts.hostname}{parts.path}'.encode()).hexdigest()[:16]}"
