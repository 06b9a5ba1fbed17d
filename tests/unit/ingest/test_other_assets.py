"""A lake that has captions beside flavors: sync and verify leave alone what is not theirs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_kaltura.ingest.asset_kinds import parse_assets
from airflow_provider_kaltura.ingest.batch import download_batch
from airflow_provider_kaltura.ingest.batch_models import BatchOptions
from airflow_provider_kaltura.ingest.destination import Destination
from airflow_provider_kaltura.ingest.manifest import rows
from airflow_provider_kaltura.ingest.run import run_one
from airflow_provider_kaltura.ingest.sync_options import SyncOptions
from airflow_provider_kaltura.ingest.verify import verify
from airflow_provider_kaltura.sandbox import small
from airflow_provider_kaltura.stores import open_lake
from tests.sync.model import Model
from tests.sync.places import Place
from tests.unit.ingest.fakes import BytesSource, job

DELETE = SyncOptions(flavor="each", full_every=1_000, on_deleted="delete")


@pytest.mark.parametrize("with_metadata", [True, False], ids=["metadata", "manifest"])
@pytest.mark.parametrize("is_flavors_name", [True, False], ids=["same name", "own name"])
def test_a_sync_does_not_take_a_caption_for_a_flavor_that_is_gone(with_metadata, is_flavors_name):
    """It stands after a full compare that deletes, even under a name that was a flavor's."""
    model, place = Model(page=500), Place(with_metadata=with_metadata)
    model.create()
    model.advance(1_000)
    place.sync(model, DELETE)
    entry_id = model.alive()[0]
    flavor_id = model.of_entry[entry_id][0]
    path = f"{entry_id}/{flavor_id}.mp4" if is_flavors_name else f"{entry_id}/en.srt"
    row = next(row for row in rows(place.store) if row.asset_id == flavor_id)
    caption = job("0_caption", 5, key=path, entry_id=entry_id, partner_id=row.partner_id, asset_type="caption")
    run_one(caption, place.lake, DELETE.run, open_source=lambda _: BytesSource(b"words"))
    model.delete_flavor(flavor_id)
    model.advance(10)
    place.sync(model, replace(DELETE, full=True))
    assert place.media()[path] == b"words"
    model.delete(entry_id)
    model.advance(10)
    place.sync(model, replace(DELETE, full=True))
    assert place.media() == {path: b"words"}


def test_verify_does_not_look_for_captions_among_flavors(api, sources, sandbox, tmp_path):
    """They are held against their rows; Kaltura is not asked for them, and that is told."""
    kinds = parse_assets("captions, thumbnails, flavors")
    destination = Destination.parse(f"{tmp_path}/", kinds=kinds)
    lake = open_lake(destination.root)
    download_batch(
        api, [small.READY], destination, lake, BatchOptions(assets=kinds, caption_format="txt"), open_source=sources
    )
    sandbox.log.clear()
    report = verify(lake, level="checksum", api=api)
    assert (set(report.counts.values()), report.asked, report.not_asked) == ({0}, 1, 3)
    assert report.is_sound
    assert {name.partition(".")[0] for name in sandbox.log.action_counts()} <= {"flavorAsset", "multirequest"}
    (tmp_path / small.READY / "caption" / "0_captions.txt").write_text("others")
    assert verify(lake, api=api).counts["wrong_length"] == 1
