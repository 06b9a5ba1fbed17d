"""Which sessions are good: made or parsed KSs against what has been ended or used up since."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from airflow_provider_kaltura.sandbox import ks
from airflow_provider_kaltura.sandbox.errors import invalid_ks

if TYPE_CHECKING:
    from airflow_provider_kaltura.sandbox.library import Library


class SessionBook:
    """
    Remembers ended sessions and counts the actions of limited ones.

    :param library: Has the partners' secrets and the time.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        self._ended: set[str] = set()
        self._ended_groups: set[tuple[int, str]] = set()
        self._actions: Counter[str] = Counter()

    def check(self, text: str, *, address: str, path: str, counts: bool = True) -> ks.Session:
        """
        Return the session of a KS.

        :param text: The KS.
        :param address: IP address of the caller, for iprestrict.
        :param path: Path of the request, for urirestrict.
        :param counts: Whether this is an action in the sense of actionslimit.
        :returns: The session.
        :raises ApiError: INVALID_KS, with the reason.
        """
        session = ks.read(text, self._library.admin_secret)
        if session is None:
            raise invalid_ks(text)
        if session.expires_at <= self._library.now:
            raise invalid_ks("EXPIRED")
        groups = {(session.partner_id, value) for value in session.values("sessionid")}
        if text in self._ended or groups & self._ended_groups:
            raise invalid_ks("LOGOUT")
        if not ks.ip_allowed(session, address):
            raise invalid_ks("EXCEEDED_RESTRICTED_IP")
        if not ks.uri_allowed(session, path):
            raise invalid_ks("EXCEEDED_RESTRICTED_URI")
        limits = [int(value) for value in session.values("actionslimit") if value.isdigit()]
        if limits and counts:
            self._actions[text] += 1
            if self._actions[text] > min(limits):
                raise invalid_ks("EXCEEDED_ACTIONS_LIMIT")
        return session

    def end(self, session: ks.Session) -> None:
        """End a session, and with it all that share its sessionid."""
        self._ended.add(session.text)
        self._ended_groups.update((session.partner_id, value) for value in session.values("sessionid"))
