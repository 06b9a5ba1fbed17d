"""A library of a thousand videos with eight flavors each, served over HTTP."""

from __future__ import annotations

import pytest

from airflow_provider_kaltura.api import runtime
from airflow_provider_kaltura.api.config import AuthConfig, ClientConfig
from airflow_provider_kaltura.api.facade import KalturaApi
from airflow_provider_kaltura.sandbox import rules, small
from airflow_provider_kaltura.sandbox.server import serve

ENTRIES = 1000
#: Behind access control, in the future, rejected by moderation: all three in different hundreds of the list.
SECURE, FUTURE, REJECTED = 37, 499, 999
SPECIAL = {SECURE: ("accessControlId", 2), FUTURE: ("startDate", 4102444800), REJECTED: ("moderationStatus", 3)}


@pytest.fixture(scope="session")
def sandbox():
    """A running sandbox, three of whose entries are special."""
    library = rules.library(entries=ENTRIES, only_ready_videos=True)
    ids = [library.entry_id(number) for number in range(ENTRIES)]
    for number, (name, value) in SPECIAL.items():
        with library.changing(ids[number]) as entry:
            entry[name] = value
    with serve(library) as running:
        yield running


@pytest.fixture
def entry_ids(sandbox):
    """All entries, in order."""
    return [sandbox.library.entry_id(number) for number in range(ENTRIES)]


@pytest.fixture
def make_api(sandbox):
    """Make a facade for a session of some kind."""

    def make(**auth):
        given = {"method": "admin_secret", "secret": small.ADMIN_SECRET, **auth}
        config = ClientConfig(
            connection_id="sandbox",
            service_url=sandbox.base_url,
            partner_id=small.PARTNER_ID,
            auth=AuthConfig(**given),
            requests_per_second=1000,
        )
        return KalturaApi(config)

    runtime.forget_all()
    yield make
    for made in runtime._runtimes.values():
        made.transport.close()
    runtime.forget_all()


@pytest.fixture
def api(make_api):
    """The facade of an admin."""
    return make_api()


@pytest.fixture
def requests(sandbox):
    """Tell how many API requests there were since the test began."""
    first = sandbox.log.records()[-1].number if sandbox.log.records() else 0

    def count():
        return [one for one in sandbox.log.records() if one.number > first and one.actions]

    return count
