"""One line of a lake's manifest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from airflow_provider_kaltura.ingest.models import AssetJob, Outcome

SCHEMA_VERSION: Final = 1
STANDING: Final = frozenset({"downloaded", "adopted", "replaced"})
#: The file was removed, since Kaltura has it no more; a newer row than those that say that it stands.
DELETED: Final = "deleted"
#: Kaltura has it no more, and the file stands all the same.
MARKED: Final = "marked"


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestRow:
    """
    What became of one asset at one path. ``path`` is relative to the root; times are aware, in UTC.

    ``checksum`` is ``"crc64nvme:…"``, ``"sha256:…"`` or None; ``error_code`` names the class of a failure.
    ``version_tag`` tells which file it is about, as the store tells files of one name apart; None in old rows.
    ``sync`` names the sync that put the file there, None where none did, and ``layout`` the names that it gave then.
    """

    partner_id: int
    asset_type: str
    asset_id: str
    path: str
    entry_id: str
    version: str
    size_bytes: int
    checksum: str | None
    verified: str
    outcome: str
    observed_at: datetime
    source_updated_at: datetime | None = None
    error_code: str | None = None
    version_tag: str | None = None
    sync: str | None = None
    layout: str | None = None

    @classmethod
    def of(cls, outcome: Outcome, observed_at: datetime) -> Self:
        """
        Make the row of an outcome.

        :param outcome: What became of a job.
        :param observed_at: When that was seen, aware.
        :returns: The row.
        """
        job = outcome.job
        return cls(
            partner_id=job.partner_id,
            asset_type=job.asset_type,
            asset_id=job.asset_id,
            path=job.key,
            entry_id=job.entry_id,
            version=job.version,
            size_bytes=outcome.size_bytes,
            checksum=outcome.checksum,
            verified=outcome.verified,
            outcome=outcome.outcome,
            observed_at=observed_at,
            source_updated_at=job.source_updated_at,
            error_code=None if outcome.error is None else type(outcome.error).__name__,
            version_tag=outcome.version_tag,
        )

    def to_json(self) -> str:
        """Write the row as one line, without its line end."""
        row = {
            "schemaVersion": SCHEMA_VERSION,
            "partnerId": self.partner_id,
            "assetType": self.asset_type,
            "assetId": self.asset_id,
            "path": self.path,
            "entryId": self.entry_id,
            "version": self.version,
            "sizeBytes": self.size_bytes,
            "checksum": self.checksum,
            "verified": self.verified,
            "outcome": self.outcome,
            "observedAt": _time_text(self.observed_at),
            "sourceUpdatedAt": None if self.source_updated_at is None else _time_text(self.source_updated_at),
        }
        if self.error_code is not None:
            row["errorCode"] = self.error_code
        more = (("versionTag", self.version_tag), ("sync", self.sync), ("layout", self.layout))
        row.update({name: value for name, value in more if value is not None})
        return json.dumps(row, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, line: str | bytes) -> Self:
        """
        Read one line; fields that are not known here are passed over.

        :param line: One JSON object.
        :returns: The row.
        :raises ValueError: The line is damaged, or its schema is newer than ours.
        """
        row = json.loads(line)
        if not isinstance(row, dict):
            raise ValueError("a manifest line is no object")  # noqa: TRY004 - every damage is one kind of error
        schema = _typed(row, "schemaVersion", int)
        if schema > SCHEMA_VERSION:
            raise ValueError(f"schema {schema} is newer than {SCHEMA_VERSION}")
        updated = row.get("sourceUpdatedAt")
        return cls(
            partner_id=_typed(row, "partnerId", int),
            asset_type=_typed(row, "assetType", str),
            asset_id=_typed(row, "assetId", str),
            path=_typed(row, "path", str),
            entry_id=_typed(row, "entryId", str),
            version=_typed(row, "version", str),
            size_bytes=_typed(row, "sizeBytes", int),
            checksum=_text(row, "checksum"),
            verified=_typed(row, "verified", str),
            outcome=_typed(row, "outcome", str),
            observed_at=_time(_typed(row, "observedAt", str)),
            source_updated_at=None if updated is None else _time(_typed(row, "sourceUpdatedAt", str)),
            error_code=_text(row, "errorCode"),
            version_tag=_text(row, "versionTag"),
            sync=_text(row, "sync"),
            layout=_text(row, "layout"),
        )


def describes(row: ManifestRow, job: AssetJob) -> bool:
    """
    Tell whether a row is about the very asset version of a job.

    :param row: A standing row of the job's path.
    :param job: The job; a partner id of 0 is unknown.
    :returns: True when asset, version and partner are the same.
    """
    same_partner = 0 in {row.partner_id, job.partner_id} or row.partner_id == job.partner_id
    return same_partner and (row.asset_type, row.asset_id, row.version) == (job.asset_type, job.asset_id, job.version)


def _typed(row: dict[str, Any], name: str, kind: type[Any]) -> Any:
    value = row.get(name)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"{name} is no {kind.__name__}")  # noqa: TRY004 - every damage is one kind of error
    return value


def _text(row: dict[str, Any], name: str) -> str | None:
    return None if row.get(name) is None else str(_typed(row, name, str))


def _time(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("a time without a time zone")
    return found.astimezone(UTC)


def _time_text(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
