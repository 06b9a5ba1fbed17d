"""List a library into slices and download each by a mapped task, which writes down how much memory it took."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import DAG, Param

from airflow_provider_kaltura.operators import KalturaDownloadToStorageOperator, KalturaListEntriesOperator


def memory_bytes(name: str) -> int:
    """Give ``VmRSS``, what this process holds now, or ``VmHWM``, the most that it ever held."""
    found = re.search(rf"^{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


class MeasuredDownloadOperator(KalturaDownloadToStorageOperator):
    """Downloads, and leaves a file that says by how much the process grew at the most."""

    def execute(self, context: Any) -> Any:
        """Download."""
        before = memory_bytes("VmRSS")
        result = super().execute(context)
        folder = Path(context["params"]["measures"])
        folder.mkdir(parents=True, exist_ok=True)
        grown = memory_bytes("VmHWM") - before
        (folder / f"{context['ti'].map_index}.json").write_text(json.dumps({"grown": grown, "before": before}))
        return result


with DAG(
    dag_id="e2e_mapped",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    params={name: Param(type="string") for name in ("lake", "created_until", "measures")}
    | {"entries_per_slice": Param(125, type="integer")},
) as dag:
    listed = KalturaListEntriesOperator(
        task_id="list_entries",
        listing_root="{{ params.lake }}",
        created_until="{{ params.created_until }}",
        entries_per_slice="{{ params.entries_per_slice }}",
        kaltura_conn_id="kaltura_library",
    )
    MeasuredDownloadOperator.partial(
        task_id="download",
        destination="{{ params.lake }}/{createdAt:%Y}/{entryId}/{flavorId}.{format}",
        state_root="{{ params.lake }}",
        flavor="source",
        kaltura_conn_id="kaltura_library",
    ).expand(entries_from=listed.output)
