"""
What batches push as XCom: always the same eight keys, always small. Their rows are in the report.

TypedDicts, since dataclasses do not come back from XCom by default.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, TypedDict, cast

if TYPE_CHECKING:
    from airflow_provider_kaltura.ingest.batch_models import BatchSummary

__all__ = ["BatchResult", "FailureInfo", "batch_result"]

#: No task of ours returns more, in bytes of JSON.
MOST_BYTES: Final = 16 * 1024


class FailureInfo(TypedDict):
    """One row that failed: ``code`` is Kaltura's, a word of ours in capitals, or the name of the error."""

    entryId: str
    code: str
    reason: str


class BatchResult(TypedDict):
    """
    What became of a batch, at most 16 KB.

    A row is an asset, or an entry of which nothing was taken. ``total`` counts rows; ``downloaded`` those whose file
    was fetched, also in place of another; ``skipped`` those of which nothing was to be fetched. ``bytes`` is the length
    of what was downloaded. ``report`` is the path of the rows, None where there were none, or the place took none.
    ``failures`` are the first 20, or fewer where names are very long. The URL operator downloads nothing; its
    ``report`` holds the URLs.
    """

    total: int
    downloaded: int
    skipped: int
    failed: int
    bytes: int
    seconds: float
    report: str | None
    failures: list[FailureInfo]


def batch_result(summary: BatchSummary) -> BatchResult:
    """
    Describe what became of a batch.

    :param summary: It.
    :returns: Plain JSON.
    """
    found = summary.as_dict()
    failures: list[FailureInfo] = found.pop("failures")
    result = cast("BatchResult", {**found, "failures": []})
    left_bytes = MOST_BYTES - len(json.dumps(result))
    for failure in failures:
        left_bytes -= len(json.dumps(failure)) + len(", ")
        if left_bytes < 0:
            break
        result["failures"].append(failure)
    return result
