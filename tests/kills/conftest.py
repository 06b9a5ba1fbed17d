"""A server of S3 for all kills, and the places of each."""

from __future__ import annotations

import pytest

from tests.kills.killing import LocalPlace, S3Place
from tests.servers.seaweed import SeaweedServer


@pytest.fixture(scope="session")
def seaweed():
    """Give a real S3: SeaweedFS."""
    with SeaweedServer() as running:
        yield running


@pytest.fixture(params=["local", "s3"])
def place(request, tmp_path):
    """A folder, and a bucket."""
    if request.param == "local":
        return LocalPlace(tmp_path / "lake")
    return S3Place(request.getfixturevalue("seaweed"))
