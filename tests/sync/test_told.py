"""A sync that is told to take something else than before: what long has been looked at is meant too."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta, timezone

import pytest

from airflow_provider_kaltura.api.queries import ANY, EntryQuery
from airflow_provider_kaltura.ingest.cursor import CURSOR_FOLDER
from airflow_provider_kaltura.ingest.destination import Destination
from airflow_provider_kaltura.ingest.sync_options import SyncOptions, parse_sync_flavor
from airflow_provider_kaltura.ingest.sync_told import told_of
from airflow_provider_kaltura.sandbox import rules
from airflow_provider_kaltura.sandbox.server import serve
from tests.sync.model import START, moment
from tests.sync.places import DESTINATION
from tests.sync.test_sandbox import Follower

HOUR = 3_600
OPTIONS = SyncOptions(full_every=1_000)


@pytest.fixture
def follower():
    """A library of four videos of eight flavors each."""
    with serve(rules.library(entries=4, only_ready_videos=True)) as running:
        made = Follower(running)
        yield made
        made.api.close()


def asked(**conditions):
    """Make options of a query."""
    return replace(OPTIONS, query=EntryQuery(moderation=ANY, **conditions))


def later(follower, options, **more):
    """Sync an hour later."""
    follower.control.advance_clock(HOUR)
    return follower.sync(options, **more)


def test_other_flavors_are_taken_of_entries_that_did_not_change(follower):
    """All of them come with the next run, and the one after it looks at changes again."""
    follower.sync(replace(OPTIONS, flavor=parse_sync_flavor("source")))
    each = replace(OPTIONS, flavor="each")
    found = later(follower, each)
    assert (found.full, found.outcomes) == (True, {"downloaded": 28})
    assert follower.lake() == follower.truth()
    assert not later(follower, each).full


def test_entries_of_a_wider_query_are_taken_though_they_did_not_change(follower):
    """They were never looked at."""
    follower.sync(asked(ids=(follower.library.entry_id(0),)))
    found = later(follower, OPTIONS)
    assert (found.full, found.outcomes) == (True, {"downloaded": 3})
    assert not later(follower, OPTIONS).full


@pytest.mark.parametrize("moved", [False, True], ids=["other", "template"])
def test_another_destination_is_noticed(follower, moved):
    """Not one that moves by itself, whose template stays: even when all is compared, nothing is fetched again."""
    options = replace(OPTIONS, layout="/lake/{{ ds }}/{flavorId}.mp4" if moved else None)
    first, second = (
        Destination.parse(f"/lake/{day}/{{flavorId}}.mp4", state_root="/lake") for day in ("2026-01-01", "2026-01-02")
    )
    follower.sync(options, destination=first)
    assert later(follower, options, destination=second).full is not moved
    assert not later(follower, options, destination=second).full
    assert later(follower, replace(options, full=True), destination=second).outcomes == {}
    assert len(follower.lake()) == (4 if moved else 8)


def test_a_bound_that_moves_on_leaves_nothing_out(follower):
    """Only one that moves back asks for more."""
    at = int(follower.control.clock()) - HOUR
    follower.control.set_entry(follower.library.entry_id(0), createdAt=at + 100)
    found = [
        later(follower, asked(created=(since, None))).full
        for since in (moment(at), moment(at + 10), moment(at + 20), moment(at + 10), None, None)
    ]
    assert found == [True, False, False, True, True, False]


def test_a_cursor_that_does_not_say_what_was_wanted_leads_to_comparing_all(follower):
    """As an older version wrote it."""
    follower.sync(OPTIONS)
    store = follower.place.store
    (stat,) = store.list(CURSOR_FOLDER)
    known = json.loads(store.read(stat.key))
    older = {name: known[name] for name in ("format", "until", "runsSinceFull")}
    store.write(stat.key, json.dumps(older).encode())
    found = later(follower, OPTIONS)
    assert (found.full, found.outcomes, found.cursor_moved) == (True, {}, True)
    assert not later(follower, OPTIONS).full


@pytest.mark.parametrize(
    ("first", "second", "is_same"),
    [
        (asked(tags=("a", "b")), asked(tags=("b", "a")), True),
        (asked(tags=("a", "b")), asked(tags=("a",)), False),
        (asked(more={"nameLike": "x", "tagsLike": "y"}), asked(more={"tagsLike": "y", "nameLike": "x"}), True),
        (asked(more={"nameLike": "x"}), asked(more={"nameLike": "y"}), False),
        (asked(created=(None, moment(START))), asked(created=(None, moment(START + 1))), False),
        (asked(updated=(moment(START), None)), asked(), True),
        (replace(OPTIONS, flavor=parse_sync_flavor("source,best")), OPTIONS, True),
        (replace(OPTIONS, flavor=parse_sync_flavor("best, source")), OPTIONS, False),
        (replace(OPTIONS, flavor=parse_sync_flavor("height<=720")), OPTIONS, False),
        (replace(OPTIONS, on_deleted="delete"), OPTIONS, False),
        (replace(OPTIONS, max_failures=7, adopt=True, full=True), OPTIONS, True),
    ],
)  # fmt: skip
def test_what_counts_as_told(first, second, is_same):
    """What is taken, and what becomes of what is gone; not how, and not in which order conditions stand."""
    assert (told_of(first, DESTINATION) == told_of(second, DESTINATION)) is is_same


def test_a_moment_is_the_same_in_every_time_zone():
    """So that a worker that is set to another one compares nothing anew."""
    here = moment(START)
    there = here.astimezone(timezone(timedelta(hours=9)))
    first, second = (told_of(asked(created=(None, one)), DESTINATION) for one in (here, there))
    assert first == second
