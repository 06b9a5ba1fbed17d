"""Wait until a flavor of an entry can be downloaded."""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, cast

from airflow_provider_kaltura.api.errors import FlavorNotReadyError, KalturaError, NotFoundError
from airflow_provider_kaltura.compat import (
    AirflowException,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
    is_control_flow,
    is_deferral_timeout,
    poke_until_done,
)
from airflow_provider_kaltura.exceptions import (
    KalturaProviderError,
    KalturaWaitTimeoutError,
    airflow_errors,
)
from airflow_provider_kaltura.hooks.kaltura import KalturaHook
from airflow_provider_kaltura.ingest.resolve import parse_wanted, resolve_all
from airflow_provider_kaltura.ingest.watch import MAX_FAILURES
from airflow_provider_kaltura.triggers.kaltura import KalturaFlavorReadyTrigger
from airflow_provider_kaltura.xcom import flavor_info

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow.providers.common.compat.sdk import Context, XComArg

    from airflow_provider_kaltura.xcom import FlavorInfo

__all__ = ["KalturaFlavorReadySensor"]

_EVENTS = frozenset({"decided", "timeout", "failing"})


class KalturaFlavorReadySensor(BaseSensorOperator):
    """
    Wait until the flavor that ``flavor`` asks for can be downloaded, and return it.

    The task fails at once, and is not retried, when that flavor can never come: the entry is an image, every conversion
    that would do has failed, the entry does not exist. Passing errors of the network or the server do not end the wait,
    unless 20 follow each other. In reschedule mode, where every look is a process of its own, nobody counts: only the
    timeout ends such a wait.

    Poke, reschedule and deferred mode return the same and end the same: ``soft_fail`` and ``never_fail`` turn every
    failure into a skip, a timeout is not retried. After a retry the timeout begins anew, but in reschedule mode, where
    Airflow counts from the first try.

    :param entry_id: (templated) The entry.
    :param flavor: (templated) Preferences, tried in order: a text with commas or a list, such as ``"source, best"`` or
        ``"height<=720"``; or ``"all"``, which waits until nothing more is to come and returns every ready flavor.
    :param kaltura_conn_id: (templated) The connection to Kaltura.
    :param deferrable: Wait on the triggerer instead of a worker.
    :param **kwargs: Arguments of every sensor: ``poke_interval``, ``timeout``, ``mode``, ``soft_fail``, …
    """

    template_fields: Sequence[str] = ("entry_id", "flavor", "kaltura_conn_id")
    ui_color = "#dbeafe"

    def __init__(
        self,
        *,
        entry_id: str | XComArg,
        flavor: str | list[str] | XComArg = "source, best",
        kaltura_conn_id: str = KalturaHook.default_conn_name,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.entry_id = entry_id
        self.flavor = flavor
        self.kaltura_conn_id = kaltura_conn_id
        self.deferrable = deferrable
        self._failures = 0
        self._was_there = False

    @cached_property
    def hook(self) -> KalturaHook:
        """The hook, made when it is first used."""
        return KalturaHook(self.kaltura_conn_id)

    def execute(self, context: Context) -> list[FlavorInfo]:
        """
        Wait.

        :param context: Given by Airflow.
        :returns: The chosen flavor, or with ``flavor="all"`` every ready one; never a URL.
        :raises KalturaNoFlavorError: It can never come.
        :raises AirflowSensorTimeout: It did not come in time.
        """
        with self._failures_as_asked():
            if not self.deferrable:
                return cast("list[FlavorInfo]", poke_until_done(self, context))
            found = self.poke(context)
            if isinstance(found, PokeReturnValue):
                return cast("list[FlavorInfo]", found.xcom_value)
            return self._defer(time.time() + self.timeout)

    def poke(self, context: Context) -> bool | PokeReturnValue:
        """
        Look once.

        :param context: Given by Airflow.
        :returns: The flavors, or False while they may still come.
        :raises KalturaProviderError: They can never come, or too many looks failed one after the other.
        """
        try:
            found = self._look()
        except KalturaError as error:
            self._failures += 1
            # A server that lags behind the others may not know for a moment what another has just shown. On the first
            # look nothing was shown yet: a mistyped id is far more common, and the task must say so at once.
            is_lagging = isinstance(error, NotFoundError) and self._was_there
            self._was_there = False
            if not (error.retryable or is_lagging) or self._failures >= MAX_FAILURES:
                with airflow_errors(self.kaltura_conn_id):
                    raise
            self.log.warning("Looking at entry %s failed, %d in a row: %s", self.entry_id, self._failures, error)
            return False
        self._failures, self._was_there = 0, True
        return PokeReturnValue(is_done=True, xcom_value=found) if found else False

    def execute_complete(
        self, context: Context, event: dict[str, Any] | None = None, deadline: float | None = None
    ) -> Any:
        """
        Go on after the trigger.

        The event only says that it is worth to look again: what is returned, or raised, comes from a look of this
        moment, so that it is the same as in the other modes.

        :param context: Given by Airflow.
        :param event: What the trigger sent.
        :param deadline: When the wait ends, in seconds since the epoch; None (Airflow 3.3's ``dag.test()`` forgets it)
            begins the timeout anew.
        :returns: As :meth:`execute`.
        :raises KalturaProviderError: As :meth:`execute`, and when the event is none of ours.
        """
        event = self._checked(event)
        if event["status"] == "timeout":
            self._time_out()
        if event["status"] == "failing" and not self.silent_fail:
            raise KalturaProviderError(
                f"Looking at entry {self.entry_id} failed {event.get('failures')} times in a row, the last time with "
                f"{event.get('error')} {event.get('code') or ''}; the triggerer's log has the details."
            )
        found = self.poke(context)
        if isinstance(found, PokeReturnValue):
            return found.xcom_value
        if deadline is None:
            deadline = time.time() + self.timeout
        if time.time() >= deadline:
            self._time_out()
        return self._defer(deadline)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """
        Go on after a deferral, whatever ended it.

        :param next_method: The method to go on with.
        :param next_kwargs: Its arguments.
        :param context: Given by Airflow.
        :returns: What the method returns.
        :raises AirflowSkipException: It failed, and ``soft_fail`` or ``never_fail`` is set.
        """
        with self._failures_as_asked():
            if is_deferral_timeout(next_method, next_kwargs):
                self._time_out()
            return super().resume_execution(next_method, next_kwargs, context)

    @property
    def _wanted_id(self) -> str:
        # Ids are pasted into forms, with the blanks around them.
        return str(self.entry_id).strip()

    @property
    def _wanted_flavor(self) -> str | list[str]:
        return cast("str | list[str]", self.flavor)

    def _look(self) -> list[FlavorInfo] | None:
        try:
            entry, assets = resolve_all(
                self.hook.api, str(self.entry_id).strip(), parse_wanted(cast("str | list[str]", self.flavor))
            )
        except FlavorNotReadyError as error:
            self.log.info("%s", error)
            return None
        return [flavor_info(entry, asset) for asset in assets]

    def _defer(self, deadline: float) -> NoReturn:
        self.defer(
            trigger=KalturaFlavorReadyTrigger(
                kaltura_conn_id=self.kaltura_conn_id,
                entry_id=self._wanted_id,
                flavor=self._wanted_flavor,
                poll_interval=self.poke_interval,
                deadline=deadline,
            ),
            method_name="execute_complete",
            kwargs={"deadline": deadline},
            timeout=timedelta(seconds=max(deadline - time.time(), 0)),
        )

    def _checked(self, event: dict[str, Any] | None) -> dict[str, Any]:
        if (
            not isinstance(event, dict)
            or not isinstance(event.get("status"), str)
            or event["status"] not in _EVENTS
            or event.get("entry_id") != str(self.entry_id).strip()
        ):
            raise KalturaProviderError(f"The trigger of entry {self.entry_id} sent an event that is none of its own.")
        return event

    def _time_out(self) -> NoReturn:
        raise KalturaWaitTimeoutError(f"Entry {self.entry_id} had no such flavor within {self.timeout} seconds.")

    @contextmanager
    def _failures_as_asked(self) -> Iterator[None]:
        # Airflow's own rules differ between modes (poke skips only some errors, and a timeout not for never_fail) and
        # between versions (2.11 forgets never_fail after a deferral); ours hold everywhere.
        try:
            yield
        except AirflowException as error:
            if is_control_flow(error) or not (self.soft_fail or self.never_fail):
                raise
            raise AirflowSkipException(f"Skipped instead of failed: {error}") from error
