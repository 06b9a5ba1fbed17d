"""Downloads into Azure that are broken off, gone on with, and cleaned up after."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_kaltura.ingest.clean import clean
from airflow_provider_kaltura.ingest.lake import Lake
from airflow_provider_kaltura.transfer.azure_sink import AzureSink
from airflow_provider_kaltura.transfer.checksum import checksum_of
from airflow_provider_kaltura.transfer.errors import UploadStateError
from tests.unit.ingest.fakes import BytesSource
from tests.unit.ingest.partials import break_off, fetch, film, records

#: Eight parts of 8 MiB, the last one short. When 49 MiB are there, two parts at least were put: a copy holds four.
MIB = 1024 * 1024
DATA = random.Random(11).randbytes(57 * MIB + 7)
LATE = 49 * MIB


@pytest.fixture
def lake(azure_container):
    """A lake in an empty container."""
    sink = AzureSink(azure_container, "lake/")
    return Lake("abfs://lake/", sink, sink.store)


def whole():
    """Make the job and the source of the film."""
    return {"wanted": film(size_bytes=len(DATA)), "source": BytesSource(DATA)}


def test_a_broken_download_goes_on_where_it_stopped(lake):
    """Only what is missing is fetched again; the blob has our metadata, and no secret or record stays."""
    break_off(lake, done_bytes=LATE, **whole())
    assert len(records(lake)) == 1
    assert lake.store.stat("a.mp4") is None
    outcome = fetch(lake, **whole())
    assert outcome.fetched_bytes <= len(DATA) - 16 * MIB
    assert outcome.checksum == checksum_of(DATA)
    assert lake.store.read("a.mp4") == DATA
    assert lake.store.stat("a.mp4").metadata["kaltura-checksum"] == checksum_of(DATA)
    assert records(lake) == []


def test_a_clean_up_tells_what_only_azure_drops(lake):
    """Its record goes, its blocks stay, nothing is committed to remove them, and nobody goes on with them."""
    break_off(lake, done_bytes=LATE, **whole())
    (name,) = records(lake)
    state = json.loads(lake.store.read(name))["state"]
    report = clean(lake, older_than=timedelta(0), now=lambda: datetime.now(UTC) + timedelta(hours=1))
    assert [one.key for one in report.not_removable.items] == ["a.mp4"]
    assert records(lake) == []
    assert list(lake.store.list("")) == []
    with pytest.raises(UploadStateError, match="was discarded"):
        lake.sink.begin("a.mp4", size_bytes=len(DATA), part_bytes=8 * MIB, state=state)
    assert fetch(lake, **whole()).fetched_bytes == len(DATA)
    assert lake.store.read("a.mp4") == DATA
    assert list(lake.sink.leftovers()) == []
