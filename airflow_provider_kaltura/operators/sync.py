"""Keep a copy of a whole library current."""

from __future__ import annotations

import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast, get_args

from airflow_provider_kaltura.compat import task_identity
from airflow_provider_kaltura.exceptions import KalturaArgumentError, airflow_errors
from airflow_provider_kaltura.hooks.kaltura import KalturaHook
from airflow_provider_kaltura.ingest.models import MAX_CONNECTIONS, ChecksumName, RunOptions
from airflow_provider_kaltura.operators._arguments import (
    as_connection_id,
    as_number,
    as_store_options,
    as_switch,
    check_choice,
    check_text,
)
from airflow_provider_kaltura.operators._progress import ProgressLog, in_units
from airflow_provider_kaltura.operators._sync_words import (
    CONDITIONS,
    EntriesOperator,
    SyncWindow,
    has_moving_root,
    layout_of,
    mapped_over,
    read_overlap,
    read_query,
    read_window,
)
from airflow_provider_kaltura.xcom_sync import sync_result

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from airflow.providers.common.compat.sdk import Context, XComArg

    from airflow_provider_kaltura.ingest.destination import Destination
    from airflow_provider_kaltura.ingest.sync_options import OnDeleted, OnError, SyncOptions, SyncSummary
    from airflow_provider_kaltura.xcom_sync import SyncResult

__all__ = ["KalturaSyncToStorageOperator"]

_OVERLAP: Final = "10 minutes"
_FULL_EVERY: Final = 7
_ON_DELETED: Final = ("keep", "mark", "delete")
_ON_ERROR: Final = ("continue", "fail")


class KalturaSyncToStorageOperator(EntriesOperator):
    """
    Copy a library into storage, and move only what was created, changed or deleted since.

    The first run compares and fetches all. Any run may be repeated or killed, and runs may overlap. What a sync knows
    is in the lake, below ``_kaltura`` at its root.

    Which entries: the conditions of ``KalturaListEntriesOperator`` but those about the last change, the last play and
    the status, all templated: ``tags``, ``category_ids``, ``with_subcategories``, ``category``, ``owners``, ``text``,
    ``media_types``, ``least_seconds``, ``most_seconds``, ``created_since``, ``created_until``, ``parent_id``,
    ``moderation`` (here ``"any"`` by default), ``filter``. What was found once is kept current even when they would
    not find it any more.

    :param destination: (templated) Where files go, as for ``KalturaDownloadToStorageOperator``.
    :param state_root: (templated) Where the lake's state is kept; by default the destination up to its first
        placeholder. Needed where that part of the destination is a template: the state must stay where it is.
    :param window: (templated) ``"cursor"`` goes on where the last run ended; ``"interval"`` looks at the run's data
        interval, and at what lies between it and the last run; ``"all"`` compares all that the conditions find, and
        nothing else, and leaves the cursor alone: for parts of a backfill.
    :param since: (templated) Look at what was changed then or later, instead of *window*; a time with a zone.
    :param until: (templated) Look at what was changed before; now by default. Only with *since*.
    :param flavor: (templated) Preferences, tried in order, for one flavor of each entry, or ``"each"`` for every one.
    :param name: (templated) Tells apart syncs of one account into one lake.
    :param on_deleted: (templated) What happens to files that Kaltura has no more: ``"keep"``, ``"mark"`` (a row in the
        manifest says so), ``"delete"``.
    :param on_error: (templated) ``"continue"`` tells failures in the result and tries them again in every later run;
        ``"fail"`` fails the task at the first one.
    :param max_failures: (templated) With ``"continue"``: more failures than these fail the task. None for any number;
        only where five flavors or more were to be fetched and all of them failed, the task fails.
    :param overlap: (templated) How far a run looks back before the end of the last one: longer than the search index
        lags behind and than clocks differ. A timedelta, seconds, or a text such as ``"10 minutes"``.
    :param full_every: (templated) After so many runs, of whatever window, all is compared; and so it is when *flavor*,
        *destination*, *on_deleted* or the conditions are not those of the last run.
    :param full: (templated) Compare all in this run.
    :param plan_only: (templated) Write down what would be fetched, and do nothing.
    :param adopt: (templated) Take a file that nobody recorded for the right one by its length alone.
    :param checksum: (templated) ``"crc64nvme"``, ``"sha256"`` or ``"none"``.
    :param storage_conn_id: (templated) The connection to the storage, where the destination names none before ``@``.
    :param store_options: (templated) What the store shall keep beside the bytes, as for downloads.
    :param max_bytes: (templated) Fetch no more than this in one run; the rest is left to the next. None for any.
    :param max_bytes_per_second: (templated) Fetch no faster than this; None for no limit.
    :param max_connections: (templated) Most connections to the media server, 1 to 8.
    :param resume: (templated) Keep what a killed task has stored of a file above 64 MiB for the next try.
    :param kaltura_conn_id: (templated) The connection to Kaltura.
    :param **kwargs: The conditions, and arguments of every operator.
    """

    template_fields: Sequence[str] = (
        "destination",
        "state_root",
        "window",
        "since",
        "until",
        *CONDITIONS,
        "flavor",
        "name",
        "on_deleted",
        "on_error",
        "max_failures",
        "overlap",
        "full_every",
        "full",
        "plan_only",
        "adopt",
        "checksum",
        "storage_conn_id",
        "store_options",
        "max_bytes",
        "max_bytes_per_second",
        "max_connections",
        "resume",
        "kaltura_conn_id",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"filter": "json", "store_options": "json"}
    ui_color = "#dcfce7"

    def __init__(
        self,
        *,
        destination: str,
        state_root: str | None = None,
        window: SyncWindow | str = "cursor",
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        flavor: str | list[str] | XComArg = "source, best",
        name: str = "default",
        on_deleted: OnDeleted | str = "keep",
        on_error: OnError | str = "continue",
        max_failures: int | str | None = None,
        overlap: timedelta | int | str = _OVERLAP,
        full_every: int | str = _FULL_EVERY,
        full: bool | str = False,
        plan_only: bool | str = False,
        adopt: bool | str = False,
        checksum: ChecksumName | str = "crc64nvme",
        storage_conn_id: str | None = None,
        store_options: dict[str, Any] | str | None = None,
        max_bytes: int | str | None = None,
        max_bytes_per_second: int | str | None = None,
        max_connections: int | str = MAX_CONNECTIONS,
        resume: bool | str = True,
        kaltura_conn_id: str = KalturaHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        # No template field: this one stays as it is written.
        self._written_destination = destination
        self.destination = destination
        self.state_root = state_root
        self.window = window
        self.since = since
        self.until = until
        self.flavor = flavor
        self.name = name
        self.on_deleted = on_deleted
        self.on_error = on_error
        self.max_failures = max_failures
        self.overlap = overlap
        self.full_every = full_every
        self.full = full
        self.plan_only = plan_only
        self.adopt = adopt
        self.checksum = checksum
        self.storage_conn_id = storage_conn_id
        self.store_options = store_options
        self.max_bytes = max_bytes
        self.max_bytes_per_second = max_bytes_per_second
        self.max_connections = max_connections
        self.resume = resume
        self.kaltura_conn_id = kaltura_conn_id

    @cached_property
    def hook(self) -> KalturaHook:
        """The hook, made when it is first used."""
        return KalturaHook(self.kaltura_conn_id)

    def execute(self, context: Context) -> SyncResult:
        """
        Sync.

        :param context: Given by Airflow.
        :returns: What is pushed as XCom.
        :raises KalturaArgumentError: An argument can't be right, or two files would get one name.
        :raises KalturaProviderError: Kaltura or the storage could not be asked, or failures end the run.
        """
        # Not at the top: DAG files are parsed often, and need none of it.
        from airflow_provider_kaltura.ingest.sources import HttpSources  # noqa: PLC0415, see above
        from airflow_provider_kaltura.ingest.sync import sync  # noqa: PLC0415, see above
        from airflow_provider_kaltura.stores import open_lake  # noqa: PLC0415, see above

        check_choice("window", self.window, get_args(SyncWindow))
        window = read_window(cast("SyncWindow", self.window), self.since, self.until, context)
        storage_conn_id = as_connection_id("storage_conn_id", self.storage_conn_id)
        with airflow_errors(self.kaltura_conn_id) as lakes:
            options = self._options(context)
            destination = self._destination()
            # Before Kaltura is asked: what is wrong with the storage's arguments is told first.
            lake = open_lake(destination.root, conn_id=storage_conn_id, options=options.run.store)
            lakes.are_at(lake.root, storage_conn_id)
            with HttpSources.of(self.hook.config) as sources:
                summary = sync(
                    self.hook.api,
                    lake,
                    destination,
                    options,
                    open_source=sources,
                    window=window,
                    progress=ProgressLog(self.log.info),
                )
        self._tell(summary)
        return sync_result(summary)

    def _destination(self) -> Destination:
        from airflow_provider_kaltura.ingest.destination import Destination  # noqa: PLC0415, see execute

        state_root = as_connection_id("state_root", self.state_root)
        if state_root is None and has_moving_root(self._written_destination, mapped_over(self)):
            raise KalturaArgumentError(
                "Give state_root, the folder in which this sync remembers what it has: the destination begins with a "
                "template or another task's value, so that its own would be another one from run to run, and each run "
                "would fetch all again. It is the part of the destination that stays the same, such as "
                "state_root='s3://bucket/lake'."
            )
        return Destination.parse(check_text("destination", self.destination), state_root=state_root)

    def _options(self, context: Context) -> SyncOptions:
        from airflow_provider_kaltura.ingest.sync_options import SyncOptions, parse_sync_flavor  # noqa: PLC0415, s. o.

        check_choice("on_deleted", self.on_deleted, _ON_DELETED)
        check_choice("on_error", self.on_error, _ON_ERROR)
        name = check_text("name", self.name).strip()
        if not name:
            raise KalturaArgumentError("Give the sync a name, or leave it out.")
        return SyncOptions(
            flavor=parse_sync_flavor(self.flavor),
            query=read_query(self),
            name=name,
            on_deleted=cast("OnDeleted", self.on_deleted),
            on_error=cast("OnError", self.on_error),
            max_failures=as_number("max_failures", self.max_failures, least=0),
            overlap_seconds=read_overlap(self.overlap),
            full_every=as_number("full_every", self.full_every) or _FULL_EVERY,
            full=as_switch("full", self.full),
            listed_only=self.window == "all",
            plan_only=as_switch("plan_only", self.plan_only),
            adopt=as_switch("adopt", self.adopt),
            layout=layout_of(self._written_destination),
            run=self._run_options(context),
        )

    def _run_options(self, context: Context) -> RunOptions:
        check_choice("checksum", self.checksum, get_args(ChecksumName))
        connections = as_number("max_connections", self.max_connections, most=MAX_CONNECTIONS)
        limits: dict[str, Any] = {} if connections is None else {"max_connections": connections}
        if not as_switch("resume", self.resume, default=True):
            # No file is longer than this.
            limits["resume_above_bytes"] = sys.maxsize
        return RunOptions(
            checksum=cast("ChecksumName", self.checksum),
            store=as_store_options(self.store_options),
            max_bytes=as_number("max_bytes", self.max_bytes),
            max_bytes_per_second=as_number("max_bytes_per_second", self.max_bytes_per_second),
            **limits,
            **task_identity(context),
        )

    def _tell(self, summary: SyncSummary) -> None:
        self.log.info(
            "%s: %d entries looked at%s; %d flavors were there, %d of %s %s; %s came in %.1f s",
            summary.root,
            summary.entries,
            " (all)" if summary.full else "",
            summary.unchanged,
            summary.planned,
            in_units(summary.planned_bytes),
            "would be fetched" if summary.plan_only else "were to be fetched",
            in_units(summary.fetched_bytes),
            summary.seconds,
        )
        for what, counts in (("outcomes", summary.outcomes), ("gone", summary.gone), ("nothing", summary.nothing)):
            if counts:
                self.log.info("%s: %s", what, ", ".join(f"{name} {count}" for name, count in sorted(counts.items())))
        if summary.waiting or summary.put_off:
            self.log.info("%d entries wait for a later run", summary.waiting)
        if summary.failed:
            self.log.warning("%d failures; they are tried again by the next run", summary.failed)
        if summary.report_path is not None:
            self.log.info("All that would be fetched: %s", summary.report_path)
