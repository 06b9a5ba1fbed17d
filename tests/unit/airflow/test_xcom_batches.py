"""What batches push is small, whatever names and reasons say."""

from __future__ import annotations

import json

import pytest

from airflow_provider_kaltura.ingest import batch_models, entry_ids
from airflow_provider_kaltura.ingest.batch_models import BatchSummary
from airflow_provider_kaltura.ingest.errors import IngestError
from airflow_provider_kaltura.operators import _batches
from airflow_provider_kaltura.xcom_batches import BatchResult, FailureInfo, batch_result

LONGEST_ID = "x" * 100
#: Of which twenty are told.
FAILED = 25


def summary_of(reason, report):
    """Give a summary with more failures than are told."""
    summary = BatchSummary(report=report)
    for _ in range(FAILED):
        summary.fail(LONGEST_ID, IngestError(reason))
    return summary


@pytest.mark.parametrize(
    "reason", ["plain " * 1_000, "ü" * 5_000, "\x00\x1b\n" * 5_000, "🎬" * 5_000, '"\\' * 5_000, ""]
)
@pytest.mark.parametrize("report", [None, "/lake/x.jsonl", "/" + "ü" * 2_000, "/" + "x" * 4_000])
def test_never_more_than_we_promise(reason, report):
    """Failures are left out before the XCom grows, the report never is."""
    result = batch_result(summary_of(reason, report))
    assert len(json.dumps(result)) <= 16 * 1024
    assert (result["failed"], result["report"]) == (FAILED, report)
    assert 5 <= len(result["failures"]) <= 20


def test_a_usual_path_keeps_twenty_failures():
    """The hostile reasons are cut, none is left out."""
    result = batch_result(summary_of("ü" * 5_000, "/lake/_kaltura/reports/" + "x" * 220))
    assert len(result["failures"]) == 20


def test_the_keys_are_the_documented_ones():
    """The dict has exactly the keys of its TypedDict, and comes back from JSON as it was."""
    result = batch_result(summary_of("no", "/lake/x.jsonl"))
    assert set(result) == set(BatchResult.__annotations__)
    assert set(result["failures"][0]) == set(FailureInfo.__annotations__)
    assert json.loads(json.dumps(result)) == result


def test_the_defaults_are_those_of_the_layer_below():
    """DAG files are parsed without that layer, so its numbers stand twice."""
    assert batch_models.BatchOptions().max_parallel == _batches.PARALLEL
    assert entry_ids.MAX_ENTRIES == _batches.ENTRIES
