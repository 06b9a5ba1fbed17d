"""What the batch modes of the operators share: the entries, what may be given, and how a batch ends."""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_kaltura.api.redact import redact
from airflow_provider_kaltura.exceptions import KalturaArgumentError, KalturaProviderError, airflow_errors
from airflow_provider_kaltura.operators._arguments import as_number, check_text, only_one_of
from airflow_provider_kaltura.operators._progress import in_units
from airflow_provider_kaltura.xcom_batches import batch_result

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sized

    from airflow_provider_kaltura.ingest.batch_models import BatchOptions, BatchSummary
    from airflow_provider_kaltura.xcom_batches import BatchResult

log = logging.getLogger(__name__)

#: Files at a time, and entries of one task, where nobody says otherwise; those of ``ingest``.
PARALLEL: Final = 4
ENTRIES: Final = 10_000

_BATCHES: Final = frozenset({"entry_ids", "entries_from"})
_NOTHING: Final = frozenset({"", "None"})


def is_given(value: Any) -> bool:
    """
    Tell whether an argument was given.

    :param value: Its value; None, an empty text and ``"None"`` (what a template makes of None) are none.
    :returns: True also for an empty list: a task before that found nothing has said so.
    """
    return value is not None and not (isinstance(value, str) and value.strip() in _NOTHING)


def mode_of(**arguments: Any) -> str:
    """
    Find which of the arguments that name entries was given.

    :param **arguments: By name.
    :returns: Its name.
    :raises KalturaArgumentError: None was given, or several.
    """
    lists = {name for name in _BATCHES if is_given(arguments[name])}
    return only_one_of(
        **{
            name: name in lists if name in _BATCHES else bool(value) and is_given(value)
            for name, value in arguments.items()
        }
    )


def is_batch(mode: str) -> bool:
    """
    Tell whether a task has several entries.

    :param mode: See :func:`mode_of`.
    :returns: Whether it has.
    """
    return mode in _BATCHES


def check_single(flavor: Any, **batch_only: Any) -> None:
    """
    Check that a task of one entry was not given what would be ignored.

    :param flavor: Its flavor.
    :param **batch_only: Arguments of batches, those with defaults as None where they have these.
    :raises KalturaArgumentError: It was.
    """
    if isinstance(flavor, str) and flavor.strip().lower() == "each":
        raise KalturaArgumentError(
            "flavor='each' is for batches: give entry_ids=[…] (one entry is enough) instead of entry_id, or a "
            "preference such as 'source, best'."
        )
    given = [name for name, value in batch_only.items() if is_given(value)]
    if given:
        raise KalturaArgumentError(
            f"{' and '.join(given)} would be ignored: that is for batches, with entry_ids or entries_from."
        )


def read_entry_ids(entry_ids: Any, entries_from: Any, max_entries: Any, storage_conn_id: str | None) -> list[str]:
    """
    Read the entries of a batch; Kaltura is not asked.

    :param entry_ids: A list, or a text; given, or the next one is.
    :param entries_from: A slice of a listing.
    :param max_entries: More entries are an error.
    :param storage_conn_id: The connection to the storage of the listing.
    :returns: Each once; none for an empty list.
    :raises KalturaArgumentError: They can't be read, or there are too many.
    :raises KalturaProviderError: The listing can't be read.
    """
    from airflow_provider_kaltura.ingest.entry_ids import MAX_ENTRIES, parse_entry_ids  # noqa: PLC0415 - see execute

    most = as_number("max_entries", max_entries) or MAX_ENTRIES
    if is_given(entries_from):
        return _of_slice(check_text("entries_from", entries_from).strip(), most, storage_conn_id)
    if _is_empty(entry_ids):
        return []
    with airflow_errors():
        return parse_entry_ids(entry_ids, max_entries=most)


def _is_empty(entry_ids: Any) -> bool:
    if isinstance(entry_ids, str):
        return "".join(entry_ids.split()) in {"[]", "()"}
    return hasattr(entry_ids, "__len__") and len(entry_ids) == 0


def _of_slice(text: str, most: int, storage_conn_id: str | None) -> list[str]:
    from airflow_provider_kaltura.ingest.entry_ids import read_entries  # noqa: PLC0415 - see execute
    from airflow_provider_kaltura.listings import open_slice  # noqa: PLC0415 - see execute
    from airflow_provider_kaltura.stores import open_lake  # noqa: PLC0415 - see execute

    # A folder that all workers share takes no connection, and may well hold the listing of a lake elsewhere.
    conn_id = storage_conn_id if "://" in text and not text.lower().startswith("file:") else None
    with airflow_errors() as lakes:
        lakes.are_at(text.rpartition("/")[0], conn_id)
        open_slice(text, conn_id)
        return read_entries(text, lambda root: open_lake(root, conn_id=conn_id), max_entries=most)


def batch_options(
    *, flavor: Any, on_error: Any, max_failures: Any, max_parallel: Any = None, **more: Any
) -> BatchOptions:
    """
    Read how a batch is carried out.

    :param flavor: Preferences, or ``"each"``.
    :param on_error: A word.
    :param max_failures: A number, or not given.
    :param max_parallel: A number, or not given.
    :param **more: Fields that are read already.
    :returns: The options.
    :raises KalturaArgumentError: One of them can't be.
    """
    from airflow_provider_kaltura.ingest.batch_choice import parse_batch_flavor  # noqa: PLC0415 - see execute
    from airflow_provider_kaltura.ingest.batch_models import MAX_PARALLEL, BatchOptions  # noqa: PLC0415 - see execute

    failures = as_number("max_failures", max_failures, least=0)
    parallel = as_number("max_parallel", max_parallel, most=MAX_PARALLEL)
    with airflow_errors():
        wanted = parse_batch_flavor(flavor)
    try:
        with airflow_errors():
            options = BatchOptions(
                flavor=wanted,
                on_error=on_error,
                max_failures=failures,
                max_parallel=PARALLEL if parallel is None else parallel,
                **more,
            )
    except ValueError as error:
        raise KalturaArgumentError(f"{error}.") from None
    if options.on_error == "fail" and failures is not None:
        raise KalturaArgumentError("max_failures would be ignored: it needs on_error='continue'.")
    return options


def end_batch(
    summary: BatchSummary,
    options: BatchOptions,
    conn_id: str,
    root: str,
    storage_conn_id: str | None,
    tell: Callable[..., None],
) -> BatchResult:
    """
    Tell what became of a batch, and fail the task where that is what was asked for.

    :param summary: It.
    :param options: How it was carried out.
    :param conn_id: The connection to Kaltura.
    :param root: The lake, for the error's text.
    :param storage_conn_id: The connection to the storage.
    :param tell: ``info`` of the task's logger.
    :returns: What is pushed as XCom.
    :raises KalturaProviderError: There were more failures than allowed; of the first one's kind, retried or not.
    """
    from airflow_provider_kaltura.ingest.report import of_entry  # noqa: PLC0415 - see execute

    words = in_words(summary)
    tell("Batch: %s, in %.1f s; report: %s", words, summary.seconds, summary.report)
    if options.allows(summary.failed) or summary.first_error is None:
        return batch_result(summary)
    failure = _translated(summary.first_error, conn_id, root, storage_conn_id)
    first = of_entry(summary.failures[0]["entryId"], failure.message)
    text = f"{summary.failed} failed. The first: {first} In numbers: {words}."
    text += f" Report: {summary.report}" if summary.report else " There is no report."
    raise type(failure)(text, failure.lower_error, failure.code) from failure.__cause__


def count_of(entry_ids: Sized) -> str:
    """
    Write how many entries there are, for people.

    :param entry_ids: They.
    :returns: Two words.
    """
    return "1 entry" if len(entry_ids) == 1 else f"{len(entry_ids):,} entries"


def in_words(summary: BatchSummary) -> str:
    """
    Write the counts of a batch for people.

    :param summary: It.
    :returns: Part of a sentence.
    """
    # Rows that came to nothing else are URLs, of which nothing is downloaded.
    found = summary.total - summary.downloaded - summary.skipped - summary.failed - summary.not_begun
    parts = [f"{found} found" if found else f"{summary.downloaded} downloaded ({in_units(summary.downloaded_bytes)})"]
    parts.append(f"{summary.skipped} skipped{_reasons(summary.skipped_reasons)}")
    parts.append(f"{summary.failed} failed")
    if summary.not_begun:
        parts.append(f"{summary.not_begun} not begun")
    return f"{summary.total} in all: {', '.join(parts)}"


def _reasons(counts: Mapping[str, int]) -> str:
    return f" ({', '.join(f'{reason} {count}' for reason, count in sorted(counts.items()))})" if counts else ""


def _translated(error: Exception, conn_id: str, root: str, storage_conn_id: str | None) -> KalturaProviderError:
    """Give what Airflow understands, with its cause where that shows no secret."""
    try:
        with airflow_errors(conn_id) as lakes:
            lakes.are_at(root, storage_conn_id)
            raise error  # noqa: TRY301 - to have it translated
    except KalturaProviderError as translated:
        return translated
    except Exception as unknown:  # noqa: BLE001 - whatever it is, the task must end with the counts
        log.debug("The cause, redacted: %s", redact("".join(traceback.format_exception(unknown))))
        name = type(unknown).__name__
        return KalturaProviderError(f"{redact(str(unknown))} [{name}]", name)
