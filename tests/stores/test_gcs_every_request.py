"""Each request to Google Cloud Storage goes wrong in turn: nothing that is cut stands there, and nothing is left."""

from __future__ import annotations

from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import urlopen

import pytest
import requests

from airflow_provider_kaltura.transfer.checksum import checksum_of
from airflow_provider_kaltura.transfer.gcs_client import GcsClient, GcsSettings
from airflow_provider_kaltura.transfer.gcs_sink import GcsSink
from tests.stores.every_request import (
    KEY,
    OLD,
    SCENARIOS,
    Fault,
    Scenario,
    long_but,
    outcomes,
    prove_raised,
    tries_after,
)
from tests.unit.transfer.sink_contract import DATA, begin, put

ROOT = "lake/"
#: Forty parts, the last one shorter: two joins, one of 32 and one of 8, and a last one.
TREE = (DATA + DATA)[:3_950]
ERRORS = {
    "no connection": lambda was_sent: requests.ReadTimeout() if was_sent else requests.ConnectionError(),
    "unexpected": lambda _: Fault(),
    "interrupt": lambda _: KeyboardInterrupt(),
}
RAISED = {"unexpected": Fault, "interrupt": KeyboardInterrupt}
#: Requests of each scenario, those of the discard after a failure included; else there is one.
REQUESTS = {
    "parts": 13,
    "parts, replacing": 13,
    "parts, create-only": 13,
    "parts, create-only, refused": 15,
    "parts, gone on with": 14,
    "parts, one put again": 15,
    "parts, given up": 8,
    "one part, create-only, refused": 2,
    "small, create-only, refused": 2,
}
#: What the quick run tries of the longer cases.
GONE = {"parts, replacing", "parts, create-only, refused", "parts, gone on with", "one part, create-only", "small"}
AGAIN = {"parts, gone on with", "one part, create-only", "small, create-only", "small, over a version"}
TRIES = ["parts, replacing", "parts, gone on with", "parts, one put again"]


class FaultySession(requests.Session):
    """A session whose requests take their turn."""

    def __init__(self, turns):
        super().__init__()
        self._turns = turns

    def request(self, *arguments, **options):
        """Ask, unless it is the request's turn to go wrong."""
        return self._turns.send(lambda: super(FaultySession, self).request(*arguments, **options))


class Place:
    """A new bucket, looked at by the service's own listing and plain requests."""

    def __init__(self, emulator, attempts):
        self.emulator, self.bucket, self.attempts = emulator, emulator.make_bucket(), attempts

    def sink(self, turns):
        """Make a sink; its client asks as often as the place says, or without faults as usual."""
        settings = GcsSettings(attempts=self.attempts if turns else 5, sleep=lambda _: None)
        session = FaultySession(turns) if turns else requests.Session()
        return GcsSink(GcsClient(self.bucket, lambda: (session, self.emulator.url), settings), ROOT)

    def put(self, data):
        """Write what stands there before."""
        url = f"{self.emulator.url}/upload/storage/v1/b/{self.bucket}/o?uploadType=media&name={quote(ROOT + KEY)}"
        requests.post(url, data=data, timeout=10).raise_for_status()

    def stands(self):
        """Tell generation and bytes of what has the final name."""
        found = [one for one in self.emulator.objects(self.bucket) if one["name"] == ROOT + KEY]
        url = f"{self.emulator.url}/storage/v1/b/{self.bucket}/o/{quote(ROOT + KEY, safe='')}?alt=media"
        try:
            with urlopen(url, timeout=10) as answer:  # noqa: S310 - our own server
                return found[0]["generation"], answer.read()
        except HTTPError:
            assert found == []
            return None

    def bytes_of(self, stands):
        """Give the bytes of what stands."""
        return stands and stands[1]

    def left(self):
        """List what is in the bucket besides the final name."""
        return [one["name"] for one in self.emulator.objects(self.bucket) if one["name"] != ROOT + KEY]


@pytest.fixture
def make_place(gcs_emulator):
    """Make places whose clients make no request twice."""
    return lambda: Place(gcs_emulator, 1)


@pytest.mark.parametrize("is_before", [True, False], ids=["not sent", "answer lost"])
@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("name", long_but(SCENARIOS, {*SCENARIOS} - {"parts"}))
def test_one_request_that_goes_wrong_leaves_old_or_new(make_place, gcs_emulator, name, error, is_before):
    """What stands is the old object or the new one, whole; after the discard nothing else is there."""
    gcs_emulator.requests()
    seen = list(outcomes(SCENARIOS[name], make_place, ERRORS[error], is_before=is_before))
    assert len(seen) == REQUESTS.get(name, 1)
    prove_raised(seen, RAISED.get(error), error not in RAISED)
    # Only what a beginning leaves that told nobody what it has begun waits for the clean-up.
    assert all(done.left == [] for done in seen if done.uploads)
    # In a bucket that keeps versions only a deletion that names the generation leaves none.
    deletions = [one for one in gcs_emulator.requests() if one["method"] == "DELETE"]
    assert all(one["query"].get("generation") for one in deletions)


@pytest.mark.parametrize("is_before", [True, False], ids=["not sent", "answer lost"])
@pytest.mark.parametrize("error", long_but(ERRORS, {"no connection"}))
@pytest.mark.parametrize("name", long_but(SCENARIOS, GONE))
def test_a_service_that_is_gone_leaves_old_or_new(make_place, name, error, is_before):
    """When nothing works from some request on, what stands is whole, and one clean-up finds all else."""
    seen = list(outcomes(SCENARIOS[name], make_place, ERRORS[error], is_before=is_before, is_forever=True))
    assert len(seen) == REQUESTS.get(name, 1)
    prove_raised(seen, RAISED.get(error), error not in RAISED)


@pytest.mark.parametrize("is_before", [True, False], ids=["not sent", "answer lost"])
@pytest.mark.parametrize("name", long_but(SCENARIOS, AGAIN))
def test_one_request_without_an_answer_is_made_again(gcs_emulator, name, is_before):
    """As the client is used, one lost request of whatever kind changes nothing: all works, and nothing is left."""
    scenario, error = SCENARIOS[name], ERRORS["no connection"]
    seen = list(outcomes(scenario, lambda: Place(gcs_emulator, 5), error, is_before=is_before))
    assert len(seen) >= REQUESTS.get(name, 1)
    assert {done.said for done in seen} == {scenario.works}
    assert [done.left for done in seen if done.left] == []


@pytest.mark.parametrize("is_before", [True, False], ids=["not sent", "answer lost"])
@pytest.mark.parametrize("error", long_but(ERRORS, {"no connection"}))
@pytest.mark.parametrize("name", long_but(TRIES, TRIES[:2]))
def test_another_try_goes_on_after_any_request(make_place, name, error, is_before):
    """Whatever went wrong, who goes on with what is recorded, without a discard, has the whole object in the end."""
    assert tries_after(SCENARIOS[name], make_place, ERRORS[error], is_before=is_before) == REQUESTS[name]


def in_a_tree(sink, uploads, _plain):
    """Upload more parts than one request joins."""
    uploads.append(begin(sink, KEY, TREE, 100))
    put(uploads[0], range(40), TREE, 100)
    uploads[0].commit(checksum=checksum_of(TREE))


@pytest.mark.all
@pytest.mark.parametrize("is_before", [True, False], ids=["not sent", "answer lost"])
@pytest.mark.parametrize(
    ("error", "is_forever"), [("no connection", False), ("interrupt", False), ("no connection", True)]
)
def test_each_request_of_a_tree_goes_wrong(make_place, error, is_before, is_forever):
    """What is joined on the way is temporary as well."""
    scenario = Scenario(in_a_tree, new=TREE, old=OLD)
    seen = list(outcomes(scenario, make_place, ERRORS[error], is_before=is_before, is_forever=is_forever))
    # The flag, 40 parts, a look at the flag, two joins, another look, the last one; all is deleted, after a listing.
    assert len(seen) == 1 + 40 + 1 + 2 + 1 + 1 + 1 + 1 + 42
    prove_raised(seen, RAISED.get(error), error not in RAISED)
    assert is_forever or all(done.left == [] for done in seen if done.uploads)
