"""Load a recorded state (fixture.json and the file of bulk entries beside it) into a library."""

from __future__ import annotations

import gzip
import json
import re
from typing import TYPE_CHECKING

from airflow_provider_kaltura.sandbox.library import (
    ATTACHMENT,
    CAPTION,
    FLAVOR,
    THUMB,
    Json,
    Library,
    Partner,
    StoredFile,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_HOLE = re.compile(r"\{(id|n|createdAt|updatedAt|n%(\d+)|(\d+)\*\(n%(\d+)\)|n:0(\d+)d)\}")


def load(path: Path, *, clock: Callable[[], float] | None = None) -> Library:
    """
    Return a library with the state of a fixture.

    :param path: The fixture.json; the bulk file that it names is looked for beside it.
    :param clock: The library's clock, the real one by default.
    :returns: The library.
    """
    state = json.loads(path.read_text("utf-8"))
    library = Library(version=state["meta"]["server"])
    if clock is not None:
        library.clock = clock
    _load_partners(library, state)
    for entries in state["entries"].values():
        for entry in entries:
            library.add_entry(entry)
    if "bulk" in state:
        for entry in _bulk_entries(state["bulk"], path.with_name(state["bulk"]["file"])):
            library.add_entry(entry)
    for kind, name in ((FLAVOR, "flavorAssets"), (CAPTION, "captionAssets"), (THUMB, "thumbAssets")):
        for asset in state[name]:
            library.add_asset(kind, asset)
    for asset in state["attachmentAssets"]:
        library.add_asset(ATTACHMENT, asset)
    for file in state["files"]:
        library.add_file(_file(file))
    library.not_indexed.update(state["notIndexed"])
    _load_profiles(library, state)
    return library


def _load_partners(library: Library, state: Json) -> None:
    for partner in state["partners"].values():
        library.partners[partner["id"]] = Partner(
            id=partner["id"],
            secret=partner["secret"],
            admin_secret=partner["adminSecret"],
            name=partner["name"],
            is_active=partner["status"] == 1,
            default_conversion_profile_id=partner["defaultConversionProfileId"],
            max_expiry_seconds=partner["ksMaxExpiryInSeconds"],
        )


def _load_profiles(library: Library, state: Json) -> None:
    library.flavor_params.update((params["id"], params) for params in state["flavorParams"])
    library.conversion_profiles.update((profile["id"], profile) for profile in state["conversionProfiles"])
    library.conversion_profile_asset_params.extend(state["conversionProfileAssetParams"])
    library.access_control_profiles.update((profile["id"], profile) for profile in state["accessControlProfiles"])
    library.categories.update((category["id"], category) for category in state["categories"])
    library.category_entries.extend(state["categoryEntries"])
    library.app_tokens.update((token["id"], token) for token in state["appTokens"])
    library.property_order.update(state["xmlPropertyOrder"])


def _file(file: Json) -> StoredFile:
    text = file.get("text")
    return StoredFile(
        object_id=file["objectId"],
        version=file["version"],
        size_bytes=file["bytes"],
        ext=file["ext"],
        data=None if text is None else text.encode(),
        is_deleted=file["status"] == "deleted",
    )


def _bulk_entries(bulk: Json, path: Path) -> Iterator[Json]:
    """Yield the template once per line of the file, with the line's values in its holes."""
    varying = {key: _hole_filler(value) for key, value in bulk["template"].items() if _has_hole(value)}
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            values = json.loads(line)
            yield bulk["template"] | {key: fill(values) for key, fill in varying.items()}


def _has_hole(value: object) -> bool:
    return isinstance(value, str) and _HOLE.search(value) is not None


def _hole_filler(template: str) -> Callable[[Json], object]:
    """Return what fills *template*; a template that is one hole gives the value with its own type."""
    whole = _HOLE.fullmatch(template)
    if whole is not None:
        return lambda values: _hole(whole, values)
    return lambda values: _HOLE.sub(lambda match: str(_hole(match, values)), template)


def _hole(match: re.Match[str], values: Json) -> object:
    name, modulus, factor, factor_modulus, digits = match.groups()
    if modulus:
        return values["n"] % int(modulus)
    if factor:
        return int(factor) * (values["n"] % int(factor_modulus))
    return f"{values['n']:0{digits}d}" if digits else values[name]
