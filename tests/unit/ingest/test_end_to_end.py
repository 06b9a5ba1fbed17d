"""Entry to verified file with the real parts: the API against the sandbox, bytes over HTTP, files on a disk."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote

import pytest

from airflow_provider_kaltura.api.errors import FlavorNotReadyError, NoFlavorsError, NotFoundError
from airflow_provider_kaltura.ingest.destination import Destination
from airflow_provider_kaltura.ingest.manifest import rows
from airflow_provider_kaltura.ingest.models import RunOptions
from airflow_provider_kaltura.ingest.plan import plan_entry
from airflow_provider_kaltura.ingest.resolve import parse_wanted, resolve
from airflow_provider_kaltura.ingest.run import run, run_one
from airflow_provider_kaltura.ingest.watch import FlavorWatch
from airflow_provider_kaltura.sandbox import lifecycle, small
from airflow_provider_kaltura.sandbox.library import FLAVOR, StoredFile
from airflow_provider_kaltura.stores import open_lake
from airflow_provider_kaltura.transfer.checksum import checksum_of
from airflow_provider_kaltura.transfer.errors import TargetExistsError
from tests.unit.ingest.landing import OPTIONS, SOURCE, content, files, landed, media_requests, replace_file
from tests.unit.ingest.loops import run_virtually


@pytest.fixture
def load(tmp_path, api, sources):
    """Download an entry, the way the operator does."""

    def load_one(entry_id=small.READY, flavor="source", *, name="{entryId}/{flavorId}.{format}", **options):
        destination = Destination.parse(f"{tmp_path}/{name}")
        job = plan_entry(api, entry_id, parse_wanted(flavor), destination)
        return run_one(job, open_lake(destination.root), RunOptions(**options), open_source=sources)

    return load_one


@pytest.mark.parametrize("flavor", ["source", "best", "smallest", "web", "params:4", "height<=200", "id:0_readyf2"])
def test_chosen_flavor_lands_byte_for_byte(load, sandbox, tmp_path, flavor):
    """Whatever is chosen, the file is what the server has, and the checksum is that of the file."""
    if flavor.startswith("id:"):
        flavor = f"id:{small.flavor_id_of(small.READY, 2)}"
    outcome = load(flavor=flavor)
    data = content(sandbox, outcome.job.asset_id)
    assert outcome.outcome == "downloaded"
    assert landed(outcome) == data
    assert (outcome.checksum, outcome.size_bytes, outcome.verified) == (
        checksum_of(data, "crc64nvme"),
        len(data),
        "full",
    )
    assert files(tmp_path) == [f"{small.READY}/{outcome.job.asset_id}.mp4"]


def test_second_run_skips_and_asks_for_no_media(load, sandbox):
    """A repeated task costs the flavor's lookup and not one byte."""
    first = load()
    asked = media_requests(sandbox)
    second = load()
    assert (first.outcome, second.outcome) == ("downloaded", "skipped")
    assert (second.checksum, second.fetched_bytes) == (first.checksum, 0)
    assert media_requests(sandbox) == asked
    assert asked > 0


def test_replaced_content_is_fetched_again(load, sandbox, restored, tmp_path):
    """A new version behind the same flavor id replaces the file, and the manifest tells both."""
    load()
    data = replace_file(sandbox)
    outcome = load()
    assert (outcome.outcome, outcome.job.version) == ("replaced", "12")
    assert (tmp_path / small.READY / f"{SOURCE}.mp4").read_bytes() == data
    lake = open_lake(str(tmp_path))
    assert sorted((row.outcome, row.version) for row in rows(lake.store)) == [("downloaded", "2"), ("replaced", "12")]
    assert load().outcome == "skipped"
    assert restored["version"] == "12"


def test_file_replaced_while_its_versionless_url_is_read_is_never_mixed(sandbox, api, sources, tmp_path):
    """Behind access control the URL names no version: a resume would go on with other bytes of the same length."""
    destination = Destination.parse(f"{tmp_path}/{{flavorId}}.mp4")
    first = plan_entry(api, small.SECURE, parse_wanted("source"), destination)
    flavor = sandbox.library.assets[FLAVOR][first.asset_id]
    before, old = dict(flavor), content(sandbox, first.asset_id, first.version)
    new = bytes(byte ^ 0xFF for byte in old)

    def replace(_job, done_bytes, _size_bytes):
        if done_bytes and flavor["version"] == before["version"]:
            stored = StoredFile(first.asset_id, "12", len(new), "mp4", data=new)
            lifecycle.store_flavor_file(sandbox.library, first.asset_id, stored)

    outcome = run_one(first, open_lake(destination.root), RunOptions(), open_source=sources, progress=replace)
    flavor.clear()
    flavor.update(before)
    assert (outcome.job.version, outcome.verified) == ("12", "full")
    assert landed(outcome) == new


@pytest.mark.parametrize(
    ("stands", "if_exists", "outcome"),
    [
        ("right", "skip", "adopted"),
        ("same length", "skip", "adopted"),
        ("shorter", "skip", "replaced"),
        ("longer", "skip", "replaced"),
        ("empty", "skip", "replaced"),
        ("right", "overwrite", "replaced"),
        ("same length", "overwrite", "replaced"),
        (None, "overwrite", "downloaded"),
        (None, "fail", "downloaded"),
        (None, "skip", "downloaded"),
    ],
)
def test_unrecorded_file_is_adopted_or_replaced(load, sandbox, tmp_path, stands, if_exists, outcome):
    """What stands there before the first run is judged by its length alone."""
    data = content(sandbox)
    target = tmp_path / "film.mp4"
    standing = {
        "right": data,
        "same length": bytes(len(data)),
        "shorter": data[:-1],
        "longer": data + b"x",
        "empty": b"",
    }.get(stands)
    if standing is not None:
        target.write_bytes(standing)
    result = load(name="film.mp4", if_exists=if_exists)
    assert result.outcome == outcome
    assert target.read_bytes() == (standing if outcome == "adopted" else data)
    assert files(tmp_path) == ["film.mp4"]


@pytest.mark.parametrize("damage", [lambda data: data[:-5], lambda data: data + b"x", lambda _: b""])
def test_recorded_file_that_was_damaged_is_replaced(load, sandbox, tmp_path, damage):
    """The record says what must stand there; another length does not."""
    load(name="film.mp4")
    target = tmp_path / "film.mp4"
    target.write_bytes(damage(target.read_bytes()))
    assert load(name="film.mp4").outcome == "replaced"
    assert target.read_bytes() == content(sandbox)


def test_fail_leaves_what_stands_and_asks_for_no_media(load, sandbox, tmp_path):
    """``fail`` is decided before the first byte."""
    target = tmp_path / "film.mp4"
    target.write_bytes(b"mine")
    before = media_requests(sandbox)
    with pytest.raises(TargetExistsError):
        load(name="film.mp4", if_exists="fail")
    assert target.read_bytes() == b"mine"
    assert media_requests(sandbox) == before


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, RuntimeError])
def test_killed_in_the_middle_leaves_nothing(api, sources, tmp_path, interruption):
    """Neither a final nor a temporary name stays, and the next run downloads as if nothing had been."""
    destination = Destination.parse(f"{tmp_path}/{{flavorId}}.{{format}}")
    job = plan_entry(api, small.READY, parse_wanted("source"), destination)

    def kill(_job, done_bytes, size_bytes):
        assert 0 < done_bytes <= size_bytes
        raise interruption("killed")

    with pytest.raises(interruption):
        run_one(job, open_lake(str(tmp_path)), OPTIONS, open_source=sources, progress=kill)
    assert files(tmp_path) == []
    assert run_one(job, open_lake(str(tmp_path)), OPTIONS, open_source=sources).outcome == "downloaded"


def test_killed_replacement_leaves_the_old_file(load, api, sandbox, sources, restored, tmp_path):
    """What stood there stays whole until the new file is."""
    load(name="film.mp4")
    old = (tmp_path / "film.mp4").read_bytes()
    replace_file(sandbox)
    destination = Destination.parse(f"{tmp_path}/film.mp4")
    job = plan_entry(api, small.READY, parse_wanted("source"), destination)
    assert job.version == restored["version"]

    def kill(*_progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_one(job, open_lake(str(tmp_path)), OPTIONS, open_source=sources, progress=kill)
    assert (tmp_path / "film.mp4").read_bytes() == old
    assert files(tmp_path) == ["film.mp4"]


def test_version_that_changes_between_plan_and_fetch_is_planned_anew(api, sandbox, sources, restored, tmp_path):
    """The URL names another version than the plan: the new one is fetched whole, under its own name."""
    destination = Destination.parse(f"{tmp_path}/{{flavorId}}-{{version}}.mp4")
    job = plan_entry(api, small.READY, parse_wanted("source"), destination)
    data = replace_file(sandbox)
    outcome = run_one(job, open_lake(destination.root), OPTIONS, open_source=sources)
    assert (outcome.job.version, outcome.job.size_bytes) == ("12", len(data))
    assert files(tmp_path) == [f"{SOURCE}-12.mp4"]
    assert (tmp_path / f"{SOURCE}-12.mp4").read_bytes() == data
    assert restored["version"] == "12"


def test_entry_behind_access_control_lands_by_its_session_url(load, sandbox, tmp_path, caplog, sessions):
    """The plain URL serves nothing; the one with a session is found, used, and shown nowhere."""
    caplog.set_level("DEBUG")
    outcome = load(small.SECURE)
    assert landed(outcome) == content(sandbox, small.flavor_id_of(small.SECURE, 0))
    # The sandbox's own server logs what it is asked.
    logged = [record.getMessage() for record in caplog.records if not record.name.startswith("uvicorn")]
    written = [path.read_text() for path in (tmp_path / "_kaltura").rglob("*.jsonl")]
    assert sessions
    for session in sessions:
        assert session not in unquote("\n".join([repr(outcome), *logged, *written]))


def test_hostile_name_stays_below_the_root(load, tmp_path):
    """An entry called ``../…/`` is one file in one folder."""
    outcome = load(small.UNICODE, name="{entryName}.{format}")
    (name,) = files(tmp_path)
    assert "/" not in name
    assert outcome.job.path == f"{tmp_path}/{name}"
    assert name.endswith(".mp4")


def test_name_of_255_bytes_lands_on_a_real_disk(load, sandbox, tmp_path):
    """Temporary names fit beside the longest final one."""
    entry = sandbox.library.entries[small.READY]
    before = entry["name"]
    entry["name"] = "م" * 400
    try:
        load(name="{entryName}.{format}")
    finally:
        entry["name"] = before
    (name,) = files(tmp_path)
    assert 250 < len(name.encode()) <= 255


@pytest.mark.parametrize(
    ("entry_id", "error"),
    [
        (small.LATE, FlavorNotReadyError),
        (small.NEVER, FlavorNotReadyError),
        (small.IMAGE, NoFlavorsError),
        (small.DOCUMENT, NoFlavorsError),
        (small.PLAYLIST, NoFlavorsError),
        (small.LIVE, NoFlavorsError),
        (small.EXTERNAL, NoFlavorsError),
        ("0_nothing1", NotFoundError),
    ],
)
def test_entry_without_a_ready_flavor_is_a_typed_error(load, tmp_path, entry_id, error):
    """Not yet, never and unknown are told apart before anything is written."""
    with pytest.raises(error):
        load(entry_id, "best")
    assert files(tmp_path) == []


def test_resolving_one_entry_is_one_request(api, sandbox):
    """Entry, flavors and what is web-playable cost one call, or two with ``web``."""
    resolve(api, small.READY, "source")
    before = len(list(sandbox.log.records()))
    resolve(api, small.READY, "source")
    assert len(list(sandbox.log.records())) == before + 1


def test_plan_of_several_entries_lands_with_one_manifest_file(api, sandbox, sources, tmp_path):
    """One run, several assets, one immutable file of rows."""
    destination = Destination.parse(f"{tmp_path}/")
    entry_ids = [small.READY, small.UNICODE, small.FUTURE, small.REJECTED]
    plan = (plan_entry(api, entry_id, parse_wanted("smallest"), destination) for entry_id in entry_ids)
    lake = open_lake(destination.root)
    outcomes = list(run(plan, lake, OPTIONS, open_source=sources))
    assert [outcome.outcome for outcome in outcomes] == ["downloaded"] * 4
    for outcome in outcomes:
        assert lake.store.read(outcome.job.key) == content(sandbox, outcome.job.asset_id)
    assert len(list(lake.store.list("_kaltura/"))) == 1
    assert sorted(row.path for row in rows(lake.store)) == sorted(outcome.job.key for outcome in outcomes)


def test_watch_tells_when_the_late_entry_is_ready(api, sandbox):
    """The sandbox's entries are still converting, then ready, as the watch sees them."""
    flavor_id = small.flavor_id_of(small.LATE, 0)
    flavor = sandbox.library.assets[FLAVOR][flavor_id]
    looks = []

    async def look(function, *arguments):
        looks.append(asyncio.get_running_loop().time())
        if len(looks) == 3:
            flavor["status"] = lifecycle.READY
        return function(*arguments)

    async def main():
        watch = FlavorWatch(api, call=look, now=asyncio.get_running_loop().time)
        waits = [watch.wait(small.LATE, "source", poll_interval=60), watch.wait(small.READY, "all", poll_interval=60)]
        return await asyncio.gather(*waits)

    before = dict(flavor)
    try:
        late, ready = run_virtually(main())
    finally:
        flavor.update(before)
    assert [asset.id for asset in late.assets] == [flavor_id]
    assert len(ready.assets) == 3
    assert len(looks) == 3


def test_batch_durability_lands_the_same_bytes(api, sandbox, sources, tmp_path):
    """Syncing later changes nothing that can be seen."""
    destination = Destination.parse(f"{tmp_path}/{{flavorId}}.mp4")
    job = plan_entry(api, small.READY, parse_wanted("source"), destination)
    outcome = run_one(job, open_lake(destination.root, durability="batch"), OPTIONS, open_source=sources)
    assert landed(outcome) == content(sandbox)


@pytest.mark.parametrize(("name", "digits"), [("sha256", 64), ("crc64nvme", 16)])
def test_checksum_asked_for_is_that_of_the_file(load, name, digits):
    """As users would compute it themselves."""
    outcome = load(checksum=name)
    assert outcome.checksum == checksum_of(landed(outcome), name)
    assert len(outcome.checksum.partition(":")[2]) == digits


def test_no_checksum_on_request(load):
    """The length is still proved."""
    assert load(checksum="none").checksum is None


@pytest.mark.parametrize("if_exists", ["skip", "overwrite"])
def test_runs_at_the_same_time_do_not_harm_each_other(load, sandbox, tmp_path, if_exists):
    """A task that Airflow started twice leaves one whole file, a row of each run, and nothing else."""
    with ThreadPoolExecutor(4) as pool:
        outcomes = [task.result() for task in [pool.submit(load, if_exists=if_exists) for _ in range(4)]]
    assert {outcome.outcome for outcome in outcomes} <= {"downloaded", "replaced", "skipped", "adopted"}
    assert landed(outcomes[0]) == content(sandbox)
    assert files(tmp_path) == [f"{small.READY}/{SOURCE}.mp4"]
    written = [row for row in rows(open_lake(str(tmp_path)).store) if row.outcome != "failed"]
    assert len(written) == len([outcome for outcome in outcomes if outcome.outcome != "skipped"])
    assert load().outcome == "skipped"
