"""
May this entry's media be given out? Access control rules, schedule and moderation, in this order.

The getUrl action and the URLs /download, /playManifest ask all three; /serveFlavor asks the rules alone, and
without any session.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from airflow_provider_kaltura.sandbox.errors import Die

if TYPE_CHECKING:
    from airflow_provider_kaltura.sandbox.ks import Session
    from airflow_provider_kaltura.sandbox.library import Json, Library

PLAY, DOWNLOAD, THUMBNAIL, METADATA, EXPORT, SERVE = 1, 2, 3, 4, 5, 6
ACCESS_CONTROL, SCHEDULING, MODERATION = 3, 2, 13
_BLOCK = 1
_AUTHENTICATED, _IP = 1, 3
_PENDING, _REJECTED = 1, 3


def check(library: Library, entry: Json, session: Session | None, context: int, *, address: str = "") -> None:
    """
    Refuse the entry's media to those who may not have it.

    :param library: Has the profiles and the time.
    :param entry: The entry.
    :param session: Who asks; admins and holders of sview or download for the entry pass everything.
    :param context: What for: PLAY, DOWNLOAD and so on.
    :param address: IP address of who asks.
    :raises Die: 3 access control, 2 schedule, 13 moderation.
    """
    if session is not None and (session.is_admin or may_always(session, entry["id"])):
        return
    if blocked_by_rules(library, entry, session, context, address=address):
        raise Die(ACCESS_CONTROL)
    if not entry.get("startDate", 0) <= library.now <= entry.get("endDate", library.now):
        raise Die(SCHEDULING)
    is_owner = session is not None and session.user_id != "" and session.user_id == entry.get("userId")
    if entry.get("moderationStatus") in {_PENDING, _REJECTED} and not is_owner:
        raise Die(MODERATION)


def may_always(session: Session, entry_id: str) -> bool:
    """Whether the session has a privilege that passes all checks of the entry."""
    return session.allows("sview", entry_id) or session.allows("download", entry_id)


def blocked_by_rules(
    library: Library, entry: Json, session: Session | None, context: int, *, address: str = ""
) -> bool:
    """Whether a rule of the entry's profile blocks it in *context*; a rule without contexts holds in all of them."""
    profile = library.access_control_profiles.get(entry.get("accessControlId", 0), {})
    return any(
        _applies(rule, context)
        and all(_fulfilled(condition, entry["id"], session, address) for condition in rule.get("conditions", ()))
        for rule in profile.get("rules", ())
        if any(action.get("type") == _BLOCK for action in rule.get("actions", ()))
    )


def _applies(rule: Json, context: int) -> bool:
    contexts = rule.get("contexts")
    return not contexts or any(holder.get("type") == context for holder in contexts)


def _fulfilled(condition: Json, entry_id: str, session: Session | None, address: str) -> bool:
    """Whether a condition holds; kinds that the sandbox doesn't know never do."""
    if condition.get("type") == _AUTHENTICATED:
        wanted = [privilege["value"] for privilege in condition.get("privileges", ())]
        holds = session is not None and (session.is_admin or any(session.allows(name, entry_id) for name in wanted))
    elif condition.get("type") == _IP:
        holds = any(_in_network(address, value["value"]) for value in condition.get("values", ()))
    else:
        return False
    return holds != bool(condition.get("not"))


def _in_network(address: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
