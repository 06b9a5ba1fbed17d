"""A library by rule in a process of its own, and listings of it by another one."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import urllib.request
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from airflow_provider_kaltura.sandbox import rules, small
from tests import airflow_home

CHILD = Path(__file__).with_name("child.py")
PROJECT = Path(__file__).parents[2]
SEED = 7


@dataclass(frozen=True)
class Sandbox:
    """A sandbox that runs elsewhere."""

    url: str
    entries: int

    def call(self, name, **arguments):
        """Call a function of its control; GET where there are no arguments."""
        data = json.dumps(arguments).encode() if arguments else None
        with urllib.request.urlopen(f"{self.url}/_sandbox/{name}", data, timeout=60) as answer:  # noqa: S310, our own
            return json.load(answer)


@dataclass(frozen=True)
class Listing:
    """What a process has listed."""

    ids: list[str]
    pieces: list[str]
    peak_bytes: int
    requests: int

    @property
    def twice(self):
        """Ids that came more than once."""
        return [entry_id for entry_id, count in Counter(self.ids).items() if count > 1]


@contextlib.contextmanager
def sandbox(entries, *options):
    """Serve a library by rule from a process of its own."""
    command = [sys.executable, "-m", "airflow_provider_kaltura.sandbox", "--entries", str(entries), "--seed", str(SEED)]
    process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True, cwd=PROJECT)
    try:
        lines = iter(process.stdout.readline, "")
        url = next(line.split()[-1] for line in lines if line.startswith("sandbox ready at"))
        yield Sandbox(url, entries)
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


def connection(url):
    """Write the connection as an Airflow worker would find it."""
    fields = {"conn_type": "kaltura", "host": url, "login": str(small.PARTNER_ID), "password": small.ADMIN_SECRET}
    return json.dumps(fields)


def list_all(server, root, **words):
    """List into a root by a process of its own, as one task would."""
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(airflow_home.HOME),
        "AIRFLOW_CONN_KALTURA_DEFAULT": connection(server.url),
        "PYTHONPATH": str(PROJECT),
    }
    before = server.call("counts")["apiRequests"]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(CHILD), str(root), json.dumps(words)],
        env=environment,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    (path,) = Path(root, "_kaltura", "listings").iterdir()
    with path.open() as lines:
        ids = [json.loads(line)["entryId"] for line in lines]
    return Listing(ids, told["pieces"], told["peakBytes"], server.call("counts")["apiRequests"] - before)


def media_of(entries, *options):
    """Tell the status of each entry of the same library that media.list has, computed here, past any API."""
    made = rules.library(entries=entries, seed=SEED, huge_second="--huge-second" in options)
    rows = (made.row(number) for number in range(made.size))
    # Documents, playlists and live streams have lists of their own; hidden ones are in none.
    return {row["id"]: str(row["status"]) for row in rows if row["type"] == 1 and row["displayInSearch"] == 1}


@pytest.fixture(scope="session")
def still_listings(tmp_path_factory):
    """Give a function that lists all of a library that stands still, once for each size."""
    known = {}

    def listed(entries):
        if entries not in known:
            with sandbox(entries) as server:
                root = tmp_path_factory.mktemp("lake")
                known[entries] = list_all(server, root, statuses="any, 3", moderation="any")
        return known[entries]

    return listed
