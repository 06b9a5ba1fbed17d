"""
The faults that can be switched on: name, settings, and what each does on the wire.

Faults of the API answer for one action and leave the rest of a multirequest alone, except the "die" errors, which
empty the whole answer as Kaltura does. Faults of a request replace its answer. Faults of a file change only answers
that serve one. Faults of the network say how an answer is sent; several of them may meet in one answer.
``GET /_sandbox/rules`` lists them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_kaltura.sandbox import fault_effects as effects
from airflow_provider_kaltura.sandbox import replies
from airflow_provider_kaltura.sandbox.errors import REASONS, ApiError, invalid_ks, not_allowed
from airflow_provider_kaltura.sandbox.replies import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_kaltura.sandbox.library import StoredFile
    from airflow_provider_kaltura.sandbox.log import Record
    from airflow_provider_kaltura.sandbox.plan import Plan

Json = dict[str, Any]
MEDIA = r"/(serveFlavor|download|raw)/|/action/serve/"
_HTML = (("Content-Type", replies.HTML),)
_HTML_500_BYTES = 1900


@dataclass(frozen=True)
class Rule:
    """
    What a fault does.

    :param about: What it does, in a sentence.
    :param action: Gets service, action and options; returns what the action answers, or raises it.
    :param request: Gets the plan of an answer, the request's record and options; changes the plan.
    :param options: Names of the settings.
    :param default_path: Which requests it meets unless it is told: regular expression, None for all.
    :param spares: Gets the parameters of an action; whether it is left alone.
    """

    about: str
    action: Callable[[str, str, Json], Any] | None = None
    request: Callable[[Plan, Record, Json], None] | None = None
    options: frozenset[str] = frozenset()
    default_path: str | None = None
    spares: Callable[[Json], bool] | None = None


def _action(about: str, act: Callable[[str, str, Json], Any], *options: str, **fixed: Any) -> Rule:
    """Return a rule for actions; *fixed* options can't be set."""
    return Rule(about, action=lambda s, a, told: act(s, a, {**told, **fixed}), options=frozenset(options))


def _error(about: str, make: Callable[[], ApiError]) -> Rule:
    return Rule(about, action=lambda _service, _action, _options: make())


def _request(
    about: str,
    change: Callable[[Plan, Record, Json], None],
    *options: str,
    path: str | None = None,
    **preset: Any,
) -> Rule:
    """Return a rule for requests; *preset* options can be set."""
    return Rule(
        about,
        request=lambda p, r, told: change(p, r, {**preset, **told}),
        options=frozenset(options),
        default_path=path,
    )


def _instead(about: str, reply: Reply, *, path: str | None = None) -> Rule:
    def change(plan: Plan, _record: Record, _options: Json) -> None:
        plan.reply = reply

    return Rule(about, request=change, default_path=path)


def _on_file(about: str, change: Callable[[Reply, StoredFile, Json], Reply], *options: str) -> Rule:
    """Return a rule that changes answers that serve (a range of) a file, and no others."""

    def plan_it(plan: Plan, record: Record, options: Json) -> None:
        told = {"range": record.headers.get("range"), **options}

        def shape(reply: Reply) -> Reply:
            return reply if reply.file is None else change(reply, reply.file, told)

        plan.shapes.append(shape)

    return Rule(about, request=plan_it, options=frozenset(options), default_path=MEDIA)


_STATUS = ("body", "content_type", "retry_after")
_OF_ACTIONS: dict[str, Rule] = {
    "api_error": _action("the API error `code` with `args`", effects.api_error, "code", "args"),
    "internal_error": _error("INTERNAL_SERVERL_ERROR, HTTP 200", partial(ApiError, "INTERNAL_SERVERL_ERROR")),
    "database_error": _error("INTERNAL_DATABASE_ERROR, HTTP 200", partial(ApiError, "INTERNAL_DATABASE_ERROR")),
    "rate_limit": _action("ACTION_BLOCKED, HTTP 200, no Retry-After, names in lower case", effects.rate_limit),
    "forbidden": _action("SERVICE_FORBIDDEN", effects.forbidden),
    "invalid_ks_expired": _error("INVALID_KS with KSID EXPIRED", partial(invalid_ks, "EXPIRED")),
    "invalid_ks_logout": _error("INVALID_KS with KSID LOGOUT", partial(invalid_ks, "LOGOUT")),
    "invalid_ks_permission": _error("INVALID_KS with an empty KSID and code -4: not allowed", not_allowed),
    "invalid_ks_other_text": Rule(
        "INVALID_KS with `text` as KSID, which may be another caller's KS",
        action=lambda _s, _a, options: invalid_ks(str(options.get("text", "another caller's session"))),
        options=frozenset({"text"}),
    ),
    "partner_blocked": _error(
        "SERVICE_FORBIDDEN_CONTENT_BLOCKED", partial(ApiError, "SERVICE_FORBIDDEN_CONTENT_BLOCKED")
    ),
    "index_lag": Rule(
        "empty lists and counts of 0 of entries and flavors without any error, but not by idEqual and idIn",
        action=effects.index_lag,
        spares=effects.names_ids,
    ),
    "crash": _action("HTTP 500, text/html, no body, for the whole request", effects.crash),
    "die": _action("an empty 200; X-Kaltura: error-`code`, or cached-error-`code`", effects.die, "code", "cached"),
    "die_access_control": _action("an empty 200; X-Kaltura: error-3", effects.die, code=3),
    "die_scheduling": _action("an empty 200; X-Kaltura: error-2", effects.die, code=2),
    "die_moderation": _action("an empty 200; X-Kaltura: error-13", effects.die, code=13),
    **{
        f"die_error_{code}": _action(f"an empty 200; X-Kaltura: error-{code} ({reason})", effects.die, code=code)
        for code, reason in REASONS.items()
    },
}
_OF_REQUESTS: dict[str, Rule] = {
    "http_status": _request(
        "`status` with `body`, `content_type`, `retry_after`", effects.http_status, "status", *_STATUS
    ),
    "bad_gateway_html": _request("502 with a page", effects.http_status, *_STATUS, status=502),
    "unavailable_html": _request("503 with a page", effects.http_status, *_STATUS, status=503),
    "unavailable_text": _request(
        "503 with a line of text",
        effects.http_status,
        *_STATUS,
        status=503,
        body="upstream connect error",
        content_type="text/plain",
    ),
    "unavailable_retry_after": _request(
        "503 with Retry-After: 1", effects.http_status, *_STATUS, status=503, retry_after=1
    ),
    "too_many_requests": _request("429 with Retry-After: 1", effects.http_status, *_STATUS, status=429, retry_after=1),
    "empty_500": _request("500 without a body", effects.http_status, *_STATUS, status=500, body=""),
    "empty_200": _instead("200, text/html, Content-Length 0, no X-Kaltura", Reply(headers=_HTML)),
    "html_page": _instead("200 with a page", Reply(headers=_HTML, body=effects.PAGE % b"<p>Please wait</p>")),
    "not_xml": _instead(
        "200, text/xml, cut in its first element",
        Reply(headers=(("Content-Type", "text/xml"),), body=b"<?xml version='1.0'?><xml><res"),
    ),
    "truncated": _request("the first half of the body, as a complete message", effects.truncated),
    "redirect": _request(
        "`status` 302 for `hops` hops, first to the base URL `to` (default: this server); `loop`: to itself for ever",
        effects.redirect,
        "hops",
        "to",
        "loop",
        "status",
    ),
}
_OF_MEDIA: dict[str, Rule] = {
    "media_error": _request(
        "an empty 200; X-Kaltura: error-`code`, or cached-error-`code`",
        effects.media_error,
        "code",
        "cached",
        path=MEDIA,
    ),
    "media_access_control": _request(
        "an empty 200 that looks like a download; X-Kaltura: error-3", effects.media_access_control, path=MEDIA
    ),
    "media_500_html": _instead(
        "500 with a page of 1,900 bytes",
        Reply(status=500, headers=_HTML, body=(effects.PAGE % b"").ljust(_HTML_500_BYTES)),
        path=MEDIA,
    ),
    "ignore_range": _on_file("200 and the whole file, whatever the range", effects.ignore_range),
    "wrong_content_range": _on_file(
        "a Content-Range that begins `bytes` (1) later than what is sent", effects.wrong_content_range, "bytes"
    ),
    "no_content_range": _on_file("206 without Content-Range", effects.no_content_range),
    "changed_size": _on_file(
        "a file of `size_bytes`, or `bytes` (1) longer; all headers agree", effects.changed_size, "bytes", "size_bytes"
    ),
    "other_bytes": _on_file("another content of the same length under the same version", effects.other_bytes),
    "flip_bit": _on_file("one bit of the byte at `offset` flipped", effects.flip_bit, "offset"),
    "short_body": _on_file("`bytes` (1) less, under a Content-Length that agrees", effects.short_body, "bytes"),
    "long_body": _on_file("`bytes` (1) more, under a Content-Length that agrees", effects.long_body, "bytes"),
}
_OF_THE_NETWORK: dict[str, Rule] = {
    "slow": _request("nothing for `seconds` (1), then the answer", effects.slow, "seconds"),
    "cut": _request(
        "the connection ends (or is `reset`) after `after_bytes` of this body, or at `at_offset` of the object",
        effects.cut,
        "after_bytes",
        "at_offset",
        "reset",
        path=MEDIA,
    ),
    "no_content_length": _request(
        "`how`=chunked (default), or close: the body ends with the connection",
        effects.no_content_length,
        "how",
        path=MEDIA,
    ),
    "wrong_length": _request(
        "Content-Length `bytes` (1) too great, or too small if negative; the body is whole, then the connection ends",
        effects.wrong_length,
        "bytes",
        path=MEDIA,
    ),
    "stall": _request(
        "after `after_bytes` of the body nothing for `seconds` (60), then the rest",
        effects.stall,
        "after_bytes",
        "seconds",
        path=MEDIA,
    ),
    "bandwidth": _request(
        "at most `bytes_per_second` on each connection", effects.bandwidth, "bytes_per_second", path=MEDIA
    ),
    "no_answer": _request("the connection ends (or is `reset`) without a byte", effects.silent, "reset"),
    "garbage": _request("bytes that are no HTTP", effects.garbage),
}
RULES: dict[str, Rule] = {**_OF_ACTIONS, **_OF_REQUESTS, **_OF_MEDIA, **_OF_THE_NETWORK}


def table() -> dict[str, dict[str, Any]]:
    """Return settings and meaning of every fault, by name."""
    return {name: {"options": sorted(rule.options), "about": rule.about} for name, rule in RULES.items()}
