"""A triggerer of its own process, alone or with the rest of an Airflow, and rows in its database."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from airflow_provider_kaltura.sandbox import lifecycle, rules, small, video
from airflow_provider_kaltura.sandbox.library import FLAVOR
from airflow_provider_kaltura.sandbox.server import serve
from scripts.standalone import StandaloneAirflow

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]
SENSOR = "airflow_provider_kaltura.triggers.kaltura.KalturaFlavorReadyTrigger"
#: What the sensors wait for: the flavor of this flavor params, which is converting.
WANTED = 8


def settings(url, capacity, watchers, interval):
    """Give what an Airflow needs in its environment for these tests."""
    fields = {"conn_type": "kaltura", "host": url, "login": str(small.PARTNER_ID), "password": small.ADMIN_SECRET}
    return {
        "AIRFLOW_CONN_KALTURA_DEFAULT": json.dumps(fields),
        "AIRFLOW__TRIGGERER__CAPACITY": str(capacity),
        # Else it takes 50 in a round, which is for several triggerers to share.
        "AIRFLOW__TRIGGERER__MAX_TRIGGER_TO_SELECT_PER_LOOP": str(capacity),
        "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "2",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
        "PYTHONPATH": str(HERE),
        "WATCHERS": str(watchers),
        "WATCHERS_INTERVAL": str(interval),
    }


class Rows:
    """The process that writes into the database."""

    def __init__(self, env, home):
        self._log = (home / "rows.log").open("w")
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "rows.py")],
            env=env,
            cwd=home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def __call__(self, name, *arguments):
        """Have a function of ``rows.py`` called."""
        self._process.stdin.write(json.dumps([name, *arguments]) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, Path(self._log.name).read_text()[-3000:]
        return json.loads(answer)

    def close(self):
        """End it."""
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()
        self._log.close()


class TriggererAlone:
    """``airflow triggerer`` with a database, and nothing else of Airflow: tasks that it resumes stay scheduled."""

    def __init__(self, home, env):
        self.home = home
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        self.env = {
            **inherited,
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__FERNET_KEY": "",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
            "NO_PROXY": "127.0.0.1,localhost",
            **env,
        }
        self._process = None

    def start(self):
        """Start it; the database must be there."""
        with (self.home / "triggerer.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "airflow", "triggerer", "--skip-serve-logs"],
                env=self.env,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def stop(self):
        """End it and what it has started."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)

    def logs(self):
        """Return what it printed and logged."""
        files = [self.home / "triggerer.log", *sorted((self.home / "logs").rglob("*.log*"))]
        return "\n".join(file.read_text(errors="replace") for file in files if file.is_file())


class Probe:
    """What the probe in the triggerer has measured."""

    def __init__(self, path):
        self.path = path

    def trigger(self):
        """Give its class path and arguments."""
        return ["triggerer_probe.ProbeTrigger", {"path": str(self.path)}]

    def lines(self, since=0.0, until=float("inf")):
        """List its lines of a time."""
        text = self.path.read_text() if self.path.exists() else ""
        lines = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
        return [line for line in lines if since < line["at"] <= until]

    def wait_for_tasks(self, least, timeout_seconds, most=float("inf")):
        """Wait until the triggerer's loop has so many tasks."""
        wait_until(lambda: (lines := self.lines()) and least <= lines[-1]["tasks"] <= most, timeout_seconds)

    def wait_until_measured(self, moment):
        """Wait until it has measured up to a moment."""
        wait_until(lambda: (lines := self.lines()) and lines[-1]["at"] >= moment, 600)

    def p99(self, since, until):
        """Give the drift in seconds that 99 of 100 naps of a time stayed below."""
        drifts = sorted(drift for line in self.lines(since, until) for drift in line["drifts"])
        assert len(drifts) >= 200
        return drifts[int(len(drifts) * 0.99)]

    def resident(self):
        """Give the bytes that the process holds now."""
        return self.lines()[-1]["bytes"]


def wait_until(is_so, timeout_seconds):
    """Wait until something is so."""
    deadline = time.monotonic() + timeout_seconds
    while not is_so():
        assert time.monotonic() < deadline, f"still not so after {timeout_seconds} s"
        time.sleep(0.2)


@pytest.fixture
def crowd_of(monkeypatch):
    """Serve so many entries of eight flavors, one of which is converting; give the server and their ids."""
    monkeypatch.setattr(video, "mp4", functools.cache(video.mp4))
    with contextlib.ExitStack() as stack:

        def make(number):
            library = rules.library(entries=number, only_ready_videos=True)
            ids = [library.entry_id(one) for one in range(number)]
            running = stack.enter_context(serve(library))
            for entry_id in ids:
                running.control.set_flavor(wanted_of(library, entry_id), status=lifecycle.CONVERTING)
            return running, ids

        yield make


def wanted_of(library, entry_id):
    """Give the id of the flavor that the sensors wait for."""
    (found,) = [
        asset["id"]
        for asset in library.assets_of(FLAVOR, [entry_id], small.PARTNER_ID)
        if asset["flavorParamsId"] == WANTED
    ]
    return found


def sensors(ids, interval):
    """Give the triggers of deferred sensors, as :meth:`Rows` takes them."""
    kwargs = {"kaltura_conn_id": "kaltura_default", "flavor": f"params:{WANTED}", "poll_interval": interval}
    return [[SENSOR, {**kwargs, "entry_id": entry_id, "deadline": time.time() + 86400}] for entry_id in ids]


@pytest.fixture
def alone(tmp_path):
    """Give a function that starts a triggerer alone, with its rows."""
    with contextlib.ExitStack() as stack:

        def make(env):
            home = tmp_path / "home"
            shutil.copytree(HERE / "dags", home / "dags", ignore=shutil.ignore_patterns("__pycache__"))
            triggerer = TriggererAlone(home, env)
            rows = Rows(triggerer.env, home)
            stack.callback(rows.close)
            stack.callback(triggerer.stop)
            return triggerer, rows, Probe(tmp_path / "probe.jsonl")

        yield make


@pytest.fixture
def whole(tmp_path):
    """Give a function that starts a whole Airflow, with rows in its database."""
    with contextlib.ExitStack() as stack:

        def make(env):
            home, dags = tmp_path / "home", tmp_path / "dags"
            home.mkdir()
            shutil.copytree(HERE / "dags", dags, ignore=shutil.ignore_patterns("__pycache__"))
            airflow = StandaloneAirflow(python=Path(sys.executable), home=home, dags=dags, env=env)
            airflow.dags = dags
            stack.enter_context(airflow)
            rows = Rows({**os.environ, **airflow._own_env}, home)
            stack.callback(rows.close)
            return airflow, rows, Probe(tmp_path / "probe.jsonl")

        yield make
