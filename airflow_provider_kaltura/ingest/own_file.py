"""
A file under a name that somebody gave: which of those that stand there a task's earlier tries have written.

Below the root: ``_kaltura/own/<hash of run, task, map index and name>.json``, a list of ``[length, checksum]``. It is
written before the file is, so that a try that was killed in between has said so too.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Final

from airflow_provider_kaltura.ingest.destination import STATE_FOLDER
from airflow_provider_kaltura.ingest.standing import has_bytes
from airflow_provider_kaltura.transfer.checksum import READ_BACK_BYTES, crc64nvme, format_crc64nvme
from airflow_provider_kaltura.transfer.errors import ObjectMissingError, TargetExistsError

if TYPE_CHECKING:
    from airflow_provider_kaltura.ingest.lake import Lake
    from airflow_provider_kaltura.ingest.models import RunOptions

OWN_FOLDER: Final = f"{STATE_FOLDER}/own"
# Of one task's tries.
_KEPT: Final = 20


@dataclass(frozen=True, slots=True)
class OwnFile:
    """
    A file that a task writes.

    :param lake: Where it goes.
    :param key: Its name there.
    :param task: Who writes it; run, task, map index and try count.
    """

    lake: Lake
    key: str
    task: RunOptions

    def require(self) -> bool:
        """
        Leave alone what others have written.

        :returns: Whether something stands there, which an earlier try of this task has written.
        :raises TargetExistsError: Something else stands there.
        :raises SinkError: The place can't tell.
        """
        stat = self.lake.store.stat(self.key)
        if stat is None:
            return False
        if self.task.try_number > 1 and any(
            has_bytes(self.lake.store, stat, size_bytes, checksum) for size_bytes, checksum in self._proofs()
        ):
            return True
        raise TargetExistsError(
            "something stands there already that is not known to be of an earlier try of this task; put the run and "
            "the map index into its name, or end the path with '/'",
            self.key,
        )

    def note(self, spool: IO[bytes]) -> None:
        """
        Record what is about to be written.

        :param spool: It.
        :raises SinkError: The place refused.
        """
        spool.seek(0)
        crc, size_bytes = 0, 0
        while data := spool.read(READ_BACK_BYTES):
            crc, size_bytes = crc64nvme(data, crc), size_bytes + len(data)
        spool.seek(0, io.SEEK_END)
        proofs = [*self._proofs(), (size_bytes, format_crc64nvme(crc))][-_KEPT:]
        self.lake.store.write(self._record_key, json.dumps(proofs).encode())

    @property
    def _record_key(self) -> str:
        who = json.dumps([self.task.run_id, self.task.task_id, self.task.map_index, self.key])
        return f"{OWN_FOLDER}/{hashlib.sha256(who.encode()).hexdigest()}.json"

    def _proofs(self) -> list[tuple[int, str]]:
        try:
            found: Any = json.loads(self.lake.store.read(self._record_key))
            return [(int(size_bytes), str(checksum)) for size_bytes, checksum in found]
        except (ObjectMissingError, ValueError, TypeError):
            return []
