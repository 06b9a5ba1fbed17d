"""A multirequest that was blocked in part goes on in pieces, at a pace, and each action is answered once."""

from __future__ import annotations

import time

import pytest

from airflow_provider_kaltura.api import errors, pieces
from airflow_provider_kaltura.api.config import AuthConfig, ClientConfig
from airflow_provider_kaltura.api.facade import KalturaApi
from airflow_provider_kaltura.api.limiter import Limiter
from airflow_provider_kaltura.api.retries import Retrier
from airflow_provider_kaltura.sandbox import rules, small
from airflow_provider_kaltura.sandbox.server import serve

ENTRIES = 90


@pytest.fixture
def sandbox(clock):
    """A library whose clock moves only when somebody waits; it begins now, as sessions do."""
    clock.now = time.time()
    with serve(rules.library(entries=ENTRIES, only_ready_videos=True, clock=clock)) as running:
        yield running


@pytest.fixture
def api(sandbox, clock):
    """An account whose waits move that clock."""
    config = ClientConfig(
        connection_id="pieces",
        service_url=sandbox.base_url,
        partner_id=small.PARTNER_ID,
        auth=AuthConfig(method="admin_secret", secret=small.ADMIN_SECRET),
    )
    made = KalturaApi(config)
    made.runtime.limiter = Limiter(8, 20.0, clock=clock, sleep=clock.sleep)
    made.runtime.retrier = Retrier(clock=clock, sleep=clock.sleep)
    return made


def read_all(api, sandbox):
    """Read every entry by one multirequest; gives what was answered, and the ids."""
    ids = [sandbox.library.entry_id(number) for number in range(ENTRIES)]
    client = api.client()
    client.startMultiRequest()
    for entry_id in ids:
        client.baseEntry.get(entry_id)
    return client.doMultiRequest(), ids


def test_without_a_limit_it_is_one_request(api, sandbox):
    """Nothing is cut before something was blocked."""
    answers, ids = read_all(api, sandbox)
    assert [answer.id for answer in answers] == ids
    assert len([one for one in sandbox.log.records() if one.actions]) == 1
    assert api.runtime.limiter.most_actions is None


@pytest.mark.parametrize("actions", [25, 40, 89])
def test_what_was_answered_is_not_asked_for_again(api, sandbox, actions):
    """Ninety actions against a limit in 10 seconds: ninety pass, in order, and few requests are blocked."""
    limit = sandbox.control.rates.on(actions)
    answers, ids = read_all(api, sandbox)
    assert [answer.id for answer in answers] == ids
    assert limit.passed == ENTRIES
    rates = sandbox.control.rates
    assert rates.blocked_requests <= max(3, 0.2 * (rates.blocked_requests + rates.passed_requests))


def test_a_limit_that_never_ends_is_an_error_of_each_action(api, sandbox, clock):
    """What came before it is kept, also for actions that were never sent; the tries are bounded."""
    sandbox.control.rates.on(10, seconds=1e9)
    answers, ids = read_all(api, sandbox)
    assert [answer.id for answer in answers[:10]] == ids[:10]
    assert all(isinstance(answer, errors.ThrottledError) for answer in answers[10:])
    assert len(answers) == ENTRIES
    assert sandbox.control.rates.blocked_requests <= 12
    assert sum(clock.slept) < 600


def test_an_action_that_needs_anothers_answer_stays_with_it(api, sandbox):
    """References go by place; they would be wrong in a piece."""
    client = api.client()
    client.startMultiRequest()
    client.baseEntry.get(sandbox.library.entry_id(3))
    client.flavorAsset.getByEntryId("{1:result:id}")
    _, params, _ = client.getRequestParams()
    assert not pieces.can_be_cut(params)
    flavors = client.doMultiRequest()[1]
    assert {flavor.entryId for flavor in flavors} == {sandbox.library.entry_id(3)}


def test_a_pace_follows_what_passed_and_is_forgotten(clock):
    """Half of what went through in the last window, at least one a second; successes end it by and by."""
    limiter = Limiter(8, 20.0, clock=clock, sleep=clock.sleep)
    with limiter.slot(60) as slot:
        slot.blocked(20)
    assert limiter.most_actions == 8
    with limiter.slot(8) as slot:
        slot.blocked()
    assert limiter.most_actions == 4
    sent = 0
    begun = clock.now
    while limiter.most_actions is not None:
        with limiter.slot(limiter.most_actions) as slot:
            sent += slot.actions
    assert sent / (clock.now - begun) < 20 * 10
    assert clock.now - begun < 600
