"""Writers that are killed while they write to other file systems."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fsspec.implementations.local import LocalFileSystem

from airflow_provider_kaltura.transfer.errors import SinkError
from airflow_provider_kaltura.transfer.fsspec_files import FsspecFiles
from airflow_provider_kaltura.transfer.fsspec_sink import FsspecSink
from airflow_provider_kaltura.transfer.keys import is_partial_name
from airflow_provider_kaltura.transfer.protocols import Leftover
from tests.stores.test_fsspec_faults import RefusingFileSystem

KILLED = """
import sys, time
from fsspec.implementations.local import LocalFileSystem
from airflow_provider_kaltura.transfer.fsspec_files import FsspecFiles
from airflow_provider_kaltura.transfer.fsspec_sink import FsspecSink
sink = FsspecSink(FsspecFiles(LocalFileSystem()), sys.argv[1])
upload = sink.begin("dir/object.bin", size_bytes=3000, part_bytes=1000)
upload.put_part(0, b"x" * 1000)
upload.put_part(1, b"x" * 1000)
print("ready", flush=True)
time.sleep(60)
"""


def test_a_killed_writer_leaves_a_temporary_name_only(tmp_path):
    """After SIGKILL nothing has the final name, and one clean-up takes everything away."""
    root = Path(__file__).parents[2]
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, cwd=root)
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    process.stdout.close()
    sink = FsspecSink(FsspecFiles(LocalFileSystem()), str(tmp_path))
    assert list(sink.store.list("")) == []
    (leftover,) = sink.leftovers()
    assert is_partial_name(Path(leftover.handle).name)
    sink.remove_leftover(leftover)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


KILLED_IN_SWAP = """
import os, sys
from airflow_provider_kaltura.transfer.fsspec_files import FsspecFiles
from airflow_provider_kaltura.transfer.fsspec_sink import FsspecSink
from tests.stores.test_fsspec_faults import RefusingFileSystem
files = FsspecFiles(RefusingFileSystem())
files._has_links = False
rename = files.rename
def rename_and_die(source, target):
    rename(source, target)
    if target.endswith("-partial"):
        os._exit(9)
files.rename = rename_and_die
FsspecSink(files, sys.argv[1]).store.write("dir/a", b"newer")
"""


def test_a_kill_between_old_aside_and_new_in_loses_nothing(tmp_path):
    """A clean-up keeps the old file as long as nothing has its name, and takes it once something has."""
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir/a").write_bytes(b"old")
    root = Path(__file__).parents[2]
    process = subprocess.run([sys.executable, "-c", KILLED_IN_SWAP, str(tmp_path)], cwd=root, check=False, timeout=60)
    assert process.returncode == 9
    sink = FsspecSink(FsspecFiles(RefusingFileSystem()), str(tmp_path))
    assert [leftover.size_bytes for leftover in sink.leftovers()] == [5]
    for path in list((tmp_path / "dir").iterdir()):
        leftover = Leftover(kind="temporary", key=f"dir/{path.name}", handle=f"dir/{path.name}")
        if path.read_bytes() == b"old":
            with pytest.raises(SinkError, match="is missing: it is kept"):
                sink.remove_leftover(leftover)
        else:
            sink.remove_leftover(leftover)
    assert [path.read_bytes() for path in (tmp_path / "dir").iterdir()] == [b"old"]
    assert list(sink.store.list("")) == []
    sink.store.write("dir/a", b"newest")
    (leftover,) = sink.leftovers()
    sink.remove_leftover(leftover)
    assert [path.name for path in (tmp_path / "dir").iterdir()] == ["a"]
