"""Which entries a listing wants, in words of people; made into a filter of Kaltura's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from airflow_provider_kaltura.api.errors import InvalidRequestError
from airflow_provider_kaltura.api.listing import Window

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

Moderation: TypeAlias = Literal["passed", "any"]

READY: Final = "2"
DELETED: Final = "3"
ANY: Final = "any"
MEDIA_TYPES: Final[dict[str, int]] = {"video": 1, "image": 2, "audio": 5}


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryQuery:
    """
    Which entries are wanted. Conditions add up; within a tuple one is enough.

    :param ids: Only these; at most 500.
    :param tags: With one of these whole words among their tags.
    :param category_ids: In one of these categories.
    :param with_subcategories: In categories below them too.
    :param category: In a category of this full name (``"site>lectures"``) or below it.
    :param owners: Of one of these user ids.
    :param text: Found by Kaltura's free text search.
    :param media_types: ``"video"``, ``"audio"``, ``"image"`` or Kaltura's numbers; none is every one.
    :param least_seconds: Shortest duration.
    :param most_seconds: Longest duration.
    :param created: (from, to), both included, each a time with a zone or None.
    :param updated: The same for the last change.
    :param last_played: The same for the last play; entries that were never played are left out.
    :param parent_id: Children of this entry only (several recordings of one lecture).
    :param statuses: Kaltura's entry statuses (``"2"`` is ready); ``("any",)`` is every one but deleted.
    :param moderation: ``"passed"`` leaves pending and rejected ones out, as Kaltura does; ``"any"`` doesn't.
    :param more: Any other field of ``KalturaMediaEntryFilter`` by its name.
    """

    ids: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    category_ids: tuple[int, ...] = ()
    with_subcategories: bool = True
    category: str | None = None
    owners: tuple[str, ...] = ()
    text: str | None = None
    media_types: tuple[str | int, ...] = ()
    least_seconds: int | None = None
    most_seconds: int | None = None
    created: tuple[datetime | None, datetime | None] = (None, None)
    updated: tuple[datetime | None, datetime | None] = (None, None)
    last_played: tuple[datetime | None, datetime | None] = (None, None)
    parent_id: str | None = None
    statuses: tuple[str, ...] = (READY,)
    moderation: Moderation = "passed"
    more: Mapping[str, Any] = field(default_factory=dict)

    def fields(self, every_status: tuple[str, ...], every_moderation: tuple[str, ...]) -> dict[str, Any]:
        """
        Say it as fields of a filter, yet unchecked.

        :param every_status: All statuses that the official client knows.
        :param every_moderation: All moderation statuses that it knows.
        :returns: By Kaltura's names; the walk's own time is among them.
        :raises InvalidRequestError: A field is given twice, or a word is none.
        """
        given: dict[str, Any] = {
            "idIn": self.ids,
            "tagsMultiLikeOr": self.tags,
            "categoryAncestorIdIn" if self.with_subcategories else "categoriesIdsMatchOr": self.category_ids,
            "categoriesMatchOr": self.category,
            "userIdIn": self.owners,
            "freeText": self.text,
            "mediaTypeIn": tuple(media_type(one) for one in self.media_types),
            "durationGreaterThanOrEqual": self.least_seconds,
            "durationLessThanOrEqual": self.most_seconds,
            "parentEntryIdEqual": self.parent_id,
            "statusIn": self._statuses(every_status),
            "moderationStatusIn": every_moderation if self.moderation == ANY else None,
        }
        for name, (since, until) in (
            ("createdAt", self.created),
            ("updatedAt", self.updated),
            ("lastPlayedAt", self.last_played),
        ):
            given[f"{name}GreaterThanOrEqual"] = since
            given[f"{name}LessThanOrEqual"] = until
        given = {name: value for name, value in given.items() if value not in (None, (), "")}
        if twice := sorted(set(given) & set(self.more)):
            raise InvalidRequestError(f"filter field {twice[0]} is given twice, by name and by an argument", "FILTER")
        return {**given, **self.more}

    def window(self, checked: Mapping[str, Any]) -> tuple[Window, dict[str, Any]]:
        """
        Take the walk's own time, that of creation, out of a filter.

        :param checked: A checked filter.
        :returns: The window, and the other fields.
        """
        names = ("createdAtGreaterThanOrEqual", "createdAtLessThanOrEqual")
        window = Window(since=checked.get(names[0]), until=checked.get(names[1]))
        return window, {name: value for name, value in checked.items() if name not in names}

    def _statuses(self, every_status: tuple[str, ...]) -> tuple[str, ...]:
        if not self.statuses:
            raise InvalidRequestError("statuses is empty; give some, or 'any'", "FILTER")
        named = tuple(str(status) for status in self.statuses if str(status) != ANY)
        if len(named) < len(self.statuses):
            named += tuple(status for status in every_status if status != DELETED and status not in named)
        if unknown := [status for status in named if status not in every_status]:
            raise InvalidRequestError(
                f"there is no entry status {unknown[0]!r:.40}; there are {', '.join(every_status)} "
                f"({READY!r} is ready), and {ANY!r} for all but deleted ones",
                "FILTER_VALUE",
            )
        return named


def media_type(given: str | int) -> int:
    """
    Read a media type.

    :param given: A word of :data:`MEDIA_TYPES`, or Kaltura's number.
    :returns: The number.
    :raises InvalidRequestError: It is neither.
    """
    if isinstance(given, str) and given.lower() in MEDIA_TYPES:
        return MEDIA_TYPES[given.lower()]
    if str(given).isdigit():
        return int(given)
    raise InvalidRequestError(
        f"there is no media type {given!r:.40}; give {', '.join(MEDIA_TYPES)} or Kaltura's number", "FILTER_VALUE"
    )
