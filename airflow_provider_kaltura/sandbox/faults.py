"""Faults that can be switched on: what they answer instead, or do to an answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_kaltura.sandbox.log import Record
    from airflow_provider_kaltura.sandbox.replies import Reply


@dataclass
class Plan:
    """What happens to one answer."""

    reply: Reply | None = None

    def shape(self, reply: Reply) -> Reply:
        """Return the reply as it is to be sent."""
        return reply


class Faults:
    """The faults that are switched on."""

    def for_action(self, _service: str, _action: str, _parameters: dict[str, Any]) -> Any:
        """Return what an action answers instead; None for nothing."""
        return None

    def for_request(self, _record: Record) -> Plan:
        """Return what happens to the answer of a request."""
        return Plan()
