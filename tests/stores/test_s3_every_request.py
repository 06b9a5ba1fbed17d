"""Each request to S3 goes wrong in turn: nothing that is cut stands there, and nothing is left."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.stores import every_request
from tests.stores.every_request import OLD, Scenario, long_but, outcomes, prove_raised, tries_after
from tests.stores.s3_turns import CHECKS, ERRORS, KEY, RAISED, Place
from tests.unit.transfer.sink_steps import _data

#: Four parts as short as S3 takes them.
BIG = _data(5 * 1024 * 1024)


def gone(sink, _uploads, _plain):
    """Delete an object."""
    sink.store.delete(KEY)


SCENARIOS = {
    **{
        name: replace(one, new=BIG) if name.startswith("parts") else one
        for name, one in every_request.SCENARIOS.items()
    },
    "deleted": Scenario(gone, new=None, old=OLD),
}
#: Requests of each scenario, those of the discard after a failure included; else there are two: write and look.
REQUESTS = {
    # Begin, four parts and a look whether they are listed with checksums, put together, look.
    "parts": 8,
    "parts, replacing": 8,
    "parts, create-only": 8,
    # The store refuses the last but one; then abort, and look.
    "parts, create-only, refused": 9,
    "parts, gone on with": 5,
    "parts, one put again": 9,
    "parts, given up": 6,
    "one part, create-only, refused": 1,
    "small, create-only, refused": 1,
    "small, over a version": 2,
    "deleted": 1,
}
SHORT = {name for name, one in SCENARIOS.items() if one.new is not BIG}


@pytest.fixture(scope="module")
def bucket(seaweed):
    """A bucket for this module."""
    return seaweed.make_bucket()


@pytest.fixture(scope="module")
def plain(seaweed):
    """A client without faults."""
    client = seaweed.client(**CHECKS)
    yield client
    client.close()


@pytest.fixture
def make_place(seaweed, bucket, plain):
    """Make places whose clients make no request twice."""
    return lambda: Place(seaweed, bucket, plain)


@pytest.mark.parametrize("is_before", [True, False], ids=["not sent", "answer lost"])
@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("name", long_but(SCENARIOS, SHORT | {"parts, replacing", "parts, given up"}))
def test_one_request_that_goes_wrong_leaves_old_or_new(make_place, name, error, is_before):
    """What stands is the old object or the new one, whole; after the discard nothing else is there."""
    seen = list(outcomes(SCENARIOS[name], make_place, ERRORS[error], is_before=is_before))
    assert len(seen) == REQUESTS.get(name, 2)
    prove_raised(seen, RAISED.get(error), error not in RAISED)
    # Only what a beginning leaves that told nobody what it has begun waits for the clean-up.
    assert all(done.left == [] for done in seen if done.uploads)


@pytest.mark.parametrize("is_before", [True, False], ids=["not sent", "answer lost"])
@pytest.mark.parametrize("error", long_but(ERRORS, {"no connection"}))
@pytest.mark.parametrize("name", long_but(SCENARIOS, SHORT | {"parts, replacing"}))
def test_a_store_that_is_gone_leaves_old_or_new(make_place, name, error, is_before):
    """When nothing works from some request on, what stands is whole, and one clean-up finds all else."""
    seen = list(outcomes(SCENARIOS[name], make_place, ERRORS[error], is_before=is_before, is_forever=True))
    assert len(seen) == REQUESTS.get(name, 2)
    prove_raised(seen, RAISED.get(error), error not in RAISED)


@pytest.mark.parametrize("is_before", [True, False], ids=["not sent", "answer lost"])
@pytest.mark.parametrize("name", long_but(SCENARIOS, SHORT))
def test_one_request_without_an_answer_is_made_again(seaweed, bucket, plain, monkeypatch, name, is_before):
    """As the client is used, one lost request of whatever kind changes nothing: all works."""
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    scenario, error = SCENARIOS[name], ERRORS["no connection"]
    seen = list(outcomes(scenario, lambda: Place(seaweed, bucket, plain, 5), error, is_before=is_before))
    assert len(seen) >= REQUESTS.get(name, 2)
    assert {done.said for done in seen} == {scenario.works}
    # A beginning whose answer was lost has begun another one, of which nobody knows until the clean-up.
    assert all(done.left == [] for done in seen[name.startswith("parts") :])


@pytest.mark.parametrize("is_before", [True, False], ids=["not sent", "answer lost"])
@pytest.mark.parametrize("error", long_but(ERRORS, {"no connection"}))
@pytest.mark.parametrize("name", long_but(["parts, gone on with", "parts, one put again"], {"parts, gone on with"}))
def test_another_try_goes_on_after_any_request(make_place, name, error, is_before):
    """Whatever went wrong, who goes on with what is recorded, without a discard, has the whole object in the end."""
    assert tries_after(SCENARIOS[name], make_place, ERRORS[error], is_before=is_before) == REQUESTS[name]


@pytest.mark.parametrize("name", ["small, over a version", "one part, replacing", "parts, replacing"])
def test_a_bucket_with_versions_keeps_what_was_replaced_and_no_more(seaweed, plain, name):
    """No version is left of what failed, nor a mark of a deletion."""
    bucket = seaweed.make_bucket(versioned=True)
    seen = list(outcomes(SCENARIOS[name], lambda: Place(seaweed, bucket, plain), ERRORS["unexpected"], is_before=False))
    assert len(seen) == REQUESTS.get(name, 2)
