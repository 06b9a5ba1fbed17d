from __future__ import annotations

import json
import sys

import pytest

from airflow_provider_kaltura.ingest.errors import DestinationError, MissingExtraError
from airflow_provider_kaltura.stores import open_lake
from airflow_provider_kaltura.transfer.options import StoreOptions
from tests import airflow_home  # noqa: F401 - a home of its own, before anything of Airflow


def define(monkeypatch, conn_id="my_azure", **fields):
    """Define a connection by its environment variable."""
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps({"conn_type": "wasb", **fields}))


@pytest.fixture
def account(azurite):
    """What a connection to the emulator has at least."""
    return {"host": azurite.endpoint, "login": azurite.account}


@pytest.mark.parametrize("scheme", ["abfs", "abfss", "wasb", "wasbs"])
def test_every_scheme_opens_the_same_container(monkeypatch, azurite, account, scheme):
    """The account and its credentials are those of the connection."""
    define(monkeypatch, **account, password=azurite.key)
    name = azurite.make_container()
    lake = open_lake(f"{scheme}://my_azure@{name}/a/b/")
    lake.store.write("c", b"x")
    assert lake.root == f"{scheme}://my_azure@{name}/a/b/"
    with azurite.service() as service:
        assert [blob.name for blob in service.get_container_client(name).list_blobs()] == ["a/b/c"]


def test_the_default_connection_is_the_providers(monkeypatch, azurite, account):
    """Without a connection in the destination, or beside it."""
    define(monkeypatch, "wasb_default", **account, password=azurite.key)
    lake = open_lake(f"abfs://{azurite.make_container()}/")
    lake.store.write("c", b"x")
    assert lake.store.read("c") == b"x"


def test_without_any_connection_the_error_says_which_to_define():
    """Airflow's own would only name one that nobody has asked for."""
    with pytest.raises(
        DestinationError, match=r"'wasb_default': define one of the type wasb, or name another one, abfs://conn_id@"
    ):
        open_lake("abfs://lake/")


@pytest.mark.parametrize("bucket", ["lake.dfs.core.windows.net", "account.blob.core.windows.net"])
def test_a_url_of_hadoop_is_refused_with_the_right_form(bucket):
    """There the container stands where Airflow has the connection."""
    with pytest.raises(DestinationError, match="the account belongs into the connection"):
        open_lake(f"wasbs://lake@{bucket}/folder")


@pytest.mark.parametrize("bucket", ["", "ab", "Lake", "a--b", "-ab", "x" * 64, "a_b"])
def test_what_is_no_container_is_refused(bucket):
    """By Azure's own rule, before anything is asked."""
    with pytest.raises(DestinationError, match="is no container"):
        open_lake(f"abfs://my_azure@{bucket}/")


def test_a_connection_without_usable_credentials_is_refused(monkeypatch, account):
    """An identity of the worker is no use without https; the text holds nothing of the connection but its id."""
    define(monkeypatch, **account)
    with pytest.raises(DestinationError, match="'my_azure' can't be used for Azure Blob Storage: give an account name"):
        open_lake("abfs://my_azure@lake/")
    define(monkeypatch, extra={"connection_string": "AccountKey=c2VjcmV0"})
    with pytest.raises(DestinationError, match="can't be used") as caught:
        open_lake("abfs://my_azure@lake/")
    assert "c2VjcmV0" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_missing_provider_names_the_extra(monkeypatch):
    """With the command that brings it."""
    monkeypatch.setitem(sys.modules, "airflow.providers.microsoft.azure.hooks.wasb", None)
    with pytest.raises(MissingExtraError, match=r"airflow-provider-kaltura\[azure\]"):
        open_lake("abfs://my_azure@lake/")


def test_options_that_azure_has_not_are_refused():
    """ACLs are those of S3 and GCS."""
    with pytest.raises(DestinationError, match="'acl' can't be kept"):
        open_lake("abfs://my_azure@lake/", options=StoreOptions(acl="public-read"))


@pytest.mark.parametrize(
    "fields", [{"password": "abc"}, {"extra": {"shared_access_key": "abc"}}], ids=["password", "shared key"]
)
def test_an_account_key_that_is_none_is_told(monkeypatch, account, fields):
    """Before a request fails for it, again and again; the key is not shown."""
    define(monkeypatch, **account, **fields)
    with pytest.raises(DestinationError, match="account key of the connection 'my_azure' can't be read: it is no base"):
        open_lake("abfs://my_azure@lake/")


def test_a_connection_of_another_kind_is_refused(monkeypatch):
    """Its type is named; nothing of it is tried."""
    define(monkeypatch, conn_type="aws")
    with pytest.raises(DestinationError, match=r"'my_azure' is of the type aws, .* of the type wasb"):
        open_lake("abfs://my_azure@lake/")
