from __future__ import annotations

import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_kaltura.transfer.errors import SinkError
from airflow_provider_kaltura.transfer.fsspec_files import FsspecFiles
from airflow_provider_kaltura.transfer.fsspec_sink import FsspecSink
from airflow_provider_kaltura.transfer.keys import is_partial_name
from tests.unit.transfer.sink_contract import SinkContract, begin, put_parts


class FsspecContract(SinkContract):
    """The contract, with the ends that every file system of fsspec shares."""

    @pytest.mark.parametrize("missing", [0, 1, 2])
    def test_a_missing_part_is_not_committed(self, sink, missing):
        """Whichever part is missing, the one after it is refused, and nothing appears."""
        upload = begin(sink)
        put_parts(sink, upload, range(missing))
        with pytest.raises(SinkError):
            put_parts(sink, upload, [missing + 1])
        with pytest.raises(SinkError):
            upload.commit()
        assert sink.store.stat("dir/object.bin") is None
        upload.discard()
        self.assert_no_leftovers(sink)

    def assert_no_leftovers(self, sink):
        """No file has a temporary name."""
        assert [name for name in all_files(sink) if is_partial_name(name.rpartition("/")[2])] == []

    def below(self, sink, folder):
        """The same file system, a folder lower."""
        return FsspecSink(sink.place.files, f"{sink.place.base}/{folder}", read_back=sink.place.read_back)


def all_files(sink):
    """Ask the file system itself, by its own walk."""
    return sink.place.files.fs.find(sink.place.base)


class TestMemoryFileSystem(FsspecContract):
    """Without a rename: copied and deleted; read back."""

    @pytest.fixture
    def sink(self):
        """An empty file system."""
        fs = MemoryFileSystem(global_store=False, skip_instance_cache=True)
        return FsspecSink(FsspecFiles(fs), "/lake", read_back=True)


class TestLocalFileSystem(FsspecContract):
    """With a rename and hard links."""

    @pytest.fixture
    def sink(self, tmp_path):
        """An empty folder."""
        return FsspecSink(FsspecFiles(LocalFileSystem()), str(tmp_path))
