"""One sandbox for all tests of this folder that need a server, and the parts that run against it."""

from __future__ import annotations

import pytest

from airflow_provider_kaltura.api import secrets
from airflow_provider_kaltura.api.config import AuthConfig, ClientConfig
from airflow_provider_kaltura.api.facade import KalturaApi
from airflow_provider_kaltura.ingest.asset_kinds import parse_assets
from airflow_provider_kaltura.ingest.batch import download_batch
from airflow_provider_kaltura.ingest.batch_models import BatchOptions
from airflow_provider_kaltura.ingest.destination import Destination
from airflow_provider_kaltura.ingest.sources import HttpSources
from airflow_provider_kaltura.sandbox import small
from airflow_provider_kaltura.sandbox.library import FLAVOR
from airflow_provider_kaltura.sandbox.server import serve
from airflow_provider_kaltura.stores import open_lake
from tests.unit.ingest.fakes import memory_lake
from tests.unit.ingest.landing import SOURCE


@pytest.fixture(scope="session")
def sandbox():
    """A running sandbox with the small library."""
    with serve(small.library(ready_after_seconds=3600)) as running:
        yield running


@pytest.fixture
def config(sandbox):
    """The settings of an admin connection to the sandbox."""
    auth = AuthConfig(method="admin_secret", secret=small.ADMIN_SECRET)
    return ClientConfig(
        connection_id="sandbox",
        service_url=sandbox.base_url,
        partner_id=small.PARTNER_ID,
        auth=auth,
        requests_per_second=1000,
    )


@pytest.fixture
def api(config):
    """The facade over that connection."""
    return KalturaApi(config)


@pytest.fixture
def sources(config):
    """Connections for media, given up at the end."""
    with HttpSources.of(config, sleep=lambda _: None) as made:
        yield made


@pytest.fixture
def restored(sandbox):
    """Put the flavor that a test changes back as it was."""
    flavor = sandbox.library.assets[FLAVOR][SOURCE]
    before = dict(flavor)
    yield flavor
    flavor.clear()
    flavor.update(before)


@pytest.fixture
def sessions():
    """Every KS that is met, as Airflow's masker learns it."""
    met = []
    learn = met.append
    secrets.register(learn)
    yield met
    secrets.unregister(learn)


@pytest.fixture(params=[True, False], ids=["metadata", "manifest"])
def lake(request):
    """A lake that remembers by object metadata, and one that has only the manifest."""
    return memory_lake(with_metadata=request.param)


@pytest.fixture
def disk():
    """A lake that has only the manifest."""
    return memory_lake(with_metadata=False)


@pytest.fixture
def fetch(tmp_path, api, sources):
    """Download assets, the way the operator will."""

    def load_all(assets="captions", entry_ids=(small.READY,), *, name=None, lake=None, opening=None, **more):
        kinds = parse_assets(assets)
        text = f"{tmp_path}/{name or '{entryId}/{assetId}.{format}'}"
        destination = Destination.parse(text, state_root=str(tmp_path), kinds=kinds)

        def open_source(job):
            if opening is not None:
                opening(job)
            return sources(job)

        options = BatchOptions(assets=kinds, **({"on_error": "continue"} | more))
        place = lake or open_lake(destination.root)
        return download_batch(api, entry_ids, destination, place, options, open_source=open_source)

    return load_all


@pytest.fixture
def requests(sandbox):
    """Tell what was asked since the test began."""
    first = max((one.number for one in sandbox.log.records()), default=0)
    return lambda: [one for one in sandbox.log.records() if one.number > first]
