"""A place where assets and our state about them live together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_kaltura.transfer.protocols import Sink, Store


@dataclass(frozen=True, slots=True)
class Lake:
    """
    Sink and store of one root; keys are relative to it.

    ``root`` is the text that the user wrote, for messages and paths; it carries a connection id at most.
    """

    root: str
    sink: Sink
    store: Store

    @property
    def may_lose_files(self) -> bool:
        """After a loss of power a name may stand for bytes that never reached the disk (``durability="batch"``)."""
        return getattr(self.sink, "durability", "file") == "batch"

    def sync(self) -> None:
        """
        Make what was committed outlast a loss of power, where the sink has put that off (``durability="batch"``).

        :raises SinkError: The place refused.
        """
        sync = getattr(self.sink, "sync", None)
        if sync is not None:
            sync()
