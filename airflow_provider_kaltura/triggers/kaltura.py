"""Wait on the triggerer until a flavor of an entry can be downloaded."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_kaltura.api.errors import KalturaError
from airflow_provider_kaltura.compat import AirflowNotFoundException, BaseTrigger, TriggerEvent
from airflow_provider_kaltura.exceptions import KalturaProviderError
from airflow_provider_kaltura.hooks.kaltura import KalturaHook
from airflow_provider_kaltura.ingest.errors import WatchTimeoutError
from airflow_provider_kaltura.ingest.watch import MAX_FAILURES, FlavorWatch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["KalturaFlavorReadyTrigger"]

log = logging.getLogger(__name__)

_SHORTEST_PAUSE_SECONDS: Final = 0.5
_sleep = asyncio.sleep


class KalturaFlavorReadyTrigger(BaseTrigger):
    """
    Fire when it is worth to look at an entry again.

    All triggers of a connection share their looks. The event holds ids and numbers only: ``status`` is ``decided`` (the
    flavor is ready, or can never come), ``timeout`` (*deadline* has passed) or ``failing`` (too many looks failed in a
    row); ``entry_id`` is the entry. The sensor then looks itself.

    :param kaltura_conn_id: The connection to Kaltura.
    :param entry_id: The entry.
    :param flavor: Preferences, as the sensor takes them; or ``"all"``.
    :param poll_interval: Seconds between two looks.
    :param deadline: When the wait ends, in seconds since the epoch.
    """

    def __init__(
        self, kaltura_conn_id: str, entry_id: str, flavor: str | list[str], poll_interval: float, deadline: float
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow's base has no types here
        self.kaltura_conn_id = kaltura_conn_id
        self.entry_id = entry_id
        self.flavor = flavor
        self.poll_interval = poll_interval
        self.deadline = deadline

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give the class and its arguments, in plain JSON types."""
        return (
            "airflow_provider_kaltura.triggers.kaltura.KalturaFlavorReadyTrigger",
            {
                "kaltura_conn_id": self.kaltura_conn_id,
                "entry_id": self.entry_id,
                "flavor": self.flavor,
                "poll_interval": self.poll_interval,
                "deadline": self.deadline,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """
        Wait, and fire once.

        :yields: The one event.
        """
        event = {"entry_id": self.entry_id, **await self._wait()}
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]  # Airflow's class has no types here

    async def _wait(self) -> dict[str, Any]:
        failures = 0
        while True:
            try:
                watch = await FlavorWatch.shared(self.kaltura_conn_id, KalturaHook(self.kaltura_conn_id).aget_api)
                break
            except Exception as error:  # noqa: BLE001 - whatever looks connections up may be restarting: a database, a server
                # A connection that is not there may be missing here only, while the worker has it: calling that decided
                # would send the task back and forth without a pause.
                if _is_decided(error) and not isinstance(error, AirflowNotFoundException):
                    return {"status": "decided"}
                failures += 1
                if failures >= MAX_FAILURES:
                    return _failing(error)
                log.warning(
                    "Connection %s can't be read, %d in a row: %s", self.kaltura_conn_id, failures, _name(error)
                )
            left = self.deadline - time.time()
            if left <= 0:
                return {"status": "timeout"}
            await _sleep(min(left, max(self.poll_interval, _SHORTEST_PAUSE_SECONDS)))
        try:
            await watch.wait(self.entry_id, self.flavor, poll_interval=self.poll_interval, deadline=self.deadline)
        except WatchTimeoutError:
            return {"status": "timeout"}
        except Exception as error:  # noqa: BLE001 - a trigger that dies tells the sensor nothing
            return {"status": "decided"} if _is_decided(error) else _failing(error)
        return {"status": "decided"}


def _is_decided(error: Exception) -> bool:
    # What can't change is for the sensor to see and to raise; no text of an error goes into an event.
    is_ours = isinstance(error, KalturaError | KalturaProviderError | AirflowNotFoundException)
    return is_ours and not getattr(error, "retryable", False)


def _failing(error: Exception) -> dict[str, Any]:
    return {"status": "failing", "failures": MAX_FAILURES, "error": _name(error), "code": _code(error)}


def _name(error: Exception) -> str:
    return type(error).__name__


def _code(error: Exception) -> str | None:
    # Those of other people's errors are not always texts.
    code = getattr(error, "code", None)
    return code if isinstance(code, str) else None
