"""
The control endpoint: JSON over HTTP, under ``/_sandbox/``.

``GET requests``, ``counts``, ``faults``, ``rules``, ``rates``, ``changes`` and ``truth`` tell; ``POST NAME`` with a
JSON object of arguments calls the function of that name of `Control`; ``POST faults`` switches a fault on
(``{"name": …, "times": …, …}``), ``DELETE faults`` or ``DELETE faults/NUMBER`` switches off; ``DELETE requests`` clears
the log, ``DELETE counts`` counts from 0.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from airflow_provider_kaltura.sandbox import fault_rules, truth
from airflow_provider_kaltura.sandbox.library import StoredFile

if TYPE_CHECKING:
    from starlette.requests import Request

    from airflow_provider_kaltura.sandbox.control import Control
    from airflow_provider_kaltura.sandbox.faults import Fault

FUNCTIONS = (
    "add_entry",
    "set_entry",
    "delete_entry",
    "convert_later",
    "add_flavor",
    "set_flavor",
    "replace_flavor_file",
    "delete_flavor",
    "sign_urls",
    "shorten_sessions",
    "advance_clock",
    "set_clock",
    "set_index_lag",
    "release_index",
    "index_behind",
    "change",
    "move",
    "end_moves",
    "limit_rate",
    "end_rate_limits",
    "reset_counts",
)


_PAGE = 1000


def _shown(result: Any) -> Any:
    if isinstance(result, StoredFile):
        return {"version": result.version, "sizeBytes": result.size_bytes, "seed": result.seed}
    return result


def _fault(fault: Fault) -> dict[str, Any]:
    return asdict(fault)


def _number(request: Request, name: str, default: int) -> int:
    given = request.query_params.get(name, "")
    return int(given) if given.isdecimal() else default


class _Endpoints:
    """The endpoint's functions."""

    def __init__(self, control: Control) -> None:
        self._control = control

    async def requests(self, request: Request) -> JSONResponse:
        """Answer the log; DELETE clears it first."""
        if request.method == "DELETE":
            self._control.log.clear()
        return JSONResponse([record.as_dict() for record in self._control.log.records()])

    async def counts(self, request: Request) -> JSONResponse:
        """Answer how often what was called; DELETE first sets the counts to 0."""
        if request.method == "DELETE":
            self._control.reset_counts()
        return JSONResponse(self._control.counts())

    async def rates(self, _request: Request) -> JSONResponse:
        """Answer the limits of rates, and how much passed and was blocked."""
        return JSONResponse(self._control.rates.as_dict())

    async def changes(self, request: Request) -> JSONResponse:
        """Answer what was changed by chance, from number ``from`` on."""
        return JSONResponse(self._control.movement.log[_number(request, "from", 1) - 1 :])

    async def truth(self, request: Request) -> JSONResponse:
        """Answer what ``limit`` entries hold, from place ``from`` on; ``digests=0`` leaves the digests out."""
        start, limit = _number(request, "from", 0), _number(request, "limit", _PAGE)
        digests = _number(request, "digests", 1) != 0
        return JSONResponse(truth.page(self._control.library, start, limit, digests=digests))

    async def rules(self, _request: Request) -> JSONResponse:
        """Answer which faults there are, with their settings."""
        return JSONResponse(fault_rules.table())

    async def faults(self, request: Request) -> JSONResponse:
        """Answer the faults; POST switches one on, DELETE one or all off."""
        faults = self._control.faults
        if request.method == "POST":
            try:
                return JSONResponse(_fault(faults.on(**await request.json())), status_code=201)
            except (TypeError, ValueError) as error:
                return JSONResponse({"error": str(error)}, status_code=400)
        if request.method == "DELETE":
            number = request.path_params.get("number")
            if number is None:
                faults.clear()
            else:
                faults.off(number)
        return JSONResponse([_fault(fault) for fault in faults.list()])

    async def function(self, request: Request) -> JSONResponse:
        """Call a function of `Control`."""
        name = request.path_params["name"]
        if name not in FUNCTIONS:
            return JSONResponse({"error": f"no function {name!r}; there are {', '.join(FUNCTIONS)}"}, status_code=404)
        try:
            arguments = await request.json() if await request.body() else {}
            return JSONResponse(_shown(getattr(self._control, name)(**arguments)))
        except (TypeError, ValueError, KeyError) as error:
            return JSONResponse({"error": f"{type(error).__name__}: {error}"}, status_code=400)


def application(control: Control) -> Starlette:
    """
    Return the ASGI application of the control endpoint.

    :param control: What it controls.
    :returns: The application, to be mounted.
    """
    endpoints = _Endpoints(control)
    return Starlette(
        routes=[
            Route("/requests", endpoints.requests, methods=["GET", "DELETE"]),
            Route("/counts", endpoints.counts, methods=["GET", "DELETE"]),
            Route("/rates", endpoints.rates),
            Route("/changes", endpoints.changes),
            Route("/truth", endpoints.truth),
            Route("/rules", endpoints.rules),
            Route("/faults", endpoints.faults, methods=["GET", "POST", "DELETE"]),
            Route("/faults/{number:int}", endpoints.faults, methods=["DELETE"]),
            Route("/{name}", endpoints.function, methods=["POST"]),
        ]
    )
