from __future__ import annotations

import itertools

import pytest
from sshfs import SSHFileSystem

from airflow_provider_kaltura.transfer.fsspec_sftp import SftpFiles
from airflow_provider_kaltura.transfer.fsspec_sink import FsspecSink
from airflow_provider_kaltura.transfer.keys import is_partial_name
from tests.servers.sshd import Sshd
from tests.stores.test_fsspec_sink import FsspecContract

NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def files(sshd):
    """One connection to a server that knows everything."""
    return SftpFiles(SSHFileSystem(**sshd.options()))


@pytest.fixture(scope="module")
def poor_files(tmp_path_factory):
    """One connection to a server that has neither posix-rename nor hard links."""
    with Sshd(tmp_path_factory.mktemp("poor_sshd"), denied=("posix-rename", "hardlink")) as server:
        yield SftpFiles(SSHFileSystem(**server.options()))


class TestSftpSink(FsspecContract):
    """The contract on OpenSSH's server."""

    @pytest.fixture
    def sink(self, files, tmp_path):
        """An empty folder."""
        return FsspecSink(files, str(tmp_path / "lake"))

    def assert_no_leftovers(self, sink):
        """Look at the server's disk."""
        assert leftovers_on_disk(sink) == []


class TestPoorSftpSink(TestSftpSink):
    """The contract on a server without the extensions: nothing is promised about names that are free."""

    @pytest.fixture
    def sink(self, poor_files, tmp_path):
        """An empty folder."""
        return FsspecSink(poor_files, str(tmp_path / "lake"))


def leftovers_on_disk(sink):
    """Temporary names below the root, whoever may see them."""
    from pathlib import Path  # noqa: PLC0415

    return [path for path in Path(sink.place.base).rglob("*") if is_partial_name(path.name)]


def test_what_is_promised_is_what_the_server_has(files, poor_files):
    """Exclusive names need hard links."""
    assert files.is_exclusive
    assert not poor_files.is_exclusive
