"""Each kind of store, damaged by hand: verification finds just that, and nothing where nothing is wrong."""

from __future__ import annotations

from contextlib import closing

import pytest
from sshfs import SSHFileSystem

from airflow_provider_kaltura.ingest.lake import Lake
from airflow_provider_kaltura.ingest.models import RunOptions
from airflow_provider_kaltura.ingest.run import run
from airflow_provider_kaltura.ingest.verify import verify
from airflow_provider_kaltura.transfer.azure_sink import AzureSink
from airflow_provider_kaltura.transfer.fsspec_sftp import SftpFiles
from airflow_provider_kaltura.transfer.fsspec_sink import FsspecSink
from airflow_provider_kaltura.transfer.local_sink import LocalSink
from airflow_provider_kaltura.transfer.s3_sink import S3Sink
from tests.stores.test_gcs import sink_of
from tests.unit.ingest.fakes import Sources, job

MIB = 1024 * 1024
# One that goes in parts, where a store knows any, and three that go at once.
FILMS = {"large": bytes(range(256)) * (17 * MIB // 256), "cut": b"c" * 5000, "lost": b"l" * 50, "changed": b"o" * 500}


@pytest.fixture
def on_s3(seaweed):
    """SeaweedFS."""
    with closing(seaweed.client()) as client:
        yield S3Sink(client, seaweed.make_bucket(), "media/")


@pytest.fixture
def on_gcs(gcs_emulator, gcs_bucket):
    """The emulator of Google's."""
    return sink_of(gcs_emulator, gcs_bucket, "media/")


@pytest.fixture
def on_azure(azure_container):
    """Azurite."""
    return AzureSink(azure_container, "media/")


@pytest.fixture
def on_sftp(sshd, tmp_path):
    """OpenSSH."""
    return FsspecSink(SftpFiles(SSHFileSystem(**sshd.options())), str(tmp_path / "lake"))


@pytest.fixture
def on_disk(tmp_path):
    """A folder."""
    return LocalSink(tmp_path / "lake")


@pytest.fixture(params=["on_s3", "on_gcs", "on_azure", "on_sftp", "on_disk"])
def lake(request):
    """A lake with four recorded files, in each kind of store."""
    sink = request.getfixturevalue(request.param)
    lake = Lake("/media", sink, sink.store)
    jobs = [job(name, len(data), key=f"2026/ü {name}.mp4") for name, data in FILMS.items()]
    outcomes = list(run(jobs, lake, RunOptions(), open_source=Sources(**FILMS)))
    assert [outcome.outcome for outcome in outcomes] == ["downloaded"] * 4
    return lake


@pytest.mark.parametrize("level", ["length", "checksum"])
def test_a_sound_lake_has_no_findings(lake, level):
    """Tags of a listing are those of the manifest, names in any script are found again, all checksums hold."""
    report = verify(lake, level=level)
    assert {kind: count for kind, count in report.counts.items() if count} == {}
    assert (report.files, report.leftovers, report.report_key) == (4, 0, None)
    proved = report.proved_by_store + report.proved_by_reading
    assert (proved, report.length_only) == ((4, 0) if level == "checksum" else (0, 4))


def test_each_damage_is_found_and_nothing_else(lake):
    """Cut, lost, changed in one byte, and a file that nobody recorded."""
    lake.store.write("2026/ü cut.mp4", b"c" * 4999)
    lake.store.delete("2026/ü lost.mp4")
    lake.store.write("2026/ü changed.mp4", b"o" * 499 + b"0")
    lake.store.write("notes.txt", b"mine")
    report = verify(lake, level="checksum")
    found = {(one.kind, one.path) for kept in report.examples.values() for one in kept}
    assert found == {
        ("wrong_length", "2026/ü cut.mp4"),
        ("missing", "2026/ü lost.mp4"),
        ("wrong_checksum", "2026/ü changed.mp4"),
        ("unknown", "notes.txt"),
    }
    assert len(lake.store.read(report.report_key).splitlines()) == 4
