"""The facade against the recorded library: entries, flavors, choices."""

from __future__ import annotations

import pytest

from airflow_provider_kaltura.api import errors
from airflow_provider_kaltura.api.flavors import Never, Preferences, Ready, Wait, choose
from airflow_provider_kaltura.api.models import EntrySnapshot
from tests.unit.api.recorded.library import ENTRIES, MIXED, PARTNER, READY_ENTRY, STATE, VISIBLE, counted


@pytest.mark.parametrize("entry_id", VISIBLE)
def test_every_entry_is_read_as_it_is(api, entry_id):
    """Type, status and the other fields come over for entries of every type and state."""
    entry, recorded = api.get_entry(entry_id), ENTRIES[entry_id]
    assert (entry.id, entry.name, entry.partner_id) == (entry_id, recorded["name"], PARTNER)
    assert (entry.status, entry.type) == (str(recorded["status"]), str(recorded["type"]))
    assert entry.media_type == recorded.get("mediaType")
    assert entry.access_control_id == recorded.get("accessControlId")
    assert entry.replaced_entry_id == recorded.get("replacedEntryId")
    assert entry.created_at.timestamp() == recorded["createdAt"]


@pytest.mark.parametrize("entry_id", ["0_missing1", "0_765lbc40", "0_ppgbonrh", "_KMCLOGO"])
def test_missing_deleted_and_foreign_entries_are_not_found(api, entry_id):
    """Kaltura does not tell these apart."""
    with pytest.raises(errors.NotFoundError) as caught:
        api.get_entry(entry_id)
    assert (caught.value.code, caught.value.object_id) == ("ENTRY_ID_NOT_FOUND", entry_id)


def test_flavor_assets_of_all_entries_come_in_one_request(sandbox, api):
    """Every flavor asset of every entry, whatever its status, and no other."""
    found, requests_made = counted(sandbox, lambda: api.list_flavor_assets([*VISIBLE, "0_missing1"]))
    deleted = {item["id"] for item in STATE["deletedAssets"]}
    recorded = {
        entry_id: sorted(
            item["id"] for item in STATE["flavorAssets"] if item["entryId"] == entry_id and item["id"] not in deleted
        )
        for entry_id in [*VISIBLE, "0_missing1"]
    }
    assert {entry_id: [asset.id for asset in assets] for entry_id, assets in found.items()} == recorded
    assert requests_made == 1


def test_a_flavor_asset_is_read_as_it_is(api):
    """Sizes in bytes, versions as text, tags one by one."""
    recorded = next(item for item in STATE["flavorAssets"] if item["id"] == "0_ub2zvix8")
    asset = api.get_flavor_asset("0_ub2zvix8")
    assert (asset.size_bytes, asset.version, asset.status) == (int(recorded["sizeInBytes"]), "2", 2)
    assert (asset.width, asset.height, asset.bitrate_kbps) == (960, 540, 941)
    assert asset.tags[:3] == ("mobile", "web", "mbr")
    assert (asset.is_original, asset.flavor_params_id, asset.file_ext) == (False, 4, "mp4")
    with pytest.raises(errors.NotFoundError):
        api.get_flavor_asset("0_missing1")


def test_a_snapshot_takes_one_request_and_marks_what_is_missing(sandbox, api):
    """Entries and assets of one moment; a missing entry is a value, not an exception."""
    wanted = [READY_ENTRY, "0_missing1", MIXED]
    found, requests_made = counted(sandbox, lambda: api.snapshot(wanted))
    assert requests_made == 1
    assert list(found) == wanted
    assert isinstance(found["0_missing1"], errors.NotFoundError)
    assert found[MIXED].entry.id == MIXED
    assert {asset.entry_id for asset in found[MIXED].assets} == {MIXED}
    assert found[MIXED].web_playable_ids is None


def test_the_web_set_is_kalturas_own(sandbox, api):
    """`web` is decided by getWebPlayableByEntryId: the sets are equal, empty where Kaltura finds none."""
    entries = [READY_ENTRY, MIXED, "0_667532x4", "0_topr2l8h", "0_1dfu9jkj"]
    found, requests_made = counted(sandbox, lambda: api.snapshot(entries, web_playable_for=entries))
    assert requests_made == 2
    for entry_id in entries:
        assert found[entry_id].web_playable_ids == api.web_playable_ids(entry_id)
    assert found[READY_ENTRY].web_playable_ids == {"0_ffwhh2fe", "0_n72nb8e2", "0_ub2zvix8", "0_o46skufx"}
    assert found["0_667532x4"].web_playable_ids == frozenset()


def test_choices_over_the_whole_library(api):
    """What can be had, what may come and what never will, for the recorded entries."""
    found = api.snapshot(VISIBLE)
    outcomes = {
        entry_id: choose(snapshot.assets, Preferences.parse(), snapshot.entry)
        for entry_id, snapshot in found.items()
        if isinstance(snapshot, EntrySnapshot)
    }
    assert isinstance(outcomes[READY_ENTRY], Ready)
    assert outcomes[READY_ENTRY].asset.is_original
    assert isinstance(outcomes["0_667532x4"], Wait)
    assert isinstance(outcomes["0_ao9pybhw"], Wait)
    assert outcomes["0_topr2l8h"] == Never("no_media:image")
    assert outcomes["0_k9uf0zan"] == Never("no_media:playlist")
    assert isinstance(outcomes["0_l1wx8bif"], Never)
