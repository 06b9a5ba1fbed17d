"""Comparing all by what lists show: how old that may be, and what a part of a library leaves to others."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from airflow_provider_kaltura.api import listing
from airflow_provider_kaltura.ingest.cursor import cursor_key, read_cursor
from airflow_provider_kaltura.ingest.sync_intents import intents_of
from airflow_provider_kaltura.ingest.sync_options import SyncOptions
from tests.sync.model import PAGE, PARTNER, Model
from tests.sync.places import Place

OPTIONS = SyncOptions(flavor="each", on_deleted="delete", full_every=1_000)


class Asked(Model):
    """A library that remembers which entries were asked for by id."""

    def __post_init__(self):
        """Begin with none."""
        super().__post_init__()
        self.asked = []

    def snapshot(self, entry_ids, **more):
        """Read entries with their flavors."""
        self.asked += entry_ids
        return super().snapshot(entry_ids, **more)


@pytest.fixture
def model(monkeypatch):
    """A library of twelve entries, five on a page."""
    monkeypatch.setattr(listing, "PAGE_SIZE", PAGE)
    made = Asked()
    for _ in range(12):
        made.advance(1)
        made.create()
    made.advance(10)
    return made


def test_what_was_just_listed_is_not_asked_for_again(model):
    """The lists say all that is needed."""
    place = Place()
    place.sync(model, OPTIONS)
    assert place.media() == model.expected()
    assert model.asked == []


def test_what_was_listed_long_ago_is_asked_for_by_id(model):
    """While one group was fetched for hours, the entries of the next one got old: nothing is done by such a list."""
    place, clock = Place(), itertools.count(0, 1_000)
    place.sync(model, OPTIONS, monotonic=lambda: float(next(clock)))
    assert place.media() == model.expected()
    assert len(model.asked) >= 12 - 2 * PAGE


def test_a_part_leaves_the_rest_to_others(model):
    """Known entries that it does not find, what other runs have begun, and the cursor."""
    place = Place()
    place.sync(model, OPTIONS)
    before = read_cursor(place.store, cursor_key(PARTNER, "default"))
    begun = f"{intents_of(PARTNER, OPTIONS.name)}other.jsonl"
    place.store.write(begun, b'[102,"flavor","0_f0000002","0_e0000001","0_e0000001/0_f0000002.mp4"]\n')
    hidden = model.alive()[0]
    model.index.pop(hidden)
    model.delete(model.alive()[-1])
    part = place.sync(model, replace(OPTIONS, listed_only=True))
    assert (part.full, part.cursor_moved, part.outcomes) == (True, False, {})
    assert part.entries == 10
    assert read_cursor(place.store, cursor_key(PARTNER, "default")) == before
    assert place.store.stat(begun) is not None
    model.advance(1_000)
    assert place.sync(model, replace(OPTIONS, full=True)).entries == 12
    assert place.media() == model.expected()
