"""A library in Airflow for some nights: the lake equals it each time, and whoever runs again changes nothing."""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest
from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_kaltura.api.runtime import forget_all
from airflow_provider_kaltura.operators import KalturaSyncToStorageOperator
from airflow_provider_kaltura.sandbox import rules, small, truth
from airflow_provider_kaltura.sandbox.server import serve
from tests.dags.conftest import _store, load_example
from tests.dags.test_examples import result_of, states
from tests.dags.test_listing import mapped

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
CHANGES = ("created", "updated", "replaced", "reconverted", "deleted", "flavor_added", "flavor_deleted", "unreadied")


class Library:
    """A library of videos that moves."""

    def __init__(self, running):
        self.control, self.library, self.log = running.control, running.control.library, running.control.log
        self.control.set_clock(runs=False)

    def day(self):
        """Let all kinds of changes happen, each several times, with an index that lags behind; then it is night."""
        self.control.set_index_lag(30)
        for _ in range(3):
            for change in CHANGES:
                self.control.change(change)
                self.control.advance_clock(60)
        self.control.advance_clock(3_600)

    def expected(self):
        """Give what a copy of every flavor holds, by name."""
        return {
            f"{row['id']}/{flavor['id']}": flavor["sha256"]
            for row in truth.rows(self.library)
            for flavor in row["flavors"]
            if flavor["status"] in {2, 9}
        }


@pytest.fixture
def moving(sandbox, monkeypatch):  # noqa: ARG001, whose connection this one replaces
    """Serve 30 videos of eight flavors, and let the default connection lead there."""
    with serve(rules.library(entries=30, only_ready_videos=True)) as running:
        forget_all()
        connection = {
            "conn_type": "kaltura",
            "host": running.base_url,
            "login": str(rules.PARTNER_ID),
            "password": rules.ADMIN_SECRET,
        }
        monkeypatch.setenv("AIRFLOW_CONN_KALTURA_DEFAULT", json.dumps(connection))
        yield Library(running)
    forget_all()


@pytest.fixture
def at_night(moving, monkeypatch):
    """Let a sync take the sandbox's clock for the worker's own."""
    from airflow_provider_kaltura.ingest import sync as module  # noqa: PLC0415 - not before Airflow has its home

    now = functools.partial(lambda clock: datetime.fromtimestamp(clock(), UTC), moving.control.clock)
    monkeypatch.setattr(module, "sync", functools.partial(module.sync, utcnow=now))
    return moving


@pytest.fixture
def run_at(airflow_database, sandbox):  # noqa: ARG001, a DAG needs both to run
    """Give a function that runs a DAG for a logical date."""

    def run(dag, moment, conf=None):
        _store(dag)
        name = "logical_date" if "logical_date" in inspect.signature(dag.test).parameters else "execution_date"
        return dag.test(run_conf=conf or {}, **{name: moment})

    return run


def lake(root):
    """Give what stands below a root, by entry and flavor."""
    return {
        f"{path.parent.name}/{path.stem}": hashlib.sha256(path.read_bytes()).hexdigest() for path in root.rglob("*.mp4")
    }


def test_three_nights(run_at, at_night, tmp_path):
    """The example, night after night; each past one once more, and nothing is fetched, written or removed."""
    dag = load_example("example_kaltura_nightly")
    conf = {"root": str(tmp_path), "flavor": "each", "on_deleted": "delete"}
    begun = [at_night.control.clock()]
    for night in range(3):
        run = run_at(dag, START + night * DAY, conf)
        assert states(run) == {("sync", -1): "success"}
        found = result_of(run, "sync")
        assert (found["full"], found["failed"], found["cursorMoved"]) == (night == 0, 0, True)
        assert lake(tmp_path) == at_night.expected()
        at_night.day()
        begun.append(at_night.control.clock())
    run_at(dag, START + 3 * DAY, conf)
    before = lake(tmp_path)
    assert before == at_night.expected()
    for night in range(3):
        at_night.log.reset_counts()
        since, until = (datetime.fromtimestamp(moment, UTC).isoformat() for moment in begun[night : night + 2])
        again = run_at(dag, START + (10 + night) * DAY, {**conf, "since": since, "until": until})
        found = result_of(again, "sync")
        assert (found["planned"], found["bytes"], found["gone"]) == (0, 0, {})
        assert at_night.log.media_requests == 0
        assert lake(tmp_path) == before


def test_data_intervals(run_at, at_night, tmp_path):
    """A timetable with intervals; the same night twice, and another one before it."""
    from airflow.timetables.interval import CronDataIntervalTimetable  # noqa: PLC0415 - see at_night

    today = datetime.fromtimestamp(at_night.control.clock(), UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with DAG("by_interval", schedule=CronDataIntervalTimetable("@daily", "UTC"), start_date=START) as dag:
        KalturaSyncToStorageOperator(
            task_id="sync", destination=f"{tmp_path}/{{entryId}}/{{flavorId}}.{{format}}", window="interval"
        )
    found = [result_of(run_at(dag, today - days * DAY), "sync") for days in (3, 2, 2, 3)]
    assert [one["full"] for one in found] == [True, False, False, False]
    assert [one["downloaded"] for one in found] == [30, 0, 0, 0]
    assert {one["bytes"] for one in found[1:]} == {0}


def test_only_planned_in_a_dag(run_dag, moving, tmp_path):
    """Nothing is moved; the file says what would be, and the next run has all of it to do."""
    conf = {"root": str(tmp_path), "plan_only": True}
    found = result_of(run_dag(load_example("example_kaltura_nightly"), conf), "sync")
    assert (found["planOnly"], found["planned"], found["bytes"]) == (True, 30, 0)
    assert lake(tmp_path) == {}
    assert found["report"].startswith(f"{tmp_path}/_kaltura/plans/")
    assert moving.log.media_requests == 0
    run = run_dag(load_example("example_kaltura_nightly"), {**conf, "plan_only": False})
    assert result_of(run, "sync")["downloaded"] == 30


def test_two_runs_at_once(run_dag, at_night, tmp_path):
    """Neither harms the other: each file is whole and right, and the next run has nothing to do."""
    arguments = {"destination": f"{tmp_path}/{{entryId}}/{{flavorId}}.{{format}}", "flavor": "each"}
    found = []

    # Airflow 2.11 guards execute() by something that only its main thread has.
    execute = KalturaSyncToStorageOperator.execute
    execute = getattr(execute, "__wrapped__", execute)

    def sync():
        found.append(execute(KalturaSyncToStorageOperator(task_id="sync", **arguments), {}))

    threads = [Thread(target=sync) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    assert lake(tmp_path) == at_night.expected()
    with DAG("after_two", schedule=None, start_date=START) as dag:
        KalturaSyncToStorageOperator(task_id="sync", **arguments)
    assert result_of(run_dag(dag), "sync")["planned"] == 0


def test_a_backfill_by_month(run_dag, at_night, tmp_path):
    """Each month fetches its own, in a pool; the nightly run after them fetches nothing and has the cursor."""
    create_pool("kaltura")
    at_night.control.set_index_lag(0)
    for number in range(4):
        at = int(datetime(2025, 3 + number // 2, 10 + number, tzinfo=UTC).timestamp())
        at_night.control.add_entry(f"0_lecture{number}", createdAt=at, mediaType=1)
        at_night.control.add_flavor(f"0_lecture{number}")
    conf = {"root": str(tmp_path), "first_month": "2025-03", "last_month": "2025-05"}
    run = run_dag(load_example("example_kaltura_backfill"), conf)
    assert set(states(run).values()) == {"success"}
    found = mapped(run, "sync_month")
    assert [one["downloaded"] for one in found] == [2, 2, 0]
    assert [one["entries"] for one in found] == [2, 2, 0]
    assert not (tmp_path / "_kaltura" / "cursor").exists()
    at_night.control.advance_clock(60)
    after = result_of(run_dag(load_example("example_kaltura_nightly"), {"root": str(tmp_path)}), "sync")
    assert (after["unchanged"], after["downloaded"], after["cursorMoved"]) == (4, 30, True)


def test_mapped_tasks_with_moving_roots_are_refused(run_dag, sandbox, tmp_path):
    """Whether the template is fixed, mapped, or comes from another task; a fixed list of destinations is none."""
    names = "{entryId}/{flavorId}.{format}"
    with DAG("moving_roots", schedule=None, start_date=START) as dag:

        @task
        def folders():
            return [f"{tmp_path}/a/{names}"]

        @task
        def rows_of_arguments():
            return [{"destination": f"{tmp_path}/a/{names}"}]

        made = KalturaSyncToStorageOperator
        made.partial(task_id="fixed", destination=f"{tmp_path}/{{{{ dag.dag_id }}}}/{names}").expand(tags=["a"])
        made.partial(task_id="given").expand(destination=folders())
        made.partial(task_id="rows").expand_kwargs(rows_of_arguments())
        made(task_id="single", destination=folders())
        made.partial(task_id="stays").expand(destination=[f"{tmp_path}/b/{names}", f"{tmp_path}/c/{names}"])
    state = states(run_dag(dag))
    refused = {("fixed", 0), ("given", 0), ("rows", 0), ("single", -1)}
    assert {key for key, value in state.items() if value == "failed"} == refused
    assert [state["stays", 0], state["stays", 1]] == ["success", "success"]
    assert not (tmp_path / "a").exists()
    assert (tmp_path / "b" / small.READY).is_dir()
    assert sandbox.log.media_requests > 0


@pytest.mark.parametrize("name", ["example_kaltura_nightly", "example_kaltura_backfill"])
def test_params_make_a_form(name):
    """Every parameter has a title, a description and a type; the DAG has the name of its file."""
    dag = load_example(name)
    assert dag.dag_id == name
    for param in dag.params.values():
        assert {"title", "type"} <= set(param.schema)
        assert param.description


def create_pool(name):
    """Create a pool, as an administrator does."""
    from airflow.models.pool import Pool  # noqa: PLC0415 - see at_night
    from airflow.utils.session import create_session  # noqa: PLC0415 - see at_night

    with create_session() as session:
        if session.query(Pool).filter(Pool.pool == name).first() is None:
            session.add(Pool(pool=name, slots=2, include_deferred=False))
