"""
How far a sync has come: a small object per account and sync, ``_kaltura/cursor/<partner>-<name>-<hash>.json``.

It is written when everything of a run is in the manifest, and only if nobody else wrote it since the run began. Whoever
loses that race has lost nothing: the rows are there, and the next run begins where the winner's cursor says.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_kaltura.ingest.destination import STATE_FOLDER
from airflow_provider_kaltura.ingest.safe_names import slug
from airflow_provider_kaltura.transfer.errors import ObjectMissingError, TargetExistsError

if TYPE_CHECKING:
    from airflow_provider_kaltura.transfer.protocols import Store

log = logging.getLogger(__name__)

CURSOR_FOLDER: Final = f"{STATE_FOLDER}/cursor"
FORMAT: Final = 1
_DIGITS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """
    How far a sync has come.

    :param until: Everything that was changed up to this second has been looked at; seconds since 1970.
    :param runs_since_full: Runs since all was compared.
    :param told: What the sync was told to take; see :mod:`~airflow_provider_kaltura.ingest.sync_told`.
    :param created_since: How old its entries might be; seconds since 1970, 0 for any age.
    """

    until: int
    runs_since_full: int = 0
    told: str = ""
    created_since: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundCursor:
    """
    What stands in the lake.

    :param cursor: None when there is none, or none that can be read: then all is compared anew.
    :param version_tag: Of the object, None when there is none.
    """

    cursor: Cursor | None = None
    version_tag: str | None = None


def cursor_key(partner_id: int, name: str) -> str:
    """
    Name the cursor of a sync.

    :param partner_id: The account.
    :param name: The sync.
    :returns: A key in :data:`CURSOR_FOLDER`.
    """
    # The readable part is the same for many names.
    return f"{CURSOR_FOLDER}/{partner_id}-{slug(name, 80)}-{digest(name)}.json"


def digest(text: str) -> str:
    """
    Tell texts apart in little space.

    :param text: Any text.
    :returns: Sixteen hexadecimal digits.
    """
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:_DIGITS]


def read_cursor(store: Store, key: str) -> FoundCursor:
    """
    Read a cursor.

    :param store: Where the lake's small objects are.
    :param key: Its name.
    :returns: What stands there.
    :raises SinkError: The store can't be read.
    """
    stat = store.stat(key)
    if stat is None:
        return FoundCursor()
    try:
        # What is written between the two requests makes our own write fail later, and no harm.
        found = json.loads(store.read(key))
        cursor = Cursor(
            until=_count(found, "until"),
            runs_since_full=_count(found, "runsSinceFull"),
            # An older one has none of both, and fits nothing that a sync may be told.
            told=str(found.get("told", "")),
            created_since=_count({"createdSince": 0, **found}, "createdSince"),
        )
    except ObjectMissingError:
        return FoundCursor()
    except (ValueError, RecursionError):
        log.warning("The cursor %s can't be read; everything is compared anew", key)
        cursor = None
    return FoundCursor(cursor=cursor, version_tag=stat.version_tag)


def write_cursor(store: Store, key: str, before: FoundCursor, cursor: Cursor) -> bool:
    """
    Write a cursor, unless another run did.

    :param store: Where the lake's small objects are.
    :param key: Its name.
    :param before: What stood there when the run began.
    :param cursor: How far it has come.
    :returns: False when another run was faster.
    :raises SinkError: The store refused.
    """
    text = {
        "format": FORMAT,
        "until": cursor.until,
        "runsSinceFull": cursor.runs_since_full,
        "told": cursor.told,
        "createdSince": cursor.created_since,
    }
    data = json.dumps(text, separators=(",", ":")).encode()
    try:
        if before.version_tag is None:
            store.write(key, data, if_absent=True)
        else:
            store.write(key, data, if_version=before.version_tag)
    except TargetExistsError:
        return False
    return True


def _count(found: Any, name: str) -> int:
    value = found.get(name) if isinstance(found, dict) and found.get("format") == FORMAT else None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{name} is no number")
    return value
