"""An S3 destination becomes a lake: what is taken from the Airflow connection, and what is refused."""

from __future__ import annotations

import builtins
import json

import pytest

from airflow_provider_kaltura.ingest.errors import DestinationError, MissingExtraError
from airflow_provider_kaltura.stores import open_lake
from airflow_provider_kaltura.transfer.options import StoreOptions
from tests import airflow_home


@pytest.fixture
def connection(monkeypatch):
    """Define the connection ``lake``."""
    assert airflow_home.HOME.is_dir()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)

    def define(**extra):
        fields = {"conn_type": "aws", "login": "AKLAKE", "password": "the-secret-key", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps(fields))

    return define


def client_of(lake):
    """Give the client that a lake uses."""
    return lake.sink._place.client


def test_the_connection_says_where_and_how(connection):
    """Region, endpoint and config_kwargs are its own; what it doesn't say is what uploads need."""
    connection(
        region_name="eu-central-1",
        service_config={"s3": {"endpoint_url": "http://127.0.0.1:9"}},
        config_kwargs={"max_pool_connections": 3, "connect_timeout": 7, "retries": {"mode": "adaptive"}},
    )
    lake = open_lake("s3://lake@bucket/some/folder/")
    client = client_of(lake)
    assert client.meta.endpoint_url == "http://127.0.0.1:9"
    assert client.meta.region_name == "eu-central-1"
    assert client.meta.config.connect_timeout == 7
    assert client.meta.config.retries["mode"] == "adaptive"
    assert client.meta.config.max_pool_connections >= 8
    assert client.meta.config.request_checksum_calculation == "when_required"
    assert (lake.sink._place.bucket, lake.sink._place.prefix) == ("bucket", "some/folder/")
    assert "the-secret-key" not in repr(lake) + repr(lake.sink) + repr(lake.store)


def test_what_the_connection_does_not_say_is_ours(connection):
    """Retries that know throttling, enough connections, no second checksum."""
    connection(region_name="eu-central-1", verify=False)
    config = client_of(open_lake("s3://bucket/folder", conn_id="lake")).meta.config
    assert config.retries == {"mode": "standard", "total_max_attempts": 5}
    assert config.max_pool_connections == 16


@pytest.mark.parametrize(("verify", "expected"), [(False, False), ("/no/such/bundle.pem", "/no/such/bundle.pem")])
def test_verify_is_respected(connection, verify, expected):
    """A connection's own way of checking certificates is used."""
    connection(region_name="eu-central-1", verify=verify)
    client = client_of(open_lake("s3://lake@bucket/"))
    assert client._endpoint.http_session._verify == expected


def test_a_connection_that_is_not_there_is_told(connection):
    """Other credentials of the machine are not used instead."""
    connection()
    with pytest.raises(DestinationError, match="no Airflow connection 'nobody'"):
        open_lake("s3://nobody@bucket/")


def test_a_connection_that_can_not_be_used_is_told(connection, monkeypatch, tmp_path):
    """A profile that does not exist, for one."""
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    fields = {"conn_type": "aws", "extra": {"profile_name": "nobodys", "region_name": "eu-central-1"}}
    connection()
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps(fields))
    with pytest.raises(DestinationError, match=r"'lake'.*ProfileNotFound"):
        open_lake("s3://lake@bucket/")


def test_a_root_without_bucket_is_refused(connection):
    """Before anything is asked."""
    connection()
    with pytest.raises(DestinationError, match="names a bucket"):
        open_lake("s3:///folder")


def test_every_option_can_be_kept(connection):
    """None is refused here; the store itself may still refuse one."""
    connection(region_name="eu-central-1")
    options = StoreOptions(
        storage_class="STANDARD_IA",
        sse="aws:kms",
        kms_key="k",
        acl="private",
        content_type="video/mp4",
        content_disposition="inline",
        metadata={"a": "b"},
        tags={"a": "b"},
    )
    assert open_lake("s3://lake@bucket/", options=options).root == "s3://lake@bucket/"


def test_without_the_amazon_provider_the_error_names_the_command(connection, monkeypatch):
    """Nobody need guess what to install."""
    connection()
    real = builtins.__import__

    def missing(name, *args, **kwargs):
        if name.startswith("airflow.providers.amazon"):
            raise ModuleNotFoundError(name=name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(
        MissingExtraError, match=r"pip install 'airflow-provider-kaltura\[s3\]', or pip install '\.\[s3\]' in its clone"
    ):
        open_lake("s3://lake@bucket/")


@pytest.mark.parametrize(
    "extra",
    [{"endpoint_url": "minio:9000"}, {"service_config": {"s3": {"endpoint_url": "minio:9000"}}}],
    ids=["of the connection", "of S3"],
)
def test_an_endpoint_without_scheme_is_told(connection, extra):
    """Where it stands, and what it lacks."""
    connection(region_name="eu-central-1", **extra)
    with pytest.raises(DestinationError, match="endpoint_url of the connection 'lake' needs http:// or https://"):
        open_lake("s3://lake@bucket/")


def test_a_connection_of_another_kind_is_refused(connection, monkeypatch):
    """Airflow's hook would warn, and go on with what it finds in it."""
    connection()
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps({"conn_type": "kaltura", "password": "x"}))
    with pytest.raises(DestinationError, match=r"'lake' is of the type kaltura, .* of the type aws"):
        open_lake("s3://lake@bucket/")
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps({"login": "x", "password": "x"}))
    assert open_lake("s3://lake@bucket/").root == "s3://lake@bucket/"
