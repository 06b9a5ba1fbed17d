"""A file that stands, and the proof that it is the one that a try was about to commit."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_kaltura.ingest.standing import has_bytes, sha256_of_proved
from airflow_provider_kaltura.transfer.errors import ChecksumMismatchError

if TYPE_CHECKING:
    from airflow_provider_kaltura.ingest.models import ChecksumName
    from airflow_provider_kaltura.ingest.partial_claim import Claim
    from airflow_provider_kaltura.transfer.protocols import ObjectStat

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """
    A file that stands.

    ``claim`` is to be finished once the manifest has its row; None where nothing is left to do.
    """

    size_bytes: int
    checksum: str | None
    stat: ObjectStat
    fetched_bytes: int = 0
    requests: int = 0
    claim: Claim | None = None


def proved(held: Claim, stat: ObjectStat, checksum: ChecksumName) -> Fetched | None:
    """
    Prove that a file is the one that the record of its try was about to commit.

    :param held: The record.
    :param stat: What stands.
    :param checksum: Which checksum is wanted.
    :returns: The file, with nothing fetched; None when it is not proved.
    :raises SinkError: The place can't be read.
    """
    record, store = held.value, held.lake.store
    if not record.is_committing or not has_bytes(store, stat, record.size_bytes, record.checksum):
        return None
    found = record.checksum
    if checksum == "sha256" and not (found or "").startswith("sha256:"):
        try:
            found = sha256_of_proved(store, stat, found)
        except ChecksumMismatchError as error:
            log.warning("%s is not what was put there: %s", stat.key, error)
            return None
    return Fetched(size_bytes=record.size_bytes, checksum=found, stat=stat, claim=held)
