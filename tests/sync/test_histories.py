"""Any history of a library: after the last sync the lake equals it, and whoever syncs again changes nothing."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from airflow_provider_kaltura.api import listing
from airflow_provider_kaltura.api.models import FlavorStatus
from airflow_provider_kaltura.ingest.models import RunOptions
from airflow_provider_kaltura.ingest.sync_options import SyncOptions
from tests.sync.model import PAGE, Model, moment
from tests.sync.places import Killed, Place

OVERLAP = 100
CHANGES = (
    "create", "burst", "update", "replace", "delete", "add flavor", "delete flavor", "reconvert", "finish", "fail",
    "unready", "ready",
)  # fmt: skip
EVENTS = st.lists(
    st.tuples(
        st.sampled_from((*CHANGES, *CHANGES, "pass time", "pass time", "sync", "sync", "window", "kill")),
        st.integers(0, 10_000),
    ),
    min_size=30,
    max_size=60,
)
PLANTED = ("overlap", "sweep", "ties")


@pytest.fixture(autouse=True)
def small_pages(monkeypatch):
    """A full page needs five entries, not 500."""
    monkeypatch.setattr(listing, "PAGE_SIZE", PAGE)
    monkeypatch.setattr(listing, "IN_LIST", PAGE)
    monkeypatch.setattr(listing, "_LAST_ONES", 1)


class History:
    """A library that moves, and a lake that follows it."""

    def __init__(self, *, lag=OVERLAP, with_metadata=True, full_every=1_000_000, planted="", on_deleted="delete"):
        self.model = Model(lag=lag, has_ties=planted != "ties", has_sweep=planted != "sweep")
        self.place = Place(with_metadata=with_metadata)
        self.on_deleted = on_deleted
        self.options = SyncOptions(
            flavor="each",
            on_deleted=on_deleted,
            overlap_seconds=0 if planted == "overlap" else OVERLAP,
            full_every=full_every,
            run=RunOptions(checksum="none"),
        )
        self.last_window = self.model.now
        for _ in range(3):
            self.model.create()
        self.place.sync(self.model, self.options)

    def step(self, event, value):
        """Let one thing happen."""
        act = {
            "burst": self._burst,
            "pass time": lambda value: self.model.advance(value % 150),
            "sync": lambda _: self.place.sync(self.model, self.options),
            "window": self._window,
            "kill": self._kill,
        }.get(event)
        if act is not None:
            act(value)
        else:
            self._change(event, value)

    def _burst(self, value):
        for _ in range(2 + value % (PAGE + 2)):
            self.model.create(1)

    def _change(self, event, value):
        model = self.model
        alive, flavors = model.alive(), sorted(model.flavors)
        entry_id = alive[value % len(alive)] if alive else None
        flavor_id = flavors[value % len(flavors)] if flavors else None
        if event == "create" or entry_id is None:
            model.create(value % 4)
        elif event in {"update", "delete", "add flavor"}:
            {"update": model.update, "delete": model.delete, "add flavor": model.add_flavor}[event](entry_id)
        elif event in {"unready", "ready"}:
            model.set_status(entry_id, "1" if event == "unready" else "2")
        elif flavor_id is not None:
            self._change_flavor(event, flavor_id)

    def _change_flavor(self, event, flavor_id):
        model, is_open = self.model, self.model.flavors[flavor_id].status == FlavorStatus.CONVERTING
        if event == "finish" and is_open:
            model.finish(flavor_id)
        elif event == "fail" and is_open and len(model.of_entry[model.flavors[flavor_id].entry_id]) > 1:
            # What has failed has nothing that a lake could equal.
            model.delete_flavor(flavor_id)
        elif event in {"replace", "reconvert"} and not is_open:
            {"replace": model.replace, "reconvert": model.reconvert}[event](flavor_id)
        elif event == "delete flavor":
            model.delete_flavor(flavor_id)

    def _window(self, _):
        since, self.last_window = self.last_window, self.model.now
        self.place.sync(self.model, self.options, window=(moment(since), moment(self.model.now)))

    def _kill(self, value):
        dice = random.Random(value)
        self.place.killer.arm(dice.randint(1, 30), is_after=dice.random() < 0.5)
        try:
            self.place.sync(self.model, self.options)
        except Killed:
            pass
        finally:
            self.place.killer.disarm()

    def end(self):
        """Let everything come to rest, and sync once more."""
        self.model.settle()
        self.model.advance(OVERLAP + 2)
        return self.place.sync(self.model, self.options)

    def is_equal(self):
        """Tell whether the lake equals the library, nothing more and nothing less."""
        return self.place.media() == self.model.expected()


def run_history(events, **more):
    """Let a history happen, to its end."""
    history = History(**more)
    for event, value in events:
        history.step(event, value)
    history.end()
    return history


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=EVENTS, lag=st.integers(0, OVERLAP), with_metadata=st.booleans(), full_every=st.sampled_from([3, 10**6]))
def test_after_any_history_the_lake_equals_the_library(events, lag, with_metadata, full_every):
    """Whatever is created, replaced, deleted, made anew or killed, with any lag of the index up to the overlap."""
    history = run_history(events, lag=lag, with_metadata=with_metadata, full_every=full_every)
    assert history.place.media() == history.model.expected()
    before = history.place.manifest_files()
    windows = [None, None, (moment(history.model.now - 500), moment(history.model.now - 200))]
    for window in windows:
        again = history.place.sync(history.model, history.options, window=window)
        assert (again.fetched_bytes, again.outcomes, again.gone, again.failed) == (0, {}, {}, 0)
    assert history.place.media() == history.model.expected()
    assert history.place.manifest_files() == before


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_bug_is_found(planted):
    """Without overlap, sweep of flavors or handling of ties, some history leaves another lake."""
    found = find(
        EVENTS,
        lambda events: not run_history(events, planted=planted).is_equal(),
        settings=settings(max_examples=200, deadline=None, database=None, derandomize=True, phases=(Phase.generate,)),
    )
    assert found
