"""Google Cloud Storage: the contract, on the emulator, and what is special about this store."""

from __future__ import annotations

import pytest
import requests

from airflow_provider_kaltura.transfer.gcs_client import GcsClient, GcsSettings
from airflow_provider_kaltura.transfer.gcs_sink import GcsSink
from tests.unit.transfer.sink_contract import SinkContract


def sink_of(emulator, bucket, prefix="", url=None):
    """Make a sink whose requests are repeated without waiting."""
    settings = GcsSettings(sleep=lambda _: None)
    return GcsSink(GcsClient(bucket, lambda: (requests.Session(), url or emulator.url), settings), prefix)


class TestGcsSink(SinkContract):
    """The contract, in a bucket."""

    refused_names = frozenset({"new\nline"})

    @pytest.fixture
    def sink(self, gcs_emulator, gcs_bucket):
        """An empty bucket."""
        sink = sink_of(gcs_emulator, gcs_bucket)
        sink.everything = lambda: [one["name"] for one in gcs_emulator.objects(gcs_bucket)]
        return sink

    def assert_no_leftovers(self, sink):
        """The bucket holds nothing but what a listing shows."""
        assert sorted(sink.everything()) == [stat.key for stat in sink.store.list("")]

    def below(self, sink, folder):
        """A prefix in the same bucket."""
        return GcsSink(sink.client, f"{folder}/")
