"""Download into storage: one flavor, or what a batch of entries has."""

from __future__ import annotations

import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, cast, get_args

from airflow_provider_kaltura.compat import BaseOperator, task_identity
from airflow_provider_kaltura.exceptions import airflow_errors
from airflow_provider_kaltura.hooks.kaltura import KalturaHook
from airflow_provider_kaltura.ingest.asset_kinds import FLAVORS, parse_assets, parse_caption_format
from airflow_provider_kaltura.ingest.models import MAX_CONNECTIONS, ChecksumName, IfExists, RunOptions
from airflow_provider_kaltura.operators._arguments import (
    as_connection_id,
    as_number,
    as_store_options,
    as_switch,
    check_choice,
    check_text,
)
from airflow_provider_kaltura.operators._batches import (
    ENTRIES,
    PARALLEL,
    batch_options,
    check_single,
    count_of,
    end_batch,
    is_batch,
    mode_of,
    read_entry_ids,
)
from airflow_provider_kaltura.operators._progress import BatchProgress, ProgressLog, in_units
from airflow_provider_kaltura.xcom import download_result
from airflow_provider_kaltura.xcom_batches import batch_result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.providers.common.compat.sdk import Context, XComArg

    from airflow_provider_kaltura.api.config import ClientConfig
    from airflow_provider_kaltura.ingest.asset_kinds import AssetKind, CaptionFormat
    from airflow_provider_kaltura.ingest.batch_models import BatchOptions, OnError
    from airflow_provider_kaltura.ingest.destination import Destination
    from airflow_provider_kaltura.ingest.lake import Lake
    from airflow_provider_kaltura.ingest.models import AssetJob
    from airflow_provider_kaltura.xcom import DownloadResult, DownloadUrl
    from airflow_provider_kaltura.xcom_batches import BatchResult

__all__ = ["KalturaDownloadToStorageOperator"]


class KalturaDownloadToStorageOperator(BaseOperator):
    """
    Download one flavor, or what a batch of entries has, proved byte by byte, into storage.

    Nothing stands under the final name before all of it is there. Give exactly one of ``entry_id``, ``download``,
    ``entry_ids`` and ``entries_from``; with the latter two a small summary is pushed, and a report of every row is
    written below the root. A task that was killed is gone on with by its retry, or by any later task with the same
    destination.

    :param destination: (templated) Where the file goes: an absolute path or a URL such as ``s3://bucket/…``,
        ``gs://…``, ``abfs://…``, or whatever Airflow's ObjectStoragePath opens. Placeholders in single braces are
        filled after Jinja: ``{entryId}``, ``{entryName}``, ``{flavorId}``, ``{format}``, ``{createdAt:%Y/%m}`` and
        more; a destination that ends in ``/`` gets ``{entryId}/{flavorId}.{format}``. With other ``assets`` also
        ``{assetType}``, ``{assetId}``, ``{language}``, ``{label}`` and ``{fileName}``, where they mean something.
    :param entry_id: (templated) The entry.
    :param download: (templated) What ``KalturaGetDownloadUrlOperator``, or the sensor, returned for one flavor; the
        flavor is asked for once more, so that a changed one is never mixed up. Or a bare http(s) URL, whose
        Content-Length is then the only proof.
    :param entry_ids: (templated) Many entries: a list, the same as JSON, or a text with commas, semicolons or
        lines.
    :param entries_from: (templated) Many entries: a slice of a listing, ``path#start-end``.
    :param assets: (templated) For many entries: the kinds of assets that are taken of each, a list or a text with
        commas: ``"flavors"``, ``"captions"``, ``"transcripts"``, ``"thumbnails"``, ``"attachments"``,
        ``"metadata"``, ``"file"``.
    :param caption_format: (templated) For many entries: ``"original"``, or what captions are converted to: ``"srt"``,
        ``"vtt"`` or ``"txt"`` (with the extra ``[captions]``).
    :param flavor: (templated) Preferences, tried in order, for entries. For many also ``"each"``, every flavor that is
        ready.
    :param on_error: (templated) For many entries: ``"fail"`` begins nothing more after the first failure,
        ``"continue"`` after more than ``max_failures``; either fails the task when what is under way has ended. What
        has come stands and is recorded.
    :param max_failures: (templated) See ``on_error``; None for any number.
    :param max_parallel: (templated) For many entries: files at a time, 1 to 16.
    :param max_entries: (templated) More entries than these are an error.
    :param if_exists: (templated) ``"skip"`` leaves a file alone that is recorded as this version, replaces another, and
        adopts an unrecorded one of the right length; for many entries it never replaces the file of another entry.
        ``"overwrite"``; ``"fail"``.
    :param checksum: (templated) ``"crc64nvme"``, ``"sha256"`` or ``"none"``.
    :param state_root: (templated) Where the lake's state is kept; by default the destination up to its first
        placeholder.
    :param storage_conn_id: (templated) The connection to the storage, where the destination names none before ``@``;
        without either the machine's own credentials are used. A listing in a store is read through it too.
    :param store_options: (templated) What the store shall keep beside the bytes, as a dict or as JSON:
        ``storage_class``, ``sse``, ``kms_key``, ``acl``, ``content_type``, ``content_disposition``, ``metadata``,
        ``tags``. One that this kind of store can't keep is an error before anything moves.
    :param max_bytes: (templated) A file is not begun when more than this would be fetched, in all files
        together; None for any.
    :param max_bytes_per_second: (templated) Fetch no faster than this, over all connections and files; None for no
        limit.
    :param max_connections: (templated) Most connections to the media server for one file, 1 to 8; more than one only
        where each gives little.
    :param resume: (templated) Keep what a killed task has stored of a file above 64 MiB, so that the next try goes on
        with it. False keeps nothing.
    :param kaltura_conn_id: (templated) The connection to Kaltura.
    :param **kwargs: Arguments of every operator.
    """

    template_fields: Sequence[str] = (
        "destination",
        "entry_id",
        "download",
        "entry_ids",
        "entries_from",
        "assets",
        "caption_format",
        "flavor",
        "on_error",
        "max_failures",
        "max_parallel",
        "max_entries",
        "if_exists",
        "checksum",
        "state_root",
        "storage_conn_id",
        "store_options",
        "max_bytes",
        "max_bytes_per_second",
        "max_connections",
        "resume",
        "kaltura_conn_id",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"download": "json", "store_options": "json"}
    ui_color = "#dcfce7"

    def __init__(
        self,
        *,
        destination: str,
        entry_id: str | XComArg | None = None,
        download: DownloadUrl | XComArg | str | None = None,
        entry_ids: list[str] | str | XComArg | None = None,
        entries_from: str | XComArg | None = None,
        assets: Sequence[AssetKind | str] | str | XComArg = FLAVORS,
        caption_format: CaptionFormat | str = "original",
        flavor: str | list[str] | XComArg = "source, best",
        on_error: OnError | str = "fail",
        max_failures: int | str | None = None,
        max_parallel: int | str = PARALLEL,
        max_entries: int | str = ENTRIES,
        if_exists: IfExists | str = "skip",
        checksum: ChecksumName | str = "crc64nvme",
        state_root: str | None = None,
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
        self.destination = destination
        self.entry_id = entry_id
        self.download = download
        self.entry_ids = entry_ids
        self.entries_from = entries_from
        self.assets = assets
        self.caption_format = caption_format
        self.flavor = flavor
        self.on_error = on_error
        self.max_failures = max_failures
        self.max_parallel = max_parallel
        self.max_entries = max_entries
        self.if_exists = if_exists
        self.checksum = checksum
        self.state_root = state_root
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

    def execute(self, context: Context) -> DownloadResult | BatchResult:
        """
        Download.

        :param context: Given by Airflow.
        :returns: What is pushed as XCom.
        :raises KalturaNotReadyError: The flavor is not ready yet.
        :raises KalturaTransferFailedError: The bytes could not be fetched or kept this time.
        :raises KalturaProviderError: Anything else that went wrong.
        """
        options = self._options(context)
        mode = mode_of(
            entry_id=self.entry_id, download=self.download, entry_ids=self.entry_ids, entries_from=self.entries_from
        )
        if is_batch(mode):
            return self._many(options)
        on_error = None if self.on_error == "fail" else self.on_error
        with airflow_errors():
            others = None if parse_assets(self.assets) == FLAVORS else self.assets
            caption_format = parse_caption_format(self.caption_format)
        check_single(
            self.flavor,
            assets=others,
            caption_format=None if caption_format == "original" else caption_format,
            on_error=on_error,
            max_failures=self.max_failures,
        )
        return self._one(mode, options)

    def _open(
        self, options: RunOptions, conn_id: str | None, kinds: tuple[AssetKind, ...] = FLAVORS
    ) -> tuple[Destination, Lake]:
        # Not at the top: DAG files are parsed often, and need none of it.
        from airflow_provider_kaltura.ingest.destination import Destination  # noqa: PLC0415, see above
        from airflow_provider_kaltura.stores import open_lake  # noqa: PLC0415, see above

        destination = Destination.parse(
            check_text("destination", self.destination),
            state_root=check_text("state_root", self.state_root) if self.state_root else None,
            kinds=kinds,
        )
        return destination, open_lake(destination.root, conn_id=conn_id, options=options.store)

    # ------------------------------------------------------------------ one file
    def _one(self, mode: str, options: RunOptions) -> DownloadResult:
        from airflow_provider_kaltura.ingest.run import run_one  # noqa: PLC0415, see _open
        from airflow_provider_kaltura.ingest.sources import HttpSources  # noqa: PLC0415, see _open

        conn_id = as_connection_id("storage_conn_id", self.storage_conn_id)
        with airflow_errors(self.kaltura_conn_id) as lakes:
            # Before Kaltura is asked: what is wrong with the storage's arguments is told first.
            destination, lake = self._open(options, conn_id)
            lakes.are_at(lake.root, conn_id)
            job, config = self._plan(mode, destination)
            self.log.info("Flavor %s of entry %s goes to %s", job.asset_id, job.entry_id or "unknown", job.path)
            with HttpSources.of(config) as sources:
                outcome = run_one(job, lake, options, progress=ProgressLog(self.log.info), open_source=sources)
        self.log.info(
            "Flavor %s: %s, %s, %s fetched in %.1f s, checksum %s",
            job.asset_id,
            outcome.outcome,
            in_units(outcome.size_bytes),
            in_units(outcome.fetched_bytes),
            outcome.seconds,
            outcome.checksum,
        )
        return download_result(outcome)

    def _plan(self, mode: str, destination: Destination) -> tuple[AssetJob, ClientConfig | None]:
        from airflow_provider_kaltura.ingest import plan, resolve  # noqa: PLC0415, see _open

        if mode == "entry_id":
            wanted = resolve.parse_preferences(self.flavor)
            job = plan.plan_entry(self.hook.api, str(self.entry_id).strip(), wanted, destination)
            return job, self.hook.config
        download = resolve.parse_download(self.download)
        if isinstance(download, resolve.BareUrl):
            return plan.plan_url(download, destination), None
        return plan.plan_download(self.hook.api, download, destination), self.hook.config

    # ------------------------------------------------------------------ many files
    def _many(self, run: RunOptions) -> BatchResult:
        from airflow_provider_kaltura.ingest.batch import download_batch  # noqa: PLC0415, see _open
        from airflow_provider_kaltura.ingest.batch_models import BatchSummary  # noqa: PLC0415, see _open
        from airflow_provider_kaltura.ingest.sources import HttpSources  # noqa: PLC0415, see _open

        conn_id = as_connection_id("storage_conn_id", self.storage_conn_id)
        options = self._batch_options(run)
        with airflow_errors(self.kaltura_conn_id) as lakes:
            destination, lake = self._open(run, conn_id, options.assets)
            lakes.are_at(lake.root, conn_id)
            entry_ids = read_entry_ids(self.entry_ids, self.entries_from, self.max_entries, conn_id)
            self.log.info("Files of %s go to %s", count_of(entry_ids), destination.text)
            if not entry_ids:
                return batch_result(BatchSummary())
            progress = BatchProgress(self.log.info)
            with HttpSources.of(self.hook.config) as sources:
                summary = download_batch(
                    self.hook.api,
                    entry_ids,
                    destination,
                    lake,
                    options,
                    open_source=sources,
                    progress=progress,
                    watch=progress.watch,
                )
        return end_batch(summary, options, self.kaltura_conn_id, lake.root, conn_id, self.log.info)

    def _batch_options(self, run: RunOptions) -> BatchOptions:
        with airflow_errors():
            assets, caption_format = parse_assets(self.assets), parse_caption_format(self.caption_format)
        return batch_options(
            assets=assets,
            caption_format=caption_format,
            flavor=self.flavor,
            on_error=self.on_error,
            max_failures=self.max_failures,
            max_parallel=self.max_parallel,
            run=run,
        )

    def _options(self, context: Context) -> RunOptions:
        check_choice("if_exists", self.if_exists, get_args(IfExists))
        check_choice("checksum", self.checksum, get_args(ChecksumName))
        connections = as_number("max_connections", self.max_connections, most=MAX_CONNECTIONS)
        limits: dict[str, Any] = {} if connections is None else {"max_connections": connections}
        if not as_switch("resume", self.resume, default=True):
            # No file is longer than this.
            limits["resume_above_bytes"] = sys.maxsize
        return RunOptions(
            if_exists=cast("IfExists", self.if_exists),
            checksum=cast("ChecksumName", self.checksum),
            store=as_store_options(self.store_options),
            max_bytes=as_number("max_bytes", self.max_bytes),
            max_bytes_per_second=as_number("max_bytes_per_second", self.max_bytes_per_second),
            **limits,
            **task_identity(context),
        )
