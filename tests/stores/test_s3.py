"""S3: the contract, on SeaweedFS."""

from __future__ import annotations

import pytest

from airflow_provider_kaltura.transfer.s3_sink import S3Sink
from tests.unit.transfer.sink_contract import SinkContract


@pytest.fixture(scope="module")
def client(seaweed):
    """A client with all rights."""
    with_us = {"request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"}
    client = seaweed.client(max_pool_connections=8, retries={"mode": "standard"}, **with_us)
    yield client
    client.close()


def in_place(client, bucket, prefix):
    """List everything that the bucket has below a prefix: names of versions, and uploads under way."""
    versions = client.list_object_versions(Bucket=bucket, Prefix=prefix).get("Versions", [])
    uploads = client.list_multipart_uploads(Bucket=bucket, Prefix=prefix).get("Uploads", [])
    return [one["Key"] for one in versions], [one["Key"] for one in uploads]


class S3Contract(SinkContract):
    """What the cases look at. SeaweedFS makes ``/`` of a backslash, so that no such name is sent to any S3."""

    refused_names = frozenset({"back\\slash"})

    def assert_no_leftovers(self, sink):
        """Every version in the bucket belongs to an object that a listing shows, and no upload is open."""
        place = sink._place
        names, uploads = in_place(place.client, place.bucket, place.prefix)
        assert {name[len(place.prefix) :] for name in names} <= {stat.key for stat in sink.store.list("")}
        assert uploads == []

    def below(self, sink, folder):
        """A longer prefix in the same bucket."""
        return S3Sink(sink._place.client, sink._place.bucket, f"{sink._place.prefix}{folder}/")


class TestS3Sink(S3Contract):
    """The contract, in an empty bucket."""

    @pytest.fixture
    def sink(self, seaweed, client):
        """The whole of a bucket."""
        bucket = seaweed.make_bucket()
        yield S3Sink(client, bucket)
        empty(client, bucket)


def empty(client, bucket):
    """Give a bucket up, and the room that it takes."""
    for upload in client.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
        client.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for found in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
            client.delete_object(Bucket=bucket, Key=found["Key"], VersionId=found["VersionId"])
    client.delete_bucket(Bucket=bucket)
