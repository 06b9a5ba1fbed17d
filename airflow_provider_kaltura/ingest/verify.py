"""
What stands in a lake is compared with its manifest and, on request, the manifest with Kaltura. Nothing is changed.

Every file below the root is listed once and held against the row that is about it; what does not fit is looked at once
more at the end, with the manifest as it is then, since downloads may go on meanwhile. Their rows come up to 30 seconds
after their files, so a file that is being replaced may still be reported: verify when nothing is loaded.

Memory: the newest rows of all paths (about 1 KB each), and one piece of 8 MiB while a file is read back.
"""

from __future__ import annotations

import logging
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, cast, get_args

from airflow_provider_kaltura.api.flavors import READY
from airflow_provider_kaltura.api.ids import is_id
from airflow_provider_kaltura.api.models import FlavorStatus
from airflow_provider_kaltura.ingest.destination import STATE_FOLDER
from airflow_provider_kaltura.ingest.manifest import Manifest
from airflow_provider_kaltura.ingest.models import METADATA_CHECKSUM
from airflow_provider_kaltura.ingest.plan import FLAVOR
from airflow_provider_kaltura.ingest.verify_report import Finding, Findings, Level, VerifyReport
from airflow_provider_kaltura.transfer.checksum import CHECKSUM_NAMES, ChecksumName, checksum_of_object
from airflow_provider_kaltura.transfer.errors import InvalidKeyError, ObjectMissingError, SinkError
from airflow_provider_kaltura.transfer.keys import is_partial_name
from airflow_provider_kaltura.transfer.rate import RateLimiter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_kaltura.api.facade import KalturaApi
    from airflow_provider_kaltura.api.models import FlavorAsset
    from airflow_provider_kaltura.ingest.lake import Lake
    from airflow_provider_kaltura.ingest.manifest_row import ManifestRow
    from airflow_provider_kaltura.transfer.protocols import ObjectStat, Store

log = logging.getLogger(__name__)

REPORT_FOLDER: Final = f"{STATE_FOLDER}/reports"
# Kaltura cuts a list of ids silently after so many.
_ENTRIES_AT_ONCE: Final = 500
# So many files in a row that can't be read are no damage of files: the store is away, or refuses.
_MOST_UNREADABLE_IN_A_ROW: Final = 5
_TELL_EVERY_SECONDS: Final = 30.0


def verify(
    lake: Lake,
    *,
    prefix: str = "",
    level: Level = "length",
    api: KalturaApi | None = None,
    max_bytes_per_second: int | None = None,
    utcnow: Callable[[], datetime] = lambda: datetime.now(UTC),
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> VerifyReport:
    """
    Compare what stands in a lake with what its manifest says.

    When there are findings, all of them are written to a new file below ``_kaltura/reports/``, as JSON Lines.

    :param lake: The lake.
    :param prefix: Only files whose key begins with this, such as ``"2026/"``; empty is all.
    :param level: ``"length"`` compares existence and length; ``"checksum"`` the checksum too: the store's own record
        where it has one of the recorded kind, else the file is read back.
    :param api: Kaltura, to ask whether it still has the recorded assets in the recorded versions; None asks nothing.
    :param max_bytes_per_second: How fast files are read back at most.
    :param utcnow: Gives the time, aware; exchanged by tests.
    :param monotonic: Gives seconds; exchanged by tests.
    :param sleep: Waits some seconds; exchanged by tests.
    :returns: What was found; findings raise nothing.
    :raises ValueError: *level* or *max_bytes_per_second* can't be meant.
    :raises SinkError: The lake can't be listed or read at all.
    :raises KalturaError: Kaltura could not be asked.
    """
    if level not in get_args(Level):
        raise ValueError(f"level is one of {', '.join(get_args(Level))}, not {level!r:.40}")
    rate = None
    if max_bytes_per_second is not None:
        rate = RateLimiter(max_bytes_per_second, clock=monotonic, sleep=sleep)
    reader = _Reader(lake.store, rate)
    started = monotonic()
    work = _Verification(lake, prefix, level, reader, monotonic, told_at=started)
    manifest = Manifest(lake.store)
    work.settle(work.walk(manifest))
    if api is not None:
        work.ask(api)
    report_key = _write_report(lake, work.findings, utcnow())
    return work.report(manifest.unreadable_lines, report_key, started)


@dataclass(frozen=True, slots=True)
class _Suspect:
    """What did not fit, and what it was held against: nothing is read twice while neither has changed."""

    finding: Finding
    row: ManifestRow | None
    version_tag: str | None


@dataclass(slots=True)
class _Verification:
    lake: Lake
    prefix: str
    level: Level
    reader: _Reader
    monotonic: Callable[[], float]
    told_at: float
    findings: Findings = field(default_factory=Findings)
    rows: dict[str, ManifestRow] = field(default_factory=dict)
    proved_by_store: int = 0
    proved_by_reading: int = 0
    length_only: int = 0
    asked: int = 0
    not_asked: int = 0
    unreadable_in_a_row: int = 0

    def walk(self, manifest: Manifest) -> list[_Suspect]:
        """Hold every file against its row, and every row against the files."""
        suspects: list[_Suspect] = []
        for stat in self.lake.store.list(self.prefix):
            if _is_ours_or_no_file(stat.key):
                continue
            row = manifest.standing(stat.key, stat.version_tag)
            finding = _unknown(stat) if row is None else self._judge(row, stat)
            if row is not None:
                self.rows[stat.key] = row
            if finding is not None:
                suspects.append(_Suspect(finding, row, stat.version_tag))
            self._tell()
        for path in manifest.paths:
            if path.startswith(self.prefix) and path not in self.rows:
                self.rows[path] = row = cast("ManifestRow", manifest.standing(path))
                suspects.append(_Suspect(Finding.of("missing", row), row, None))
        return suspects

    def settle(self, suspects: list[_Suspect]) -> None:
        """Look once more at what did not fit: a download may have put it right, or its row was not written yet."""
        if not suspects:
            return
        manifest = Manifest(self.lake.store, {suspect.finding.path for suspect in suspects})
        for suspect in suspects:
            path = suspect.finding.path
            stat = self._stat(path)
            seen_tag = None if stat is None else stat.version_tag
            row = manifest.standing(path, seen_tag)
            if row is None:
                self.findings.add(suspect.finding)
                continue
            self.rows[path] = row
            if (row, seen_tag) == (suspect.row, suspect.version_tag):
                self.findings.add(suspect.finding)
            elif (finding := Finding.of("missing", row) if stat is None else self._judge(row, stat)) is not None:
                self.findings.add(finding)

    def ask(self, api: KalturaApi) -> None:
        """Ask Kaltura for every recorded asset, many entries at once."""
        batch: dict[str, list[ManifestRow]] = {}
        for row in self.rows.values():
            is_ours = row.partner_id in {0, api.config.partner_id}
            if row.asset_type != FLAVOR or not is_ours or not is_id(row.entry_id):
                self.not_asked += 1
                continue
            batch.setdefault(row.entry_id, []).append(row)
            if len(batch) == _ENTRIES_AT_ONCE:
                self._compare(api, batch)
                batch = {}
        if batch:
            self._compare(api, batch)

    def report(self, unreadable_lines: int, report_key: str | None, started: float) -> VerifyReport:
        """Say what was found."""
        leftovers, leftover_bytes = _leftovers(self.lake)
        return VerifyReport(
            root=self.lake.root,
            level=self.level,
            files=len(self.rows),
            size_bytes=sum(row.size_bytes for row in self.rows.values()),
            proved_by_store=self.proved_by_store,
            proved_by_reading=self.proved_by_reading,
            length_only=self.length_only,
            read_bytes=self.reader.read_bytes,
            counts=dict(self.findings.counts),
            examples={kind: tuple(found) for kind, found in self.findings.examples.items()},
            leftovers=leftovers,
            leftover_bytes=leftover_bytes,
            unreadable_lines=unreadable_lines,
            asked=self.asked,
            not_asked=self.not_asked,
            report_key=report_key,
            seconds=self.monotonic() - started,
        )

    def _compare(self, api: KalturaApi, batch: Mapping[str, list[ManifestRow]]) -> None:
        for entry_id, assets in api.list_flavor_assets(batch).items():
            by_id = {asset.id: asset for asset in assets}
            for row in batch[entry_id]:
                self.asked += 1
                finding = _compare(row, by_id.get(row.asset_id))
                if finding is not None:
                    self.findings.add(finding)

    def _judge(self, row: ManifestRow, stat: ObjectStat) -> Finding | None:
        """Say what is wrong with a file; tell of a new tag, and count the proofs, where nothing is."""
        if stat.size_bytes != row.size_bytes:
            return Finding.of("wrong_length", row, row.size_bytes, stat.size_bytes)
        if self.level == "length":
            self.length_only += 1
        elif (finding := self._prove(row)) is not None:
            return finding
        if row.version_tag is not None and row.version_tag != stat.version_tag:
            self.findings.add(Finding.of("retagged", row, row.version_tag, stat.version_tag))
        return None

    def _prove(self, row: ManifestRow) -> Finding | None:
        try:
            finding = self._prove_by_store(row)
        except ObjectMissingError:
            return Finding.of("missing", row)
        except SinkError as error:
            self.unreadable_in_a_row += 1
            if self.unreadable_in_a_row >= _MOST_UNREADABLE_IN_A_ROW:
                raise
            log.warning("%s can't be read: %s", row.path, type(error).__name__)
            return Finding.of("unreadable", row, row.checksum, type(error).__name__)
        self.unreadable_in_a_row = 0
        return finding

    def _prove_by_store(self, row: ManifestRow) -> Finding | None:
        # A listing may leave out what the store keeps beside the bytes.
        stat = self.lake.store.stat(row.path)
        if stat is None:
            return Finding.of("missing", row)
        expected = row.checksum or (stat.metadata or {}).get(METADATA_CHECKSUM)
        name = (expected or "").partition(":")[0]
        if name == "none" or name not in CHECKSUM_NAMES:
            self.length_only += 1
            return None
        is_kept = stat.checksum is not None and stat.checksum.partition(":")[0] == name
        found = stat.checksum if is_kept else self._read_back(stat, name)
        if found != expected:
            return Finding.of("wrong_checksum", row, expected, found)
        self.proved_by_store += is_kept
        self.proved_by_reading += not is_kept
        return None

    def _read_back(self, stat: ObjectStat, name: ChecksumName) -> str | None:
        return checksum_of_object(cast("Store", self.reader), stat.key, stat.size_bytes, name)

    def _stat(self, path: str) -> ObjectStat | None:
        try:
            return self.lake.store.stat(path)
        except InvalidKeyError:
            return None  # a name that we would never write, in a listing or a damaged row

    def _tell(self) -> None:
        now = self.monotonic()
        if now - self.told_at >= _TELL_EVERY_SECONDS:
            self.told_at = now
            log.info("Looked at %d recorded files; %d bytes read back", len(self.rows), self.reader.read_bytes)


class _Reader:
    """Reads a store as :func:`checksum_of_object` asks, and keeps to a rate."""

    def __init__(self, store: Store, rate: RateLimiter | None) -> None:
        self._store = store
        self._rate = rate
        self.read_bytes = 0

    def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """Read a piece, then wait until it is paid for."""
        data = self._store.read(key, start, stop)
        self.read_bytes += len(data)
        if self._rate is not None:
            self._rate.take(len(data))
        return data


def _compare(row: ManifestRow, asset: FlavorAsset | None) -> Finding | None:
    recorded = f"version {row.version}, {row.size_bytes} bytes"
    if asset is None or asset.status == FlavorStatus.DELETED:
        return Finding.of("gone", row, recorded)
    is_same_size = asset.size_bytes is None or asset.size_bytes == row.size_bytes
    if asset.status in READY and asset.version == row.version and is_same_size:
        return None
    size = "size unknown" if asset.size_bytes is None else f"{asset.size_bytes} bytes"
    status = "" if asset.status in READY else f", status {int(asset.status)}"
    return Finding.of("changed", row, recorded, f"version {asset.version}, {size}{status}")


def _unknown(stat: ObjectStat) -> Finding:
    return Finding(kind="unknown", path=stat.key, found=stat.size_bytes)


def _is_ours_or_no_file(key: str) -> bool:
    # Some tools write an empty object "folder/" for each folder of a bucket.
    return key.startswith(f"{STATE_FOLDER}/") or key.endswith("/") or is_partial_name(key.rpartition("/")[2])


def _leftovers(lake: Lake) -> tuple[int | None, int]:
    count = size_bytes = 0
    try:
        for leftover in lake.sink.leftovers():
            count += 1
            size_bytes += leftover.size_bytes or 0
    except SinkError as error:
        # Seeing open uploads is a right of its own in most stores, and this task is not about them.
        log.warning("What uploads have left can't be listed: %s", error)
        return None, 0
    return count, size_bytes


def _write_report(lake: Lake, findings: Findings, now: datetime) -> str | None:
    data = findings.as_lines()
    if not data:
        return None
    key = f"{REPORT_FOLDER}/verify-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:12]}.jsonl"
    try:
        lake.store.write(key, data, if_absent=True)
    except SinkError as error:
        # Credentials that may only read are good enough for all but this file.
        log.warning("The report can't be written: %s", error)
        return None
    return key
