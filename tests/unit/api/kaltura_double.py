"""A tiny scripted HTTP server in Kaltura's shape, for what no well-behaved server does: cuts, lies, floods."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Reply:
    """One answer; ``cut`` sends a Content-Length that the body does not reach."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "text/xml;charset=UTF-8"})
    cut: bool = False
    delay: threading.Event | None = None


@dataclass
class Request:
    """What arrived: ``calls`` are (service, action, parameters) of each action."""

    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    client_port: int

    @property
    def calls(self) -> list[tuple[str, str, dict[str, Any]]]:
        """The actions of this request, in order."""
        parts = self.path.partition("?")[0].strip("/").split("/")
        if parts[-1] == "multirequest":
            items = [self.body[key] for key in sorted((k for k in self.body if k.isdigit()), key=int)]
            return [(item["service"].lower(), item["action"], item) for item in items]
        return [(parts[parts.index("service") + 1].lower(), parts[parts.index("action") + 1], self.body)]


def xml_of(value: Any) -> str:
    """Write a value as Kaltura's XML does."""
    if isinstance(value, Fault):
        args = "".join(
            f"<item><objectType>KalturaApiExceptionArg</objectType><name>{k}</name><value>{escape(v)}</value></item>"
            for k, v in value.args.items()
        )
        return (
            f"<error><code>{value.code}</code><message>{escape(value.message)}</message>"
            f"<objectType>KalturaAPIException</objectType><args>{args}</args></error>"
        )
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, dict):
        return "".join(f"<{key}>{xml_of(item)}</{key}>" for key, item in value.items())
    if isinstance(value, list):
        return "".join(f"<item>{xml_of(item)}</item>" for item in value)
    return "" if value is None else escape(str(value))


@dataclass
class Fault:
    """An API exception."""

    code: str
    message: str = "it failed"
    args: dict[str, str] = field(default_factory=dict)


def reply_of(value: Any) -> Reply:
    """Wrap a value as a whole answer."""
    text = f'<?xml version="1.0" encoding="utf-8"?><xml><result>{xml_of(value)}</result>'
    return Reply(f"{text}<executionTime>0.01</executionTime></xml>".encode())


def die(number: str) -> Reply:
    """An empty 200 with its reason in a header only."""
    return Reply(headers={"Content-Type": "text/html; charset=UTF-8", "X-Kaltura": f"error-{number}"})


class Double:
    """The server: answers actions by ``actions[(service, action)]`` and GETs by ``media[path]`` (a list: in turn)."""

    def __init__(self) -> None:
        self.base_url = ""
        self.requests: list[Request] = []
        self.actions: dict[tuple[str, str], Any] = {}
        self.media: dict[str, Reply | list[Reply]] = {}
        self.whole: list[Reply] = []

    @property
    def posts(self) -> list[Request]:
        """API requests, in order."""
        return [request for request in self.requests if request.method == "POST"]

    @property
    def gets(self) -> list[Request]:
        """Media requests, in order."""
        return [request for request in self.requests if request.method == "GET"]

    def answer(self, request: Request) -> Reply:
        """Make the answer to one request."""
        self.requests.append(request)
        if request.method == "GET":
            found = self.media.get(request.path.partition("?")[0], die("1"))
            return found.pop(0) if isinstance(found, list) else found
        if self.whole:
            return self.whole.pop(0)
        results = [self._run(call) for call in request.calls]
        refused = next((item for item in results if isinstance(item, Reply)), None)
        if refused is not None:
            return refused
        return reply_of(results if request.path.endswith("multirequest") else results[0])

    def _run(self, call: tuple[str, str, dict[str, Any]]) -> Any:
        service, action, params = call
        found = self.actions.get((service, action), Fault("SERVICE_DOES_NOT_EXISTS"))
        if isinstance(found, list) and found and isinstance(found[0], Step):
            return (found.pop(0) if len(found) > 1 else found[0]).value
        return found(params) if callable(found) else found


@dataclass
class Step:
    """One of several answers of an action, given in turn; the last one stays."""

    value: Any


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    double: Double

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the official name
        """Say nothing."""

    def do_POST(self) -> None:
        self._serve()

    def do_GET(self) -> None:
        self._serve()

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        is_json = self.headers.get("Content-Type", "").startswith("application/json")
        body = json.loads(raw) if raw and is_json else {"raw": raw}
        request = Request(self.command, self.path, dict(self.headers.items()), body, self.client_address[1])
        reply = self.double.answer(request)
        if reply.delay is not None:
            reply.delay.wait(10)
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        extra = 1000 if reply.cut else 0
        if "Content-Length" not in reply.headers:
            self.send_header("Content-Length", str(len(reply.body) + extra))
        self.end_headers()
        self.wfile.write(reply.body)
        if reply.cut:
            self.close_connection = True


@contextmanager
def running_double(tls: Any = None) -> Iterator[Double]:
    """Run a double on a free port of 127.0.0.1."""
    double = Double()
    handler = type("Handler", (_Handler,), {"double": double})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    scheme = "http" if tls is None else "https"
    double.base_url = f"{scheme}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def media_entry(entry_id: str = "0_entry001", **values: Any) -> dict[str, Any]:
    """A media entry as XML would show it."""
    return {
        "objectType": "KalturaMediaEntry",
        "id": entry_id,
        "name": "A talk",
        "partnerId": 101,
        "status": 2,
        "type": 1,
        "mediaType": 1,
        "accessControlId": 2,
        "createdAt": 1795295558,
        "updatedAt": 1795295839,
        "replacedEntryId": "",
        **values,
    }


def flavor(flavor_id: str = "0_flavor01", entry_id: str = "0_entry001", **values: Any) -> dict[str, Any]:
    """A flavor asset as XML would show it."""
    return {
        "objectType": "KalturaFlavorAsset",
        "id": flavor_id,
        "entryId": entry_id,
        "partnerId": 101,
        "version": "2",
        "size": 3,
        "tags": "source,web",
        "fileExt": "mp4",
        "sizeInBytes": "3000",
        "flavorParamsId": 0,
        "width": 1280,
        "height": 720,
        "bitrate": 1306,
        "isOriginal": True,
        "status": 2,
        **values,
    }


def listing(kind: str, items: list[dict[str, Any]], total: int | None = None) -> dict[str, Any]:
    """A list response."""
    return {"objectType": kind, "objects": items, "totalCount": len(items) if total is None else total}
