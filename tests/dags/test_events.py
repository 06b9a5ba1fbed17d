"""The DAG that is scheduled by events: what its watcher is, what a run makes of events, and of ids typed in."""

from __future__ import annotations

from types import SimpleNamespace

from airflow_provider_kaltura.compat import BaseEventTrigger, BaseTrigger
from airflow_provider_kaltura.sandbox import small
from airflow_provider_kaltura.triggers import KalturaEntryReadyTrigger
from tests.dags.conftest import load_example

HAS_EVENTS = BaseEventTrigger is not BaseTrigger


def event(entry_id):
    """Make an event as Airflow gives it to a task."""
    return SimpleNamespace(extra={"from_trigger": True, "payload": {"entryId": entry_id}})


def test_an_asset_with_a_watcher_schedules_it_where_airflow_can():
    """Airflow 3 runs the watcher's trigger; on 2.11 the DAG is there, and has no schedule."""
    dag = load_example("example_kaltura_events")
    if not HAS_EVENTS:
        assert dag.schedule_interval is None
        return
    (watched,) = dag.timetable.asset_condition.objects
    (watcher,) = watched.watchers
    assert isinstance(watcher.trigger, KalturaEntryReadyTrigger)
    assert watcher.trigger.media_types == ["video"]


def test_entries_of_all_events_come_into_one_run():
    """Each once, whatever asset they come from; events that are none of ours are left out."""
    list_them = load_example("example_kaltura_events").get_task("ready_entries").python_callable
    events = {"a": [event("1_a"), event("1_b")], "b": [event("1_a"), SimpleNamespace(extra={})]}
    assert list_them(params={"entry_ids": None}, triggering_asset_events=events) == ["1_a", "1_b"]
    assert list_them(params={"entry_ids": "1_c,1_d\n1_c"}, triggering_asset_events=None) == ["1_c", "1_d"]


def test_entries_are_downloaded_together(run_dag, sandbox, tmp_path):
    """One task fetches them, and the bytes are those of the library."""
    wanted = [small.READY, small.UNICODE]
    conf = {"entry_ids": "\n".join(wanted), "destination": f"{tmp_path}/{{entryId}}-{{flavorId}}.{{format}}"}
    run = run_dag(load_example("example_kaltura_events"), conf)
    assert {str(instance.state) for instance in run.get_task_instances()} == {"success"}
    for entry_id in wanted:
        flavor_id = small.flavor_id_of(entry_id, 0)
        source = sandbox.library.file(flavor_id, "2").read()
        assert (tmp_path / f"{entry_id}-{flavor_id}.mp4").read_bytes() == source
