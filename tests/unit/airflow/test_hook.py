"""The hook: one sentence about a connection, the form on every version, no secret in sight."""

from __future__ import annotations

import asyncio
import pickle
import socket
import traceback

import pytest
import trustme
from airflow import __version__ as airflow_version
from airflow.providers.common.compat.sdk import redact

from airflow_provider_kaltura import compat
from airflow_provider_kaltura.api import secrets
from airflow_provider_kaltura.api.runtime import forget_all
from airflow_provider_kaltura.exceptions import (
    KalturaArgumentError,
    KalturaConnectionError,
    KalturaPermanentError,
    KalturaProviderError,
)
from airflow_provider_kaltura.get_provider_info import get_provider_info
from airflow_provider_kaltura.hooks import KalturaHook
from airflow_provider_kaltura.operators import KalturaGetDownloadUrlOperator
from airflow_provider_kaltura.sandbox import small
from airflow_provider_kaltura.sandbox.server import serve
from airflow_provider_kaltura.sensors import KalturaFlavorReadySensor

CONNECTION_TYPE = get_provider_info()["connection-types"][0]
METHODS = {
    "admin_secret": {},
    "session_start": {"extra": {"auth_method": "session_start"}},
    "user_session": {"extra": {"session_type": "user", "user_id": "somebody", "privileges": "list:*,download:*"}},
    "app_token": {"password": small.APP_TOKEN, "extra": {"app_token_id": small.APP_TOKEN_ID}},
    "user_app_token": {"password": small.USER_APP_TOKEN, "extra": {"app_token_id": small.USER_APP_TOKEN_ID}},
}


def ready_ks(define_connection, sandbox):
    """Make a KS as a user would get one from somebody else."""
    define_connection("issuer", host=sandbox.base_url)
    return KalturaHook("issuer").api.runtime.sessions.get().ks


def sentence(define_connection, **fields):
    """Try a connection and give the answer."""
    forget_all()
    define_connection(**fields)
    ok, message = KalturaHook().test_connection()
    assert message
    assert "\n" not in message
    assert small.ADMIN_SECRET not in message
    assert "djJ8" not in message
    return ok, message


def free_port():
    """Find a port where nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.mark.parametrize("method", METHODS)
def test_a_good_connection(sandbox, define_connection, method):
    """Every way to authenticate that works is said to work."""
    ok, message = sentence(define_connection, host=sandbox.base_url, **METHODS[method])
    assert (ok, f"partner {small.PARTNER_ID}" in message) == (True, True), message


def test_a_ready_ks(sandbox, define_connection):
    """A KS that somebody else made works, one that is none does not, and neither is shown."""
    ks = ready_ks(define_connection, sandbox)
    ok, message = sentence(define_connection, host=sandbox.base_url, password=ks, extra={"auth_method": "ks"})
    assert ok, message
    ok, message = sentence(define_connection, host=sandbox.base_url, password="x" * 64, extra={"auth_method": "ks"})
    assert not ok
    assert "KS" in message
    assert "x" * 64 not in message


@pytest.mark.parametrize("method", ["admin_secret", "session_start", "app_token"])
def test_a_wrong_secret(sandbox, define_connection, method):
    """A wrong secret is told apart from an unknown partner."""
    fields = {**METHODS[method], "password": "f" * 32}
    ok, message = sentence(define_connection, host=sandbox.base_url, **fields)
    assert not ok
    assert "secret" in message
    assert "exists" in message


@pytest.mark.parametrize("method", ["admin_secret", "session_start", "app_token"])
def test_an_unknown_partner(sandbox, define_connection, method):
    """A partner that does not exist is named."""
    ok, message = sentence(define_connection, host=sandbox.base_url, login="999999", **METHODS[method])
    assert not ok
    assert "does not know partner 999999" in message


def test_an_unreachable_host(define_connection):
    """Nobody listens there."""
    ok, message = sentence(define_connection, host=f"http://127.0.0.1:{free_port()}")
    assert not ok
    assert "127.0.0.1" in message


def test_self_signed_tls(define_connection, tmp_path):
    """A certificate that nobody vouches for is named, and trusted when the connection says so."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with serve(
        small.library(ready_after_seconds=3600), tls_cert=tmp_path / "cert.pem", tls_key=tmp_path / "key.pem"
    ) as running:
        ok, message = sentence(define_connection, host=running.base_url)
        assert not ok
        assert "certificate" in message
        assert "verify" in message
        ok, message = sentence(define_connection, host=running.base_url, extra={"verify": str(tmp_path / "ca.pem")})
        assert ok, message


@pytest.mark.parametrize(("service", "action"), [("media", "list"), ("flavorAsset", "getUrl")])
def test_missing_permission(sandbox, define_connection, service, action):
    """Authenticated, but what the job needs is refused."""
    sandbox.control.faults.on("forbidden", service=service, action=action)
    ok, message = sentence(define_connection, host=sandbox.base_url)
    assert not ok
    assert message.startswith("Authenticated, but")


def test_the_secret_is_never_sent_to_find_out(sandbox, define_connection):
    """With a locally made KS the admin secret does not cross the network, not even for the test."""
    sentence(define_connection, host=sandbox.base_url, password="f" * 32)
    sentence(define_connection, host=sandbox.base_url)
    for record in sandbox.log.records():
        sent = f"{record.path} {record.query} {record.headers} {record.parameters}"
        assert small.ADMIN_SECRET not in sent
        assert "f" * 32 not in sent


def test_a_malformed_connection(define_connection):
    """What can't be tried is said, with the field."""
    ok, message = sentence(define_connection, login="acme")
    assert not ok
    assert "'login'" in message


def test_a_missing_connection():
    """A connection that does not exist is said to be missing, not a traceback."""
    ok, message = KalturaHook("nowhere").test_connection()
    assert not ok
    assert "nowhere" in message


@pytest.mark.usefixtures("sandbox")
def test_get_conn_gives_an_authenticated_client():
    """Everything else of Kaltura is there through the official client."""
    client = KalturaHook().get_conn()
    assert client.baseEntry.get(small.READY).name == "The sea, a short film"


@pytest.mark.usefixtures("sandbox")
def test_get_conn_takes_privileges():
    """A session with other privileges is one of its own."""
    client = KalturaHook().get_conn(privileges=["disableentitlement", "list:*"])
    assert "disableentitlement" in client.session.get().privileges


def test_nothing_is_read_before_it_is_needed(monkeypatch):
    """Making a hook reads no connection."""
    read = []
    monkeypatch.setattr(KalturaHook, "get_connection", classmethod(lambda _cls, conn_id: read.append(conn_id)))
    assert KalturaHook("nowhere").kaltura_conn_id == "nowhere"
    assert read == []


@pytest.mark.usefixtures("sandbox")
def test_airflow_makes_the_hook_by_its_connection():
    """Connection.get_hook finds the class by the connection's type."""
    hook = KalturaHook.get_connection("kaltura_default").get_hook()
    assert isinstance(hook, KalturaHook)


@pytest.mark.usefixtures("sandbox")
def test_the_async_way_reads_the_same():
    """A trigger gets the same settings as an operator."""
    hook = KalturaHook()
    assert asyncio.run(hook.aget_api()).config == KalturaHook().config


def test_the_async_way_names_what_is_wrong(define_connection):
    """A malformed connection is a typed error there too."""
    define_connection(login="acme")
    with pytest.raises(KalturaConnectionError, match="'login'"):
        asyncio.run(KalturaHook().aget_api())


# ---------------------------------------------------------------- the form
def test_field_behaviour_is_that_of_the_provider_info():
    """Old and new form label, hide and fill the standard fields alike."""
    behaviour = KalturaHook.get_ui_field_behaviour()
    assert behaviour == {key.replace("-", "_"): value for key, value in CONNECTION_TYPE["ui-field-behaviour"].items()}


def test_widgets_are_those_of_the_provider_info():
    """The old form has the same extra fields, in the same order, with the same labels and hints."""
    if airflow_version.startswith("3."):
        pytest.skip("Airflow 3 makes the form from conn-fields, without these widgets")
    widgets = KalturaHook.get_connection_form_widgets()
    assert list(widgets) == list(CONNECTION_TYPE["conn-fields"])
    for name, widget in widgets.items():
        field = CONNECTION_TYPE["conn-fields"][name]
        kind = {"integer": "IntegerField"}.get(field["schema"]["type"][0], "StringField")
        assert widget.field_class.__name__ == kind
        assert (widget.args[0], widget.kwargs["description"]) == (field["label"], field["description"])


def test_no_secret_is_an_extra():
    """The one secret is the password, which every Airflow encrypts and hides."""
    words = ("secret", "password", "passphrase")
    assert not [name for name in CONNECTION_TYPE["conn-fields"] if any(word in name for word in words)]


# ---------------------------------------------------------------- secrets
@pytest.mark.usefixtures("sandbox")
def test_secret_and_session_are_masked():
    """Airflow's masker hides the password and every KS as soon as there is one."""
    hook = KalturaHook()
    hook.get_conn().baseEntry.get(small.READY)
    ks = hook.api.runtime.sessions.get().ks
    assert redact(f"secret {small.ADMIN_SECRET} end") == "secret *** end"
    assert redact(f"session {ks} end") == "session *** end"


@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize("method", METHODS)
def test_reprs_show_no_secret(sandbox, define_connection, method):
    """Hook, operators and settings can be printed."""
    define_connection(host=sandbox.base_url, **METHODS[method])
    url = KalturaGetDownloadUrlOperator(task_id="url", entry_id=small.READY)
    wait = KalturaFlavorReadySensor(task_id="wait", entry_id=small.READY)
    url.execute({})
    wait.execute({})
    shown = f"{url!r} {url.hook!r} {vars(url.hook)} {url.hook.config!r} {wait!r} {wait.hook.api!r}"
    secret = METHODS[method].get("password", small.ADMIN_SECRET)
    assert secret not in shown
    assert "djJ8" not in shown


@pytest.mark.parametrize("method", ["admin_secret", "session_start", "app_token"])
def test_errors_show_no_secret(sandbox, define_connection, method):
    """A refused secret is in no traceback."""
    wrong = "0123456789abcdef0123456789fedcba"
    define_connection(host=sandbox.base_url, **{**METHODS[method], "password": wrong})
    with pytest.raises(KalturaPermanentError) as caught:
        KalturaGetDownloadUrlOperator(task_id="url", entry_id=small.READY).execute({})
    shown = "".join(traceback.format_exception(caught.value))
    assert wrong not in shown
    assert "djJ8" not in shown


@pytest.mark.usefixtures("sandbox")
def test_every_session_is_announced_to_the_masker_once():
    """Making many hooks does not make many callbacks."""
    for _ in range(3):
        assert KalturaHook().api
    assert secrets._callbacks.count(compat.mask_secret) == 1


def test_a_used_hook_and_its_client_show_no_secret(sandbox, define_connection):
    """Pickled after use, the hook reads its connection anew; the client's repr names only the connection."""
    define_connection(host=sandbox.base_url)
    hook = KalturaHook()
    client = hook.get_conn()
    packed = pickle.dumps(hook)
    assert small.ADMIN_SECRET.encode() not in packed
    assert pickle.loads(packed).config.partner_id == small.PARTNER_ID  # noqa: S301 - our own
    assert client.getKs() not in repr(client)
    assert repr(client) == f"TrustedKalturaClient('kaltura_default', partner {small.PARTNER_ID})"


def test_entries_are_listed_page_by_page(sandbox):
    """Nothing is sent before the first one is wanted; each comes once, with its times and tags."""
    for number in range(501):
        sandbox.control.add_entry(f"0_n{number:03}", tags="many, of them", createdAt=1_700_000_000 + number)
    sandbox.control.reset_counts()
    entries = KalturaHook().list_entries(tags=["many"])
    assert sandbox.control.counts()["requests"] == 0
    first = next(entries)
    assert sandbox.control.counts()["requests"] == 1
    assert (first.id, first.tags, first.created_at.timestamp()) == ("0_n000", ("many", "of them"), 1_700_000_000)
    assert [entry.id for entry in entries] == [f"0_n{number:03}" for number in range(1, 501)]
    assert sandbox.control.counts()["requests"] == 2


def test_all_ready_media_are_listed_by_default(sandbox):
    """As many as Kaltura itself would list."""
    expected = KalturaHook().get_conn().media.list()
    assert {entry.id for entry in KalturaHook().list_entries()} == {entry.id for entry in expected.objects}
    assert sandbox.library.entries


@pytest.mark.parametrize(
    ("words", "error", "text"),
    [
        ({"tag": ["x"]}, TypeError, "no argument 'tag'"),
        ({"tags": "x"}, KalturaArgumentError, "tags must be a list"),
        ({"created_since": "2026-01-01"}, KalturaArgumentError, "created_since must be a time"),
        ({"filter": {"tagLike": "x"}}, KalturaArgumentError, "tagsLike"),
        ({"entry_ids": ["0_a", "a b"]}, KalturaArgumentError, "id"),
    ],
)
def test_a_listing_that_cannot_be_meant_is_refused_at_once(sandbox, words, error, text):
    """Where it is asked for, not when its entries are wanted; and nothing is sent."""
    sandbox.control.reset_counts()
    with pytest.raises(error, match=text):
        KalturaHook().list_entries(**words)
    assert sandbox.control.counts()["requests"] == 0


def test_an_error_amid_a_listing_is_one_of_airflows(sandbox):
    """A refusal while the entries come leaves the hook as what Airflow understands."""
    sandbox.control.faults.on("forbidden", service="media", action="list")
    with pytest.raises(KalturaConnectionError, match="kaltura_default"):
        next(KalturaHook().list_entries())


def test_a_user_session_lists_nothing_in_secret(sandbox, define_connection):
    """Without list:* the server would list the user's own entries only."""
    forget_all()
    define_connection(host=sandbox.base_url, extra={"session_type": "user", "user_id": "u", "privileges": "download:*"})
    with pytest.raises(KalturaProviderError, match=r"list:\*"):
        next(KalturaHook().list_entries())
