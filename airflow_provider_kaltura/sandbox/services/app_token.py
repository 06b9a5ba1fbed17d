"""appToken: sessions without a secret on the caller's side."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

from airflow_provider_kaltura.sandbox import enums, ks, listing
from airflow_provider_kaltura.sandbox.errors import ApiError
from airflow_provider_kaltura.sandbox.parameters import integer, text
from airflow_provider_kaltura.sandbox.services.registry import Access, action, list_response

if TYPE_CHECKING:
    from airflow_provider_kaltura.sandbox.library import Json
from airflow_provider_kaltura.sandbox.services.registry import Call

_ACTIVE, _DELETED = 2, 3
_FIELDS = {
    "idEqual": listing.equal("id"),
    "idIn": listing.one_of("id"),
    "statusEqual": listing.equal("status"),
    "statusIn": listing.one_of("status"),
    "sessionUserIdEqual": listing.equal("sessionUserId"),
    **listing.times("createdAt", "updatedAt"),
}


def _token(call: Call, token_id: str) -> Json:
    token = call.library.app_tokens.get(token_id)
    if token is None or token["status"] == _DELETED or token["partnerId"] != call.partner_id:
        raise ApiError("APP_TOKEN_ID_NOT_FOUND", ID=token_id)
    return token


@action("appToken", "startSession", "id", "tokenHash", access=Access.LIST, enums={"type": "KalturaSessionType"})
def start_session(call: Call) -> Json:
    """Answer a KS for hex(hash(KS of the caller + token)); it never outlives the token."""
    token = _token(call, call.text("id"))
    if token["status"] != _ACTIVE:
        raise ApiError("APP_TOKEN_NOT_ACTIVE", ID=token["id"])
    now = call.library.now
    left = token["expiry"] - now if token.get("expiry") else None
    if left is not None and left <= 0:
        raise ApiError("APP_TOKEN_EXPIRED", ID=token["id"])
    own = call.session.text if call.session else ""
    digest = hashlib.new(token.get("hashType", "SHA1").lower(), (own + token["token"]).encode()).hexdigest()
    if not secrets.compare_digest(digest, call.text("tokenHash").lower()):
        raise ApiError("INVALID_APP_TOKEN_HASH")
    duration = token.get("sessionDuration", 86400)
    granted = min(call.integer("expiry", duration), duration, duration if left is None else left)
    kind = token.get("sessionType", call.integer("type", ks.USER))
    user_id = token.get("sessionUserId") or call.text("userId")
    extra = ",".join(part for part in (token.get("sessionPrivileges"), call.text("sessionPrivileges")) if part)
    privileges = f"sessionid:{token['id']},apptoken:{token['id']}" + (f",{extra}" if extra else "")
    secret = call.library.partners[token["partnerId"]].admin_secret
    session = ks.make(
        secret, token["partnerId"], kind=kind, user_id=user_id, expires_at=now + granted, privileges=privileges
    )
    return {
        "ks": session,
        "sessionType": kind,
        "partnerId": str(token["partnerId"]),
        "userId": user_id,
        "expiry": now + granted,
        "privileges": privileges,
        "objectType": "KalturaSessionInfo",
    }


@action("appToken", "get", "id", access=Access.ADMIN)
def get(call: Call) -> Json:
    """Answer one token."""
    return _token(call, call.text("id"))


@action("appToken", "list", access=Access.ADMIN, enums={"filter.statusEqual": "KalturaAppTokenStatus"})
def list_tokens(call: Call) -> Json:
    """Answer the partner's tokens that aren't deleted."""
    own = [
        token
        for token in call.library.app_tokens.values()
        if token["partnerId"] == call.partner_id and token["status"] != _DELETED
    ]
    found = listing.choose(own, call.object("filter"), _FIELDS, call.library.now)
    found = listing.order(found, call.object("filter").get("orderBy"), {"createdAt", "updatedAt"})
    return list_response("KalturaAppTokenListResponse", *listing.take(found, listing.Page.of(call.object("pager"))))


@action("appToken", "add", "appToken", access=Access.ADMIN)
def add(call: Call) -> Json:
    """Make a token from what is given."""
    given = call.object("appToken")
    enums.check("hashType", given.get("hashType"), "KalturaAppTokenHashType")
    enums.check("sessionType", given.get("sessionType"), "KalturaSessionType")
    now = call.library.now
    token: Json = {
        "id": f"0_{secrets.token_hex(4)}",
        "token": secrets.token_hex(16),
        "partnerId": call.partner_id,
        "createdAt": now,
        "updatedAt": now,
        "status": _ACTIVE,
    }
    for name in ("expiry", "sessionType", "sessionDuration"):
        if name in given:
            token[name] = integer(given[name])
    token.setdefault("sessionDuration", 86400)
    for name in ("sessionUserId", "sessionPrivileges", "description"):
        if name in given:
            token[name] = text(given[name])
    token["hashType"] = text(given.get("hashType")) or "SHA1"
    token["objectType"] = "KalturaAppToken"
    call.library.app_tokens[token["id"]] = token
    return token
