"""
Keep a lake current with a library: find what was created, changed or deleted, and move the difference.

Where changes are looked for:

- Entries by a window of ``updatedAt``, in every status, deleted ones included; a window begins some time before the
  last one ended, since the search index lags behind.
- Replaced files, which don't move an entry's ``updatedAt``: by lists of the flavors that changed, over all known
  entries.
- What waits: flavors that are being made, and what failed. That is in the manifest, so no watermark loses it.
- Every N runs in all entries and all flavors, since deleted flavors just vanish from lists, and lists may miss entries.

What is found is compared with the manifest by asset, version and size. A run that is killed anywhere has lost nothing:
the cursor moves only when everything is in the manifest, and what stands is not fetched again.

Memory: 1,000 entries with their flavors, and the paths of one group of jobs; the manifest is in a temporary file.
"""

from __future__ import annotations

import json
import logging
import tempfile
import time
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from typing import IO, TYPE_CHECKING, Any, Final

from airflow_provider_kaltura.api.errors import InvalidRequestError
from airflow_provider_kaltura.api.listing import RELATIVE_TIME_SECONDS
from airflow_provider_kaltura.api.queries import ANY, DELETED
from airflow_provider_kaltura.ingest.cursor import Cursor, FoundCursor, cursor_key, read_cursor, write_cursor
from airflow_provider_kaltura.ingest.destination import STATE_FOLDER
from airflow_provider_kaltura.ingest.slices import write_listing
from airflow_provider_kaltura.ingest.sync_index import LakeIndex
from airflow_provider_kaltura.ingest.sync_intents import take_intents
from airflow_provider_kaltura.ingest.sync_options import SyncOptions, SyncSummary
from airflow_provider_kaltura.ingest.sync_rows import SyncWriter
from airflow_provider_kaltura.ingest.sync_told import created_since, told_of
from airflow_provider_kaltura.ingest.sync_work import Work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_kaltura.api.facade import KalturaApi
    from airflow_provider_kaltura.api.models import Entry
    from airflow_provider_kaltura.api.queries import EntryQuery
    from airflow_provider_kaltura.ingest.destination import Destination
    from airflow_provider_kaltura.ingest.lake import Lake
    from airflow_provider_kaltura.ingest.models import AssetJob
    from airflow_provider_kaltura.ingest.run import JobProgress
    from airflow_provider_kaltura.transfer.protocols import Source

log = logging.getLogger(__name__)

PLAN_FOLDER: Final = f"{STATE_FOLDER}/plans"
# So often a run that others overtake tries to move the cursor; whoever overtook it has moved it.
_TRIES: Final = 3


def sync(
    api: KalturaApi,
    lake: Lake,
    destination: Destination,
    options: SyncOptions,
    *,
    open_source: Callable[[AssetJob], Source],
    window: tuple[datetime, datetime] | None = None,
    progress: JobProgress | None = None,
    utcnow: Callable[[], datetime] = lambda: datetime.now(UTC),
    monotonic: Callable[[], float] = time.monotonic,
) -> SyncSummary:
    """
    Bring a lake up to date.

    The first run of a sync compares all, whatever the window. Any run may be repeated, and runs may overlap. Each one
    counts until all is compared again. A window that begins after what the last run looked at begins there instead.

    :param api: Kaltura.
    :param lake: The lake, open at the destination's root.
    :param destination: Where files go.
    :param options: What is taken, and how.
    :param open_source: Gives the source of a job; see :func:`~airflow_provider_kaltura.ingest.run.run`.
    :param window: From when, and until when (not included), both aware, such as a data interval; None goes on where
        the last run ended.
    :param progress: Told while bytes move.
    :param utcnow: Gives the time, aware; exchanged by tests.
    :param monotonic: Gives seconds; exchanged by tests.
    :returns: What became of it.
    :raises ValueError: The window can't be one.
    :raises InvalidRequestError: The window is in the future.
    :raises KeyCollisionError: Two assets would get one name.
    :raises KalturaError: Kaltura could not be asked.
    :raises SinkError: The lake could not be read or written.
    :raises Exception: Where failures end the run, or nothing but failures came of it: that of a flavor.
    """
    started = monotonic()
    key = cursor_key(api.config.partner_id, options.name)
    before = read_cursor(lake.store, key)
    index = LakeIndex(lake.store, api.config.partner_id, options.name, adopt=options.adopt)
    try:
        wanted = Cursor(until=0, told=told_of(options, destination), created_since=created_since(options))
        scope = _scope(before, wanted, options, window, utcnow(), is_first=index.is_first())
        summary = SyncSummary(
            root=lake.root, since=scope.since, until=scope.until, full=scope.full, plan_only=options.plan_only
        )
        writer = SyncWriter(lake, options.run, utcnow=utcnow, monotonic=monotonic)
        writer.index = index
        work = Work(api, lake, destination, options, index, writer, summary, open_source, progress, monotonic=monotonic)
        if options.plan_only:
            _plan(work, scope)
        else:
            _carry_out(work, scope)
            _finish(work, scope, key, before)
    finally:
        index.close()
    summary.seconds = monotonic() - started
    _require_no_outage(summary, options)
    return summary


def _require_no_outage(summary: SyncSummary, options: SyncOptions) -> None:
    if summary.is_outage and summary.first_error is not None and options.max_failures is None:
        # All of it waits in the manifest for the next run, which goes on from here.
        log.warning("All %d flavors failed that were to be fetched", summary.outcomes["failed"])
        raise summary.first_error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scope:
    """What a run looks at, in seconds since 1970, and what the cursor says afterwards; ``since`` None is all."""

    since: int | None
    until: int
    cursor: Cursor

    @property
    def full(self) -> bool:
        return self.since is None


def _scope(
    before: FoundCursor,
    wanted: Cursor,
    options: SyncOptions,
    window: tuple[datetime, datetime] | None,
    now: datetime,
    *,
    is_first: bool,
) -> _Scope:
    # This second may still bring changes.
    reached = int(now.timestamp()) - 1
    known = before.cursor
    since, until = _window(window, now)
    # Nobody knows what was looked at by a worker whose clock was ahead.
    is_ahead = known is not None and known.until > int(now.timestamp()) + options.overlap_seconds
    if known is None or is_ahead or is_first or options.full or options.listed_only or _is_other(known, wanted):
        return _all(None if is_ahead else known, wanted, reached)
    # What lies between the last run and the window was in no window, or its run failed.
    since = known.until if since is None else min(since, known.until)
    is_relative = since - options.overlap_seconds <= RELATIVE_TIME_SECONDS
    if is_relative or known.runs_since_full + 1 >= options.full_every:
        return _all(known, wanted, reached)
    until = reached if until is None else min(until, reached)
    cursor = replace(wanted, until=max(until, known.until), runs_since_full=known.runs_since_full + 1)
    return _Scope(since=since - options.overlap_seconds, until=until, cursor=cursor)


def _all(known: Cursor | None, wanted: Cursor, reached: int) -> _Scope:
    return _Scope(since=None, until=reached, cursor=replace(wanted, until=max(reached, known.until if known else 0)))


def _is_other(known: Cursor, wanted: Cursor) -> bool:
    """Tell whether more, or something else, is wanted than in the last run: changes alone don't tell what of it."""
    if known.told == wanted.told and known.created_since <= wanted.created_since:
        return False
    log.info("This sync is told to take something else than in its last run: everything is compared")
    return True


def _window(window: tuple[datetime, datetime] | None, now: datetime) -> tuple[int | None, int | None]:
    if window is None:
        return None, None
    if window[0].tzinfo is None or window[1].tzinfo is None or window[0] > window[1]:
        raise ValueError("a window is two times with a zone, in order")
    if window[0] > now:
        # Looking at nothing must not look like success.
        raise InvalidRequestError(
            f"the window from {window[0].isoformat()} to {window[1].isoformat()} is in the future: nothing was changed "
            "there yet",
            "WINDOW",
        )
    return int(window[0].timestamp()), int(window[1].timestamp())


def _carry_out(work: Work, scope: _Scope) -> None:
    try:
        _look(work, scope)
    except BaseException:
        work.writer.flush_quietly()
        raise
    work.writer.flush()


def _finish(work: Work, scope: _Scope, key: str, before: FoundCursor) -> None:
    """Move the cursor; where another run was faster, look again at what both may have written."""
    if work.options.listed_only:
        return
    cursor, is_written = scope.cursor, write_cursor(work.lake.store, key, before, scope.cursor)
    if not is_written:
        log.warning("Another run of this sync went on at the same time; what was moved here is looked at again")
        moved = work.index.claimed_entries()
    for _ in range(0 if is_written else _TRIES):
        # Read first: whoever ends from here on makes the next write fail.
        found = read_cursor(work.lake.store, key)
        _look_again(work, moved)
        cursor = _joined(scope, found.cursor)
        if is_written := write_cursor(work.lake.store, key, found, cursor):
            break
    work.summary.cursor_moved = is_written and cursor.until == scope.until


def _joined(scope: _Scope, found: Cursor | None) -> Cursor:
    """Both have looked from where the cursor was, so all up to the later end is looked at; and each run counts."""
    own = scope.cursor
    if found is None:
        return own
    counted = replace(found, runs_since_full=found.runs_since_full + 1)
    if found.told != own.told:
        # Not by this one, for what that one wants.
        return counted
    since = max(found.created_since, own.created_since)
    later = replace(counted, until=max(found.until, own.until), created_since=since)
    return replace(later, runs_since_full=0) if scope.full else later


def _look_again(work: Work, entry_ids: list[str]) -> None:
    partner_id, options = work.api.config.partner_id, work.options
    index = LakeIndex(work.lake.store, partner_id, options.name, adopt=options.adopt)
    try:
        writer = SyncWriter(work.lake, options.run)
        writer.index = index
        again = replace(work, index=index, writer=writer)
        again.carry_out(entry_ids)
        writer.flush()
    finally:
        index.close()


def _plan(work: Work, scope: _Scope) -> None:
    """Write down all that would be fetched, and do nothing else."""
    with tempfile.TemporaryFile() as spool:

        def keep(job: AssetJob) -> None:
            row = {
                "entryId": job.entry_id,
                "assetId": job.asset_id,
                "version": job.version,
                "sizeBytes": job.size_bytes,
                "path": job.path,
            }
            spool.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")

        work.plan_row = keep
        _look(work, scope)
        if work.summary.planned:
            key = f"{PLAN_FOLDER}/{uuid.uuid4().hex}.jsonl"
            path = work.destination.path(key)
            write_listing(_lines(spool), work.lake, key, path, per_slice=1_000, most_slices=1_000)
            work.summary.report_path = path


def _lines(spool: IO[bytes]) -> Iterator[dict[str, Any]]:
    spool.seek(0)
    for line in spool:
        yield json.loads(line)


def _look(work: Work, scope: _Scope) -> None:
    """Look at the entries that may have changed, at each once."""
    if scope.since is not None:
        work.carry_out(chain(_left_behind(work), _listed(work, scope), _noticed(work, scope.since)))
        return
    is_part = work.options.listed_only
    if not is_part:
        work.carry_out(_left_behind(work))
    if work.options.wants_web:
        work.carry_out(_listed(work, scope))
    else:
        work.carry_out_listed(work.api.list_snapshots(_query(work.options.query, scope), _is_news(work.index)))
    if not is_part:
        work.carry_out(entry_id for entry_id in work.known() if work.index.look(entry_id))


def _left_behind(work: Work) -> Iterator[str]:
    may_remove = not work.options.plan_only
    left = take_intents(work.lake.store, work.index, work.api.config.partner_id, time.time(), may_remove=may_remove)
    yield from (entry_id for entry_id in left if work.index.look(entry_id))


def _listed(work: Work, scope: _Scope) -> Iterator[str]:
    is_news = _is_news(work.index)
    yield from (entry.id for entry in work.api.list_entries(_query(work.options.query, scope)) if is_news(entry))


def _is_news(index: LakeIndex) -> Callable[[Entry], bool]:
    def is_news(entry: Entry) -> bool:
        # A temporary entry is only there to replace the content of another one.
        is_known = entry.status == DELETED and index.state(entry.id) == "gone"
        return not entry.replaced_entry_id and not is_known and index.look(entry.id)

    return is_news


def _noticed(work: Work, since: int) -> Iterator[str]:
    index = work.index
    yield from (entry_id for entry_id in index.entry_ids(waiting=True) if index.look(entry_id))
    changed = work.api.changed_entry_ids(index.entry_ids(), since)
    yield from (entry_id for entry_id in changed if index.look(entry_id))


def _query(query: EntryQuery, scope: _Scope) -> EntryQuery:
    if scope.since is None:
        return replace(query, statuses=(ANY,), updated=(None, None))
    window = (datetime.fromtimestamp(scope.since, UTC), datetime.fromtimestamp(scope.until, UTC))
    return replace(query, statuses=(ANY, DELETED), updated=window)
