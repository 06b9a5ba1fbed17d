"""
What our tasks push as XCom: plain dicts, with Kaltura's own names as keys.

TypedDicts, since dataclasses do not come back from XCom by default.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from airflow_provider_kaltura.api.models import Entry, FlavorAsset
    from airflow_provider_kaltura.ingest.models import Outcome, OutcomeName, Verified

__all__ = ["DownloadResult", "DownloadUrl", "FlavorInfo", "UrlInXCom", "download_result", "download_url", "flavor_info"]

UrlInXCom = Literal["plain", "signed", "none"]


class FlavorInfo(TypedDict):
    """
    One flavor asset, as the sensor returns it.

    ``fileSize`` is Kaltura's ``sizeInBytes``, or None where Kaltura doesn't know it; ``bitrate`` is in kbit/s;
    ``format`` is the file extension. ``status`` is the flavor's (2 is ready, 9 exporting, which has a file too).
    ``needsSession`` says whether only a URL that carries a KS works; None where nobody asked.
    """

    entryId: str
    entryName: str
    flavorId: str
    fileSize: int | None
    bitrate: int
    format: str
    flavorParamsId: int
    version: str
    width: int
    height: int
    isOriginal: bool
    status: int
    needsSession: bool | None


class DownloadUrl(FlavorInfo):
    """
    One flavor asset and where its bytes are, as the URL operator returns it.

    ``downloadUrl`` carries no KS unless ``url_in_xcom="signed"`` asked for it. It is None where only a URL with a KS
    works (``needsSession`` is True then), and with ``url_in_xcom="none"``: the download operator finds one by
    ``flavorId``.
    """

    downloadUrl: str | None


class DownloadResult(TypedDict):
    """
    What became of one download.

    ``checksum`` is ``"crc64nvme:<16 hex digits>"``, ``"sha256:<hex>"`` or None; ``size`` is in bytes. ``outcome`` is
    ``downloaded``, ``skipped`` (the lake has it), ``adopted`` (a file of the same length stood there unrecorded) or
    ``replaced``. ``verified`` is ``"length"`` where Kaltura knows no size and Content-Length was the only proof.
    ``version`` is the one that was really fetched; ``entryId``, ``flavorId`` and ``version`` are None where a bare URL
    does not name them.
    """

    path: str
    size: int
    checksum: str | None
    outcome: OutcomeName
    verified: Verified
    entryId: str | None
    flavorId: str | None
    version: str | None
    fetchedBytes: int
    requests: int
    seconds: float


def flavor_info(entry: Entry, asset: FlavorAsset) -> FlavorInfo:
    """
    Describe a flavor asset.

    :param entry: Its entry.
    :param asset: The asset.
    :returns: Plain JSON, without a URL.
    """
    return {
        "entryId": asset.entry_id,
        "entryName": entry.name,
        "flavorId": asset.id,
        "fileSize": asset.size_bytes,
        "bitrate": asset.bitrate_kbps,
        "format": asset.file_ext,
        "flavorParamsId": asset.flavor_params_id,
        "version": asset.version,
        "width": asset.width,
        "height": asset.height,
        "isOriginal": asset.is_original,
        "status": int(asset.status),
        "needsSession": None,
    }


def download_url(entry: Entry, asset: FlavorAsset, *, url: str | None, needs_session: bool | None) -> DownloadUrl:
    """
    Describe a flavor asset and where its bytes are.

    :param entry: Its entry.
    :param asset: The asset.
    :param url: Where the bytes are, or None.
    :param needs_session: Whether only a URL with a KS works; None when nobody asked.
    :returns: Plain JSON.
    """
    return {**flavor_info(entry, asset), "needsSession": needs_session, "downloadUrl": url}


def download_result(outcome: Outcome) -> DownloadResult:
    """
    Describe what became of a download.

    :param outcome: An outcome that is not ``failed``.
    :returns: Plain JSON.
    """
    job = outcome.job
    return {
        "path": job.path,
        "size": outcome.size_bytes,
        "checksum": outcome.checksum,
        "outcome": outcome.outcome,
        "verified": outcome.verified,
        "entryId": job.entry_id or None,
        "flavorId": job.asset_id if job.asset_type == "flavor" else None,
        "version": job.version or None,
        "fetchedBytes": outcome.fetched_bytes,
        "requests": outcome.requests,
        "seconds": round(outcome.seconds, 3),
    }
