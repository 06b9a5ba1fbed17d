"""What a run may fetch, how fast, and whether there is room: looked at before the first byte."""

from __future__ import annotations

import pytest

from airflow_provider_kaltura.ingest.errors import LimitReachedError
from airflow_provider_kaltura.ingest.fetch import Fetcher
from airflow_provider_kaltura.ingest.models import RunOptions
from airflow_provider_kaltura.ingest.run import run
from airflow_provider_kaltura.transfer import plan
from airflow_provider_kaltura.transfer.errors import SinkFullError
from airflow_provider_kaltura.transfer.local_sink import LocalSink
from tests.unit.ingest.fakes import Sources, job, names
from tests.unit.ingest.partials import (
    DATA,
    PART,
    assert_done,
    break_off,
    fetch,
    lake_of,
    record,
    records,
)


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    """Parts of one MiB, so that a few MiB have several."""
    monkeypatch.setattr(plan, "DEFAULT_PART_BYTES", PART)


def test_files_beyond_the_limit_fail_and_smaller_ones_go_on(lake):
    """What does not fit any more is not begun; what comes after it and fits is fetched."""
    sources = Sources(a=b"12345", b=b"123456", c=b"123")
    jobs = [job("a", 5), job("b", 6), job("c", 3)]
    outcomes = list(run(jobs, lake, RunOptions(max_bytes=8), open_source=sources))
    assert [one.outcome for one in outcomes] == ["downloaded", "failed", "downloaded"]
    assert isinstance(outcomes[1].error, LimitReachedError)
    assert (outcomes[1].error.size_bytes, outcomes[1].error.left_bytes) == (6, 3)
    assert names(lake) == ["a.mp4", "c.mp4"]


def test_what_stands_does_not_count(lake):
    """Only bytes that are to be fetched are limited."""
    sources = Sources(a=b"12345", b=b"12345")
    list(run([job("a", 5)], lake, RunOptions(), open_source=sources))
    outcomes = run([job("a", 5), job("b", 5)], lake, RunOptions(max_bytes=5), open_source=sources)
    assert [one.outcome for one in outcomes] == ["skipped", "downloaded"]


def test_only_missing_bytes_of_a_resumed_file_count():
    """What an earlier try has stored is not fetched; what was stored is kept when even the rest is too much."""
    lake = lake_of()
    break_off(lake)
    with pytest.raises(LimitReachedError):
        fetch(lake, options=RunOptions(resume_above_bytes=1, max_bytes=PART))
    assert record(lake).state is not None
    outcome = fetch(lake, options=RunOptions(resume_above_bytes=1, max_bytes=len(DATA) - 2 * PART))
    assert 0 < outcome.fetched_bytes <= len(DATA) - 2 * PART
    assert_done(lake)


def test_full_place_is_told_before_the_first_byte():
    """The error says how much is needed and how much is free, and nothing is left."""
    lake = lake_of()
    lake.sink.free = 1000
    with pytest.raises(SinkFullError, match=f"{len(DATA)} bytes are needed, and 1000 are free"):
        fetch(lake, wanted=None)
    assert lake.sink.begun == []
    assert records(lake) == []


def test_resumed_file_needs_room_for_what_is_missing_only():
    """A place that is nearly full takes the rest."""
    lake = lake_of()
    break_off(lake)
    lake.sink.free = len(DATA) - 2 * PART
    assert fetch(lake).fetched_bytes <= lake.sink.free
    assert_done(lake)


def test_resumed_local_file_needs_no_room_that_it_has_already(tmp_path, monkeypatch):
    """Its space was taken when it was begun: a disk that is full since then does not matter."""
    lake = lake_of(LocalSink(tmp_path))
    break_off(lake)
    monkeypatch.setattr(lake.sink, "free_bytes", lambda: 0)
    assert fetch(lake).outcome == "downloaded"
    assert (tmp_path / "a.mp4").read_bytes() == DATA


def test_one_rate_holds_for_all_files_of_a_run(lake):
    """The limiter is the run's, not the file's; without a rate there is none."""
    limited = Fetcher(lake, RunOptions(max_bytes_per_second=1000))
    assert limited.limiter is not None
    assert limited.limiter.bytes_per_second == 1000
    assert Fetcher(lake, RunOptions()).limiter is None
