"""A whole Airflow of each supported version, and a sandbox whose clock the tests move."""

from __future__ import annotations

import json
import shutil
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airflow_provider_kaltura.sandbox import rules, small
from airflow_provider_kaltura.sandbox.server import Running, serve
from scripts.standalone import StandaloneAirflow

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).resolve().parents[2]
PYTHONS = {"newest": Path(sys.executable), "2.11": PROJECT / ".venv-2.11" / "bin" / "python"}
LATE_SECONDS = 3600.0
LIBRARY_ENTRIES = 10_000


@dataclass
class Stage:
    """What one end-to-end test has: a sandbox and its clock, another with a large library, an Airflow, and a lake."""

    airflow: StandaloneAirflow
    sandbox: Running
    library: Running
    lake: Path
    ready_ks: str = field(repr=False)
    _shift: list[float] = field(default_factory=lambda: [0.0])

    def late_entry_becomes_ready(self) -> None:
        """Move the sandbox's clock to the moment at which the late entry is done."""
        self._shift[0] = LATE_SECONDS + 1

    def served(self, flavor_id: str) -> bytes:
        """Return the bytes that the sandbox holds for a flavor."""
        data = self.sandbox.library.files[flavor_id, "2"].data
        assert data is not None
        return data

    def issued_sessions(self, sandbox: Running | None = None) -> set[str]:
        """Return every KS that reached the sandbox, or the one that is named, however it was sent."""
        found = set()
        for record in (sandbox or self.sandbox).log.records():
            parts = [record.parameters, *(part for part in record.parameters.values() if isinstance(part, dict))]
            found |= {str(part["ks"]) for part in parts if part.get("ks")}
            if "/ks/" in record.path:
                found.add(record.path.split("/ks/")[1].split("/")[0])
        return found


def connections(service_url: str, library_url: str, ready_ks: str) -> dict[str, str]:
    """Return one connection per authentication method, as environment variables."""
    common = {"conn_type": "kaltura", "host": service_url, "login": str(small.PARTNER_ID)}
    by_id = {
        "KALTURA_DEFAULT": {"password": small.ADMIN_SECRET},
        "KALTURA_APP_TOKEN": {"password": small.APP_TOKEN, "extra": {"app_token_id": small.APP_TOKEN_ID}},
        "KALTURA_SESSION_START": {"password": small.ADMIN_SECRET, "extra": {"auth_method": "session_start"}},
        "KALTURA_LIBRARY": {"password": small.ADMIN_SECRET, "host": library_url},
        "KALTURA_KS": {"password": ready_ks, "extra": {"auth_method": "ks"}},
    }
    return {f"AIRFLOW_CONN_{name}": json.dumps(common | own) for name, own in by_id.items()}


@pytest.fixture(scope="session", params=PYTHONS)
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Give a stage on each Airflow version, one start for all tests; a missing environment is a failure."""
    python = PYTHONS[request.param]
    assert python.exists(), f"{python} is missing; run `make test`, which makes it"
    folder = tmp_path_factory.mktemp(f"airflow-{request.param}")
    dags = folder / "dags"
    shutil.copytree(Path(__file__).parent / "dags", dags, ignore=shutil.ignore_patterns("__pycache__"))
    # No other example: some have a schedule, and would run beside the tests.
    shutil.copy(PROJECT / "example_dags" / "example_kaltura_download.py", dags)
    home = folder / "home"
    home.mkdir()
    shift = [0.0]
    library = small.library(ready_after_seconds=LATE_SECONDS, clock=lambda: time.time() + shift[0])
    with ExitStack() as stack:
        running = stack.enter_context(serve(library))
        large = stack.enter_context(serve(rules.library(entries=LIBRARY_ENTRIES, only_ready_videos=True)))
        ready_ks = started_session(running)
        env = connections(running.base_url, large.base_url, ready_ks)
        airflow = stack.enter_context(StandaloneAirflow(python=python, home=home, dags=dags, env=env))
        yield Stage(airflow, running, large, folder / "lake", ready_ks, shift)


def started_session(running: Running) -> str:
    """Return an admin KS, made by the sandbox itself."""
    import requests  # noqa: PLC0415 - only here

    data = {"format": 1, "secret": small.ADMIN_SECRET, "partnerId": small.PARTNER_ID, "type": 2, "expiry": 86400}
    url = f"{running.base_url}/api_v3/service/session/action/start"
    with requests.Session() as http:
        http.trust_env = False
        return str(http.post(url, data=data, timeout=30).json())
