"""Whose a standing file is, by its own metadata and by the manifest."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_kaltura.ingest.batch_names import require_own
from airflow_provider_kaltura.ingest.errors import KeyCollisionError
from airflow_provider_kaltura.ingest.manifest import Manifest
from airflow_provider_kaltura.ingest.run import run_one
from airflow_provider_kaltura.transfer.protocols import ObjectAttributes
from tests.unit.ingest.fakes import Sources, job
from tests.unit.ingest.landing import OPTIONS

OTHERS = {
    "other entry": {"entry_id": "f"},
    "other entry and asset": {"entry_id": "f", "asset_id": "b"},
    "other kind": {"asset_type": "caption"},
}
SAME = {"itself": {}, "newer asset": {"asset_id": "b"}, "other version": {"version": "9"}}


@pytest.fixture
def standing(lake):
    """Put the file of flavor a, entry e, under a name; give what stands there, and what is recorded."""
    metadata = {"kaltura-entry": "e", "kaltura-flavor": "a", "kaltura-version": "2", "kaltura-type": "flavor"}
    first = job("a", 5, key="x.mp4", attributes=ObjectAttributes(metadata=metadata))
    run_one(first, lake, OPTIONS, open_source=Sources(a=b"12345"))
    return first, lake.store.stat("x.mp4"), Manifest(lake.store).standing


@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS)
def test_another_entrys_file_is_not_ours(standing, change):
    """Whether the file says so itself or the manifest does; both are named."""
    first, stat, recorded = standing
    other = replace(first, **change)
    with pytest.raises(KeyCollisionError) as caught:
        require_own(other, stat, lambda: recorded("x.mp4"))
    assert "flavor a of entry e, which stands there" in str(caught.value)
    assert f"{other.asset_type} {other.asset_id} of entry {other.entry_id}" in str(caught.value)


@pytest.mark.parametrize("change", SAME.values(), ids=SAME)
def test_what_takes_the_place_of_an_older_one_may(standing, change):
    """Within an entry and a kind."""
    first, stat, recorded = standing
    before = stat.version_tag
    require_own(replace(first, **change), stat, lambda: recorded("x.mp4"))
    assert stat.version_tag == before


def test_what_is_nowhere_recorded_is_nobodys(disk):
    """It is adopted, or replaced."""
    run_one(job("a", 5, key="x.mp4"), disk, OPTIONS, open_source=Sources(a=b"12345"))
    asked = []
    require_own(job("b", 5, key="x.mp4", entry_id="f"), disk.store.stat("x.mp4"), lambda: asked.append(1))
    assert asked == [1]
