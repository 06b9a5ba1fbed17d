"""Kaltura's error codes and the X-Kaltura reasons of empty answers, as typed errors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airflow_provider_kaltura.api import errors
from airflow_provider_kaltura.api.redact import redact

if TYPE_CHECKING:
    from collections.abc import Mapping

_CLASSES: dict[str, type[errors.KalturaAPIError]] = {
    "START_SESSION_ERROR": errors.AuthError,
    "SERVICE_FORBIDDEN_CONTENT_BLOCKED": errors.AuthError,
    "INVALID_WIDGET_ID": errors.AuthError,
    "INVALID_APP_TOKEN_HASH": errors.AuthError,
    "APP_TOKEN_EXPIRED": errors.AuthError,
    "APP_TOKEN_NOT_ACTIVE": errors.AuthError,
    "APP_TOKEN_ID_NOT_FOUND": errors.AuthError,
    "INVALID_PARTNER_ID": errors.AuthError,
    "MISSING_KS": errors.AuthError,
    "SERVICE_FORBIDDEN": errors.ForbiddenError,
    "ACTION_FORBIDDEN": errors.ForbiddenError,
    "ACTION_BLOCKED": errors.ThrottledError,
    "FLAVOR_ASSET_IS_NOT_READY": errors.NotReadyError,
    "CAPTION_ASSET_IS_NOT_READY": errors.NotReadyError,
    "THUMB_ASSET_IS_NOT_READY": errors.NotReadyError,
    "NO_FLAVORS_FOUND": errors.NotReadyError,
    "ENTRY_NOT_READY": errors.NotReadyError,
    "MISSING_MANDATORY_PARAMETER": errors.InvalidRequestError,
    "INVALID_ENUM_VALUE": errors.InvalidRequestError,
    "SERVICE_DOES_NOT_EXISTS": errors.InvalidRequestError,
    "ACTION_DOES_NOT_EXISTS": errors.InvalidRequestError,
    "QUERY_EXCEEDED_MAX_MATCHES_ALLOWED": errors.TooManyMatchesError,
}
_PATTERNS: tuple[tuple[re.Pattern[str], type[errors.KalturaAPIError]], ...] = (
    (re.compile(r"INTERNAL_.*"), errors.InternalServerError),
    (re.compile(r"PROPERTY_VALIDATION_.*"), errors.InvalidRequestError),
    (re.compile(r".*_NOT_FOUND"), errors.NotFoundError),
    (re.compile(r"INVALID_(ENTRY|FLAVOR_ASSET|OBJECT)_ID"), errors.NotFoundError),
)
_RENEWABLE = frozenset({"EXPIRED", "LOGOUT"})
# Reasons that the server names itself; any other KSID may be the KS of another caller (observed).
_KSID_WORDS = _RENEWABLE | {"EXCEEDED_ACTIONS_LIMIT", "EXCEEDED_RESTRICTED_IP", "EXCEEDED_RESTRICTED_URI"}

# What a server says is shown, but no server fills a log.
_LONGEST_MESSAGE = 500

_REASONS = {
    "1": "entry not found",
    "2": "outside its schedule",
    "3": "access control",
    "5": "no file of this version",
    "6": "flavor not found",
    "7": "invalid KS",
    "13": "moderation",
    "14": "partner not found",
    "15": "partner not active",
    "16": "country blocked",
    "30": "service access control",
    "40": "action blocked",
    "44": "internal server error",
    "46": "too many processes",
    "53": "invalid authorization header",
    "55": "database error",
    "57": "rate limit",
    "58": "entry in the recycle bin",
}
_DIE_CLASSES: dict[str, type[errors.KalturaAPIError]] = {
    "1": errors.NotFoundError,
    "5": errors.NotReadyError,
    "6": errors.NotFoundError,
    "44": errors.InternalServerError,
    "46": errors.InternalServerError,
    "55": errors.InternalServerError,
    "57": errors.ThrottledError,
    "FILE_DOESNT_EXIST": errors.NotReadyError,
}
_X_KALTURA = re.compile(r"(?:cached-)?error-\s*(?P<reason>[A-Za-z0-9_]+)")


def from_code(
    code: str,
    message: str,
    args: Mapping[str, str],
    service: str | None = None,
    action: str | None = None,
    object_id: str | None = None,
) -> errors.KalturaAPIError:
    """
    Make the typed error of an API exception.

    :param code: Kaltura's code.
    :param message: Kaltura's message; never used for INVALID_KS, where it can show another caller's KS.
    :param args: The exception's arguments.
    :param service: Service that was called.
    :param action: Action that was called.
    :param object_id: The object that was asked for.
    :returns: The error, not raised.
    """
    what = f"{service}.{action}" if service else "Kaltura"
    of = f" of {object_id}" if object_id else ""
    if code == "INVALID_KS":
        return _invalid_ks(args, f"{what}{of}", (service, action, object_id))
    kind = _class_of(code)
    safe = errors.safe_code(code)
    # Redacted first: what is cut in the middle of a secret can't be recognised any more.
    return kind(f"{what}{of}: {safe}: {redact(message)[:_LONGEST_MESSAGE]}", safe, service, action, object_id)


def from_x_kaltura(
    header: str,
    service: str | None = None,
    action: str | None = None,
    object_id: str | None = None,
) -> errors.KalturaAPIError:
    """
    Make the typed error of an empty answer.

    :param header: The X-Kaltura header, such as ``error-3``.
    :param service: Service that was called; None for a media URL.
    :param action: Action that was called.
    :param object_id: The object that was asked for.
    :returns: The error, not raised; ``x_kaltura_code`` holds the reason's number or word.
    """
    match = _X_KALTURA.search(header)
    reason = (errors.safe_code(match["reason"]) if match else None) or "unknown"
    what = f"{service}.{action}" if service else "The media URL"
    of = f" of {object_id}" if object_id else ""
    kind = _DIE_CLASSES.get(reason, errors.AccessRefusedError)
    meaning = _REASONS.get(reason, reason)
    code = f"X_KALTURA_{reason}"
    error = kind(
        f"{what}{of} was refused without an answer: error {reason}, {meaning}.", code, service, action, object_id
    )
    error.x_kaltura_code = reason
    return error


def is_x_kaltura_error(header: str | None) -> bool:
    """Tell whether an X-Kaltura header reports an error."""
    return header is not None and _X_KALTURA.search(header) is not None


def _class_of(code: str) -> type[errors.KalturaAPIError]:
    if code in _CLASSES:
        return _CLASSES[code]
    for pattern, kind in _PATTERNS:
        if pattern.fullmatch(code):
            return kind
    return errors.KalturaAPIError


def _invalid_ks(
    args: Mapping[str, str], what: str, where: tuple[str | None, str | None, str | None]
) -> errors.KalturaAPIError:
    ksid = args.get("KSID", "")
    if args.get("ERR_CODE") == "-4" or args.get("ERR_DESC") == "INVALID_TYPE":
        return errors.ForbiddenError(
            f"{what}: INVALID_KS that means 'not allowed': this session may not do that.", "INVALID_KS", *where
        )
    if ksid in _RENEWABLE:
        return errors.InvalidSessionError(f"{what}: INVALID_KS, {ksid}.", "INVALID_KS", *where, renewable=True)
    reason = ksid if ksid in _KSID_WORDS else "the KS is malformed or signed with a wrong secret"
    return errors.InvalidSessionError(f"{what}: INVALID_KS, {reason}.", "INVALID_KS", *where)
