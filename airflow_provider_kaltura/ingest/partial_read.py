"""Records of files on their way, read together with their version, whatever has become of them."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from airflow_provider_kaltura.ingest.partial import Partial, Traces, traces
from airflow_provider_kaltura.transfer.errors import ObjectMissingError

if TYPE_CHECKING:
    from airflow_provider_kaltura.transfer.protocols import ObjectStat, Store

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """A record as it stands; where it is damaged or of another format, ``partial`` is None and ``traces`` count."""

    stat: ObjectStat
    partial: Partial | None
    traces: Traces = field(default_factory=Traces)


def read_partial(store: Store, name: str) -> Found | None:
    """
    Read a record together with its version.

    :param store: Where it stands.
    :param name: Its key.
    :returns: None when nothing stands there.
    """
    # The version first: a write bound to it then never goes over something newer than what was read.
    stat = store.stat(name)
    if stat is None:
        return None
    try:
        data = store.read(name)
    except ObjectMissingError:
        return None
    try:
        partial = Partial.from_json(data)
    except ValueError as error:
        log.warning("The record %s of an earlier try is of no use: %s", name, error)
        return Found(stat, None, traces(data))
    modified = stat.modified_at_epoch
    if modified is not None:
        # The store's clock tells when uploads were begun, and when the record was written; that of a worker may have
        # been ahead of it or behind.
        partial = replace(
            partial, intended_at_epoch=min(partial.intended_at_epoch, modified), touched_at_epoch=modified
        )
    return Found(stat, partial)
