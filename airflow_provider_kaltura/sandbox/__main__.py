"""``python -m airflow_provider_kaltura.sandbox``: a Kaltura-compatible server without an account."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_kaltura.sandbox.library import Library

_LEAST_FOR_HUGE = 24_000
_KEPT_OF_MANY = 1000  # requests of the log: those about many entries are long
_NEEDS = {"starlette", "uvicorn", "av"}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m airflow_provider_kaltura.sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen at, 0 for a free one (default)")
    parser.add_argument("--fixture", type=Path, help="serve this recorded state instead of the small library")
    parser.add_argument("--entries", type=int, help="serve a library by rule with so many entries instead")
    parser.add_argument("--seed", type=int, default=0, help="of that library")
    parser.add_argument("--huge-second", action="store_true", help="have 12,000 of its entries share one second")
    parser.add_argument("--latency-ms", type=float, default=0, help="wait before each answer")
    parser.add_argument("--action-ms", type=float, default=0, help="wait for each action of the API")
    parser.add_argument("--ready-after", type=float, default=10, help="seconds until the late entry is ready")
    parser.add_argument("--tls-cert", type=Path, help="certificate (PEM): serve https")
    parser.add_argument("--tls-key", type=Path, help="its key (PEM)")
    return parser


def _library(arguments: argparse.Namespace) -> tuple[Library, list[str]]:
    """Return what to serve, and what to tell about it."""
    if arguments.fixture is not None:
        from airflow_provider_kaltura.sandbox import fixture  # noqa: PLC0415 - only what is asked for is loaded

        return fixture.load(arguments.fixture), []
    if arguments.entries is not None:
        from airflow_provider_kaltura.sandbox import rules  # noqa: PLC0415 - only what is asked for is loaded

        made = rules.library(entries=arguments.entries, seed=arguments.seed, huge_second=arguments.huge_second)
        return made, rules.describe(made)
    from airflow_provider_kaltura.sandbox import small  # noqa: PLC0415 - the MP4 encoder is slow to load

    return small.library(ready_after_seconds=arguments.ready_after), small.describe()


def main(argv: Sequence[str] | None = None) -> int:
    """
    Serve until stopped.

    :param argv: Arguments, those of the process by default.
    :returns: Exit status: 0 after being stopped, 2 when something is missing.
    """
    parser = _parser()
    arguments = parser.parse_args(argv)
    for name in ("fixture", "tls_cert", "tls_key"):
        path = getattr(arguments, name)
        if path is not None and not path.is_file():
            parser.error(f"--{name.replace('_', '-')}: there is no file {path}")
    if arguments.entries is not None and arguments.entries < (_LEAST_FOR_HUGE if arguments.huge_second else 1):
        parser.error(f"--entries: at least 1, and {_LEAST_FOR_HUGE} with --huge-second")
    try:
        from airflow_provider_kaltura.sandbox import server  # noqa: PLC0415 - needs the extra

        library, notes = _library(arguments)
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name not in _NEEDS:
            raise
        sys.stderr.write(
            f"The sandbox needs {name}, which is not installed. "
            "Install it with: pip install 'airflow-provider-kaltura[sandbox]'\n"
        )
        return 2
    options = server.Options(
        host=arguments.host,
        port=arguments.port,
        latency_ms=arguments.latency_ms,
        action_ms=arguments.action_ms,
        tls_cert=arguments.tls_cert,
        tls_key=arguments.tls_key,
        **({} if arguments.entries is None else {"kept_requests": _KEPT_OF_MANY}),
    )

    def ready(running: server.Running) -> None:
        lines = [*notes, f"sandbox ready at {running.base_url}"]
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()

    try:
        server.run(library, options, ready)
    except KeyboardInterrupt:
        return 0
    except OSError as error:
        parser.error(f"cannot listen at {arguments.host}:{arguments.port}: {error.strerror}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
