"""
Wait until a flavor of one Kaltura entry is ready, get its download URL, download it.

Trigger it from the user interface (the form asks for the parameters) or over REST with ``conf``.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.providers.common.compat.sdk import DAG, Param

from airflow_provider_kaltura.operators import KalturaDownloadToStorageOperator, KalturaGetDownloadUrlOperator
from airflow_provider_kaltura.sensors import KalturaFlavorReadySensor

with DAG(
    dag_id="example_kaltura_download",
    description="Wait for a flavor, get its URL, download it",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    tags=["example", "kaltura"],
    doc_md=__doc__,
    params={
        "entry_id": Param(
            type="string",
            minLength=1,
            title="Entry id",
            description="The Kaltura entry whose video is wanted, for example 1_ab12cd34.",
        ),
        "flavor": Param(
            "source, best",
            type="string",
            minLength=1,
            title="Flavor",
            description="Preferences, tried in order and separated by commas.",
            examples=["source, best", "best", "smallest", "web", "height<=720", "bitrate<=2500", "tag:mobile"],
        ),
        "destination": Param(
            "/tmp/kaltura/{createdAt:%Y/%m}/{entryId}-{flavorId}.{format}",  # noqa: S108, a place that everybody has
            type="string",
            minLength=1,
            title="Destination",
            description="Where the file goes. Placeholders stand in single braces; a path that ends in / gets a name.",
        ),
        "kaltura_conn_id": Param(
            "kaltura_default",
            type="string",
            minLength=1,
            title="Connection",
            description="The Airflow connection to the Kaltura account.",
        ),
    },
) as dag:
    wait = KalturaFlavorReadySensor(
        task_id="wait_for_flavor",
        entry_id="{{ params.entry_id }}",
        flavor="{{ params.flavor }}",
        kaltura_conn_id="{{ params.kaltura_conn_id }}",
        deferrable=True,
        poke_interval=10,
        timeout=timedelta(hours=6),
    )
    url = KalturaGetDownloadUrlOperator(
        task_id="get_download_url",
        entry_id="{{ params.entry_id }}",
        flavor="{{ params.flavor }}",
        kaltura_conn_id="{{ params.kaltura_conn_id }}",
    )
    download = KalturaDownloadToStorageOperator(
        task_id="download",
        download=url.output,
        destination="{{ params.destination }}",
        kaltura_conn_id="{{ params.kaltura_conn_id }}",
        retries=3,
        retry_delay=timedelta(seconds=30),
    )
    wait >> url >> download

if __name__ == "__main__":
    dag.test(run_conf={"entry_id": "1_ab12cd34"})
