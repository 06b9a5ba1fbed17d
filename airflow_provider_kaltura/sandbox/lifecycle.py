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
    """Change a flavor's status; becoming READY for the first time moves its entry's updatedAt too."""
    with library.changing_asset(FLAVOR, flavor_id) as flavor:
        if status == READY and not library.has_been_ready(flavor_id):
            touch(library, flavor["entryId"])
            library.been_ready.add(flavor_id)
        flavor.update(status=status, updatedAt=library.now)


def set_entry_status(library: Library, entry_id: str, status: int | str) -> None:
    """Change an entry's status."""
    with library.changing(entry_id) as entry:
        entry.update(status=status, updatedAt=library.now)


def touch(library: Library, entry_id: str) -> None:
    """Move an entry's updatedAt to now."""
    with library.changing(entry_id) as entry:
        entry["updatedAt"] = library.now


def store_flavor_file(library: Library, flavor_id: str, file: StoredFile) -> Json:
    """
    Give a flavor a file: its version and sizes follow; its status, and its entry's updatedAt, do not.

    ``size`` is in KB for a first file, but in bytes for one that replaces another, as after flavorAsset.setContent.

    :param library: Where.
    :param flavor_id: The flavor.
    :param file: The file; its version becomes the flavor's.
    :returns: The flavor.
    """
    with library.changing_asset(FLAVOR, flavor_id) as flavor:
        replaces = library.file(flavor_id, flavor["version"]) is not None
        library.add_file(file)
        flavor.update(
            version=file.version,
            fileExt=file.ext,
            size=file.size_bytes if replaces else file.size_bytes // 1024,
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

    At once the source is QUEUED, with its version and its size in bytes, and the renditions have nothing. After a
    third of the time the source is READY and the renditions are CONVERTING; after two thirds these have a version and
    a file, though they still are CONVERTING; at the end everything is READY.

    :param library: Where; its clock decides.
    :param entry_id: The entry.
    :param seconds: How long until the entry is READY.
    """
    library.forget_changes(entry_id)
    set_entry_status(library, entry_id, ENTRY_CONVERTING)
    for flavor_id in [flavor["id"] for flavor in library.entry_assets[FLAVOR].get(entry_id, ())]:
        with library.changing_asset(FLAVOR, flavor_id) as flavor:
            _unfinish(library, flavor, seconds)
    library.after(seconds, partial(set_entry_status, library, entry_id, ENTRY_READY), entry_id)


def _unfinish(library: Library, flavor: Json, seconds: float) -> None:
    """Take a flavor back to QUEUED, and plan how it gets READY again."""
    flavor_id, entry_id = flavor["id"], flavor["entryId"]
    names = (*_UNKNOWN_UNTIL_READY, "size", "sizeInBytes", "version")
    if flavor["status"] == READY:
        library.finished_flavors[flavor_id] = {name: flavor[name] for name in names}
    known = library.finished_flavors.setdefault(flavor_id, {name: flavor[name] for name in names})
    flavor.update(dict.fromkeys(_UNKNOWN_UNTIL_READY, 0), status=QUEUED, updatedAt=library.now)
    if flavor["isOriginal"]:
        flavor.update(size=int(known["sizeInBytes"]), sizeInBytes=known["sizeInBytes"], version=known["version"])
        library.after(seconds / 3, partial(_finish, library, flavor_id, known), entry_id)
        return
    flavor.update(size=0, sizeInBytes=0, version="0")
    if (flavor_id, known["version"]) in library.files:
        library.hidden_files[flavor_id] = library.files.pop((flavor_id, known["version"]))
    library.after(seconds / 3, partial(set_flavor_status, library, flavor_id, CONVERTING), entry_id)
    library.after(2 * seconds / 3, partial(_show_file, library, flavor_id, known), entry_id)
    library.after(seconds, partial(_finish, library, flavor_id, known), entry_id)


def _show_file(library: Library, flavor_id: str, known: Json) -> None:
    with library.changing_asset(FLAVOR, flavor_id) as flavor:
        flavor.update(sizeInBytes=known["sizeInBytes"], version=known["version"], updatedAt=library.now)
    if flavor_id in library.hidden_files:
        library.add_file(library.hidden_files.pop(flavor_id))


def _finish(library: Library, flavor_id: str, known: Json) -> None:
    with library.changing_asset(FLAVOR, flavor_id) as flavor:
        flavor.update(known)
    set_flavor_status(library, flavor_id, READY)
