"""A library in memory that answers as Kaltura does, moves, and knows what a copy of it should hold."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import SimpleNamespace

from airflow_provider_kaltura.api.errors import NotFoundError
from airflow_provider_kaltura.api.listing import Window, walk
from airflow_provider_kaltura.api.models import Entry, EntrySnapshot, FlavorAsset, FlavorStatus
from tests.unit.ingest.fakes import BytesSource

PARTNER = 102
START = 1_790_000_000
EVERY_STATUS = ("-2", "-1", "0", "1", "2", "4", "5", "6", "7")
#: Pages of the model, so that ties need no 500 entries; tests that use it set it in ``api.listing`` too.
PAGE = 5


def moment(seconds):
    """Make a time."""
    return datetime.fromtimestamp(seconds, UTC)


def not_found(entry_id):
    """Make the error of an entry that is not there."""
    return NotFoundError(f"Entry {entry_id} is not there", "ENTRY_ID_NOT_FOUND")


@dataclass
class Model:
    """
    The library. Lists of entries see each change of an entry ``lag`` seconds later; everything else at once.

    ``now`` is the time of server and workers. ``has_ties`` and ``has_sweep`` switch off what planted bugs leave out.
    """

    seed: int = 0
    lag: int = 0
    now: int = START
    page: int = PAGE
    has_ties: bool = True
    has_sweep: bool = True
    entries: dict = field(default_factory=dict)
    flavors: dict = field(default_factory=dict)
    of_entry: dict = field(default_factory=dict)
    content: dict = field(default_factory=dict)
    index: dict = field(default_factory=dict)
    late: list = field(default_factory=list)
    arrived: dict = field(default_factory=dict)
    touched: int = 0
    born: int = 0
    born_at: int = 0
    opened: list = field(default_factory=list)
    requests: int = 0
    changed_bytes: int = 0
    config: object = field(default_factory=lambda: SimpleNamespace(partner_id=PARTNER))

    def __post_init__(self):
        self.dice = random.Random(self.seed)
        self.count = 0

    # ------------------------------------------------------------------ what happens
    def utcnow(self):
        """Give the time, aware."""
        return moment(self.now)

    def advance(self, seconds):
        """Let time pass; what is due reaches the index."""
        self.now += seconds

    def _touch(self, entry_id, **more):
        entry = replace(self.entries[entry_id], updated_at=moment(self.now), **more)
        self.entries[entry_id] = entry
        self.touched += 1
        self.late.append((self.now + self.dice.randint(0, self.lag), self.touched, entry))

    def _arrive(self):
        due = [one for one in self.late if one[0] <= self.now]
        self.late = [one for one in self.late if one[0] > self.now]
        for _, number, entry in due:
            # What was changed later may have come earlier.
            if self.arrived.get(entry.id, 0) < number:
                self.index[entry.id], self.arrived[entry.id] = entry, number

    def create(self, flavors=2):
        """Add an entry with ready flavors; no second has more of them than can be told apart."""
        self.born = self.born + 1 if self.born_at == self.now else 1
        if self.born > self.page + 3:
            self.advance(1)
            self.born = 1
        self.born_at = self.now
        self.count += 1
        entry_id = f"0_e{self.count:07}"
        created = moment(self.now)
        self.entries[entry_id] = Entry(
            id=entry_id, partner_id=PARTNER, name=f"Talk {self.count}", media_type=1, created_at=created
        )
        self.of_entry[entry_id] = []
        for number in range(flavors):
            self.add_flavor(entry_id, is_original=number == 0)
        self._touch(entry_id)
        return entry_id

    def add_flavor(self, entry_id, *, is_original=False):
        """Give an entry one more flavor; that it is ready moves the entry's time."""
        self.count += 1
        flavor_id = f"0_f{self.count:07}"
        self.of_entry[entry_id].append(flavor_id)
        self.flavors[flavor_id] = FlavorAsset(
            id=flavor_id,
            entry_id=entry_id,
            partner_id=PARTNER,
            status=FlavorStatus.READY,
            flavor_params_id=0 if is_original else self.count,
            is_original=is_original,
            height=self.dice.choice([360, 720, 1080]),
            file_ext="mp4",
        )
        self.replace(flavor_id)
        self._touch(entry_id)

    def replace(self, flavor_id, *, status=FlavorStatus.READY):
        """Give a flavor another file, of its own length now and then: its entry's time does not move."""
        before = self.flavors[flavor_id]
        version = str(int(before.version) + (2 if before.version == "0" else 10))
        length = before.size_bytes if before.size_bytes and self.dice.random() < 0.3 else self.dice.randint(1, 60)
        data = self.dice.randbytes(length)
        self.content[flavor_id, version] = data
        self.changed_bytes += length
        self._change(flavor_id, version=version, size_bytes=length, status=status)

    def reconvert(self, flavor_id):
        """Begin to make a flavor anew; version and size may be told before it is ready."""
        if self.dice.random() < 0.5:
            self.replace(flavor_id, status=FlavorStatus.CONVERTING)
        else:
            self._change(flavor_id, status=FlavorStatus.CONVERTING)

    def finish(self, flavor_id):
        """End what :meth:`reconvert` began, with a new file or without."""
        if self.dice.random() < 0.5:
            self.replace(flavor_id)
        else:
            self._change(flavor_id, status=FlavorStatus.READY)

    def fail(self, flavor_id):
        """Let a flavor fail for good."""
        self._change(flavor_id, status=FlavorStatus.ERROR)

    def _change(self, flavor_id, **more):
        self.flavors[flavor_id] = replace(self.flavors[flavor_id], updated_at=moment(self.now), **more)

    def delete_flavor(self, flavor_id):
        """Delete a flavor, which moves its entry's time."""
        entry_id = self.flavors.pop(flavor_id).entry_id
        self.of_entry[entry_id].remove(flavor_id)
        self._touch(entry_id)

    def update(self, entry_id):
        """Rename an entry."""
        self.count += 1
        self._touch(entry_id, name=f"Renamed {self.count}")

    def set_status(self, entry_id, status):
        """Set an entry's status."""
        self._touch(entry_id, status=status)

    def delete(self, entry_id):
        """Delete an entry and its flavors."""
        for flavor_id in self.of_entry[entry_id]:
            self.flavors.pop(flavor_id)
        self.of_entry[entry_id] = []
        self._touch(entry_id, status="3")

    def alive(self):
        """Give the entries that are not deleted, in order."""
        return [one for one, entry in self.entries.items() if entry.status != "3"]

    def settle(self):
        """End all conversions and make all entries ready."""
        for flavor_id, flavor in list(self.flavors.items()):
            if flavor.status == FlavorStatus.CONVERTING:
                self.finish(flavor_id)
        for entry_id in self.alive():
            if self.entries[entry_id].status != "2":
                self.set_status(entry_id, "2")

    def expected(self):
        """Give what a copy of every flavor holds, by flavor and path."""
        return {
            f"{flavor.entry_id}/{flavor.id}.mp4": self.content[flavor.id, flavor.version]
            for flavor in self.flavors.values()
            if flavor.status in {FlavorStatus.READY, FlavorStatus.EXPORTING}
        }

    def source(self, job):
        """Open the source of a job; old versions are still served."""
        self.opened.append((job.asset_id, job.version))
        return BytesSource(self.content[job.asset_id, job.version], version=job.version)

    # ------------------------------------------------------------------ what Kaltura answers
    def list_entries(self, query):
        """Walk over what the index has."""
        self._arrive()
        statuses = EVERY_STATUS + query.statuses if "any" in query.statuses else query.statuses
        found = [
            entry
            for entry in self.index.values()
            if entry.status in statuses
            and (not query.ids or entry.id in query.ids)
            and (query.updated[0] is None or query.updated[0] <= entry.updated_at)
            and (query.updated[1] is None or entry.updated_at <= query.updated[1])
        ]
        return walk(lambda wanted: self._fetch(found, wanted), _time_of, Window(), {})

    def list_snapshots(self, query, wanted=lambda _: True):
        """Walk over what the index has; the flavors are as they are, asked for when the next page is."""
        pending = []
        for entry in self.list_entries(query):
            pending += [entry] if wanted(entry) else []
            if len(pending) == self.page:
                yield self._with_flavors(pending)
                pending = []
        yield self._with_flavors(pending)

    def _with_flavors(self, entries):
        of_entry = {one.id: sorted(self.of_entry[one.id]) for one in entries}
        return [EntrySnapshot(entry=one, assets=tuple(map(self.flavors.get, of_entry[one.id]))) for one in entries]

    def _fetch(self, found, wanted):
        self.requests += 1
        page = list(found)
        self.dice.shuffle(page)
        hidden = set(wanted.get("idNotIn", "").split(","))
        since = wanted.get("createdAtGreaterThanOrEqual", 0) + (not self.has_ties and "idNotIn" in wanted)
        page = [
            one
            for one in page
            if one.id not in hidden
            and since <= _time_of(one, "createdAt") <= wanted.get("createdAtLessThanOrEqual", 2**40)
            and wanted.get("updatedAtGreaterThanOrEqual", 0) <= _time_of(one, "updatedAt")
            and _time_of(one, "updatedAt") <= wanted.get("updatedAtLessThanOrEqual", 2**40)
        ]
        return sorted(page, key=lambda one: _time_of(one, wanted["orderBy"][1:]))[: self.page]

    def snapshot(self, entry_ids, *, web_playable_for=()):
        """Read entries with their flavors."""
        self.requests += 1
        return {one: self._snapshot(one) for one in entry_ids}

    def _snapshot(self, entry_id):
        entry = self.entries.get(entry_id)
        if entry is None or entry.status == "3":
            return not_found(entry_id)
        assets = tuple(self.flavors[one] for one in sorted(self.of_entry[entry_id]))
        return EntrySnapshot(entry=entry, assets=assets)

    def changed_entry_ids(self, entry_ids, since):
        """Find entries whose flavors changed."""
        self.requests += 1
        for entry_id in entry_ids if self.has_sweep else ():
            times = [self.flavors[one].updated_at.timestamp() for one in self.of_entry.get(entry_id, ())]
            if any(time >= since for time in times):
                yield entry_id

    def gone_flavor_ids(self, flavor_ids):
        """Ask for flavors by id."""
        self.requests += 1
        return frozenset(flavor_ids) - self.flavors.keys()

    def get_flavor_asset(self, flavor_id):
        """Read one flavor."""
        if flavor_id not in self.flavors:
            raise not_found(flavor_id)
        return self.flavors[flavor_id]

    def get_entry(self, entry_id):
        """Read one entry."""
        found = self._snapshot(entry_id)
        if isinstance(found, NotFoundError):
            raise found
        return found.entry


def _time_of(entry, key):
    return int((entry.created_at if key == "createdAt" else entry.updated_at).timestamp())
