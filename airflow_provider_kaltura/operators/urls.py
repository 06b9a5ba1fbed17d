"""Get download URLs: of an entry's flavor, or of many entries at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, get_args

from airflow_provider_kaltura.compat import BaseOperator, task_identity
from airflow_provider_kaltura.exceptions import KalturaArgumentError, airflow_errors
from airflow_provider_kaltura.hooks.kaltura import KalturaHook
from airflow_provider_kaltura.operators._arguments import as_connection_id, check_choice, check_text
from airflow_provider_kaltura.operators._batches import (
    ENTRIES,
    batch_options,
    check_single,
    count_of,
    end_batch,
    is_batch,
    is_given,
    mode_of,
    read_entry_ids,
)
from airflow_provider_kaltura.operators._progress import in_units
from airflow_provider_kaltura.xcom import UrlInXCom, download_url
from airflow_provider_kaltura.xcom_batches import batch_result

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from airflow.providers.common.compat.sdk import Context, XComArg

    from airflow_provider_kaltura.ingest.batch_models import BatchOptions, BatchSummary, OnError
    from airflow_provider_kaltura.ingest.batch_urls import UrlRow
    from airflow_provider_kaltura.xcom import DownloadUrl
    from airflow_provider_kaltura.xcom_batches import BatchResult

__all__ = ["KalturaGetDownloadUrlOperator"]


class KalturaGetDownloadUrlOperator(BaseOperator):
    """
    Find the flavor that ``flavor`` asks for and push what is known about it, with the URL of its bytes.

    The task fails when the flavor is not ready; put a ``KalturaFlavorReadySensor`` before it, or give it retries.

    Give exactly one of ``entry_id``, ``entry_ids`` and ``entries_from``. With the latter two the dicts are written to
    ``report_path`` as JSON Lines, and a small summary is pushed.

    :param entry_id: (templated) The entry.
    :param entry_ids: (templated) Many entries: a list, the same as JSON, or a text with commas, semicolons or
        lines.
    :param entries_from: (templated) Many entries: a slice of a listing, ``path#start-end``.
    :param flavor: (templated) Preferences, tried in order: a text with commas or a list, such as ``"source, best"`` or
        ``"height<=720"``. For many entries also ``"each"``, every flavor that is ready.
    :param url_in_xcom: (templated) ``"plain"`` pushes a URL without a KS, or None where only one with a KS works (the
        download operator then finds it by itself). ``"signed"`` pushes that one too: everybody who may see XComs and
        rendered fields can use it. ``"none"`` pushes no URL and asks for none. For many entries the same is written.
    :param report_path: (templated) For many entries: the file of the dicts, where nothing may stand but what an earlier
        try has written; or a folder, ending in ``/``, where run and task give it a name. A path or URL as for
        downloads.
    :param storage_conn_id: (templated) The connection to the storage of ``report_path`` and ``entries_from``, where
        they name none before ``@``.
    :param on_error: (templated) For many entries: ``"fail"`` fails the task when one has no URL, ``"continue"`` when
        more than ``max_failures`` have none. The file is written in both cases.
    :param max_failures: (templated) See ``on_error``; None for any number.
    :param max_entries: (templated) More entries than these are an error.
    :param kaltura_conn_id: (templated) The connection to Kaltura.
    :param **kwargs: Arguments of every operator.
    """

    template_fields: Sequence[str] = (
        "entry_id",
        "entry_ids",
        "entries_from",
        "flavor",
        "url_in_xcom",
        "report_path",
        "storage_conn_id",
        "on_error",
        "max_failures",
        "max_entries",
        "kaltura_conn_id",
    )
    ui_color = "#e0f2fe"

    def __init__(
        self,
        *,
        entry_id: str | XComArg | None = None,
        entry_ids: list[str] | str | XComArg | None = None,
        entries_from: str | XComArg | None = None,
        flavor: str | list[str] | XComArg = "source, best",
        url_in_xcom: UrlInXCom | str = "plain",
        report_path: str | None = None,
        storage_conn_id: str | None = None,
        on_error: OnError | str = "fail",
        max_failures: int | str | None = None,
        max_entries: int | str = ENTRIES,
        kaltura_conn_id: str = KalturaHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.entry_id = entry_id
        self.entry_ids = entry_ids
        self.entries_from = entries_from
        self.flavor = flavor
        self.url_in_xcom = url_in_xcom
        self.report_path = report_path
        self.storage_conn_id = storage_conn_id
        self.on_error = on_error
        self.max_failures = max_failures
        self.max_entries = max_entries
        self.kaltura_conn_id = kaltura_conn_id

    @cached_property
    def hook(self) -> KalturaHook:
        """The hook, made when it is first used."""
        return KalturaHook(self.kaltura_conn_id)

    def execute(self, context: Context) -> DownloadUrl | BatchResult:
        """
        Find flavors and URLs.

        :param context: Given by Airflow.
        :returns: What is pushed as XCom.
        :raises KalturaNotReadyError: The flavor is not ready yet.
        :raises KalturaProviderError: It can never come, or Kaltura could not be asked.
        """
        check_choice("url_in_xcom", self.url_in_xcom, get_args(UrlInXCom))
        mode = mode_of(entry_id=self.entry_id, entry_ids=self.entry_ids, entries_from=self.entries_from)
        if is_batch(mode):
            return self._many(context)
        on_error = None if self.on_error == "fail" else self.on_error
        check_single(self.flavor, on_error=on_error, max_failures=self.max_failures, report_path=self.report_path)
        return self._one()

    # ------------------------------------------------------------------ one entry
    def _one(self) -> DownloadUrl:
        # Not at the top: DAG files are parsed often, and need none of it.
        from airflow_provider_kaltura.ingest.resolve import parse_preferences, resolve  # noqa: PLC0415, see above

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

    # ------------------------------------------------------------------ many entries
    def _many(self, context: Context) -> BatchResult:
        from airflow_provider_kaltura.ingest.batch_models import BatchSummary  # noqa: PLC0415, see _one

        conn_id = as_connection_id("storage_conn_id", self.storage_conn_id)
        options = batch_options(flavor=self.flavor, on_error=self.on_error, max_failures=self.max_failures)
        place = self._report_place(context)
        entry_ids = read_entry_ids(self.entry_ids, self.entries_from, self.max_entries, conn_id)
        if not entry_ids:
            self.log.info("There is no entry; nothing is written")
            return batch_result(BatchSummary())
        summary = self._write(entry_ids, options, place, conn_id)
        return end_batch(summary, options, self.kaltura_conn_id, place.folder, conn_id, self.log.info)

    def _report_place(self, context: Context) -> _Place:
        from airflow_provider_kaltura.ingest.safe_names import slug  # noqa: PLC0415, see _one

        path = check_text("report_path", self.report_path or "").strip()
        if not is_given(path):
            raise KalturaArgumentError(
                "Give report_path: the file, or the folder ending in '/', into which the URLs of many entries go."
            )
        folder, slash, name = path.rpartition("/")
        is_whole = path.startswith("/") or "://" in path
        if "{" in path or not slash or not is_whole or name in {".", ".."}:
            # Without its text, which may hold what is a secret.
            raise KalturaArgumentError("report_path must be an absolute path or a URL, without placeholders.")
        who = {"run_id": "manual", "task_id": "task", "map_index": -1, "try_number": 1, **task_identity(context)}
        own = f"urls-{slug(who['run_id'], 80)}-{slug(who['task_id'], 80)}-{who['map_index']}.jsonl"
        is_bare = not folder or folder.endswith((":", ":/"))
        return _Place(f"{folder}/" if is_bare else folder, name or own, who if name else None)

    def _write(self, entry_ids: list[str], options: BatchOptions, place: _Place, conn_id: str | None) -> BatchSummary:
        from airflow_provider_kaltura.ingest.batch import write_urls  # noqa: PLC0415, see _one
        from airflow_provider_kaltura.ingest.batch_urls import batch_urls  # noqa: PLC0415, see _one
        from airflow_provider_kaltura.ingest.models import RunOptions  # noqa: PLC0415, see _one
        from airflow_provider_kaltura.ingest.own_file import OwnFile  # noqa: PLC0415, see _one
        from airflow_provider_kaltura.stores import open_lake  # noqa: PLC0415, see _one

        with airflow_errors(self.kaltura_conn_id) as lakes:
            lake = open_lake(place.folder, conn_id=conn_id)
            lakes.are_at(lake.root, conn_id)
            own = None if place.task is None else OwnFile(lake, place.name, RunOptions(**place.task))
            if own is not None:
                # Before Kaltura is asked.
                own.require()
            self.log.info("URLs of %s go to %s", count_of(entry_ids), place.path)
            rows = batch_urls(
                self.hook.api,
                entry_ids,
                options.flavor,
                with_urls=self.url_in_xcom != "none",
                allow_session=self.url_in_xcom == "signed",
            )
            summary = write_urls(self._told(rows), lake, place.name, self._line, own=own)
        summary.report = place.path
        return summary

    def _told(self, rows: Iterable[UrlRow]) -> Iterator[UrlRow]:
        from airflow_provider_kaltura.ingest.report import of_entry  # noqa: PLC0415, see _one

        for row in rows:
            if row.error is not None:
                self.log.warning("%s", of_entry(row.entry_id, str(row.error)))
            yield row

    def _line(self, row: UrlRow) -> DownloadUrl:
        if row.entry is None or row.asset is None:
            raise TypeError("a row without an error has an asset")
        if row.url is None:
            return download_url(row.entry, row.asset, url=None, needs_session=None)
        needs_session = row.url.needs_session
        url = row.url.url if self.url_in_xcom == "signed" or not needs_session else None
        return download_url(row.entry, row.asset, url=url or None, needs_session=needs_session)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the URLs of many entries are written, and by which task, where the name does not say that."""

    folder: str
    name: str
    task: dict[str, Any] | None

    @property
    def path(self) -> str:
        """Both, for people."""
        return f"{self.folder}{'' if self.folder.endswith('/') else '/'}{self.name}"
