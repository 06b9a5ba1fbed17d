"""List the entries of an account, for tasks that are mapped over them."""

from __future__ import annotations

import json
from functools import cached_property
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, get_args

from airflow_provider_kaltura.compat import BaseOperator, conf, task_identity
from airflow_provider_kaltura.exceptions import KalturaArgumentError, airflow_errors
from airflow_provider_kaltura.hooks.kaltura import KalturaHook
from airflow_provider_kaltura.operators._arguments import as_number, check_choice
from airflow_provider_kaltura.operators._listing_words import WORDS, read_words
from airflow_provider_kaltura.operators._roots import open_root

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from airflow.providers.common.compat.sdk import Context, XComArg

    from airflow_provider_kaltura.hooks.listing import EntryWords
    from airflow_provider_kaltura.ingest.lake import Lake

__all__ = ["KalturaListEntriesOperator"]

ListedAs = Literal["slices", "batches"]

_PER_SLICE: Final = 500
_MOST_IN_BATCHES: Final = 1_000
# No task of ours returns more.
_MOST_XCOM_BYTES: Final = 16 * 1024
# Of one end of a slice: listings up to 10 GB.
_DIGITS: Final = 10


class KalturaListEntriesOperator(BaseOperator):
    """
    List entries, however many, each once, also while the library changes; return pieces for mapped tasks.

    Conditions add up; within a list one is enough. An empty text, or None, is no condition; an empty list is no entry
    at all. Lists are lists, JSON, or texts with commas or lines. Times are ISO texts with a zone: ``…_since`` is
    included, ``…_until`` is not.

    :param as_: (templated) ``"slices"`` writes a listing, JSON Lines, and returns ``list[str]`` of ``path#start-end``;
        ``"batches"`` returns ``list[list[str]]`` of entry ids, at most 1,000 in all.
    :param listing_root: (templated) Below which root the listing goes, a path or URL as for downloads; it stands in
        ``_kaltura/listings/`` there. Needed for slices.
    :param storage_conn_id: (templated) The connection to the storage, where the root names none before ``@``.
    :param entries_per_slice: (templated) Entries of a slice or batch; more where there would be more than Airflow's
        ``[core] max_map_length``, or more than 16 KB of XCom.
    :param entry_ids: (templated) Only these, any number.
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
    :param statuses: (templated) Kaltura's entry statuses, by default ``"2"`` (ready); ``"any"`` is all but deleted.
    :param moderation: (templated) ``"passed"`` leaves pending and rejected ones out; ``"any"`` doesn't.
    :param filter: (templated) Other fields of ``KalturaMediaEntryFilter`` by name, as a dict or as JSON.
    :param kaltura_conn_id: (templated) The connection to Kaltura.
    :param **kwargs: Arguments of every operator.
    """

    template_fields: Sequence[str] = (
        "as_",
        "listing_root",
        "storage_conn_id",
        "entries_per_slice",
        *WORDS,
        "kaltura_conn_id",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"filter": "json"}
    ui_color = "#fef3c7"

    def __init__(
        self,
        *,
        as_: ListedAs | str = "slices",
        listing_root: str | None = None,
        storage_conn_id: str | None = None,
        entries_per_slice: int | str = _PER_SLICE,
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
        statuses: list[str] | str | XComArg | None = None,
        moderation: str = "passed",
        filter: dict[str, Any] | str | XComArg | None = None,  # noqa: A002 - Kaltura's word for it
        kaltura_conn_id: str = KalturaHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.as_ = as_
        self.listing_root = listing_root
        self.storage_conn_id = storage_conn_id
        self.entries_per_slice = entries_per_slice
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

    def execute(self, context: Context) -> list[str] | list[list[str]]:
        """
        List.

        :param context: Given by Airflow.
        :returns: What is pushed as XCom; an empty list when nothing is found, so that mapped tasks are skipped.
        :raises KalturaArgumentError: An argument can't be right, or there are too many entries for batches.
        :raises KalturaProviderError: Kaltura or the storage could not be asked.
        """
        check_choice("as_", self.as_, get_args(ListedAs))
        per_slice = as_number("entries_per_slice", self.entries_per_slice) or _PER_SLICE
        most = max(1, conf.getint("core", "max_map_length", fallback=1024))
        words = read_words({name: getattr(self, name) for name in WORDS})
        if self.as_ == "batches":
            return self._batches(words, per_slice, most)
        with airflow_errors() as lakes:
            # Before Kaltura is asked: what is wrong with the storage's arguments is told first.
            lake = open_root("listing_root", self.listing_root, self.storage_conn_id, what="the listing")
            lakes.are_at(lake.root, self.storage_conn_id)
            return self._slices(context, words, lake, per_slice, most)

    def _slices(self, context: Context, words: EntryWords, lake: Lake, per_slice: int, most: int) -> list[str]:
        from airflow_provider_kaltura.ingest.listing_rows import (  # noqa: PLC0415 - DAG files need none of it
            listing_key,
            listing_row,
            steady,
        )
        from airflow_provider_kaltura.ingest.slices import write_listing  # noqa: PLC0415 - DAG files need none of it

        rows = map(listing_row, steady(self.hook.list_entries(**words)))
        first = next(rows, None)
        if first is None:
            self.log.info("No entry was found; no listing is written")
            return []
        key = listing_key(**task_identity(context))
        path = f"{lake.root.rstrip('/')}/{key}"
        most = min(most, _slices_in_xcom(path))
        listing = write_listing(chain([first], rows), lake, key, path, per_slice=per_slice, most_slices=most)
        self.log.info("%d entries in %d slices of %s", listing.count, len(listing.slices), path)
        return [str(piece) for piece in listing.slices]

    def _batches(self, words: EntryWords, per_batch: int, most: int) -> list[list[str]]:
        from airflow_provider_kaltura.ingest.listing_rows import steady  # noqa: PLC0415 - DAG files need none of it

        entries = steady(islice(self.hook.list_entries(**words), _MOST_IN_BATCHES + 1))
        ids = [entry.id for entry in entries]
        most = min(most, _batches_in_xcom(ids))
        if len(ids) > _MOST_IN_BATCHES or most < 1:
            raise KalturaArgumentError(
                f"There are more entries than as_='batches' may return ({_MOST_IN_BATCHES:,}, and 16 KB): use "
                "as_='slices' with a listing_root, or narrow the listing."
            )
        size = max(per_batch, -(-len(ids) // most))
        batches = [ids[start : start + size] for start in range(0, len(ids), size)]
        self.log.info("%d entries in %d batches", len(ids), len(batches))
        return batches


def _slices_in_xcom(path: str) -> int:
    """Tell how many slices of a listing go into an XCom: JSON, with its quotes and commas."""
    each = len(json.dumps(f"{path}#-")) + 2 * _DIGITS + len(", ")
    return max(1, (_MOST_XCOM_BYTES - len("[]")) // each)


def _batches_in_xcom(ids: list[str]) -> int:
    """Tell into how many batches ids may be cut for an XCom; none where they don't go into one at all."""
    return (_MOST_XCOM_BYTES - sum(len(json.dumps(one)) + len(", ") for one in ids)) // len("[]")
