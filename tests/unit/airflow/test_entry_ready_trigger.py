"""The trigger for events: each entry that became ready, at least once, also after a restart."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import pytest

from airflow_provider_kaltura.compat import BaseEventTrigger, BaseTrigger
from airflow_provider_kaltura.hooks import KalturaHook
from airflow_provider_kaltura.sandbox import lifecycle, small
from airflow_provider_kaltura.triggers import entry_ready
from tests.unit.airflow.ready_watching import BlockingStore, Store, ids, told, trigger

# Airflow 2 has no events; see test_entry_ready_versions.py.
__test__ = BaseEventTrigger is not BaseTrigger

pytestmark = pytest.mark.usefixtures("watching")


def ready_media():
    """List what the sandbox's own list has ready."""
    return sorted(entry.id for entry in KalturaHook().list_entries())


def test_every_ready_entry_is_told_once(sandbox):
    """Look after look shows the same entries; each gives one event, with ids and numbers only."""
    payloads = asyncio.run(told(trigger(), sandbox))
    assert sorted(ids(payloads)) == ready_media()
    for payload in payloads:
        assert set(payload) == {"entryId", "partnerId", "status", "createdAt", "updatedAt"}
        assert (payload["partnerId"], payload["status"]) == (small.PARTNER_ID, "2")


def test_entry_that_becomes_ready_is_told_then(sandbox):
    """What converts is not told of before it is ready."""
    made = sandbox.control.add_entry(status=1)
    payloads = asyncio.run(
        told(trigger(look_back=60), sandbox, 6, lambda: lifecycle.set_entry_status(sandbox.library, made["id"], 2))
    )
    assert ids(payloads) == [made["id"]]


def test_entry_that_is_ready_again_is_told_again(sandbox):
    """Unready was seen in between: that it is ready is news."""
    made = sandbox.control.add_entry()

    def unready_for_a_second():
        lifecycle.convert_later(sandbox.library, made["id"], 1.0)

    assert ids(asyncio.run(told(trigger(look_back=60), sandbox, 24, unready_for_a_second))) == [made["id"]] * 2


def test_entry_that_is_edited_is_not_told_again(sandbox):
    """A change of a ready entry moves its updatedAt, and is no news."""
    made = sandbox.control.add_entry()
    payloads = asyncio.run(
        told(trigger(look_back=60), sandbox, 6, lambda: sandbox.control.set_entry(made["id"], name="new"))
    )
    assert ids(payloads) == [made["id"]]


@pytest.mark.parametrize("kind", [lambda store: store, BlockingStore], ids=["3.3.2", "3.3.0"])
def test_restarted_watcher_goes_on_where_it_was(sandbox, kind):
    """What became ready while the triggerer was down is told, and nothing of before, however short look_back is."""
    store = Store()
    first = sandbox.control.add_entry()
    assert ids(asyncio.run(told(trigger(kind(store), look_back=60), sandbox))) == [first["id"]]
    second = sandbox.control.add_entry()
    assert ids(asyncio.run(told(trigger(kind(store), look_back=0), sandbox))) == [second["id"]]


def test_entry_that_the_index_shows_late_is_told(sandbox):
    """Its time is before that of others that were seen already: looks overlap."""
    sandbox.control.add_entry()

    def late():
        now = sandbox.library.now
        sandbox.control.add_entry("0_late_one", createdAt=now - 400, updatedAt=now - 400)

    assert "0_late_one" in ids(asyncio.run(told(trigger(look_back=0), sandbox, 6, late)))


def test_equal_watchers_of_two_assets_keep_their_place_at_both(sandbox):
    """They are one trigger; where one of the assets is known, it goes on from there."""
    stores = [Store(), Store()]
    both = SimpleNamespace(_by_name=dict(enumerate(stores)), _by_uri={})
    made = sandbox.control.add_entry()
    assert ids(asyncio.run(told(trigger(both, look_back=60), sandbox))) == [made["id"]]
    assert stores[0].kept == stores[1].kept != {}
    stores[0].kept.clear()
    assert ids(asyncio.run(told(trigger(both, look_back=60), sandbox))) == []


def test_event_comes_twice_rather_than_never(sandbox, monkeypatch):
    """What Airflow may not have stored yet when it is killed is not saved as told."""
    monkeypatch.setattr(entry_ready, "_SAVE_AFTER_SECONDS", 60.0)
    store = Store()
    made = sandbox.control.add_entry()
    for _ in range(2):
        assert ids(asyncio.run(told(trigger(store, look_back=60), sandbox))) == [made["id"]]
    assert store.kept == {}


def test_two_watchers_of_an_asset_keep_their_own_places():
    """What is kept is named after what it depends on; another pace is no other watcher."""
    one = trigger(tags=["a"])._state_key
    assert one == trigger(tags=["a"], poll_interval=90, look_back=5)._state_key
    assert one != trigger(tags=["b"])._state_key != trigger()._state_key


def test_state_that_makes_no_sense_is_none(sandbox):
    """What somebody has written over does not end a watcher."""
    store = Store()
    one = trigger(store, look_back=60)
    store.kept[one._state_key] = json.dumps(["?"])
    made = sandbox.control.add_entry()
    assert ids(asyncio.run(told(one, sandbox))) == [made["id"]]
