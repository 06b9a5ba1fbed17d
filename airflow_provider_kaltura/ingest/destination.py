"""
Where an asset goes: ``/lake/{partnerId}/{createdAt:%Y/%m}/{entryId}/{flavorId}.{format}``.

Placeholders are single braces, filled after Jinja. The rules:

- Names are those of :data:`PLACEHOLDERS`; anything else, and every other brace, is an error that says where. In an
  f-string double the braces; what reaches us are single ones. A literal brace can't be written.
- ``{createdAt}`` and ``{updatedAt}`` are the entry's, in UTC, ``%Y-%m-%d`` unless a format follows a colon. The format
  takes the directives of :data:`DATE_DIRECTIVES` (no names of months: they depend on the worker's locale), one at
  least, and may hold ``/``, since the template's author wrote it.
- What is filled in never adds a level, never leaves the root and neither begins nor ends with a dot or space; see
  :mod:`~airflow_provider_kaltura.ingest.safe_names` for what is changed and how changed names are kept apart.
- A value that Kaltura does not have becomes ``_`` (``bin`` for ``{format}``). When that is the name or reference id of
  the entry and neither ``{entryId}`` nor ``{assetId}`` nor ``{flavorId}`` keeps the files apart, it is an error.
- ``{language}``, ``{label}``, ``{assetType}`` and ``{fileName}`` are for batches of other assets than flavors; a
  placeholder that means nothing for one of the wanted kinds is an error as well
  (:data:`~airflow_provider_kaltura.ingest.asset_kinds.PLACEHOLDERS_OF`).
- A destination that ends in ``/`` gets ``{entryId}/{flavorId}.{format}``, and with other assets than flavors
  ``{entryId}/{assetType}/{assetId}.{format}``.
- The root is the destination up to the last ``/`` before its first placeholder (before the file name if there is
  none), or ``state_root``, which must be above that. ``_kaltura`` directly below it is ours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeAlias

from airflow_provider_kaltura.ingest.asset_kinds import FLAVORS, PLACEHOLDERS_OF
from airflow_provider_kaltura.ingest.errors import DestinationError
from airflow_provider_kaltura.ingest.safe_names import MAX_NAME_BYTES, finish_name, safe_part

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_provider_kaltura.api.models import Entry, FlavorAsset
    from airflow_provider_kaltura.ingest.asset_kinds import AssetKind

PLACEHOLDERS: Final = (
    "entryId",
    "entryName",
    "assetId",
    "assetType",
    "flavorId",
    "flavorParamsId",
    "language",
    "label",
    "fileName",
    "format",
    "version",
    "width",
    "height",
    "partnerId",
    "referenceId",
    "createdAt",
    "updatedAt",
)
DATE_DIRECTIVES: Final = "YymdHMSjGVuwUW%"
STATE_FOLDER: Final = "_kaltura"
DEFAULT_NAME: Final = "{entryId}/{flavorId}.{format}"
DEFAULT_NAME_OF_ASSETS: Final = "{entryId}/{assetType}/{assetId}.{format}"
CHANGE_IT: Final = "if it is a secret, change it, since it stands in the task's rendered fields now"

_DATES: Final = frozenset({"createdAt", "updatedAt"})
_KEEP_APART: Final = frozenset({"entryId", "assetId", "flavorId"})
_TELL_APART: Final = frozenset({"entryName", "referenceId"})
_MISSING: Final = {"format": "bin"}
_ROOT: Final = re.compile(r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/]*))?(?P<path>.*)", re.DOTALL)
_UNWRITABLE: Final = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
#: How a signed URL, or a connection string, goes on.
_SIGNED: Final = re.compile(
    r"[?&;](sig|ks|password|account_?key|shared_?access_?\w+|aws_?\w+|[\w-]*(signature|credential|token|secret))=",
    re.IGNORECASE,
)

Value: TypeAlias = "str | int | datetime | None"


@dataclass(frozen=True, slots=True)
class Placeholder:
    """One placeholder; ``date_format`` is a part of the author's format, without ``/``."""

    name: str
    date_format: str = ""


Component: TypeAlias = tuple["str | Placeholder", ...]


@dataclass(frozen=True, slots=True)
class Destination:
    """
    A parsed destination. Make one with :meth:`parse`.

    ``root`` is where the lake's state lives, as the user wrote it, without a ``/`` at its end (but ``/``, ``file:///``);
    ``components`` are the levels below it. ``kinds`` are the kinds of assets that it was checked for.
    """

    text: str
    root: str
    components: tuple[Component, ...]
    kinds: tuple[AssetKind, ...] = FLAVORS

    @classmethod
    def parse(cls, text: str, *, state_root: str | None = None, kinds: tuple[AssetKind, ...] = FLAVORS) -> Destination:
        """
        Parse a destination, after Jinja.

        :param text: An absolute local path or a URL (``file://``, ``memory://``, ``s3://conn@bucket/…``).
        :param state_root: Root to use instead of the destination's own; the destination must lie below it.
        :param kinds: What goes there; a placeholder must mean something for each.
        :returns: The destination.
        :raises DestinationError: The text can't be used; says where and what would do.
        """
        if not text:
            raise DestinationError("the destination is empty; give an absolute path or a URL")
        require_unsigned(text)
        require_unsigned(state_root or "")
        if bad := _UNWRITABLE.search(text):
            raise DestinationError("the destination holds a control character", bad.start())
        prefix, offset = _split_prefix(text)
        default = DEFAULT_NAME if set(kinds) <= set(FLAVORS) else DEFAULT_NAME_OF_ASSETS
        filled = text + default if text.endswith("/") else text
        components = tuple(_levels(filled, offset))
        if not components:
            raise DestinationError("the destination names no file")
        first = next((index for index, one in enumerate(components) if not _is_literal(one)), len(components) - 1)
        depth = first if state_root is None else _depth_of(state_root, prefix, components[:first])
        root = _join(prefix, ["".join(map(str, one)) for one in components[:depth]])
        below = components[depth:]
        if below[0] == (STATE_FOLDER,):
            raise DestinationError(f"{STATE_FOLDER!r} below the root is where this package keeps its state")
        found = cls(text, root, below, kinds)
        found._check_kinds()
        return found

    @property
    def names(self) -> frozenset[str]:
        """The placeholders that occur."""
        return frozenset(
            piece.name for component in self.components for piece in component if isinstance(piece, Placeholder)
        )

    def _check_kinds(self) -> None:
        for kind in self.kinds:
            for name in sorted(self.names - PLACEHOLDERS_OF[kind]):
                known = ", ".join(f"{{{one}}}" for one in PLACEHOLDERS if one in PLACEHOLDERS_OF[kind])
                position = self.text.find(f"{{{name}")
                raise DestinationError(f"{{{name}}} means nothing for {kind}; there are {known}", position)

    def render(self, entry: Entry, asset: FlavorAsset) -> str:
        """
        Fill the placeholders for one flavor asset.

        :param entry: The entry.
        :param asset: Its flavor asset.
        :returns: A key below :attr:`root`, the same for the same values.
        :raises DestinationError: A value is missing that alone would keep this file apart from others.
        """
        return self.render_values(flavor_values(entry, asset))

    def render_values(self, values: Mapping[str, Value]) -> str:
        """
        Fill the placeholders with given values.

        :param values: By placeholder; a missing one, None and ``""`` are values that do not exist.
        :returns: A key below :attr:`root`.
        :raises DestinationError: See :meth:`render`.
        """
        alone = not any(values.get(name) for name in self.names & _KEEP_APART)
        levels = []
        for index, component in enumerate(self.components):
            reserved = frozenset({STATE_FOLDER}) if index == 0 else frozenset[str]()
            levels.append(_fill(component, values, alone=alone, reserved=reserved))
        return "/".join(levels)

    def path(self, key: str) -> str:
        """
        Say where a key is, as users see it.

        :param key: What :meth:`render` gave.
        :returns: ``root`` and *key*, joined by one slash.
        """
        return f"{self.root}{key}" if self.root.endswith("/") else f"{self.root}/{key}"


def require_unsigned(text: str) -> None:
    """
    Refuse what goes on like a signed URL, without a word of it: places are shown in logs and manifests.

    :param text: A destination, a root or a part of one.
    :raises DestinationError: It does.
    """
    if _SIGNED.search(text):
        raise DestinationError(
            f"the destination looks like a signed URL: name an Airflow connection instead, s3://conn_id@…; {CHANGE_IT}"
        )


def flavor_values(entry: Entry, asset: FlavorAsset) -> dict[str, Value]:
    """
    Give the values of all placeholders for a flavor asset.

    :param entry: The entry.
    :param asset: Its flavor asset.
    :returns: By placeholder; None for what Kaltura does not have (a width of 0 is one of these).
    """
    return {
        "entryId": entry.id,
        "entryName": entry.name or None,
        "assetId": asset.id,
        "assetType": "flavor",
        "flavorId": asset.id,
        "flavorParamsId": asset.flavor_params_id,
        "format": asset.file_ext or None,
        "version": asset.version,
        "width": asset.width or None,
        "height": asset.height or None,
        "partnerId": entry.partner_id,
        "referenceId": entry.reference_id or None,
        "createdAt": entry.created_at,
        "updatedAt": entry.updated_at,
    }


def _split_prefix(text: str) -> tuple[str, int]:
    match = _ROOT.fullmatch(text)
    scheme = match and match["scheme"]
    if match is None or not scheme:
        if not text.startswith("/"):
            raise DestinationError(
                "the destination must be an absolute path or a URL: workers share no folder to start from", 0
            )
        return "", 0
    authority = match["authority"]
    if "{" in authority or "}" in authority:
        raise DestinationError("a placeholder can't stand in the host or bucket", text.index(authority))
    if scheme.lower() == "file" and authority not in {"", "localhost"}:
        raise DestinationError("a file:// destination has three slashes: file:///folder/…", text.index(authority))
    if not match["path"]:
        raise DestinationError("the destination names no file", len(text))
    return f"{scheme}://{authority}", match.start("path")


def _levels(text: str, offset: int) -> Iterator[Component]:
    level: list[str | Placeholder] = []
    start = offset
    for position, piece in _pieces(text, offset):
        if piece != "/":
            level.append(piece)
            continue
        yield from _close_level(level, start)
        level, start = [], position + 1
    if not level:
        raise DestinationError("the destination names no file", len(text))
    yield from _close_level(level, start)


def _close_level(level: list[str | Placeholder], position: int) -> Iterator[Component]:
    # Two slashes in a row come from joining "…/" and "/…"; an empty level is never meant.
    if not level:
        return
    component = tuple(level)
    if component in {(".",), ("..",)}:
        raise DestinationError(f"{component[0]!r} can't be a level of a destination", position)
    if _is_literal(component) and len("".join(map(str, component)).encode()) > MAX_NAME_BYTES:
        raise DestinationError(f"a name is longer than {MAX_NAME_BYTES} bytes", position)
    yield component


def _pieces(text: str, position: int) -> Iterator[tuple[int, str | Placeholder]]:
    for match in re.finditer(
        r"(?P<literal>[^{}/]+)|(?P<slash>/)|(?P<open>\{[^{}]*\})|(?P<stray>[{}])", text[position:]
    ):
        here = position + match.start()
        if match["stray"]:
            raise DestinationError(_stray_message(text, here), here)
        if match["open"]:
            yield from ((here, piece) for piece in _placeholder(match["open"][1:-1], here))
        else:
            yield here, match.group()


def _stray_message(text: str, position: int) -> str:
    if text[position : position + 2] in {"{{", "}}"}:
        return "double braces: placeholders have single ones, such as {entryId}"
    return "a brace without its partner; placeholders look like {entryId}"


def _placeholder(inner: str, position: int) -> Iterator[str | Placeholder]:
    name, colon, date_format = inner.partition(":")
    if name not in PLACEHOLDERS:
        known = ", ".join(f"{{{one}}}" for one in PLACEHOLDERS)
        raise DestinationError(f"unknown placeholder {{{inner}}}; there are {known}", position)
    if not colon:
        yield Placeholder(name, "%Y-%m-%d" if name in _DATES else "")
        return
    if name not in _DATES:
        raise DestinationError(f"{{{name}}} takes no format; only {{createdAt:…}} and {{updatedAt:…}} do", position)
    _check_date_format(date_format, position + len(name) + 2)
    for index, part in enumerate(date_format.split("/")):
        if index:
            yield "/"
        if part:
            yield Placeholder(name, part)


def _check_date_format(date_format: str, position: int) -> None:
    if not date_format.strip("/ ."):
        raise DestinationError("the date format is empty; write for example {createdAt:%Y/%m/%d}", position)
    if "%" not in date_format:
        raise DestinationError(
            f"the date format {date_format!r:.60} has no directive, and would be the same folder for all; write for "
            "example {createdAt:%Y/%m/%d}",
            position,
        )
    for match in re.finditer(r"%(.?)", date_format, re.DOTALL):
        if not match[1] or match[1] not in DATE_DIRECTIVES:
            known = ", ".join(f"%{one}" for one in DATE_DIRECTIVES)
            raise DestinationError(f"date format {match.group()!r} is not one of {known}", position + match.start())
    if any(part.strip(" ") in {".", ".."} for part in date_format.split("/")):
        raise DestinationError("a date format can't leave its folder", position)


def _is_literal(component: Component) -> bool:
    return all(isinstance(piece, str) for piece in component)


def _depth_of(state_root: str, prefix: str, literal: tuple[Component, ...]) -> int:
    if "{" in state_root or "}" in state_root:
        raise DestinationError("state_root takes no placeholders")
    root_prefix, offset = _split_prefix(state_root.rstrip("/") + "/")
    wanted = [(level,) for level in state_root[offset:].split("/") if level]
    if root_prefix != prefix or list(literal[: len(wanted)]) != wanted:
        raise DestinationError("the destination does not lie below state_root by its fixed part")
    return len(wanted)


def _join(prefix: str, levels: list[str]) -> str:
    if levels:
        return prefix + "".join(f"/{level}" for level in levels)
    return prefix if prefix and not prefix.endswith("/") else f"{prefix}/"


def _fill(component: Component, values: Mapping[str, Value], *, alone: bool, reserved: frozenset[str]) -> str:
    if _is_literal(component):
        return "".join(map(str, component))
    raw, text = [], []
    for piece in component:
        if isinstance(piece, str):
            raw.append(piece)
            text.append(piece)
            continue
        value = _value(piece, values, alone=alone)
        raw.append(value)
        # What a date holds besides digits was written by the template's author.
        text.append(value if piece.name in _DATES else safe_part(value))
    return finish_name("".join(text), "".join(raw), reserved=reserved)


def _value(piece: Placeholder, values: Mapping[str, Value], *, alone: bool) -> str:
    value = values.get(piece.name)
    if value is None or value == "":
        who = values.get("entryId") or "the asset"
        if piece.name in _KEEP_APART or (alone and piece.name in _TELL_APART):
            raise DestinationError(f"{{{piece.name}}}: {who} has none; give the file a name that keeps it apart")
        return _MISSING.get(piece.name, "_")
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise DestinationError(f"{{{piece.name}}}: a time without a time zone")
        return value.astimezone(UTC).strftime(piece.date_format)
    return str(value)
