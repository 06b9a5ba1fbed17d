"""
What is known about the files in a lake.

Below the root: ``_kaltura/manifest/dt=<utc date>/<run>-<task>-<map>-<try>-<uuid>-<n>.jsonl``. The files are immutable,
so writers never meet. One row tells what became of one (partner, asset type, asset, path); it is written only after the
file stands under its final name. The newest row of a path that says that a file stands (``downloaded``, ``adopted``,
``replaced``) is the truth about it, by ``observedAt``, then file name, then line; a row that says ``failed`` never
hides it, one that says ``deleted`` does, since that file was removed. ``skipped`` gets no row: it would say once more
what the standing row says, for every unchanged file.

Two writers of one path, or a clock that is ahead, can put rows into another order than files. So a row carries the
``versionTag`` of its file, and the one whose tag is that of the file that stands goes before newer ones; of the same
file, whoever fetched it knows better than whoever adopted it. A lake that was copied has other tags: its file is then
read back once, compared with its row's checksum, and gets a new row.

A line that can't be read (damaged, or of a newer schema) is passed over and counted. What other rows say still holds.
But :attr:`Manifest.is_damaged` then forbids to adopt an unrecorded file by its length alone: the lost line may have
said that other bytes stand there. Such a file is fetched again, which ends with the right bytes and a row either way.
"""

from __future__ import annotations

import logging
import re
import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from airflow_provider_kaltura.ingest.destination import STATE_FOLDER
from airflow_provider_kaltura.ingest.manifest_row import DELETED, STANDING, ManifestRow
from airflow_provider_kaltura.ingest.safe_names import slug
from airflow_provider_kaltura.transfer.errors import ObjectMissingError, SinkError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from airflow_provider_kaltura.ingest.lake import Lake
    from airflow_provider_kaltura.ingest.models import Outcome, RunOptions
    from airflow_provider_kaltura.transfer.protocols import Store

log = logging.getLogger(__name__)

_Kept: TypeAlias = tuple[datetime, str, int, ManifestRow]

MANIFEST_FOLDER: Final = f"{STATE_FOLDER}/manifest"
MAX_ROWS: Final = 100
MAX_AGE_SECONDS: Final = 30.0
# Of one path, each about another file: what is forgotten costs reading the file back or fetching it.
_ROWS_OF_A_PATH: Final = 4

_FILE: Final = re.compile(rf"{MANIFEST_FOLDER}/dt=\d{{4}}-\d\d-\d\d/[^/]+\.jsonl")
_PATH: Final = re.compile(rb'"path":"([^"\\]*)"')
_LOGGED_LINES: Final = 10
# json gives up on deep nesting with RecursionError, datetime on the year 0 with OverflowError.
_UNREADABLE: Final = (ValueError, RecursionError, OverflowError)


class Records(Protocol):
    """What is recorded about a lake, as far as a run asks; :class:`Manifest` is one."""

    @property
    def is_damaged(self) -> bool:
        """What is unrecorded may have been recorded."""

    def standing(self, path: str, version_tag: str | None = None) -> ManifestRow | None:
        """See :meth:`Manifest.standing`."""

    def add(self, row: ManifestRow) -> None:
        """See :meth:`Manifest.add`."""


class Manifest:
    """
    The newest standing rows of each path.

    :param store: Where the lake's small objects are.
    :param paths: Only rows of these paths are read and kept; None keeps all (about 1 KB each).
    :raises SinkError: It can't be read, or changed meanwhile.
    """

    def __init__(self, store: Store, paths: Collection[str] | None = None) -> None:
        self.unreadable_lines = 0
        self._paths = None if paths is None else frozenset(paths)
        self._raw_paths = frozenset(path.encode(errors="surrogatepass") for path in paths or ())
        self._standing: dict[str, list[_Kept]] = {}
        for key, data in manifest_files(store):
            self._read_file(key, data)
        if self.unreadable_lines:
            log.warning("Passed over %d manifest lines that can't be read", self.unreadable_lines)

    @property
    def is_damaged(self) -> bool:
        """Something in the manifest could not be read, so what is unrecorded may have been recorded."""
        return self.unreadable_lines > 0

    @property
    def paths(self) -> list[str]:
        """The paths of which a row says that a file stands, in order."""
        return sorted(path for path in self._standing if self.standing(path) is not None)

    def standing(self, path: str, version_tag: str | None = None) -> ManifestRow | None:
        """
        Say what stands at a path according to the manifest.

        :param path: Relative to the root.
        :param version_tag: That of the file that stands there; its own row goes before newer ones.
        :returns: The newest row that says that a file stands, or None.
        """
        found = [kept[-1] for kept in self._standing.get(path, ())]
        own = (row for row in found if version_tag is not None and row.version_tag == version_tag)
        row = next(own, found[0] if found else None)
        return None if row is None or row.outcome == DELETED else row

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
            row = read_line(line)
            if row is not None:
                self._keep(row, name, number)
                continue
            self.unreadable_lines += 1
            if self.unreadable_lines <= _LOGGED_LINES:
                log.warning("Manifest %s, line %d can't be read", key, number)

    def _is_about_others(self, line: bytes) -> bool:
        # Thirty times as fast as reading the line. A path with escapes in it is not told apart here.
        found = None if self._paths is None else _PATH.search(line)
        return found is not None and found[1] not in self._raw_paths

    def _keep(self, row: ManifestRow, name: str, number: int) -> None:
        is_other = self._paths is not None and row.path not in self._paths
        if is_other or (row.outcome not in STANDING and row.outcome != DELETED):
            return
        kept: list[_Kept] = [*self._standing.get(row.path, ()), (row.observed_at, name, number, row)]
        kept.sort(key=lambda one: one[:3], reverse=True)
        by_file: dict[str | None, _Kept] = {}
        for one in kept:
            newest = by_file.setdefault(one[-1].version_tag, one)
            is_fetched = one[-1].outcome not in {"adopted", DELETED}
            if newest[-1].outcome == "adopted" and is_fetched and newest[-1].version_tag is not None:
                # It says what the file is; the newer one says when it was seen last.
                by_file[newest[-1].version_tag] = (*newest[:3], one[-1])
        self._standing[row.path] = list(by_file.values())[:_ROWS_OF_A_PATH]


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
        return self.add_row(ManifestRow.of(outcome, self._utcnow()), newer_than=newer_than)

    def add_row(self, row: ManifestRow, *, newer_than: datetime | None = None) -> ManifestRow:
        """
        Take a row that is observed now.

        :param row: The row; its time does not count.
        :param newer_than: See :meth:`add`.
        :returns: The row that will be written.
        """
        if not self._rows:
            self._oldest = self._monotonic()
        observed_at = self._utcnow()
        if newer_than is not None and newer_than >= observed_at:
            observed_at = newer_than + timedelta(microseconds=1)
        row = replace(row, observed_at=observed_at)
        self._rows.append(row)
        self.tick()
        return row

    @property
    def is_flushed(self) -> bool:
        """Every row so far is written."""
        return not self._rows

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


def manifest_files(store: Store) -> Iterator[tuple[str, bytes]]:
    """
    Read the files of a manifest, one after the other.

    :param store: Where the lake's small objects are.
    :yields: Key and bytes, in order of key.
    :raises SinkError: It can't be read, or changed meanwhile.
    """
    for stat in store.list(f"{MANIFEST_FOLDER}/"):
        if _FILE.fullmatch(stat.key):
            yield stat.key, _read(store, stat.key)


def read_line(line: bytes) -> ManifestRow | None:
    """
    Read one line of a manifest.

    :param line: Its bytes.
    :returns: The row; None when it is damaged, or of a newer schema.
    """
    try:
        return ManifestRow.from_json(line)
    except _UNREADABLE:
        return None


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
            row = read_line(line)
            if row is not None:
                yield row
