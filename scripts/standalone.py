"""A whole Airflow of its own, on free ports of 127.0.0.1, for the demo and the end-to-end tests."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import requests

if TYPE_CHECKING:
    from collections.abc import Mapping

START_SECONDS = 300
STOP_SECONDS = 10
POLL_SECONDS = 0.5
FINAL_STATES = frozenset({"success", "failed"})

# `airflow standalone` starts its parts as `airflow …` from PATH. This stands in front: it picks our interpreter, and
# switches the log servers off, which listen on every interface; logs are read from the files they lie in.
SHIM = """#!/bin/sh
case "$1" in
  scheduler|triggerer) exec "{python}" -m airflow "$@" --skip-serve-logs ;;
  standalone) exec "{python}" -c "$AIRFLOW_STARTER" ;;
  *) exec "{python}" -m airflow "$@" ;;
esac
"""

# Should we be killed, the kernel interrupts standalone (PR_SET_PDEATHSIG), which then ends its parts.
STARTER = """
import ctypes, runpy, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGINT)
sys.argv = ["airflow", "standalone"]
runpy.run_module("airflow", run_name="__main__")
"""


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class StandaloneAirflow:
    """
    Runs ``airflow standalone`` in a folder of its own and talks to it over REST, on Airflow 2.11 and 3.x.

    :param python: Interpreter of the environment whose Airflow is to run.
    :param home: Folder that becomes AIRFLOW_HOME; logs and the SQLite database land there.
    :param dags: Folder with the DAG files.
    :param env: Further environment variables, such as AIRFLOW_CONN_KALTURA_DEFAULT.
    """

    def __init__(self, *, python: Path, home: Path, dags: Path, env: Mapping[str, str]) -> None:
        self.python = python
        self.home = home
        self.port = free_port()
        self._own_env = {**self._settings(dags), **env}
        self._process: subprocess.Popen[bytes] | None = None
        self._http = requests.Session()
        self._http.trust_env = False
        self.version = ""

    @property
    def base_url(self) -> str:
        """Where the web server or API server listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def console_log(self) -> Path:
        """What the parts of Airflow print."""
        return self.home / "standalone.log"

    def _settings(self, dags: Path) -> dict[str, str]:
        port = str(self.port)
        return {
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__FERNET_KEY": "",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.base_url}/execution/",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.home}/airflow.db",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": port,
            "AIRFLOW__API__BASE_URL": self.base_url,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API__AUTH_BACKENDS": "airflow.api.auth.backend.basic_auth",
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
            "AIRFLOW__WEBSERVER__WEB_SERVER_HOST": "127.0.0.1",
            "AIRFLOW__WEBSERVER__WEB_SERVER_PORT": port,
            "AIRFLOW__WEBSERVER__BASE_URL": self.base_url,
            "AIRFLOW__WEBSERVER__WORKERS": "1",
            "AIRFLOW__WEBSERVER__WEB_SERVER_MASTER_TIMEOUT": str(START_SECONDS),
            "AIRFLOW__WEBSERVER__SECRET_KEY": secrets.token_hex(32),
            "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "2",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "NO_COLOR": "1",
            # A proxy of the machine must not come between the parts of Airflow.
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """
        Start all parts and wait until each says that it is healthy.

        :raises RuntimeError: A part did not come up in time; the end of its output is in the message.
        """
        bin_folder = self.home / "bin"
        bin_folder.mkdir(parents=True, exist_ok=True)
        shim = bin_folder / "airflow"
        shim.write_text(SHIM.format(python=self.python))
        shim.chmod(0o755)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        own = {**self._own_env, "AIRFLOW_STARTER": STARTER}
        env = {**inherited, **own, "PATH": f"{bin_folder}{os.pathsep}{os.environ.get('PATH', '')}"}
        with self.console_log.open("wb") as console:
            self._process = subprocess.Popen(
                [str(shim), "standalone"],
                env=env,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._healthy():
            if self._process.poll() is not None or time.monotonic() > deadline:
                tail = self.console_log.read_text(errors="replace")[-3000:]
                raise RuntimeError(f"Airflow did not become healthy within {START_SECONDS} s:\n{tail}")
            time.sleep(POLL_SECONDS)

    def _healthy(self) -> bool:
        with contextlib.suppress(requests.RequestException, ValueError, KeyError):
            for path in ("/api/v2/monitor/health", "/api/v1/health"):
                answer = self._http.get(self.base_url + path, timeout=10)
                if answer.ok and "application/json" in answer.headers.get("Content-Type", ""):
                    self.version = path.split("/")[2]
                    parts = answer.json()
                    needed = {"metadatabase", "scheduler", "triggerer"} | (
                        {"dag_processor"} if self.version == "v2" else set()
                    )
                    return all(parts[part]["status"] == "healthy" for part in needed) and self._login()
        return False

    def _login(self) -> bool:
        if self.version == "v2":
            answer = self._http.get(f"{self.base_url}/auth/token", timeout=10)
            self._http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        else:
            password = self.home / "standalone_admin_password.txt"
            if not password.exists():
                return False
            self._http.auth = ("admin", password.read_text().strip())
        return True

    def api(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        """
        Call the REST API.

        :param method: HTTP method.
        :param path: Path below ``/api/v1/`` or ``/api/v2/``.
        :param arguments: For ``requests``.
        :returns: The JSON answer.
        :raises RuntimeError: The answer's status is not 2xx.
        """
        answer = self._http.request(method, f"{self.base_url}/api/{self.version}/{path}", timeout=60, **arguments)
        if not answer.ok:
            raise RuntimeError(f"{method} {path}: HTTP {answer.status_code}: {answer.text[:500]}")
        body: dict[str, Any] = answer.json() if answer.content else {}
        return body

    def wait_for_dag(self, dag_id: str, timeout_seconds: float = 120) -> None:
        """
        Wait until the DAG was parsed.

        :param dag_id: Its id.
        :param timeout_seconds: How long to wait at most.
        :raises RuntimeError: It did not appear; import errors are in the message.
        """
        deadline = time.monotonic() + timeout_seconds
        while True:
            listed = {dag["dag_id"] for dag in self.api("GET", "dags")["dags"]}
            if dag_id in listed:
                return
            if time.monotonic() > deadline:
                errors = self.api("GET", "importErrors")["import_errors"]
                raise RuntimeError(f"DAG {dag_id} did not appear; DAGs: {sorted(listed)}; import errors: {errors}")
            time.sleep(POLL_SECONDS)

    def trigger(self, dag_id: str, conf: Mapping[str, Any]) -> str:
        """
        Trigger a run, as the button in the UI does.

        :param dag_id: Which DAG.
        :param conf: The run's configuration (the trigger form's values).
        :returns: The run's id.
        """
        body: dict[str, Any] = {"conf": dict(conf)}
        if self.version == "v2":
            body["logical_date"] = None
        return str(self.api("POST", f"dags/{dag_id}/dagRuns", json=body)["dag_run_id"])

    def task_states(self, dag_id: str, run_id: str) -> dict[str, str]:
        """Return the state of each task of a run (mapped ones as ``task[0]``)."""
        rows = self.api("GET", f"dags/{dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"]
        return {
            row["task_id"] + (f"[{row['map_index']}]" if row["map_index"] >= 0 else ""): str(row["state"])
            for row in rows
        }

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> Any:
        """Return an XCom as the REST API gives it."""
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/{key}"
        options = {"stringify": "false"} if self.version == "v1" else {}
        return self.api("GET", path, params=options)["value"]

    def wait(self, dag_id: str, run_id: str, timeout_seconds: float = 300) -> tuple[str, dict[str, set[str]]]:
        """
        Wait for the end of a run.

        :param dag_id: Which DAG.
        :param run_id: Which run.
        :param timeout_seconds: How long to wait at most.
        :returns: The run's final state, and every state in which each task was seen.
        :raises RuntimeError: It did not end in time.
        """
        deadline = time.monotonic() + timeout_seconds
        seen: dict[str, set[str]] = {}
        while True:
            for task, state in self.task_states(dag_id, run_id).items():
                seen.setdefault(task, set()).add(state)
            state = str(self.api("GET", f"dags/{dag_id}/dagRuns/{run_id}")["state"])
            if state in FINAL_STATES:
                for task, last in self.task_states(dag_id, run_id).items():
                    seen.setdefault(task, set()).add(last)
                return state, seen
            if time.monotonic() > deadline:
                raise RuntimeError(f"run {run_id} of {dag_id} is still {state} after {timeout_seconds} s: {seen}")
            time.sleep(POLL_SECONDS)

    def logs(self) -> str:
        """Return all that was logged: the console and every task's log file."""
        files = [self.console_log, *sorted((self.home / "logs").rglob("*.log*"))]
        return "\n".join(f"== {file}\n{file.read_text(errors='replace')}" for file in files if file.is_file())

    def stop(self) -> None:
        """Stop every process of this Airflow, and no other; harmless when repeated."""
        process, self._process = self._process, None
        if process is None:
            return
        group = process.pid
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)  # standalone then ends its parts in order
        for sign in (None, signal.SIGTERM, signal.SIGKILL):
            if sign is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(group, sign)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=STOP_SECONDS)
            if not self._group_alive(group):
                break
        for pid in self._left_over():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    @staticmethod
    def _group_alive(group: int) -> bool:
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            try:
                os.killpg(group, 0)
            except ProcessLookupError:
                return False
            time.sleep(0.1)
        return True

    def _left_over(self) -> list[int]:
        """Processes that left the group but carry our AIRFLOW_HOME in their environment."""
        marker = f"AIRFLOW_HOME={self.home}\0".encode()
        found = []
        for environ in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if marker in environ.read_bytes() and int(environ.parent.name) != os.getpid():
                    found.append(int(environ.parent.name))
        return found
