"""How entries and flavors change: from QUEUED to READY, new files, and which of it moves updatedAt."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from airflow_provider_kaltura.sandbox.library import FLAVOR, StoredFile

if TYPE_CHECKING:
    from airflow_provider_kaltura.sandbox.library import Json, Library

ERROR, QUEUED, CONVERTING, READY, EXPORTING = -1, 0, 1, 2, 9
ENTRY_CONVERTING, ENTRY_READY = 1, 2
_UNKNOWN_UNTIL_READY = ("width", "height", "bitrate", "frameRate")


def set_flavor_status(library: Library, flavor_id: str, status: int) -> None:
    """Change a flavor's status; becoming READY moves its entry's updatedAt too."""
    flavor = library.assets[FLAVOR][flavor_id]
    if status == READY and flavor["status"] != READY:
        touch(library, flavor["entryId"])
    flavor["status"] = status
    flavor["updatedAt"] = library.now


def set_entry_status(library: Library, entry_id: str, status: int | str) -> None:
    """Change an entry's status."""
    library.entries[entry_id]["status"] = status
    touch(library, entry_id)


def touch(library: Library, entry_id: str) -> None:
    """Move an entry's updatedAt to now."""
    library.entries[entry_id]["updatedAt"] = library.now


def store_flavor_file(library: Library, flavor_id: str, file: StoredFile) -> Json:
    """
    Give a flavor a file: its version and sizes follow; its status, and its entry's updatedAt, do not.

    :param library: Where.
    :param flavor_id: The flavor.
    :param file: The file; its version becomes the flavor's.
    :returns: The flavor.
    """
    flavor = library.assets[FLAVOR][flavor_id]
    library.add_file(file)
    flavor.update(
        version=file.version,
        fileExt=file.ext,
        size=file.size_bytes // 1024,
        sizeInBytes=str(file.size_bytes),
        updatedAt=library.now,
    )
    return flavor


def next_version(version: str) -> str:
    """Return the version that follows: 2, 12, 22…"""
    return "2" if version in {"", "0"} else str(int(version) + 10)


def convert_later(library: Library, entry_id: str, seconds: float) -> None:
    """
    Take an entry's flavors back to QUEUED, and have them READY again by and by.

    Its source is READY after a third of the time, its renditions CONVERTING from then on, everything READY at the end.

    :param library: Where; its clock decides.
    :param entry_id: The entry.
    :param seconds: How long until the entry is READY.
    """
    flavors = library.entry_assets[FLAVOR][entry_id]
    library.entries[entry_id]["status"] = ENTRY_CONVERTING
    touch(library, entry_id)
    for flavor in flavors:
        known = {name: flavor[name] for name in (*_UNKNOWN_UNTIL_READY, "size", "sizeInBytes", "version")}
        finished = library.finished_flavors.setdefault(flavor["id"], known)
        flavor.update(dict.fromkeys(_UNKNOWN_UNTIL_READY, 0), size=0, sizeInBytes=0, version="0", status=QUEUED)
        flavor["updatedAt"] = library.now
        when = seconds / 3 if flavor["isOriginal"] else seconds
        if not flavor["isOriginal"]:
            library.after(seconds / 3, partial(set_flavor_status, library, flavor["id"], CONVERTING))
        library.after(when, partial(_finish, library, flavor, finished))
    library.after(seconds, partial(set_entry_status, library, entry_id, ENTRY_READY))


def _finish(library: Library, flavor: Json, values: Json) -> None:
    flavor.update(values)
    set_flavor_status(library, flavor["id"], READY)
