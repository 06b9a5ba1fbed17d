"""What is written down about a file on its way."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_kaltura.ingest.partial import (
    PARTIAL_FOLDER,
    Partial,
    Traces,
    is_partial_key,
    is_recorded,
    is_resumable,
    partial_key,
    traces,
)
from airflow_provider_kaltura.transfer.keys import split_key
from airflow_provider_kaltura.transfer.protocols import Capabilities
from tests.unit.ingest.fakes import OPTIONS, job
from tests.unit.ingest.partials import RESUMING

MIB = 1024 * 1024


def partial_of(wanted=None, size_bytes=5, **more):
    """Make a record."""
    return Partial.of(wanted or job("a", 5), size_bytes, 2, owner="me", now=7.0, **more)


@given(asset_id=st.text(max_size=300), version=st.text(max_size=100), key=st.text(min_size=1))
def test_name_is_safe_whatever_the_ids_are(asset_id, version, key):
    """It is one level below the folder, short, and known again."""
    try:
        split_key(key)
    except Exception:  # noqa: BLE001 - a key that no sink takes never gets here
        return
    name = partial_key(job(asset_id, 5, key=key, version=version))
    assert is_partial_key(name)
    folder, _, last = name.rpartition("/")
    assert folder == PARTIAL_FOLDER
    assert len(last) < 200
    split_key(name)


def test_name_tells_asset_version_and_place_apart():
    """Another asset, version or destination has another record."""
    jobs = [job("a"), job("b", key="a.mp4"), job("a", version="3"), job("a", key="b.mp4")]
    assert len({partial_key(one) for one in jobs}) == 4
    assert partial_key(jobs[0]).startswith(f"{PARTIAL_FOLDER}/a-2-")


@given(
    state=st.none() | st.dictionaries(st.text(), st.integers() | st.text() | st.none()), checksum=st.none() | st.text()
)
def test_record_is_read_as_it_was_written(state, checksum):
    """Nothing is lost on the way through JSON."""
    written = partial_of(job("ä/b", 5, source_updated_at=datetime(2026, 1, 1, tzinfo=UTC)))
    values = {**{name: getattr(written, name) for name in Partial.__slots__}, "state": state, "checksum": checksum}
    assert Partial.from_json(Partial(**values).to_json()) == Partial(**values)


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"\xff", b'{"format":2}', b"[" * 100_000],
    ids=["empty", "cut", "list", "bytes", "newer", "deep"],
)
def test_damaged_record_is_refused(data):
    """Whatever is wrong with it is one kind of error."""
    with pytest.raises(ValueError, match="partial state"):
        Partial.from_json(data)


@pytest.mark.parametrize(
    ("name", "value"),
    [("owner", 5), ("size_bytes", "5"), ("size_bytes", True), ("state", []), ("touched_at_epoch", None), ("key", None)],
)
def test_record_with_a_wrong_field_is_refused(name, value):
    """Types are checked, so that no later step meets them."""
    found = json.loads(partial_of().to_json())
    with pytest.raises(ValueError, match=name):
        Partial.from_json(json.dumps({**found, name: value}).encode())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("size_bytes", -1),
        ("size_bytes", 1 << 63),
        ("part_bytes", 0),
        *[(name, value) for name in ("touched_at_epoch", "intended_at_epoch") for value in (-1, 1e300, 10**400)],
        ("touched_at_epoch", math.inf),
        ("touched_at_epoch", math.nan),
        ("key", "../../etc/x"),
        ("key", "a\ud800"),
        ("entry_id", "a\ud800"),
    ],
)
def test_record_that_no_step_could_work_with_is_damaged(name, value):
    """A time of no calendar, a length of no file and a name of no place would stop every clean-up for good."""
    found = json.loads(partial_of().to_json())
    with pytest.raises(ValueError, match="partial state"):
        Partial.from_json(json.dumps({**found, name: value}).encode())


@pytest.mark.parametrize("data", [b"{", b"[1]", b"{}", b'{"key":5,"state":[]}'])
def test_record_that_tells_nothing_has_no_traces(data):
    """Whatever it is, nothing in it is believed."""
    assert traces(data) == Traces()


def test_traces_of_a_newer_record_are_read():
    """Its key and its upload's name are what a clean-up needs."""
    data = json.dumps({"format": 2, "key": "a.mp4", "state": {"upload_id": "u", "count": 5}}).encode()
    assert traces(data) == Traces(is_foreign=True, key="a.mp4", handles=frozenset({"u"}))


@pytest.mark.parametrize(
    "other",
    [
        job("b", 5, key="a.mp4"),
        job("a", 5, version="3"),
        job("a", 5, key="b.mp4"),
        job("a", 5, source_updated_at=datetime(2026, 1, 1, tzinfo=UTC)),
    ],
    ids=["asset", "version", "place", "reconversion"],
)
def test_record_is_only_for_the_same_bytes(other):
    """Asset, version, time of change and place must be the same."""
    assert partial_of().is_for(job("a", 5), 5)
    assert not partial_of().is_for(other, 5)
    assert not partial_of().is_for(job("a", 6), 6)


def test_unknown_version_is_never_the_same():
    """Nothing would tell whether the rest is of the same bytes."""
    unknown = job("a", 5, version="")
    assert not partial_of(unknown).is_for(unknown, 5)


def test_rivals_are_other_bytes_for_the_place_and_other_versions_of_the_asset():
    """The same version at another place is somebody else's business."""
    ours = partial_of()
    assert ours.is_rival_of(job("b", 5, key="a.mp4"), 5)
    assert ours.is_rival_of(job("a", 5, version="3", key="a-3.mp4"), 5)
    assert not ours.is_rival_of(job("a", 5, key="elsewhere.mp4"), 5)
    assert not ours.is_rival_of(job("b", 5), 5)
    assert not ours.is_rival_of(job("a", 5), 5)


PLAIN = Capabilities(any_order=True, resumable=True, conditional=True, metadata_at_commit=False)
IN_ORDER = Capabilities(any_order=False, resumable=False, conditional=False, metadata_at_commit=False)
UNMARKED = Capabilities(
    any_order=True, resumable=True, conditional=True, metadata_at_commit=True, leaves_unmarked=True, single_put_bytes=16
)


@pytest.mark.parametrize(
    ("capabilities", "size", "version", "options", "resumed", "recorded"),
    [
        (PLAIN, 64 * MIB, "2", OPTIONS, False, False),
        (PLAIN, 64 * MIB + 1, "2", OPTIONS, True, True),
        (PLAIN, 64 * MIB + 1, "", OPTIONS, False, False),
        (PLAIN, 2, "2", RESUMING, True, True),
        (IN_ORDER, 1 << 40, "2", RESUMING, False, False),
        (UNMARKED, 16, "2", OPTIONS, False, False),
        (UNMARKED, 17, "2", OPTIONS, False, True),
        (UNMARKED, 17, "", OPTIONS, False, True),
    ],
)
def test_what_is_recorded_follows_from_length_version_and_place(
    capabilities, size, version, options, resumed, recorded
):
    """What may be gone on with, and what a kill would leave without a mark."""
    wanted = job("a", size, version=version)
    assert is_resumable(wanted, size, capabilities, options) is resumed
    assert is_recorded(wanted, size, capabilities, options) is recorded
