"""Whole libraries are listed, each entry once, in few requests and little memory, while they stand still and move."""

from __future__ import annotations

import json
import math
from collections import Counter

import pytest

from airflow_provider_kaltura.exceptions import KalturaPermanentError
from airflow_provider_kaltura.ingest.slices import Slice
from airflow_provider_kaltura.operators import KalturaListEntriesOperator
from airflow_provider_kaltura.sandbox import rules
from airflow_provider_kaltura.sandbox.server import serve
from tests.listing.conftest import SEED, connection, list_all, media_of, sandbox

MIB = 1024**2
PAGE = 500
SMALL = 20_000
LARGE = 203_000  # of these 200,000 are media
SIZES = [
    pytest.param(SMALL, id="20000"),
    pytest.param(LARGE, id="203000", marks=[pytest.mark.all, pytest.mark.timeout(900)]),
]
#: With these the list has all media, deleted ones too: nothing leaves it.
ALL = {"statuses": "any, 3", "moderation": "any"}
# What a real server needs for a page of 500, by which a simulated clock moves with each request.
PAGE_SECONDS = 0.4


def most_requests(count):
    """Tell what acceptance allows: 5 % more than full pages would need."""
    return math.floor(1.05 * math.ceil(count / PAGE))


def set_moving(server):
    """Let 1,000 changes a minute happen, by a clock that goes on with the requests."""
    server.call("set_clock", runs=False, per_request_seconds=PAGE_SECONDS)
    server.call("move", changes=1_000, every_seconds=60, seed=SEED)


def changed(server):
    """Tell which entries were created, and which were changed."""
    events = server.call("changes")
    created = {event["entryId"] for event in events if event["change"] == "created"}
    return created, {event["entryId"] for event in events}


def report(name, listing):
    """Print the figures."""
    print(  # noqa: T201, figures to report
        f"{name}: {len(listing.ids):,} entries, {listing.requests} requests, {len(listing.pieces)} slices, "
        f"{listing.peak_bytes / MIB:.0f} MiB at most"
    )


@pytest.mark.parametrize("entries", SIZES)
def test_a_library_that_stands_still(still_listings, entries):
    """Each of its entries comes exactly once, bursts, ties and deleted ones included, in full pages."""
    listing = still_listings(entries)
    report("still", listing)
    assert listing.twice == []
    assert set(listing.ids) == media_of(entries).keys()
    assert listing.requests <= most_requests(len(listing.ids))
    if entries == LARGE:
        assert len(listing.ids) >= 200_000


@pytest.mark.parametrize("entries", SIZES)
def test_the_slices_are_few_and_whole(still_listings, entries):
    """One after the other they are the listing; the XCom is small however large the library."""
    listing = still_listings(entries)
    pieces = [Slice.parse(piece) for piece in listing.pieces]
    assert [piece.start for piece in pieces] == [0, *(piece.end for piece in pieces[:-1])]
    assert len(pieces) <= math.ceil(entries / PAGE)
    assert len(json.dumps(listing.pieces)) <= 16 * 1024


@pytest.mark.parametrize(
    ("few", "many"), [(2_000, SMALL), pytest.param(10_000, LARGE, marks=[pytest.mark.all, pytest.mark.timeout(900)])]
)
def test_memory_stays_what_it_is(still_listings, few, many):
    """A library ten or twenty times as large takes less than 30 MB more."""
    grown = still_listings(many).peak_bytes - still_listings(few).peak_bytes
    print(f"from {few:,} to {many:,} entries: {grown / MIB:+.1f} MiB")  # noqa: T201, a figure to report
    assert grown < 30_000_000


@pytest.mark.parametrize("entries", SIZES)
def test_a_library_that_moves(tmp_path, entries):
    """1,000 changes a minute: what was there and what was created before the last page comes exactly once."""
    with sandbox(entries) as server:
        set_moving(server)
        listing = list_all(server, tmp_path, **ALL)
        created, touched = changed(server)
    report(f"moving, {len(touched)} entries changed, {len(created)} of them created", listing)
    assert len(touched) >= entries // PAGE * PAGE_SECONDS * 1_000 / 60 * 0.9
    assert listing.twice == []
    assert set(listing.ids) == media_of(entries).keys() | created
    assert listing.requests <= most_requests(len(listing.ids))


@pytest.mark.parametrize("entries", SIZES)
def test_a_library_whose_entries_leave_the_list(tmp_path, entries):
    """Only ready ones are wanted: those that stay ready come exactly once, and none comes that never was."""
    with sandbox(entries) as server:
        set_moving(server)
        listing = list_all(server, tmp_path, moderation="any")
        created, touched = changed(server)
    report("ready ones of a moving library", listing)
    ready = {entry_id for entry_id, status in media_of(entries).items() if status == "2"}
    assert listing.twice == []
    assert ready - touched <= set(listing.ids) <= ready | created
    assert listing.requests <= most_requests(len(listing.ids))


@pytest.mark.parametrize("entries", SIZES)
def test_a_library_whose_index_lags(tmp_path, entries):
    """Lists find entries as they were 30 seconds ago and show their new times: nothing is lost, nothing twice."""
    with sandbox(entries) as server:
        server.call("set_index_lag", seconds=30, shows="database")
        set_moving(server)
        listing = list_all(server, tmp_path, **ALL)
        created, _ = changed(server)
    report("with a lagging index", listing)
    assert listing.twice == []
    assert media_of(entries).keys() <= set(listing.ids) <= media_of(entries).keys() | created
    assert listing.requests <= most_requests(len(listing.ids))


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param(24_000, id="24000"),
        pytest.param(LARGE, id="203000", marks=[pytest.mark.all, pytest.mark.timeout(900)]),
    ],
)
def test_a_second_of_12_000_that_can_be_told_apart(tmp_path, entries):
    """It is split by the time of the last change."""
    with sandbox(entries, "--huge-second") as server:
        listing = list_all(server, tmp_path, **ALL)
    report("with a second of 12,000", listing)
    assert listing.twice == []
    assert set(listing.ids) == media_of(entries, "--huge-second").keys()
    assert listing.requests <= 1.1 * math.ceil(entries / PAGE)


def test_a_second_of_12_000_that_cannot_be_told_apart(tmp_path, monkeypatch):
    """It is an error that names the second, not a listing without most of them."""
    made = rules.library(entries=24_000, seed=SEED, huge_second=True, huge_second_updates="together")
    second, count = Counter(made.rules.created).most_common(1)[0]
    assert count == 12_000
    with serve(made, kept_requests=10) as running:
        monkeypatch.setenv("AIRFLOW_CONN_KALTURA_DEFAULT", connection(running.base_url))
        with pytest.raises(KalturaPermanentError, match=str(second)):
            KalturaListEntriesOperator(task_id="list", listing_root=str(tmp_path), **ALL).execute({})
    assert not list(tmp_path.rglob("*.jsonl"))
