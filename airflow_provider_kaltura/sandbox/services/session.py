"""session: KSs from secrets or for a widget, what is in them, and their end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_kaltura.sandbox import ks
from airflow_provider_kaltura.sandbox.errors import ApiError, invalid_ks
from airflow_provider_kaltura.sandbox.services.registry import Access, action

if TYPE_CHECKING:
    from airflow_provider_kaltura.sandbox.library import Json
    from airflow_provider_kaltura.sandbox.services.registry import Call

_DEFAULT_EXPIRY_SECONDS = 86400


@action("session", "start", "secret", access=Access.OPEN, enums={"type": "KalturaSessionType"})
def start(call: Call) -> str:
    """Answer a KS: type 2 for the admin secret, type 0 for either secret."""
    library, partner_id = call.library, call.integer("partnerId")
    partner = library.partners.get(partner_id)
    if partner_id > 0 and (partner is None or not partner.is_active):
        raise ApiError("SERVICE_FORBIDDEN_CONTENT_BLOCKED")
    kind = call.integer("type", ks.USER)
    accepted = set()
    if partner is not None:
        accepted = {partner.admin_secret} if kind == ks.ADMIN else {partner.admin_secret, partner.secret}
    if partner is None or call.text("secret") not in accepted:
        raise ApiError("START_SESSION_ERROR", PID=partner_id)
    seconds = call.integer("expiry", _DEFAULT_EXPIRY_SECONDS)
    if library.shorten_sessions:
        seconds = min(seconds, partner.max_expiry_seconds)
    return ks.make(
        partner.admin_secret,
        partner_id,
        kind=kind,
        user_id=call.text("userId"),
        expires_at=library.now + seconds,
        privileges=call.text("privileges"),
    )


@action("session", "startWidgetSession", "widgetId", access=Access.OPEN)
def start_widget_session(call: Call) -> Json:
    """Answer a KS of user 0 for the widget of a partner, ``_ID``; no secret is needed."""
    widget = call.text("widgetId")
    partner = call.library.partners.get(int(widget[1:])) if widget.startswith("_") and widget[1:].isdigit() else None
    if partner is None or not partner.is_active:
        raise ApiError("INVALID_WIDGET_ID")
    text = ks.make(
        partner.admin_secret,
        partner.id,
        kind=ks.USER,
        user_id="0",
        expires_at=call.library.now + call.integer("expiry", _DEFAULT_EXPIRY_SECONDS),
        privileges="view:*,widget:1",
    )
    return {"partnerId": partner.id, "ks": text, "userId": 0, "objectType": "KalturaStartWidgetSessionResponse"}


@action("session", "get", access=Access.ADMIN)
def get(call: Call) -> Json:
    """Answer what is in the caller's KS, or in the one named ``session``; numbers are texts."""
    session = call.session
    if call.is_set("session"):
        session = ks.read(call.text("session"), call.library.admin_secret)
    if session is None or session.partner_id != call.partner_id:
        raise invalid_ks(call.text("session"))
    return {
        "sessionType": str(session.kind),
        "partnerId": str(session.partner_id),
        "userId": session.user_id,
        "expiry": str(session.expires_at),
        "privileges": session.privileges_text(),
        "objectType": "KalturaSessionInfo",
    }


@action("session", "end", access=Access.OPEN)
def end(call: Call) -> None:
    """End the caller's session."""
    if call.session is not None:
        call.sessions.end(call.session)
