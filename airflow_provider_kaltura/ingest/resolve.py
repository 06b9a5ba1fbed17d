"""From an entry, or what another task pushed, to the one asset to fetch."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from urllib.parse import urlsplit

from airflow_provider_kaltura.api.errors import FlavorNotReadyError, KalturaError, NoFlavorsError, PreferenceError
from airflow_provider_kaltura.api.flavors import (
    READY,
    Never,
    Preferences,
    Ready,
    ReadyAll,
    Wait,
    choose,
    choose_all,
    status_name,
)
from airflow_provider_kaltura.api.ids import is_id
from airflow_provider_kaltura.ingest.errors import DownloadInputError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from airflow_provider_kaltura.api.facade import KalturaApi
    from airflow_provider_kaltura.api.models import Entry, FlavorAsset

ALL: Literal["all"] = "all"
Wanted: TypeAlias = "Preferences | Literal['all']"


@dataclass(frozen=True, slots=True)
class Resolved:
    """An entry and the asset of it that was chosen."""

    entry: Entry
    asset: FlavorAsset


@dataclass(frozen=True, slots=True)
class FlavorDownload:
    """
    What the URL operator pushed, checked. ``url`` is None where the flavor's URL needs a KS or was not asked for.

    ``version`` and ``size_bytes`` are what was true when it was pushed, None when that was left out.
    """

    flavor_id: str
    entry_id: str | None = None
    version: str | None = None
    size_bytes: int | None = None
    url: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class BareUrl:
    """A URL without anything that Kaltura says about it."""

    url: str = field(repr=False)


def parse_wanted(flavor: str | Sequence[str] | Preferences | None) -> Wanted:
    """
    Read what a task wants.

    :param flavor: Preferences as text or list, None for the default, or ``"all"``.
    :returns: The preferences, or ``"all"``.
    :raises PreferenceError: The text can't be read; it names the position.
    """
    if isinstance(flavor, str) and flavor.strip().lower() == ALL:
        return ALL
    return parse_preferences(flavor)


def parse_preferences(flavor: Any) -> Preferences:
    """
    Read what a task wants, where that is one asset.

    :param flavor: Preferences as text or list; None for the default. Anything, since templates may become anything.
    :returns: The preferences.
    :raises PreferenceError: It can't be read; it names the position.
    """
    if flavor is None or isinstance(flavor, str | list | tuple | Preferences):
        return Preferences.parse(flavor)
    raise PreferenceError(f"flavor is a text or a list of texts, not {type(flavor).__name__}", repr(flavor)[:80], 0)


def decide(
    entry: Entry, assets: Iterable[FlavorAsset], wanted: Wanted, web_playable_ids: Collection[str] | None = None
) -> tuple[FlavorAsset, ...] | Wait | Never:
    """
    Choose, for sensor, trigger and operators alike.

    :param entry: The entry.
    :param assets: All its flavor assets, of the same moment.
    :param wanted: Preferences, or ``"all"``.
    :param web_playable_ids: Needed when the preferences want ``web``.
    :returns: What was chosen (exactly one asset for preferences), or why not.
    """
    if isinstance(wanted, Preferences):
        choice = choose(assets, wanted, entry, web_playable_ids=web_playable_ids)
        return (choice.asset,) if isinstance(choice, Ready) else choice
    found = choose_all(assets, entry)
    return found.assets if isinstance(found, ReadyAll) else found


def wants_web(wanted: Wanted) -> bool:
    """
    Tell whether a decision needs to know what is web-playable.

    :param wanted: Preferences, or ``"all"``.
    :returns: True when it does.
    """
    return isinstance(wanted, Preferences) and wanted.wants_web


def resolve_all(api: KalturaApi, entry_id: str, wanted: Wanted) -> tuple[Entry, tuple[FlavorAsset, ...]]:
    """
    Find the assets to take now.

    :param api: Kaltura.
    :param entry_id: The entry.
    :param wanted: Preferences, or ``"all"``.
    :returns: The entry and the chosen assets, at least one.
    :raises NoFlavorsError: There will never be such an asset.
    :raises FlavorNotReadyError: Not yet.
    :raises KalturaError: Kaltura could not be asked.
    """
    snapshot = api.snapshot([entry_id], web_playable_for=[entry_id] if wants_web(wanted) else [])[entry_id]
    if isinstance(snapshot, KalturaError):
        raise snapshot
    entry = snapshot.entry
    found = decide(entry, snapshot.assets, wanted, snapshot.web_playable_ids)
    if isinstance(found, Never):
        raise NoFlavorsError(entry_id, found.reason, found.available)
    if isinstance(found, Wait):
        raise FlavorNotReadyError(entry_id, found.reason)
    return entry, found


def resolve(api: KalturaApi, entry_id: str, preferences: Preferences | str | Sequence[str] | None = None) -> Resolved:
    """
    Find the one asset to take now.

    :param api: Kaltura.
    :param entry_id: The entry.
    :param preferences: In order; ``"source, best"`` by default.
    :returns: The entry and its asset.
    :raises NoFlavorsError: There will never be such an asset.
    :raises FlavorNotReadyError: Not yet.
    :raises PreferenceError: The preferences can't be read.
    :raises KalturaError: Kaltura could not be asked.
    """
    entry, assets = resolve_all(api, entry_id, Preferences.parse(preferences))
    return Resolved(entry, assets[0])


def resolve_flavor(api: KalturaApi, flavor_id: str, *, entry_id: str | None = None) -> Resolved:
    """
    Ask for one flavor asset as it is now.

    :param api: Kaltura.
    :param flavor_id: The asset.
    :param entry_id: The entry that it must belong to, when known.
    :returns: The asset and its entry.
    :raises FlavorNotReadyError: It has no file now.
    :raises NoFlavorsError: It will have none.
    :raises DownloadInputError: It belongs to another entry.
    :raises KalturaError: Kaltura could not be asked, or does not know it.
    """
    asset = api.get_flavor_asset(flavor_id)
    if entry_id is not None and asset.entry_id != entry_id:
        raise DownloadInputError(f"flavor {flavor_id} belongs to entry {asset.entry_id}, not to {entry_id}")
    entry = api.get_entry(asset.entry_id)
    if asset.status not in READY:
        found = choose([asset], Preferences.parse(f"id:{flavor_id}"), entry)
        if isinstance(found, Never):
            raise NoFlavorsError(entry.id, f"flavor {flavor_id} is {status_name(asset.status)}", found.available)
        raise FlavorNotReadyError(entry.id, f"flavor {flavor_id} is {status_name(asset.status)}")
    return Resolved(entry, asset)


def parse_download(value: Any) -> FlavorDownload | BareUrl:
    """
    Check what was given as ``download``.

    :param value: The dict of the URL operator, or the sensor's list of one; the same as JSON or as Python writes it
        (which is what Jinja makes of it); or an http(s) URL.
    :returns: What is to be fetched.
    :raises DownloadInputError: It is neither; no part of a URL is in the message.
    """
    if isinstance(value, str):
        text = value.strip()
        if not text.startswith(("{", "[")):
            return BareUrl(_checked_url(text))
        value = _as_dict(text)
    if isinstance(value, list | tuple) and len(value) == 1:
        # The sensor's result for one flavor.
        value = value[0]
    if not isinstance(value, Mapping):
        kind = type(value).__name__
        raise DownloadInputError(f"download must be the dict of KalturaGetDownloadUrlOperator or a URL, not {kind}")
    url = value.get("downloadUrl")
    return FlavorDownload(
        flavor_id=_id(value, "flavorId"),
        entry_id=_id(value, "entryId") if value.get("entryId") is not None else None,
        version=str(value["version"]) if value.get("version") is not None else None,
        size_bytes=_size(value.get("fileSize")),
        url=None if url is None else _checked_url(url),
    )


def _as_dict(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        raise DownloadInputError("download looks like a dict or list but can't be read as JSON or Python") from None


def _id(value: Mapping[str, Any], name: str) -> str:
    found = value.get(name)
    if not is_id(found):
        raise DownloadInputError(f"download has no usable {name!r}; it has {', '.join(map(str, value)) or 'nothing'}")
    return str(found)


def _size(value: Any) -> int | None:
    if value is None:
        return None
    try:
        size_bytes = int(value)
    except (TypeError, ValueError, OverflowError):
        size_bytes = -1
    if size_bytes < 0:
        raise DownloadInputError("fileSize of download is no number of bytes")
    return size_bytes


def _checked_url(url: Any) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except (ValueError, TypeError, AttributeError):
        raise DownloadInputError("the download URL can't be read") from None
    if not usable:
        raise DownloadInputError("a download URL begins with http:// or https:// and a host")
    if "@" in parts.netloc:
        raise DownloadInputError("a download URL must not carry a user name or password")
    if any(character <= " " or character == "\x7f" for character in url):
        raise DownloadInputError("a download URL holds no spaces or control characters")
    return str(url)
