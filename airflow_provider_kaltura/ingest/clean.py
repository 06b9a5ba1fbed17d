"""
Remove what uploads have left that nobody will finish.

What is ours is known by its mark (a temporary name that only this package makes) or by a record in
``_kaltura/partial/`` that names it. Everything else is left alone, and so is what was touched lately: a file under way
gives a sign of life at least once a minute while bytes move. Finished files and the manifest are never touched.

Two clean-ups at once do no harm. Nor does one beside a running upload: should its age allow it, that upload fails, and
a retry begins anew.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from airflow_provider_kaltura.ingest.partial import PARTIAL_FOLDER, handles_of, is_partial_key, may_be_for
from airflow_provider_kaltura.ingest.partial_claim import remove_recorded
from airflow_provider_kaltura.ingest.partial_read import Found, read_partial
from airflow_provider_kaltura.ingest.partial_uploads import is_upload_of
from airflow_provider_kaltura.transfer.errors import SinkError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from airflow_provider_kaltura.ingest.lake import Lake
    from airflow_provider_kaltura.transfer.protocols import Leftover, ObjectStat

log = logging.getLogger(__name__)

#: So many of each kind are listed one by one; all are counted.
MOST_ITEMS: Final = 1_000
# A shorter text in recorded state may occur in any name.
_LEAST_HANDLE: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanItem:
    """
    One thing that was found.

    :param kind: ``"record"``, or the kind of a :class:`~airflow_provider_kaltura.transfer.protocols.Leftover`.
    :param key: What it is for, or its own name, below the root.
    :param size_bytes: How much it holds, None where the place doesn't tell.
    :param touched_at: The latest sign of life, aware; None where there is none.
    """

    kind: str
    key: str
    size_bytes: int | None
    touched_at: datetime | None


@dataclass(frozen=True, slots=True)
class CleanGroup:
    """
    Things that met the same end.

    :param count: How many.
    :param size_bytes: How much they hold, as far as the place tells.
    :param items: The first :data:`MOST_ITEMS` of them.
    """

    count: int = 0
    size_bytes: int = 0
    items: tuple[CleanItem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanReport:
    """
    What a clean-up did, or would do.

    :param removed: What is gone now; with ``dry_run`` what would be.
    :param kept_young: Ours, and touched too lately.
    :param kept_foreign: Not shown to be ours.
    :param not_removable: What only the service itself drops (Azure's uncommitted blocks, after 7 days).
    :param failed: What could not be removed; the log says why.
    :param dry_run: Nothing was removed.
    """

    removed: CleanGroup
    kept_young: CleanGroup
    kept_foreign: CleanGroup
    not_removable: CleanGroup
    failed: CleanGroup
    dry_run: bool = False


def clean(
    lake: Lake,
    *,
    older_than: timedelta,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    dry_run: bool = False,
) -> CleanReport:
    """
    Remove what nobody has touched for some time.

    :param lake: Where to look, below its root.
    :param older_than: Least age; 0 removes what is under way too.
    :param now: Gives the time, aware; asked once.
    :param dry_run: Only tell.
    :returns: What was done.
    :raises ValueError: A negative age.
    :raises SinkError: The place can't be listed.
    """
    if older_than.total_seconds() < 0:
        raise ValueError(f"an age is not negative: {older_than}")
    job = _Cleaning(lake, now().timestamp() - older_than.total_seconds(), dry_run=dry_run)
    # Uploads first: the record of one that is begun after that is listed, and tells that it is young.
    leftovers = list(lake.sink.leftovers())
    records = _records(lake, job)
    for leftover in leftovers:
        job.look_at(leftover, _record_of(leftover, records))
    for name, found in records.items():
        try:
            job.look_at_record(name, found)
        except Exception:
            # One record must not stand in the way of all others.
            log.warning("The record %s can't be dealt with", name, exc_info=True)
            job.note("failed", _record_item(name, found.stat, found.stat.modified_at_epoch))
    return job.report()


def _records(lake: Lake, job: _Cleaning) -> dict[str, Found]:
    records: dict[str, Found] = {}
    for stat in list(lake.store.list(f"{PARTIAL_FOLDER}/")):
        if not is_partial_key(stat.key):
            continue
        try:
            found = read_partial(lake.store, stat.key)
        except Exception:
            log.warning("The record %s can't be read", stat.key, exc_info=True)
            job.note("failed", _record_item(stat.key, stat, stat.modified_at_epoch))
            continue
        if found is not None:
            records[stat.key] = found
    return records


def _record_of(leftover: Leftover, records: dict[str, Found]) -> str | None:
    """Find the record that names an upload, or that shows that it can only be ours."""
    return next((name for name, found in records.items() if _belongs(leftover, name, found)), None)


def _belongs(leftover: Leftover, name: str, found: Found) -> bool:
    partial = found.partial
    if partial is None:
        named, key = found.traces.handles, found.traces.key
    else:
        named, key = handles_of(partial.state), partial.key
    if leftover.is_marked:
        is_named = any(len(value) >= _LEAST_HANDLE and value in leftover.handle for value in named)
        return is_named or leftover.key == key
    if partial is None:
        return may_be_for(name, leftover.key)
    return is_upload_of(leftover, partial)


@dataclass(slots=True)
class _Tally:
    count: int = 0
    size_bytes: int = 0
    items: list[CleanItem] = field(default_factory=list)

    def add(self, item: CleanItem) -> None:
        self.count += 1
        self.size_bytes += item.size_bytes or 0
        if len(self.items) < MOST_ITEMS:
            self.items.append(item)

    def group(self) -> CleanGroup:
        return CleanGroup(self.count, self.size_bytes, tuple(self.items))


@dataclass(slots=True)
class _Cleaning:
    lake: Lake
    limit: float
    dry_run: bool
    tallies: dict[str, _Tally] = field(default_factory=dict)
    uploads: dict[str, list[Leftover]] = field(default_factory=dict)

    def look_at(self, leftover: Leftover, record: str | None) -> None:
        """Decide about an upload; what a record names is decided together with that."""
        if not leftover.is_removable:
            self.note("not_removable", _item(leftover))
        elif record is not None:
            self.uploads.setdefault(record, []).append(leftover)
        elif not leftover.is_marked:
            self.note("kept_foreign", _item(leftover))
        elif not self.is_old(leftover.touched_at_epoch):
            self.note("kept_young", _item(leftover))
        else:
            self.remove(leftover, _item(leftover))

    def look_at_record(self, name: str, found: Found) -> None:
        """Decide about a record and its uploads: as old as the youngest sign of life of any."""
        uploads = self.uploads.pop(name, [])
        touched = [one.touched_at_epoch for one in uploads]
        if found.partial is None:
            touched.append(found.stat.modified_at_epoch)
        else:
            touched.append(found.partial.touched_at_epoch)
        latest = max((one for one in touched if one is not None), default=None)
        items = [_item(one, latest) for one in uploads]
        own = _record_item(name, found.stat, latest)
        if found.partial is None and not _is_understood(found, uploads):
            for item in (*items, own):
                self.note("kept_foreign", item)
            return
        if not self.is_old(latest):
            for item in (*items, own):
                self.note("kept_young", item)
            return
        if self._still_stands(name, found):
            gone = [self.remove(one, item) for one, item in zip(uploads, items, strict=True)]
            # A record whose upload is still there is all that shows whose it is.
            is_gone = all(gone) and (self.dry_run or remove_recorded(self.lake, name, found, time.time))
            self.note("removed" if is_gone else "failed", own)
        else:
            for item in (*items, own):
                self.note("kept_young", item)

    def remove(self, leftover: Leftover, item: CleanItem) -> bool:
        """Remove an upload, and say whether it is gone."""
        try:
            if not self.dry_run:
                self.lake.sink.remove_leftover(leftover)
        except Exception as error:
            # One upload must not stand in the way of all others.
            is_odd = not isinstance(error, SinkError)
            log.warning("An upload of %s can't be removed: %s", leftover.key, error, exc_info=is_odd)
            self.note("failed", item)
            return False
        self.note("removed", item)
        return True

    def _still_stands(self, name: str, found: Found) -> bool:
        """Look once more: a retry may have gone on with it since it was listed."""
        stat = self.lake.store.stat(name)
        return stat is not None and stat.version_tag == found.stat.version_tag

    def is_old(self, touched_at_epoch: float | None) -> bool:
        return touched_at_epoch is not None and touched_at_epoch <= self.limit

    def note(self, end: str, item: CleanItem) -> None:
        self.tallies.setdefault(end, _Tally()).add(item)

    def report(self) -> CleanReport:
        groups = {end: tally.group() for end, tally in self.tallies.items()}
        return CleanReport(
            removed=groups.get("removed", CleanGroup()),
            kept_young=groups.get("kept_young", CleanGroup()),
            kept_foreign=groups.get("kept_foreign", CleanGroup()),
            not_removable=groups.get("not_removable", CleanGroup()),
            failed=groups.get("failed", CleanGroup()),
            dry_run=self.dry_run,
        )


def _is_understood(found: Found, uploads: list[Leftover]) -> bool:
    """Tell whether nothing is lost by removing a record that can't be read whole: only it may lead to an upload."""
    if found.traces.is_foreign:
        return False
    return all(one.is_marked or one.handle in found.traces.handles for one in uploads)


def _record_item(name: str, stat: ObjectStat, touched_at_epoch: float | None) -> CleanItem:
    return CleanItem(kind="record", key=name, size_bytes=stat.size_bytes, touched_at=_time(touched_at_epoch))


def _item(leftover: Leftover, touched_at_epoch: float | None = None) -> CleanItem:
    touched = leftover.touched_at_epoch if touched_at_epoch is None else touched_at_epoch
    return CleanItem(
        kind=leftover.kind,
        key=leftover.key,
        size_bytes=leftover.size_bytes,
        touched_at=_time(touched),
    )


def _time(epoch: float | None) -> datetime | None:
    try:
        return None if epoch is None else datetime.fromtimestamp(epoch, UTC)
    except (OverflowError, ValueError, OSError):
        return None  # a file may bear any time, that of no calendar too
