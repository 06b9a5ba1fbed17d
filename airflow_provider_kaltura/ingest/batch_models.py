"""How a batch is carried out, and what became of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

from airflow_provider_kaltura.api.flavors import Preferences
from airflow_provider_kaltura.ingest.asset_kinds import FLAVORS, parse_assets, parse_caption_format
from airflow_provider_kaltura.ingest.errors import AssetsError
from airflow_provider_kaltura.ingest.models import RunOptions
from airflow_provider_kaltura.ingest.report import reason_of

if TYPE_CHECKING:
    from airflow_provider_kaltura.ingest.asset_kinds import AssetKind, CaptionFormat
    from airflow_provider_kaltura.ingest.batch_choice import BatchFlavor

OnError: TypeAlias = Literal["fail", "continue"]

#: So many failures are told in the summary; all of them are in the report.
NAMED_FAILURES: Final = 20
#: Each file under way takes up to four parts of memory.
MAX_PARALLEL: Final = 16
# Of a reason in the summary, in bytes of JSON: twenty of them stay far below what an XCom may hold.
_REASON_BYTES: Final = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOptions:
    """
    How a batch is carried out.

    :param assets: Which kinds of assets are taken of each entry.
    :param flavor: Which of its flavors: preferences, or ``"each"`` for every ready one.
    :param caption_format: How captions are written: ``"original"`` bytes, or converted to ``"srt"``, ``"vtt"`` or
        ``"txt"``.
    :param on_error: ``"fail"`` begins nothing more after the first failure; what is under way is ended.
    :param max_failures: With ``"continue"``: more failures than these end the batch too; None for any number.
    :param max_parallel: Files at a time, 1 to 16.
    :param run: How files are fetched; its limits are those of all files together.
    """

    assets: tuple[AssetKind, ...] = FLAVORS
    flavor: BatchFlavor = field(default_factory=Preferences.parse)
    caption_format: CaptionFormat = "original"
    on_error: OnError = "fail"
    max_failures: int | None = None
    max_parallel: int = 4
    run: RunOptions = field(default_factory=RunOptions)

    def __post_init__(self) -> None:
        parse_assets(self.assets)
        if parse_caption_format(self.caption_format) != "original" and "captions" not in self.assets:
            raise AssetsError(f"caption_format={self.caption_format!r} needs 'captions' in assets")
        if self.on_error not in get_args(OnError):
            raise ValueError(f"on_error is one of {', '.join(get_args(OnError))}, not {self.on_error!r:.40}")
        if self.max_failures is not None and self.max_failures < 0:
            raise ValueError(f"max_failures is at least 0, or None, not {self.max_failures!r:.40}")
        if not 1 <= self.max_parallel <= MAX_PARALLEL:
            raise ValueError(f"max_parallel is 1 to {MAX_PARALLEL}, not {self.max_parallel!r:.40}")

    def allows(self, failures: int) -> bool:
        """
        Tell whether a batch goes on.

        :param failures: So many failed by now.
        :returns: False when that is enough.
        """
        most = 0 if self.on_error == "fail" else self.max_failures
        return most is None or failures <= most


@dataclass(slots=True, kw_only=True)
class BatchSummary:
    """
    What became of a batch. A row is an asset, or an entry of which nothing was taken.

    :param total: Rows.
    :param downloaded: Files that were fetched, those that replaced others included.
    :param skipped: Rows of which nothing was to be fetched.
    :param failed: Rows that failed.
    :param not_begun: Rows that the batch did not come to, since it ended early.
    :param downloaded_bytes: Length of what was downloaded.
    :param seconds: How long it took.
    :param report: Path of the report's JSON Lines, the CSV beside it; None when the place took none.
    :param failures: The first 20.
    :param skipped_reasons: How many rows were skipped by reason: ``already_there``, ``adopted``, ``no_media:<type>``,
        ``flavor_not_ready``.
    :param first_error: The first failure, for an error's cause.
    :param ended_early: Failures ended the batch before all was done.
    """

    total: int = 0
    downloaded: int = 0
    skipped: int = 0
    failed: int = 0
    not_begun: int = 0
    downloaded_bytes: int = 0
    seconds: float = 0.0
    report: str | None = None
    failures: list[dict[str, str]] = field(default_factory=list)
    skipped_reasons: dict[str, int] = field(default_factory=dict)
    first_error: Exception | None = None
    ended_early: bool = False

    def fail(self, entry_id: str, error: Exception) -> tuple[str, str]:
        """
        Count a failure.

        :param entry_id: Whose.
        :param error: What was raised.
        :returns: Its code and reason.
        """
        self.total += 1
        self.failed += 1
        self.first_error = self.first_error or error
        code, reason = reason_of(error)
        if len(self.failures) < NAMED_FAILURES:
            self.failures.append({"entryId": entry_id, "code": code, "reason": _shortened(reason)})
        return code, reason

    def skip(self, reason: str) -> None:
        """
        Count a row of which nothing was to be fetched.

        :param reason: Why.
        """
        self.total += 1
        self.skipped += 1
        self.skipped_reasons[reason] = self.skipped_reasons.get(reason, 0) + 1

    def as_dict(self) -> dict[str, Any]:
        """
        Give the summary as it is pushed: always these keys, always small.

        :returns: Plain JSON.
        """
        return {
            "total": self.total,
            "downloaded": self.downloaded,
            "skipped": self.skipped,
            "failed": self.failed,
            "bytes": self.downloaded_bytes,
            "seconds": round(self.seconds, 3),
            "report": self.report,
            "failures": list(self.failures),
        }


def _shortened(reason: str) -> str:
    while len(json.dumps(reason)) > _REASON_BYTES:
        reason = reason[: len(reason) * 4 // 5] + "…"
    return reason
