"""
What is known about the files in a lake.

Below the root: ``_kaltura/manifest/dt=<utc date>/<run>-<task>-<map>-<try>-<uuid>-<n>.jsonl``. The files are immutable,
so writers never meet. One row tells what became of one (partner, asset type, asset, path); it is written only after the
file stands under its final name. The newest row of a path that says that a file stands (``downloaded``, ``adopted``,
``replaced``) is the truth about it, by ``observedAt``, then file name, then line; a row that says ``failed`` never
hides it. ``skipped`` gets no row: it would say once more what the standing row says, for every unchanged file.

A line that can't be read (damaged, or of a newer schema) is passed over and counted. What other rows say still holds.
But :attr:`Manifest.is_damaged` then forbids to adopt an unrecorded file by its length alone: the lost line may have
said that other bytes stand there. Such a file is fetched again, which ends with the right bytes and a row either way.
"""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Self

from airflow_provider_kaltura.ingest.destination import STATE_FOLDER
from airflow_provider_kaltura.ingest.safe_names import slug
from airflow_provider_kaltura.transfer.errors import ObjectMissingError, SinkError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from airflow_provider_kaltura.ingest.lake import Lake
    from airflow_provider_kaltura.ingest.models import AssetJob, Outcome, RunOptions
    from airflow_provider_kaltura.transfer.protocols import Store

log = logging.getLogger(__name__)

SCHEMA_VERSION: Final = 1
MANIFEST_FOLDER: Final = f"{STATE_FOLDER}/manifest"
STANDING: Final = frozenset({"downloaded", "adopted", "replaced"})
MAX_ROWS: Final = 100
MAX_AGE_SECONDS: Final = 30.0

_FILE: Final = re.compile(rf"{MANIFEST_FOLDER}/dt=\d{{4}}-\d\d-\d\d/[^/]+\.jsonl")
_PATH: Final = re.compile(rb'"path":"([^"\\]*)"')
_LOGGED_LINES: Final = 10
# json gives up on deep nesting with RecursionError, datetime on the year 0 with OverflowError.
_UNREADABLE: Final = (ValueError, RecursionError, OverflowError)


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestRow:
    """
    What became of one asset at one path. ``path`` is relative to the root; times are aware, in UTC.

    ``checksum`` is ``"crc64nvme:…"``, ``"sha256:…"`` or None; ``error_code`` names the class of a failure.
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
        checksum, updated, code = row.get("checksum"), row.get("sourceUpdatedAt"), row.get("errorCode")
        return cls(
            partner_id=_typed(row, "partnerId", int),
            asset_type=_typed(row, "assetType", str),
            asset_id=_typed(row, "assetId", str),
            path=_typed(row, "path", str),
            entry_id=_typed(row, "entryId", str),
            version=_typed(row, "version", str),
            size_bytes=_typed(row, "sizeBytes", int),
            checksum=None if checksum is None else _typed(row, "checksum", str),
            verified=_typed(row, "verified", str),
            outcome=_typed(row, "outcome", str),
            observed_at=_time(_typed(row, "observedAt", str)),
            source_updated_at=None if updated is None else _time(_typed(row, "sourceUpdatedAt", str)),
            error_code=None if code is None else _typed(row, "errorCode", str),
        )


class Manifest:
    """
    The newest standing row of each path.

    :param store: Where the lake's small objects are.
    :param paths: Only rows of these paths are read and kept; None keeps all (about 1 KB each).
    :raises SinkError: It can't be read, or changed meanwhile.
    """

    def __init__(self, store: Store, paths: Collection[str] | None = None) -> None:
        self.unreadable_lines = 0
        self._paths = None if paths is None else frozenset(paths)
        self._raw_paths = frozenset(path.encode() for path in paths or ())
        self._standing: dict[str, tuple[datetime, str, int, ManifestRow]] = {}
        for stat in store.list(f"{MANIFEST_FOLDER}/"):
            if _FILE.fullmatch(stat.key):
                self._read_file(stat.key, _read(store, stat.key))
        if self.unreadable_lines:
            log.warning("Passed over %d manifest lines that can't be read", self.unreadable_lines)

    @property
    def is_damaged(self) -> bool:
        """Something in the manifest could not be read, so what is unrecorded may have been recorded."""
        return self.unreadable_lines > 0

    def standing(self, path: str) -> ManifestRow | None:
        """
        Say what stands at a path according to the manifest.

        :param path: Relative to the root.
        :returns: The newest row that says that a file stands, or None.
        """
        found = self._standing.get(path)
        return None if found is None else found[-1]

    def add(self, row: ManifestRow) -> None:
        """
        Take a row of the task itself, written or still to be written.

        :param row: The row.
        """
        self._keep(row, "", 0)

    def _read_file(self, key: str, data: bytes) -> None:
        name = key.rpartition("/")[2]
        for number, line in enumerate(data.split(b"\n"), 1):
            if not line.strip() or self._is_about_others(line):
                continue
            try:
                row = ManifestRow.from_json(line)
            except _UNREADABLE as error:
                self.unreadable_lines += 1
                if self.unreadable_lines <= _LOGGED_LINES:
                    log.warning("Manifest %s, line %d can't be read: %s", key, number, type(error).__name__)
                continue
            self._keep(row, name, number)

    def _is_about_others(self, line: bytes) -> bool:
        # Thirty times as fast as reading the line. A path with escapes in it is not told apart here.
        found = None if self._paths is None else _PATH.search(line)
        return found is not None and found[1] not in self._raw_paths

    def _keep(self, row: ManifestRow, name: str, number: int) -> None:
        if row.outcome not in STANDING or (self._paths is not None and row.path not in self._paths):
            return
        candidate = (row.observed_at, name, number, row)
        known = self._standing.get(row.path)
        if known is None or candidate[:3] > known[:3]:
            self._standing[row.path] = candidate


class ManifestWriter:
    """
    Collects rows and writes them as immutable files, after every 100 rows or 30 seconds, and at the end.

    :param lake: What the rows are about; it is synced before they are written.
    :param options: Run, task, map index and try, for the files' names.
    :param utcnow: Gives the time, aware.
    :param monotonic: Gives seconds for the age of the oldest unwritten row.
    """

    def __init__(
        self,
        lake: Lake,
        options: RunOptions,
        *,
        utcnow: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lake = lake
        self._utcnow = utcnow
        self._monotonic = monotonic
        self._stem = "-".join(
            (
                slug(options.run_id, 80),
                slug(options.task_id, 80),
                str(options.map_index),
                str(options.try_number),
                uuid.uuid4().hex,
            )
        )
        self._count = 0
        self._rows: list[ManifestRow] = []
        self._oldest = 0.0

    def add(self, outcome: Outcome, *, newer_than: datetime | None = None) -> ManifestRow:
        """
        Take one outcome; its file must stand already.

        :param outcome: Not ``skipped``, which says nothing new.
        :param newer_than: Time of the row that this one takes over from; it wins even when a worker whose clock is
            ahead has written that one.
        :returns: The row that will be written.
        """
        if not self._rows:
            self._oldest = self._monotonic()
        observed_at = self._utcnow()
        if newer_than is not None and newer_than >= observed_at:
            observed_at = newer_than + timedelta(microseconds=1)
        row = ManifestRow.of(outcome, observed_at)
        self._rows.append(row)
        self.tick()
        return row

    def tick(self) -> None:
        """
        Write what is due; cheap, called while bytes move.

        A store that refuses must not end the transfer under way: the rows are kept, and :meth:`flush` raises at the
        end.
        """
        if not self._rows:
            return
        is_old = self._monotonic() - self._oldest >= MAX_AGE_SECONDS
        if is_old or len(self._rows) % MAX_ROWS == 0:
            self.flush_quietly()

    def flush_quietly(self) -> None:
        """Write what has not been written, if the store takes it; else say so in the log and keep the rows."""
        try:
            self.flush()
        except Exception:
            self._oldest = self._monotonic()
            log.warning("The manifest can't be written now; %d rows wait", len(self._rows), exc_info=True)

    def flush(self) -> None:
        """
        Write what has not been written.

        :raises SinkError: The rows could not be written; they are kept for another try.
        """
        if not self._rows:
            return
        # A new name for every attempt: one that failed may have arrived all the same, and a row twice is harmless.
        key = f"{MANIFEST_FOLDER}/dt={self._utcnow():%Y-%m-%d}/{self._stem}-{self._count}.jsonl"
        self._count += 1
        data = "".join(f"{row.to_json()}\n" for row in self._rows).encode()
        self._lake.sync()
        self._lake.store.write(key, data, if_absent=True)
        self._rows.clear()


def _read(store: Store, key: str) -> bytes:
    try:
        return store.read(key)
    except ObjectMissingError as error:
        # Somebody compacts or cleans up at this moment; what was read so far is no whole any more.
        raise SinkError("the manifest changed while it was read; run the task again", key) from error


def rows(store: Store) -> Iterator[ManifestRow]:
    """
    Walk over every readable row, in order of file and line.

    :param store: Where the lake's small objects are.
    :yields: The rows.
    """
    for stat in store.list(f"{MANIFEST_FOLDER}/"):
        if not _FILE.fullmatch(stat.key):
            continue
        for line in store.read(stat.key).split(b"\n"):
            try:
                yield ManifestRow.from_json(line)
            except _UNREADABLE:
                continue


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


def _time(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("a time without a time zone")
    return found.astimezone(UTC)


def _time_text(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
