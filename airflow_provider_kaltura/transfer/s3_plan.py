"""What an upload into S3 is for, and when it ends."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_kaltura.transfer import plan, proofs
from airflow_provider_kaltura.transfer.errors import IncompleteUploadError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_kaltura.transfer.protocols import Buffer


@dataclass(frozen=True, slots=True)
class UploadPlan:
    """
    What an upload is for.

    :param key: Final name below the root.
    :param size_bytes: Length of the whole.
    :param part_bytes: Length of every part but the last.
    """

    key: str
    size_bytes: int
    part_bytes: int

    @property
    def count(self) -> int:
        """How many parts there are."""
        return plan.part_count(self.size_bytes, self.part_bytes)

    def require(self, index: int, buffer: Buffer) -> None:
        """
        Refuse what is no part.

        :param index: Which.
        :param buffer: Its bytes.
        :raises IncompleteUploadError: There is no such part, or it has another length.
        """
        try:
            place = plan.part_range(index, self.size_bytes, self.part_bytes)
        except ValueError as error:
            raise IncompleteUploadError(str(error), self.key) from error
        proofs.part_length(index, place.size_bytes, len(buffer), self.key)

    def size_of(self, index: int) -> int:
        """
        Give the length of a part.

        :param index: Which.
        :returns: Bytes; -1 when there is no such part.
        """
        if not 0 <= index < self.count:
            return -1
        return plan.part_range(index, self.size_bytes, self.part_bytes).size_bytes


class Gate:
    """
    Lets parts through until the upload has ended, and lets its end wait for those under way.

    :param key: For messages.
    """

    def __init__(self, key: str) -> None:
        self._key = key
        self._idle = threading.Condition()
        self._inside = 0
        self._has_ended = False

    @contextmanager
    def entered(self) -> Iterator[None]:
        """
        Be inside for a block.

        :raises IncompleteUploadError: The upload has ended.
        """
        with self._idle:
            if self._has_ended:
                raise IncompleteUploadError("the upload has ended", self._key)
            self._inside += 1
        try:
            yield
        finally:
            with self._idle:
                self._inside -= 1
                self._idle.notify_all()

    def end(self) -> None:
        """Let nobody in any more, and wait for whoever is inside."""
        with self._idle:
            self._has_ended = True
            self._idle.wait_for(lambda: self._inside == 0)
