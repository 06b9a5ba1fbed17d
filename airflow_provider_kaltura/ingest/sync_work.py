"""What a sync does with the entries that it has found, some hundreds at a time."""

from __future__ import annotations

import itertools
import logging
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from airflow_provider_kaltura.api.errors import KalturaError, NotFoundError
from airflow_provider_kaltura.api.flavors import DELETED_ENTRY, READY
from airflow_provider_kaltura.ingest.batch_jobs import batch_jobs
from airflow_provider_kaltura.ingest.changes import Verdict, judge
from airflow_provider_kaltura.ingest.errors import DestinationError, KeyCollisionError, LimitReachedError
from airflow_provider_kaltura.ingest.manifest_row import MARKED
from airflow_provider_kaltura.ingest.plan import plan_flavor
from airflow_provider_kaltura.ingest.report import reason_of
from airflow_provider_kaltura.ingest.resolve import resolve_flavor
from airflow_provider_kaltura.ingest.run import run
from airflow_provider_kaltura.ingest.sync_gone import delete, deleted_entries, mark
from airflow_provider_kaltura.ingest.sync_intents import write_intents
from airflow_provider_kaltura.ingest.sync_names import (
    Names,
    layout_of,
    require_free,
    require_still_free,
    require_unclaimed,
)
from airflow_provider_kaltura.ingest.sync_options import EACH, NAMED_PATHS, SyncOptions, SyncSummary
from airflow_provider_kaltura.transfer.errors import SinkError, SourceChangedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from airflow_provider_kaltura.api.facade import KalturaApi
    from airflow_provider_kaltura.api.models import Entry, EntrySnapshot, FlavorAsset
    from airflow_provider_kaltura.ingest.destination import Destination
    from airflow_provider_kaltura.ingest.lake import Lake
    from airflow_provider_kaltura.ingest.manifest_row import ManifestRow
    from airflow_provider_kaltura.ingest.models import AssetJob, Outcome
    from airflow_provider_kaltura.ingest.run import JobProgress
    from airflow_provider_kaltura.ingest.sync_index import LakeIndex, State
    from airflow_provider_kaltura.ingest.sync_rows import SyncWriter
    from airflow_provider_kaltura.transfer.protocols import Source

log = logging.getLogger(__name__)

#: Entries with all their flavors that are in memory at a time, about 10 MB with eight flavors each.
ENTRIES_AT_ONCE: Final = 1_000


@dataclass(slots=True)
class Work:
    """
    The work of one sync.

    :param api: Kaltura.
    :param lake: Where files go.
    :param destination: By which names.
    :param options: How.
    :param index: What is recorded.
    :param writer: Writes the manifest.
    :param summary: What became of it.
    :param open_source: Gives the source of a job.
    :param progress: Told while bytes move.
    :param plan_row: Takes each job of a sync that is only planned.
    :param monotonic: Gives seconds.
    """

    api: KalturaApi
    lake: Lake
    destination: Destination
    options: SyncOptions
    index: LakeIndex
    writer: SyncWriter
    summary: SyncSummary
    open_source: Callable[[AssetJob], Source]
    progress: JobProgress | None = None
    plan_row: Callable[[AssetJob], None] = lambda _: None
    monotonic: Callable[[], float] = time.monotonic
    _waiting: set[str] = field(default_factory=set)
    # A destination that has never held anything is likely to be a wrong one.
    _is_first: bool = field(init=False)
    _names: Names = field(init=False)

    def __post_init__(self) -> None:
        self._is_first = self.index.is_first()
        self._names = Names(self.index, self.destination, layout_of(self.destination, self.options.layout))
        self.writer.layout = self._names.layout

    def carry_out(self, entry_ids: Iterable[str]) -> None:
        """
        Look at entries, and do what is to be done about them.

        :param entry_ids: Each once; read as they are needed.
        :raises Exception: What ended it, of Kaltura, of the lake, or of a flavor where failures end the run.
        """
        rest = iter(entry_ids)
        while group := list(itertools.islice(rest, ENTRIES_AT_ONCE)):
            self._look_at(group)

    def carry_out_listed(self, groups: Iterable[list[EntrySnapshot]]) -> None:
        """
        The same for entries that were listed with their flavors.

        :param groups: Each entry once; those of a group were listed when the group before it was asked for.
        :raises Exception: See :meth:`carry_out`.
        """
        rest, listed_at = iter(groups), self.monotonic()
        while True:
            asked_at = self.monotonic()
            group = next(rest, None)
            if group is None:
                return
            if asked_at - listed_at > self.options.stale_after_seconds:
                self._look_at([one.entry.id for one in group])
            else:
                self._take_group({one.entry.id: one for one in group}, asked_at)
            listed_at = asked_at

    def known(self) -> Iterator[str]:
        """
        Walk over all known entries; over those that are gone where files of theirs are to go that were kept before.

        :yields: Ids of entries that were not looked at.
        """
        yield from self.index.entry_ids()
        if self.options.on_deleted != "keep":
            yield from (one for one in self.index.gone_ids() if any(map(self._is_left, self.index.own_files_of(one))))

    def _is_left(self, row: ManifestRow) -> bool:
        return self.options.on_deleted == "delete" or row.outcome != MARKED

    def _look_at(self, group: list[str]) -> None:
        listed_at = self.monotonic()
        web = group if self.options.wants_web else ()
        self._take_group(self.api.snapshot(group, web_playable_for=web), listed_at)

    def _take_group(self, group: Mapping[str, EntrySnapshot | KalturaError], listed_at: float) -> None:
        verdicts: dict[str, Verdict] = {}
        entries: dict[str, Entry] = {}
        missing: list[str] = []
        self._waiting.clear()
        if self.summary.full and not self.options.listed_only:
            self.index.see(self.lake.store)
        for entry_id, found in group.items():
            self.summary.entries += 1
            if _is_missing(found):
                missing.append(entry_id)
            elif isinstance(found, KalturaError):
                self._fail(entry_id, found)
            elif not found.entry.replaced_entry_id:
                entries[entry_id] = found.entry
                verdicts[entry_id] = self._judge(found)
        # First, since it makes room: what is new may have a name of what is gone.
        self._settle_missing(missing)
        jobs = list(self._jobs(entries, verdicts, listed_at))
        self._count(verdicts)
        intents = self._carry_out(jobs)
        self._settle(verdicts)
        for entry_id in {*verdicts, *self._waiting}:
            self._note(entry_id, "waiting" if entry_id in self._waiting else "seen")
        if intents is not None:
            self.writer.flush()
            self.lake.store.delete(intents)
        log.info("%d entries looked at, %d flavors to fetch so far", self.summary.entries, self.summary.planned)

    def _judge(self, found: EntrySnapshot) -> Verdict:
        return judge(found, self.index.files_of(found.entry.id), self.options.flavor, self._names)

    # ------------------------------------------------------------------ what is fetched
    def _jobs(self, entries: dict[str, Entry], verdicts: dict[str, Verdict], listed_at: float) -> Iterator[AssetJob]:
        pairs: list[tuple[Entry, FlavorAsset]] = []
        for entry_id, verdict in verdicts.items():
            for asset in verdict.fetch:
                try:
                    self.destination.render(entries[entry_id], asset)
                except DestinationError as error:
                    self._fail(entry_id, error)
                else:
                    pairs.append((entries[entry_id], asset))
        # Their URLs come a hundred at a time, once the first of them is needed.
        for _, planned in batch_jobs(self.api, pairs, self.destination, EACH, monotonic=self.monotonic):
            wanted_ids = verdicts[planned.entry_id].wanted_ids
            job = self._guarded(replace(planned, refresh=self._again(planned, wanted_ids)), listed_at)
            if self._may_have_its_name(job, wanted_ids):
                yield job

    def _again(self, job: AssetJob, wanted_ids: frozenset[str]) -> Callable[[], AssetJob]:
        def again() -> AssetJob:
            now = self.monotonic()
            resolved = resolve_flavor(self.api, job.asset_id, entry_id=job.entry_id)
            fresh = plan_flavor(self.api, resolved, self.destination)
            # The entry may have got another name meanwhile.
            require_unclaimed(fresh, self.index)
            require_free(fresh, wanted_ids, self.index, self.lake.store)
            return self._guarded(fresh, now)

        return again

    def _guarded(self, job: AssetJob, listed_at: float) -> AssetJob:
        """Let what was listed long ago be asked for once more before it replaces what may be newer."""

        def confirm() -> None:
            if job.confirm is not None:
                job.confirm()
            require_still_free(job, self.index, self.lake.store)
            if self.monotonic() - listed_at <= self.options.stale_after_seconds:
                return
            now = self.api.get_flavor_asset(job.asset_id)
            if now.status not in READY or (now.version, now.size_bytes) != (job.version, job.size_bytes):
                raise SourceChangedError(f"flavor {job.asset_id} changed since it was listed")

        return replace(job, confirm=confirm)

    def _may_have_its_name(self, job: AssetJob, wanted_ids: frozenset[str]) -> bool:
        try:
            require_unclaimed(job, self.index)
        except KeyCollisionError as error:
            if self._is_first:
                raise
            self._fail(job.entry_id, error)
            return False
        try:
            require_free(job, wanted_ids, self.index, self.lake.store)
        except KeyCollisionError as error:
            self._fail(job.entry_id, error)
            return False
        return True

    def _carry_out(self, jobs: list[AssetJob]) -> str | None:
        self.summary.planned += len(jobs)
        self.summary.planned_bytes += sum(job.size_bytes or 0 for job in jobs)
        self.summary.paths += [job.path for job in jobs[: NAMED_PATHS - len(self.summary.paths)]]
        if self.options.plan_only:
            for job in jobs:
                self.plan_row(job)
        jobs = [] if self.options.plan_only else self._allowed(jobs)
        if not jobs:
            return None
        outcomes = run(
            jobs,
            self.lake,
            replace(self.options.run, if_exists="skip", max_bytes=None),
            progress=self.progress,
            open_source=self.open_source,
            writer=self.writer,
            manifest=self.index,
        )
        intents = write_intents(self.lake.store, self.options.name, jobs)
        for outcome in outcomes:
            self._take(outcome)
        return intents

    def _allowed(self, jobs: list[AssetJob]) -> list[AssetJob]:
        """
        Leave to the next sync what does not go into ``max_bytes``: it is no failure, and its entry waits.

        What alone does not go into it would wait for ever, so that it is one.
        """
        most = self.options.run.max_bytes
        if most is None:
            return jobs
        left, allowed = most - self.summary.fetched_bytes, []
        for job in jobs:
            size_bytes = job.size_bytes or 0
            if size_bytes > most:
                self._fail(job.entry_id, LimitReachedError(job.path, size_bytes, most))
            elif size_bytes <= left and left > 0:
                left -= size_bytes
                allowed.append(job)
            else:
                self.summary.put_off += 1
                self._waiting.add(job.entry_id)
        return allowed

    def _take(self, outcome: Outcome) -> None:
        self.summary.outcomes[outcome.outcome] = self.summary.outcomes.get(outcome.outcome, 0) + 1
        self.summary.fetched_bytes += outcome.fetched_bytes
        if outcome.error is not None:
            self._fail(outcome.job.entry_id, outcome.error)

    def _fail(self, entry_id: str, error: Exception) -> None:
        self._waiting.add(entry_id)
        self.summary.fail(entry_id, error)
        log.warning("Entry %s: %s", entry_id, reason_of(error)[1])
        most = 0 if self.options.on_error == "fail" else self.options.max_failures
        if most is not None and self.summary.failed > most:
            raise error

    # ------------------------------------------------------------------ what is gone
    def _settle(self, verdicts: dict[str, Verdict]) -> None:
        """Take care of what vanished; not of entries with a failure, whose old files are better than none."""
        sound = {entry_id: one for entry_id, one in verdicts.items() if entry_id not in self._waiting}
        self._waiting.update(entry_id for entry_id, one in sound.items() if one.waits_for is not None)
        vanished = [row for one in sound.values() for row in one.vanished]
        gone = self.api.gone_flavor_ids({row.asset_id for row in vanished}) if vanished else frozenset()
        self._waiting.update(row.entry_id for row in vanished if row.asset_id not in gone)
        rows = [row for row in vanished if row.asset_id in gone]
        if self.options.on_deleted == "delete":
            rows += [row for one in sound.values() for row in one.superseded]
        self._dispose(rows)
        if not self.options.plan_only:
            for row in (row for one in sound.values() for row in one.revived if self.index.is_marked(row.path)):
                self.index.add(self.writer.add_row(replace(row, outcome="downloaded")))
            for row in (row for one in sound.values() for row in one.taken_over if row.outcome != MARKED):
                self.index.add(self.writer.take_over(row))

    def _settle_missing(self, missing: list[str]) -> None:
        known = [one for one in missing if self.index.state(one) is not None or self.index.own_files_of(one)]
        gone = deleted_entries(self.api, known) if known else frozenset[str]()
        for entry_id in known:
            if entry_id in gone:
                self._dispose(self.index.own_files_of(entry_id))
                if entry_id not in self._waiting:
                    is_done = self.options.on_deleted != "delete" or not self.index.own_files_of(entry_id)
                    self._note(entry_id, "gone" if is_done else "seen")
            elif self.index.state(entry_id) != "gone":
                self._waiting.add(entry_id)
                _count(self.summary.nothing, "not found, and not listed as deleted")

    def _dispose(self, rows: list[ManifestRow]) -> None:
        how = self.options.on_deleted
        if self.options.plan_only or how == "keep":
            fresh = [row for row in rows if how != "mark" or row.outcome != MARKED]
            _count(self.summary.gone, how, len(fresh))
        elif how == "mark":
            _count(self.summary.gone, how, mark(rows, self.index, self.writer))
        else:
            for row in rows:
                self._delete(row)

    def _delete(self, row: ManifestRow) -> None:
        try:
            is_removed = delete(row, self.lake, self.index, self.writer)
        except SinkError as error:
            self._fail(row.entry_id, error)
            return
        if is_removed is not None:
            _count(self.summary.gone, "delete" if is_removed else "foreign")

    # ------------------------------------------------------------------ what is said about it
    def _count(self, verdicts: dict[str, Verdict]) -> None:
        self.summary.unchanged += sum(one.unchanged for one in verdicts.values())
        for reason, count in Counter(one.nothing for one in verdicts.values() if one.nothing).items():
            _count(self.summary.nothing, reason, count)

    def _note(self, entry_id: str, state: State) -> None:
        self.summary.waiting += state == "waiting"
        if self.options.plan_only or self.index.state(entry_id) == state:
            return
        self.index.add(self.writer.note(entry_id, state, self.api.config.partner_id))


def _is_missing(found: EntrySnapshot | KalturaError) -> bool:
    if isinstance(found, NotFoundError):
        return True
    return not isinstance(found, KalturaError) and found.entry.status == DELETED_ENTRY


def _count(counts: dict[str, int], name: str, number: int = 1) -> None:
    if number:
        counts[name] = counts.get(name, 0) + number
