"""
The sandbox's controls, for tests in the same process; ``control_http`` offers the same over HTTP.

Everything may be called from any thread while the server runs.
"""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_kaltura.sandbox import lifecycle
from airflow_provider_kaltura.sandbox.clock import Clock
from airflow_provider_kaltura.sandbox.faults import Faults
from airflow_provider_kaltura.sandbox.library import DELETED, FLAVOR, StoredFile
from airflow_provider_kaltura.sandbox.log import Log
from airflow_provider_kaltura.sandbox.moving import Movement
from airflow_provider_kaltura.sandbox.new_objects import new_flavor
from airflow_provider_kaltura.sandbox.rates import Rates
from airflow_provider_kaltura.sandbox.services.entries import new_entry
from airflow_provider_kaltura.sandbox.urls import SignedUrls

if TYPE_CHECKING:
    from airflow_provider_kaltura.sandbox.library import Json, Library


@dataclass
class Control:
    """
    Library, faults and log of one server.

    :param library: What the server knows.
    :param faults: What goes wrong; see `Faults.on`.
    :param log: What was asked.
    :param rates: How many actions may be called.
    :param movement: Changes by chance; see `Movement`.
    """

    library: Library
    faults: Faults = field(default_factory=Faults)
    log: Log = field(default_factory=Log)
    rates: Rates = field(default_factory=Rates)
    movement: Movement = field(init=False)

    def __post_init__(self) -> None:
        self.movement = Movement(self.library)

    def begin_request(self, *, of_api: bool) -> None:
        """Let happen what is due before a request."""
        with self.library.lock:
            if of_api:
                if isinstance(self.library.clock, Clock):
                    self.library.clock.request()
                self.movement.request()
            self.library.settle()

    # ---------------------------------------------------------------- clock and index
    @property
    def clock(self) -> Clock:
        """The library's clock, from now on one that can be moved."""
        if not isinstance(self.library.clock, Clock):
            self.library.clock = Clock(self.library.clock)
        return self.library.clock

    def advance_clock(self, seconds: float) -> float:
        """Move the clock ahead; what is due happens. Return the time."""
        self.clock.advance(seconds)
        self.library.settle()
        return self.clock()

    def set_clock(self, now: float | None = None, *, runs: bool = True, per_request_seconds: float = 0.0) -> float:
        """
        Set the clock.

        :param now: To which moment; by default it stays where it is.
        :param runs: Whether it goes on from there by itself.
        :param per_request_seconds: How much each request of the API moves it on.
        :returns: The time.
        """
        self.clock.set(self.clock() if now is None else now, runs=runs)
        self.clock.per_request_seconds = per_request_seconds
        self.library.settle()
        return self.clock()

    def set_index_lag(self, seconds: float | None = 0.0, *, shows: Literal["index", "database"] = "index") -> None:
        """
        Have lists see a change of an entry only later; what asks by id sees it at once.

        :param seconds: How much later; None: when it is released.
        :param shows: What lists answer for an entry that they find as it was: that, or what the database has.
        :raises ValueError: There is no such *shows*.
        """
        if shows not in {"index", "database"}:
            raise ValueError("shows is 'index' or 'database'")
        self.library.lag.seconds = math.inf if seconds is None else float(seconds)
        self.library.lag.shows = shows

    def release_index(self, entry_id: str | None = None) -> None:
        """Have lists see an entry, or all, as they are now."""
        self.library.release_index(entry_id)

    def index_behind(self) -> list[str]:
        """Return the ids of the entries that lists don't see as they are."""
        with self.library.lock:
            return [*self.library.lag.seen]

    # ---------------------------------------------------------------- movement and limits
    def change(self, name: str | None = None, entry_id: str | None = None) -> Json | None:
        """Change something; see `Movement.change`."""
        return self.movement.change(name, entry_id)

    def move(self, changes: int, *, seed: int | None = None, later_seconds: float | None = None, **plan: Any) -> str:
        """
        Let changes happen while the library is used; see `Movement.plan`.

        :param changes: How many.
        :param seed: What decides which; goes on from before by default.
        :param later_seconds: How long reconversions take, and entries that aren't READY any more.
        :param **plan: ``every_requests`` or ``every_seconds``, and maybe ``only`` or ``weights``.
        :returns: The plan's name.
        """
        if seed is not None:
            self.movement.random.seed(seed)
        if later_seconds is not None:
            self.movement.later_seconds = later_seconds
        return self.movement.plan(changes, **plan)

    def end_moves(self, plan: str | None = None) -> None:
        """End a plan, or all."""
        self.movement.end(plan)

    def limit_rate(self, actions: int, **limit: Any) -> Json:
        """Block what is more than so many actions in a window of 10 seconds; see `Rates.on`."""
        return self.rates.on(actions, **limit).as_dict()

    def end_rate_limits(self, number: int | None = None) -> None:
        """Switch off a limit, or all."""
        self.rates.off(number)

    # ---------------------------------------------------------------- entries
    def add_entry(self, entry_id: str | None = None, *, partner_id: int | None = None, **properties: Any) -> Json:
        """
        Add an entry, READY by default.

        :param entry_id: Its id, a new one by default.
        :param partner_id: Its partner, the first one by default.
        :param **properties: Kaltura's properties, such as ``name``, ``status``, ``startDate``.
        :returns: The entry.
        """
        entry_id = entry_id or f"0_{secrets.token_hex(4)}"
        partner_id = partner_id or next(iter(self.library.partners))
        user_id = properties.pop("userId", "sandbox")
        entry = new_entry(entry_id, partner_id, now=self.library.now, user_id=user_id, **properties)
        return self.library.add_entry(entry)

    def set_entry(self, entry_id: str, **properties: Any) -> Json:
        """Change properties of an entry; its updatedAt moves unless it is among them."""
        with self.library.changing(entry_id) as entry:
            entry.update({"updatedAt": self.library.now} | properties)
        return entry

    def delete_entry(self, entry_id: str) -> None:
        """Delete an entry: it stays as a tombstone, and its assets answer like unknown ones."""
        lifecycle.set_entry_status(self.library, entry_id, DELETED)

    def convert_later(self, entry_id: str, seconds: float) -> None:
        """Take an entry back to converting; it is READY again after *seconds* (see `lifecycle.convert_later`)."""
        lifecycle.convert_later(self.library, entry_id, seconds)

    # ---------------------------------------------------------------- flavors
    def add_flavor(
        self,
        entry_id: str,
        flavor_id: str | None = None,
        *,
        size_bytes: int = 1000,
        data: bytes | None = None,
        seed: str = "",
        **properties: Any,
    ) -> Json:
        """
        Add a flavor, READY with a file unless ``status`` says otherwise.

        :param entry_id: Its entry.
        :param flavor_id: Its id, a new one by default.
        :param size_bytes: Length of its file, whose bytes come from the seed.
        :param data: The file's bytes, instead.
        :param seed: Seed of the bytes, by default ``ID/VERSION``.
        :param **properties: Kaltura's properties, such as ``status``, ``flavorParamsId``, ``tags``, ``height``.
        :returns: The flavor.
        """
        flavor_id = flavor_id or f"0_{secrets.token_hex(4)}"
        params_id = int(properties.get("flavorParamsId", 0))
        entry, now = self.library.entries[entry_id], self.library.now
        flavor = new_flavor(flavor_id, entry_id, entry["partnerId"], params_id, now=now) | properties
        self.library.add_asset(FLAVOR, flavor)
        if flavor["status"] in {lifecycle.READY, lifecycle.EXPORTING}:
            self.replace_flavor_file(flavor_id, size_bytes=size_bytes, data=data, seed=seed)
        return self.library.assets[FLAVOR][flavor_id]

    def replace_flavor_file(
        self, flavor_id: str, *, size_bytes: int = 1000, data: bytes | None = None, seed: str = ""
    ) -> StoredFile:
        """Give a flavor a new file under the next version; the old one stays reachable under its own."""
        flavor = self.library.assets[FLAVOR][flavor_id]
        size = size_bytes if data is None else len(data)
        version = lifecycle.next_version(str(flavor["version"]))
        file = StoredFile(flavor_id, version, size, str(flavor.get("fileExt", "mp4")), data=data, seed=seed)
        lifecycle.store_flavor_file(self.library, flavor_id, file)
        return file

    def set_flavor(self, flavor_id: str, **properties: Any) -> Json:
        """Change properties of a flavor; becoming READY for the first time moves its entry's updatedAt."""
        if "status" in properties:
            lifecycle.set_flavor_status(self.library, flavor_id, properties["status"])
        with self.library.changing_asset(FLAVOR, flavor_id) as flavor:
            flavor.update(properties)
        return flavor

    def delete_flavor(self, flavor_id: str) -> None:
        """Delete a flavor; its entry's updatedAt moves."""
        entry_id = self.library.assets[FLAVOR][flavor_id]["entryId"]
        self.library.remove_asset(FLAVOR, flavor_id)
        lifecycle.touch(self.library, entry_id)

    def file(self, flavor_id: str, version: str | None = None) -> StoredFile:
        """Return the stored file of a flavor, by default of its present version."""
        flavor = self.library.assets[FLAVOR][flavor_id]
        return self.library.files[flavor_id, version or str(flavor["version"])]

    # ---------------------------------------------------------------- the server
    def sign_urls(self, uses: int | None, status: int = 403) -> None:
        """Have getUrl give out URLs that are good for *uses* requests and then answer *status*; None ends it."""
        self.library.signed_urls = None if uses is None else SignedUrls(uses, status)

    def shorten_sessions(self, seconds: int | None) -> None:
        """Have session.start and app tokens grant at most *seconds*; None ends it."""
        self.library.shorten_sessions = seconds is not None
        if seconds is not None:
            for partner in self.library.partners.values():
                partner.max_expiry_seconds = seconds

    def counts(self) -> Json:
        """Return how many requests and actions there were, and how often each action."""
        return {
            "requests": self.log.requests,
            "apiRequests": self.log.api_requests,
            "mediaRequests": self.log.media_requests,
            "actions": self.log.actions,
            "byAction": self.log.action_counts(),
        }

    def reset_counts(self) -> None:
        """Count requests, actions and what was blocked from 0; the log stays."""
        self.log.reset_counts()
        self.rates.reset()
