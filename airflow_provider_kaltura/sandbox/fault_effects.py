"""
What faults do: answer an action, replace an answer, change what a file's answer says, break the connection.

`fault_rules` gives these functions names and settings.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_kaltura.sandbox import plan as plans
from airflow_provider_kaltura.sandbox import replies
from airflow_provider_kaltura.sandbox.errors import ApiError, Crash, Die
from airflow_provider_kaltura.sandbox.library import StoredFile
from airflow_provider_kaltura.sandbox.parameters import is_set
from airflow_provider_kaltura.sandbox.replies import Reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_kaltura.sandbox.log import Record
    from airflow_provider_kaltura.sandbox.plan import Plan

Json = dict[str, Any]
PAGE = b"<!DOCTYPE html><html><head><title>Error</title></head><body>%s</body></html>"


# ---------------------------------------------------------------- actions of the API
def api_error(_service: str, _action: str, options: Json) -> ApiError:
    """Answer the API error ``code`` with ``args``."""
    return ApiError(options["code"], **options.get("args", {}))


def rate_limit(service: str, action: str, _options: Json) -> ApiError:
    """Answer ACTION_BLOCKED: HTTP 200, no Retry-After, names in lower case."""
    return ApiError("ACTION_BLOCKED", ACTION_NAME=action.lower(), SERVICE_NAME=service.lower())


def forbidden(service: str, action: str, _options: Json) -> ApiError:
    """Answer SERVICE_FORBIDDEN."""
    return ApiError("SERVICE_FORBIDDEN", SERVICE=f"{service}->{action}")


def die(_service: str, _action: str, options: Json) -> None:
    """Empty the whole answer; the number ``code`` stands only in X-Kaltura."""
    raise Die(int(options["code"]), cached=bool(options.get("cached")))


def crash(_service: str, _action: str, _options: Json) -> None:
    """Answer HTTP 500 for the whole request."""
    raise Crash


_LIST_CLASSES = {
    "media": "KalturaMediaListResponse",
    "baseentry": "KalturaBaseEntryListResponse",
    "flavorasset": "KalturaFlavorAssetListResponse",
}


def index_lag(service: str, action: str, _options: Json) -> Any:
    """Answer an empty list without any error, as an index that is behind does."""
    if service not in _LIST_CLASSES:
        return None
    if action == "count":
        return 0
    return {"totalCount": 0, "objects": [], "objectType": _LIST_CLASSES[service]} if action == "list" else None


def names_ids(parameters: Json) -> bool:
    """Whether a filter asks for objects by their ids: Kaltura answers that from the database, not from the index."""
    conditions = parameters.get("filter")
    return isinstance(conditions, dict) and any(is_set(conditions.get(name)) for name in ("idEqual", "idIn"))


# ---------------------------------------------------------------- whole answers
def media_error(plan: Plan, _record: Record, options: Json) -> None:
    """Answer an empty 200 with X-Kaltura ``error-CODE``, or ``cached-error-CODE``."""
    plan.reply = replies.media_died(Die(int(options["code"]), cached=bool(options.get("cached"))))


def media_access_control(plan: Plan, _record: Record, _options: Json) -> None:
    """Answer what looks like a download of no bytes, with X-Kaltura ``error-3``."""
    headers = (("Content-Type", replies.DOWNLOAD_TYPE), ("Content-Disposition", 'attachment; filename="video.mp4"'))
    plan.reply = replies.died(Die(3), *headers)


def http_status(plan: Plan, _record: Record, options: Json) -> None:
    """Answer ``status`` with a page (``body``, ``content_type``) as proxies write them, and maybe Retry-After."""
    status = int(options["status"])
    body = options.get("body")
    content = PAGE % f"<h1>{status}</h1>".encode() if body is None else str(body).encode()
    headers = [("Content-Type", str(options.get("content_type", "text/html")))]
    if "retry_after" in options:
        headers.append(("Retry-After", str(options["retry_after"])))
    plan.reply = Reply(status=status, headers=tuple(headers), body=content)


def redirect(plan: Plan, record: Record, options: Json) -> None:
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
def ignore_range(reply: Reply, file: StoredFile, _options: Json) -> Reply:
    """Answer 200 and the whole file, whatever the range."""
    whole = replace(reply, status=200, start=0, stop=file.size_bytes)
    return whole.with_headers(content_range=None)


def wrong_content_range(reply: Reply, file: StoredFile, options: Json) -> Reply:
    """Say a range that begins ``bytes`` (default 1) later than what is sent."""
    shift = int(options.get("bytes", 1))
    text = f"bytes {reply.start + shift}-{reply.stop - 1 + shift}/{file.size_bytes}"
    return reply.with_headers(content_range=text)


def no_content_range(reply: Reply, _file: StoredFile, _options: Json) -> Reply:
    """Say nothing about which range is sent."""
    return reply.with_headers(content_range=None)


def changed_size(reply: Reply, file: StoredFile, options: Json) -> Reply:
    """Serve as if the file had ``size_bytes``, or were ``bytes`` longer; it agrees with itself in all headers."""
    size = int(options.get("size_bytes", file.size_bytes + int(options.get("bytes", 1))))
    other = StoredFile(file.object_id, file.version, size, file.ext, seed=f"{file.seed} resized")
    if options["range"] is None:
        return replace(reply, file=other, stop=size)
    start, stop = replies.file_range(options["range"], size) or (reply.start, reply.start)
    changed = replace(reply, file=other, start=start, stop=stop)
    return changed.with_headers(content_range=f"bytes {start}-{stop - 1}/{size}")


def other_bytes(reply: Reply, file: StoredFile, _options: Json) -> Reply:
    """Serve another content of the same length under the same version."""
    other = StoredFile(file.object_id, file.version, file.size_bytes, file.ext, seed=f"{file.seed} other")
    return replace(reply, file=other)


class _Flipped(StoredFile):
    """A file with one bit flipped."""

    offset = 0

    def pieces(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes, one bit of the byte at `offset` flipped."""
        position = start
        for piece in super().pieces(start, stop):
            inside = self.offset - position
            position += len(piece)
            if 0 <= inside < len(piece):
                yield piece[:inside] + bytes([piece[inside] ^ 1]) + piece[inside + 1 :]
            else:
                yield piece


def flip_bit(reply: Reply, file: StoredFile, options: Json) -> Reply:
    """Flip one bit of the byte at ``offset`` of the object."""
    flipped = _Flipped(file.object_id, file.version, file.size_bytes, file.ext, data=file.data, seed=file.seed)
    flipped.offset = int(options.get("offset", 0))
    return replace(reply, file=flipped)


def short_body(reply: Reply, _file: StoredFile, options: Json) -> Reply:
    """Send ``bytes`` (default 1) less, with a Content-Length that agrees with what is sent."""
    return replace(reply, stop=max(reply.stop - int(options.get("bytes", 1)), reply.start))


def long_body(reply: Reply, file: StoredFile, options: Json) -> Reply:
    """Send ``bytes`` (default 1) more, with a Content-Length that agrees with what is sent."""
    extra = int(options.get("bytes", 1))
    data = file.read(reply.start, reply.stop) + b"\0" * extra
    return replace(reply, file=None, body=data)


def truncated(plan: Plan, _record: Record, _options: Json) -> None:
    """Send only the first half of the body, as a complete message."""
    plan.shapes.append(lambda reply: replace(reply, body=reply.body[: len(reply.body) // 2]))


# ---------------------------------------------------------------- the network
def slow(plan: Plan, _record: Record, options: Json) -> None:
    """Wait ``seconds`` (default 1) before the first byte."""
    plan.wait_seconds += float(options.get("seconds", 1))


def cut(plan: Plan, _record: Record, options: Json) -> None:
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


def no_content_length(plan: Plan, _record: Record, options: Json) -> None:
    """Send no Content-Length: chunked, or (``how="close"``) ended by the end of the connection."""
    plan.length = str(options.get("how", plans.CHUNKED))


def wrong_length(plan: Plan, _record: Record, options: Json) -> None:
    """Say ``bytes`` (default 1) more, or less when negative, than is sent; then the connection ends."""
    plan.length_delta = int(options.get("bytes", 1))


def stall(plan: Plan, _record: Record, options: Json) -> None:
    """Send nothing for ``seconds`` after ``after_bytes`` of the body; then go on."""
    plan.stall_after = int(options.get("after_bytes", 0))
    plan.stall_seconds = float(options.get("seconds", 60))


def bandwidth(plan: Plan, _record: Record, options: Json) -> None:
    """Send at most ``bytes_per_second`` on each connection."""
    plan.bytes_per_second = float(options["bytes_per_second"])


def silent(plan: Plan, _record: Record, options: Json) -> None:
    """Close the connection without an answer, or (``reset``) reset it."""
    plan.silent, plan.reset = True, bool(options.get("reset"))


def garbage(plan: Plan, _record: Record, _options: Json) -> None:
    """Send bytes that are no HTTP."""
    plan.raw = b"\x16\x03\x01 this is not HTTP\r\n\r\n"
