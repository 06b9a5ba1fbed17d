"""A library in one DAG run: listed into slices, downloaded by mapped tasks, and the lake equals the library."""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from configparser import ConfigParser
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_kaltura.sandbox import small
from airflow_provider_kaltura.sandbox.library import FLAVOR
from tests.secret_scan import scan_home

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.conftest import Stage

log = logging.getLogger(__name__)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

DAG = "e2e_mapped"
MOST_XCOM_BYTES = 16 * 1024
MOST_GROWN_BYTES = 150 * 1024 * 1024
EXECUTORS = {"v1": "SequentialExecutor", "v2": "LocalExecutor"}


@dataclass
class Wanted:
    """The oldest entries of the library, and the files that a lake of them has."""

    until: int
    files: dict[str, tuple[str, str]]

    @classmethod
    def oldest(cls, stage: Stage, count: int) -> Wanted:
        """Take so many, and what was created in the same second as the last of them."""
        library = stage.library.library
        entries = sorted(library.entries.values(), key=lambda entry: int(entry["createdAt"]))
        until = int(entries[count - 1]["createdAt"]) + 1
        files = {}
        for entry in entries[: count + 1_000]:
            if int(entry["createdAt"]) < until:
                (source,) = [one for one in library.entry_assets[FLAVOR][entry["id"]] if one["isOriginal"]]
                year = datetime.fromtimestamp(int(entry["createdAt"]), UTC).year
                name = f"{year}/{entry['id']}/{source['id']}.{source['fileExt']}"
                files[name] = (source["id"], source["version"])
        return cls(until, files)

    def conf(self, lake: Path, tasks: int) -> dict[str, Any]:
        """Ask for them in at most so many tasks."""
        return {
            "lake": str(lake),
            "created_until": datetime.fromtimestamp(self.until, UTC).isoformat(),
            "measures": f"{lake}-measures",
            "entries_per_slice": ceil(len(self.files) / tasks),
        }


def run(stage: Stage, wanted: Wanted, name: str, tasks: int, seconds: float = 600) -> Path:
    """Run the DAG to its end, which must be a success in one try of each task; gives the lake."""
    lake = stage.lake / name
    stage.airflow.wait_for_dag(DAG)
    run_id = stage.airflow.trigger(DAG, wanted.conf(lake, tasks))
    begun = time.monotonic()
    state, seen = stage.airflow.wait(DAG, run_id, seconds)
    assert state == "success", f"{seen}\n{stage.airflow.logs()[-6000:]}"
    log.info("%s: %d entries in %.0f s", name, len(wanted.files), time.monotonic() - begun)
    mapped = sum(task.startswith("download[") for task in seen)
    assert mapped == ceil(len(wanted.files) / ceil(len(wanted.files) / tasks))
    return lake


def assert_equals_library(stage: Stage, lake: Path, wanted: Wanted) -> None:
    """Compare each byte, and find nothing that does not belong there."""
    found = {str(file.relative_to(lake)): file for file in lake.rglob("*") if file.is_file()}
    media = {name: file for name, file in found.items() if not name.startswith("_kaltura/")}
    assert set(media) == set(wanted.files)
    for name, (flavor_id, version) in wanted.files.items():
        stored = stage.library.library.file(flavor_id, version)
        assert stored is not None
        assert media[name].read_bytes() == stored.read(), name


def assert_small(stage: Stage, lake: Path, tasks: int) -> None:
    """Look at what the tasks pushed, and at what each process grew to."""
    with closing(sqlite3.connect(f"file:{stage.airflow.home}/airflow.db?mode=ro", uri=True)) as database:
        sizes = [size for (size,) in database.execute("SELECT length(CAST(value AS BLOB)) FROM xcom")]
    assert sizes
    assert max(sizes) <= MOST_XCOM_BYTES
    measures = [json.loads(file.read_text()) for file in lake.with_name(f"{lake.name}-measures").iterdir()]
    assert 0 < len(measures) <= tasks
    most = max(one["grown"] for one in measures)
    log.info("XComs have up to %d bytes, tasks grew by up to %d MiB", max(sizes), most >> 20)
    assert most <= MOST_GROWN_BYTES


@pytest.fixture
def limited(stage: Stage) -> Iterator[Stage]:
    """Give the stage, and take all limits off again."""
    yield stage
    stage.library.control.rates.off()


def executor_of(stage: Stage) -> str:
    """Tell which executor this Airflow has, by its own configuration."""
    settings = ConfigParser(interpolation=None, strict=False)
    settings.read(stage.airflow.home / "airflow.cfg")
    return settings["core"]["executor"]


class TestMappedBatches:
    """One DAG run for a library."""

    def test_the_lake_equals_the_library(self, stage: Stage) -> None:
        """A thousand entries on LocalExecutor, fifty on Airflow 2's SequentialExecutor; small XComs, little memory."""
        assert executor_of(stage) == EXECUTORS[stage.airflow.version]
        count, tasks = (1_000, 8) if stage.airflow.version == "v2" else (50, 2)
        wanted = Wanted.oldest(stage, count)
        lake = run(stage, wanted, "mapped", tasks)
        assert_equals_library(stage, lake, wanted)
        assert_small(stage, lake, tasks)

    def test_tasks_that_are_limited_all_come_to_their_end(self, limited: Stage) -> None:
        """Eight against a limit of actions in 10 seconds: all green, at most a fifth of the requests blocked."""
        # Airflow 2 runs one after the other here: two show that they pass.
        count, tasks, actions = (80, 8, 40) if limited.airflow.version == "v2" else (16, 2, 20)
        assert_limited(limited, count, tasks, actions)

    @pytest.mark.all
    def test_a_large_library_in_one_run(self, stage: Stage) -> None:
        """Ten thousand entries on the newest Airflow, two hundred on Airflow 2."""
        count, tasks = (10_000, 20) if stage.airflow.version == "v2" else (200, 4)
        wanted = Wanted.oldest(stage, count)
        lake = run(stage, wanted, "large", tasks, seconds=1500)
        assert_equals_library(stage, lake, wanted)
        assert_small(stage, lake, tasks)

    @pytest.mark.all
    def test_a_limit_that_lasts_for_long(self, limited: Stage) -> None:
        """Eight tasks with more to ask than a window has room for, again and again."""
        assert_limited(limited, 320, 8, 100)

    def test_no_secret_is_left_behind(self, stage: Stage) -> None:
        """No secret and no KS stands in any log, nor in any value of the database."""
        secrets = {small.ADMIN_SECRET} | stage.issued_sessions(stage.library)
        assert len(secrets) > 1, "the library saw no session at all"
        assert scan_home(stage.airflow.home, secrets) == []


def assert_limited(stage: Stage, count: int, tasks: int, actions: int) -> None:
    """Have some tasks meet a limit, and count what it blocked."""
    wanted = Wanted.oldest(stage, count)
    rates = stage.library.control.rates
    rates.reset()
    limit = rates.on(actions)
    lake = run(stage, wanted, f"limited-{count}", tasks)
    assert_equals_library(stage, lake, wanted)
    assert limit.passed > len(wanted.files)
    share = rates.blocked_requests / (rates.blocked_requests + rates.passed_requests)
    log.info(
        "%d requests were blocked, %d were not: %.1f %%", rates.blocked_requests, rates.passed_requests, 100 * share
    )
    assert share <= 0.2
