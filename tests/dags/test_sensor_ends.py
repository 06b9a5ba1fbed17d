"""How a wait ends, as Airflow's own task machinery sees it: in both modes, the same states."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_kaltura.operators import KalturaDownloadToStorageOperator
from airflow_provider_kaltura.sandbox import small
from airflow_provider_kaltura.sensors import KalturaFlavorReadySensor

MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["poke", "deferred"])


def waiting(name, **arguments):
    """Make a DAG of one sensor with retries to spare."""
    with DAG(f"ends_{name}", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        KalturaFlavorReadySensor(
            task_id="wait",
            **{"poke_interval": 0.5, "timeout": 1.5, "retries": 3, "retry_delay": timedelta(0), **arguments},
        )
    return dag


def end_of(run):
    """Give state and number of tries of the only task."""
    (instance,) = run.get_task_instances()
    return str(instance.state), instance.try_number


@MODES
@pytest.mark.parametrize("entry_id", [small.NEVER, small.IMAGE], ids=["timeout", "never"])
def test_an_end_without_a_flavor_fails_and_is_not_retried(run_dag, entry_id, deferrable):
    """Neither a timeout nor a flavor that can never come is worth a retry."""
    run = run_dag(waiting(f"fail_{deferrable}_{entry_id}", entry_id=entry_id, deferrable=deferrable))
    assert end_of(run) == ("failed", 1)


@MODES
@pytest.mark.parametrize("switch", ["soft_fail", "never_fail"])
@pytest.mark.parametrize("entry_id", [small.NEVER, small.IMAGE], ids=["timeout", "never"])
def test_an_end_without_a_flavor_skips_when_asked(run_dag, entry_id, switch, deferrable):
    """soft_fail and never_fail make a skipped task of it."""
    run = run_dag(
        waiting(f"{switch}_{deferrable}_{entry_id}", entry_id=entry_id, deferrable=deferrable, **{switch: True})
    )
    assert end_of(run)[0] == "skipped"


@MODES
def test_templates_are_rendered_before_the_wait(run_dag, deferrable):
    """A templated entry and a list of preferences reach the look, and the trigger, as they are meant."""
    run = run_dag(
        waiting(
            f"template_{deferrable}",
            entry_id="{{ dag_run.conf['entry'] }}",
            flavor=["height>=4000", "{{ dag_run.conf['flavor'] }}"],
            deferrable=deferrable,
        ),
        {"entry": small.READY, "flavor": "smallest"},
    )
    assert end_of(run)[0] == "success"


def test_airflow_does_not_take_the_wait_for_a_stray_call(run_dag):
    """The sensor runs where Airflow allows no execute inside of another."""
    run = run_dag(waiting("nested", entry_id=small.READY, allow_nested_operators=False))
    assert end_of(run)[0] == "success"


def test_the_sensors_result_can_be_mapped_over(run_dag, sandbox, tmp_path):
    """Every flavor that flavor="all" returns is downloaded by a mapped task of its own."""
    with DAG("ends_mapped", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        wait = KalturaFlavorReadySensor(task_id="wait", entry_id=small.READY, flavor="all")
        KalturaDownloadToStorageOperator.partial(
            task_id="download", destination=f"{tmp_path}/{{flavorId}}.{{format}}"
        ).expand(download=wait.output)
    run = run_dag(dag)
    assert {str(ti.state) for ti in run.get_task_instances()} == {"success"}
    flavor_ids = [small.flavor_id_of(small.READY, params_id) for params_id in (0, 2, 4)]
    assert sorted(path.stem for path in tmp_path.glob("*.mp4")) == sorted(flavor_ids)
    for flavor_id in flavor_ids:
        assert (tmp_path / f"{flavor_id}.mp4").read_bytes() == sandbox.library.file(flavor_id, "2").read()
    assert len(list((tmp_path / "_kaltura" / "manifest").rglob("*download*.jsonl"))) == 3
