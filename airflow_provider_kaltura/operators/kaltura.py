"""Get the download URL of an entry's flavor; download it into storage."""

from __future__ import annotations

import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, cast, get_args

from airflow_provider_kaltura.compat import BaseOperator, task_identity
from airflow_provider_kaltura.exceptions import KalturaArgumentError, airflow_errors
from airflow_provider_kaltura.hooks.kaltura import KalturaHook
from airflow_provider_kaltura.ingest.models import MAX_CONNECTIONS, ChecksumName, IfExists, RunOptions
from airflow_provider_kaltura.operators._arguments import (
    as_connection_id,
    as_number,
    as_store_options,
    as_switch,
    check_choice,
    check_text,
    only_one_of,
)
from airflow_provider_kaltura.operators._progress import ProgressLog, in_units
from airflow_provider_kaltura.xcom import UrlInXCom, download_result, download_url

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.providers.common.compat.sdk import Context, XComArg

    from airflow_provider_kaltura.api.config import ClientConfig
    from airflow_provider_kaltura.ingest.destination import Destination
    from airflow_provider_kaltura.ingest.models import AssetJob
    from airflow_provider_kaltura.xcom import DownloadResult, DownloadUrl

__all__ = ["KalturaDownloadToStorageOperator", "KalturaGetDownloadUrlOperator"]


class KalturaGetDownloadUrlOperator(BaseOperator):
    """
    Find the flavor that ``flavor`` asks for and push what is known about it, with the URL of its bytes.

    The task fails when the flavor is not ready; put a ``KalturaFlavorReadySensor`` before it, or give it retries.

    :param entry_id: (templated) The entry.
    :param flavor: (templated) Preferences, tried in order: a text with commas or a list, such as ``"source, best"`` or
        ``"height<=720"``.
    :param url_in_xcom: (templated) ``"plain"`` pushes a URL without a KS, or None where only one with a KS works (the
        download operator then finds it by itself). ``"signed"`` pushes that one too: everybody who may see XComs and
        rendered fields can use it. ``"none"`` pushes no URL and asks for none.
    :param kaltura_conn_id: (templated) The connection to Kaltura.
    :param **kwargs: Arguments of every operator.
    """

    template_fields: Sequence[str] = ("entry_id", "flavor", "url_in_xcom", "kaltura_conn_id")
    ui_color = "#e0f2fe"

    def __init__(
        self,
        *,
        entry_id: str | XComArg | None = None,
        flavor: str | list[str] | XComArg = "source, best",
        url_in_xcom: UrlInXCom | str = "plain",
        kaltura_conn_id: str = KalturaHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.entry_id = entry_id
        self.flavor = flavor
        self.url_in_xcom = url_in_xcom
        self.kaltura_conn_id = kaltura_conn_id

    @cached_property
    def hook(self) -> KalturaHook:
        """The hook, made when it is first used."""
        return KalturaHook(self.kaltura_conn_id)

    def execute(self, context: Context) -> DownloadUrl:
        """
        Find flavor and URL.

        :param context: Given by Airflow.
        :returns: What is pushed as XCom.
        :raises KalturaNotReadyError: The flavor is not ready yet.
        :raises KalturaProviderError: It can never come, or Kaltura could not be asked.
        """
        # Not at the top: DAG files are parsed often, and need none of it.
        from airflow_provider_kaltura.ingest.resolve import parse_preferences, resolve  # noqa: PLC0415, see above

        check_choice("url_in_xcom", self.url_in_xcom, get_args(UrlInXCom))
        if not self.entry_id:
            raise KalturaArgumentError("Give entry_id: the entry whose URL is wanted.")
        with airflow_errors(self.kaltura_conn_id):
            api = self.hook.api
            found = resolve(api, str(self.entry_id).strip(), parse_preferences(self.flavor))
            url, needs_session = None, None
            if self.url_in_xcom != "none":
                signed = self.url_in_xcom == "signed"
                media_url = api.media_url(found.asset, found.entry, allow_session=signed)
                needs_session = media_url.needs_session
                url = media_url.url if signed or not needs_session else None
        self.log.info(
            "Entry %s: flavor %s, version %s, %s",
            found.entry.id,
            found.asset.id,
            found.asset.version,
            "size unknown" if found.asset.size_bytes is None else in_units(found.asset.size_bytes),
        )
        return download_url(found.entry, found.asset, url=url, needs_session=needs_session)


class KalturaDownloadToStorageOperator(BaseOperator):
    """
    Download one flavor, proved byte by byte, into storage.

    Nothing stands under the final name before all of it is there. Give exactly one of ``entry_id`` and ``download``.
    A task that was killed is gone on with by its retry, or by any later task with the same destination.

    :param destination: (templated) Where the file goes: an absolute path or a URL such as ``s3://bucket/…``,
        ``gs://…``, ``abfs://…``, or whatever Airflow's ObjectStoragePath opens. Placeholders in single braces are
        filled after Jinja: ``{entryId}``, ``{entryName}``, ``{flavorId}``, ``{format}``, ``{createdAt:%Y/%m}`` and
        more; a destination that ends in ``/`` gets ``{entryId}/{flavorId}.{format}``.
    :param entry_id: (templated) The entry.
    :param download: (templated) What ``KalturaGetDownloadUrlOperator``, or the sensor, returned for one flavor; the
        flavor is asked for once more, so that a changed one is never mixed up. Or a bare http(s) URL, whose
        Content-Length is then the only proof.
    :param flavor: (templated) Preferences, tried in order, for ``entry_id``.
    :param if_exists: (templated) ``"skip"`` leaves a file alone that is recorded as this version, replaces another, and
        adopts an unrecorded one of the right length; ``"overwrite"``; ``"fail"``.
    :param checksum: (templated) ``"crc64nvme"``, ``"sha256"`` or ``"none"``.
    :param state_root: (templated) Where the lake's state is kept; by default the destination up to its first
        placeholder.
    :param storage_conn_id: (templated) The connection to the storage, where the destination names none before ``@``;
        without either the machine's own credentials are used.
    :param store_options: (templated) What the store shall keep beside the bytes, as a dict or as JSON:
        ``storage_class``, ``sse``, ``kms_key``, ``acl``, ``content_type``, ``content_disposition``, ``metadata``,
        ``tags``. One that this kind of store can't keep is an error before anything moves.
    :param max_bytes: (templated) A file of which more than this is still to be fetched is not begun; None for any.
    :param max_bytes_per_second: (templated) Fetch no faster than this, over all connections; None for no limit.
    :param max_connections: (templated) Most connections to the media server, 1 to 8; more than one only where each
        gives little.
    :param resume: (templated) Keep what a killed task has stored of a file above 64 MiB, so that the next try goes on
        with it. False keeps nothing.
    :param kaltura_conn_id: (templated) The connection to Kaltura.
    :param **kwargs: Arguments of every operator.
    """

    template_fields: Sequence[str] = (
        "destination",
        "entry_id",
        "download",
        "flavor",
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
        flavor: str | list[str] | XComArg = "source, best",
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
        self.flavor = flavor
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

    def execute(self, context: Context) -> DownloadResult:
        """
        Download.

        :param context: Given by Airflow.
        :returns: What is pushed as XCom.
        :raises KalturaNotReadyError: The flavor is not ready yet.
        :raises KalturaTransferFailedError: The bytes could not be fetched or kept this time.
        :raises KalturaProviderError: Anything else that went wrong.
        """
        # Not at the top: DAG files are parsed often, and need none of it.
        from airflow_provider_kaltura.ingest.destination import Destination  # noqa: PLC0415, see above
        from airflow_provider_kaltura.ingest.run import run_one  # noqa: PLC0415, see above
        from airflow_provider_kaltura.ingest.sources import HttpSources  # noqa: PLC0415, see above
        from airflow_provider_kaltura.stores import open_lake  # noqa: PLC0415, see above

        options = self._options(context)
        storage_conn_id = as_connection_id("storage_conn_id", self.storage_conn_id)
        with airflow_errors(self.kaltura_conn_id) as lakes:
            destination = Destination.parse(
                check_text("destination", self.destination),
                state_root=check_text("state_root", self.state_root) if self.state_root else None,
            )
            # Before Kaltura is asked: what is wrong with the storage's arguments is told first.
            lake = open_lake(destination.root, conn_id=storage_conn_id, options=options.store)
            lakes.are_at(lake.root, storage_conn_id)
            job, config = self._plan(destination)
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

    def _options(self, context: Context) -> RunOptions:
        check_choice("if_exists", self.if_exists, get_args(IfExists))
        check_choice("checksum", self.checksum, get_args(ChecksumName))
        connections = as_number("max_connections", self.max_connections, most=MAX_CONNECTIONS)
        limits: dict[str, Any] = {} if connections is None else {"max_connections": connections}
        if not as_switch("resume", self.resume):
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

    def _plan(self, destination: Destination) -> tuple[AssetJob, ClientConfig | None]:
        from airflow_provider_kaltura.ingest import plan, resolve  # noqa: PLC0415, see execute

        given = only_one_of(entry_id=self.entry_id, download=self.download)
        if given == "entry_id":
            wanted = resolve.parse_preferences(self.flavor)
            job = plan.plan_entry(self.hook.api, str(self.entry_id).strip(), wanted, destination)
            return job, self.hook.config
        download = resolve.parse_download(self.download)
        if isinstance(download, resolve.BareUrl):
            return plan.plan_url(download, destination), None
        return plan.plan_download(self.hook.api, download, destination), self.hook.config
