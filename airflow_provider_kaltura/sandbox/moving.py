"""A library that moves: changes of entries and flavors by chance, one at a time or by a plan, each written down."""

from __future__ import annotations

import itertools
import random
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_kaltura.sandbox import lifecycle
from airflow_provider_kaltura.sandbox.library import DELETED, FLAVOR, StoredFile
from airflow_provider_kaltura.sandbox.new_objects import new_flavor
from airflow_provider_kaltura.sandbox.services.entries import new_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_provider_kaltura.sandbox.library import Json, Library

#: How often each change comes when nothing else is said.
WEIGHTS: Final[dict[str, int]] = {
    "updated": 8,
    "replaced": 6,
    "created": 3,
    "deleted": 2,
    "flavor_added": 2,
    "flavor_deleted": 2,
    "reconverted": 2,
    "unreadied": 1,
}
PARAMS_IDS: Final = (0, 2, 3, 4, 5, 6, 7, 8)
_TRIES: Final = 200
_MEDIA: Final = 1
_LEAST_BYTES, _GREATEST_BYTES = 200, 4000


class Movement:
    """
    Changes a library.

    ``log`` has a dict for each change: its number, when (``at``), what (``change``), ``entryId``, and what else
    changed: ``flavorId``, ``version``, ``sizeInBytes``. What ends later, as a reconversion does, is a change too.

    :param library: The library.
    :param seed: What decides which entries change, and how.
    """

    def __init__(self, library: Library, seed: int = 0) -> None:
        self._library = library
        self.random = random.Random(seed)
        self.log: list[Json] = []
        self.later_seconds = 20.0
        self._plans = itertools.count(1)
        self._by_requests: dict[str, tuple[int, Callable[[], None]]] = {}
        self._by_time: set[str] = set()
        self._incomplete: list[str] = []
        self._requests = 0
        self._changes: dict[str, Callable[[str], Json | None]] = {
            "updated": self._update,
            "replaced": self._replace,
            "deleted": self._delete,
            "flavor_added": self._add_flavor,
            "flavor_deleted": self._delete_flavor,
            "reconverted": self._reconvert,
            "unreadied": self._unready,
        }

    # ------------------------------------------------------------------ one change
    def change(self, name: str | None = None, entry_id: str | None = None) -> Json | None:
        """
        Change something.

        :param name: One of `WEIGHTS`; by chance by default.
        :param entry_id: Which entry; by default one by chance, to which that can happen.
        :returns: What is in the log; None when there is nothing to which it could happen.
        :raises ValueError: There is no such change.
        """
        return self._one(WEIGHTS if name is None else {name: 1}, entry_id)

    def _one(self, weights: Mapping[str, int], entry_id: str | None = None) -> Json | None:
        unknown = weights.keys() - WEIGHTS.keys()
        if unknown:
            raise ValueError(f"there is no change {sorted(unknown)}; there are {', '.join(WEIGHTS)}")
        name = self.random.choices([*weights], [*weights.values()])[0]
        with self._library.lock:
            if name == "created":
                return self._create(entry_id)
            for _ in range(_TRIES):
                chosen = entry_id or self._any_entry(name)
                done = self._changes[name](chosen) if self._is_ready_media(chosen) else None
                if done is not None or entry_id is not None:
                    return done
        return None

    def _any_entry(self, change: str) -> str:
        library = self._library
        if change == "flavor_added" and self._incomplete:
            return self._incomplete.pop(self.random.randrange(len(self._incomplete)))
        if library.index is not None:
            return library.index.rows.entry_id(self.random.randrange(library.index.rows.size))
        return self.random.choice([*library.entries]) if library.entries else ""

    def _is_ready_media(self, entry_id: str) -> bool:
        entry = self._library.entries.get(entry_id)
        return entry is not None and entry["status"] == lifecycle.ENTRY_READY and entry["type"] == _MEDIA

    def _note(self, change: str, entry_id: str, **more: Any) -> Json:
        event = {"number": len(self.log) + 1, "at": self._library.now, "change": change, "entryId": entry_id, **more}
        self.log.append(event)
        return event

    # ------------------------------------------------------------------ entries
    def _new_id(self) -> str:
        return f"1_{self.random.randrange(1 << 32):08x}"

    def _create(self, entry_id: str | None) -> Json:
        library, entry_id = self._library, entry_id or self._new_id()
        partner_id = next(iter(library.partners))
        name = f"Created {len(self.log) + 1}"
        library.add_entry(
            new_entry(entry_id, partner_id, now=library.now, user_id="mover", name=name, tags="moved", duration=60)
        )
        for params_id in PARAMS_IDS:
            self._new_flavor(entry_id, params_id)
        return self._note("created", entry_id)

    def _update(self, entry_id: str) -> Json:
        with self._library.changing(entry_id) as entry:
            entry.update(name=f"Updated {len(self.log) + 1}", updatedAt=self._library.now)
        return self._note("updated", entry_id)

    def _delete(self, entry_id: str) -> Json:
        lifecycle.set_entry_status(self._library, entry_id, DELETED)
        return self._note("deleted", entry_id)

    def _unready(self, entry_id: str) -> Json:
        lifecycle.set_entry_status(self._library, entry_id, lifecycle.ENTRY_CONVERTING)
        self._library.after(self.later_seconds, partial(self._ready_again, entry_id), entry_id)
        return self._note("unreadied", entry_id)

    def _ready_again(self, entry_id: str) -> None:
        entry = self._library.entries.get(entry_id)
        if entry is not None and entry["status"] == lifecycle.ENTRY_CONVERTING:
            lifecycle.set_entry_status(self._library, entry_id, lifecycle.ENTRY_READY)
            self._note("ready_again", entry_id)

    # ------------------------------------------------------------------ flavors
    def _ready_flavor(self, entry_id: str) -> Json | None:
        flavors = self._library.entry_assets[FLAVOR].get(entry_id) or []
        ready = [flavor for flavor in flavors if flavor["status"] == lifecycle.READY]
        return self.random.choice(ready) if ready else None

    def _new_file(self, flavor_id: str) -> Json:
        """Give a flavor another file, as flavorAsset.setContent does."""
        library = self._library
        version = lifecycle.next_version(str(library.assets[FLAVOR][flavor_id]["version"]))
        size = self.random.randint(_LEAST_BYTES, _GREATEST_BYTES)
        lifecycle.store_flavor_file(library, flavor_id, StoredFile(flavor_id, version, size, "mp4"))
        return {"flavorId": flavor_id, "version": version, "sizeInBytes": size}

    def _new_flavor(self, entry_id: str, params_id: int) -> Json:
        """Add a flavor that becomes READY, which moves its entry's updatedAt."""
        library, flavor_id = self._library, self._new_id()
        partner_id = library.entries[entry_id]["partnerId"]
        flavor = new_flavor(flavor_id, entry_id, partner_id, params_id, now=library.now) | {"status": 1}
        library.add_asset(FLAVOR, flavor)
        told = self._new_file(flavor_id)
        lifecycle.set_flavor_status(library, flavor_id, lifecycle.READY)
        return told

    def _replace(self, entry_id: str) -> Json | None:
        flavor = self._ready_flavor(entry_id)
        return None if flavor is None else self._note("replaced", entry_id, **self._new_file(flavor["id"]))

    def _add_flavor(self, entry_id: str) -> Json | None:
        flavors = self._library.entry_assets[FLAVOR].get(entry_id) or []
        missing = [one for one in PARAMS_IDS if one not in {flavor["flavorParamsId"] for flavor in flavors}]
        if not missing:
            return None
        return self._note("flavor_added", entry_id, **self._new_flavor(entry_id, self.random.choice(missing)))

    def _delete_flavor(self, entry_id: str) -> Json | None:
        flavor = self._ready_flavor(entry_id)
        if flavor is None:
            return None
        self._library.remove_asset(FLAVOR, flavor["id"])
        lifecycle.touch(self._library, entry_id)
        self._incomplete.append(entry_id)
        return self._note("flavor_deleted", entry_id, flavorId=flavor["id"])

    def _reconvert(self, entry_id: str) -> Json | None:
        flavor = self._ready_flavor(entry_id)
        if flavor is None:
            return None
        lifecycle.set_flavor_status(self._library, flavor["id"], lifecycle.CONVERTING)
        self._library.after(self.later_seconds, partial(self._reconverted, entry_id, flavor["id"]), entry_id)
        return self._note("reconverted", entry_id, flavorId=flavor["id"])

    def _reconverted(self, entry_id: str, flavor_id: str) -> None:
        flavor = self._library.assets[FLAVOR].get(flavor_id)
        if flavor is None or flavor["status"] != lifecycle.CONVERTING:
            return
        told = self._new_file(flavor_id)
        with self._library.changing_asset(FLAVOR, flavor_id) as changed:
            changed["size"] = int(told["sizeInBytes"]) // 1024
        lifecycle.set_flavor_status(self._library, flavor_id, lifecycle.READY)
        self._note("reconversion_done", entry_id, **told)

    # ------------------------------------------------------------------ plans
    def plan(
        self,
        changes: int,
        *,
        every_requests: int | None = None,
        every_seconds: float | None = None,
        only: Sequence[str] = (),
        weights: Mapping[str, int] | None = None,
    ) -> str:
        """
        Let changes happen while the library is used, until the plan is ended.

        :param changes: How many.
        :param every_requests: After how many requests of the API.
        :param every_seconds: In how many seconds of the library's clock, one after the other.
        :param only: Which changes, all by default.
        :param weights: How often each comes; as in `WEIGHTS` by default.
        :returns: The plan's name, to end it.
        :raises ValueError: Neither or both of *every_requests* and *every_seconds* were given.
        """
        if (every_requests is None) == (every_seconds is None):
            raise ValueError("a plan has either every_requests or every_seconds")
        chosen = {name: n for name, n in (weights or WEIGHTS).items() if not only or name in only}
        if not chosen or not (chosen.keys() <= WEIGHTS.keys() and set(only) <= chosen.keys()):
            raise ValueError(f"there are the changes {', '.join(WEIGHTS)}")
        name = f"plan {next(self._plans)}"
        with self._library.lock:
            if every_requests is not None:
                self._by_requests[name] = (every_requests, partial(self._several, changes, chosen))
            else:
                self._by_time.add(name)
                self._next(name, float(every_seconds or 0) / changes, chosen)
        return name

    def end(self, name: str | None = None) -> None:
        """End a plan, or all; what has begun still comes to its end."""
        with self._library.lock:
            for one in [*self._by_requests, *self._by_time] if name is None else [name]:
                self._by_requests.pop(one, None)
                self._by_time.discard(one)
                self._library.forget_changes(one)

    def _several(self, changes: int, weights: Mapping[str, int]) -> None:
        for _ in range(changes):
            self._one(weights)

    def _next(self, name: str, seconds: float, weights: Mapping[str, int]) -> None:
        def act() -> None:
            self._one(weights)
            self._next(name, seconds, weights)

        self._library.after(seconds, act, name)

    def request(self) -> None:
        """Take note of a request; plans that count them may have their turn."""
        self._requests += 1
        for every, act in [*self._by_requests.values()]:
            if self._requests % every == 0:
                act()
