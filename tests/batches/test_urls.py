"""URLs of 1,000 entries of eight flavors: few requests, no row lost, every URL serves."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import urllib3

from airflow_provider_kaltura.ingest.batch_choice import parse_batch_flavor
from airflow_provider_kaltura.ingest.batch_urls import batch_urls
from tests.batches.conftest import ENTRIES, FUTURE, REJECTED, SECURE

FLAVOR = parse_batch_flavor("source, best")
MOST_REQUESTS = 40


def requires_bytes(rows, most_redirects=5):
    """Get one byte of each URL, and compare the length of the whole with Kaltura's."""
    with urllib3.PoolManager(maxsize=4, retries=urllib3.Retry(redirect=most_redirects)) as pool:

        def get(row):
            answer = pool.request("GET", row.url.url, headers={"Range": "bytes=0-0"})
            return answer.status, len(answer.data), answer.headers.get("Content-Range", "").rpartition("/")[2]

        with ThreadPoolExecutor(4) as threads:
            found = list(threads.map(get, rows))
    assert found == [(206, 1, str(row.asset.size_bytes)) for row in rows]


def test_an_admin_gets_a_row_for_each_entry(api, entry_ids, requests):
    """999 URLs that serve without a session, and one entry that needs one; no failure."""
    rows = list(batch_urls(api, entry_ids, FLAVOR))
    asked = requests()
    assert [row.entry_id for row in rows] == entry_ids
    assert [row.error for row in rows if row.error] == []
    (secured,) = [row for row in rows if row.url.needs_session]
    assert (secured.entry_id, secured.url.url) == (entry_ids[SECURE], "")
    requires_bytes([row for row in rows if row is not secured])
    assert len(asked) <= MOST_REQUESTS
    assert max(len(one.actions) for one in asked) <= 100
    print(len(asked), "requests,", sum(len(one.actions) for one in asked), "actions")  # noqa: T201 - a figure to quote


def test_an_admin_who_takes_signed_urls_gets_them_all(api, entry_ids, requests):
    """A thousand URLs, one of them with a KS, and each serves."""
    rows = list(batch_urls(api, entry_ids, FLAVOR, allow_session=True))
    asked = requests()
    assert sum(row.url.needs_session for row in rows) == 1
    requires_bytes(rows)
    assert len(asked) <= MOST_REQUESTS


def test_a_user_without_download_loses_three_and_nothing_else(make_api, entry_ids, requests):
    """Three reasons, each its own entry's; the refusals cost at most 8 requests each."""
    api = make_api(session_type="user", user_id="somebody", privileges=("list:*",))
    rows = list(batch_urls(api, entry_ids, FLAVOR))
    asked = requests()
    refused = {row.entry_id: row.error.x_kaltura_code for row in rows if row.error}
    assert refused == {entry_ids[SECURE]: "3", entry_ids[FUTURE]: "2", entry_ids[REJECTED]: "13"}
    served = [row for row in rows if not row.error]
    assert len(served) == ENTRIES - 3
    requires_bytes(served)
    assert len(asked) <= MOST_REQUESTS
    print(len(asked), "requests,", sum(len(one.actions) for one in asked), "actions")  # noqa: T201 - a figure to quote


@pytest.mark.parametrize("count", [20])
def test_each_flavor_of_each_entry_can_be_had(api, entry_ids, count):
    """Eight rows per entry, each another asset."""
    rows = list(batch_urls(api, entry_ids[:count], parse_batch_flavor("each")))
    assert set(Counter(row.entry_id for row in rows).values()) == {8}
    assert len({row.asset.id for row in rows}) == 8 * count
    requires_bytes(rows)


def test_no_url_is_asked_for_where_none_is_wanted(api, entry_ids, requests):
    """Flavors only: three requests for 1,000 entries, the last of which proves that nothing is missing."""
    rows = list(batch_urls(api, entry_ids, FLAVOR, with_urls=False))
    assert all(row.url is None and row.asset is not None for row in rows)
    assert len(requests()) == 3
