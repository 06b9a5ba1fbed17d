"""Limits of how many actions a partner may call in some seconds: what is too much is answered ACTION_BLOCKED."""

from __future__ import annotations

import itertools
import threading
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_kaltura.sandbox.errors import ApiError

WINDOW_SECONDS = 10.0


@dataclass
class Rate:
    """
    A limit.

    :param number: Its number, to switch it off.
    :param actions: How many actions pass in each window.
    :param seconds: Length of the window, which slides.
    :param partner_id: Whom it limits, None for each partner by itself.
    :param service: Which service it counts, None for all.
    :param action: Which action it counts, None for all.
    :param passed: How many actions it let pass.
    :param blocked: How many it blocked.
    """

    number: int
    actions: int
    seconds: float = WINDOW_SECONDS
    partner_id: int | None = None
    service: str | None = None
    action: str | None = None
    passed: int = 0
    blocked: int = 0
    _times: dict[int | None, deque[float]] = field(default_factory=lambda: defaultdict(deque), repr=False)

    def meets(self, service: str, action: str, partner_id: int | None) -> bool:
        """Whether it counts an action."""
        return (
            (self.partner_id is None or self.partner_id == partner_id)
            and (self.service is None or self.service.lower() == service)
            and (self.action is None or self.action.lower() == action)
        )

    def has_room(self, partner_id: int | None, now: float) -> bool:
        """Whether one more action of a partner passes."""
        times = self._times[partner_id]
        while times and times[0] <= now - self.seconds:
            times.popleft()
        return len(times) < self.actions

    def take(self, partner_id: int | None, now: float) -> None:
        """Count an action that passes."""
        self._times[partner_id].append(now)
        self.passed += 1

    def as_dict(self) -> dict[str, Any]:
        """Return its settings and counts."""
        names = ("number", "actions", "seconds", "partner_id", "service", "action", "passed", "blocked")
        return {name: getattr(self, name) for name in names}


@dataclass
class Rates:
    """The limits of one server; a request counts as blocked when one of its actions is."""

    passed_requests: int = 0
    blocked_requests: int = 0
    _rates: list[Rate] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1), repr=False)

    def on(
        self,
        actions: int,
        *,
        seconds: float = WINDOW_SECONDS,
        partner_id: int | None = None,
        service: str | None = None,
        action: str | None = None,
    ) -> Rate:
        """
        Switch a limit on.

        :param actions: How many actions pass in a window.
        :param seconds: Length of the window.
        :param partner_id: Whom it limits, None for each partner by itself.
        :param service: Which service it counts, None for all.
        :param action: Which action it counts, None for all.
        :returns: The limit; its ``passed`` and ``blocked`` count.
        :raises ValueError: No action would ever pass, or the window has no length.
        """
        if actions < 1 or seconds <= 0:
            raise ValueError("a limit lets at least one action pass, in a window of more than 0 seconds")
        with self._lock:
            rate = Rate(next(self._numbers), actions, seconds, partner_id, service, action)
            self._rates.append(rate)
        return rate

    def off(self, number: int | None = None) -> None:
        """Switch off the limit with a number, or all; that of the requests which passed and were blocked stays."""
        with self._lock:
            self._rates[:] = [rate for rate in self._rates if number is not None and rate.number != number]

    def list(self) -> list[Rate]:
        """Return the limits that are switched on."""
        with self._lock:
            return [*self._rates]

    def check(self, service: str, action: str, partner_id: int | None, now: float) -> None:
        """
        Count an action.

        :param service: Its service, in lower case.
        :param action: Its name, in lower case.
        :param partner_id: Whose session it has.
        :param now: The time.
        :raises ApiError: It is too much.
        """
        with self._lock:
            met = [rate for rate in self._rates if rate.meets(service, action, partner_id)]
            full = [rate for rate in met if not rate.has_room(partner_id, now)]
            for rate in full:
                rate.blocked += 1
            if full:
                raise ApiError("ACTION_BLOCKED", ACTION_NAME=action, SERVICE_NAME=service)
            for rate in met:
                rate.take(partner_id, now)

    def note_request(self, *, blocked: bool) -> None:
        """Count a request of the API while there are limits."""
        with self._lock:
            if self._rates and blocked:
                self.blocked_requests += 1
            elif self._rates:
                self.passed_requests += 1

    def reset(self) -> None:
        """Count from 0; what fills the windows stays."""
        with self._lock:
            self.passed_requests = self.blocked_requests = 0
            for rate in self._rates:
                rate.passed = rate.blocked = 0

    def as_dict(self) -> dict[str, Any]:
        """Return the limits, and the counts of requests."""
        return {
            "passedRequests": self.passed_requests,
            "blockedRequests": self.blocked_requests,
            "limits": [rate.as_dict() for rate in self.list()],
        }
