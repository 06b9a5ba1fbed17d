"""
The sandbox's controls, for tests in the same process; ``control_http`` offers the same over HTTP.

Everything may be called from any thread while the server runs.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_kaltura.sandbox import lifecycle
from airflow_provider_kaltura.sandbox.faults import Faults
from airflow_provider_kaltura.sandbox.library import DELETED, FLAVOR, StoredFile
from airflow_provider_kaltura.sandbox.log import Log
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
    """

    library: Library
    faults: Faults = field(default_factory=Faults)
    log: Log = field(default_factory=Log)

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
        entry = self.library.entries[entry_id]
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
        flavor: Json = {
            "id": flavor_id,
            "entryId": entry_id,
            "partnerId": self.library.entries[entry_id]["partnerId"],
            "version": "0",
            "size": 0,
            "tags": "source,web" if params_id == 0 else "web,mbr",
            "fileExt": "mp4",
            "createdAt": self.library.now,
            "updatedAt": self.library.now,
            "description": "",
            "sizeInBytes": 0,
            "flavorParamsId": params_id,
            "width": 0,
            "height": 0,
            "bitrate": 0,
            "frameRate": 0,
            "isOriginal": params_id == 0,
            "isWeb": True,
            "status": lifecycle.READY,
            "isDefault": False,
            "objectType": "KalturaFlavorAsset",
        } | properties
        self.library.add_asset(FLAVOR, flavor)
        if flavor["status"] in {lifecycle.READY, lifecycle.EXPORTING}:
            self.replace_flavor_file(flavor_id, size_bytes=size_bytes, data=data, seed=seed)
        return flavor

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
        flavor = self.library.assets[FLAVOR][flavor_id]
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
            "actions": self.log.actions,
            "byAction": self.log.action_counts(),
        }
