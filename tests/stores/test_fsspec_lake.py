"""From a root to a file system, by Airflow's ObjectStoragePath, on each of its versions."""

from __future__ import annotations

import json
import logging
import sys

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_kaltura import compat
from airflow_provider_kaltura.ingest.errors import DestinationError
from airflow_provider_kaltura.stores import open_lake, other
from airflow_provider_kaltura.transfer.errors import SinkError, SinkForbiddenError
from airflow_provider_kaltura.transfer.options import StoreOptions


class FakePath:
    """An ObjectStoragePath of a scheme that only this test knows."""

    def __init__(self, text, conn_id=None):
        self.fs = MemoryFileSystem(global_store=False, skip_instance_cache=True)
        self.path = "/" + text.partition("://")[2].partition("/")[2].strip("/").partition("?")[0]


class FakeStorage:
    """What :func:`.compat.object_storage` gives, with one more scheme."""

    def __init__(self, path=FakePath):
        self.ObjectStoragePath = path

    def schemes(self):
        """Tell of the scheme."""
        return ["odd"]


@pytest.fixture
def connection(sshd, monkeypatch):
    """Give a function that defines the connection ``sftp_test``."""

    def define(**fields):
        fields = {"host": "127.0.0.1", "port": sshd.port, "login": sshd.user, "conn_type": "sftp", **fields}
        monkeypatch.setenv("AIRFLOW_CONN_SFTP_TEST", json.dumps(fields))

    define(extra={"key_file": str(sshd.key_file), "no_host_key_check": "true"})
    return define


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("root", ["sftp://sftp_test@127.0.0.1{}/la ke", "ssh://sftp_test@{}/la ke", "sftp://{}/la ke"])
@pytest.mark.parametrize("folder", ["plain", "a#b?c%20[d]"])
def test_an_sftp_root_is_the_path_that_it_names(tmp_path, root, folder):
    """With the connection in the root or beside it, with a host or without, signs of URLs in it or not."""
    base = tmp_path / folder
    lake = open_lake(root.format(base), conn_id="sftp_test")
    lake.store.write("a/note", b"12345")
    assert (base / "la ke/a/note").read_bytes() == b"12345"
    assert lake.sink.capabilities.conditional
    assert not lake.sink.place.read_back


def test_sftp_without_a_connection_is_refused():
    """There is no host or user that could be guessed."""
    with pytest.raises(DestinationError, match="needs an Airflow connection"):
        open_lake("sftp://127.0.0.1/lake")


@pytest.mark.usefixtures("connection")
def test_another_host_than_the_connections_is_refused():
    """Nothing is sent to a host that the destination doesn't name."""
    with pytest.raises(DestinationError, match=r"elsewhere\.example"):
        open_lake("sftp://sftp_test@elsewhere.example/lake")


def test_an_unknown_host_key_is_refused(connection, sshd, monkeypatch, tmp_path):
    """As by Airflow's SSHHook; the provider's file system would take any."""
    monkeypatch.setenv("HOME", str(tmp_path))
    connection(extra={"key_file": str(sshd.key_file)})
    with pytest.raises(
        SinkForbiddenError, match=r"is not the one in the worker's ~/.ssh/known_hosts, or there is none"
    ):
        open_lake("sftp://sftp_test@127.0.0.1/lake")
    connection(extra={"key_file": str(sshd.key_file), "host_key": (sshd.folder / "user_key.pub").read_text()})
    with pytest.raises(
        SinkForbiddenError, match=r"shows another host key than the extra host_key.*'sftp_test'.*attack"
    ):
        open_lake("sftp://sftp_test@127.0.0.1/lake")


def test_a_key_file_that_can_not_be_used_is_named(connection, tmp_path):
    """No retry makes it better."""
    connection(extra={"key_file": str(tmp_path / "none"), "no_host_key_check": True})
    with pytest.raises(DestinationError, match=r"key_file .*/none of the connection 'sftp_test' can't be read on this"):
        open_lake("sftp://sftp_test@127.0.0.1/lake")
    (tmp_path / "none").write_text("no key")
    with pytest.raises(DestinationError, match=r"key_file .*/none of the connection 'sftp_test' holds no private key"):
        open_lake("sftp://sftp_test@127.0.0.1/lake")


def test_a_connection_of_another_kind_is_refused(connection):
    """Nothing of it is sent to its host."""
    connection(conn_type="kaltura")
    with pytest.raises(DestinationError, match=r"'sftp_test' is of the type kaltura, .* of the type sftp"):
        open_lake("sftp://sftp_test@127.0.0.1/lake")


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize(("before", "after"), [(logging.NOTSET, logging.WARNING), (logging.DEBUG, logging.DEBUG)])
def test_channels_do_not_fill_a_tasks_log(monkeypatch, before, after):
    """Unless the user has set a level: then it stays."""
    logger = logging.getLogger("asyncssh")
    monkeypatch.setattr(logger, "level", before)
    open_lake("sftp://sftp_test@127.0.0.1/lake")
    assert logger.level == after


@pytest.mark.parametrize("scheme", ["s3a", "s3n", "S3A"])
def test_another_name_of_s3_is_told(scheme):
    """Hadoop's names are none of Airflow's here."""
    with pytest.raises(DestinationError, match=r"write s3://conn_id@"):
        open_lake(f"{scheme}://conn@bucket/x")


def test_a_key_that_is_none_is_named_and_not_shown(connection):
    """Neither the message nor its cause shows what was given."""
    connection(extra={"private_key": "-----BEGIN nonsense of-the-key", "no_host_key_check": True})
    with pytest.raises(DestinationError, match="private key of the connection 'sftp_test'") as caught:
        open_lake("sftp://sftp_test@127.0.0.1/lake")
    assert "nonsense" not in str(caught.value)
    assert caught.value.__cause__ is None
    connection(extra={"host_key": "nonsense"})
    with pytest.raises(DestinationError, match="host_key"):
        open_lake("sftp://sftp_test@127.0.0.1/lake")


def test_a_refused_user_is_told(connection, sshd):
    """The connection is what the user has to look at."""
    connection(login="nobody-here", extra={"key_file": str(sshd.key_file), "no_host_key_check": True})
    with pytest.raises(SinkForbiddenError, match="'sftp_test'"):
        open_lake("sftp://sftp_test@127.0.0.1/lake")


def test_a_closed_port_is_told(connection, sshd):
    """It may work later."""
    connection(port=1, extra={"key_file": str(sshd.key_file), "no_host_key_check": True})
    with pytest.raises(SinkError, match=r"127\.0\.0\.1") as caught:
        open_lake("sftp://sftp_test@127.0.0.1/lake")
    assert caught.value.retryable


@pytest.mark.parametrize("root", ["http://example.org/lake", "https://example.org/lake"])
def test_a_web_server_is_no_destination(root):
    """The message names what is."""
    with pytest.raises(DestinationError, match=r"no destination.*s3://.*sftp://"):
        open_lake(root)


@pytest.mark.parametrize(
    ("root", "hint"),
    [("nope://host/lake", "s3://"), ("smb://host/lake", "samba"), ("nope://conn@host/lake", "sftp://")],
)
def test_a_scheme_that_nobody_opens_is_told(root, hint):
    """With what there is, and where it comes from when that is known."""
    with pytest.raises(DestinationError, match="nothing installed here opens") as caught:
        open_lake(root)
    assert hint in str(caught.value)


@pytest.mark.usefixtures("connection")
def test_a_missing_driver_is_named(monkeypatch):
    """With the command that installs it."""
    monkeypatch.setitem(sys.modules, "sshfs", None)
    with pytest.raises(DestinationError, match=r"pip install 'apache-airflow-providers-sftp\[sshfs\]'"):
        open_lake("sftp://sftp_test@127.0.0.1/lake")


def test_no_store_option_can_be_kept():
    """A file system keeps only bytes."""
    with pytest.raises(DestinationError, match="storage_class"):
        open_lake("sftp://sftp_test@host/lake", options=StoreOptions(storage_class="COLD"))


def test_other_file_systems_are_read_back(monkeypatch):
    """Nothing is known about their transport."""
    monkeypatch.setattr(other, "object_storage", FakeStorage)
    lake = open_lake("odd://conn@host/some/lake")
    assert lake.sink.place.read_back
    lake.store.write("a", b"1")
    assert list(lake.sink.place.files.fs.store) == ["/some/lake/a"]


def test_a_path_that_is_understood_otherwise_is_refused(monkeypatch):
    """A file system that takes "?" for something else would write beside the root."""
    monkeypatch.setattr(other, "object_storage", FakeStorage)
    with pytest.raises(DestinationError, match="another way"):
        open_lake("odd://conn@host/some/lake?b")


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (ImportError("x"), DestinationError),
        (RuntimeError("http://u:secret@h"), SinkError),
        (compat.AirflowNotFoundException("none"), DestinationError),
    ],
)
def test_what_a_provider_raises_is_told_without_its_text(monkeypatch, raised, expected):
    """A missing driver is named as such, anything else by its kind."""

    def path(*_, **__):
        raise raised

    monkeypatch.setattr(other, "object_storage", lambda: FakeStorage(path))
    with pytest.raises(expected) as caught:
        open_lake("odd://conn@host/lake")
    assert "secret" not in str(caught.value)


def test_airflow_opens_the_file_systems_of_its_providers():
    """On each version of Airflow its own path and registry are found."""
    storage = compat.object_storage()
    assert {"file", "sftp", "s3"} <= set(storage.schemes())
    assert storage.ObjectStoragePath.__name__ == "ObjectStoragePath"
