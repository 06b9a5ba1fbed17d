"""The trigger for events: each entry that became ready, at least once, one look for all, no secret anywhere."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import time
from types import SimpleNamespace

import pytest

from airflow_provider_kaltura.compat import AirflowNotFoundException, BaseEventTrigger, BaseTrigger
from airflow_provider_kaltura.exceptions import KalturaConnectionError
from airflow_provider_kaltura.hooks import KalturaHook
from airflow_provider_kaltura.ingest import ready_feed
from airflow_provider_kaltura.sandbox import lifecycle, small
from airflow_provider_kaltura.triggers import KalturaEntryReadyTrigger, entry_ready

KWARGS = ["tags", "category", "owners", "media_types", "created_within", "flavor", "kaltura_conn_id"]
KWARGS += ["poll_interval", "look_back"]
# Airflow 2 has no events; see test_entry_ready_versions.py.
__test__ = BaseEventTrigger is not BaseTrigger
PAUSE = 0.2
LONG_AGO = 20 * 365 * 86400

pytestmark = pytest.mark.usefixtures("quiet")


class Store:
    """The state store of an asset, as Airflow 3.3.2 gives it to a trigger."""

    def __init__(self):
        self.kept = {}

    async def aget(self, key, default=None):
        """Read."""
        return json.loads(self.kept[key]) if key in self.kept else default

    async def aset(self, key, value):
        """Write."""
        self.kept[key] = json.dumps(value)


class BlockingStore:
    """The same before 3.3.2."""

    def __init__(self, store):
        self._store = store

    def get(self, key, default=None):
        """Read."""
        return asyncio.run(self._store.aget(key, default))

    def set(self, key, value):
        """Write."""
        asyncio.run(self._store.aset(key, value))


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    """Share the first look without waiting for others, and save without waiting for Airflow's database."""
    monkeypatch.setattr(ready_feed, "_GATHER_SECONDS", 0.3)
    monkeypatch.setattr(ready_feed, "SHORTEST_INTERVAL_SECONDS", PAUSE)
    monkeypatch.setattr(entry_ready, "_SAVE_AFTER_SECONDS", 0.0)


@pytest.fixture
def quiet(sandbox):
    """Have nothing in the library that was changed lately."""
    for entry_id in list(sandbox.library.entries):
        sandbox.control.set_entry(entry_id, createdAt=1_600_000_000, updatedAt=1_600_000_000)


def trigger(store=None, **arguments):
    """Make a trigger as the triggerer does: from its own serialised arguments."""
    made = KalturaEntryReadyTrigger(**{"poll_interval": 0.5, "look_back": LONG_AGO, **arguments})
    _, kwargs = made.serialize()
    again = KalturaEntryReadyTrigger(**json.loads(json.dumps(kwargs)))
    again.asset_state_store = store
    if "poll_interval" not in arguments:
        # Shorter than anybody may ask for.
        again.poll_interval = PAUSE
    return again


def looks(server):
    """Count the listings that were asked for."""
    return server.log.action_counts().get("media.list", 0)


async def _until(is_so):
    while not is_so():  # noqa: ASYNC110 - it happens in another thread
        await asyncio.sleep(0.02)


async def told(one, server, number=3, then=None):
    """Collect a trigger's events during so many looks; *then* happens after half of them."""
    payloads = []

    async def collect():
        async with contextlib.aclosing(one.run()) as events:
            async for event in events:
                payloads.append(event.payload)  # noqa: PERF401 - what came until it is cancelled counts

    first, task = looks(server), asyncio.create_task(collect())
    if then is not None:
        await _until(lambda: looks(server) >= first + number // 2 or task.done())
        then()
    # What a look found is told before the next one.
    await _until(lambda: looks(server) >= first + number or task.done())
    if not task.done():
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return payloads


async def _together(server, triggers):
    return await asyncio.gather(*(told(one, server, 4) for one in triggers))


def ids(payloads):
    """Give the entries of events."""
    return [payload["entryId"] for payload in payloads]


def ready_media():
    """List what the sandbox's own list has ready."""
    return sorted(entry.id for entry in KalturaHook().list_entries())


def test_the_arguments_are_final():
    """Trigger rows of a running deployment hold these names: they never change."""
    assert set(inspect.signature(KalturaEntryReadyTrigger.__init__).parameters) == {"self", *KWARGS}
    path, arguments = trigger().serialize()
    assert path == "airflow_provider_kaltura.triggers.entry_ready.KalturaEntryReadyTrigger"
    assert list(arguments) == KWARGS


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


def test_conditions(sandbox):
    """Conditions add up; within a list one is enough; temporary entries of a replacement are never told of."""
    entries = {
        "a": {"tags": "exam, lecture", "userId": "bob"},
        "b": {"tags": "lectures", "userId": "ann", "mediaType": 5},
        "c": {"userId": "ann", "createdAt": 1_700_000_000, "mediaType": 2},
        "d": {"tags": "lecture", "replacedEntryId": "0_other"},
    }
    made = {sandbox.control.add_entry(**entry)["id"]: name for name, entry in entries.items()}
    wanted = [
        ({}, "abc"),
        ({"tags": ["Lecture"]}, "a"),
        ({"tags": ["none", "lectures"]}, "b"),
        ({"owners": ["ann"]}, "bc"),
        ({"owners": ["ann", "bob"]}, "abc"),
        ({"owners": ["ann"], "media_types": ["audio", "video"]}, "b"),
        ({"media_types": [2]}, "c"),
        ({"created_within": 600}, "ab"),
        ({"tags": ["lecture"], "owners": ["ann"]}, ""),
    ]
    payloads = asyncio.run(_together(sandbox, [trigger(look_back=60, **arguments) for arguments, _ in wanted]))
    assert ["".join(sorted(made[one] for one in ids(told))) for told in payloads] == [names for _, names in wanted]


def test_category_is_the_servers_to_tell(sandbox):
    """What the entry does not say itself is asked of the server, with those below."""
    wanted = sorted(entry.id for entry in KalturaHook().list_entries(category="films"))
    assert wanted
    assert sorted(ids(asyncio.run(told(trigger(category="films"), sandbox, 5)))) == wanted


def test_flavor_is_waited_for_when_it_is_asked_for(sandbox):
    """A ready entry is told of only when the wanted flavor is ready too; one that can never have it, never."""
    made = sandbox.control.add_entry()
    flavor = sandbox.control.add_flavor(made["id"], status=1, flavorParamsId=7)
    sandbox.control.add_entry(mediaType=2)

    def flavor_is_ready():
        sandbox.control.set_flavor(flavor["id"], status=2)

    async def both():
        never, one = (trigger(look_back=60, flavor=flavor) for flavor in ("params:8", "params:7"))
        return await asyncio.gather(told(never, sandbox, 24), told(one, sandbox, 36, flavor_is_ready))

    nothing, payloads = asyncio.run(both())
    assert (nothing, ids(payloads)) == ([], [made["id"]])


def test_ten_watchers_share_their_looks(sandbox):
    """Different conditions, one listing per interval: as many requests as one watcher makes."""
    triggers = [trigger(tags=[f"tag{number}"], look_back=60) for number in range(10)]
    made = sandbox.control.add_entry(tags="tag3")
    payloads = asyncio.run(_together(sandbox, triggers))
    assert [ids(one) for one in payloads] == [[made["id"]] if number == 3 else [] for number in range(10)]
    assert looks(sandbox) <= 6


def test_airflows_own_shared_streams_do_the_same(sandbox):
    """Airflow 3.3 drives one stream for all triggers of a key, and each takes from it what it wants."""
    from airflow.triggers.shared_stream import SharedStreamManager  # noqa: PLC0415 - not before 3.3

    made = sandbox.control.add_entry(tags="tag3")
    triggers = [trigger(tags=[f"tag{number}"], look_back=60) for number in range(10)]
    assert len({one.shared_stream_key() for one in triggers}) == 1
    assert trigger(poll_interval=9).shared_stream_key() != triggers[0].shared_stream_key()

    async def run():
        manager, payloads = SharedStreamManager(), []

        async def collect(number, one):
            key = one.shared_stream_key()
            stream = manager.subscribe(trigger_id=number, trigger=one, key=key)
            try:
                async for event in one.filter_shared_stream(stream):
                    payloads.append((number, event.payload["entryId"]))  # noqa: PERF401 - see told
            finally:
                await manager.unsubscribe(number, key)

        tasks = [asyncio.create_task(collect(*pair)) for pair in enumerate(triggers)]
        await _until(lambda: looks(sandbox) >= 3)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await manager.stop_all()
        return payloads

    assert asyncio.run(run()) == [(3, made["id"])]
    assert looks(sandbox) <= 6


def test_errors_that_pass_do_not_end_a_watcher(sandbox):
    """The next look finds what the failed ones did not."""
    made = sandbox.control.add_entry()
    sandbox.control.faults.on("unavailable_html", service="media", action="list", times=3)
    assert ids(asyncio.run(told(trigger(look_back=60), sandbox, 6))) == [made["id"]]


@pytest.fixture
def pauses(monkeypatch):
    """Do not pause before an error is raised; note how long it would have been."""
    noted = []

    async def sleep(seconds):
        noted.append(seconds)

    monkeypatch.setattr(ready_feed, "_sleep", sleep)
    monkeypatch.setattr(entry_ready, "_sleep", sleep)
    return noted


def test_what_cannot_pass_is_raised_after_a_pause(sandbox, pauses):
    """The triggerer starts a watcher that failed again at once: without a pause it would do nothing else."""
    sandbox.control.faults.on("forbidden", service="media", action="list")
    with pytest.raises(KalturaConnectionError) as raised:
        asyncio.run(told(trigger(poll_interval=45), sandbox))
    assert 45 in pauses
    assert small.ADMIN_SECRET not in str(raised.value)


def test_connection_that_is_not_there_is_raised_after_a_pause(sandbox, pauses):
    """So is what the connection itself has wrong."""
    with pytest.raises(AirflowNotFoundException):
        asyncio.run(told(trigger(kaltura_conn_id="nowhere", poll_interval=45), sandbox))
    assert pauses == [45]


@pytest.mark.parametrize(
    "arguments",
    [
        {"tags": "lecture"},
        {"tags": []},
        {"tags": ["a,b"]},
        {"tags": [" "]},
        {"owners": [1.5]},
        {"owners": [1]},
        {"owners": [""]},
        {"category": ["x"]},
        {"category": ""},
        {"kaltura_conn_id": ""},
        {"kaltura_conn_id": None},
        {"media_types": []},
        {"media_types": [True]},
        {"poll_interval": True},
        {"media_types": ["film"]},
        {"flavor": "height<="},
        {"poll_interval": 0},
        {"poll_interval": float("nan")},
        {"look_back": -1},
        {"look_back": None},
        {"created_within": "day"},
    ],
)
def test_arguments_that_cannot_be_are_refused_where_they_are_written(arguments):
    """A TypeError names the argument: a triggerer that met another one while it makes a trigger would end."""
    with pytest.raises(TypeError, match=next(iter(arguments))):
        trigger(**arguments)


def test_no_secret_is_in_a_trigger_or_its_events(sandbox):
    """What is stored, logged and shown holds ids, numbers and the conditions only."""
    sandbox.control.add_entry()
    one = trigger(look_back=60)
    payloads = asyncio.run(told(one, sandbox))
    shown = f"{one!r} {one} {one.serialize()} {vars(one)} {payloads}"
    assert payloads
    assert small.ADMIN_SECRET not in shown
    assert "djJ8" not in shown


def test_the_loop_stays_free(sandbox):
    """While a watcher looks and its answers are slow, others on the loop are not late."""
    sandbox.control.faults.on("slow", service="media", action="list", seconds=1)

    async def drift():
        worst = 0.0
        watching = asyncio.create_task(told(trigger(look_back=60), sandbox, 4))
        # Imports happen once.
        await asyncio.sleep(0.5)
        while not watching.done():
            begun = time.monotonic()
            await asyncio.sleep(0.05)
            worst = max(worst, time.monotonic() - begun - 0.05)
        return worst

    assert asyncio.run(drift()) < 0.5
