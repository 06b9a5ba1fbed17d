"""
Write rows into the database of an Airflow, as a process of its own with that Airflow's environment.

Each line of standard input is a JSON list, the name of a function here and its arguments; each is answered by one line.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime, timedelta

from airflow.models.dag_version import DagVersion
from airflow.models.dagrun import DagRun
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import Trigger
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState, TaskInstanceState
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from sqlalchemy import func, select

DAG_ID, RUN_ID, TASK_ID = "crowd", "crowd", "wait"


def prepare():
    """Make the database."""
    from airflow.models.dagbundle import DagBundleModel  # noqa: PLC0415 - after the database is there
    from airflow.utils.db import initdb  # noqa: PLC0415 - not for the others

    initdb()
    with create_session() as session:
        session.merge(DagBundleModel(name="tests"))


def store(folder):
    """Store the DAGs of a folder, with the watchers of their assets, as the DAG processor does."""
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db  # noqa: PLC0415 - not for the others

    bag = DagBag(dag_folder=folder, bundle_path=folder, bundle_name="tests")
    sync_bag_to_db(bag, "tests", None)
    return [sorted(bag.dag_ids), bag.import_errors]


def fill(triggers):
    """Have each trigger, a class path and arguments, waited for by a deferred task instance."""
    with create_session() as session:
        dag = SerializedDagModel.get_dag(DAG_ID, session=session)
        version = DagVersion.get_latest_version(DAG_ID, session=session)
        if session.scalar(select(DagRun).where(DagRun.dag_id == DAG_ID)) is None:
            run = DagRun(dag_id=DAG_ID, run_id=RUN_ID, run_type=DagRunType.MANUAL, state=DagRunState.RUNNING)
            run.run_after = run.start_date = datetime.now(UTC)
            run.triggered_by = DagRunTriggeredByType.TEST
            run.created_dag_version_id = version.id
            session.add(run)
            session.flush()
        last = session.scalar(select(func.max(TaskInstance.map_index)).where(TaskInstance.dag_id == DAG_ID))
        rows = [Trigger(classpath=classpath, kwargs=kwargs) for classpath, kwargs in triggers]
        session.add_all(rows)
        session.flush()
        for index, row in enumerate(rows, 0 if last is None else last + 1):
            instance = TaskInstance(dag.get_task(TASK_ID), version.id, RUN_ID, TaskInstanceState.DEFERRED, index)
            instance.trigger_id = row.id
            instance.next_method = "execute_complete"
            instance.start_date = datetime.now(UTC)
            session.add(instance)


def fill_time_deltas(number, seconds):
    """Have so many of Airflow's own triggers waited for, each until then."""
    kwargs = {"moment": datetime.now(UTC) + timedelta(seconds=seconds), "end_from_trigger": False}
    fill([("airflow.providers.standard.triggers.temporal.DateTimeTrigger", kwargs)] * number)


def drop(part):
    """End whoever waits for a trigger with such a word in its class path."""
    with create_session() as session:
        rows = select(Trigger.id).where(Trigger.classpath.contains(part))
        for instance in session.scalars(select(TaskInstance).where(TaskInstance.trigger_id.in_(rows))):
            instance.trigger_id, instance.state = None, TaskInstanceState.SUCCESS


def count():
    """Tell how many triggers of each class there are, and how many asset events."""
    from airflow.models.asset import AssetEvent  # noqa: PLC0415 - not for the others

    with create_session() as session:
        classes = session.execute(select(Trigger.classpath, func.count()).group_by(Trigger.classpath)).all()
        events = session.scalar(select(func.count(AssetEvent.id)))
        return {"events": events, **{str(name).rpartition(".")[2]: number for name, number in classes}}


def told():
    """Tell what the events of assets hold: the asset's name and the event."""
    from airflow.models.asset import AssetEvent, AssetModel  # noqa: PLC0415 - not for the others

    with create_session() as session:
        pairs = session.execute(
            select(AssetModel.name, AssetEvent.extra).join(AssetEvent, AssetEvent.asset_id == AssetModel.id)
        )
        return [[name, extra["payload"]] for name, extra in pairs]


def main():
    """Answer lines until there are no more."""
    answers = os.fdopen(os.dup(1), "w")
    # What Airflow prints is not an answer.
    os.dup2(2, 1)
    functions = {one.__name__: one for one in (prepare, store, fill, fill_time_deltas, drop, count, told)}
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        print(json.dumps(functions[name](*arguments)), file=answers, flush=True)


if __name__ == "__main__":
    main()
