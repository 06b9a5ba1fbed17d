"""Servers that the suites of stores share, one of each for a run."""

from __future__ import annotations

import pytest

from tests.servers.azurite import AzuriteServer
from tests.servers.gcs_emulator import GcsEmulator
from tests.servers.seaweed import SeaweedServer
from tests.servers.sshd import Sshd


@pytest.fixture(scope="session")
def sshd(tmp_path_factory):
    """An SFTP server of OpenSSH."""
    with Sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture(scope="session")
def azurite():
    """Microsoft's emulator of Azure Blob Storage."""
    with AzuriteServer() as server:
        yield server


@pytest.fixture
def azure_container(azurite):
    """A ready client of an empty container."""
    with azurite.service() as service:
        yield service.get_container_client(azurite.make_container())


@pytest.fixture(scope="session")
def gcs_emulator():
    """Give the emulator of Google Cloud Storage."""
    with GcsEmulator() as running:
        yield running


@pytest.fixture
def gcs_bucket(gcs_emulator):
    """Name a new bucket."""
    return gcs_emulator.make_bucket()


@pytest.fixture(scope="session")
def seaweed():
    """Give a real S3: SeaweedFS."""
    with SeaweedServer() as running:
        yield running
