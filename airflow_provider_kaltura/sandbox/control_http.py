"""The control endpoint ``/_sandbox/…``: JSON over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request

    from airflow_provider_kaltura.sandbox.control import Control


def application(control: Control) -> Starlette:
    """Return the ASGI application of the control endpoint."""

    async def requests(_request: Request) -> JSONResponse:
        return JSONResponse([record.as_dict() for record in control.log.records()])

    return Starlette(routes=[Route("/requests", requests)])
