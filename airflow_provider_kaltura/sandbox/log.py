"""What was asked: every request with its actions, as it came."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, field
from typing import Any

from airflow_provider_kaltura.sandbox.services.registry import canonical

Json = dict[str, Any]


@dataclass
class Record:
    """
    One request.

    :param number: Its place in the log, from 1.
    :param method: HTTP method.
    :param path: Path, still quoted.
    :param query: Query string.
    :param headers: Headers, names in lower case.
    :param actions: Service and action of each part, ``service.action``, in Kaltura's own spelling.
    :param parameters: The parameters as read; they may hold sessions and secrets, since this is a test double.
    :param status: Status of the answer, 0 when there was none.
    :param sent_bytes: Bytes of the body that were sent.
    """

    number: int
    method: str
    path: str
    query: str
    headers: dict[str, str] = field(repr=False)
    actions: list[str] = field(default_factory=list)
    parameters: Json = field(default_factory=dict, repr=False)
    status: int = 0
    sent_bytes: int = 0

    def note(self, given: Json) -> None:
        """Remember the parameters of an API request."""
        self.parameters = given
        if str(given.get("service", "")).lower() == "multirequest":
            parts = [part for name, part in given.items() if name.isdigit() and isinstance(part, dict)]
        else:
            parts = [given]
        self.actions = [canonical(str(part.get("service", "")), str(part.get("action", ""))) for part in parts]

    def as_dict(self) -> Json:
        """Return the record as plain JSON."""
        return asdict(self)


class Log:
    """The requests so far, for any thread to read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: list[Record] = []

    def add(self, method: str, path: str, query: str, headers: dict[str, str]) -> Record:
        """Note a request and return its record, to be completed."""
        with self._lock:
            record = Record(len(self._records) + 1, method, path, query, headers)
            self._records.append(record)
        return record

    def records(self) -> list[Record]:
        """Return the requests so far, oldest first."""
        with self._lock:
            return list(self._records)

    def clear(self) -> None:
        """Forget all requests."""
        with self._lock:
            self._records.clear()

    @property
    def requests(self) -> int:
        """How many requests there were."""
        return len(self.records())

    @property
    def actions(self) -> int:
        """How many actions of the API they had; a multirequest has several."""
        return sum(len(record.actions) for record in self.records())

    def action_counts(self) -> dict[str, int]:
        """Return how often each ``service.action`` was called."""
        counts: dict[str, int] = {}
        for record in self.records():
            for action in record.actions:
                counts[action] = counts.get(action, 0) + 1
        return counts
