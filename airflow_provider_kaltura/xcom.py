"""
What our tasks push as XCom: plain dicts, with Kaltura's own names as keys.

TypedDicts, since dataclasses do not come back from XCom by default.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, Literal, TypedDict, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    from airflow_provider_kaltura.api.models import Entry, FlavorAsset
    from airflow_provider_kaltura.ingest.clean import CleanReport
    from airflow_provider_kaltura.ingest.models import Outcome, OutcomeName, Verified
    from airflow_provider_kaltura.ingest.verify_report import Finding, FindingKind, Level, VerifyReport

__all__ = [
    "CleanResult",
    "CleanedInfo",
    "DownloadResult",
    "DownloadUrl",
    "FindingInfo",
    "FlavorInfo",
    "UrlInXCom",
    "VerifyResult",
    "clean_result",
    "download_result",
    "download_url",
    "flavor_info",
    "verify_result",
]

_Example = TypeVar("_Example")

UrlInXCom = Literal["plain", "signed", "none"]

# What examples may take of an XCom, in bytes of JSON.
_MOST_EXAMPLE_BYTES: Final = 12_000


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


class FindingInfo(TypedDict):
    """One thing that is not as the manifest says: ``path`` is below the root, ``kind`` one of ``VerifyResult``'s."""

    kind: FindingKind
    path: str
    entryId: str | None
    assetId: str | None
    expected: str | int | None
    found: str | int | None


class VerifyResult(TypedDict):
    """
    What a verification found, at most 16 KB.

    ``sound`` is False when a file is missing, has another length or checksum, or can't be read; the other findings are
    told and are no damage. ``files`` and ``size`` are recorded files and bytes, ``provedByStore``, ``provedByReading``
    and ``lengthOnly`` say how they were looked at. ``leftovers`` counts uploads without a final name, None where the
    store doesn't say. ``examples`` are a few findings, damage first; all of them stand in the file ``report``.
    """

    root: str
    level: Level
    sound: bool
    files: int
    size: int
    missing: int
    wrongLength: int
    wrongChecksum: int
    unreadable: int
    unknown: int
    retagged: int
    changed: int
    gone: int
    asked: int
    notAsked: int
    provedByStore: int
    provedByReading: int
    lengthOnly: int
    readBytes: int
    leftovers: int | None
    leftoverBytes: int
    unreadableLines: int
    examples: list[FindingInfo]
    report: str | None
    seconds: float


class CleanedInfo(TypedDict):
    """One thing that was removed, or would be: ``key`` is what it was for, or its own name, below the root."""

    kind: str
    key: str
    size: int | None
    touchedAt: str | None


class CleanResult(TypedDict):
    """
    What a clean-up did, or with ``reportOnly`` would do; at most 16 KB.

    ``removed`` counts what is gone, ``keptYoung`` what is ours and too young, ``keptForeign`` what is not shown to be
    ours, ``notRemovable`` what only the service drops. Those with ``Bytes`` say how much it holds, as far as the store
    tells. ``examples`` are the first that were removed.
    """

    root: str
    reportOnly: bool
    olderThanSeconds: float
    removed: int
    removedBytes: int
    keptYoung: int
    keptYoungBytes: int
    keptForeign: int
    keptForeignBytes: int
    notRemovable: int
    notRemovableBytes: int
    failed: int
    examples: list[CleanedInfo]


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


def verify_result(report: VerifyReport) -> VerifyResult:
    """
    Describe what a verification found.

    :param report: It.
    :returns: Plain JSON.
    """
    counts = report.counts
    return {
        "root": report.root,
        "level": report.level,
        "sound": report.is_sound,
        "files": report.files,
        "size": report.size_bytes,
        "missing": counts["missing"],
        "wrongLength": counts["wrong_length"],
        "wrongChecksum": counts["wrong_checksum"],
        "unreadable": counts["unreadable"],
        "unknown": counts["unknown"],
        "retagged": counts["retagged"],
        "changed": counts["changed"],
        "gone": counts["gone"],
        "asked": report.asked,
        "notAsked": report.not_asked,
        "provedByStore": report.proved_by_store,
        "provedByReading": report.proved_by_reading,
        "lengthOnly": report.length_only,
        "readBytes": report.read_bytes,
        "leftovers": report.leftovers,
        "leftoverBytes": report.leftover_bytes,
        "unreadableLines": report.unreadable_lines,
        "examples": _as_many_as_fit(_finding_info(one) for kept in report.examples.values() for one in kept),
        "report": report.report_path,
        "seconds": round(report.seconds, 3),
    }


def clean_result(report: CleanReport, root: str, older_than: timedelta) -> CleanResult:
    """
    Describe what a clean-up did.

    :param report: It.
    :param root: Of the lake.
    :param older_than: Least age of what was removed.
    :returns: Plain JSON.
    """
    examples: list[CleanedInfo] = [
        {
            "kind": item.kind,
            "key": _writable(item.key),
            "size": item.size_bytes,
            "touchedAt": None if item.touched_at is None else item.touched_at.isoformat(timespec="seconds"),
        }
        for item in report.removed.items
    ]
    return {
        "root": root,
        "reportOnly": report.dry_run,
        "olderThanSeconds": older_than.total_seconds(),
        "removed": report.removed.count,
        "removedBytes": report.removed.size_bytes,
        "keptYoung": report.kept_young.count,
        "keptYoungBytes": report.kept_young.size_bytes,
        "keptForeign": report.kept_foreign.count,
        "keptForeignBytes": report.kept_foreign.size_bytes,
        "notRemovable": report.not_removable.count,
        "notRemovableBytes": report.not_removable.size_bytes,
        "failed": report.failed.count,
        "examples": _as_many_as_fit(examples),
    }


def _finding_info(finding: Finding) -> FindingInfo:
    return {
        "kind": finding.kind,
        "path": _writable(finding.path),
        "entryId": finding.entry_id,
        "assetId": finding.asset_id,
        "expected": finding.expected,
        "found": finding.found,
    }


def _writable(name: str) -> str:
    # Names that are no text can be listed, but not written into a database.
    return name.encode("utf-8", "backslashreplace").decode()


def _as_many_as_fit(examples: Iterable[_Example]) -> list[_Example]:
    chosen: list[_Example] = []
    left_bytes = _MOST_EXAMPLE_BYTES
    for example in examples:
        left_bytes -= len(json.dumps(example)) + 2
        if left_bytes < 0:
            break
        chosen.append(example)
    return chosen
