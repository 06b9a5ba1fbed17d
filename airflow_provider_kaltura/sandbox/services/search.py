"""Which entries a list or a count has: the caller's filter, and what holds unless it says otherwise."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from airflow_provider_kaltura.sandbox import listing
from airflow_provider_kaltura.sandbox.index import TIMES, Query
from airflow_provider_kaltura.sandbox.parameters import is_set, text
from airflow_provider_kaltura.sandbox.services import filters

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_kaltura.sandbox.library import Json
    from airflow_provider_kaltura.sandbox.listing import Match, Test
    from airflow_provider_kaltura.sandbox.services.registry import Call

MEDIA_CLIP = "1"
_READY, _PENDING, _REJECTED = "2", "1", "3"
_ORDER = {
    "createdAt",
    "updatedAt",
    "name",
    "moderationCount",
    "rank",
    "totalRank",
    "partnerSortValue",
    "startDate",
    "endDate",
    "duration",
    "msDuration",
    "plays",
    "views",
    "lastPlayedAt",
    "mediaType",
}
_BOUNDS = {
    f"{name}{bound}{form}": (name, bound == "LessThanOrEqual")
    for name in TIMES
    for bound in ("GreaterThanOrEqual", "LessThanOrEqual")
    for form in ("", "OrNull")
}
_OTHER_TIMES = ("startDate", "endDate", "lastPlayedAt", "mediaDate")


def search(call: Call, *, media_only: bool) -> Sequence[Json]:
    """
    Return the entries that the caller's filter selects, in order.

    Defaults (READY, neither pending nor rejected, not hidden) hold unless the filter says otherwise or has idEqual.
    A user session without ``list:*`` sees its own entries only, except by idEqual and idIn, which are answered from
    the database and not from the index.

    :param call: The call.
    :param media_only: Whether it is media.list, which has no playlists.
    :returns: The entries.
    """
    library, conditions = call.library, call.object("filter")
    default = "KalturaMediaEntryFilter" if media_only else "KalturaBaseEntryFilter"
    fields = filters.ENTRY_CLASSES.get(text(conditions.get("objectType")), filters.ENTRY_CLASSES[default])
    fields = {**fields, "categoryAncestorIdIn": filters.category_ancestor(library)}
    wanted = {name: value for name, value in conditions.items() if name in fields and is_set(value)}
    if "idEqual" not in wanted:
        wanted = _defaults(wanted) | wanted
    around = _around(call, wanted, media_only=media_only)
    if library.index is not None and "idEqual" not in wanted and "idIn" not in wanted:
        return library.index.find(_query(call, wanted, fields, around))
    matches = [*around.values(), *listing.matches(wanted, fields, library.now)]
    found = [entry for entry in _candidates(call, wanted) if all(match(entry) for match in matches)]
    return listing.order(found, conditions.get("orderBy"), _ORDER)


def _defaults(wanted: Json) -> Json:
    """Return the conditions that hold where the filter says nothing about the status or the moderation."""
    defaults: Json = {}
    if not any(name.startswith("status") for name in wanted):
        defaults["statusEqual"] = _READY
    if not any(name.startswith("moderationStatus") for name in wanted):
        defaults["moderationStatusNotIn"] = f"{_PENDING},{_REJECTED}"
    return defaults


def _around(call: Call, wanted: Json, *, media_only: bool) -> dict[tuple[object, ...], Match]:
    """Return what holds beside the filter, by a name for each condition."""
    partner_id, session, missing = call.partner_id, call.session, frozenset(call.library.not_indexed)
    by_id = "idEqual" in wanted
    found: dict[tuple[object, ...], Match] = {("partner", partner_id): lambda item: item["partnerId"] == partner_id}
    if media_only:
        found["media",] = lambda item: text(item.get("type")) == MEDIA_CLIP
    if session is not None and not (session.is_admin or by_id or "idIn" in wanted or session.allows("list", "*")):
        user_id = session.user_id
        found["owner", user_id] = lambda item: item.get("userId") == user_id != ""
    if missing and not (by_id or "idIn" in wanted):
        found["indexed", missing] = lambda item: item["id"] not in missing
    if "displayInSearchEqual" not in wanted and not by_id:
        found["visible",] = lambda item: item.get("displayInSearch") != -1
    return found


def _candidates(call: Call, wanted: Json) -> list[Json]:
    """Return the entries that may be meant: those with these ids, or all that the index has."""
    library = call.library
    if "idEqual" in wanted:
        only = library.entries.get(text(wanted["idEqual"]))
        return [] if only is None else [only]
    if library.index is None:
        if "idIn" in wanted:
            return library.partner_entries.get(call.partner_id or 0, [])
        return library.indexed_entries(call.partner_id or 0)
    named = (library.entries.get(entry_id) for entry_id in dict.fromkeys(listing.in_list(wanted["idIn"])))
    found = [entry for entry in named if entry is not None]
    random.shuffle(found)
    return listing.order(found, "+createdAt", TIMES)


def _query(call: Call, wanted: Json, fields: Mapping[str, Test], around: dict[tuple[object, ...], Match]) -> Query:
    """Return what to ask the index: its times and what is left out apart from all that stays the same on each page."""
    now = call.library.now
    since: dict[str, int] = {}
    until: dict[str, int] = {}
    rest: Json = {}
    for name, value in wanted.items():
        if name in _BOUNDS:
            time, is_last = _BOUNDS[name]
            (until if is_last else since)[time] = listing.moment(value, now)
        elif name != "idNotIn":
            rest[name] = value
    matches = [*around.values(), *listing.matches(rest, fields, now)]
    moves = any(name.startswith(_OTHER_TIMES) and _is_relative(value) for name, value in rest.items())
    return Query(
        conditions=(*around, now if moves else 0, *sorted((name, text(value)) for name, value in rest.items())),
        match=lambda item: all(match(item) for match in matches),
        since=since,
        until=until,
        without=listing.in_list(wanted.get("idNotIn")),
        order_by=text(call.object("filter").get("orderBy")),
        allowed=_ORDER,
    )


def _is_relative(value: Any) -> bool:
    return listing.moment(value, 0) != listing.moment(value, 1)
