"""A listing that the session's privileges would silently cut down to the user's own entries is an error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_kaltura.api.errors import ForbiddenError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_kaltura.api.session import Session

_ENTRY_SERVICES = frozenset(
    {"baseentry", "media", "mixing", "data", "playlist", "livestream", "livechannel", "document", "document_documents"}
    | {"documents", "externalmedia", "externalmedia_externalmedia"}
)
_ACTIONS = frozenset({"list", "count", "listbyreferenceid"})
# A user KS reads any entry by id (recorded cases lists.idEqual_userks_other, lists.idIn_userks_other), and its own.
_BY_ID = ("idEqual", "idIn")
_BY_USER = ("userIdEqual", "userIdIn", "creatorIdEqual")


def check(service: str, action: str, params: Mapping[str, Any], session: Session) -> None:
    """
    Refuse a listing under a USER session without ``list:*``.

    For a ready KS of version 2 neither type nor privileges can be read, so nothing is refused there.

    :param service: Service.
    :param action: Action.
    :param params: Its parameters, as the official client holds them.
    :param session: The session that the call is made with.
    :raises ForbiddenError: The answer would hold the user's own entries only.
    """
    if service.lower() not in _ENTRY_SERVICES or action.lower() not in _ACTIONS:
        return
    if not session.lists_own_entries_only:
        return
    given = params.get("filter")
    if isinstance(given, dict) and (any(given.get(name) for name in _BY_ID) or _names_only(session.user_id, given)):
        return
    raise ForbiddenError(
        f"{service}.{action}: a USER session without the privilege 'list:*' sees only the user's own entries; "
        "add 'list:*' to the connection's privileges or use an admin session.",
        "LISTING_NEEDS_PRIVILEGE",
        service,
        action,
    )


def _names_only(user_id: str, given: Mapping[str, Any]) -> bool:
    """Tell whether a filter asks for this user's entries only: those of others would be missing without a word."""
    named = [str(given[name]) for name in _BY_USER if given.get(name)]
    users = {user.strip() for text in named for user in text.split(",")}
    return bool(user_id) and users == {user_id}
