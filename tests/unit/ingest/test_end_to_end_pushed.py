"""What another task pushed to verified file, with the real parts."""

from __future__ import annotations

import pytest

from airflow_provider_kaltura.api.errors import FlavorNotReadyError
from airflow_provider_kaltura.ingest.destination import Destination
from airflow_provider_kaltura.ingest.plan import plan_download, plan_url
from airflow_provider_kaltura.ingest.resolve import parse_download, resolve
from airflow_provider_kaltura.ingest.run import run_one
from airflow_provider_kaltura.sandbox import lifecycle, small
from airflow_provider_kaltura.stores import open_lake
from tests.unit.ingest.landing import OPTIONS, SOURCE, content, files, landed, replace_file


@pytest.fixture
def pushed(api):
    """What the URL operator pushes for the ready entry's source."""
    found = resolve(api, small.READY, "source")
    return {
        "entryId": found.entry.id,
        "flavorId": found.asset.id,
        "fileSize": found.asset.size_bytes,
        "version": found.asset.version,
        "downloadUrl": api.media_url(found.asset, found.entry).url,
    }


@pytest.fixture
def load_pushed(tmp_path, api, sources):
    """Download what was pushed, the way the operator does."""

    def load_one(download):
        destination = Destination.parse(f"{tmp_path}/{{flavorId}}.{{format}}")
        job = plan_download(api, parse_download(download), destination)
        return run_one(job, open_lake(destination.root), OPTIONS, open_source=sources)

    return load_one


@pytest.mark.parametrize("form", [lambda it: it, repr, lambda it: [it], lambda it: {**it, "downloadUrl": None}])
def test_pushed_dict_lands_in_every_form_that_airflow_gives(load_pushed, pushed, sandbox, form):
    """As it is, as Jinja writes it, as the sensor's list of one, and without a URL."""
    outcome = load_pushed(form(pushed))
    assert landed(outcome) == content(sandbox)
    assert outcome.verified == "full"


def test_pushed_url_is_used_while_nothing_changed(load_pushed, pushed, sandbox):
    """No second getUrl is asked for."""
    before = len(list(sandbox.log.records()))
    load_pushed(pushed)
    asked = [str(record.as_dict()) for record in list(sandbox.log.records())[before:]]
    assert not [record for record in asked if "getUrl" in record]
    assert len(asked) == 3


def test_pushed_url_that_is_refused_is_asked_for_anew(load_pushed, pushed, sandbox):
    """Expired URLs are common; the flavor id finds another."""
    wrong = f"{sandbox.base_url}/p/{small.PARTNER_ID}/sp/100100/serveFlavor/entryId/{small.READY}/v/2/flavorId/0_none"
    outcome = load_pushed({**pushed, "downloadUrl": wrong})
    assert landed(outcome) == content(sandbox)


def test_pushed_version_that_is_history_is_not_fetched(load_pushed, pushed, sandbox, restored):
    """The old URL would still serve the old file; the result tells the version that was fetched."""
    data = replace_file(sandbox)
    outcome = load_pushed(pushed)
    assert outcome.job.version == restored["version"] == "12"
    assert landed(outcome) == data


def test_pushed_flavor_that_is_converting_again_is_not_ready(load_pushed, pushed, restored, tmp_path):
    """A reconversion takes the file away under the same id and version."""
    restored["status"] = lifecycle.CONVERTING
    with pytest.raises(FlavorNotReadyError):
        load_pushed(pushed)
    assert files(tmp_path) == []


def test_bare_url_lands_by_its_content_length(pushed, sandbox, sources, tmp_path):
    """Ids and version come from the URL's path, and the result says that the length was the only proof."""
    destination = Destination.parse(f"{tmp_path}/")
    bare = parse_download(pushed["downloadUrl"])
    outcomes = [
        run_one(plan_url(bare, destination), open_lake(destination.root), OPTIONS, open_source=sources)
        for _ in range(2)
    ]
    assert [(one.outcome, one.verified) for one in outcomes] == [("downloaded", "length"), ("skipped", "length")]
    assert outcomes[0].job.version == "2"
    assert (tmp_path / small.READY / f"{SOURCE}.mp4").read_bytes() == content(sandbox)
