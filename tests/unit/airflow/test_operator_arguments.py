"""Each argument of the operators does what its documentation says: seen in files, manifests, results and logs."""

from __future__ import annotations

import functools
import hashlib
import itertools
import logging
import re
from pathlib import Path

import pytest

from airflow_provider_kaltura.operators import KalturaDownloadToStorageOperator, KalturaGetDownloadUrlOperator
from airflow_provider_kaltura.operators import download as operators_module
from airflow_provider_kaltura.operators._progress import ProgressLog
from airflow_provider_kaltura.sandbox import small
from airflow_provider_kaltura.sensors import KalturaFlavorReadySensor

SOURCE = small.flavor_id_of(small.READY, 0)
MIB = 1024**2


def download(tmp_path, **arguments):
    """Run the download operator."""
    arguments = {"entry_id": small.READY, "destination": f"{tmp_path}/{{entryId}}.{{format}}", **arguments}
    return KalturaDownloadToStorageOperator(task_id="download", **arguments).execute({})


def manifests(root):
    """Give the manifest files below a folder, as paths from there."""
    return [path.relative_to(root) for path in root.rglob("*.jsonl")]


@pytest.fixture
def other_connection(sandbox, define_connection):
    """Give the id of a connection that works, while the default one cannot even be read."""
    define_connection(login="not a partner")
    return define_connection("kaltura_other", host=sandbox.base_url)


def test_url_operator_uses_the_connection_it_is_told(other_connection):
    """The default connection, broken here, is not touched."""
    task = KalturaGetDownloadUrlOperator(task_id="url", entry_id=small.READY, kaltura_conn_id=other_connection)
    assert task.execute({})["flavorId"] == SOURCE


@pytest.mark.parametrize("given", ["entry_id", "download"])
def test_download_operator_uses_the_connection_it_is_told(other_connection, library, tmp_path, given):
    """The default connection, broken here, is not touched, neither for an entry nor for a pushed flavor."""
    found = KalturaGetDownloadUrlOperator(task_id="url", entry_id=small.READY, kaltura_conn_id=other_connection)
    arguments = {"entry_id": None, given: small.READY if given == "entry_id" else found.execute({})}
    result = download(tmp_path, kaltura_conn_id=other_connection, **arguments)
    assert Path(result["path"]).read_bytes() == library.file(SOURCE, "2").read()


def test_sensor_uses_the_connection_it_is_told(other_connection):
    """The default connection, broken here, is not touched."""
    task = KalturaFlavorReadySensor(task_id="wait", entry_id=small.READY, kaltura_conn_id=other_connection)
    assert [flavor["flavorId"] for flavor in task.execute({})] == [SOURCE]


@pytest.mark.usefixtures("sandbox")
def test_state_is_kept_below_state_root(tmp_path):
    """The manifest lies below the root that was given, and nowhere else."""
    destination = f"{tmp_path}/lake/videos/{{entryId}}.{{format}}"
    assert download(tmp_path, destination=destination, state_root=f"{tmp_path}/lake")["outcome"] == "downloaded"
    (manifest,) = manifests(tmp_path)
    assert manifest.parts[:3] == ("lake", "_kaltura", "manifest")


@pytest.mark.usefixtures("sandbox")
def test_state_is_kept_beside_the_files_without_state_root(tmp_path):
    """By default the root is the destination up to its first placeholder."""
    download(tmp_path, destination=f"{tmp_path}/lake/videos/{{entryId}}.{{format}}")
    (manifest,) = manifests(tmp_path)
    assert manifest.parts[:4] == ("lake", "videos", "_kaltura", "manifest")


def test_overwrite_replaces_a_file_that_would_be_skipped(library, tmp_path):
    """A file that stands as recorded is fetched again all the same."""
    path = Path(download(tmp_path)["path"])
    assert download(tmp_path)["outcome"] == "skipped"
    assert download(tmp_path, if_exists="overwrite")["outcome"] == "replaced"
    assert path.read_bytes() == library.file(SOURCE, "2").read()


@pytest.mark.usefixtures("sandbox")
def test_sha256_is_that_of_the_file(tmp_path):
    """With checksum="sha256" the result has the hash that everybody can compute."""
    result = download(tmp_path, checksum="sha256")
    assert result["checksum"] == f"sha256:{hashlib.sha256(Path(result['path']).read_bytes()).hexdigest()}"


@pytest.mark.usefixtures("sandbox")
def test_a_checksum_that_is_not_wanted_is_none(tmp_path):
    """With checksum="none" nothing is computed; without the argument it is crc64nvme."""
    assert download(tmp_path, checksum="none")["checksum"] is None
    assert download(tmp_path, if_exists="overwrite")["checksum"].startswith("crc64nvme:")


def test_progress_is_in_the_log_of_the_task(sandbox, tmp_path, monkeypatch, caplog):
    """On a clock that runs fast, the task's log has bytes, percent, rate and time left of the flavor."""
    sandbox.control.replace_flavor_file(SOURCE, size_bytes=20 * MIB)
    ticks = itertools.count(step=20.0)
    monkeypatch.setattr(operators_module, "ProgressLog", functools.partial(ProgressLog, clock=lambda: next(ticks)))
    # Airflow 3 writes its own tasks' logs past the standard library, where caplog sees nothing.
    monkeypatch.setattr(KalturaDownloadToStorageOperator, "log", logging.getLogger("test.operator"))
    with caplog.at_level(logging.INFO, logger="test.operator"):
        download(tmp_path)
    line = re.compile(rf"Flavor {SOURCE}: [\d.]+ [KM]iB of 20\.0 MiB \(\d+ %\), [\d.]+ ([KM]i)?B/s, \d+:\d\d:\d\d left")
    assert [message for message in caplog.messages if line.fullmatch(message)]
