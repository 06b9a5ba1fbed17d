"""
Download one Kaltura entry into object storage, with options of the store and limits.

The storage's connection is one that Airflow has already: type *Amazon Web Services* for ``s3://``, *Google Cloud* for
``gs://``, *Azure Blob Storage* for ``abfs://``, *SFTP* for ``sftp://``. A local path needs none.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.providers.common.compat.sdk import DAG, Param

from airflow_provider_kaltura.operators import KalturaDownloadToStorageOperator

with DAG(
    dag_id="example_kaltura_to_storage",
    description="Download one entry into S3, Google Cloud Storage, Azure Blob Storage, SFTP or a folder",
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
            type="string",
            minLength=1,
            title="Destination",
            description="Bucket and name, such as s3://my-lake/kaltura/{createdAt:%Y/%m}/{entryId}-{flavorId}.{format}.",
        ),
        "storage_conn_id": Param(
            None,
            type=["string", "null"],
            title="Storage connection",
            description="The Airflow connection to the storage. Empty: the worker's own credentials.",
        ),
        "store_options": Param(
            {},
            type="object",
            title="Store options",
            description='What the store keeps beside the bytes, such as {"storage_class": "STANDARD_IA"}.',
        ),
        "max_bytes_per_second": Param(
            None,
            type=["integer", "null"],
            minimum=1,
            title="Bytes per second",
            description="Fetch no faster than this. Empty: no limit.",
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
    KalturaDownloadToStorageOperator(
        task_id="download",
        entry_id="{{ params.entry_id }}",
        flavor="{{ params.flavor }}",
        destination="{{ params.destination }}",
        storage_conn_id="{{ params.storage_conn_id }}",
        store_options="{{ params.store_options }}",
        max_bytes_per_second="{{ params.max_bytes_per_second }}",
        kaltura_conn_id="{{ params.kaltura_conn_id }}",
        # A killed try is gone on with by the next one.
        retries=5,
        retry_delay=timedelta(minutes=1),
    )

if __name__ == "__main__":
    dag.test(run_conf={"entry_id": "1_ab12cd34", "destination": "/tmp/kaltura/{entryId}.{format}"})  # noqa: S108
