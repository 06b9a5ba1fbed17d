from __future__ import annotations

import pytest

from airflow_provider_kaltura.transfer.azure_sink import AzureSink
from airflow_provider_kaltura.transfer.errors import SinkError
from tests.unit.transfer.sink_contract import SinkContract


class TestAzureSink(SinkContract):
    """The contract, on the emulator."""

    #: Azure would lose the dot, turn the backslash into a slash, and not list the line break.
    refused_names = frozenset({"trailing.dot.", "new\nline", "back\\slash"})
    #: A commit makes Azure drop all blocks of the same blob that it does not name.
    writers_are_apart = False

    @pytest.fixture
    def sink(self, azure_container):
        """A sink of an empty container."""
        return AzureSink(azure_container)

    def below(self, sink, folder):
        """Take a longer prefix."""
        return AzureSink(sink._place.container, f"{sink._place.prefix}{folder}/")

    def assert_no_leftovers(self, sink):
        """No blob stands there that a listing doesn't show; blocks can't be removed, and are listed as such."""
        container = sink._place.container
        assert [blob.name for blob in container.list_blobs()] == [stat.key for stat in sink.store.list("")]
        everything = {blob.name for blob in container.list_blobs(include=["uncommittedblobs", "snapshots"])}
        unfinished = {one.key for one in sink.leftovers()}
        assert everything == {stat.key for stat in sink.store.list("")} | unfinished
        for one in sink.leftovers():
            assert one.is_removable is False
            with pytest.raises(SinkError, match="7 days"):
                sink.remove_leftover(one)
