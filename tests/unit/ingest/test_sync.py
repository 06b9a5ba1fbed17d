"""One night at a time: what is kept, marked and deleted, what fails, and what two runs do to each other."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from airflow_provider_kaltura.api.models import FlavorStatus
from airflow_provider_kaltura.ingest.cursor import CURSOR_FOLDER
from airflow_provider_kaltura.ingest.destination import Destination
from airflow_provider_kaltura.ingest.errors import KeyCollisionError
from airflow_provider_kaltura.ingest.manifest import Manifest, rows
from airflow_provider_kaltura.ingest.sync import sync
from airflow_provider_kaltura.ingest.sync_intents import intents_of
from airflow_provider_kaltura.ingest.sync_options import SyncOptions, parse_sync_flavor
from airflow_provider_kaltura.ingest.verify import verify
from airflow_provider_kaltura.transfer.errors import RedirectRefusedError
from tests.sync.model import PARTNER, Model, moment
from tests.sync.places import Place
from tests.unit.ingest.fakes import BytesSource

EACH = SyncOptions(flavor="each", full_every=1_000)
MARK = replace(EACH, on_deleted="mark")
DELETE = replace(EACH, on_deleted="delete")


@pytest.fixture
def model():
    """A library of three entries with two flavors each."""
    made = Model(page=500)
    for _ in range(3):
        made.create()
    made.advance(1_000)
    return made


@pytest.fixture(params=[True, False], ids=["metadata", "manifest"])
def place(request):
    """A lake that keeps metadata, and one like a disk."""
    return Place(with_metadata=request.param)


def cursor(place):
    """Read the cursor."""
    (stat,) = place.store.list(CURSOR_FOLDER)
    return stat, place.store.read(stat.key)


def outcomes(place, asset_id):
    """Give what the manifest says about an asset, in order of time."""
    found = [row for row in rows(place.store) if row.asset_id == asset_id]
    return [row.outcome for row in sorted(found, key=lambda row: row.observed_at)]


def failing(model, asset_id):
    """Give sources of which one is refused."""

    def source(job):
        found = model.source(job)
        return BytesSource(found.data, error=RedirectRefusedError("no")) if job.asset_id == asset_id else found

    return source


def test_the_first_run_is_a_backfill_whatever_the_window(model, place):
    """What is older than the window comes too."""
    summary = place.sync(model, EACH, window=(moment(model.now - 10), moment(model.now)))
    assert (summary.full, summary.since, summary.outcomes) == (True, None, {"downloaded": 6})
    assert place.media() == model.expected()


@pytest.mark.parametrize(
    ("options", "stands", "said"),
    [(EACH, True, ["downloaded"]), (MARK, True, ["downloaded", "marked"]), (DELETE, False, ["downloaded", "deleted"])],
    ids=["keep", "mark", "delete"],
)
def test_a_deleted_flavor(model, place, options, stands, said):
    """It is kept, marked once, or deleted; the lake is sound after it."""
    place.sync(model, options)
    flavor_id = min(model.flavors)
    path = f"{model.flavors[flavor_id].entry_id}/{flavor_id}.mp4"
    model.delete_flavor(flavor_id)
    for _ in range(3):
        model.advance(10)
        place.sync(model, replace(options, full=True))
    assert (path in place.media(), outcomes(place, flavor_id)) == (stands, said)
    assert verify(place.lake, level="checksum").is_sound
    assert (path in Manifest(place.store).paths) == stands


def test_a_file_that_somebody_else_put_there_is_not_deleted(model):
    """Only the recorded file goes."""
    place = Place(with_metadata=False)
    place.sync(model, DELETE)
    entry_id = model.alive()[0]
    path = f"{entry_id}/{model.of_entry[entry_id][0]}.mp4"
    place.store.write(path, b"of somebody else")
    model.delete(entry_id)
    model.advance(10)
    assert place.sync(model, DELETE).gone == {"delete": 1, "foreign": 1}
    assert place.media()[path] == b"of somebody else"


def test_an_entry_that_is_only_not_found_is_not_gone(model, place):
    """A session that may not see an entry, or another account, deletes nothing."""
    place.sync(model, DELETE)
    before = place.media()
    model.entries.clear()
    model.index.clear()
    model.advance(10)
    summary = place.sync(model, replace(DELETE, full=True))
    assert (summary.gone, summary.waiting) == ({}, 3)
    assert place.media() == before


def test_a_flavor_that_is_made_anew_is_left_alone_until_it_is_ready(model, place):
    """Its old file stays, whatever size and version are told meanwhile."""
    place.sync(model, DELETE)
    before, flavor_id = place.media(), min(model.flavors)
    model.replace(flavor_id, status=FlavorStatus.CONVERTING)
    model.advance(10)
    assert place.sync(model, DELETE).waiting == 1
    assert place.media() == before
    # Nothing says when it ended: it is known to be waited for.
    model.flavors[flavor_id] = replace(model.flavors[flavor_id], status=FlavorStatus.READY)
    model.advance(100_000)
    assert place.sync(model, DELETE).outcomes == {"replaced": 1}
    assert place.media() == model.expected()


def test_what_failed_is_tried_again_though_nothing_moves_it(model, place):
    """A failure is counted, the others come, and each later run tries it once more."""
    flavor_id = min(model.flavors)
    first = place.sync(model, EACH, open_source=failing(model, flavor_id))
    assert (first.outcomes, first.failed, first.failures[0].code) == (
        {"downloaded": 5, "failed": 1},
        1,
        "RedirectRefusedError",
    )
    model.advance(100_000)
    assert place.sync(model, EACH).outcomes == {"downloaded": 1}
    model.advance(100_000)
    assert place.sync(model, EACH).entries == 0


@pytest.mark.parametrize("more", [{"on_error": "fail"}, {"max_failures": 0}], ids=str)
def test_a_failure_may_end_the_run(model, place, more):
    """Then the cursor does not move, and what had come is not fetched again."""
    options = replace(EACH, **more)
    with pytest.raises(RedirectRefusedError):
        place.sync(model, options, open_source=failing(model, sorted(model.flavors)[3]))
    assert list(place.store.list(CURSOR_FOLDER)) == []
    opened = len(model.opened)
    place.sync(model, options)
    assert place.media() == model.expected()
    assert len(model.opened) - opened == 3


def test_of_two_runs_at_once_the_slower_one_looks_again(model, place):
    """A flavor is replaced while both run: the older file doesn't stay, and the cursor is the faster run's."""
    flavor_id = min(model.flavors)
    inner = []

    def source(job):
        if not inner:
            found = model.source(job)
            inner.append(None)
            model.advance(5)
            model.replace(flavor_id)
            inner[0] = place.sync(model, EACH)
            model.advance(5)
            return found
        return model.source(job)

    outer = place.sync(model, EACH, open_source=source)
    assert (inner[0].cursor_moved, outer.cursor_moved) == (True, False)
    assert place.media() == model.expected()
    written = place.manifest_files()
    assert place.sync(model, EACH).outcomes == {}
    assert place.manifest_files() == written


def test_a_flavor_that_was_listed_long_ago_is_asked_for_before_it_gets_its_name(model, place):
    """What was replaced while it was fetched is fetched anew."""
    flavor_id = min(model.flavors)
    ticks = iter(range(0, 10_000_000, 100))

    def source(job):
        found = model.source(job)
        if len(model.opened) == 1:
            model.replace(flavor_id)
        return found

    summary = place.sync(model, EACH, open_source=source, monotonic=lambda: float(next(ticks)))
    assert summary.failed == 0
    assert place.media() == model.expected()


@pytest.mark.parametrize("text", ["/lake/{entryId}.mp4", "/lake/one.mp4"])
def test_two_assets_of_one_name_are_refused_before_the_first_byte(model, place, text):
    """Both are named."""
    with pytest.raises(KeyCollisionError, match="0_f0000002"):
        sync(model, place.lake, Destination.parse(text), EACH, open_source=model.source, utcnow=model.utcnow)
    assert place.media() == {}


def test_a_name_that_another_entry_has_is_refused_in_a_later_run_too(model, place):
    """A lake never loses a file to a newer entry of the same name."""
    for entry_id in model.alive()[1:]:
        model.delete(entry_id)
    one = Destination.parse("/lake/{entryName}.mp4")
    sync(model, place.lake, one, SyncOptions(), open_source=model.source, utcnow=model.utcnow)
    model.advance(10)
    newer = model.create()
    model.entries[newer] = model.index[newer] = replace(model.entries[newer], name="Talk 1")
    model.late.clear()
    model.advance(10)
    before = place.media()
    summary = sync(model, place.lake, one, SyncOptions(), open_source=model.source, utcnow=model.utcnow)
    assert [(one.entry_id, one.code) for one in summary.failures] == [(newer, "KeyCollisionError")]
    assert place.media() == before
    with pytest.raises(KeyCollisionError):
        sync(model, place.lake, one, SyncOptions(on_error="fail"), open_source=model.source, utcnow=model.utcnow)


def test_one_flavor_of_each_entry_by_preferences(model, place):
    """When another one is chosen, it comes; the old one goes where the lake mirrors the library."""
    options = replace(DELETE, flavor=parse_sync_flavor("source, best"))
    place.sync(model, options)
    entry_id = model.alive()[0]
    source, other = model.of_entry[entry_id]
    assert min(place.media()) == f"{entry_id}/{source}.mp4"
    model.delete_flavor(source)
    model.advance(10)
    summary = place.sync(model, options)
    assert (summary.outcomes, summary.gone) == ({"downloaded": 1}, {"delete": 1})
    assert min(place.media()) == f"{entry_id}/{other}.mp4"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: b"not json",
        lambda _: b"[]",
        lambda data: json.dumps({**json.loads(data), "until": 99_999_999_999}).encode(),
        lambda data: json.dumps({**json.loads(data), "createdSince": "x"}).encode(),
    ],
    ids=["bad", "list", "ahead", "no number"],
)
def test_a_cursor_that_can_not_be_believed_makes_a_full_run(model, place, spoil):
    """Damaged, or written by a worker whose clock was ahead: everything is compared, and the cursor is right again."""
    place.sync(model, EACH)
    stat, data = cursor(place)
    place.store.write(stat.key, spoil(data))
    model.advance(10)
    assert (place.sync(model, EACH).full, place.sync(model, EACH).full) == (True, False)


def test_all_is_compared_every_few_runs(model, place):
    """Runs are counted from the last full one."""
    found = []
    for _ in range(7):
        found.append(place.sync(model, replace(EACH, full_every=3)).full)
        model.advance(1_000)
    assert found == [True, False, False, True, False, False, True]


def test_a_plan_says_what_would_be_done_and_does_nothing(model, place):
    """Deletions are counted too."""
    place.sync(model, DELETE)
    model.delete(model.alive()[0])
    model.create(1)
    model.advance(10)
    before, files = place.media(), place.manifest_files()
    summary = place.sync(model, replace(DELETE, plan_only=True))
    assert (summary.planned, summary.gone, summary.cursor_moved) == (1, {"delete": 2}, False)
    assert len(summary.paths) == 1
    assert (place.media(), place.manifest_files()) == (before, files)


@pytest.mark.parametrize(
    "bad", [{"on_deleted": "burn"}, {"flavor": "source"}, {"name": ""}, {"full_every": 0}], ids=str
)
def test_options_that_can_not_be_meant(bad):
    """They are refused before anything happens."""
    with pytest.raises(ValueError, match=r"one of|flavor|name|least"):
        SyncOptions(**bad)


@pytest.mark.parametrize("is_ended", [True, False], ids=["ended", "under way"])
def test_of_two_tasks_at_once_none_takes_a_name_from_the_other(model, place, is_ended):
    """Two parts of a backfill with entries of one name: the second file fails, recorded or not, and neither is lost."""
    first, second, third = model.alive()
    for entry_id, name in ((first, "Same"), (second, "Same"), (third, "Other")):
        model.entries[entry_id] = model.index[entry_id] = replace(model.entries[entry_id], name=name)
    model.late.clear()
    one = Destination.parse("/lake/{entryName}.mp4")

    def part(entry_ids, source):
        options = SyncOptions(listed_only=True, query=replace(SyncOptions().query, ids=entry_ids))
        return sync(model, place.lake, one, options, open_source=source, utcnow=model.utcnow)

    inner = []

    def meanwhile(job):
        # The first one's file is opened, and all of the second task happens before it gets its name; or the second
        # task's first file stands, unrecorded still, and its next one is opened.
        if not inner and job.entry_id == (first if is_ended else third):
            inner.append(None)
            inner[0] = part((second, third) if is_ended else (first,), model.source)
        return model.source(job)

    outer = part((first,) if is_ended else (second, third), meanwhile)
    failed = outer if is_ended else inner[0]
    assert [(one.entry_id, one.code) for one in failed.failures] == [(first, "KeyCollisionError")]
    source = model.of_entry[second][0]
    assert place.media()["Same.mp4"] == model.content[source, model.flavors[source].version]


def test_a_file_that_says_that_it_is_another_one_s_is_not_what_a_killed_run_left(model):
    """Two wanted one name, and the one that did not get it was killed: it is no file of it, whatever it had begun."""
    place = Place()
    place.sync(model, DELETE)
    before = place.media()
    loser = model.create(1)
    (flavor_id,) = model.of_entry[loser]
    path = min(before)
    for key in list(place.manifest_files()):
        place.store.delete(key)
    intent = f'[{PARTNER}, "flavor", "{flavor_id}", "{loser}", "{path}"]\n'
    place.store.write(f"{intents_of(PARTNER, DELETE.name)}0.jsonl", intent.encode())
    model.delete(loser)
    model.advance(10)
    assert place.sync(model, DELETE).gone == {}
    assert place.media() == before
