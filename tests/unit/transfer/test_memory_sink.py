from __future__ import annotations

import pytest

from airflow_provider_kaltura.transfer.memory_sink import MemorySink, MemoryStore
from airflow_provider_kaltura.transfer.protocols import ObjectAttributes
from tests.unit.transfer.sink_contract import SinkContract, upload_whole


class TestMemorySink(SinkContract):
    """The contract, in memory."""

    @pytest.fixture
    def sink(self):
        """An empty sink."""
        return MemorySink()

    def assert_no_leftovers(self, sink):
        """No upload is under way."""
        assert sink.store._partials == {}

    def test_a_sink_below_a_folder_stays_there(self, sink):
        """Memory has no folders: another sink is another place."""
        upload_whole(sink, "a.bin", b"12345")
        assert list(MemorySink().store.list("")) == []
        assert list(MemorySink().leftovers()) == []


def test_two_sinks_may_share_a_store():
    """What one sink commits the other one's store reads."""
    store = MemoryStore()
    upload = MemorySink(store).begin("a", size_bytes=1, part_bytes=1)
    upload.put_part(0, b"x")
    upload.commit()
    assert MemorySink(store).store.read("a") == b"x"


def test_metadata_is_kept():
    """The metadata given at begin comes back from stat."""
    sink = MemorySink()
    attributes = ObjectAttributes(metadata={"owner": "me"})
    sink.begin("a", size_bytes=0, part_bytes=1, attributes=attributes).commit()
    assert sink.store.stat("a").metadata == {"owner": "me"}
