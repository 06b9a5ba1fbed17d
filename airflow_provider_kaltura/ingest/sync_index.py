"""
What a manifest says about all of a lake, in constant memory: a private SQLite database in a temporary file.

About 300 bytes on the worker's disk for each row; it is gone when the process ends. Besides the rows of files there are
rows about entries (``assetType`` is ``"entry"``, no path, ``version`` the name of the sync), which say what a sync has
seen of an entry: ``seen``, ``waiting`` for something still to come, or ``gone``.
"""

from __future__ import annotations

import logging
import operator
import sqlite3
import time
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

from airflow_provider_kaltura.ingest.manifest import manifest_files, read_line
from airflow_provider_kaltura.ingest.manifest_row import DELETED, MARKED, STANDING, ManifestRow
from airflow_provider_kaltura.ingest.plan import FLAVOR
from airflow_provider_kaltura.transfer.errors import SinkError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airflow_provider_kaltura.transfer.protocols import Store

log = logging.getLogger(__name__)

State: TypeAlias = Literal["seen", "waiting", "gone"]

ENTRY: Final = "entry"
STATES: Final = frozenset({"seen", "waiting", "gone"})

_COLUMNS: Final = tuple(field.name for field in fields(ManifestRow))
# dataclasses.astuple copies every value deeply.
_VALUES: Final = operator.attrgetter(*_COLUMNS)
_TIMES: Final = ("observed_at", "source_updated_at")
_FETCHED: Final = STANDING - {"adopted"}
_OF_FILES: Final = STANDING | {DELETED, MARKED}
_NEWEST_FIRST: Final = "ORDER BY observed_at DESC, file DESC, line DESC"
_KNOWN_AT_ONCE: Final = 2_000
_PUT: Final = f"INSERT INTO rows VALUES ({', '.join('?' * (len(_COLUMNS) + 2))})"  # noqa: S608 - fixed texts
_PUT_STATE: Final = (
    "INSERT INTO states VALUES (?, ?, ?, ?, ?) ON CONFLICT (entry_id) DO UPDATE SET state = excluded.state, "
    "observed_at = excluded.observed_at, file = excluded.file, line = excluded.line "
    "WHERE (excluded.observed_at, excluded.file, excluded.line) >= (observed_at, file, line)"
)


class LakeIndex:
    """
    The rows of a lake, found by path and by entry.

    :param store: Where the lake's small objects are.
    :param partner_id: The account that a sync is about.
    :param name: The sync's name.
    :param adopt: Whether a file that nobody recorded may be taken for the right one by its length alone.
    :raises SinkError: The manifest can't be read, or changed meanwhile.
    """

    def __init__(self, store: Store, partner_id: int, name: str, *, adopt: bool = False) -> None:
        self.unreadable_lines = 0
        self._partner_id = partner_id
        self._name = name
        #: What came later may be in the lake, and not be known here.
        self.read_at_epoch = time.time()
        self._adopt = adopt
        self._knows_what_stands = False
        # An empty name is a private file that SQLite removes; our use of it is never at the same time.
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._db.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
            f"CREATE TABLE rows ({', '.join(_COLUMNS)}, file, line);"
            "CREATE TABLE states (entry_id PRIMARY KEY, state, observed_at, file, line) WITHOUT ROWID;"
            "CREATE TABLE looked (entry_id PRIMARY KEY) WITHOUT ROWID;"
            "CREATE TABLE claims (path PRIMARY KEY, asset_id) WITHOUT ROWID;"
            "CREATE TABLE seen (path PRIMARY KEY) WITHOUT ROWID;"
        )
        self._db.execute("BEGIN")
        for key, data in manifest_files(store):
            self._read_file(key.rpartition("/")[2], data)
        self._db.execute("COMMIT")
        self._db.execute("CREATE INDEX by_path ON rows (path)")
        self._db.execute("CREATE INDEX by_entry ON rows (entry_id)")
        if self.unreadable_lines:
            log.warning("Passed over %d manifest lines that can't be read", self.unreadable_lines)

    @property
    def name(self) -> str:
        """The sync's name."""
        return self._name

    @property
    def is_damaged(self) -> bool:
        """What is unrecorded may have been recorded, or may not be taken for what it seems to be."""
        return self.unreadable_lines > 0 or not self._adopt

    def close(self) -> None:
        """Give the temporary file up."""
        self._db.close()

    # ------------------------------------------------------------------ rows
    def standing(self, path: str, version_tag: str | None = None) -> ManifestRow | None:
        """
        Say what stands at a path; see :meth:`~airflow_provider_kaltura.ingest.manifest.Manifest.standing`.

        :param path: Relative to the root.
        :param version_tag: That of the file that stands there; its own row goes before newer ones.
        :returns: The newest row that says that a file stands, or None.
        """
        found = [row for row in self._rows_of(path) if row.outcome != MARKED]
        own = [row for row in found if version_tag is not None and row.version_tag == version_tag]
        newest = next(iter(own or found), None)
        if newest is not None and newest.outcome == "adopted" and newest.version_tag is not None:
            # Whoever fetched a file knows better than whoever adopted it.
            same = (row for row in found if row.version_tag == newest.version_tag)
            newest = next((row for row in same if row.outcome in _FETCHED), newest)
        return None if newest is None or newest.outcome == DELETED else newest

    def is_marked(self, path: str) -> bool:
        """
        Tell whether the file at a path is known to be gone from Kaltura.

        :param path: Relative to the root.
        :returns: True when that is the last that was said.
        """
        return any(row.outcome == MARKED for row in self._rows_of(path)[:1])

    def add(self, row: ManifestRow) -> None:
        """
        Take a row of the task itself.

        :param row: The row.
        """
        self._keep(row, "", 0)
        if self._knows_what_stands:
            self._db.execute("INSERT OR IGNORE INTO seen VALUES (?)", [row.path])

    def see(self, store: Store) -> None:
        """
        Look which files are there, once: one that was deleted by hand is in the manifest still.

        :param store: The store that the manifest was read from, before.
        """
        if self._knows_what_stands or self._db.execute("SELECT 1 FROM rows LIMIT 1").fetchone() is None:
            return
        self._db.execute("BEGIN")
        try:
            self._db.executemany("INSERT OR IGNORE INTO seen VALUES (?)", ([stat.key] for stat in store.list("")))
        except SinkError as error:
            self._db.execute("ROLLBACK")
            log.warning("The lake can't be listed, so that nobody looks for files deleted by hand: %s", error)
            return
        self._db.execute("COMMIT")
        self._knows_what_stands = True

    def stands(self, path: str) -> bool:
        """
        Tell whether a recorded file is there.

        :param path: Relative to the root.
        :returns: True also when nobody looked; see :meth:`see`.
        """
        if not self._knows_what_stands:
            return True
        return self._db.execute("SELECT 1 FROM seen WHERE path = ?", [path]).fetchone() is not None

    def newest_at(self, row: ManifestRow) -> datetime | None:
        """
        Tell how new a row must be to count.

        :param row: One that is to be written.
        :returns: The time of the newest row of the same path or entry, None when there is none.
        """
        if row.asset_type == ENTRY:
            found = self._db.execute("SELECT observed_at FROM states WHERE entry_id = ?", [row.entry_id]).fetchone()
        else:
            found = self._db.execute("SELECT max(observed_at) FROM rows WHERE path = ?", [row.path]).fetchone()
        return None if found is None or found[0] is None else datetime.fromisoformat(found[0])

    def files_of(self, entry_id: str) -> list[ManifestRow]:
        """
        Give the flavors of an entry that stand in the lake.

        :param entry_id: The entry.
        :returns: One row per path, the newest first; ``outcome`` is ``"marked"`` where it is known to be gone.
        """
        paths = self._db.execute(
            "SELECT DISTINCT path FROM rows WHERE entry_id = ? AND partner_id = ? AND asset_type = ?",
            [entry_id, self._partner_id, FLAVOR],
        ).fetchall()
        rows = [row for (path,) in paths if (row := self.standing(path)) is not None]
        # A name that was a flavor's may be another asset's by now.
        wanted = (self._partner_id, entry_id, FLAVOR)
        mine = [row for row in rows if (row.partner_id, row.entry_id, row.asset_type) == wanted]
        mine = [replace(row, outcome=MARKED) if self.is_marked(row.path) else row for row in mine]
        return sorted(mine, key=lambda row: (row.observed_at, row.path), reverse=True)

    def own_files_of(self, entry_id: str) -> list[ManifestRow]:
        """
        Give those of :meth:`files_of` that this sync put there; what others did is not for it to remove.

        :param entry_id: The entry.
        :returns: One row per path, the newest first.
        """
        return [row for row in self.files_of(entry_id) if row.sync == self._name]

    # ------------------------------------------------------------------ entries
    def state(self, entry_id: str) -> State | None:
        """
        Say what is known of an entry.

        :param entry_id: The entry.
        :returns: None for one that this sync has not seen.
        """
        found = self._db.execute("SELECT state FROM states WHERE entry_id = ?", [entry_id]).fetchone()
        return None if found is None else cast("State", found[0])

    def is_first(self) -> bool:
        """Tell whether the sync has not seen any entry."""
        return self._db.execute("SELECT 1 FROM states LIMIT 1").fetchone() is None

    def entry_ids(self, *, waiting: bool = False) -> Iterator[str]:
        """
        Walk over the known entries that are not gone and were not looked at, while both may change.

        :param waiting: Only those that wait for something.
        :yields: Ids, in order.
        """
        yield from self._ids_where("state = 'waiting'" if waiting else "state <> 'gone'")

    def gone_ids(self) -> Iterator[str]:
        """
        Walk over the entries that are gone, of which this sync has put files there; they may have been removed.

        :yields: Ids, in order.
        """
        yield from self._ids_where("state = 'gone' AND entry_id IN (SELECT entry_id FROM rows)")

    def _ids_where(self, wanted: str) -> Iterator[str]:
        query = (
            f"SELECT entry_id FROM states WHERE entry_id > ? AND {wanted} "  # noqa: S608 - fixed texts
            f"AND entry_id NOT IN (SELECT entry_id FROM looked) ORDER BY entry_id LIMIT {_KNOWN_AT_ONCE}"
        )
        last = ""
        while found := self._db.execute(query, [last]).fetchall():
            yield from (entry_id for (entry_id,) in found)
            last = found[-1][0]

    def look(self, entry_id: str) -> bool:
        """
        Note that an entry is looked at by this run.

        :param entry_id: The entry.
        :returns: False when it has been before.
        """
        return self._db.execute("INSERT OR IGNORE INTO looked VALUES (?)", [entry_id]).rowcount == 1

    def claim(self, path: str, asset_id: str) -> str:
        """
        Take a path for an asset, for the time of this run.

        :param path: Relative to the root.
        :param asset_id: Who wants it.
        :returns: Who has it: *asset_id*, or the one that came before.
        """
        self._db.execute("INSERT OR IGNORE INTO claims VALUES (?, ?)", [path, asset_id])
        return str(self._db.execute("SELECT asset_id FROM claims WHERE path = ?", [path]).fetchone()[0])

    def claimed_entries(self) -> list[str]:
        """
        Give the entries of which a path was claimed.

        :returns: Their ids.
        """
        found = self._db.execute("SELECT DISTINCT entry_id FROM rows WHERE path IN (SELECT path FROM claims)")
        return sorted(str(entry_id) for (entry_id,) in found)

    # ------------------------------------------------------------------ reading
    def _read_file(self, file: str, data: bytes) -> None:
        for number, line in enumerate(data.split(b"\n"), 1):
            if not line.strip():
                continue
            row = read_line(line)
            if row is None:
                self.unreadable_lines += 1
            else:
                self._keep(row, file, number)

    def _keep(self, row: ManifestRow, file: str, line: int) -> None:
        if row.asset_type == ENTRY:
            if row.outcome in STATES and (row.partner_id, row.version) == (self._partner_id, self._name):
                self._db.execute(_PUT_STATE, [row.entry_id, row.outcome, _text(row.observed_at), file, line])
        elif row.outcome in _OF_FILES:
            values = [_text(value) if isinstance(value, datetime) else value for value in _VALUES(row)]
            self._db.execute(_PUT, [*values, file, line])

    def _rows_of(self, path: str) -> list[ManifestRow]:
        columns = ", ".join(_COLUMNS)
        query = f"SELECT {columns} FROM rows WHERE path = ? {_NEWEST_FIRST}"  # noqa: S608 - fixed texts
        return [_row(values) for values in self._db.execute(query, [path])]


def _text(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="microseconds")


def _row(values: Iterable[Any]) -> ManifestRow:
    named = dict(zip(_COLUMNS, values, strict=True))
    for name in _TIMES:
        named[name] = None if named[name] is None else datetime.fromisoformat(named[name])
    return ManifestRow(**named)
