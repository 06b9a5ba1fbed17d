"""API v3: from the parameters of a request to its answer in JSON or XML."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_kaltura.sandbox import encoding, multirequest, replies
from airflow_provider_kaltura.sandbox.errors import ApiError, Crash, Die
from airflow_provider_kaltura.sandbox.parameters import integer, is_set, text
from airflow_provider_kaltura.sandbox.replies import Reply
from airflow_provider_kaltura.sandbox.services import (
    app_token,
    entries,
    files,
    flavors,
    metadata,
    profiles,
    session,
    system,
)
from airflow_provider_kaltura.sandbox.services.registry import Access, Action, Call, FileAnswer, TextAnswer, find
from airflow_provider_kaltura.sandbox.sessions import SessionBook

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_kaltura.sandbox.ks import Session
    from airflow_provider_kaltura.sandbox.library import Json, Library, Place
    from airflow_provider_kaltura.sandbox.rates import Rates

__all__ = ["SERVICES", "Api", "Caller"]

# Importing a module of services registers its actions.
SERVICES = (app_token, entries, files, flavors, metadata, profiles, session, system)

# What a session with the role of a player may list.
_PLAYBACK_LISTS = {"baseEntry->list", "flavorAsset->list", "caption_captionasset->list", "thumbAsset->list"}


@dataclass(frozen=True)
class Caller:
    """Who sends a request, and how: path and query (still quoted), IP address, Range header, view of the server."""

    place: Place
    address: str
    path: str
    query: str = ""
    range_header: str | None = None


@dataclass
class Api:
    """
    Carries out actions on a library.

    :param library: The state.
    :param before: Is called with service and action in lower case, the parameters and the path before each action;
        what it returns (unless None) or raises is answered instead: the faults' way in.
    :param rates: How many actions may be called.
    """

    library: Library
    before: Callable[[str, str, Json, str], Any] | None = None
    rates: Rates | None = None
    sessions: SessionBook = field(init=False)

    def __post_init__(self) -> None:
        self.sessions = SessionBook(self.library)

    def answer(self, parameters: Json, caller: Caller) -> Reply:
        """Return the answer to a request."""
        began = time.perf_counter()
        try:
            kind = integer(parameters["format"]) if is_set(parameters.get("format")) else encoding.XML
            if kind not in {encoding.JSON, encoding.XML}:
                return replies.died(Die(ApiError("UNKNOWN_RESPONSE_FORMAT", FORMAT=text(parameters["format"]))))
            result = self._result(parameters, caller)
            self._count(result)
        except Die as error:
            self._count(error.reason)
            return replies.died(error)
        except Crash:
            return Reply(status=500, headers=(("Content-Type", replies.HTML),))
        if isinstance(result, Reply):
            return result
        if kind == encoding.JSON:
            return Reply(headers=(("Content-Type", encoding.JSON_TYPE),), body=encoding.to_json(result))
        ignore_null = text(parameters.get("ignoreNull")) in {"1", "true"}
        writer = encoding.XmlWriter(self.library.property_order, ignore_null=ignore_null)
        body = writer.document(result, time.perf_counter() - began)
        return Reply(headers=(("Content-Type", encoding.XML_TYPE),), body=body)

    def _result(self, parameters: Json, caller: Caller) -> Any:
        if text(parameters.get("service")).lower() != "multirequest":
            return self._one(parameters, caller)
        results: dict[int, Any] = {}
        for part in multirequest.items(parameters):
            results[len(results) + 1] = self._one(multirequest.resolve(part, results), caller)
        return list(results.values())

    def _count(self, result: Any) -> None:
        if self.rates is not None:
            answers = result if isinstance(result, list) else [result]
            self.rates.note_request(blocked=any(_is_blocked(answer) for answer in answers))

    def _one(self, parameters: Json, caller: Caller) -> Any:
        """Return the result of one action; an API error is a result too."""
        serves = False
        try:
            service, name = text(parameters.get("service")), text(parameters.get("action"))
            if self.before is not None:
                instead = self.before(service.lower(), name.lower(), parameters, caller.path)
                if instead is not None:
                    return instead
            action = find(service, name)
            serves = action.serves
            action.validate(parameters)
            session = self._session(parameters, caller)
            if self.rates is not None:
                partner_id = session.partner_id if session else integer(parameters.get("partnerId")) or None
                self.rates.check(service.lower(), name.lower(), partner_id, self.library.seconds)
            _authorise(action, session, parameters)
            call = Call(self.library, self.sessions, caller.place, parameters, session, caller.address)
            return self._shaped(action.run(call), parameters, caller)
        except ApiError as error:
            if serves:
                raise Die(error) from error
            return error

    def _session(self, parameters: Json, caller: Caller) -> Session | None:
        given = text(parameters.get("ks"))
        return self.sessions.check(given, address=caller.address, path=caller.path) if given else None

    def _shaped(self, result: Any, parameters: Json, caller: Caller) -> Any:
        """Return a result as it is sent: files as replies, objects with the fields of the response profile."""
        if isinstance(result, FileAnswer):
            file = self.library.files[result.object_id, result.version]
            return replies.from_file(file, result.content_type, wanted=caller.range_header)
        if isinstance(result, TextAnswer):
            return Reply(headers=(("Content-Type", result.content_type),), body=result.body.encode())
        profile = parameters.get("responseProfile")
        return _profiled(result, profile) if isinstance(profile, dict) else result


def _is_blocked(answer: Any) -> bool:
    return isinstance(answer, ApiError) and answer.code == "ACTION_BLOCKED"


def _authorise(action: Action, session: Session | None, parameters: Json) -> None:
    """Refuse a caller who may not call the action, or who names another partner than that of the KS."""
    forbidden = action.access is Access.NOBODY
    if session is None:
        forbidden = forbidden or action.access in {Access.LIST, Access.ADMIN}
    else:
        asked = parameters.get("partnerId")
        forbidden = forbidden or (action.access is Access.ADMIN and not session.is_admin)
        forbidden = forbidden or (is_set(asked) and integer(asked) != session.partner_id)
        limited = bool(session.values("setrole")) and action.access in {Access.LIST, Access.ADMIN}
        forbidden = forbidden or (limited and action.label not in _PLAYBACK_LISTS)
    if forbidden:
        raise ApiError("SERVICE_FORBIDDEN", SERVICE=action.label)


_INCLUDE, _EXCLUDE = 1, 2


def _profiled(value: Any, profile: Json) -> Any:
    """Return objects with only (type 1) or without (type 2) the named fields; a list answer keeps its frame."""
    if isinstance(value, list):
        return [_profiled(item, profile) for item in value]
    if not isinstance(value, dict):
        return value
    if "objects" in value and "totalCount" in value:
        return {**value, "objects": _profiled(value["objects"], profile)}
    fields = {name.strip() for name in text(profile.get("fields")).split(",")}
    kind = integer(profile.get("type"))
    if kind == _INCLUDE:
        kept = fields | {"type", "objectType"}
        return {name: item for name, item in value.items() if name in kept}
    if kind == _EXCLUDE:
        return {name: item for name, item in value.items() if name not in fields or name == "objectType"}
    return value
