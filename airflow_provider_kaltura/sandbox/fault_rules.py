"""
The faults, as rules: what each one answers, or does on the wire.

Faults of the API (`for_action`) answer for one action and leave the rest of a multirequest alone, except the "die"
errors, which empty the whole answer as Kaltura does. Faults of a request replace its answer. Faults of a file change
only answers that serve one. Faults of the network say how an answer is sent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_kaltura.sandbox import plan as plans
from airflow_provider_kaltura.sandbox import replies
from airflow_provider_kaltura.sandbox.errors import REASONS, ApiError, Crash, Die, invalid_ks, not_allowed
from airflow_provider_kaltura.sandbox.library import StoredFile
from airflow_provider_kaltura.sandbox.replies import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_kaltura.sandbox.log import Record
    from airflow_provider_kaltura.sandbox.plan import Plan

Json = dict[str, Any]
MEDIA = r"/(serveFlavor|download|raw)/|/action/serve/"
_PAGE = b"<!DOCTYPE html><html><head><title>Error</title></head><body>%s</body></html>"
_HTML_500_BYTES = 1900


@dataclass(frozen=True)
class Rule:
    """
    What a fault does.

    :param action: Gets service, action and options; returns what the action answers, or raises it.
    :param request: Gets the plan of an answer, the request's record and options; changes the plan.
    :param options: Names of the settings.
    :param default_path: Which requests it meets unless it is told: regular expression, None for all.
    """

    action: Callable[[str, str, Json], Any] | None = None
    request: Callable[[Plan, Record, Json], None] | None = None
    options: frozenset[str] = frozenset()
    default_path: str | None = None


# ---------------------------------------------------------------- actions of the API
def _api_error(_service: str, _action: str, options: Json) -> ApiError:
    """Answer the API error ``code`` with ``args``."""
    return ApiError(options["code"], **options.get("args", {}))


def _fixed(make: Callable[[], ApiError]) -> Rule:
    return Rule(action=lambda _service, _action, _options: make())


def _rate_limit(service: str, action: str, _options: Json) -> ApiError:
    """Answer ACTION_BLOCKED: HTTP 200, no Retry-After, names in lower case."""
    return ApiError("ACTION_BLOCKED", ACTION_NAME=action.lower(), SERVICE_NAME=service.lower())


def _forbidden(service: str, action: str, _options: Json) -> ApiError:
    return ApiError("SERVICE_FORBIDDEN", SERVICE=f"{service}->{action}")


def _die(_service: str, _action: str, options: Json) -> None:
    """Empty the whole answer; the number ``code`` stands only in X-Kaltura."""
    raise Die(int(options["code"]), cached=bool(options.get("cached")))


def _crash(_service: str, _action: str, _options: Json) -> None:
    raise Crash


_LIST_CLASSES = {"media": "KalturaMediaListResponse", "baseentry": "KalturaBaseEntryListResponse"}


def _index_lag(service: str, action: str, _options: Json) -> Any:
    """Answer an empty list without any error, as an index that is behind does."""
    if action == "count":
        return 0
    name = _LIST_CLASSES.get(service, "KalturaFlavorAssetListResponse")
    return {"totalCount": 0, "objects": [], "objectType": name} if action == "list" else None


def _die_with(code: int, *, cached: bool = False) -> Rule:
    return Rule(action=lambda s, a, _: _die(s, a, {"code": code, "cached": cached}))


# ---------------------------------------------------------------- whole answers
def _instead(reply: Reply) -> Callable[[Plan, Record, Json], None]:
    def change(plan: Plan, _record: Record, _options: Json) -> None:
        plan.reply = reply

    return change


def _media_error(plan: Plan, _record: Record, options: Json) -> None:
    """Answer an empty 200 with X-Kaltura ``error-CODE``, or ``cached-error-CODE``."""
    plan.reply = replies.died(Die(int(options["code"]), cached=bool(options.get("cached"))))


def _http_status(plan: Plan, _record: Record, options: Json) -> None:
    """Answer ``status`` with a page (``body``, ``content_type``) as proxies write them, and maybe Retry-After."""
    status = int(options["status"])
    body = options.get("body")
    content = _PAGE % f"<h1>{status}</h1>".encode() if body is None else str(body).encode()
    headers = [("Content-Type", str(options.get("content_type", "text/html")))]
    if "retry_after" in options:
        headers.append(("Retry-After", str(options["retry_after"])))
    plan.reply = Reply(status=status, headers=tuple(headers), body=content)


def _status(status: int, **fixed: Any) -> Rule:
    names = frozenset({"body", "content_type", "retry_after"})
    return Rule(request=lambda p, r, o: _http_status(p, r, {"status": status, **fixed, **o}), options=names)


def _redirect(plan: Plan, record: Record, options: Json) -> None:
    """
    Redirect ``hops`` times before the answer comes; ``to`` is the base URL of another server (or of this one).

    With ``loop`` the URL redirects to itself for ever.
    """
    if record.path.startswith("/_hop/"):
        return
    query = f"?{record.query}" if record.query else ""
    hops = int(options.get("hops", 1))
    target = record.path if options.get("loop") or hops <= 1 else f"/_hop/{hops - 1}{record.path}"
    location = f"{options.get('to', '')}{target}{query}"
    plan.reply = Reply(status=int(options.get("status", 302)), headers=(("Location", location),))


# ---------------------------------------------------------------- files
def _on_file(change: Callable[[Reply, StoredFile, Json], Reply]) -> Rule:
    """Return a rule that changes answers that serve (a range of) a file, and no others."""

    def plan_it(plan: Plan, record: Record, options: Json) -> None:
        told = {"range": record.headers.get("range"), **options}

        def shape(reply: Reply) -> Reply:
            return reply if reply.file is None else change(reply, reply.file, told)

        plan.shapes.append(shape)

    return Rule(request=plan_it, default_path=MEDIA, options=frozenset({"bytes", "offset", "size_bytes"}))


def _ignore_range(reply: Reply, file: StoredFile, _options: Json) -> Reply:
    """Answer 200 and the whole file, whatever the range."""
    whole = replace(reply, status=200, start=0, stop=file.size_bytes)
    return whole.with_headers(content_range=None)


def _wrong_content_range(reply: Reply, file: StoredFile, options: Json) -> Reply:
    """Say a range that begins ``bytes`` (default 1) later than what is sent."""
    shift = int(options.get("bytes", 1))
    text = f"bytes {reply.start + shift}-{reply.stop - 1 + shift}/{file.size_bytes}"
    return reply.with_headers(content_range=text)


def _no_content_range(reply: Reply, _file: StoredFile, _options: Json) -> Reply:
    return reply.with_headers(content_range=None)


def _changed_size(reply: Reply, file: StoredFile, options: Json) -> Reply:
    """Serve as if the file had ``size_bytes``, or were ``bytes`` longer; it agrees with itself in all headers."""
    size = int(options.get("size_bytes", file.size_bytes + int(options.get("bytes", 1))))
    other = StoredFile(file.object_id, file.version, size, file.ext, seed=f"{file.seed} resized")
    if options["range"] is None:
        return replace(reply, file=other, stop=size)
    start, stop = replies.file_range(options["range"], size) or (reply.start, reply.start)
    changed = replace(reply, file=other, start=start, stop=stop)
    return changed.with_headers(content_range=f"bytes {start}-{stop - 1}/{size}")


def _other_bytes(reply: Reply, file: StoredFile, _options: Json) -> Reply:
    """Serve another content of the same length under the same version."""
    other = StoredFile(file.object_id, file.version, file.size_bytes, file.ext, seed=f"{file.seed} other")
    return replace(reply, file=other)


class _Flipped(StoredFile):
    """A file with one bit flipped."""

    offset = 0

    def pieces(self, start: int, stop: int) -> Any:
        """Yield the bytes, one bit of the byte at `offset` flipped."""
        position = start
        for piece in super().pieces(start, stop):
            inside = self.offset - position
            position += len(piece)
            if 0 <= inside < len(piece):
                yield piece[:inside] + bytes([piece[inside] ^ 1]) + piece[inside + 1 :]
            else:
                yield piece


def _flip_bit(reply: Reply, file: StoredFile, options: Json) -> Reply:
    """Flip one bit of the byte at ``offset`` of the object."""
    flipped = _Flipped(file.object_id, file.version, file.size_bytes, file.ext, data=file.data, seed=file.seed)
    flipped.offset = int(options.get("offset", 0))
    return replace(reply, file=flipped)


def _short_body(reply: Reply, _file: StoredFile, options: Json) -> Reply:
    """Send ``bytes`` (default 1) less, with a Content-Length that agrees with what is sent."""
    return replace(reply, stop=max(reply.stop - int(options.get("bytes", 1)), reply.start))


def _long_body(reply: Reply, file: StoredFile, options: Json) -> Reply:
    """Send ``bytes`` (default 1) more, with a Content-Length that agrees with what is sent."""
    extra = int(options.get("bytes", 1))
    data = file.read(reply.start, reply.stop) + b"\0" * extra
    return replace(reply, file=None, body=data)


def _truncated(plan: Plan, _record: Record, _options: Json) -> None:
    """Send only the first half of the body, as a complete message."""
    plan.shapes.append(lambda reply: replace(reply, body=reply.body[: len(reply.body) // 2]))


# ---------------------------------------------------------------- the network
def _slow(plan: Plan, _record: Record, options: Json) -> None:
    plan.wait_seconds += float(options.get("seconds", 1))


def _cut(plan: Plan, _record: Record, options: Json) -> None:
    """
    Break the connection off in the body.

    ``after_bytes`` counts from the beginning of this body, ``at_offset`` in the object; ``reset`` ends with a reset.
    """

    def after(reply: Reply) -> int:
        if "at_offset" in options:
            return max(int(options["at_offset"]) - reply.start, 0) if reply.file else 0
        return int(options.get("after_bytes", 0))

    plan.cut_after = after
    plan.reset = bool(options.get("reset"))


def _no_content_length(plan: Plan, _record: Record, options: Json) -> None:
    """Send no Content-Length: chunked, or (``how="close"``) ended by the end of the connection."""
    plan.length = str(options.get("how", plans.CHUNKED))


def _wrong_length(plan: Plan, _record: Record, options: Json) -> None:
    """Say ``bytes`` (default 1) more, or less when negative, than is sent; then the connection ends."""
    plan.length_delta = int(options.get("bytes", 1))


def _stall(plan: Plan, _record: Record, options: Json) -> None:
    """Send nothing for ``seconds`` after ``after_bytes`` of the body; then go on."""
    plan.stall_after = int(options.get("after_bytes", 0))
    plan.stall_seconds = float(options.get("seconds", 60))


def _bandwidth(plan: Plan, _record: Record, options: Json) -> None:
    plan.bytes_per_second = float(options["bytes_per_second"])


def _silent(plan: Plan, _record: Record, options: Json) -> None:
    """Close the connection without an answer, or (``reset``) reset it."""
    plan.silent, plan.reset = True, bool(options.get("reset"))


def _garbage(plan: Plan, _record: Record, _options: Json) -> None:
    plan.raw = b"\x16\x03\x01 this is not HTTP\r\n\r\n"


def _request(change: Callable[[Plan, Record, Json], None], *options: str, path: str | None = None) -> Rule:
    return Rule(request=change, options=frozenset(options), default_path=path)


RULES: dict[str, Rule] = {
    # the API, action by action
    "api_error": Rule(action=_api_error, options=frozenset({"code", "args"})),
    "internal_error": _fixed(partial(ApiError, "INTERNAL_SERVERL_ERROR")),
    "database_error": _fixed(partial(ApiError, "INTERNAL_DATABASE_ERROR")),
    "rate_limit": Rule(action=_rate_limit),
    "forbidden": Rule(action=_forbidden),
    "invalid_ks_expired": _fixed(partial(invalid_ks, "EXPIRED")),
    "invalid_ks_logout": _fixed(partial(invalid_ks, "LOGOUT")),
    "invalid_ks_permission": _fixed(not_allowed),
    "invalid_ks_other_text": Rule(
        action=lambda _s, _a, options: invalid_ks(str(options.get("text", "another caller's session"))),
        options=frozenset({"text"}),
    ),
    "partner_blocked": _fixed(partial(ApiError, "SERVICE_FORBIDDEN_CONTENT_BLOCKED")),
    "index_lag": Rule(action=_index_lag),
    "crash": Rule(action=_crash),
    "die": Rule(action=_die, options=frozenset({"code", "cached"})),
    "die_access_control": _die_with(3),
    "die_scheduling": _die_with(2),
    "die_moderation": _die_with(13),
    **{f"die_error_{code}": _die_with(code) for code in REASONS},
    # any request
    "http_status": _request(_http_status, "status", "body", "content_type", "retry_after"),
    "bad_gateway_html": _status(502),
    "unavailable_html": _status(503),
    "unavailable_text": _status(503, body="upstream connect error", content_type="text/plain"),
    "unavailable_retry_after": _status(503, retry_after=1),
    "too_many_requests": _status(429, retry_after=1),
    "empty_500": _status(500, body=""),
    "empty_200": _request(_instead(Reply(headers=(("Content-Type", replies.HTML),)))),
    "html_page": _request(
        _instead(Reply(headers=(("Content-Type", replies.HTML),), body=_PAGE % b"<p>Please wait</p>"))
    ),
    "not_xml": _request(
        _instead(Reply(headers=(("Content-Type", "text/xml"),), body=b"<?xml version='1.0'?><xml><res"))
    ),
    "truncated": _request(_truncated),
    "redirect": _request(_redirect, "hops", "to", "loop", "status"),
    # media URLs
    "media_error": _request(_media_error, "code", "cached", path=MEDIA),
    "media_500_html": Rule(
        request=_instead(
            Reply(status=500, headers=(("Content-Type", replies.HTML),), body=(_PAGE % b"").ljust(_HTML_500_BYTES))
        ),
        default_path=MEDIA,
    ),
    "ignore_range": _on_file(_ignore_range),
    "wrong_content_range": _on_file(_wrong_content_range),
    "no_content_range": _on_file(_no_content_range),
    "changed_size": _on_file(_changed_size),
    "other_bytes": _on_file(_other_bytes),
    "flip_bit": _on_file(_flip_bit),
    "short_body": _on_file(_short_body),
    "long_body": _on_file(_long_body),
    # the network
    "slow": _request(_slow, "seconds"),
    "cut": _request(_cut, "after_bytes", "at_offset", "reset", path=MEDIA),
    "no_content_length": _request(_no_content_length, "how", path=MEDIA),
    "wrong_length": _request(_wrong_length, "bytes", path=MEDIA),
    "stall": _request(_stall, "after_bytes", "seconds", path=MEDIA),
    "bandwidth": _request(_bandwidth, "bytes_per_second", path=MEDIA),
    "no_answer": _request(_silent, "reset"),
    "garbage": _request(_garbage),
}
