"""Run the operator that lists in a process of its own, and tell what it returned and how much memory it ever had."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from airflow_provider_kaltura.operators import KalturaListEntriesOperator


def main(root, words):
    """List into a root; *words* are arguments of the operator as JSON."""
    task = KalturaListEntriesOperator(task_id="list", listing_root=root, **json.loads(words))
    pieces = task.execute({})
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    sys.stdout.write("\n" + json.dumps({"pieces": pieces, "peakBytes": int(peak[1]) * 1024}))


if __name__ == "__main__":
    main(*sys.argv[1:])
