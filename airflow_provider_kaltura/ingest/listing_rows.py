"""Entries as lines of a listing: what people want to know of each, in Kaltura's own names."""

from __future__ import annotations

import uuid
from datetime import UTC
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_kaltura.ingest.destination import STATE_FOLDER
from airflow_provider_kaltura.ingest.safe_names import slug

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from airflow_provider_kaltura.api.models import Entry

LISTING_FOLDER: Final = f"{STATE_FOLDER}/listings"

# Slices repeat the name: the shorter it is, the more of them go into an XCom.
_NAME_LENGTH: Final = 40
_UNIQUE_LENGTH: Final = 12


def listing_key(run_id: str = "", task_id: str = "", map_index: int = -1, try_number: int = 1) -> str:
    """
    Name a listing that no other try will have.

    :param run_id: Airflow's run.
    :param task_id: Airflow's task.
    :param map_index: Its number in a mapping, -1 for none.
    :param try_number: Which try of it.
    :returns: The name below the root.
    """
    names = slug(run_id, _NAME_LENGTH), slug(task_id, _NAME_LENGTH), str(map_index), str(try_number)
    return f"{LISTING_FOLDER}/{'-'.join((*names, uuid.uuid4().hex[:_UNIQUE_LENGTH]))}.jsonl"


def steady(entries: Iterable[Entry]) -> Iterator[Entry]:
    """
    Bring entries of one second, which Kaltura lists in any order, into one that is the same on a retry.

    Memory: the entries of one second.

    :param entries: In order of creation.
    :yields: The same; those created in one second by id.
    """
    for _, together in groupby(entries, key=lambda entry: entry.created_at):
        yield from sorted(together, key=lambda entry: entry.id)


def listing_row(entry: Entry) -> dict[str, Any]:
    """
    Describe an entry.

    :param entry: The entry.
    :returns: Plain JSON; times in UTC, None for what Kaltura has not.
    """
    return {
        "entryId": entry.id,
        "name": entry.name,
        "description": entry.description,
        "userId": entry.user_id,
        "creatorId": entry.creator_id,
        "createdAt": _written(entry.created_at),
        "updatedAt": _written(entry.updated_at),
        "lastPlayedAt": _written(entry.last_played_at),
        "msDuration": entry.duration_ms,
        "mediaType": entry.media_type,
        "type": entry.type,
        "tags": list(entry.tags),
        "categories": list(entry.categories),
        "status": entry.status,
        "moderationStatus": entry.moderation_status,
        "referenceId": entry.reference_id,
        "parentEntryId": entry.parent_entry_id,
        "partnerId": entry.partner_id,
    }


def _written(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
