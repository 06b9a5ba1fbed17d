"""
A plan is carried out: every asset whole under its final name, or nothing.

One job at a time for now; :meth:`_Run.outcome_of` is what parallel jobs will call. What happens when something stands
under the final name already is decided by the pure :func:`~airflow_provider_kaltura.ingest.standing.decide`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from airflow_provider_kaltura.ingest.errors import KeyCollisionError
from airflow_provider_kaltura.ingest.fetch import Fetcher
from airflow_provider_kaltura.ingest.manifest import Manifest, ManifestWriter
from airflow_provider_kaltura.ingest.manifest_row import describes
from airflow_provider_kaltura.ingest.models import METADATA_ENTRY, Outcome
from airflow_provider_kaltura.ingest.partial_settle import Settled, Unsettled
from airflow_provider_kaltura.ingest.standing import Recorded, by_metadata, decide, has_recorded_bytes, is_ours
from airflow_provider_kaltura.transfer.errors import SourceChangedError, TargetExistsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from airflow_provider_kaltura.ingest.fetch import Fetched
    from airflow_provider_kaltura.ingest.lake import Lake
    from airflow_provider_kaltura.ingest.manifest import Records
    from airflow_provider_kaltura.ingest.manifest_row import ManifestRow
    from airflow_provider_kaltura.ingest.models import AssetJob, OutcomeName, RunOptions
    from airflow_provider_kaltura.ingest.partial_claim import Claim
    from airflow_provider_kaltura.transfer.protocols import ObjectStat, Source

log = logging.getLogger(__name__)

# Up to this many jobs the names are compared before the first byte, and only their manifest rows are kept in memory.
_SMALL_PLAN: Final = 10_000
_SECOND_TRY: Final = 2


class JobProgress(Protocol):
    """Told while bytes move; must be quick."""

    def __call__(self, job: AssetJob, done_bytes: int, size_bytes: int) -> None:
        """*done_bytes* of *size_bytes* are stored."""


def run(
    plan: Iterable[AssetJob],
    lake: Lake,
    options: RunOptions,
    *,
    progress: JobProgress | None = None,
    open_source: Callable[[AssetJob], Source],
    writer: ManifestWriter | None = None,
    manifest: Records | None = None,
) -> Iterator[Outcome]:
    """
    Carry out a plan, lazily, one outcome per job in the plan's order.

    A job that fails gives an outcome ``failed`` with its error, and the next one begins. Interruptions (Ctrl-C, the
    timeout of a task, SIGTERM where it raises) go on to the caller and leave nothing of the file under way but what a
    later try goes on with (see ``resume_above_bytes``). What stands is in the manifest at the latest when the iterator
    ends or is closed.

    :param plan: The jobs; a list or tuple is checked for equal names before the first byte.
    :param lake: Where they go.
    :param options: How.
    :param progress: Told while bytes move.
    :param open_source: Gives the source of a job; no request need be made before it is read.
    :param writer: Writes the manifest; by default one for these options.
    :param manifest: What is recorded, of all paths, where that is known already; by default it is read when needed.
    :returns: The outcomes.
    :raises KeyCollisionError: Two assets of a small plan would get one name.
    :raises SinkError: The manifest can't be read or written.
    """
    state = _Run(lake, options, writer or ManifestWriter(lake, options), open_source, progress)
    if isinstance(plan, Sequence) and len(plan) <= _SMALL_PLAN:
        for job in plan:
            state.claim(job)
        state.paths = frozenset(job.key for job in plan)
    if manifest is not None:
        state.paths, state.manifest = None, manifest
    return state.outcomes(plan)


def run_one(
    job: AssetJob,
    lake: Lake,
    options: RunOptions,
    *,
    progress: JobProgress | None = None,
    open_source: Callable[[AssetJob], Source],
) -> Outcome:
    """
    Carry out a plan of one job, and raise what went wrong.

    :param job: The job.
    :param lake: Where it goes.
    :param options: How.
    :param progress: Told while bytes move.
    :param open_source: See :func:`run`.
    :returns: An outcome that is not ``failed``.
    :raises Exception: The outcome's error.
    """
    (outcome,) = run([job], lake, options, progress=progress, open_source=open_source)
    if outcome.error is not None:
        raise outcome.error
    return outcome


@dataclass(slots=True)
class _Run:
    lake: Lake
    options: RunOptions
    writer: ManifestWriter
    open_source: Callable[[AssetJob], Source]
    progress: JobProgress | None
    paths: frozenset[str] | None = None
    manifest: Records | None = None
    claimed: dict[str, str] = field(default_factory=dict)
    unfinished: list[Claim] = field(default_factory=list)
    fetcher: Fetcher = field(init=False)
    unsettled: Unsettled = field(init=False)

    def __post_init__(self) -> None:
        self.fetcher = Fetcher(self.lake, self.options)
        self.unsettled = Unsettled(self.lake, self.options)

    def claim(self, job: AssetJob) -> None:
        owner = self.claimed.setdefault(job.key, job.owner)
        if owner != job.owner:
            raise KeyCollisionError(job.path, owner, job.owner)

    def outcomes(self, plan: Iterable[AssetJob]) -> Iterator[Outcome]:
        try:
            for job in plan:
                outcome = self.outcome_of(job)
                if outcome.outcome != "skipped":
                    self._record(outcome)
                self._finish_claims()
                yield outcome
        except BaseException:
            self.writer.flush_quietly()
            self._finish_claims()
            raise
        self.writer.flush()
        self._finish_claims()

    def _record(self, outcome: Outcome) -> None:
        if self.manifest is None:
            self.writer.add(outcome)
            return
        known = self.manifest.standing(outcome.job.key)
        self.manifest.add(self.writer.add(outcome, newer_than=None if known is None else known.observed_at))

    def outcome_of(self, job: AssetJob) -> Outcome:
        started = time.monotonic()
        try:
            self.claim(job)
            outcome = self._carry_out(job, started)
        except _LakeError as error:
            raise error.cause from error
        except SourceChangedError as error:
            outcome = self._again(job, error, started)
        except Exception as error:  # noqa: BLE001 - one asset's trouble, whatever it is, must not end the others
            outcome = _failed(job, error, started)
        return outcome

    def _again(self, job: AssetJob, error: SourceChangedError, started: float) -> Outcome:
        if job.refresh is None:
            return _failed(job, error, started)
        log.info("Asset %s changed while it was on its way; it is planned anew", job.asset_id)
        try:
            fresh = job.refresh()
            self.claim(fresh)
            if self.paths is not None and self.manifest is None:
                self.paths |= {fresh.key}
            return self._carry_out(fresh, started)
        except _LakeError as failure:
            raise failure.cause from failure
        except Exception as again:  # noqa: BLE001 - see outcome_of
            return _failed(job, again, started)

    def _carry_out(self, job: AssetJob, started: float) -> Outcome:
        source: Source | None = None
        wanted = self._size_of_same(job) if job.make is not None else job.size_bytes
        if wanted is None:
            source = self.open_source(job)
            wanted = source.size_bytes
        stat = self.lake.store.stat(job.key)
        unsettled = stat is not None and self.unsettled.has(job, wanted)
        settled = self.unsettled.settle(job, wanted, stat) if stat is not None and unsettled else Settled()
        if settled.fetched is not None:
            return self._landed(job, settled.fetched, "downloaded", started)
        recorded = self._recorded(job, stat, wanted, is_in_doubt=settled.is_in_doubt)
        standing = None if stat is None else stat.size_bytes
        incomplete = (
            unsettled
            # Whoever makes the bytes has them at hand.
            or job.make is not None
            or self.lake.may_lose_files
            or (self.manifest is not None and (self.manifest.is_damaged or not self._is_kept(job.key)))
        )
        decision = decide(self.options.if_exists, standing, recorded, wanted, is_record_incomplete=incomplete)
        if decision == "refuse" and recorded is not None:
            decision = "skip"
        if decision == "refuse":
            raise TargetExistsError("something stands there already, and if_exists is 'fail'", job.key)
        if stat is None or decision == "fetch":
            return self._fetch(job, source or self.open_source(job), stat, started)
        outcome = _left_alone(job, stat, recorded, started)
        if outcome.outcome == "skipped":
            self._record_again(outcome, stat)
        return outcome

    def _size_of_same(self, job: AssetJob) -> int | None:
        """Tell the length of what was made of the same version before, which need not be made again to be known."""
        stat = self.lake.store.stat(job.key) if self.options.if_exists == "skip" else None
        if stat is None:
            return None
        if is_ours(stat):
            return stat.size_bytes if by_metadata(job, stat).is_same_asset else None
        row = self._read_manifest().standing(job.key, stat.version_tag)
        return row.size_bytes if row is not None and describes(row, job) else None

    def _record_again(self, outcome: Outcome, stat: ObjectStat) -> None:
        """
        Write the row of a file that tells by its metadata what it is, should a kill have come before its row.

        Only where the manifest is known anyway, or in a task's later tries: reading it costs more than a skip.
        """
        if not is_ours(stat) or (self.manifest is None and self.options.try_number < _SECOND_TRY):
            return
        row = self._read_manifest().standing(outcome.job.key, stat.version_tag)
        if row is None or row.version_tag != stat.version_tag or not describes(row, outcome.job):
            landed = replace(outcome, outcome="downloaded", verified=outcome.job.verified, version_tag=stat.version_tag)
            self._record(landed)

    def _recorded(
        self, job: AssetJob, stat: ObjectStat | None, wanted_bytes: int, *, is_in_doubt: bool
    ) -> Recorded | None:
        if stat is None:
            return None
        self._warn_of_another_entry(job, (stat.metadata or {}).get(METADATA_ENTRY))
        if self.options.if_exists != "skip":
            return self._of_earlier_try(job, stat, wanted_bytes) if not is_in_doubt else None
        if is_ours(stat):
            return None if is_in_doubt else by_metadata(job, stat)
        row = self._read_manifest().standing(job.key, stat.version_tag)
        if row is None:
            return None
        self._warn_of_another_entry(job, row.entry_id)
        is_same_asset = describes(row, job)
        if is_same_asset and row.version_tag != stat.version_tag and row.size_bytes == stat.size_bytes == wanted_bytes:
            is_same_asset = self._is_proved(row, stat, job)
        return Recorded(
            is_same_asset=is_same_asset,
            size_bytes=row.size_bytes,
            checksum=row.checksum,
            verified="full" if row.verified == "full" else "length",
        )

    def _warn_of_another_entry(self, job: AssetJob, entry_id: str | None) -> None:
        if entry_id is not None and entry_id != job.entry_id and self.options.if_exists != "fail":
            text = "%s is the file of entry %s, and is REPLACED by that of entry %s: put {entryId} into the destination"
            log.warning(text, job.path, entry_id or "unknown", job.entry_id or "unknown")

    def _of_earlier_try(self, job: AssetJob, stat: ObjectStat, wanted_bytes: int) -> Recorded | None:
        """Know the file again that an earlier try of this task had committed before it was killed."""
        if self.options.if_exists != "fail" or self.options.try_number < _SECOND_TRY or not is_ours(stat):
            return None
        found = by_metadata(job, stat)
        is_wanted = found.is_same_asset and bool(job.version) and stat.size_bytes == wanted_bytes
        return found if is_wanted else None

    def _is_proved(self, row: ManifestRow, stat: ObjectStat, job: AssetJob) -> bool:
        if not has_recorded_bytes(self.lake.store, stat, row):
            log.info("%s is not, or can't be proved to be, the file that is recorded; it is fetched again", job.path)
            return False
        log.info("%s was read back: its bytes are those that are recorded", job.path)
        manifest, newest = self._read_manifest(), self._read_manifest().standing(job.key)
        fresh = replace(row, version_tag=stat.version_tag)
        manifest.add(self.writer.add_row(fresh, newer_than=None if newest is None else newest.observed_at))
        return True

    def _is_kept(self, key: str) -> bool:
        return self.paths is None or key in self.paths

    def _read_manifest(self) -> Records:
        if self.manifest is None:
            try:
                self.writer.flush()
                self.manifest = Manifest(self.lake.store, self.paths)
            except Exception as error:
                # Whatever was decided without the manifest might be wrong, for this job and for all others.
                raise _LakeError(error) from error
        return self.manifest

    def _fetch(self, job: AssetJob, source: Source, stat: ObjectStat | None, started: float) -> Outcome:
        found = self.fetcher.fetch(job, source, progress=partial(self._advance, job))
        return self._landed(job, found, "downloaded" if stat is None else "replaced", started)

    def _landed(self, job: AssetJob, found: Fetched, outcome: OutcomeName, started: float) -> Outcome:
        if found.claim is not None:
            self.unfinished.append(found.claim)
        return Outcome(
            job=job,
            outcome=outcome,
            size_bytes=found.size_bytes,
            checksum=found.checksum if self.options.checksum != "none" else None,
            verified=job.verified,
            fetched_bytes=found.fetched_bytes,
            requests=found.requests,
            seconds=time.monotonic() - started,
            version_tag=found.stat.version_tag,
        )

    def _finish_claims(self) -> None:
        """Remove the records of files whose rows are written: without a row, a record alone tells what a file is."""
        if self.unfinished:
            self.writer.flush_quietly()
        if self.unfinished and self.writer.is_flushed:
            while self.unfinished:
                self.unfinished.pop().finish()

    def _advance(self, job: AssetJob, done_bytes: int, size_bytes: int) -> None:
        self.writer.tick()
        if self.progress is not None:
            self.progress(job, done_bytes, size_bytes)


class _LakeError(Exception):
    """The lake's state can't be read; carries the error that ends the run."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(cause)
        self.cause = cause


def _left_alone(job: AssetJob, stat: ObjectStat, recorded: Recorded | None, started: float) -> Outcome:
    seconds = time.monotonic() - started
    if recorded is not None:
        return Outcome(
            job=job,
            outcome="skipped",
            size_bytes=stat.size_bytes,
            checksum=recorded.checksum,
            verified=recorded.verified,
            seconds=seconds,
        )
    log.warning("%s stands already, nothing is recorded about it; adopted, since its length is right", job.path)
    return Outcome(
        job=job,
        outcome="adopted",
        size_bytes=stat.size_bytes,
        verified="length",
        seconds=seconds,
        version_tag=stat.version_tag,
    )


def _failed(job: AssetJob, error: Exception, started: float) -> Outcome:
    return Outcome(job=job, outcome="failed", error=error, seconds=time.monotonic() - started)
