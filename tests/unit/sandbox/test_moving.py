"""moving.py, clock.py and truth.py: libraries that change, and what they hold."""

import hashlib
from collections import Counter

import pytest

from airflow_provider_kaltura.sandbox import moving, rules, server, truth
from airflow_provider_kaltura.sandbox.control import Control
from airflow_provider_kaltura.sandbox.library import FLAVOR
from tests.fakes import ManualClock
from tests.unit.sandbox.conftest import NOW, PARTNER
from tests.unit.sandbox.test_bulk import asker


@pytest.fixture
def moved(clock):
    """Return the controls of a library by rule whose entries are all READY videos, and what asks it."""
    library = rules.library(entries=60, clock=clock, only_ready_videos=True)
    ask = asker(library)
    return ask.control, ask


@pytest.fixture
def watched(moved, clock):
    """Return a function that does something to the first entry and tells which times moved, entry's and flavors'."""
    control, ask = moved
    entry_id = control.library.entry_id(0)

    def times():
        flavors = ask("flavorAsset.list", {"filter": {"entryIdEqual": entry_id}})["objects"]
        entry = ask("media.list", {"filter": {"idEqual": entry_id}})["objects"][0]
        return entry["updatedAt"], {flavor["id"]: flavor["updatedAt"] for flavor in flavors}

    def watch(name):
        before = times()
        clock.advance(100)
        event = control.change(name, entry_id)
        after = times()
        moved_flavors = {i for i in after[1] if after[1][i] != before[1].get(i)}
        return event, after[0] == clock.now, moved_flavors, set(before[1]) - set(after[1])

    return watch


def test_a_replaced_file_moves_its_flavor_only(watched, moved):
    """Version 2, 12, 22; flavor.updatedAt moves, entry.updatedAt does not; old versions stay."""
    control, ask = moved
    event, entry_moved, flavors, gone = watched("replaced")
    assert (entry_moved, flavors, gone) == (False, {event["flavorId"]}, set())
    flavor = ask("flavorAsset.get", id=event["flavorId"])
    assert (flavor["version"], flavor["sizeInBytes"]) == (event["version"], str(event["sizeInBytes"]))
    assert flavor["size"] == event["sizeInBytes"]
    first = control.file(flavor["id"], "2").sha256()
    assert first != control.file(flavor["id"]).sha256()


def test_a_reconversion_begins_and_ends_without_the_entry(watched, moved, clock):
    """CONVERTING with the old version; then READY with the next one and a size in KB. The entry doesn't move."""
    _control, ask = moved
    event, entry_moved, flavors, _ = watched("reconverted")
    assert (entry_moved, flavors) == (False, {event["flavorId"]})
    during = ask("flavorAsset.get", id=event["flavorId"])
    assert during["status"] == 1
    before = ask("media.get", entryId=event["entryId"])["updatedAt"]
    clock.advance(20)
    after = ask("flavorAsset.get", id=event["flavorId"])
    assert (after["status"], int(after["version"])) == (2, int(during["version"]) + 10)
    assert after["size"] == int(after["sizeInBytes"]) // 1024
    assert after["updatedAt"] == clock.now
    assert ask("media.get", entryId=event["entryId"])["updatedAt"] == before


def test_a_deleted_flavor_moves_its_entry_and_vanishes(watched, moved):
    """It is in no list any more, its id is unknown, its files are gone."""
    control, ask = moved
    event, entry_moved, _, gone = watched("flavor_deleted")
    assert (entry_moved, gone) == (True, {event["flavorId"]})
    assert ask.code("flavorAsset.get", id=event["flavorId"]) == "FLAVOR_ASSET_ID_NOT_FOUND"
    assert control.library.file(event["flavorId"], "2") is None


def test_a_new_flavor_that_is_ready_moves_its_entry(watched):
    """After one was deleted another one takes its place, with an id of its own."""
    watched("flavor_deleted")
    event, entry_moved, flavors, _ = watched("flavor_added")
    assert (entry_moved, flavors) == (True, {event["flavorId"]})


def test_a_flavor_is_added_only_where_one_is_missing(moved):
    """An entry that has all eight gets none."""
    control, _ = moved
    assert control.change("flavor_added", control.library.entry_id(1)) is None


def test_an_updated_entry_moves_alone(watched):
    """Its flavors don't."""
    assert watched("updated")[1:] == (True, set(), set())


def test_a_deleted_entry_leaves_a_tombstone(moved, clock):
    """Status 3, updatedAt the time of deletion; no flavors any more."""
    control, ask = moved
    clock.advance(50)
    entry_id = control.change("deleted")["entryId"]
    tombstones = ask("media.list", {"filter": {"statusEqual": 3}})["objects"]
    assert [(entry["id"], entry["updatedAt"]) for entry in tombstones] == [(entry_id, NOW + 50)]
    assert ask("media.count") == 59
    assert ask("flavorAsset.list", {"filter": {"entryIdEqual": entry_id}})["totalCount"] == 0
    assert control.change("updated", entry_id) is None


def test_an_entry_that_is_not_ready_any_more_comes_back(moved, clock):
    """Converting for twenty seconds; both moves updatedAt."""
    control, ask = moved
    entry_id = control.change("unreadied")["entryId"]
    assert ask("media.get", entryId=entry_id)["status"] == 1
    assert ask("media.count") == 59
    clock.advance(30)
    entry = ask("media.get", entryId=entry_id)
    assert (entry["status"], entry["updatedAt"]) == (2, NOW + 20)
    assert [event["change"] for event in control.movement.log] == ["unreadied", "ready_again"]


def test_a_created_entry_is_ready_with_eight_flavors(moved):
    """It is found by lists and its files are served."""
    control, ask = moved
    entry_id = control.change("created")["entryId"]
    assert ask.ids("media.list", {"filter": {"createdAtGreaterThanOrEqual": NOW}}) == [entry_id]
    flavors = ask("flavorAsset.getByEntryId", entryId=entry_id)
    assert [flavor["flavorParamsId"] for flavor in flavors] == list(moving.PARAMS_IDS)
    for flavor in flavors:
        assert control.file(flavor["id"]).size_bytes == int(flavor["sizeInBytes"])


def test_equal_seeds_move_equal_libraries_alike(clock):
    """Every change in the same order, to the same entries, with the same sizes."""
    logs = []
    for _ in range(2):
        control = Control(rules.library(entries=200, clock=clock))
        control.movement.random.seed(7)
        for _ in range(60):
            control.change()
        logs.append(control.movement.log)
    assert logs[0] == logs[1]
    assert set(Counter(event["change"] for event in logs[0])) == set(moving.WEIGHTS)


def test_a_plain_library_moves_too(control, ask):
    """Any library can be moved; one without entries only gets new ones."""
    assert control.change("updated") is None
    control.change("created")
    for name in ("replaced", "flavor_deleted", "flavor_added", "reconverted", "updated", "deleted"):
        assert control.change(name)["change"] == name
    assert ask("media.list", {"filter": {"statusEqual": 3}})["totalCount"] == 1
    assert control.library.partner_entries[PARTNER][0]["status"] == 3


def test_changes_come_while_requests_come(moved):
    """Two changes after every third request of the API, until the plan is ended."""
    control, ask = moved
    plan = control.move(2, every_requests=3, seed=1, only=["updated", "replaced"])
    for _ in range(7):
        ask("system.ping")
    assert len(control.movement.log) == 4
    control.end_moves(plan)
    for _ in range(7):
        ask("system.ping")
    assert {event["change"] for event in control.movement.log} <= {"updated", "replaced"}
    assert len(control.movement.log) == 4


def test_changes_come_while_the_clock_runs(moved, clock):
    """1,000 a minute, each at its own time, though the clock leaps."""
    control, ask = moved
    control.move(1000, every_seconds=60, weights={"updated": 1})
    clock.advance(6)
    ask("system.ping")
    times = [event["at"] for event in control.movement.log]
    assert len(times) == 100
    assert times == sorted(times)
    assert set(times) >= {NOW + second for second in range(6)}
    control.end_moves()
    clock.advance(60)
    ask("system.ping")
    assert len(control.movement.log) == 100


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"changes": 1}, "either every_requests or every_seconds"),
        ({"changes": 1, "every_requests": 1, "every_seconds": 1}, "either every_requests or every_seconds"),
        ({"changes": 1, "every_requests": 1, "only": ["explodes"]}, "there are the changes"),
        ({"changes": 1, "every_requests": 1, "weights": {"explodes": 1}}, "there are the changes"),
    ],
)
def test_a_wrong_plan_is_refused(control, arguments, words):
    """With what there is."""
    with pytest.raises(ValueError, match=words):
        control.move(**arguments)
    with pytest.raises(ValueError, match="there is no change"):
        control.change("explodes")


def test_the_clock_can_be_moved(library, control, ask):
    """Ahead, to a moment, standing or running, and a little with each request of the API."""
    library.clock = lambda: 1000.0
    assert control.advance_clock(5) == 1005
    assert control.set_clock(2000, runs=False) == 2000
    assert control.set_clock(per_request_seconds=0.5, runs=False) == 2000
    for _ in range(4):
        ask("system.ping", session=None)
    assert library.now == 2002
    assert control.set_clock() == 2002


def test_the_truth_is_what_is_served(moved):
    """After many changes: each live entry, its flavors, and the digest of each file as it is."""
    control, ask = moved
    for _ in range(120):
        control.change()
    rows = {row["id"]: row for row in truth.rows(control.library)}
    live = ask.ids("media.list", {"filter": {"statusNotIn": "3"}, "pager": {"pageSize": 500}})
    assert sorted(rows) == sorted(live)
    for entry_id, row in rows.items():
        flavors = ask("flavorAsset.getByEntryId", entryId=entry_id)
        assert [flavor["id"] for flavor in row["flavors"]] == [flavor["id"] for flavor in flavors]
        for told, flavor in zip(row["flavors"], flavors, strict=True):
            data = control.file(flavor["id"]).read()
            assert told["version"] == flavor["version"]
            assert told["sizeInBytes"] == len(data) == int(flavor["sizeInBytes"])
            assert told["sha256"] == hashlib.sha256(data).hexdigest()


def test_what_was_not_changed_is_not_kept(clock):
    """Memory holds what differs: a touched entry is one property, a replaced file one flavor's few."""
    library = rules.library(entries=500, clock=clock, only_ready_videos=True)
    control = Control(library)
    entry_id = library.entry_id(3)
    control.set_entry(entry_id)
    control.change("replaced", entry_id)
    assert library.changed.changes == {entry_id: {"updatedAt": NOW}}
    (flavor,) = library.assets[FLAVOR].changes.values()
    assert flavor.keys() <= {"version", "size", "sizeInBytes", "updatedAt"}


def test_everything_over_http(http):
    """Changes, plans, clock, lag and truth by the control endpoint."""
    with server.serve(rules.library(entries=20, clock=ManualClock(NOW), only_ready_videos=True)) as running:
        base = f"{running.base_url}/_sandbox"

        def post(function, **arguments):
            return http.post(f"{base}/{function}", json=arguments).json()

        assert post("change", name="replaced")["change"] == "replaced"
        assert "there is no change" in post("change", name="explodes")["error"]
        plan = post("move", changes=3, every_seconds=3, only=["updated"], seed=2)
        assert post("advance_clock", seconds=3) == NOW + 3
        post("end_moves", plan=plan)
        assert [event["change"] for event in http.get(f"{base}/changes?from=2").json()] == ["updated"] * 3
        post("set_index_lag", seconds=None)
        entry_id = post("change", name="updated")["entryId"]
        assert post("index_behind") == [entry_id]
        post("release_index")
        assert post("index_behind") == []
        assert post("set_clock", now=NOW + 50, runs=False) == NOW + 50
        rows = http.get(f"{base}/truth?from=5&limit=3").json()
        assert rows == [*truth.rows(running.library, [running.library.entry_id(n) for n in (5, 6, 7)])]


def test_a_walk_over_a_moving_library_finds_what_stays(clock):
    """Entries that are there from begin to end are found once by a walk along createdAt, whatever moves."""
    library = rules.library(entries=3000, clock=clock, only_ready_videos=True)
    control, ask = Control(library), asker(library)
    ask.control.move(300, every_requests=1, seed=4)
    found, seen, at = [], [], rules.SINCE
    while True:
        asked = {"orderBy": "+createdAt", "createdAtGreaterThanOrEqual": at, "idNotIn": ",".join(seen)}
        page = ask("media.list", {"filter": asked, "pager": {"pageSize": 100}})["objects"]
        found += [entry["id"] for entry in page]
        if len(page) < 100 or len(found) > 5000:
            break
        last = page[-1]["createdAt"]
        seen = [entry["id"] for entry in page if entry["createdAt"] == last] + (seen if last == at else [])
        at = last
    ask.control.end_moves()
    touched = {
        event["entryId"] for event in ask.control.movement.log if event["change"] in {"created", "deleted", "unreadied"}
    }
    stayed = set(control.library.entries) - touched
    assert len(stayed) > 500
    assert stayed <= set(found)
