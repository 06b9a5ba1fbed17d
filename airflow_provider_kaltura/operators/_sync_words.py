"""What a sync is told: which entries, since when, and whether its state stays where it is."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from airflow_provider_kaltura.compat import BaseOperator
from airflow_provider_kaltura.exceptions import KalturaArgumentError
from airflow_provider_kaltura.hooks.listing import queries_of
from airflow_provider_kaltura.operators._listing_words import read_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.providers.common.compat.sdk import Context, XComArg

    from airflow_provider_kaltura.api.queries import EntryQuery

SyncWindow = Literal["cursor", "interval", "all"]

#: Conditions of a listing that are the sync's own: when entries were changed, and in which status they are.
CONDITIONS: Final = (
    "tags",
    "category_ids",
    "with_subcategories",
    "category",
    "owners",
    "text",
    "media_types",
    "least_seconds",
    "most_seconds",
    "created_since",
    "created_until",
    "parent_id",
    "moderation",
    "filter",
)

_OVERLAP: Final = re.compile(r"\s*(?P<number>[0-9]{1,9})\s*(?:(?P<unit>second|minute|hour|day)s?)?\s*", re.IGNORECASE)
_SECONDS: Final = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}
_MOST_OVERLAP_SECONDS: Final = 31 * 86_400
# Jinja's braces, or those of a placeholder: which come first?
_BRACES: Final = re.compile(r"\{[{%#]?")
_TEMPLATE: Final = re.compile(r"\{[{%]")


class EntriesOperator(BaseOperator):
    """
    An operator that is told which entries it is about.

    :param tags: See :class:`~airflow_provider_kaltura.operators.KalturaListEntriesOperator`, as for all of these.
    :param category_ids: See *tags*.
    :param with_subcategories: See *tags*.
    :param category: See *tags*.
    :param owners: See *tags*.
    :param text: See *tags*.
    :param media_types: See *tags*.
    :param least_seconds: See *tags*.
    :param most_seconds: See *tags*.
    :param created_since: See *tags*.
    :param created_until: See *tags*.
    :param parent_id: See *tags*.
    :param moderation: See *tags*.
    :param filter: See *tags*.
    :param **kwargs: Arguments of every operator.
    """

    def __init__(
        self,
        *,
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
        parent_id: str | None = None,
        moderation: str = "any",
        filter: dict[str, Any] | str | XComArg | None = None,  # noqa: A002 - Kaltura's word for it
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
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
        self.parent_id = parent_id
        self.moderation = moderation
        self.filter = filter


def read_query(operator: EntriesOperator) -> EntryQuery:
    """
    Read which entries are wanted.

    :param operator: With rendered arguments.
    :returns: The query.
    :raises KalturaArgumentError: An argument can't be read, or one of *filter* is the sync's own.
    """
    words = read_words({name: getattr(operator, name) for name in CONDITIONS})
    query = next(queries_of(words), None)
    if query is None:
        # A sync of nothing, every night, must not look like success; nor must it become one of the whole library.
        empty = " and ".join(name for name, value in words.items() if value == [])
        raise KalturaArgumentError(
            f"{empty} is an empty list, which is no entry at all; without a condition give None."
        )
    taken = [name for name in query.more if name.startswith(("updatedAt", "status"))]
    if taken:
        raise KalturaArgumentError(f"filter can't have {taken[0]}: when entries were changed is what a sync asks for.")
    return query


def read_window(window: SyncWindow, since: Any, until: Any, context: Context) -> tuple[datetime, datetime] | None:
    """
    Read which time a sync looks at.

    :param window: The word.
    :param since: From when, instead of it.
    :param until: Until when, not included; None for now.
    :param context: Given by Airflow, with the data interval.
    :returns: From and until, None to go on from the cursor.
    :raises KalturaArgumentError: A time can't be read or has no zone, or the window is empty.
    """
    begin, end = _time("since", since), _time("until", until)
    if begin is None and end is None:
        return None if window != "interval" else _interval(context)
    if window == "all":
        raise KalturaArgumentError("window='all' compares all, whenever it was changed: give no since and no until.")
    if begin is None:
        raise KalturaArgumentError("Give since too: until alone says nothing about where to begin.")
    end = datetime.now(begin.tzinfo) if end is None else end
    if end <= begin:
        raise KalturaArgumentError(f"The window from {begin.isoformat()} to {end.isoformat()} is empty.")
    return begin, end


def _time(name: str, value: Any) -> datetime | None:
    try:
        return read_words({f"updated_{name}": value}).get(f"updated_{name}")  # type: ignore[return-value]
    except KalturaArgumentError as error:
        raise KalturaArgumentError(str(error).replace(f"updated_{name}", name)) from None


def _interval(context: Context) -> tuple[datetime, datetime]:
    start, end = context.get("data_interval_start"), context.get("data_interval_end")
    if start is None or end is None or end <= start:
        # Airflow 3 gives cron schedules no data interval. Looking at nothing, every night, must not look like success.
        what = "This run has no data interval" if start is None else f"This run's data interval is empty, at {start}"
        raise KalturaArgumentError(
            f"{what}: its timetable has none. Give the DAG a CronDataIntervalTimetable or a "
            "DeltaDataIntervalTimetable, or use window='cursor', which goes on where the last run ended."
        )
    return start, end


def read_overlap(value: Any) -> int:
    """
    Read how far a sync looks back.

    :param value: A timedelta, a number of seconds, or a text such as ``"15 minutes"``.
    :returns: Seconds.
    :raises KalturaArgumentError: It is none of these, or longer than a month.
    """
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    else:
        found = _OVERLAP.fullmatch(str(value)) if isinstance(value, str | int) and value is not True else None
        seconds = -1 if found is None else int(found["number"]) * _SECONDS[(found["unit"] or "second").lower()]
    if not 0 <= seconds <= _MOST_OVERLAP_SECONDS:
        raise KalturaArgumentError(
            "overlap must be a timedelta, a number of seconds, or a text such as '15 minutes', up to 31 days, not "
            f"{str(value)[:40]!r}."
        )
    return int(seconds)


def has_moving_root(written: Any, mapped: Mapping[str, Any] | None) -> bool:
    """
    Tell whether a destination's root may be another one in the next run.

    :param written: The destination as it stands in the DAG, before it is rendered.
    :param mapped: What the task is mapped over, as it stands in the DAG; None for a task that isn't.
    :returns: True where a template, or another task's value, comes before the first placeholder.
    """
    if mapped is not None and "destination" in mapped:
        values = mapped["destination"]
        if not isinstance(values, list | tuple):
            return True
        return any(has_moving_root(value, None) for value in values)
    if not isinstance(written, str):
        return True
    found = _BRACES.search(written)
    return found is not None and len(found.group()) > 1


def layout_of(written: Any) -> str | None:
    """
    Tell what keeps a destination apart from another one.

    :param written: The destination as it stands in the DAG, before it is rendered.
    :returns: The template itself, since what it becomes may be another one in each run, such as by date; "" for another
        task's value; None for a text that stays as it is.
    """
    if not isinstance(written, str):
        return ""
    return written if _TEMPLATE.search(written) else None


def mapped_over(operator: BaseOperator) -> dict[str, Any] | None:
    """
    Give what a task is mapped over, as it stands in the DAG.

    :param operator: The operator of one mapped task, or of a task that isn't mapped.
    :returns: By argument; None for a task that isn't mapped.
    """
    dag = operator.dag if operator.has_dag() else None  # type: ignore[no-untyped-call]  # of Airflow 2.11
    known = None if dag is None else dag.task_dict.get(operator.task_id)
    given = getattr(known, "expand_input", None) or getattr(known, "op_kwargs_expand_input", None)
    if given is None:
        return None
    if isinstance(given.value, dict):
        return dict(given.value)
    # expand_kwargs: dicts, or a task that gives them; what is not among the fixed arguments comes from there.
    rows = given.value if isinstance(given.value, list | tuple) else [given.value]
    if all(isinstance(row, dict) for row in rows):
        values = [row["destination"] for row in rows if "destination" in row]
        return {"destination": values} if values else {}
    return {} if "destination" in getattr(known, "partial_kwargs", {}) else {"destination": given.value}
