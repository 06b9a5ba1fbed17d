"""Entries with their flavors in one walk: the same as asked for by id, in fewer requests."""

from __future__ import annotations

import pytest

from airflow_provider_kaltura.api import flavor_pages, listed_snapshots
from airflow_provider_kaltura.api.config import AuthConfig, ClientConfig
from airflow_provider_kaltura.api.errors import KalturaError
from airflow_provider_kaltura.api.facade import KalturaApi
from airflow_provider_kaltura.api.queries import ANY, EntryQuery
from airflow_provider_kaltura.sandbox import rules
from airflow_provider_kaltura.sandbox.server import serve

QUERY = EntryQuery(moderation=ANY, statuses=(ANY,))


@pytest.fixture(scope="module")
def _server():
    with serve(rules.library(entries=60)) as running:
        yield running


@pytest.fixture
def server(_server):
    """Give the sandbox with counts as new."""
    _server.control.faults.clear()
    _server.log.reset_counts()
    return _server


@pytest.fixture
def api(server):
    """Give Kaltura."""
    config = ClientConfig(
        connection_id="sandbox",
        service_url=server.base_url,
        partner_id=rules.PARTNER_ID,
        auth=AuthConfig(method="admin_secret", secret=rules.ADMIN_SECRET),
        requests_per_second=10_000,
    )
    made = KalturaApi(config)
    yield made
    made.close()


@pytest.fixture
def small_pages(monkeypatch):
    """Let pages have so few objects that a list takes several."""
    monkeypatch.setattr("airflow_provider_kaltura.api.listing.PAGE_SIZE", 20)
    monkeypatch.setattr("airflow_provider_kaltura.api.entries.PAGE_SIZE", 20)
    monkeypatch.setattr(flavor_pages, "PAGE", 50)
    monkeypatch.setattr(listed_snapshots, "PAGE", 50)


def by_id(api):
    """Give what there is, asked for in the other way."""
    return api.snapshot([entry.id for entry in api.list_entries(QUERY)])


@pytest.mark.usefixtures("small_pages")
def test_all_come_as_if_asked_for_by_id(api, server):
    """Each entry once, with all its flavors, in a request for each page of entries and few more."""
    wanted = by_id(api)
    server.log.reset_counts()
    groups = list(api.list_snapshots(QUERY))
    assert {one.entry.id: one for group in groups for one in group} == wanted
    assert sum(map(len, groups)) == len(wanted)
    assert len(groups) == -(-len(wanted) // 20)
    assert sum(len(one.assets) for group in groups for one in group) > 200
    assert server.log.api_requests <= len(groups) + 3


def test_only_what_is_wanted_is_asked_for(api, server):
    """Flavors of others are not asked for, and nothing at all where nobody is wanted."""
    wanted = next(iter(api.list_entries(QUERY))).id
    (group,) = api.list_snapshots(QUERY, lambda entry: entry.id == wanted)
    assert [one.entry.id for one in group] == [wanted]
    server.log.reset_counts()
    assert list(api.list_snapshots(QUERY, lambda _: False)) == []
    assert server.log.api_requests == 1


@pytest.mark.usefixtures("small_pages")
def test_a_flavor_that_pages_have_missed_is_asked_for_again(api, monkeypatch):
    """Their order is not certain within a second: the count tells that one is missing."""
    wanted = by_id(api)
    keep, dropped = listed_snapshots.keep_page, []

    def keep_but_one(answer, page, assets):
        if not dropped:
            dropped.append(answer.objects.pop().id)
            answer.objects.append(answer.objects[0])
        return keep(answer, page, assets)

    monkeypatch.setattr(listed_snapshots, "keep_page", keep_but_one)
    found = {one.entry.id: one for group in api.list_snapshots(QUERY) for one in group}
    assert len(dropped) == 1
    assert found == wanted


@pytest.mark.parametrize(("service", "action"), [("media", "list"), ("flavorAsset", "list")])
def test_an_error_of_either_list_is_raised(api, server, service, action):
    """Nothing is taken for an empty list."""
    server.control.faults.on("forbidden", service=service, action=action)
    with pytest.raises(KalturaError):
        list(api.list_snapshots(QUERY))
