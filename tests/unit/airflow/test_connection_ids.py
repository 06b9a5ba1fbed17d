"""A connection that is not named, not defined, or of another type is told as that, and not retried."""

from __future__ import annotations

import asyncio

import pytest

from airflow_provider_kaltura.compat import AirflowFailException, AirflowNotFoundException
from airflow_provider_kaltura.exceptions import KalturaArgumentError, KalturaConnectionError
from airflow_provider_kaltura.hooks import KalturaHook
from airflow_provider_kaltura.operators import KalturaListEntriesOperator


@pytest.mark.parametrize("conn_id", ["", " ", None, "None"])
def test_an_empty_connection_id_is_told(conn_id):
    """What a template makes of a missing value; nothing is looked up, and no retry can help."""
    hook = KalturaHook(conn_id)
    with pytest.raises(KalturaArgumentError, match="kaltura_conn_id is empty"):
        _ = hook.config
    with pytest.raises(KalturaArgumentError, match="kaltura_conn_id is empty"):
        asyncio.run(hook.aget_api())


@pytest.mark.usefixtures("home")
def test_a_connection_that_is_not_defined_is_named():
    """The error is an argument's, which Airflow does not retry; on a triggerer only it may be missing by chance."""
    hook = KalturaHook("nowhere")
    with pytest.raises(KalturaArgumentError, match="no connection 'nowhere', which kaltura_conn_id names") as caught:
        _ = hook.config
    assert isinstance(caught.value, AirflowFailException)
    with pytest.raises(AirflowNotFoundException):
        asyncio.run(hook.aget_api())


def test_another_type_is_told_before_any_field(define_connection):
    """Not that the password is empty, which a connection of that type need not have."""
    define_connection(conn_type="http", password="")
    for read in (lambda: KalturaHook().config, lambda: asyncio.run(KalturaHook().aget_api())):
        with pytest.raises(KalturaConnectionError, match="'kaltura_default' is of the type 'http'"):
            read()


@pytest.mark.parametrize(
    ("conn_id", "text"), [("", "kaltura_conn_id is empty"), ("nowhere", "no connection 'nowhere'")]
)
def test_a_task_says_the_same(tmp_path, conn_id, text):
    """What an operator raises, whose argument it was."""
    task = KalturaListEntriesOperator(task_id="list", listing_root=str(tmp_path), kaltura_conn_id=conn_id)
    with pytest.raises(KalturaArgumentError, match=text):
        task.execute({})
    assert not list(tmp_path.iterdir())
