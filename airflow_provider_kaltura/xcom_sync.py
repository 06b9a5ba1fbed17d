"""What a sync pushes as XCom: a plain dict, small whatever happened."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypedDict

if TYPE_CHECKING:
    from airflow_provider_kaltura.ingest.sync_options import SyncSummary

__all__ = ["SyncFailureInfo", "SyncResult", "sync_result"]

# Of all that has no fixed length; the rest takes less than 2 KB.
_MOST_FAILURE_BYTES: Final = 9_000
_MOST_PATH_BYTES: Final = 3_000
_MOST_REASON_BYTES: Final = 400
_REASONS: Final = 10
_LONGEST_REASON: Final = 80


class SyncFailureInfo(TypedDict):
    """One entry with something that could not be done; ``code`` is for programs, ``reason`` for people."""

    entryId: str
    code: str
    reason: str


class SyncResult(TypedDict):
    """
    What became of a sync, at most 16 KB.

    ``since`` and ``until`` are the first and last second that was looked at (ISO, UTC; ``since`` None for all, with
    ``full``). ``entries`` were looked at, ``unchanged`` counts their flavors that the lake has. ``planned`` flavors of
    ``plannedBytes`` were, or with ``planOnly`` would be, fetched: ``downloaded`` new ones, ``replaced`` in place of
    older versions; ``adopted`` stood there unrecorded, ``skipped`` were there when it came to them, ``putOff`` did not
    go into ``max_bytes``, ``failed`` counts failures, of which ``failures`` are the first 20. ``bytes`` came over the
    network.

    ``gone`` counts files whose flavor Kaltura has no more by what was done to them (``keep``, ``mark``, ``delete``,
    and ``foreign`` for files that are not those recorded). ``waiting`` entries are looked at by the next run whatever
    it looks for, ``nothing`` counts entries with nothing to take by reason (``no_media:image``).

    ``paths`` are the first that were, or would be, written; ``report`` is the file with all of them, with ``planOnly``
    only. ``cursorMoved`` says whether the next run goes on from here, and not from a later moment.
    """

    root: str
    since: str | None
    until: str
    full: bool
    planOnly: bool
    entries: int
    unchanged: int
    planned: int
    plannedBytes: int
    downloaded: int
    replaced: int
    adopted: int
    skipped: int
    putOff: int
    failed: int
    bytes: int
    gone: dict[str, int]
    waiting: int
    nothing: dict[str, int]
    failures: list[SyncFailureInfo]
    paths: list[str]
    report: str | None
    cursorMoved: bool
    seconds: float


def sync_result(summary: SyncSummary) -> SyncResult:
    """
    Describe what became of a sync.

    :param summary: It.
    :returns: Plain JSON.
    """
    outcomes = summary.outcomes
    return {
        "root": summary.root,
        "since": None if summary.since is None else _iso(summary.since),
        "until": _iso(summary.until),
        "full": summary.full,
        "planOnly": summary.plan_only,
        "entries": summary.entries,
        "unchanged": summary.unchanged,
        "planned": summary.planned,
        "plannedBytes": summary.planned_bytes,
        "downloaded": outcomes.get("downloaded", 0),
        "replaced": outcomes.get("replaced", 0),
        "adopted": outcomes.get("adopted", 0),
        "skipped": outcomes.get("skipped", 0),
        "putOff": summary.put_off,
        "failed": summary.failed,
        "bytes": summary.fetched_bytes,
        "gone": dict(summary.gone),
        "waiting": summary.waiting,
        "nothing": _most(summary.nothing),
        "failures": _failures(summary),
        "paths": _as_many_as_fit(summary.paths),
        "report": summary.report_path,
        "cursorMoved": summary.cursor_moved,
        "seconds": round(summary.seconds, 3),
    }


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _most(counts: dict[str, int]) -> dict[str, int]:
    ordered = sorted(counts.items(), key=lambda one: -one[1])[:_REASONS]
    return {reason[:_LONGEST_REASON]: count for reason, count in ordered}


def _failures(summary: SyncSummary) -> list[SyncFailureInfo]:
    chosen: list[SyncFailureInfo] = []
    for one in summary.failures:
        failure: SyncFailureInfo = {
            "entryId": one.entry_id,
            "code": one.code[:_LONGEST_REASON],
            "reason": _shortened(one.reason),
        }
        if _size([*chosen, failure]) > _MOST_FAILURE_BYTES:
            break
        chosen.append(failure)
    return chosen


def _shortened(reason: str) -> str:
    while _size(reason) > _MOST_REASON_BYTES:
        reason = reason[: len(reason) * 4 // 5] + "…"
    return reason


def _as_many_as_fit(paths: list[str]) -> list[str]:
    chosen: list[str] = []
    for path in paths:
        if _size([*chosen, path]) > _MOST_PATH_BYTES:
            break
        chosen.append(path)
    return chosen


def _size(value: object) -> int:
    return len(json.dumps(value))
