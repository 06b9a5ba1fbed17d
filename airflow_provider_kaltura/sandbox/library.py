"""
The state of the server, in memory: partners, entries, assets, files, profiles, tokens, and a clock.

Objects are plain dicts in the shape of Kaltura's JSON answers. Texts may contain ``{BASE}`` and the like for the
server's own address; they are filled in when an object is shown.
"""

from __future__ import annotations

import heapq
import itertools
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow_provider_kaltura.sandbox import content

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

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
        text = text.replace("{BASE}", self.base).replace("{BASES}", f"https://{self.host}")
        return text.replace("{HOST}", self.host).replace("{HOST_QUOTED}", quote(self.host, safe=""))


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
        self.entries: dict[str, Json] = {}
        self.partner_entries: dict[int, list[Json]] = {}
        self.not_indexed: set[str] = set()
        self.assets: dict[str, dict[str, Json]] = {kind: {} for kind in KINDS}
        self.entry_assets: dict[str, dict[str, list[Json]]] = {kind: {} for kind in KINDS}
        self.files: dict[tuple[str, str], StoredFile] = {}
        self.flavor_params: dict[int, Json] = {}
        self.conversion_profiles: dict[int, Json] = {}
        self.conversion_profile_asset_params: list[Json] = []
        self.access_control_profiles: dict[int, Json] = {}
        self.categories: dict[int, Json] = {}
        self.category_entries: list[Json] = []
        self.app_tokens: dict[str, Json] = {}
        self.property_order: dict[str, list[str]] = {}
        self.shorten_sessions = False
        self.signed_urls: SignedUrls | None = None
        self.finished_flavors: dict[str, Json] = {}
        self.been_ready: set[str] = set()
        self.hidden_files: dict[str, StoredFile] = {}
        self._changes: list[tuple[float, int, str, Callable[[], None]]] = []
        self._numbers = itertools.count()

    # ------------------------------------------------------------------ time
    @property
    def now(self) -> int:
        """The library's time in whole seconds."""
        return int(self.clock())

    def after(self, seconds: float, change: Callable[[], None], about: str = "") -> None:
        """Have *change* happen (to the object *about*) when the clock has moved on by *seconds*."""
        heapq.heappush(self._changes, (self.clock() + seconds, next(self._numbers), about, change))

    def forget_changes(self, about: str) -> None:
        """Drop what is still to happen to an object."""
        self._changes = [change for change in self._changes if change[2] != about]
        heapq.heapify(self._changes)

    def settle(self) -> None:
        """Carry out the changes that are due; the server does it before each request."""
        while self._changes and self._changes[0][0] <= self.clock():
            heapq.heappop(self._changes)[3]()

    # ------------------------------------------------------------------ objects
    def add_entry(self, entry: Json) -> Json:
        """Store *entry* as the newest of its partner."""
        self.entries[entry["id"]] = entry
        self.partner_entries.setdefault(entry["partnerId"], []).append(entry)
        return entry

    def add_asset(self, kind: str, asset: Json) -> Json:
        """Store *asset*, an object of one of `KINDS`."""
        if asset["status"] == _READY:
            self.been_ready.add(asset["id"])
        self.assets[kind][asset["id"]] = asset
        self.entry_assets[kind].setdefault(asset["entryId"], []).append(asset)
        return asset

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

    def asset(self, kind: str, asset_id: str, partner_id: int | None) -> Json | None:
        """Return an asset of the partner whose entry isn't deleted."""
        asset = self.assets[kind].get(asset_id)
        if asset is None or asset["status"] == DELETED or self.entry(asset["entryId"], partner_id) is None:
            return None
        return asset

    def assets_of(self, kind: str, entry_ids: Iterable[str], partner_id: int | None) -> list[Json]:
        """Return the assets of these entries, as far as they are the partner's and not deleted."""
        return [
            asset
            for entry_id in entry_ids
            if self.entry(entry_id, partner_id)
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
