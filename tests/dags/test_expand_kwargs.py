"""``.expand_kwargs`` runs: one mapped task per set of arguments, on this Airflow, against the sandbox."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_kaltura.operators import KalturaDownloadToStorageOperator
from airflow_provider_kaltura.sandbox import small
from tests.dags.test_examples import result_of, states


def test_expand_kwargs_downloads_each_set_of_arguments(run_dag, sandbox, tmp_path):
    """Each mapped task takes its own entry, flavor and destination; every file has the bytes of its flavor."""
    wanted = [
        (small.READY, "source", 0, f"{tmp_path}/first/film.{{format}}"),
        (small.UNICODE, "smallest", 2, f"{tmp_path}/second/{{entryId}}.{{format}}"),
        (small.SECURE, "params:2", 2, f"{tmp_path}/third/{{flavorId}}.{{format}}"),
    ]
    with DAG("expand_kwargs", schedule=None, start_date=datetime(2025, 1, 1, tzinfo=UTC)) as dag:
        KalturaDownloadToStorageOperator.partial(task_id="download").expand_kwargs(
            [
                {"entry_id": entry_id, "flavor": flavor, "destination": destination}
                for entry_id, flavor, _, destination in wanted
            ]
        )
    run = run_dag(dag)
    assert states(run) == {("download", index): "success" for index in range(len(wanted))}
    for index, (entry_id, _, number, destination) in enumerate(wanted):
        flavor_id = small.flavor_id_of(entry_id, number)
        path = destination.format(entryId=entry_id, flavorId=flavor_id, format="mp4")
        assert result_of(run, "download", index)["path"] == path
        assert Path(path).read_bytes() == sandbox.library.file(flavor_id, "2").read()
