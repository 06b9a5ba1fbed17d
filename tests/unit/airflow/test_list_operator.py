"""The operator that lists: what it asks for, what it writes and returns, and how small that is."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from airflow_provider_kaltura import listings
from airflow_provider_kaltura.exceptions import KalturaArgumentError, KalturaProviderError
from airflow_provider_kaltura.ingest.slices import Slice
from airflow_provider_kaltura.operators import KalturaListEntriesOperator
from airflow_provider_kaltura.operators import listing as module
from airflow_provider_kaltura.operators._listing_words import read_words
from airflow_provider_kaltura.sandbox import small


def run(context=None, **arguments):
    """Run the operator."""
    return KalturaListEntriesOperator(task_id="list", **arguments).execute(context or {})


def ids_of(pieces):
    """Read slices as a mapped task would."""
    return [row["entryId"] for piece in pieces for row in listings.read_slice(piece)]


def add(sandbox, count, **properties):
    """Add ready entries with a tag of their own, some of them in one second."""
    for number in range(count):
        at = 1_700_000_000 + number // 3
        sandbox.control.add_entry(
            f"0_added{number:04}", **{"tags": "added", "createdAt": at, "mediaType": 1, **properties}
        )
    return [f"0_added{number:04}" for number in range(count)]


def limit_mapping(monkeypatch, most):
    """Have Airflow allow so many mapped tasks."""
    monkeypatch.setenv("AIRFLOW__CORE__MAX_MAP_LENGTH", str(most))


@pytest.mark.parametrize(("per_slice", "slices"), [(500, 1), ("4", 3), (1, 10)])
def test_slices_hold_each_entry_once(sandbox, tmp_path, per_slice, slices):
    """In order of creation, those of one second by id; the listing stands below the root."""
    added = add(sandbox, 10)
    found = run(listing_root=f"{tmp_path}/lake/", tags="added", entries_per_slice=per_slice)
    assert len(found) == slices
    assert ids_of(found) == added
    (written,) = (tmp_path / "lake" / "_kaltura" / "listings").iterdir()
    assert {Slice.parse(piece).path for piece in found} == {str(written)}


@pytest.mark.usefixtures("sandbox")
def test_a_root_that_can_not_be_written_is_named():
    """With its path, and that it is about writing."""
    with pytest.raises(KalturaProviderError, match=r"root /proc/x can't be written.*\(/proc/x/_kaltura/"):
        run(listing_root="/proc/x")


def test_a_line_has_what_people_want_to_know(sandbox, tmp_path):
    """Kaltura's own names; times in UTC."""
    sandbox.control.add_entry(
        "0_added",
        name="Ünï#1",
        tags="added, two words",
        createdAt=1_700_000_000,
        updatedAt=1_700_000_001,
        description="About it",
        userId="anna",
        msDuration=61_000,
        referenceId="R1",
    )
    (piece,) = run(listing_root=str(tmp_path), tags=["added"])
    (row,) = listings.read_slice(piece)
    wanted = {
        "entryId": "0_added",
        "name": "Ünï#1",
        "description": "About it",
        "userId": "anna",
        "createdAt": "2023-11-14T22:13:20Z",
        "updatedAt": "2023-11-14T22:13:21Z",
        "lastPlayedAt": None,
        "msDuration": 61_000,
        "tags": ["added", "two words"],
        "status": "2",
        "referenceId": "R1",
        "partnerId": small.PARTNER_ID,
    }
    assert {name: row[name] for name in wanted} == wanted
    assert row.keys() - wanted.keys() == {
        "creatorId",
        "mediaType",
        "type",
        "categories",
        "moderationStatus",
        "parentEntryId",
    }


def test_a_name_of_a_folder_may_hold_what_ends_a_path(sandbox, tmp_path):
    """A slice is split at its last #."""
    added = add(sandbox, 3)
    assert ids_of(run(listing_root=f"{tmp_path}/a#1-2/b", tags="added", entries_per_slice=2)) == added


def test_never_more_slices_than_may_be_mapped(sandbox, tmp_path, monkeypatch):
    """Airflow's own limit, as it is when the task runs."""
    added = add(sandbox, 10)
    limit_mapping(monkeypatch, 3)
    found = run(listing_root=str(tmp_path), tags="added", entries_per_slice=1)
    assert len(found) == 3
    assert ids_of(found) == added


def test_slices_stay_within_the_xcom_that_we_promise(sandbox, tmp_path):
    """A long path makes fewer and longer slices, not a larger XCom."""
    added = add(sandbox, 60)
    root = tmp_path.joinpath(*["ü" * 60] * 3)
    found = run(listing_root=str(root), tags="added", entries_per_slice=1)
    assert len(json.dumps(found)) <= 16 * 1024
    assert 1 < len(found) < 60
    assert ids_of(found) == added


def test_each_try_writes_a_listing_of_its_own(sandbox, tmp_path):
    """Equal lines, in another file: whoever still reads the first one is not disturbed."""
    add(sandbox, 10)
    first, second = (run(listing_root=str(tmp_path), tags="added") for _ in range(2))
    assert first != second
    one, other = (Path(Slice.parse(pieces[0]).path).read_bytes() for pieces in (first, second))
    assert one == other


def test_the_name_tells_run_task_and_try(sandbox, tmp_path):
    """Whoever finds the file knows where it comes from."""
    add(sandbox, 1)

    class Instance:
        run_id, task_id, map_index, try_number = "manual__2026-01-01T00:00:00+00:00", "group.list", 3, 2

    (piece,) = run({"ti": Instance}, listing_root=str(tmp_path), tags="added")
    assert Path(piece).name.startswith("manual__2026_01_01T00_00_00_00_00-group.list-3-2-")


@pytest.mark.parametrize("as_", ["slices", "batches"])
def test_nothing_found_is_an_empty_list_and_no_file(sandbox, tmp_path, monkeypatch, caplog, as_):
    """Tasks that are mapped over it are skipped; the log says why."""
    # Airflow 3 writes its own tasks' logs past the standard library, where caplog sees nothing.
    monkeypatch.setattr(KalturaListEntriesOperator, "log", logging.getLogger("test.operator"))
    caplog.set_level(logging.INFO, logger="test.operator")
    sandbox.control.reset_counts()
    assert run(as_=as_, listing_root=f"{tmp_path}/lake", tags="nobody's") == []
    assert not (tmp_path / "lake").exists()
    assert "No entry was found" in caplog.text if as_ == "slices" else "0 entries" in caplog.text
    assert sandbox.control.counts()["byAction"] == {"media.list": 1}


def test_a_walk_that_breaks_off_leaves_nothing(sandbox, tmp_path):
    """The task fails; a half listing would be a lake without half of its entries."""
    add(sandbox, 501, createdAt=1_700_000_000)
    sandbox.control.faults.on("internal_error", service="media", action="list", after=1)
    with pytest.raises(KalturaProviderError):
        run(listing_root=f"{tmp_path}/lake", tags="added")
    assert not list(tmp_path.rglob("*.jsonl"))


def test_batches_hold_ids(sandbox):
    """As lists of lists; no listing is written, no root needed."""
    added = add(sandbox, 10)
    assert run(as_="batches", tags="added", entries_per_slice=4) == [added[:4], added[4:8], added[8:]]


def test_batches_are_limited_as_slices_are(sandbox, monkeypatch):
    """Never more of them than may be mapped."""
    added = add(sandbox, 10)
    limit_mapping(monkeypatch, 2)
    assert run(as_="batches", tags="added", entries_per_slice=1) == [added[:5], added[5:]]


def test_a_thousand_ids_go_into_batches_and_one_more_does_not(sandbox):
    """The result stays small; the error names the other way."""
    add(sandbox, 1_000)
    found = run(as_="batches", tags="added", entries_per_slice=1)
    assert sum(map(len, found)) == 1_000
    assert len(json.dumps(found)) <= 16 * 1024
    sandbox.control.add_entry("0_one_more", tags="added")
    with pytest.raises(KalturaArgumentError, match=r"1,000.*as_='slices'"):
        run(as_="batches", tags="added")


def test_without_a_condition_all_ready_media_are_listed(sandbox, tmp_path):
    """Empty texts, as a form leaves them, are no conditions."""
    empty = dict.fromkeys(
        ["entry_ids", "tags", "category", "created_since", "least_seconds", "statuses", "parent_id"], ""
    )
    found = ids_of(run(listing_root=str(tmp_path), **empty, filter="None", owners=" ", text="None"))
    assert set(found) == set(ids_of(run(listing_root=str(tmp_path))))
    assert set(found) >= {small.READY, small.UNICODE}
    assert small.REJECTED not in found
    assert sandbox.library.entries.keys() > set(found)


@pytest.mark.parametrize(
    "given",
    [
        [small.UNICODE, small.READY],
        f"{small.UNICODE}, {small.READY}",
        f"{small.READY}\n{small.UNICODE}\n",
        f'["{small.READY}", "{small.UNICODE}"]',
        f"['{small.READY}', '{small.UNICODE}', '{small.READY}']",
    ],
)
@pytest.mark.usefixtures("sandbox")
def test_ids_come_in_any_form(given):
    """A list, JSON, what Jinja makes of a list, commas, lines; twice is once."""
    (found,) = run(as_="batches", entry_ids=given)
    assert sorted(found) == sorted([small.READY, small.UNICODE])


@pytest.mark.parametrize("name", ["entry_ids", "tags", "category_ids", "owners", "media_types", "statuses"])
@pytest.mark.parametrize("given", [[], "[]", [""]])
def test_an_empty_list_is_no_entry(sandbox, name, given):
    """A task before that found nothing must not give the whole library."""
    sandbox.control.reset_counts()
    assert run(as_="batches", **{name: given}) == []
    assert sandbox.control.counts()["requests"] == 0


@pytest.mark.usefixtures("sandbox")
def test_what_is_wrong_beside_an_empty_list_is_told():
    """A window that is empty every night must not look like success."""
    with pytest.raises(KalturaArgumentError, match="is empty"):
        run(as_="batches", tags=[], created_since="2026-01-02T00:00:00Z", created_until="2026-01-01T00:00:00Z")


def test_more_ids_than_a_filter_takes(sandbox, tmp_path):
    """The server would ignore those after 500; they are asked for 500 at a time."""
    added = add(sandbox, 1_200)
    sandbox.control.reset_counts()
    found = ids_of(run(listing_root=str(tmp_path), entry_ids=added))
    assert sorted(found) == added
    # A full page is followed by one that is empty.
    assert sandbox.control.counts()["apiRequests"] <= 5


def test_conditions_reach_kaltura(sandbox):
    """Each under Kaltura's own name, in its own form."""
    run(
        as_="batches",
        tags="alpha,two words",
        category_ids="[1, 2]",
        with_subcategories="False",
        owners="['anna', 'ben']",
        text="physics",
        media_types=["video", 5],
        least_seconds="10",
        most_seconds=60,
        created_since="2026-01-01T00:00:00+00:00",
        created_until=datetime(2026, 2, 1, tzinfo=timezone(timedelta(hours=1))),
        updated_since="2026-01-01 00:00:00.750000+00:00",
        last_played_until="1767225600",
        parent_id="0_parent",
        statuses="2, 3",
        moderation="any",
        filter='{"nameLike": "x", "isRoot": true, "idEqual": ""}',
    )
    asked = dict(sandbox.log.records()[-1].parameters["filter"])
    assert asked.pop("moderationStatusIn").split(",")[:3] == ["1", "2", "3"]
    assert asked == {
        "objectType": "KalturaMediaEntryFilter",
        "orderBy": "+createdAt",
        "tagsMultiLikeOr": "alpha,two words",
        "categoriesIdsMatchOr": "1,2",
        "userIdIn": "anna,ben",
        "freeText": "physics",
        "mediaTypeIn": "1,5",
        "durationGreaterThanOrEqual": "10",
        "durationLessThanOrEqual": "60",
        "createdAtGreaterThanOrEqual": "1767225600",
        "createdAtLessThanOrEqual": "1769900399",
        "updatedAtGreaterThanOrEqual": "1767225600",
        "lastPlayedAtLessThanOrEqual": "1767225599",
        "parentEntryIdEqual": "0_parent",
        "statusIn": "2,3",
        "nameLike": "x",
        "isRoot": "1",
    }


def test_windows_that_follow_each_other_have_each_entry_once(sandbox):
    """Also where their border lies within a second, as that of a run by hand does."""
    added = add(sandbox, 9)
    border = datetime.fromtimestamp(1_700_000_001.5, UTC)
    before = run(as_="batches", tags="added", created_until=border)
    after = run(as_="batches", tags="added", created_since=border)
    assert [*before[0], *after[0]] == added
    assert len(before[0]) == 3


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"created_since": "2026-01-01"}, "created_since has no time zone"),
        ({"created_since": "2026-01-01T00:00:00"}, "created_since has no time zone"),
        ({"updated_until": datetime(2026, 1, 1)}, "updated_until has no time zone"),  # noqa: DTZ001, that is the point
        ({"created_since": "yesterday"}, "created_since must be a time"),
        ({"created_since": "0"}, "created_since must be a time"),
        ({"created_since": "-86400"}, "created_since must be a time"),
        ({"created_since": "1970-01-02T00:00:00Z"}, "after 1980"),
        ({"created_since": "2026-01-01T00:00:00Z", "created_until": "2026-01-01T00:00:00Z"}, "is empty"),
        ({"updated_since": "2026-01-02T00:00:00Z", "updated_until": "2026-01-01T00:00:00Z"}, "is empty"),
        ({"tags": {"a": 1}}, "tags must be a list"),
        ({"tags": "[1"}, "tags can't be read"),
        ({"tags": [True]}, "tags must be a list"),
        ({"category_ids": "mathematics"}, "category_ids must be a whole number"),
        ({"least_seconds": "long"}, "least_seconds must be a whole number"),
        ({"moderation": "all"}, "moderation must be one of"),
        ({"with_subcategories": "maybe"}, "with_subcategories must be True or False"),
        ({"media_types": "film"}, "no media type"),
        ({"statuses": "ready"}, "no entry status"),
        ({"filter": {"tagLike": "x"}}, "tagsLike"),
        ({"filter": "tagsLike"}, "filter can't be read"),
        ({"filter": "[1]"}, "filter must be a dict"),
        ({"entry_ids": ["../x"]}, "id"),
        ({"as_": "pages"}, "as_ must be one of"),
        ({"entries_per_slice": 0}, "entries_per_slice"),
        ({"as_": "slices"}, "Give listing_root"),
        ({"as_": "slices", "listing_root": "None"}, "Give listing_root"),
        ({"as_": "slices", "listing_root": "/lake/{entryId}"}, "no placeholders"),
        ({"as_": "slices", "listing_root": "nowhere://x"}, "nowhere"),
    ],
    ids=lambda value: None if isinstance(value, str) else ",".join(value),
)
def test_what_cannot_be_meant_is_told_before_anything_is_sent(sandbox, given, words):
    """The error names the argument; the server would have ignored it, or listed the wrong entries."""
    sandbox.control.reset_counts()
    with pytest.raises(KalturaArgumentError, match=words):
        run(**{"as_": "batches", **given})
    assert sandbox.control.counts()["requests"] == 0


def test_numbers_of_native_templates_are_texts_of_a_list():
    """Jinja may make a number of what looks like one."""
    assert read_words({"tags": 2024, "statuses": (2, 3), "entry_ids": iter(["0_a"])}) == {
        "tags": ["2024"],
        "statuses": ["2", "3"],
        "entry_ids": ["0_a"],
    }


def test_all_conditions_are_template_fields():
    """And arguments of the operator."""
    task = KalturaListEntriesOperator(task_id="list")
    assert all(hasattr(task, name) for name in task.template_fields)
    assert set(module.WORDS) < set(task.template_fields)


@pytest.mark.parametrize(
    "text", ["/lake/_kaltura/other/x.jsonl#0-5", "_kaltura/listings/x.jsonl#0-5", "/lake/_kaltura/listings/#0-5", "x"]
)
def test_a_slice_of_something_else_is_refused(text):
    """Only listings of ours are opened."""
    with pytest.raises(KalturaArgumentError, match="no slice of a listing"):
        next(listings.read_slice(text))


def test_a_slice_of_a_listing_that_is_gone(tmp_path):
    """It is an error, not a task without work."""
    with pytest.raises(KalturaProviderError):
        next(listings.read_slice(f"{tmp_path}/_kaltura/listings/x.jsonl#0-5"))
