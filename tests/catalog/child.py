"""Run the operator that exports in a process of its own, and tell what it returned and how much memory it took."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from airflow_provider_kaltura.operators import KalturaExportCatalogOperator


def memory(name):
    """Read a figure of this process, in bytes."""
    return int(re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024


def main(root):
    """Export all into a root; the start is a process that has Airflow and the operator, and nothing else."""
    start = memory("VmRSS")
    result = KalturaExportCatalogOperator(task_id="catalog", root=root).execute({})
    sys.stdout.write("\n" + json.dumps({"result": result, "aboveStart": memory("VmHWM") - start}))


if __name__ == "__main__":
    main(*sys.argv[1:])
