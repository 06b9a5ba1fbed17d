"""Export an account's catalogue as Parquet."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final

from airflow_provider_kaltura.compat import BaseOperator
from airflow_provider_kaltura.exceptions import KalturaArgumentError, airflow_errors
from airflow_provider_kaltura.hooks.kaltura import KalturaHook
from airflow_provider_kaltura.hooks.listing import queries_of
from airflow_provider_kaltura.operators._arguments import as_number, as_switch
from airflow_provider_kaltura.operators._listing_words import WORDS, as_list, read_words
from airflow_provider_kaltura.operators._progress import in_units
from airflow_provider_kaltura.operators._roots import open_root
from airflow_provider_kaltura.xcom_catalog import catalog_result

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from airflow.providers.common.compat.sdk import Context, XComArg

    from airflow_provider_kaltura.xcom_catalog import CatalogResult

__all__ = ["KalturaExportCatalogOperator"]

_TABLES: Final = ("entries", "flavors", "captions", "categories")
_KEEP: Final = 3


class KalturaExportCatalogOperator(BaseOperator):
    """
    Write entries, flavor assets, captions and categories as typed Parquet, partitioned by the month of creation.

    Readers see the last complete export: its files are never changed, and a pointer is moved to it at the end. Needs
    the extra ``[catalog]``.

    Conditions are those of :class:`KalturaListEntriesOperator` and choose entries; their flavor assets and captions
    follow them. Categories are always all.

    :param root: (templated) Below which root the catalogue goes, a path or URL as for downloads: into ``catalog/`` and
        ``_kaltura/catalog/`` there.
    :param storage_conn_id: (templated) The connection to the storage, where the root names none before ``@``.
    :param tables: (templated) Which of ``entries``, ``flavors``, ``captions``, ``categories``.
    :param keep: (templated) How many exports stay, the current one among them; older ones are removed an hour after
        they were written.
    :param replace_any: (templated) An export that lacks tables of the current catalogue, that was made with other
        conditions, or that has no entry fails, and the current catalogue stays. True puts it in its place.
    :param entry_ids: (templated) Only these, any number; an empty list is no entry at all.
    :param tags: (templated) With one of these tags.
    :param category_ids: (templated) In one of these categories.
    :param with_subcategories: (templated) In categories below them too.
    :param category: (templated) In the category of this full name, such as ``"site>lectures"``, or below it.
    :param owners: (templated) Of one of these users.
    :param text: (templated) Found by Kaltura's free text search.
    :param media_types: (templated) ``"video"``, ``"audio"``, ``"image"`` or Kaltura's numbers.
    :param least_seconds: (templated) Shortest duration.
    :param most_seconds: (templated) Longest duration.
    :param created_since: (templated) Created then or later.
    :param created_until: (templated) Created before.
    :param updated_since: (templated) Last changed then or later.
    :param updated_until: (templated) Last changed before.
    :param last_played_since: (templated) Last played then or later.
    :param last_played_until: (templated) Last played before.
    :param parent_id: (templated) Children of this entry.
    :param statuses: (templated) Kaltura's entry statuses; ``"any"``, the default, is all but deleted.
    :param moderation: (templated) ``"any"``, the default, or ``"passed"``, without pending and rejected ones.
    :param filter: (templated) Other fields of ``KalturaMediaEntryFilter`` by name, as a dict or as JSON.
    :param kaltura_conn_id: (templated) The connection to Kaltura.
    :param **kwargs: Arguments of every operator.
    """

    template_fields: Sequence[str] = (
        "root",
        "storage_conn_id",
        "tables",
        "keep",
        "replace_any",
        *WORDS,
        "kaltura_conn_id",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"filter": "json"}
    ui_color = "#dbeafe"

    def __init__(
        self,
        *,
        root: str,
        storage_conn_id: str | None = None,
        tables: Sequence[str] | str = _TABLES,
        keep: int | str = _KEEP,
        replace_any: bool | str = False,
        entry_ids: list[str] | str | XComArg | None = None,
        tags: list[str] | str | XComArg | None = None,
        category_ids: list[int] | str | XComArg | None = None,
        with_subcategories: bool | str = True,
        category: str | None = None,
        owners: list[str] | str | XComArg | None = None,
        text: str | None = None,
        media_types: list[str | int] | str | XComArg | None = None,
        least_seconds: int | str | None = None,
        most_seconds: int | str | None = None,
        created_since: datetime | str | None = None,
        created_until: datetime | str | None = None,
        updated_since: datetime | str | None = None,
        updated_until: datetime | str | None = None,
        last_played_since: datetime | str | None = None,
        last_played_until: datetime | str | None = None,
        parent_id: str | None = None,
        statuses: list[str] | str | XComArg | None = "any",
        moderation: str = "any",
        filter: dict[str, Any] | str | XComArg | None = None,  # noqa: A002 - Kaltura's word for it
        kaltura_conn_id: str = KalturaHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.root = root
        self.storage_conn_id = storage_conn_id
        self.tables = tables
        self.keep = keep
        self.replace_any = replace_any
        self.entry_ids = entry_ids
        self.tags = tags
        self.category_ids = category_ids
        self.with_subcategories = with_subcategories
        self.category = category
        self.owners = owners
        self.text = text
        self.media_types = media_types
        self.least_seconds = least_seconds
        self.most_seconds = most_seconds
        self.created_since = created_since
        self.created_until = created_until
        self.updated_since = updated_since
        self.updated_until = updated_until
        self.last_played_since = last_played_since
        self.last_played_until = last_played_until
        self.parent_id = parent_id
        self.statuses = statuses
        self.moderation = moderation
        self.filter = filter
        self.kaltura_conn_id = kaltura_conn_id

    @cached_property
    def hook(self) -> KalturaHook:
        """The hook, made when it is first used."""
        return KalturaHook(self.kaltura_conn_id)

    def execute(self, context: Context) -> CatalogResult:
        """
        Export.

        :param context: Given by Airflow.
        :returns: What is pushed as XCom.
        :raises KalturaArgumentError: An argument can't be right, or pyarrow is missing.
        :raises KalturaProviderError: Kaltura or the storage could not be asked.
        """
        # Not at the top: DAG files are parsed often, and need none of it.
        from airflow_provider_kaltura.ingest.catalog import export_catalog  # noqa: PLC0415, see above
        from airflow_provider_kaltura.ingest.catalog_schema import require_pyarrow  # noqa: PLC0415, see above

        tables = _read_tables(self.tables)
        keep = as_number("keep", self.keep) or _KEEP
        replace_any = as_switch("replace_any", self.replace_any)
        words = read_words({name: getattr(self, name) for name in WORDS})
        if "statuses" not in words:
            words["statuses"] = ["any"]
        if "moderation" not in words:
            words["moderation"] = "any"
        with airflow_errors(self.kaltura_conn_id) as lakes:
            require_pyarrow()
            lake = open_root("root", self.root, self.storage_conn_id, what="the catalogue")
            lakes.are_at(lake.root, self.storage_conn_id)
            summary = export_catalog(
                self.hook.api, lake, queries_of(words), tables=tables, keep=keep, replace_any=replace_any
            )
        counts = ", ".join(f"{count:,} {table}" for table, count in summary.rows.items())
        self.log.info(
            "%s: %s in %d files (%s) of %s, in %.1f s",
            summary.root,
            counts,
            summary.files,
            in_units(summary.size_bytes),
            summary.path,
            summary.seconds,
        )
        return catalog_result(summary)


def _read_tables(value: Any) -> tuple[str, ...]:
    """Read which tables are wanted, in their own order."""
    wanted = as_list("tables", value)
    if not wanted or not set(wanted) <= set(_TABLES):
        raise KalturaArgumentError(f"tables must be some of {', '.join(_TABLES)}, not {str(value)[:100]!r}.")
    return tuple(table for table in _TABLES if table in wanted)
