"""Wait on the triggerer until a flavor of an entry can be downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_kaltura.api.errors import KalturaError
from airflow_provider_kaltura.compat import AirflowNotFoundException, BaseTrigger, TriggerEvent
from airflow_provider_kaltura.exceptions import KalturaProviderError
from airflow_provider_kaltura.hooks.kaltura import KalturaHook
from airflow_provider_kaltura.ingest.errors import WatchTimeoutError
from airflow_provider_kaltura.ingest.watch import MAX_FAILURES, FlavorWatch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["KalturaFlavorReadyTrigger"]


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
        try:
            watch = await FlavorWatch.shared(self.kaltura_conn_id, KalturaHook(self.kaltura_conn_id).aget_api)
            await watch.wait(self.entry_id, self.flavor, poll_interval=self.poll_interval, deadline=self.deadline)
        except WatchTimeoutError:
            return {"status": "timeout"}
        except (KalturaError, KalturaProviderError, AirflowNotFoundException) as error:
            # What can't change is for the sensor to see and to raise; no text of an error goes into an event.
            if not getattr(error, "retryable", False):
                return {"status": "decided"}
            return {"status": "failing", "failures": MAX_FAILURES, "error": type(error).__name__, "code": _code(error)}
        return {"status": "decided"}


def _code(error: Exception) -> str | None:
    return getattr(error, "code", None)
