"""A reader never sees half an export: whatever fails, the catalogue before it stays whole, and its remains go."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_kaltura.api.config import AuthConfig, ClientConfig
from airflow_provider_kaltura.api.facade import KalturaApi
from airflow_provider_kaltura.api.queries import EntryQuery
from airflow_provider_kaltura.ingest.catalog import export_catalog
from airflow_provider_kaltura.ingest.catalog_exports import current_export, remove_old
from airflow_provider_kaltura.ingest.lake import Lake
from airflow_provider_kaltura.sandbox import rules, small
from airflow_provider_kaltura.sandbox.server import serve
from airflow_provider_kaltura.stores import open_lake
from airflow_provider_kaltura.transfer.errors import SinkError
from tests.catalog.reading import connect

PARTNER = small.PARTNER_ID
MONTHS = 2
ENTRIES = 16
SINCE = int(datetime(2025, 1, 1, tzinfo=UTC).timestamp())
UNTIL = int(datetime(2025, 2, 28, tzinfo=UTC).timestamp())


class KilledError(BaseException):
    """As a signal ends a process: no except clause of ours stops it."""


@dataclass
class Breaking:
    """Counts what is asked of sink and store, and ends one of these steps with an error, before or after it is done."""

    at: int = -1
    error: type[BaseException] = KilledError
    is_after: bool = False
    steps: list[str] = field(default_factory=list)

    def lake(self, plain):
        """Put this before a lake."""
        return Lake(plain.root, _Before(plain.sink, self), _Before(plain.store, self))

    def step(self, name, call):
        """Do a step, or fail."""
        self.steps.append(name)
        if len(self.steps) - 1 != self.at:
            return call()
        if self.is_after:
            call()
        raise self.error(f"at {name}")


class _Before:
    """A sink, store or upload whose writes may fail."""

    STEPS = ("begin", "put_part", "commit", "write", "delete", "list")

    def __init__(self, inner, breaking):
        self._inner, self._breaking = inner, breaking

    def __getattr__(self, name):
        value = getattr(self._inner, name)
        if name not in self.STEPS:
            return value

        def call(*args, **kwargs):
            done = self._breaking.step(name, lambda: value(*args, **kwargs))
            return _Before(done, self._breaking) if name == "begin" else done

        return call


@pytest.fixture(scope="module")
def api():
    """Serve a small library of two months."""
    with serve(rules.library(entries=ENTRIES, seed=5, since=SINCE, until=UNTIL, only_ready_videos=True)) as running:
        config = ClientConfig(
            connection_id="sandbox",
            service_url=running.base_url,
            partner_id=PARTNER,
            auth=AuthConfig(method="admin_secret", secret=small.ADMIN_SECRET),
            requests_per_second=1000,
        )
        made = KalturaApi(config)
        yield made
        made.close()


def export(api, lake, *, keep=3, **words):
    """Export all; *words* are a query's."""
    return export_catalog(api, lake, [EntryQuery(**words)], keep=keep, replace_any=True)


def entry_ids(root):
    """Read all ids by DuckDB; reading all tables proves that all files are there."""
    with connect(root) as database:
        found = {row[0] for row in database.execute("SELECT entry_id FROM entries").fetchall()}
        assert {row[0] for row in database.execute("SELECT DISTINCT entry_id FROM flavors").fetchall()} == found
    return found


@pytest.fixture(scope="module")
def halves(api):
    """Give every other entry, and the rest: both have entries of each month."""
    found = tuple(entry.id for entry in api.list_entries(EntryQuery()))
    return found[::2], found[1::2]


def steps_of(api, root, **words):
    """Count the steps of an export beside one that stands."""
    breaking = Breaking()
    export(api, open_lake(str(root)), **words)
    export(api, breaking.lake(open_lake(str(root))), **words)
    return breaking.steps


@pytest.mark.parametrize(
    ("error", "is_after"),
    [(KilledError, False), (KilledError, True), (SinkError, False)],
    ids=["killed before", "killed after", "refused"],
)
def test_whatever_step_fails_readers_see_a_whole_catalogue(api, halves, tmp_path, error, is_after):
    """The old one up to the pointer, the new one from there; the next export is the current one in any case."""
    mine, others = halves
    steps = steps_of(api, tmp_path / "count", ids=others)
    writes = [index for index, name in enumerate(steps) if name != "list"]
    assert len(writes) >= 3 * 3 * MONTHS
    plain = open_lake(str(tmp_path / "lake"))
    export(api, plain, ids=mine)
    for at in writes:
        with pytest.raises(error):
            export(api, Breaking(at, error, is_after).lake(plain), ids=others)
        # Of the writes, the pointer is the last one.
        is_published = is_after and at == writes[-1]
        assert entry_ids(tmp_path / "lake") == set(others if is_published else mine), (at, steps[at])
    assert export(api, plain).rows["entries"] == len(entry_ids(tmp_path / "lake")) == ENTRIES


def later(hours):
    """Tell a time to come."""
    return datetime.now(UTC) + timedelta(hours=hours)


def test_what_a_killed_export_left_is_removed_by_a_later_one(api, tmp_path):
    """Not at once, since it may be another one under way; files of a whole export stay."""
    plain = open_lake(str(tmp_path))
    first = export(api, plain)
    steps = steps_of(api, tmp_path / "count")
    commits = [index for index, name in enumerate(steps) if name == "commit"]
    with pytest.raises(KilledError):
        export(api, Breaking(commits[-1], KilledError).lake(plain))
    folders = [path for path in (tmp_path / "catalog" / str(PARTNER)).iterdir() if path.name != first.export]
    assert [any(folder.rglob("*.parquet")) for folder in folders] == [True]
    assert remove_old(plain, PARTNER, 3, later(5)) == 0
    assert remove_old(plain, PARTNER, 3, later(7)) == 1
    assert [any(folder.rglob("*.parquet")) for folder in folders] == [False]
    assert len(entry_ids(tmp_path)) == ENTRIES


def test_old_exports_go_when_nobody_reads_them_any_more(api, halves, tmp_path):
    """The newest stay, and all of the last hour; other names are left alone."""
    plain = open_lake(str(tmp_path))
    made = [export(api, plain, keep=1, ids=halves[0]).export for _ in range(3)]
    other = tmp_path / "catalog" / str(PARTNER) / "notes" / "mine.txt"
    other.parent.mkdir()
    other.write_text("mine")
    assert remove_old(plain, PARTNER, 2, later(0.5)) == 0
    newest = sorted(made)[-2:]
    current = made[-1]
    assert remove_old(plain, PARTNER, 2, later(2)) == 3 - len({*newest, current})
    assert remove_old(plain, PARTNER, 1, later(2)) == len({*newest, current}) - len({max(made), current})
    assert entry_ids(tmp_path)
    assert other.read_text() == "mine"


def test_a_place_that_refuses_to_remove_is_no_failure(api, tmp_path):
    """The new export stands and is the current one."""
    plain = open_lake(str(tmp_path))
    steps = steps_of(api, tmp_path / "count")
    breaking = Breaking(len(steps) - 1, SinkError)
    assert steps[-1] == "list"
    assert export(api, breaking.lake(plain)).rows["entries"] == len(entry_ids(tmp_path))


def test_a_file_that_is_gone_before_the_end_fails_the_export(api, halves, tmp_path):
    """The pointer never names an export that is not whole."""
    plain = open_lake(str(tmp_path))
    export(api, plain, ids=halves[0])
    old = entry_ids(tmp_path)

    class Losing(_Before):
        def __getattr__(self, name):
            if name == "list":
                return lambda prefix: (replace(stat, size_bytes=1) for stat in plain.store.list(prefix))
            return getattr(self._inner, name)

    with pytest.raises(SinkError, match="1 bytes stand there"):
        export(api, Lake(plain.root, plain.sink, Losing(plain.store, Breaking())))
    assert entry_ids(tmp_path) == old


def test_two_exports_at_once(api, halves, tmp_path):
    """Each is whole; the one that ends last is the current one."""
    results = []

    def run(count):
        results.append(export(api, open_lake(str(tmp_path)), keep=1, ids=halves[0][:count]))

    threads = [threading.Thread(target=run, args=(count,)) for count in (3, 7, 11)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({result.export for result in results}) == 3
    counts = {result.export: result.rows["entries"] for result in results}
    assert len(entry_ids(tmp_path)) in counts.values()
    for result in results:
        assert len(list((tmp_path / result.path).rglob("*.parquet"))) == result.files


def test_accounts_in_one_root_do_not_meet(api, halves, tmp_path):
    """Each has a pointer and exports of its own."""
    plain = open_lake(str(tmp_path))
    export(api, plain, ids=halves[0])
    assert remove_old(plain, PARTNER + 1, 1, later(100)) == 0
    assert current_export(plain, PARTNER + 1) is None
    assert entry_ids(tmp_path) == set(halves[0])
