"""The captions of a thousand entries by one task: all of them, in few requests, and then nothing."""

from __future__ import annotations

import pytest

from airflow_provider_kaltura.ingest.asset_kinds import parse_assets
from airflow_provider_kaltura.ingest.batch import download_batch
from airflow_provider_kaltura.ingest.batch_models import BatchOptions
from airflow_provider_kaltura.ingest.captions import convert
from airflow_provider_kaltura.ingest.destination import Destination
from airflow_provider_kaltura.ingest.sources import HttpSources
from airflow_provider_kaltura.sandbox import small
from airflow_provider_kaltura.sandbox.library import CAPTION
from airflow_provider_kaltura.stores import open_lake


@pytest.fixture
def load(tmp_path, api):
    """Download assets, the way the operator will."""

    def load_all(entry_ids, assets="captions", **more):
        kinds = parse_assets(assets)
        destination = Destination.parse(f"{tmp_path}/{{entryId}}/{{assetId}}.{{format}}", kinds=kinds)
        options = BatchOptions(assets=kinds, max_parallel=4, **more)
        with HttpSources.of(api.config) as sources:
            return download_batch(
                api, entry_ids, destination, open_lake(destination.root), options, open_source=sources
            )

    return load_all


def captions_of(sandbox, entry_ids):
    """Give the bytes of all captions, by path below the root."""
    library = sandbox.library
    assets = (asset for entry_id in entry_ids for asset in library.assets_of(CAPTION, [entry_id], small.PARTNER_ID))
    return {
        f"{one['entryId']}/{one['id']}.{one['fileExt']}": library.file(one["id"], one["version"]).read()
        for one in assets
    }


def asked_of_api(requests):
    """Count the requests that are not for a file."""
    return len([one for one in requests() if not one.is_media])


def standing(folder):
    """Give the bytes of all files outside our own."""
    found = (path for path in folder.rglob("*") if path.is_file() and "_kaltura" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_captions_of_a_thousand_entries(load, sandbox, entry_ids, requests, tmp_path):
    """Two requests for the entries, one for their captions, one for each hundred URLs, one to see that none changed."""
    wanted = captions_of(sandbox, entry_ids)
    first = load(entry_ids)
    assert standing(tmp_path) == wanted
    asked = asked_of_api(requests)
    assert asked <= 2 + 1 + -(-len(wanted) // 100) + 1
    assert first.downloaded == len(wanted)
    assert first.skipped_reasons == {"no_captions": len(entry_ids) - len({name.partition("/")[0] for name in wanted})}
    again = load(entry_ids)
    assert (again.downloaded, again.skipped_reasons["already_there"]) == (0, len(wanted))
    assert asked_of_api(requests) == asked + 3
    print(len(wanted), "captions,", asked, "requests,", first.seconds, "s,", again.seconds, "s")  # noqa: T201 - figures


def test_captions_of_a_thousand_entries_as_text(load, sandbox, entry_ids, requests, tmp_path):
    """Each converted; a second run converts and fetches nothing."""
    wanted = {
        f"{name.rpartition('.')[0]}.txt": convert(data, "txt", name)
        for name, data in captions_of(sandbox, entry_ids).items()
    }
    assert load(entry_ids, caption_format="txt").downloaded == len(wanted)
    assert standing(tmp_path) == wanted
    asked = asked_of_api(requests)
    assert load(entry_ids, caption_format="txt").downloaded == 0
    assert asked_of_api(requests) == asked + 3


def test_flavors_and_captions_together(load, sandbox, entry_ids, tmp_path):
    """One run, one report; what has no captions has its flavor."""
    summary = load(entry_ids[:100], "flavors, captions")
    wanted = captions_of(sandbox, entry_ids[:100])
    found = standing(tmp_path)
    assert {name: found[name] for name in wanted} == wanted
    assert (len(found), summary.downloaded) == (100 + len(wanted), 100 + len(wanted))
