"""
What is about to be fetched is written down before.

A kill may come after a file got its name and before its row is written. Usually the next run finds the same flavor and
makes up for it; but should the flavor be deleted meanwhile, nobody would know whose file that is. So each group of jobs
is one small object below ``_kaltura/intents/``, removed when the rows are written. Those of its own sync that a run
finds at its start are of a run that was killed, or of one that goes on at this moment: what stands unrecorded under
their names is taken for a file of theirs of no known version. They are removed after a day. Those of other syncs are
left to them.
"""

from __future__ import annotations

import json
import logging
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_kaltura.ingest.cursor import digest
from airflow_provider_kaltura.ingest.destination import STATE_FOLDER
from airflow_provider_kaltura.ingest.manifest_row import ManifestRow
from airflow_provider_kaltura.ingest.models import METADATA_FLAVOR
from airflow_provider_kaltura.ingest.standing import is_ours
from airflow_provider_kaltura.transfer.errors import ObjectMissingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_provider_kaltura.ingest.models import AssetJob
    from airflow_provider_kaltura.ingest.sync_index import LakeIndex
    from airflow_provider_kaltura.transfer.protocols import Store

log = logging.getLogger(__name__)

INTENTS_FOLDER: Final = f"{STATE_FOLDER}/intents"
_FIELDS: Final = 5
_KEPT_SECONDS: Final = 86_400
_MICROSECOND: Final = timedelta(microseconds=1)
_FIRST: Final = datetime.fromtimestamp(0, UTC)


def write_intents(store: Store, sync: str, jobs: Sequence[AssetJob]) -> str:
    """
    Write down what is about to be fetched.

    :param store: Where the lake's small objects are.
    :param sync: The sync's name.
    :param jobs: At least one.
    :returns: The key of the object, to be removed when the rows of all these are written.
    :raises SinkError: The store refused.
    """
    key = f"{intents_of(jobs[0].partner_id, sync)}{uuid.uuid4().hex}.jsonl"
    rows = ([job.partner_id, job.asset_type, job.asset_id, job.entry_id, job.key] for job in jobs)
    store.write(key, "".join(f"{json.dumps(row)}\n" for row in rows).encode(), if_absent=True)
    return key


def intents_of(partner_id: int, sync: str) -> str:
    """
    Say how the keys of a sync's intents begin.

    :param partner_id: The account.
    :param sync: The sync's name.
    :returns: A prefix that no other sync has.
    """
    return f"{INTENTS_FOLDER}/{partner_id}-{digest(sync)}-"


def take_intents(
    store: Store, index: LakeIndex, partner_id: int, now: float, *, may_remove: bool = True
) -> Iterator[str]:
    """
    Find files that a killed run has left without a row, and let the index know of them.

    :param store: Where the lake's small objects are.
    :param index: That of the sync; learns what stands, in no known version.
    :param partner_id: The account.
    :param now: Seconds since 1970.
    :param may_remove: Whether those of an earlier day are removed; only by a run that settles them.
    :yields: The entries to look at, possibly more than once.
    :raises SinkError: The store can't be read.
    """
    for stat in list(store.list(intents_of(partner_id, index.name))):
        for intent in _read(store, stat.key):
            row = _left_behind(store, index, *intent)
            if row is not None:
                index.add(row)
            # Its row may be there, and nothing about the entry, which may be deleted by now.
            yield intent[3]
        if may_remove and stat.modified_at_epoch is not None and now - stat.modified_at_epoch > _KEPT_SECONDS:
            store.delete(stat.key)


def claimants(store: Store, path: str) -> set[str]:
    """
    Tell for which entries runs of any sync are about to put a file somewhere.

    :param store: Where the lake's small objects are.
    :param path: Its name.
    :returns: Their ids.
    :raises SinkError: The store can't be read.
    """
    found = (intent for stat in list(store.list(f"{INTENTS_FOLDER}/")) for intent in _read(store, stat.key))
    return {entry_id for _, _, _, entry_id, wanted in found if wanted == path}


def _read(store: Store, key: str) -> Iterator[list[str]]:
    try:
        lines = store.read(key).splitlines()
    except ObjectMissingError:
        return  # its run has just ended
    for line in lines:
        try:
            yield _texts(json.loads(line))
        except (ValueError, RecursionError):
            log.warning("An intent in %s can't be read", key)


def _left_behind(
    store: Store, index: LakeIndex, partner_id: str, asset_type: str, asset_id: str, entry_id: str, path: str
) -> ManifestRow | None:
    stat = store.stat(path)
    known = index.standing(path)
    if stat is None or (known is not None and known.version_tag == stat.version_tag):
        return None
    if is_ours(stat) and (stat.metadata or {}).get(METADATA_FLAVOR) != asset_id:
        return None  # the name is another one's
    row = ManifestRow(
        partner_id=int(partner_id),
        asset_type=asset_type,
        asset_id=asset_id,
        path=path,
        entry_id=entry_id,
        version="",
        size_bytes=stat.size_bytes,
        checksum=None,
        verified="none",
        outcome="adopted",
        observed_at=_FIRST,
        version_tag=stat.version_tag,
        sync=index.name,
    )
    newest = index.newest_at(row)
    return row if newest is None else replace(row, observed_at=newest + _MICROSECOND)


def _texts(found: Any) -> list[str]:
    if not isinstance(found, list) or len(found) != _FIELDS or not isinstance(found[0], int):
        raise ValueError("no intent")
    return [str(one) for one in found]
