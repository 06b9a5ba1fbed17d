"""The ASGI application: one request in, one reply out, with the log, the faults and the latency between."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount

from airflow_provider_kaltura.sandbox import api, control_http, media, parameters, replies, wire
from airflow_provider_kaltura.sandbox.library import Place
from airflow_provider_kaltura.sandbox.replies import Reply

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from airflow_provider_kaltura.sandbox.control import Control
    from airflow_provider_kaltura.sandbox.library import Json
    from airflow_provider_kaltura.sandbox.log import Log, Record

_NOT_FOUND = Reply(
    status=404, headers=(("Content-Type", "text/html; charset=iso-8859-1"),), body=b"<h1>Not Found</h1>\n"
)
_CORS = (
    ("Content-Type", replies.HTML),
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Methods", "POST, GET, HEAD, OPTIONS"),
    ("Access-Control-Allow-Headers", "Origin, X-Requested-With, Content-Type, Accept, Range, Cache-Control"),
    ("Access-Control-Max-Age", "86400"),
)
_API = "/api_v3"
_CONTROL = "/_sandbox"
# The rest of a chain of redirects stands before the path: /_hop/3/p/…
_HOP = re.compile(r"^/_hop/(\d+)(?=/)")


def _next_hop(path: str, query: str) -> Reply | None:
    """Return the redirect to the next hop of a chain; None at its end."""
    match = _HOP.match(path)
    if match is None or int(match[1]) < 1:
        return None
    rest, left = path[match.end() :], int(match[1]) - 1
    location = (f"/_hop/{left}{rest}" if left else rest) + (f"?{query}" if query else "")
    return Reply(status=302, headers=(("Location", location),))


@dataclass(frozen=True)
class Pace:
    """How slow the server is: per request, and per action of the API (a multirequest has several)."""

    latency_seconds: float = 0.0
    action_seconds: float = 0.0


@dataclass
class Server:
    """
    Answers requests.

    :param control: The library, the faults and the log.
    :param pace: How slow it is.
    :param host: Host and port that stand in the URLs it gives out.
    :param scheme: http, or https behind TLS.
    :param connections: The transports of all clients, kept by the protocol.
    """

    control: Control
    pace: Pace = Pace()
    host: str = ""
    scheme: str = "http"
    connections: wire.Connections = field(default_factory=dict)
    _api: api.Api = field(init=False)

    def __post_init__(self) -> None:
        control = self.control
        self._api = api.Api(control.library, before=control.faults.for_action, rates=control.rates)

    @property
    def log(self) -> Log:
        """The log of requests."""
        return self.control.log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request that isn't for the control endpoint."""
        request = Request(scope, receive)
        original = scope.get("raw_path", scope["path"].encode()).decode("latin-1").split("?", 1)[0]
        quoted = _HOP.sub("", original)
        self.control.begin_request(of_api=quoted.startswith(_API))
        secure = self.scheme == "https" or request.headers.get("x-forwarded-proto") == "https"
        caller = api.Caller(
            place=Place("https" if secure else "http", self.host),
            address=request.client.host if request.client else "",
            path=quoted,
            query=request.url.query,
            range_header=request.headers.get("range"),
        )
        record = self.log.add(request.method, original, request.url.query, dict(request.headers))
        given = await self._parameters(request, quoted, record)
        if record.actions and self.pace.action_seconds:
            await asyncio.sleep(self.pace.action_seconds * len(record.actions))
        if self.pace.latency_seconds:
            await asyncio.sleep(self.pace.latency_seconds)
        plan = self.control.faults.for_request(record)
        reply = _next_hop(original, request.url.query) or plan.reply or self._reply(request, caller, given)
        await wire.send(wire.Exchange(scope, receive, send, record, self.connections), plan.shape(reply), plan)

    async def _parameters(self, request: Request, path: str, record: Record) -> Json | None:
        """Return the parameters of an API request; None when the path is none of the API."""
        rest = path.removeprefix(_API)
        if rest == path or rest.removeprefix("/index.php").split("/")[:2] not in ([""], ["", ""], ["", "service"]):
            return None
        if request.method == "OPTIONS":
            return {}
        given = await parameters.read(request, rest.removeprefix("/index.php"))
        self.log.note(record, given)
        return given

    def _reply(self, request: Request, caller: api.Caller, given: Json | None) -> Reply:
        if given is not None and request.method == "OPTIONS":
            return Reply(headers=_CORS)
        with self.control.library.lock:
            if given is not None:
                return self._api.answer(given, caller)
            return media.answer(self._api, caller) or _NOT_FOUND


def application(server: Server) -> ASGIApp:
    """
    Return the ASGI application of a server with its control endpoint.

    :param server: What answers everything else.
    :returns: The application.
    """
    control = Starlette(routes=[Mount(_CONTROL, app=control_http.application(server.control))])

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        # Not by Starlette's router: its patterns refuse paths with a quoted line end, which media URLs may have.
        chosen = control if scope["path"].startswith(f"{_CONTROL}/") else server
        await chosen(scope, receive, send)

    return route
