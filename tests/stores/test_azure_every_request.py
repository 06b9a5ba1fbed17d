"""Each request to Azure goes wrong in turn: nothing that is cut stands there, and nothing is left but loose blocks."""

from __future__ import annotations

import itertools

import pytest
from azure.core.exceptions import ResourceNotFoundError, ServiceRequestError, ServiceResponseError
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import LinearRetry

from airflow_provider_kaltura.transfer.azure_names import BlockId
from airflow_provider_kaltura.transfer.azure_sink import AzureSink
from tests.stores.every_request import KEY, SCENARIOS, Fault, long_but, outcomes, prove_raised, tries_after

ERRORS = {
    "no connection": lambda was_sent: ServiceResponseError("lost") if was_sent else ServiceRequestError("no way"),
    "unexpected": lambda _: Fault(),
    "interrupt": lambda _: KeyboardInterrupt(),
}
RAISED = {"unexpected": Fault, "interrupt": KeyboardInterrupt}
#: Requests of each scenario, those of the discard after a failure included; else there is one.
REQUESTS = {
    "parts": 6,
    "parts, replacing": 6,
    "parts, create-only": 6,
    "parts, create-only, refused": 7,
    "parts, gone on with": 5,
    "parts, one put again": 7,
    "parts, given up": 3,
    "one part, create-only, refused": 2,
    "small, create-only, refused": 2,
}
#: What the quick run tries of the longer cases.
GONE = {"parts, replacing", "parts, create-only, refused", "parts, gone on with", "one part, create-only", "small"}
AGAIN = {
    "parts, replacing",
    "parts, gone on with",
    "one part, create-only",
    "small, create-only",
    "small, over a version",
}
TRIES = ["parts, replacing", "parts, gone on with", "parts, one put again"]
NUMBERS = itertools.count()


class FaultyTransport(RequestsTransport):
    """A transport whose requests take their turn; what changes something is remembered."""

    def __init__(self, turns):
        super().__init__()
        self._turns = turns

    def send(self, request, **options):
        """Ask, unless it is the request's turn to go wrong."""
        return self._turns.send(lambda: self._whole(request, **options))

    def _whole(self, request, **options):
        answer = super().send(request, **options)
        # What is lost has come here all the same, and its connection is used again.
        assert answer.internal_response.content is not None
        return answer


class Place:
    """A new folder of a container, looked at by a plain client."""

    def __init__(self, azurite, container, closing, **config):
        self._azurite, self._container, self._closing, self._config = azurite, container, closing, config
        self._root = f"{next(NUMBERS)}/lake/"
        self._blob = container.get_blob_client(self._root + KEY)

    def sink(self, turns):
        """Make a sink, without faults by the plain client."""
        if turns is None:
            return AzureSink(self._container, self._root)
        service = self._azurite.service(transport=FaultyTransport(turns), **self._config)
        self._closing.append(service)
        return AzureSink(service.get_container_client(self._container.container_name), self._root)

    def put(self, data):
        """Write what stands there before."""
        self._blob.upload_blob(data)

    def stands(self):
        """Tell tag and bytes of what has the final name."""
        try:
            stream = self._blob.download_blob()
            return stream.properties.etag, stream.readall()
        except ResourceNotFoundError:
            return None

    def bytes_of(self, stands):
        """Give the bytes of what stands."""
        return stands and stands[1]

    def left(self):
        """List names besides the final one, of whatever kind; below that one are only blocks that are ours."""
        include = ["uncommittedblobs", "snapshots"]
        found = [one.name for one in self._container.list_blobs(name_starts_with=self._root, include=include)]
        assert all(BlockId.parse(block.id) for block in self.blocks())
        return [name for name in found if name != self._root + KEY] + found[1:]

    def blocks(self):
        """List the uncommitted blocks."""
        try:
            return self._blob.get_block_list("uncommitted")[1]
        except ResourceNotFoundError:
            return []


@pytest.fixture
def make_place(azurite, azure_container):
    """Make places whose clients make no request twice, unless asked to."""
    closing = []
    yield lambda **config: Place(azurite, azure_container, closing, **config)
    for one in closing:
        one.close()


@pytest.mark.parametrize("is_before", [True, False], ids=["not sent", "answer lost"])
@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("name", long_but(SCENARIOS, {*SCENARIOS} - {"parts"}))
def test_one_request_that_goes_wrong_leaves_old_or_new(make_place, name, error, is_before):
    """What stands is the old object or the new one, whole; nothing else has a name, and nothing was committed after."""
    seen = list(outcomes(SCENARIOS[name], make_place, ERRORS[error], is_before=is_before))
    assert len(seen) == REQUESTS.get(name, 1)
    prove_raised(seen, RAISED.get(error), error not in RAISED)
    assert [done.left for done in seen if done.left] == []


@pytest.mark.parametrize("is_before", [True, False], ids=["not sent", "answer lost"])
@pytest.mark.parametrize("error", long_but(ERRORS, {"no connection"}))
@pytest.mark.parametrize("name", long_but(SCENARIOS, GONE))
def test_a_service_that_is_gone_leaves_old_or_new(make_place, name, error, is_before):
    """When nothing works from some request on, what stands is whole, and nothing else has a name."""
    seen = list(outcomes(SCENARIOS[name], make_place, ERRORS[error], is_before=is_before, is_forever=True))
    assert len(seen) == REQUESTS.get(name, 1)
    prove_raised(seen, RAISED.get(error), error not in RAISED)
    assert [done.left for done in seen if done.left] == []


@pytest.mark.parametrize("is_before", [True, False], ids=["not sent", "answer lost"])
@pytest.mark.parametrize("name", long_but(SCENARIOS, AGAIN))
def test_one_request_without_an_answer_is_made_again(make_place, name, is_before):
    """As the client is used, one lost request of whatever kind changes nothing: all works."""
    retry = LinearRetry(backoff=0, random_jitter_range=0, retry_total=3)
    scenario, error = SCENARIOS[name], ERRORS["no connection"]
    seen = list(outcomes(scenario, lambda: make_place(retry_policy=retry), error, is_before=is_before))
    assert len(seen) >= REQUESTS.get(name, 1)
    assert {done.said for done in seen} == {scenario.works}


@pytest.mark.parametrize("is_before", [True, False], ids=["not sent", "answer lost"])
@pytest.mark.parametrize("error", long_but(ERRORS, {"no connection", "interrupt"}))
@pytest.mark.parametrize("name", long_but(TRIES, TRIES[:2]))
def test_another_try_goes_on_after_any_request(make_place, name, error, is_before):
    """Whatever went wrong, who goes on with what is recorded, without a discard, has the whole object in the end."""
    assert tries_after(SCENARIOS[name], make_place, ERRORS[error], is_before=is_before) == REQUESTS[name]
