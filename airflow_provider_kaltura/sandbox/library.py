"""
The state of the server, in memory: partners, entries, assets, files, profiles, tokens, and a clock.

Objects are plain dicts in the shape of Kaltura's JSON answers. Texts may contain ``{BASE}`` and the like for the
server's own address; they are filled in when an object is shown.
"""

from __future__ import annotations

import contextlib
import hashlib
import heapq
import itertools
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow_provider_kaltura.sandbox import content
from airflow_provider_kaltura.sandbox.lag import Lag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping

    from airflow_provider_kaltura.sandbox.index import Index
    from airflow_provider_kaltura.sandbox.lag import Change
    from airflow_provider_kaltura.sandbox.urls import SignedUrls

Json = dict[str, Any]
DELETED = 3
_READY = 2
FLAVOR, CAPTION, THUMB, ATTACHMENT = "flavor", "caption", "thumb", "attachment"
KINDS = (FLAVOR, CAPTION, THUMB, ATTACHMENT)


@dataclass
class Partner:
    """An account with its secrets; *max_expiry_seconds* limits ``session.start`` when the library says so."""

    id: int
    secret: str = field(repr=False)
    admin_secret: str = field(repr=False)
    name: str = ""
    is_active: bool = True
    default_conversion_profile_id: int | None = None
    max_expiry_seconds: int = 86400


@dataclass
class StoredFile:
    """The bytes of one version of an object: given ones, or made from a seed."""

    object_id: str
    version: str
    size_bytes: int
    ext: str
    data: bytes | None = None
    seed: str = ""
    is_deleted: bool = False

    def __post_init__(self) -> None:
        self.seed = self.seed or f"{self.object_id}/{self.version}"

    def pieces(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes ``[start, stop)`` in pieces of at most 1 MiB."""
        if self.data is None:
            yield from content.pieces(self.seed, start, min(stop, self.size_bytes))
            return
        for first in range(start, min(stop, self.size_bytes), content.TILE_BYTES):
            yield self.data[first : min(first + content.TILE_BYTES, stop, self.size_bytes)]

    def read(self, start: int = 0, stop: int | None = None) -> bytes:
        """Return the bytes ``[start, stop)``; the whole file by default."""
        return b"".join(self.pieces(start, self.size_bytes if stop is None else stop))

    def sha256(self) -> str:
        """Return the digest of the whole file, in hexadecimal."""
        digest = hashlib.sha256()
        for piece in self.pieces(0, self.size_bytes):
            digest.update(piece)
        return digest.hexdigest()


@dataclass(frozen=True)
class Place:
    """Where the server stands as the client sees it; fills ``{BASE}``, ``{BASES}``, ``{HOST}``, ``{HOST_QUOTED}``."""

    scheme: str
    host: str

    @property
    def base(self) -> str:
        """Scheme and host, without a final slash."""
        return f"{self.scheme}://{self.host}"

    def fill(self, value: Any) -> Any:
        """Return *value* with the placeholders of all its texts filled in."""
        if isinstance(value, str):
            return self._fill_text(value) if "{" in value else value
        if isinstance(value, dict):
            return {key: self.fill(item) for key, item in value.items()}
        return [self.fill(item) for item in value] if isinstance(value, list) else value

    def _fill_text(self, text: str) -> str:
        text = text.replace("{BASE}", f"{self.scheme}://{self.host}")
        if "{" not in text:
            return text
        text = text.replace("{BASES}", f"https://{self.host}").replace("{HOST}", self.host)
        return text.replace("{HOST_QUOTED}", quote(self.host, safe=""))


class Library:
    """
    Everything that the server knows.

    :param clock: Gives the time in seconds since the epoch; tests pass their own.
    :param version: What ``system.getVersion`` answers.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time, version: str = "Sandbox-1.0.0") -> None:
        self.clock = clock
        self.version = version
        self.partners: dict[int, Partner] = {}
        self.lock = threading.RLock()
        self.lag = Lag()
        self.index: Index | None = None
        self._entries: dict[str, Json] = {}
        self.entries: Mapping[str, Json] = self._entries
        self.partner_entries: dict[int, list[Json]] = {}
        self.not_indexed: set[str] = set()
        self.assets: dict[str, MutableMapping[str, Json]] = {kind: {} for kind in KINDS}
        self.entry_assets: dict[str, MutableMapping[str, list[Json]]] = {kind: {} for kind in KINDS}
        self.files: MutableMapping[tuple[str, str], StoredFile] = {}
        self.flavor_params: dict[int, Json] = {}
        self.conversion_profiles: dict[int, Json] = {}
        self.conversion_profile_asset_params: list[Json] = []
        self.access_control_profiles: dict[int, Json] = {}
        self.categories: dict[int, Json] = {}
        self.category_entries: list[Json] = []
        self.custom_metadata: list[Json] = []
        self.app_tokens: dict[str, Json] = {}
        self.property_order: dict[str, list[str]] = {}
        self.shorten_sessions = False
        self.signed_urls: SignedUrls | None = None
        self.finished_flavors: dict[str, Json] = {}
        self.been_ready: set[str] = set()
        self.hidden_files: dict[str, StoredFile] = {}
        self._settling_at: float | None = None
        self._changes: list[tuple[float, int, str, Callable[[], None]]] = []
        self._numbers = itertools.count()

    # ------------------------------------------------------------------ time
    @property
    def seconds(self) -> float:
        """The library's time; while changes are carried out that were due before, that for which they were."""
        return self.clock() if self._settling_at is None else self._settling_at

    @property
    def now(self) -> int:
        """The library's time in whole seconds."""
        return int(self.seconds)

    def after(self, seconds: float, change: Callable[[], None], about: str = "") -> None:
        """Have *change* happen (to the object *about*) when the clock has moved on by *seconds*."""
        with self.lock:
            heapq.heappush(self._changes, (self.seconds + seconds, next(self._numbers), about, change))

    def forget_changes(self, about: str) -> None:
        """Drop what is still to happen to an object."""
        with self.lock:
            self._changes = [change for change in self._changes if change[2] != about]
            heapq.heapify(self._changes)

    def settle(self) -> None:
        """Carry out the changes that are due; the server does it before each request."""
        with self.lock:
            until = self.clock()
            while self._changes and self._changes[0][0] <= until:
                self._settling_at, _, _, change = heapq.heappop(self._changes)
                try:
                    change()
                finally:
                    self._settling_at = None
            self._reindex(self.lag.arrivals(until))

    def release_index(self, entry_id: str | None = None) -> None:
        """Have the index see an entry as it is now, or all entries."""
        with self.lock:
            self._reindex(self.lag.release(entry_id))

    def _reindex(self, changes: Iterable[Change]) -> None:
        for _, before, after in changes:
            if self.index is not None:
                self.index.replace(before, after)

    def _note_change(self, entry_id: str, before: Json | None, after: Json) -> None:
        if not self.lag.hides(self.seconds, entry_id, before, after):
            self._reindex([(entry_id, before, after)])

    # ------------------------------------------------------------------ changes
    @contextlib.contextmanager
    def changing(self, entry_id: str) -> Iterator[Json]:
        """
        Give an entry to be changed; the index learns of it when the context ends, or later if it lags.

        :param entry_id: Its id.
        :yields: The entry.
        """
        with self.lock:
            entry = self._entry_to_change(entry_id)
            before = dict(entry)
            yield entry
            self._store_entry(entry)
            self._note_change(entry_id, before, entry)

    @contextlib.contextmanager
    def changing_asset(self, kind: str, asset_id: str) -> Iterator[Json]:
        """
        Give an asset to be changed.

        :param kind: One of `KINDS`.
        :param asset_id: Its id.
        :yields: The asset.
        """
        with self.lock:
            asset = self._asset_to_change(kind, asset_id)
            yield asset
            self._store_asset(kind, asset)

    def _asset_to_change(self, kind: str, asset_id: str) -> Json:
        return self.assets[kind][asset_id]

    def _store_asset(self, kind: str, asset: Json) -> None:
        """Keep a changed asset; here it is the stored one itself."""

    def _entry_to_change(self, entry_id: str) -> Json:
        return self.entries[entry_id]

    def _store_entry(self, entry: Json) -> None:
        """Keep a changed entry; here it is the stored one itself."""

    def indexed_entries(self, partner_id: int) -> list[Json]:
        """Return a partner's entries as the index has them, in order of insertion."""
        entries, seen = self.partner_entries.get(partner_id, []), self.lag.seen
        if not seen:
            return entries
        indexed = (seen.get(entry["id"], entry) for entry in entries)
        return [entry for entry in indexed if entry is not None]

    # ------------------------------------------------------------------ objects
    def add_entry(self, entry: Json) -> Json:
        """Store *entry* as the newest of its partner."""
        with self.lock:
            self._keep_entry(entry)
            self._note_change(entry["id"], None, entry)
        return entry

    def _keep_entry(self, entry: Json) -> None:
        self._entries[entry["id"]] = entry
        self.partner_entries.setdefault(entry["partnerId"], []).append(entry)

    def add_asset(self, kind: str, asset: Json) -> Json:
        """Store *asset*, an object of one of `KINDS`."""
        with self.lock:
            if asset["status"] == _READY:
                self.been_ready.add(asset["id"])
            self.assets[kind][asset["id"]] = asset
            self._link_asset(kind, asset)
        return asset

    def _link_asset(self, kind: str, asset: Json) -> None:
        self.entry_assets[kind].setdefault(asset["entryId"], []).append(asset)

    def category_entries_of(self, entry_ids: Iterable[str] | None) -> Iterable[Json]:
        """Return which of these entries, by default of all, stand in which categories."""
        if entry_ids is None:
            return self.category_entries
        wanted = frozenset(entry_ids)
        return [item for item in self.category_entries if item["entryId"] in wanted]

    def remove_asset(self, kind: str, asset_id: str) -> None:
        """Delete an asset: from now on its id is unknown, and its files are gone."""
        asset = self.assets[kind].pop(asset_id)
        self.entry_assets[kind][asset["entryId"]].remove(asset)
        for (object_id, _), file in self.files.items():
            file.is_deleted = file.is_deleted or object_id == asset_id

    def add_file(self, file: StoredFile) -> StoredFile:
        """Store a file; one of the same object and version is replaced."""
        self.files[file.object_id, file.version] = file
        return file

    def entry(self, entry_id: str, partner_id: int | None) -> Json | None:
        """Return an entry of the partner that isn't deleted."""
        entry = self.entries.get(entry_id)
        visible = entry is not None and entry["partnerId"] == partner_id and str(entry["status"]) != str(DELETED)
        return entry if visible else None

    def has_entry(self, entry_id: str, partner_id: int | None) -> bool:
        """Whether there is an entry of the partner that isn't deleted."""
        return self.entry(entry_id, partner_id) is not None

    def asset(self, kind: str, asset_id: str, partner_id: int | None) -> Json | None:
        """Return an asset of the partner whose entry isn't deleted."""
        asset = self.assets[kind].get(asset_id)
        if asset is None or asset["status"] == DELETED or not self.has_entry(asset["entryId"], partner_id):
            return None
        return asset

    def has_been_ready(self, asset_id: str) -> bool:
        """Whether an asset has ever been READY."""
        return asset_id in self.been_ready

    def assets_of(self, kind: str, entry_ids: Iterable[str], partner_id: int | None) -> list[Json]:
        """Return the assets of these entries, as far as they are the partner's and not deleted."""
        return [
            asset
            for entry_id in entry_ids
            if self.has_entry(entry_id, partner_id)
            for asset in self.entry_assets[kind].get(entry_id, ())
            if asset["status"] != DELETED
        ]

    def file(self, object_id: str, version: object) -> StoredFile | None:
        """Return the stored file of an object at *version*; None when there is none, or it was deleted."""
        file = self.files.get((object_id, str(version)))
        return None if file is None or file.is_deleted else file

    def flavor_params_name(self, flavor_params_id: int) -> str:
        """Return the name of a flavor params object, "" when it doesn't exist."""
        return str(self.flavor_params.get(flavor_params_id, {}).get("name", ""))

    def admin_secret(self, partner_id: int) -> str | None:
        """Return the admin secret of a partner, None for an unknown or blocked one."""
        partner = self.partners.get(partner_id)
        return partner.admin_secret if partner and partner.is_active else None
