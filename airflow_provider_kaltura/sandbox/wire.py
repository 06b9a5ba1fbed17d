"""Send a reply, or what a fault makes of it, over the connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from airflow_provider_kaltura.sandbox.faults import Plan
    from airflow_provider_kaltura.sandbox.log import Record
    from airflow_provider_kaltura.sandbox.replies import Reply


@dataclass
class Exchange:
    """One request's way back."""

    scope: Scope
    receive: Receive
    send: Send
    record: Record


async def send(exchange: Exchange, reply: Reply, _plan: Plan) -> None:
    """Send a reply."""
    exchange.record.status = reply.status
    headers = [(name.lower().encode(), value.encode()) for name, value in reply.headers]
    headers.append((b"content-length", str(reply.size_bytes).encode()))
    await exchange.send({"type": "http.response.start", "status": reply.status, "headers": headers})
    if exchange.scope["method"] != "HEAD":
        for piece in reply.pieces():
            await exchange.send({"type": "http.response.body", "body": piece, "more_body": True})
            exchange.record.sent_bytes += len(piece)
    await exchange.send({"type": "http.response.body", "body": b"", "more_body": False})
