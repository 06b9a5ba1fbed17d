"""
Send a reply over the connection, or what a plan makes of it.

Whole answers go the way of ASGI. An answer that breaks the connection is written to the transport byte by byte as the
plan says, since no HTTP library lets itself be used to send a false Content-Length or half a chunk.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from dataclasses import dataclass
from http.client import responses
from typing import TYPE_CHECKING, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

from airflow_provider_kaltura.sandbox import plan as plans

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Scope, Send

    from airflow_provider_kaltura.sandbox.log import Record
    from airflow_provider_kaltura.sandbox.plan import Plan
    from airflow_provider_kaltura.sandbox.replies import Reply

_BUFFER_BYTES = 1 << 20
_POLL_SECONDS = 0.002
_TICK_SECONDS = 0.05
_NO_BODY = {204, 304}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

Connections = dict[tuple[str, int], asyncio.Transport]


def protocol(connections: Connections) -> type[H11Protocol]:
    """Return uvicorn's protocol, which also keeps the transport of each client in *connections*."""

    class Known(H11Protocol):
        """Makes its transport known as long as it lasts."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
            """Remember the transport."""
            connections[_peer(transport)] = transport
            self._known_as = _peer(transport)
            super().connection_made(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            """Forget the transport."""
            connections.pop(self._known_as, None)
            super().connection_lost(exc)

    return Known


def _peer(transport: asyncio.Transport) -> tuple[str, int]:
    name = transport.get_extra_info("peername") or ("", 0)
    return name[0], name[1]


@dataclass
class Exchange:
    """
    One request's way back.

    :param scope: ASGI's scope.
    :param receive: ASGI's receive.
    :param send: ASGI's send.
    :param record: The request's record, which learns what was sent.
    :param connections: The transports of all clients.
    """

    scope: Scope
    receive: Receive
    send: Send
    record: Record
    connections: Connections

    @property
    def has_body(self) -> bool:
        """Whether an answer to this request has a body."""
        return bool(self.scope["method"] != "HEAD")


async def send(exchange: Exchange, reply: Reply, plan: Plan) -> None:
    """
    Send *reply* as *plan* says.

    :param exchange: The request.
    :param reply: The answer.
    :param plan: How it is sent.
    """
    if plan.wait_seconds:
        await asyncio.sleep(plan.wait_seconds)
    if plan.breaks:
        await _send_broken(exchange, reply, plan)
        return
    exchange.record.status = reply.status
    headers = [(name.lower().encode(), _line(value).encode()) for name, value in reply.headers]
    headers.append((b"content-length", str(reply.size_bytes).encode()))
    await exchange.send({"type": "http.response.start", "status": reply.status, "headers": headers})
    if exchange.has_body and reply.status not in _NO_BODY:
        async for piece in _paced(reply, plan):
            await exchange.send({"type": "http.response.body", "body": piece, "more_body": True})
            exchange.record.sent_bytes += len(piece)
    await exchange.send({"type": "http.response.body", "body": b"", "more_body": False})


async def _paced(reply: Reply, plan: Plan) -> AsyncIterator[bytes]:
    """Yield the body as fast as the plan allows; it stalls where the plan says."""
    sent, stall, rate = 0, plan.stall_after, plan.bytes_per_second
    for whole in reply.pieces():
        position = 0
        while position < len(whole):
            if stall == sent:
                await asyncio.sleep(plan.stall_seconds)
                stall = None
            step = len(whole) - position if rate is None else max(int(rate * _TICK_SECONDS), 1)
            if stall is not None:
                step = min(step, stall - sent)
            piece = whole[position : position + step]
            yield piece
            position, sent = position + len(piece), sent + len(piece)
            if rate is not None:
                await asyncio.sleep(_TICK_SECONDS)


async def _send_broken(exchange: Exchange, reply: Reply, plan: Plan) -> None:
    """Write the answer to the transport itself, then end the connection."""
    transport = exchange.connections[tuple(exchange.scope["client"])]
    if plan.raw is not None:
        transport.write(plan.raw)
    elif not plan.silent:
        exchange.record.status = reply.status
        transport.write(_head(reply, plan))
        if exchange.has_body:
            await _write_body(exchange, transport, reply, plan)
    await _end(transport, reset=plan.reset)
    while (await exchange.receive())["type"] != "http.disconnect":
        pass


def _line(value: str) -> str:
    """Return a header's value without the characters that would end its line: names come from URLs and entries."""
    return _CONTROL.sub("_", value)


def _head(reply: Reply, plan: Plan) -> bytes:
    """Return status line and headers, with the length as the plan tells it."""
    headers = list(reply.headers)
    if plan.length == plans.CHUNKED:
        headers.append(("Transfer-Encoding", "chunked"))
    elif plan.length == plans.CLOSE:
        headers.append(("Connection", "close"))
    else:
        headers.append(("Content-Length", str(reply.size_bytes + plan.length_delta)))
    lines = [f"HTTP/1.1 {reply.status} {responses.get(reply.status, '')}"]
    lines += [f"{name}: {_line(value)}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode()


async def _write_body(exchange: Exchange, transport: asyncio.Transport, reply: Reply, plan: Plan) -> None:
    """Write the body up to where it is cut; only a body that isn't cut gets the last chunk."""
    left = reply.size_bytes if plan.cut_after is None else min(plan.cut_after(reply), reply.size_bytes)
    async for whole in _paced(reply, plan):
        piece = whole[:left]
        left -= len(piece)
        if piece:
            transport.write(b"%x\r\n%s\r\n" % (len(piece), piece) if plan.length == plans.CHUNKED else piece)
            exchange.record.sent_bytes += len(piece)
        await _drained(transport, _BUFFER_BYTES)
        if left == 0 or transport.is_closing():
            break
    if plan.length == plans.CHUNKED and plan.cut_after is None:
        transport.write(b"0\r\n\r\n")


async def _drained(transport: asyncio.Transport, limit: int) -> None:
    # The transport tells nobody but its protocol, which is uvicorn's, when its buffer drains.
    while transport.get_write_buffer_size() > limit and not transport.is_closing():  # noqa: ASYNC110 - see above
        await asyncio.sleep(_POLL_SECONDS)


async def _end(transport: asyncio.Transport, *, reset: bool) -> None:
    """Close the connection once everything is written; a reset throws away what the client hasn't read yet."""
    if not reset:
        transport.close()
        return
    await _drained(transport, 0)
    plain = cast("socket.socket", transport.get_extra_info("socket"))
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
