"""
Captions as text: the captions of some entries come as SRT, and each of their lines becomes a row with entry and times.

The rows are JSON Lines, ready for a search index or a table: entry id, language, start and end in milliseconds, text.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import DAG, AirflowSkipException, ObjectStoragePath, Param, task

from airflow_provider_kaltura.operators import KalturaDownloadToStorageOperator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_kaltura.xcom_batches import BatchResult

with DAG(
    dag_id="example_kaltura_captions",
    description="Captions as text, with entry id and time codes",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    tags=["example", "kaltura"],
    doc_md=__doc__,
    params={
        "entry_ids": Param(
            [],
            type="array",
            items={"type": "string"},
            title="Entry ids",
            description="One id per line. Without any nothing is written.",
        ),
        "folder": Param(
            "/tmp/kaltura/captions",  # noqa: S108, a place that everybody has
            type="string",
            minLength=1,
            title="Folder",
            description="Where captions and rows go: a path that all workers share, or a store.",
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
    captions = KalturaDownloadToStorageOperator(
        task_id="captions",
        entry_ids="{{ params.entry_ids | tojson }}",
        assets=["captions"],
        caption_format="srt",
        destination="{{ params.folder }}/{entryId}/{language}-{assetId}.{format}",
        state_root="{{ params.folder }}",
        on_error="continue",
        kaltura_conn_id="{{ params.kaltura_conn_id }}",
        retries=3,
        retry_delay=timedelta(seconds=30),
    )

    def _lines(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Give the rows of one caption file."""
        from pycaption import SRTReader  # noqa: PLC0415, not needed for parsing a DAG

        read = SRTReader().read(ObjectStoragePath(row["path"]).read_text(encoding="utf-8"))
        for caption in read.get_captions("en-US"):  # what the reader calls every language
            yield {
                "entryId": row["entryId"],
                "captionAssetId": row["assetId"],
                "language": row["language"],
                "startMs": int(caption.start) // 1000,
                "endMs": int(caption.end) // 1000,
                "text": " ".join(caption.get_text().split()),
            }

    @task(retries=3, retry_delay=timedelta(seconds=30))
    def write_rows(result: BatchResult, params: dict[str, Any] | None = None) -> str:
        """Write the rows of all captions that stand, those of earlier runs too; tells where."""
        if not result["total"]:
            raise AirflowSkipException("There was no entry; what an earlier run wrote stays.")
        target = ObjectStoragePath(f"{(params or {})['folder']}/captions.jsonl")
        # The report has a line for each caption, with the path of its file.
        report = ObjectStoragePath(str(result["report"])).read_text(encoding="utf-8")
        with target.open("wb") as rows:  # type: ignore[no-untyped-call] # Airflow's own
            for row in map(json.loads, filter(None, report.split("\n"))):
                if row["path"] and row["outcome"] not in {"failed", "not_begun"}:
                    for one in _lines(row):
                        rows.write(json.dumps(one, ensure_ascii=False).encode() + b"\n")
        return str(target)

    write_rows(captions.output)  # type: ignore[arg-type] # an XComArg becomes what was pushed

if __name__ == "__main__":
    dag.test(run_conf={"entry_ids": ["1_ab12cd34"]})
