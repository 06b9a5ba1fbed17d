"""A file that stands although nothing says so: its try was killed between the commit and the manifest's row."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_kaltura.ingest.partial import PARTIAL_FOLDER, is_partial_key, is_recorded, partial_key
from airflow_provider_kaltura.ingest.partial_claim import Claim, discard_recorded
from airflow_provider_kaltura.ingest.partial_read import read_partial
from airflow_provider_kaltura.ingest.proved import proved

if TYPE_CHECKING:
    from airflow_provider_kaltura.ingest.lake import Lake
    from airflow_provider_kaltura.ingest.models import AssetJob, RunOptions
    from airflow_provider_kaltura.ingest.proved import Fetched
    from airflow_provider_kaltura.transfer.protocols import ObjectStat

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settled:
    """
    What the record of an earlier try says about a file that stands.

    ``is_in_doubt`` when that try had not got so far, or the file's bytes are not those that it proved: what the file
    says about itself is then not to be believed.
    """

    fetched: Fetched | None = None
    is_in_doubt: bool = False


@dataclass(slots=True)
class Unsettled:
    """
    The records that a run finds, listed once and only when a file stands that may have one.

    :param lake: Where they are.
    :param options: Which files have one.
    """

    lake: Lake
    options: RunOptions
    _names: frozenset[str] | None = field(default=None, init=False)

    def has(self, job: AssetJob, size_bytes: int) -> bool:
        """
        Tell whether an earlier try has left a record of a job.

        :param job: The job.
        :param size_bytes: Its length.
        :returns: True when it has; what stands is then not adopted by its length alone.
        :raises SinkError: The records can't be listed.
        """
        if not is_recorded(job, size_bytes, self.lake.sink.capabilities, self.options):
            return False
        if self._names is None:
            stats = self.lake.store.list(f"{PARTIAL_FOLDER}/")
            self._names = frozenset(stat.key for stat in stats if is_partial_key(stat.key))
        return partial_key(job) in self._names

    def settle(self, job: AssetJob, size_bytes: int, stat: ObjectStat) -> Settled:
        """
        Prove that what stands is what an earlier try had proved and was about to commit.

        :param job: The job.
        :param size_bytes: Its length.
        :param stat: What stands.
        :returns: The file as that try would have told it, with nothing fetched, if it is proved.
        :raises SinkError: The place can't be read.
        """
        name = partial_key(job)
        found = read_partial(self.lake.store, name)
        record = None if found is None else found.partial
        if found is None or record is None or not record.is_for(job, size_bytes):
            return Settled()
        held = Claim(self.lake, record, name, found.stat.version_tag, time.time)
        fetched = proved(held, stat, self.options.checksum)
        if fetched is None:
            # Without a checksum nothing could have been proved, so that nothing speaks against the file.
            return Settled(is_in_doubt=not record.is_committing or record.checksum is not None)
        log.info("%s stands as an earlier try has proved it", job.path)
        discard_recorded(self.lake.sink, record)
        return Settled(fetched)
