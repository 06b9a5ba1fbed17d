"""
Each pitfall of the official client: the plain one falls in, ours does not.

Every test runs the same story with both clients; what the plain one does wrong is asserted too, so that a test stops
making sense, and fails, when the official client is mended.
"""

from __future__ import annotations

import sys
import threading
import time

import pytest
from KalturaClient.Base import IKalturaLogger, KalturaConfiguration, KalturaParams
from KalturaClient.Client import KalturaClient
from KalturaClient.exceptions import KalturaClientException, KalturaException

from airflow_provider_kaltura.api import errors
from tests.unit.api.kaltura_double import Fault, Reply, Step, die, flavor, listing, media_entry, reply_of


def plain_client(double, logger=None):
    """Make the official client as its documentation does."""
    configuration = KalturaConfiguration(double.base_url, logger)
    configuration.requestTimeout = 5
    return KalturaClient(configuration)


class Lines(IKalturaLogger):
    """Keeps what is logged."""

    def __init__(self):
        self.text = ""

    def log(self, msg):
        """Keep one line."""
        self.text += f"{msg}\n"


def page_of_500():
    """A list answer of 500 flavor assets."""
    return reply_of(
        listing("KalturaFlavorAssetListResponse", [flavor(f"0_flavor{number:03}") for number in range(500)])
    )


def test_a_cut_list_is_an_error(double, api):
    """XML that ends in the middle is repaired by the plain client and accepted; ours refuses it."""
    whole = page_of_500()
    half = Reply(whole.body[: len(whole.body) // 2])
    double.whole = [half]
    assert 0 < len(plain_client(double).flavorAsset.list().objects) < 500
    double.whole = [half] * 10
    with pytest.raises(errors.KalturaTransportError) as caught:
        api.client().flavorAsset.list()
    assert caught.value.code == "NOT_WELL_FORMED"


def test_a_cut_list_is_asked_for_again(double, api):
    """Of a list that was cut once, all 500 objects come back."""
    whole = page_of_500()
    double.whole = [Reply(whole.body[:-200]), whole]
    assert len(api.client().flavorAsset.list().objects) == 500


@pytest.mark.parametrize(
    ("reply", "plain_error", "plain_text", "code"),
    [
        pytest.param(
            Reply(b"<html><body>Bad Gateway</body></html>", 502, {"Content-Type": "text/html"}),
            KalturaClientException,
            "Could not find result node",
            "HTTP_502",
            id="html-502",
        ),
        pytest.param(
            Reply(b"Service Unavailable", 503, {"Content-Type": "text/plain"}),
            AttributeError,
            "has no attribute",
            "HTTP_503",
            id="text-503",
        ),
        pytest.param(
            Reply(b"", 200, {"Content-Type": "text/html"}),
            KalturaClientException,
            "empty",
            "EMPTY_ANSWER",
            id="empty-200",
        ),
        pytest.param(
            Reply(b"<html><p>Please log in</p></html>", 200, {"Content-Type": "text/html"}),
            KalturaClientException,
            "Could not find result node",
            "NOT_XML",
            id="html-200",
        ),
    ],
)
def test_what_is_no_answer_of_kaltura_is_a_typed_error(double, api, reply, plain_error, plain_text, code):
    """A proxy's page gives errors about the parser with the plain client, and one that says what came with ours."""
    double.whole = [reply]
    with pytest.raises(plain_error, match=plain_text) as plain:
        plain_client(double).system.ping()
    assert not hasattr(plain.value, "retryable")
    double.whole = [reply] * 10
    with pytest.raises(errors.KalturaTransportError) as caught:
        api.client().system.ping()
    assert (caught.value.code, caught.value.retryable) == (code, True)


def test_a_refusal_without_a_body_says_its_reason(double, api):
    """Kaltura's empty refusal is a parse error in the plain client; ours reads the reason from the header."""
    double.whole = [die("3"), die("3")]
    with pytest.raises(KalturaClientException, match="Failed to parse XML"):
        plain_client(double).flavorAsset.getUrl("0_flavor01")
    with pytest.raises(errors.AccessRefusedError, match="access control") as caught:
        api.client().flavorAsset.getUrl("0_flavor01")
    assert (caught.value.x_kaltura_code, caught.value.object_id) == ("3", "0_flavor01")


def test_a_passing_failure_is_tried_again(double, api, clock):
    """The plain client's retries never fire; ours get through one bad gateway, having waited."""
    bad = Reply(b"<html/>", 502, {"Content-Type": "text/html"})
    double.whole = [bad, reply_of(True)]
    with pytest.raises(KalturaClientException):
        plain_client(double).system.ping()
    double.whole = [bad, reply_of(True)]
    assert api.client().system.ping() is True
    assert clock.slept


def test_a_refused_connection_is_tried_again_and_then_typed(make_api, clock):
    """Nobody listening: the plain client gives up at once and without a type, ours tries and says 'unreachable'."""
    api = make_api(service_url="http://127.0.0.1:9")
    begun = time.monotonic()
    with pytest.raises(KalturaClientException):
        KalturaClient(KalturaConfiguration("http://127.0.0.1:9")).system.ping()
    assert time.monotonic() - begun < 4  # its retries would wait 5 s
    with pytest.raises(errors.KalturaTransportError) as caught:
        api.client().system.ping()
    assert (caught.value.code, len(clock.slept)) == ("UNREACHABLE", 5)


def test_connections_are_kept(double, api):
    """Three calls take three connections with the plain client and one with ours."""
    double.actions[("system", "ping")] = True
    plain = plain_client(double)
    for client, connections in ((plain, 3), (api.client(), 1)):
        double.requests.clear()
        for _ in range(3):
            client.system.ping()
        assert len({request.client_port for request in double.requests}) == connections


def test_default_arguments_carry_no_session_to_another_client(double, api):
    """The plain client's default arguments are one object: the KS of one client is sent by the next."""
    double.actions[("system", "ping")] = True
    first, second = plain_client(double), plain_client(double)
    first.setKs("ks-of-the-first")
    for client in (first, second):
        client.queueServiceActionCall("system", "ping", "bool")
        client.doQueue()
    assert double.posts[1].body["ks"] == "ks-of-the-first"

    double.requests.clear()
    ours = api.client()
    for client in (ours, api.runtime.anonymous_client()):
        client.queueServiceActionCall("system", "ping", "bool")
        client.doQueue()
    assert "ks" in double.posts[0].body
    assert double.posts[1].body.get("ks") != double.posts[0].body["ks"]


def test_parameters_are_not_changed_under_the_callers_hands(double, api):
    """Two calls queued with one parameters object: the plain client sends the last one twice, ours sends both."""
    double.actions[("system", "ping")] = double.actions[("system", "getVersion")] = "x"
    for client, sent in ((plain_client(double), ["getVersion"] * 2), (api.client(), ["ping", "getVersion"])):
        parameters = KalturaParams()
        client.startMultiRequest()
        client.queueServiceActionCall("system", "ping", "string", parameters)
        client.queueServiceActionCall("system", "getVersion", "string", parameters)
        client.doMultiRequest()
        assert [action for _, action, _ in double.posts[-1].calls] == sent


def answers_of_two_threads(client, double):
    """Ask for two entries at once through one client, so that both calls are queued before any is sent."""
    double.actions[("baseentry", "get")] = lambda params: media_entry(params["entryId"])
    both_queued = threading.Barrier(2)
    queue = client.queueServiceActionCall
    found: dict[str, object] = {}

    def queue_and_wait(*arguments, **named):
        queue(*arguments, **named)
        both_queued.wait(5)

    def ask(entry_id):
        try:
            found[entry_id] = client.baseEntry.get(entry_id).id
        except Exception as error:  # noqa: BLE001 - whatever the plain client does wrong
            found[entry_id] = type(error)

    client.queueServiceActionCall = queue_and_wait
    threads = [threading.Thread(target=ask, args=(entry_id,)) for entry_id in ("0_entry001", "0_entry002")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    return found


def test_threads_get_their_own_answers(double, api):
    """Two threads on one client: the plain one mixes their calls up, ours keeps them apart."""
    right = {"0_entry001": "0_entry001", "0_entry002": "0_entry002"}
    assert answers_of_two_threads(plain_client(double), double) != right
    assert answers_of_two_threads(api.client(), double) == right


def test_a_logger_gets_no_secret(double, api):
    """With a logger configured the plain client logs KS and secrets; ours logs the same lines without them."""
    ks, secret = "djJ8MTAxfHNlY3JldHNlY3JldHNlY3JldHNlY3JldA==", "fedcba9876543210fedcba9876543210"
    double.actions[("session", "start")] = ks
    for client, leaks in ((plain_client(double, Lines()), True), (api.client(), False)):
        lines = client.getConfig().getLogger() or Lines()
        client.getConfig().setLogger(lines)
        client.setConfig(client.getConfig())
        client.setKs(ks)
        client.session.start(secret, "user", 2, 101)
        assert "session" in lines.text
        assert (ks in lines.text, secret in lines.text) == (leaks, leaks)


def test_errors_of_a_multirequest_are_not_taken_for_answers(double, api):
    """Errors come back as list items in the plain client; the facade raises them."""
    double.actions[("baseentry", "getByIds")] = Fault("SERVICE_FORBIDDEN")
    double.actions[("flavorasset", "list")] = listing("KalturaFlavorAssetListResponse", [])
    plain = plain_client(double)
    plain.startMultiRequest()
    plain.baseEntry.getByIds("0_entry001")
    plain.flavorAsset.list()
    assert isinstance(plain.doMultiRequest()[0], KalturaException)
    with pytest.raises(errors.ForbiddenError):
        api.snapshot(["0_entry001"])


def test_a_multirequest_that_loses_an_item_is_an_error(double, api):
    """An answer with fewer items than calls is accepted by the plain client, and an error in ours."""
    short = reply_of([True])
    double.whole = [short]
    plain = plain_client(double)
    plain.startMultiRequest()
    plain.system.ping()
    plain.system.ping()
    assert len(plain.doMultiRequest()) == 1
    double.whole = [short] * 10
    client = api.client()
    client.startMultiRequest()
    client.system.ping()
    client.system.ping()
    with pytest.raises(errors.KalturaTransportError) as caught:
        client.doMultiRequest()
    assert caught.value.code == "WRONG_COUNT"


def test_a_failed_multirequest_leaves_no_trace(double, api):
    """After a multirequest failed as a whole, the plain client swallows the next single call; ours sends it."""
    double.actions[("system", "ping")] = True
    for client, answer in ((plain_client(double), "swallowed"), (api.client(), True)):
        double.whole = [die("3")]
        client.startMultiRequest()
        client.system.ping()
        with pytest.raises((KalturaClientException, errors.AccessRefusedError)):
            client.doMultiRequest()
        result = client.system.ping()
        assert (result if result is True else "swallowed") == answer


def test_a_call_that_was_never_queued_leaves_no_trace(double, make_api):
    """A session that can't be made in the middle of a multirequest does not swallow the thread's next call."""
    double.actions[("session", "start")] = [Step("a-first-ks"), Step(Fault("START_SESSION_ERROR")), Step("a-second-ks")]
    double.actions[("system", "ping")] = True
    client = make_api(auth={"method": "session_start", "session_type": "user", "session_expiry_seconds": 1}).client()
    client.startMultiRequest()
    client._runtime.sessions._sessions.clear()
    with pytest.raises(errors.AuthError):
        client.system.ping()
    assert client.system.ping() is True
    assert double.posts[-1].path.endswith("/service/system/action/ping")


def test_what_was_queued_and_never_sent_is_forgotten(double, api):
    """A multirequest that its caller gave up is not sent along with the next one."""
    double.actions[("system", "ping")] = True
    client = api.client()
    client.startMultiRequest()
    client.system.ping()
    client.startMultiRequest()
    client.system.ping()
    assert client.doMultiRequest() == ["1"]


def test_entities_are_not_expanded(double, api):
    """A document type in an answer is an error in ours, not a way to read files or to blow up memory."""
    bomb = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "boom">]><xml><result>&a;</result></xml>'
    double.whole = [Reply(bomb)]
    assert plain_client(double).system.getVersion() == "boom"
    double.whole = [Reply(bomb)] * 10
    with pytest.raises(errors.KalturaTransportError) as caught:
        api.client().system.getVersion()
    assert caught.value.code == "NOT_KALTURA_XML"


def test_plugins_are_loaded_once(double, api, monkeypatch):
    """A second client costs the plain one a new walk over 120 modules; ours only binds their services."""
    api.client()

    def refuse(*arguments):
        raise AssertionError(arguments)

    monkeypatch.setattr(KalturaClient, "loadPlugin", refuse)
    with pytest.raises(AssertionError):
        plain_client(double)
    assert hasattr(api.client(), "caption")
    assert "KalturaClient.Plugins.Caption" in sys.modules


def test_what_ours_raises_is_caught_as_the_official_error(double, api):
    """Code written for the official client catches our errors by its classes."""
    double.actions[("baseentry", "get")] = [Step(Fault("ENTRY_ID_NOT_FOUND", "Entry id not found"))]
    with pytest.raises(KalturaException) as caught:
        api.client().baseEntry.get("0_entry001")
    assert (caught.value.code, isinstance(caught.value, errors.NotFoundError)) == ("ENTRY_ID_NOT_FOUND", True)
    double.whole = [Reply(b"", 500)] * 10
    with pytest.raises(KalturaClientException):
        api.client().baseEntry.get("0_entry001")
