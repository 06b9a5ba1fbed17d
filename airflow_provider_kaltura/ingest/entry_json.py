"""What Kaltura says about an entry, its custom metadata included, as a JSON file beside its media."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from airflow_provider_kaltura.ingest.entry_jobs import entry_job
from airflow_provider_kaltura.ingest.errors import IngestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_kaltura.api.custom_metadata import CustomMetadata
    from airflow_provider_kaltura.api.models import Entry, MediaUrl
    from airflow_provider_kaltura.ingest.batch_items import Item
    from airflow_provider_kaltura.ingest.destination import Destination
    from airflow_provider_kaltura.ingest.models import AssetJob

SCHEMA_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryJson:
    """A JSON file about an entry; its version is a digest of its bytes, so that the same is written once."""

    id: str
    data: bytes
    file_ext: str = "json"

    @property
    def version(self) -> str:
        """A digest of the bytes."""
        return hashlib.blake2b(self.data, digest_size=8).hexdigest()

    @property
    def size_bytes(self) -> int:
        """Length of the file."""
        return len(self.data)


def entry_json(entry: Entry, custom: Sequence[CustomMetadata]) -> EntryJson:
    """
    Write down what is known about an entry.

    :param entry: The entry. What plays and views change is left out: else no two days would have the same file.
    :param custom: Its custom metadata.
    :returns: The file.
    """
    found = {
        "schemaVersion": SCHEMA_VERSION,
        "entryId": entry.id,
        "partnerId": entry.partner_id,
        "name": entry.name,
        "description": entry.description,
        "type": entry.type,
        "mediaType": entry.media_type,
        "status": entry.status,
        "moderationStatus": entry.moderation_status,
        "owner": entry.user_id,
        "creator": entry.creator_id,
        "referenceId": entry.reference_id,
        "parentEntryId": entry.parent_entry_id,
        "tags": list(entry.tags),
        "categories": list(entry.categories),
        "durationMs": entry.duration_ms,
        "createdAt": _time(entry.created_at),
        "updatedAt": _time(entry.updated_at),
        "customMetadata": [
            {
                "id": one.id,
                "profileId": one.profile_id,
                "profileVersion": one.profile_version,
                "version": one.version,
                "xml": one.xml,
            }
            for one in custom
        ],
    }
    text = json.dumps(found, ensure_ascii=False, indent=2)
    return EntryJson(id=entry.id, data=text.encode("utf-8", "backslashreplace") + b"\n")


def entry_json_job(entry: Entry, item: Item, file: EntryJson, destination: Destination) -> AssetJob:
    """
    Plan such a file.

    :param entry: The entry.
    :param item: The file as what a batch takes.
    :param file: It.
    :param destination: Where it goes.
    :returns: The job.
    :raises DestinationError: The destination can't be filled for it.
    """
    planned = entry_job(entry, item, file.version, destination, _no_url)
    return replace(
        planned,
        make=lambda _: file.data,
        is_proved=True,
    )


def _no_url(*, stale: str | None = None) -> MediaUrl:
    raise IngestError(f"such a file has no URL{' any more' if stale else ''}")


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
