"""The kinds of assets that a batch takes, and what a destination may say about each. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast, get_args

from airflow_provider_kaltura.ingest.errors import AssetsError
from airflow_provider_kaltura.ingest.literals import as_listed

if TYPE_CHECKING:
    from airflow_provider_kaltura.api.assets import SideKind

AssetKind: TypeAlias = Literal["flavors", "captions", "transcripts", "thumbnails", "attachments", "metadata", "file"]
CaptionFormat: TypeAlias = Literal["original", "srt", "vtt", "txt"]

ASSET_KINDS: Final[tuple[AssetKind, ...]] = get_args(AssetKind)
FLAVORS: Final[tuple[AssetKind, ...]] = ("flavors",)

#: What a manifest's row, a report and ``{assetType}`` call one asset of a kind.
ASSET_TYPES: Final[Mapping[AssetKind, str]] = {
    "flavors": "flavor",
    "captions": "caption",
    "transcripts": "transcript",
    "thumbnails": "thumbnail",
    "attachments": "attachment",
    "metadata": "metadata",
    "file": "file",
}
#: The lists of Kaltura in which the assets of a kind are.
SIDE_KINDS: Final[Mapping[AssetKind, SideKind]] = {
    "captions": "caption",
    "transcripts": "attachment",
    "thumbnails": "thumbnail",
    "attachments": "attachment",
}

_ALL: Final = frozenset(
    {
        "entryId",
        "entryName",
        "assetId",
        "assetType",
        "format",
        "version",
        "partnerId",
        "referenceId",
        "createdAt",
        "updatedAt",
    }
)
#: The placeholders that mean something for a kind.
PLACEHOLDERS_OF: Final[Mapping[AssetKind, frozenset[str]]] = {
    "flavors": _ALL | {"flavorId", "flavorParamsId", "width", "height"},
    "captions": _ALL | {"language", "label"},
    "transcripts": _ALL | {"language", "label", "fileName"},
    "thumbnails": _ALL | {"width", "height"},
    "attachments": _ALL | {"label", "fileName"},
    "metadata": _ALL,
    "file": _ALL,
}


def parse_assets(value: Any) -> tuple[AssetKind, ...]:
    """
    Read which kinds of assets a batch takes.

    :param value: A tuple or list; the same as JSON, or as Python writes it (which is what Jinja makes of one); a text
        with commas; None for flavors.
    :returns: Each kind once, in the order given.
    :raises AssetsError: A name is none of :data:`ASSET_KINDS`, or there is none.
    """
    items = FLAVORS if value is None else _items_of(value)
    found: dict[AssetKind, None] = {}
    for item in items:
        name = item.strip().lower() if isinstance(item, str) else item
        if name not in ASSET_KINDS:
            raise AssetsError(f"assets has {item!r:.40}; there are {', '.join(ASSET_KINDS)}")
        found[cast("AssetKind", name)] = None
    if not found:
        raise AssetsError(f"assets is empty; there are {', '.join(ASSET_KINDS)}")
    return tuple(found)


def parse_caption_format(value: Any) -> CaptionFormat:
    """
    Read how captions are written.

    :param value: ``"original"``, ``"srt"``, ``"vtt"`` or ``"txt"``; None for the first.
    :returns: The same, checked.
    :raises AssetsError: It is another word.
    """
    name = "original" if value is None else str(value).strip().lower()
    if name not in get_args(CaptionFormat):
        raise AssetsError(f"caption_format is one of {', '.join(get_args(CaptionFormat))}, not {value!r:.40}")
    return cast("CaptionFormat", name)


def _items_of(value: Any) -> Iterable[Any]:
    if isinstance(value, str):
        text = value.strip()
        return _listed(text) if text.startswith(("[", "(")) else [one for one in text.split(",") if one.strip()]
    if isinstance(value, Iterable) and not isinstance(value, Mapping | bytes):
        return value
    raise AssetsError(f"assets is a list or a text, not {type(value).__name__}")


def _listed(text: str) -> Iterable[Any]:
    found = as_listed(text)
    if found is not None:
        return found
    raise AssetsError("assets looks like a list but can't be read as JSON or Python")
