"""What was asked: every request with its actions, as it came."""

from __future__ import annotations

import re
import threading
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from typing import Any

from airflow_provider_kaltura.sandbox.services.registry import canonical

Json = dict[str, Any]
KEPT_REQUESTS = 20_000
_MEDIA = re.compile(r"/(serveFlavor|download|playManifest|raw|thumbnail)(/|$)|/action/serve(WebVTT)?(/|$)")


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

    @property
    def is_media(self) -> bool:
        """Whether it is for a file, and not for the API; one that serves a caption's file is for a file."""
        return _MEDIA.search(self.path) is not None

    def as_dict(self) -> Json:
        """Return the record as plain JSON."""
        return asdict(self)


class Log:
    """
    The latest requests and counts of all, for any thread to read.

    :param kept: How many requests are kept; older ones still count.
    """

    def __init__(self, kept: int = KEPT_REQUESTS) -> None:
        self._lock = threading.Lock()
        self._records: deque[Record] = deque(maxlen=kept)
        self._requests = self._media = self._api = 0
        self._actions: Counter[str] = Counter()

    def add(self, method: str, path: str, query: str, headers: dict[str, str]) -> Record:
        """Note a request and return its record, to be completed."""
        with self._lock:
            self._requests += 1
            record = Record(self._requests, method, path, query, headers)
            self._media += record.is_media
            self._records.append(record)
        return record

    def note(self, record: Record, given: Json) -> None:
        """Complete the record of a request to the API with its parameters, and count its actions."""
        record.note(given)
        with self._lock:
            self._actions.update(record.actions)
            self._api += not record.is_media

    def records(self) -> list[Record]:
        """Return the latest requests, oldest first."""
        with self._lock:
            return list(self._records)

    def clear(self) -> None:
        """Forget all requests, and count from 0."""
        with self._lock:
            self._records.clear()
        self.reset_counts()

    def reset_counts(self) -> None:
        """Count from 0; what was asked stays."""
        with self._lock:
            self._requests = self._media = self._api = 0
            self._actions.clear()

    @property
    def api_requests(self) -> int:
        """How many of the requests were for the API."""
        return self._api

    @property
    def media_requests(self) -> int:
        """How many of the requests were for files."""
        return self._media

    @property
    def requests(self) -> int:
        """How many requests there were."""
        return self._requests

    @property
    def actions(self) -> int:
        """How many actions of the API they had; a multirequest has several."""
        return self._actions.total()

    def action_counts(self) -> dict[str, int]:
        """Return how often each ``service.action`` was called."""
        with self._lock:
            return dict(self._actions)
