"""Windows of any kind, in any order: nothing that changed is lost, and all is compared now and then."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_kaltura.api import listing
from airflow_provider_kaltura.api.errors import InvalidRequestError
from airflow_provider_kaltura.api.queries import ANY, EntryQuery
from airflow_provider_kaltura.ingest.cursor import CURSOR_FOLDER, cursor_key, read_cursor
from airflow_provider_kaltura.ingest.destination import Destination
from airflow_provider_kaltura.ingest.models import RunOptions
from airflow_provider_kaltura.ingest.sync_intents import INTENTS_FOLDER, intents_of
from airflow_provider_kaltura.ingest.sync_options import SyncOptions
from airflow_provider_kaltura.sandbox import rules
from airflow_provider_kaltura.sandbox.server import serve
from tests.sync.model import PAGE, PARTNER, Model, moment
from tests.sync.places import Killed, Place
from tests.sync.test_sandbox import Follower

HOUR = 3_600
LAG = 60
OPTIONS = SyncOptions(flavor="each", on_deleted="delete", full_every=1_000)
#: What happens in an hour, and what becomes of its run: the number of the hour that is run, counted back, None for the
#: cursor, -1 for no run; how late it is; and at which step it is killed.
HOURS = st.lists(
    st.tuples(
        st.lists(st.sampled_from(["create", "update", "replace", "delete", "drop"]), max_size=3),
        st.integers(0, 10_000),
        st.sampled_from([0, 0, 0, -1, -1, 1, 2, 5, None]),
        st.sampled_from([0, 0.4, 20, 900]),
        st.sampled_from([None, None, None, 1, 2, 5, 9]),
    ),
    min_size=8,
    max_size=30,
)


@pytest.fixture
def follower():
    """A library of four videos of eight flavors each, at a whole hour of a clock that stands."""
    with serve(rules.library(entries=4, only_ready_videos=True)) as running:
        made = Follower(running)
        made.control.set_clock(int(made.control.clock()), runs=False)
        yield made
        made.api.close()


def hour(begin, number):
    """Give the window of an hour."""
    return moment(begin + (number - 1) * HOUR), moment(begin + number * HOUR)


def source_of(follower):
    """Give the id of the first entry's source."""
    flavors = follower.library.entry_assets["flavor"][follower.library.entry_id(0)]
    return next(one["id"] for one in flavors if one["isOriginal"])


def test_what_changed_in_an_interval_without_a_run_is_made_up_for_by_the_next(follower):
    """Whether it was skipped or failed; the cursor goes on, and a replaced file comes though no entry says so."""
    begin, found = int(follower.control.clock()), []
    for number in range(6):
        if number == 2:
            follower.control.advance_clock(-HOUR / 2)
            follower.control.replace_flavor_file(source_of(follower))
            follower.control.advance_clock(HOUR / 2)
        else:
            found.append(follower.sync(window=hour(begin, number)))
        follower.control.advance_clock(HOUR)
    assert [one.full for one in found] == [True, False, False, False, False]
    assert [one.outcomes for one in found[1:]] == [{}, {"replaced": 1}, {}, {}]
    assert all(one.cursor_moved for one in found)
    assert follower.lake() == follower.truth()


def test_a_run_may_begin_with_the_end_of_its_interval(follower):
    """The second that isn't over is left to the next one, and nothing stops there."""
    begin, found = int(follower.control.clock()), []
    for number in range(5):
        found.append(follower.sync(window=hour(begin, number), utcnow=lambda: moment(follower.control.clock() + 0.4)))
        follower.control.advance_clock(HOUR / 2)
        follower.control.replace_flavor_file(source_of(follower))
        follower.control.advance_clock(HOUR / 2)
    assert [one.outcomes for one in found[1:]] == [{"replaced": 1}] * 4
    assert all(one.cursor_moved for one in found)


def test_each_run_counts_until_all_is_compared(follower):
    """Also one that looks at the past once more, which doesn't move the cursor and fetches nothing."""
    begin, found = int(follower.control.clock()), []
    options = SyncOptions(flavor="each", full_every=3)
    for number in (0, 1, 1, 0, 2, 0, 0):
        follower.control.set_clock(max(follower.control.clock(), begin + number * HOUR + 20), runs=False)
        found.append(follower.sync(options, window=hour(begin, number)))
    assert [one.full for one in found] == [True, False, False, True, False, False, True]
    assert [one.fetched_bytes for one in found[1:]] == [0] * 6
    assert [one.cursor_moved for one in found[3:6]] == [True, True, False]


def test_a_window_in_the_future_is_refused(follower):
    """Looking at nothing must not look like success."""
    follower.sync()
    now = int(follower.control.clock())
    with pytest.raises(InvalidRequestError, match="future"):
        follower.sync(window=(moment(now + HOUR), moment(now + 2 * HOUR)))


def test_a_run_that_lost_the_race_for_the_cursor_counts_too():
    """Else runs that always overlap would never compare all, nor get on."""
    model, place, inner = Model(page=500), Place(), []
    options = SyncOptions(flavor="each", full_every=1_000)
    for _ in range(3):
        model.create()
    model.advance(HOUR)
    place.sync(model, options)

    def source(job):
        if not inner:
            inner.append(None)
            model.advance(HOUR)
            inner[0] = place.sync(model, options)
        return model.source(job)

    model.advance(HOUR)
    model.replace(min(model.flavors))
    model.advance(HOUR)
    outer = place.sync(model, options, open_source=source)
    assert (inner[0].cursor_moved, outer.cursor_moved) == (True, False)
    found = read_cursor(place.store, cursor_key(PARTNER, "default")).cursor
    assert (found.until, found.runs_since_full) == (inner[0].until, 2)
    assert place.media() == model.expected()


@pytest.mark.parametrize("is_same", [True, False])
def test_a_run_that_lost_moves_the_cursor_only_for_what_it_looked_at(is_same):
    """The end of a run of other conditions says nothing about what the cursor stands for."""
    model, place, inner = Model(page=500), Place(), []
    wide = SyncOptions(flavor="each", full_every=1_000)
    for _ in range(3):
        model.create()
    model.advance(HOUR)
    place.sync(model, wide)
    narrow = wide if is_same else replace(wide, query=replace(wide.query, ids=(model.alive()[0],)))

    def source(job):
        if not inner:
            inner.append(None)
            # It began before the other one did.
            inner[0] = place.sync(model, wide, utcnow=lambda: moment(model.now - HOUR))
        return model.source(job)

    model.advance(2 * HOUR)
    model.replace(min(model.flavors))
    model.advance(HOUR)
    outer = place.sync(model, narrow, open_source=source)
    found = read_cursor(place.store, cursor_key(PARTNER, "default")).cursor
    assert found.until == (outer if is_same else inner[0]).until
    assert (found.runs_since_full, outer.full, outer.cursor_moved) == (2, not is_same, is_same)
    assert place.media() == model.expected()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hours=HOURS, lag=st.integers(0, LAG), full_every=st.sampled_from([4, 10**6]))
def test_whatever_windows_are_run_nothing_is_lost(monkeypatch, hours, lag, full_every):
    """Skipped, late, repeated, out of order: after the last one the lake equals the library, and none fetches again."""
    monkeypatch.setattr(listing, "PAGE_SIZE", PAGE)
    monkeypatch.setattr(listing, "IN_LIST", PAGE)
    model, place, since_full = Model(lag=lag), Place(), 0
    key = cursor_key(PARTNER, "default")
    options = SyncOptions(
        flavor="each",
        on_deleted="delete",
        overlap_seconds=LAG,
        full_every=full_every,
        run=RunOptions(checksum="none"),
    )
    begin = model.now
    model.create()
    for number, (acts, value, back, late, kill) in enumerate(hours, 1):
        _happen(model, acts, value)
        model.now = max(model.now, begin + number * HOUR)
        if back == -1:
            continue
        # Some begin at the very end of their interval, others late.
        model.advance(int(late))
        now = moment(model.now + late % 1)
        window = None if back is None else hour(begin, max(number - back, 1))
        place.killer.arm(kill, is_after=value % 2 == 0)
        try:
            summary = place.sync(model, options, window=window, utcnow=lambda now=now: now)
            since_full = 0 if summary.full else since_full + 1
            assert since_full < full_every
        except Killed:
            # It may have been with its last step, and a full one.
            found = read_cursor(place.store, key).cursor
            since_full = found.runs_since_full if found else 0
        place.killer.disarm()
    model.advance(LAG + 2)
    last = hour(begin, len(hours) + 1)
    model.now = int(last[1].timestamp()) + 1
    place.sync(model, options, window=last)
    assert place.media() == model.expected()
    for number in range(1, len(hours) + 1):
        assert place.sync(model, options, window=hour(begin, number)).fetched_bytes == 0


def _happen(model, acts, value):
    """Let the library move within the hour."""
    for act in acts:
        model.advance(value % 1_000)
        alive, flavors = model.alive(), sorted(model.flavors)
        if act == "create" or not alive:
            model.create()
        elif act in {"update", "delete"}:
            getattr(model, act)(alive[value % len(alive)])
        elif flavors:
            {"replace": model.replace, "drop": model.delete_flavor}[act](flavors[value % len(flavors)])


@pytest.mark.parametrize("names", [("a-b", "a_b"), ("日本", "中国"), ("L" * 81, "L" * 82)], ids=["-", "script", "long"])
def test_each_sync_has_a_cursor_of_its_own(follower, names):
    """However alike names are: what the run of one has looked at, is not thereby looked at by the other."""
    first, second = (
        SyncOptions(name=name, query=EntryQuery(ids=(follower.library.entry_id(number),), moderation=ANY))
        for number, name in enumerate(names)
    )
    follower.sync(first)
    follower.sync(second)
    follower.control.advance_clock(HOUR)
    follower.control.replace_flavor_file(source_of(follower))
    follower.control.advance_clock(HOUR)
    assert follower.sync(second).outcomes == {}
    follower.control.advance_clock(HOUR)
    assert follower.sync(first).outcomes == {"replaced": 1}


def test_a_sync_leaves_what_another_one_has_begun_to_it(follower):
    """A run of the other that was killed tells this one nothing of its entries; its own next run makes up for it."""
    first, second = (
        SyncOptions(name=name, query=EntryQuery(ids=(follower.library.entry_id(number),), moderation=ANY))
        for number, name in enumerate("ab")
    )
    there, here = (
        Destination.parse(f"/lake/{name}/{{entryId}}/{{flavorId}}.{{format}}", state_root="/lake") for name in "ba"
    )
    follower.sync(first, destination=here)
    follower.control.advance_clock(HOUR)
    follower.place.killer.arm(1, is_after=True, only="commit")
    with pytest.raises(Killed):
        follower.sync(second, destination=there)
    follower.place.killer.disarm()
    (begun,) = follower.place.store.list(INTENTS_FOLDER)
    assert begun.key.startswith(intents_of(rules.PARTNER_ID, "b"))
    found = follower.sync(first, destination=here)
    assert (found.entries, found.outcomes) == (0, {})
    again = follower.sync(second, destination=there)
    assert (again.entries, again.failed) == (1, 0)
    assert {path.split("/")[0] for path in follower.lake()} == {"a", "b"}


def test_a_cursor_of_the_older_name_leads_to_comparing_all(follower):
    """Nobody knows whose it is."""
    options = SyncOptions(name="a b")
    follower.sync(options)
    store = follower.place.store
    (stat,) = store.list(CURSOR_FOLDER)
    store.write(f"{CURSOR_FOLDER}/{rules.PARTNER_ID}-a_b.json", store.read(stat.key))
    store.delete(stat.key)
    follower.control.advance_clock(HOUR)
    found = follower.sync(options)
    assert (found.full, found.outcomes, found.cursor_moved) == (True, {}, True)
    assert not follower.sync(options).full
