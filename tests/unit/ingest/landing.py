"""What stands on the disk, what the sandbox has, and how that changes."""

from __future__ import annotations

import json
from pathlib import Path

from airflow_provider_kaltura.ingest.models import RunOptions
from airflow_provider_kaltura.sandbox import lifecycle, small
from airflow_provider_kaltura.sandbox.library import StoredFile

SOURCE = small.flavor_id_of(small.READY, 0)


OPTIONS = RunOptions(run_id="scheduled__2026-11-21T00:00:00+00:00", task_id="load")


def content(sandbox, flavor_id=SOURCE, version="2"):
    """Give the bytes that the sandbox has for a flavor."""
    return sandbox.library.file(flavor_id, version).read()


def replace_file(sandbox, version="12", data=b"another film" * 1000):
    """Give the ready entry's source a new file, as setContent does."""
    lifecycle.store_flavor_file(sandbox.library, SOURCE, StoredFile(SOURCE, version, len(data), "mp4", data=data))
    return data


def files(folder):
    """List what stands in a folder outside our own, hidden and temporary names included."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(str(path) for path in found if path.parts[0] != "_kaltura")


def landed(outcome):
    """Read the file that an outcome is about."""
    return Path(outcome.job.path).read_bytes()


def media_requests(sandbox):
    """Count what was asked of the media URLs."""
    return len([record for record in sandbox.log.records() if "serveFlavor" in str(record.as_dict())])


def report_of(summary):
    """Read a report's rows."""
    with open(summary.report, encoding="utf-8") as lines:  # noqa: PTH123 - the summary has a text
        return [json.loads(line) for line in lines]
