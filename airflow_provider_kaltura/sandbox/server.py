"""Run the sandbox: in this process for tests (`serve`), or until it is stopped (`run`)."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvicorn

from airflow_provider_kaltura.sandbox import wire
from airflow_provider_kaltura.sandbox.app import Pace, Server, application
from airflow_provider_kaltura.sandbox.control import Control
from airflow_provider_kaltura.sandbox.log import KEPT_REQUESTS, Log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from airflow_provider_kaltura.sandbox.library import Library

_START_SECONDS = 30.0
_TICK_SECONDS = 0.1
_ANY = "0.0.0.0"  # noqa: S104 - compared with, not listened at


@dataclass(frozen=True)
class Running:
    """
    A sandbox that serves.

    :param base_url: ``http://HOST:PORT``.
    :param control: Library, faults and log.
    """

    base_url: str
    control: Control

    @property
    def library(self) -> Library:
        """What the server knows."""
        return self.control.library

    @property
    def log(self) -> Log:
        """What was asked of it."""
        return self.control.log


@dataclass(frozen=True)
class Options:
    """
    How to serve.

    :param host: Address to listen at.
    :param port: Port, 0 for a free one.
    :param latency_ms: Wait before each answer.
    :param action_ms: Wait per action of the API.
    :param tls_cert: Certificate for https, in PEM.
    :param tls_key: Its key, in PEM.
    :param kept_requests: How many requests the log keeps, with all their parameters; the counts know of all.
    """

    host: str = "127.0.0.1"
    port: int = 0
    latency_ms: float = 0.0
    action_ms: float = 0.0
    tls_cert: Path | None = None
    tls_key: Path | None = None
    kept_requests: int = KEPT_REQUESTS


class _Uvicorn(uvicorn.Server):
    """Uvicorn that says when it serves."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets)
        self._loop, self._woken = asyncio.get_running_loop(), asyncio.Event()
        self._ready()

    async def main_loop(self) -> None:
        """Tick as uvicorn does, ten times a second, but stop at once when told to."""
        ticks = itertools.count(1)
        while not await self.on_tick(next(ticks)):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), _TICK_SECONDS)

    def stop(self) -> None:
        """Stop, from another thread."""
        self.should_exit = True
        self._loop.call_soon_threadsafe(self._woken.set)


def _prepare(library: Library, options: Options, ready: Callable[[], None]) -> tuple[Running, _Uvicorn, socket.socket]:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((options.host, options.port))
    name = "127.0.0.1" if options.host == _ANY else options.host
    host = f"{name}:{listener.getsockname()[1]}"
    scheme = "https" if options.tls_cert else "http"
    control = Control(library, log=Log(options.kept_requests))
    pace = Pace(options.latency_ms / 1000, options.action_ms / 1000)
    server = Server(control, pace, host, scheme)
    config = uvicorn.Config(
        application(server),
        http=wire.protocol(server.connections),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=1,
        ssl_certfile=options.tls_cert,
        ssl_keyfile=options.tls_key,
    )
    return Running(f"{scheme}://{host}", control), _Uvicorn(config, ready), listener


@contextlib.contextmanager
def serve(library: Library, port: int = 0, **options: object) -> Iterator[Running]:
    """
    Serve a library in a thread of this process, as long as the context lasts.

    :param library: What to serve.
    :param port: Port, 0 for a free one.
    :param **options: The other fields of `Options`.
    :yields: The running server.
    :raises RuntimeError: It didn't start.
    """
    started = threading.Event()
    running, server, listener = _prepare(library, Options(port=port, **options), started.set)  # type: ignore[arg-type] # fields of Options by name
    thread = threading.Thread(target=server.run, args=([listener],), name="kaltura-sandbox", daemon=True)
    thread.start()
    try:
        if not started.wait(_START_SECONDS):
            raise RuntimeError("the sandbox did not start")
        yield running
    finally:
        if started.is_set():
            server.stop()
        thread.join(_START_SECONDS)
        listener.close()


def run(library: Library, options: Options, ready: Callable[[Running], None]) -> None:
    """
    Serve a library until the process is told to stop.

    :param library: What to serve.
    :param options: How.
    :param ready: Is called once it serves.
    """
    running: list[Running] = []
    made, server, listener = _prepare(library, options, lambda: ready(running[0]))
    running.append(made)
    server.run([listener])
