"""
Faults that are switched on: which requests they meet, how often, and what they then do.

`fault_rules.RULES` has one rule for each name. A rule acts in one of three places: on an *action* of the API (also
inside a multirequest), on a whole *request*, or on the *plan* by which an answer is sent.
"""

from __future__ import annotations

import itertools
import re
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_kaltura.sandbox import fault_rules
from airflow_provider_kaltura.sandbox.plan import Plan

if TYPE_CHECKING:
    from airflow_provider_kaltura.sandbox.log import Record

Json = dict[str, Any]


@dataclass(frozen=True)
class Match:
    """
    Which requests or actions a fault meets; what is None isn't looked at.

    :param service: Service, any case.
    :param action: Action, any case.
    :param path: Regular expression to be found in the request's path.
    :param object_id: An id that stands in the path, or is the value of a parameter.
    :param method: HTTP method.
    """

    service: str | None = None
    action: str | None = None
    path: str | None = None
    object_id: str | None = None
    method: str | None = None

    def meets_action(self, service: str, action: str, parameters: Json, path: str) -> bool:
        """Whether an action is met."""
        return (
            (self.service is None or self.service.lower() == service.lower())
            and (self.action is None or self.action.lower() == action.lower())
            and (self.path is None or re.search(self.path, path) is not None)
            and (self.object_id is None or _has_value(parameters, self.object_id))
        )

    def meets_request(self, record: Record) -> bool:
        """Whether a request is met: a media URL by path and id, one of the API by any of its actions."""
        if self.method is not None and self.method != record.method:
            return False
        if self.path is not None and re.search(self.path, record.path) is None:
            return False
        wanted = (self.service, self.action)
        if wanted != (None, None) and not any(_is_named(name, *wanted) for name in record.actions):
            return False
        if self.object_id is None:
            return True
        return self.object_id in record.path.split("/") or _has_value(record.parameters, self.object_id)


def _is_named(name: str, service: str | None, action: str | None) -> bool:
    own_service, _, own_action = name.lower().partition(".")
    return (service is None or service.lower() == own_service) and (action is None or action.lower() == own_action)


def _has_value(value: object, wanted: str) -> bool:
    if isinstance(value, dict):
        return any(_has_value(item, wanted) for item in value.values())
    return wanted in str(value).split(",")


@dataclass
class Fault:
    """
    A fault that is switched on.

    :param name: Its rule.
    :param match: What it meets.
    :param times: How often it happens, None for always.
    :param after: How many requests (or actions) that it meets are spared first.
    :param options: The rule's own settings.
    :param number: Its number, to switch it off.
    :param met: How many requests it has met.
    :param happened: How often it has happened.
    """

    name: str
    match: Match
    times: int | None
    after: int
    options: Json
    number: int
    met: int = 0
    happened: int = 0

    def happens(self, *, free: bool = True) -> bool:
        """Count a request that is met, and tell whether the fault happens to it; it can't unless that is *free*."""
        self.met += 1
        if not free or self.met <= self.after or (self.times is not None and self.happened >= self.times):
            return False
        self.happened += 1
        return True


@dataclass
class Faults:
    """The faults of one server; any thread may switch them."""

    _faults: list[Fault] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1), repr=False)

    def on(
        self,
        name: str,
        *,
        service: str | None = None,
        action: str | None = None,
        path: str | None = None,
        object_id: str | None = None,
        method: str | None = None,
        times: int | None = None,
        after: int = 0,
        **options: Any,
    ) -> Fault:
        """
        Switch a fault on.

        :param name: Name of a rule.
        :param service: See `Match`.
        :param action: See `Match`.
        :param path: See `Match`; rules for media meet media URLs only when no path is given.
        :param object_id: See `Match`.
        :param method: See `Match`.
        :param times: How often, None for always.
        :param after: How many matching requests are spared first.
        :param **options: Settings of the rule.
        :returns: The fault; its ``happened`` counts.
        :raises ValueError: There is no such rule, or it has no such setting.
        """
        rule = fault_rules.RULES.get(name)
        if rule is None:
            raise ValueError(f"there is no fault {name!r}; there are {', '.join(sorted(fault_rules.RULES))}")
        unknown = options.keys() - rule.options
        if unknown:
            raise ValueError(f"fault {name!r} has no {sorted(unknown)}; it has {sorted(rule.options)}")
        nowhere = service is action is path is None
        if nowhere and rule.default_path is not None:
            path = rule.default_path
        match = Match(service, action, path, object_id, method)
        with self._lock:
            fault = Fault(name, match, times, after, options, next(self._numbers))
            self._faults.append(fault)
        return fault

    def off(self, fault: Fault | str | int) -> None:
        """Switch off a fault, one with this number, or all of this name."""
        with self._lock:
            self._faults[:] = [f for f in self._faults if f is not fault and fault not in (f.name, f.number)]

    def clear(self) -> None:
        """Switch all faults off."""
        with self._lock:
            self._faults.clear()

    def list(self) -> list[Fault]:
        """Return the faults that are switched on, oldest first."""
        with self._lock:
            return [*self._faults]

    def for_action(self, service: str, action: str, parameters: Json, path: str) -> Any:
        """Return what an action answers instead, or raise it; None for nothing."""
        first = None
        for fault in self.list():
            rule = fault_rules.RULES[fault.name]
            if rule.action is None or not fault.match.meets_action(service, action, parameters, path):
                continue
            if rule.spares is not None and rule.spares(parameters):
                continue
            with self._lock:
                if fault.happens(free=first is None):
                    first = fault
        if first is None:
            return None
        act = fault_rules.RULES[first.name].action
        return None if act is None else act(service, action, first.options)

    def for_request(self, record: Record) -> Plan:
        """Return how the answer to a request is changed and sent."""
        plan = Plan()
        for fault in self.list():
            rule = fault_rules.RULES[fault.name]
            if rule.request is None or not fault.match.meets_request(record):
                continue
            with self._lock:
                happens = fault.happens()
            if happens:
                rule.request(plan, record, fault.options)
        return plan
