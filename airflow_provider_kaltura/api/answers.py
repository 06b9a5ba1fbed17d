"""From bytes to a tree that is complete and Kaltura's, or to a typed error. Imported only when a request is made."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from lxml import etree

from airflow_provider_kaltura.api import codes, errors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_provider_kaltura.api.transport import Answer

_SERVER_ERRORS = 500
_TOO_MANY_REQUESTS = 429
_OK = 200
# Each node of a tree takes some 130 bytes however short its text. 50 pages of 500 flavors are 1.4 million tags.
_MAX_NODES = 2_000_000


@dataclass(frozen=True, slots=True)
class Call:
    """One action of a request, for messages and for the decision about retries."""

    service: str
    action: str
    object_id: str | None = None


def parse(answer: Answer, calls: Sequence[Call], *, multirequest: bool, now: Callable[[], float]) -> etree._Element:
    """
    Read an API answer strictly.

    :param answer: The HTTP answer.
    :param calls: What was asked, in order.
    :param multirequest: Whether one item per call is expected.
    :param now: Seconds since the epoch, to read a Retry-After date.
    :returns: The ``result`` element; its items may be errors when *multirequest*.
    :raises KalturaError: There is no usable answer, or it is an error.
    """
    call = calls[0] if len(calls) == 1 else Call("multirequest", "")
    if not answer.body:
        raise _empty(answer, call, now)
    if answer.status != _OK:
        raise _bad_status(answer, call, now)
    if "xml" not in answer.content_type:
        raise _transport_error(
            call, f"answered {answer.content_type or 'something without a type'} instead of XML", "NOT_XML"
        )
    result = _result(answer.body, call)
    if error := error_of(result, call):
        raise error
    if multirequest and len(result) != len(calls):
        raise _transport_error(call, f"answered {len(result)} items for {len(calls)} calls", "WRONG_COUNT")
    return result


def error_of(node: etree._Element, call: Call) -> errors.KalturaAPIError | None:
    """
    Read the error in a result or an item of a multirequest.

    :param node: The element.
    :param call: What was asked.
    :returns: The error, not raised; None when there is none.
    """
    found = node.find("error")
    if found is None:
        return None
    code, message = found.findtext("code"), found.findtext("message")
    if code is None or message is None:
        return None
    arguments = {item.findtext("name") or "": item.findtext("value") or "" for item in found.iterfind("args/item")}
    return codes.from_code(code, message, arguments, call.service, call.action, call.object_id)


def _result(body: bytes, call: Call) -> etree._Element:
    if body.count(b"<") + body.count(b'="') + body.count(b"='") > _MAX_NODES:
        raise _transport_error(call, f"answered more than {_MAX_NODES} tags", "ANSWER_TOO_LONG")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False)
    try:
        root = etree.fromstring(body, parser=parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        # lxml's text can quote the answer; only where it ends is of use.
        position = getattr(error, "position", (0, 0))
        raise _transport_error(
            call, f"answered XML that is cut or damaged (line {position[0]}, {len(body)} bytes)", "NOT_WELL_FORMED"
        ) from None
    if root.getroottree().docinfo.doctype:  # type: ignore[union-attr] # the stubs lack it
        raise _transport_error(call, "answered a document with a DOCTYPE", "NOT_KALTURA_XML")
    result = root.find("result")
    if result is None:
        raise _transport_error(call, "answered XML without a result", "NOT_KALTURA_XML")
    return result


def _empty(answer: Answer, call: Call, now: Callable[[], float]) -> errors.KalturaError:
    header = answer.headers.get("X-Kaltura")
    if header is not None and codes.is_x_kaltura_error(header):
        return codes.from_x_kaltura(header, call.service, call.action or None, call.object_id)
    if answer.status != _OK:
        return _bad_status(answer, call, now)
    return _transport_error(call, "answered nothing, without a reason", "EMPTY_ANSWER")


def _bad_status(answer: Answer, call: Call, now: Callable[[], float]) -> errors.KalturaError:
    status = answer.status
    text = f"answered HTTP {status} ({answer.content_type or 'no content type'}, {len(answer.body)} bytes)"
    error: errors.KalturaError
    if status == _TOO_MANY_REQUESTS:
        error = errors.ThrottledError(_say(call, text), f"HTTP_{status}", call.service, call.action, call.object_id)
    elif status >= _SERVER_ERRORS:
        error = _transport_error(call, text, f"HTTP_{status}")
    else:
        hint = (
            "check the connection's host" if "Location" not in answer.headers else "the host redirects; use its target"
        )
        error = errors.HttpStatusError(
            _say(call, f"{text}: {hint}"), f"HTTP_{status}", call.service, call.action, call.object_id
        )
    error.retry_after_seconds = _retry_after(answer.headers.get("Retry-After"), now)
    return error


def _retry_after(header: str | None, now: Callable[[], float]) -> float | None:
    """Read seconds or a date (RFC 9110, 10.2.3)."""
    if header is None:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - now())
    except (TypeError, ValueError):
        return None


def _transport_error(call: Call, text: str, code: str) -> errors.KalturaTransportError:
    return errors.KalturaTransportError(_say(call, text), code, call.service, call.action or None, call.object_id)


def _say(call: Call, text: str) -> str:
    what = f"{call.service}.{call.action}" if call.action else call.service
    of = f" of {call.object_id}" if call.object_id else ""
    return f"{what}{of}: the server {text}."
