"""How a sync is carried out, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, get_args

from airflow_provider_kaltura.api.flavors import Preferences
from airflow_provider_kaltura.api.queries import ANY, EntryQuery
from airflow_provider_kaltura.ingest.errors import IngestError
from airflow_provider_kaltura.ingest.models import RunOptions
from airflow_provider_kaltura.ingest.report import reason_of
from airflow_provider_kaltura.ingest.resolve import parse_preferences

OnDeleted: TypeAlias = Literal["keep", "mark", "delete"]
OnError: TypeAlias = Literal["continue", "fail"]
SyncFlavor: TypeAlias = "Preferences | Literal['each']"

EACH: Final = "each"
#: So many failures are told with their entry and reason; all of them are in the manifest.
NAMED_FAILURES: Final = 20
NAMED_PATHS: Final = 20
#: So many flavors that failed, and none that came, are taken for more than trouble with some of them.
OUTAGE_FAILURES: Final = 5


def parse_sync_flavor(flavor: Any) -> SyncFlavor:
    """
    Read what a sync takes of each entry.

    :param flavor: ``"each"`` for every flavor, or preferences for one; ``"source, best"`` by default. Anything, since
        templates may become anything.
    :returns: The preferences, or ``"each"``.
    :raises PreferenceError: The text can't be read; it names the position.
    """
    if isinstance(flavor, str) and flavor.strip().lower() == EACH:
        return "each"
    return parse_preferences(flavor)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncOptions:
    """
    How a sync is carried out.

    :param flavor: What is taken of each entry; see :func:`parse_sync_flavor`.
    :param query: Which entries are found; its times, statuses and key are the sync's own. What was found once is kept
        current even when the query would not find it any more.
    :param name: Tells apart syncs of one account into one lake, each with entries and a cursor of its own.
    :param on_deleted: What happens to files that Kaltura has no more: they are kept, marked by a row in the manifest,
        or deleted. With ``"delete"`` those go too whose entry has another flavor chosen now.
    :param on_error: Whether a flavor that fails ends the run; if not, it is tried again by every later run.
    :param max_failures: More failures than these end the run; None for any number, but not for all of several: a run
        that tried to fetch and got nothing fails when it has ended.
    :param overlap_seconds: How far a run looks back before the end of the last one: it must be longer than the search
        index lags behind, and than clocks differ.
    :param full_every: After so many runs of any window all is compared, since deleted flavors just vanish and lists may
        miss entries.
    :param full: Compare all in this run.
    :param listed_only: Compare all that the query finds, and nothing else; the cursor stays where it is. For a part of
        a library, such as a month of a backfill, beside others.
    :param plan_only: Only say what would be done.
    :param adopt: Take a file that nobody recorded for the right one by its length alone.
    :param layout: What tells the destination from another one, where it moves by itself from run to run, such as by
        date: the template that it comes from. None for one that stays.
    :param stale_after_seconds: A flavor that was listed longer ago is asked for once more before it gets its name.
    :param run: How files are fetched; what stands is never overwritten for another reason than a change. Its
        ``max_bytes`` is for the whole sync, and what does not go into it is left to the next one.
    """

    flavor: SyncFlavor = field(default_factory=Preferences.parse)
    query: EntryQuery = field(default_factory=lambda: EntryQuery(moderation=ANY))
    name: str = "default"
    on_deleted: OnDeleted = "keep"
    on_error: OnError = "continue"
    max_failures: int | None = None
    # Ten minutes: an index that is healthy needs seconds, and workers' clocks are seldom off by more.
    overlap_seconds: int = 600
    full_every: int = 7
    full: bool = False
    listed_only: bool = False
    plan_only: bool = False
    adopt: bool = False
    layout: str | None = None
    stale_after_seconds: float = 60.0
    run: RunOptions = field(default_factory=RunOptions)

    def __post_init__(self) -> None:
        for name, choices in (("on_deleted", OnDeleted), ("on_error", OnError)):
            if getattr(self, name) not in get_args(choices):
                raise ValueError(f"{name} is one of {', '.join(get_args(choices))}, not {getattr(self, name)!r:.40}")
        if self.flavor != EACH and not isinstance(self.flavor, Preferences):
            raise ValueError("flavor is 'each' or Preferences; parse_sync_flavor reads texts")
        if not self.name:
            raise ValueError("a sync has a name")
        if self.overlap_seconds < 0 or self.full_every < 1 or (self.max_failures or 0) < 0:
            raise ValueError("overlap_seconds and max_failures are at least 0, and full_every at least 1")

    @property
    def wants_web(self) -> bool:
        """Whether it must be known what is web-playable."""
        return isinstance(self.flavor, Preferences) and self.flavor.wants_web


@dataclass(frozen=True, slots=True)
class SyncFailure:
    """What could not be done; ``reason`` names no URL and no secret."""

    entry_id: str
    code: str
    reason: str


@dataclass(slots=True, kw_only=True)
class SyncSummary:
    """
    What became of a sync.

    :param root: The lake.
    :param since: First second that was looked at; None for everything.
    :param until: Last second that was looked at.
    :param full: Whether all was compared.
    :param plan_only: Whether nothing was done.
    :param entries: Entries that were looked at.
    :param unchanged: Flavors of them that stand as they are in Kaltura.
    :param planned: Flavors to fetch.
    :param planned_bytes: Their length, as far as Kaltura knows it.
    :param put_off: Those of them that are left to the next sync, since ``max_bytes`` does not allow them.
    :param outcomes: What became of them, by outcome.
    :param fetched_bytes: Bytes of media that came over the network.
    :param gone: Files whose flavor Kaltura has no more, by what was, or would be, done to them.
    :param waiting: Entries that wait for something still to come, or to be tried again.
    :param nothing: Entries without anything to take, by reason, such as ``no_media:image``.
    :param failures: The first failures.
    :param failed: All of them.
    :param first_error: The first failure that is not about the names or lengths of files.
    :param paths: The first paths that are, or would be, written.
    :param report_path: All that is planned, as JSON Lines, where nothing was done; None for nothing.
    :param cursor_moved: Whether the next run begins where this one ended; False where it goes on from a later moment,
        since another run was faster or the window lies in the past.
    :param seconds: How long it took.
    """

    root: str
    since: int | None
    until: int
    full: bool
    plan_only: bool = False
    entries: int = 0
    unchanged: int = 0
    planned: int = 0
    planned_bytes: int = 0
    put_off: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    fetched_bytes: int = 0
    gone: dict[str, int] = field(default_factory=dict)
    waiting: int = 0
    nothing: dict[str, int] = field(default_factory=dict)
    failures: list[SyncFailure] = field(default_factory=list)
    failed: int = 0
    first_error: Exception | None = field(default=None, repr=False)
    paths: list[str] = field(default_factory=list)
    report_path: str | None = None
    cursor_moved: bool = False
    seconds: float = 0.0

    def fail(self, entry_id: str, error: Exception) -> None:
        """
        Count a failure.

        :param entry_id: Whose it is.
        :param error: What happened.
        """
        self.failed += 1
        if not isinstance(error, IngestError):
            self.first_error = self.first_error or error
        if len(self.failures) < NAMED_FAILURES:
            code, reason = reason_of(error)
            self.failures.append(SyncFailure(entry_id, code, reason))

    @property
    def is_outage(self) -> bool:
        """Whether several flavors failed and none came, so that it isn't about these flavors."""
        return set(self.outcomes) == {"failed"} and self.outcomes["failed"] >= OUTAGE_FAILURES
