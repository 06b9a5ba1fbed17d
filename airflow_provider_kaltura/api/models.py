"""Kaltura's objects as frozen values, with units in the names. No I/O, no XCom shapes."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class FlavorStatus(IntEnum):
    """Status of a flavor asset; ``recorded cases flavors.get_*``."""

    ERROR = -1
    QUEUED = 0
    CONVERTING = 1
    READY = 2
    DELETED = 3
    NOT_APPLICABLE = 4
    TEMP = 5
    WAIT_FOR_CONVERT = 6
    IMPORTING = 7
    VALIDATING = 8
    EXPORTING = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """
    A Kaltura entry, as far as ingestion needs it.

    ``status`` and ``type`` are texts, since plugins add values that are no numbers.
    """

    id: str
    partner_id: int
    name: str = ""
    status: str = "2"
    type: str = "1"
    media_type: int | None = None
    reference_id: str | None = None
    access_control_id: int | None = None
    description: str = ""
    user_id: str = ""
    creator_id: str = ""
    tags: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    duration_ms: int | None = None
    parent_entry_id: str | None = None
    last_played_at: datetime | None = None
    replaced_entry_id: str | None = None
    moderation_status: int | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FlavorAsset:
    """
    One flavor asset. While it is unfinished, width, height and bitrate are 0 and mean "unknown".

    ``size_bytes`` is Kaltura's ``sizeInBytes`` (never ``size``, which is KB or bytes), None where Kaltura has none.
    """

    id: str
    entry_id: str
    partner_id: int
    status: int
    flavor_params_id: int = 0
    version: str = "0"
    size_bytes: int | None = None
    width: int = 0
    height: int = 0
    bitrate_kbps: int = 0
    file_ext: str = ""
    tags: tuple[str, ...] = ()
    is_original: bool = False
    description: str = ""
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaUrl:
    """
    Where the bytes of one asset can be fetched now. A secret all the same: it never shows in a repr.

    ``needs_session`` tells that a KS is in the URL's query or path.
    """

    url: str = field(repr=False)
    needs_session: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EntrySnapshot:
    """
    An entry and its flavor assets at one moment: what a choice is made from.

    ``web_playable_ids`` is None when it was not asked for.
    """

    entry: Entry
    assets: tuple[FlavorAsset, ...]
    web_playable_ids: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """Whether a connection works, in one sentence without a secret; ``code`` names the case for programs."""

    ok: bool
    message: str
    code: str
