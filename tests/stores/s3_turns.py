"""S3 clients of which each request in turn goes wrong, and places that are looked at by the server's own listings."""

from __future__ import annotations

import itertools

from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from airflow_provider_kaltura.transfer.s3_sink import S3Sink
from tests.stores.every_request import KEY, OLD, Fault

ERRORS = {
    "no connection": lambda was_sent: (
        ReadTimeoutError(endpoint_url="x") if was_sent else ConnectionClosedError(endpoint_url="x")
    ),
    "unexpected": lambda _: Fault(),
    "interrupt": lambda _: KeyboardInterrupt(),
}
RAISED = {"unexpected": Fault, "interrupt": KeyboardInterrupt}
NUMBERS = itertools.count()
CHECKS = {"request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"}


def take_turns(client, turns):
    """Send every request of a client in its turn, those that botocore makes again by itself included."""
    session = client._endpoint.http_session
    client.meta.events.register("before-send.s3", lambda request, **_: turns.send(lambda: session.send(request)))
    return client


class Place:
    """
    A new folder of a bucket, looked at by a plain client.

    :param server: SeaweedFS.
    :param bucket: Where.
    :param plain: A client without faults.
    :param attempts: How often a client with faults asks.
    """

    def __init__(self, server, bucket, plain, attempts=1):
        self.server, self.bucket, self.plain, self.attempts = server, bucket, plain, attempts
        self.prefix = f"{next(NUMBERS)}/lake/"
        self.at = {"Bucket": bucket, "Key": self.prefix + KEY}

    def sink(self, turns):
        """Make a sink, without faults by the plain client."""
        client = self.plain
        if turns is not None:
            retries = {"mode": "standard", "total_max_attempts": self.attempts}
            client = take_turns(self.server.client(retries=retries, **CHECKS), turns)
        return S3Sink(client, self.bucket, self.prefix)

    def put(self, data):
        """Write what stands there before."""
        self.plain.put_object(Body=data, **self.at)

    def stands(self):
        """Tell what has the final name: which writing."""
        try:
            found = self.plain.head_object(**self.at)
        except ClientError as error:
            if error.response["Error"]["Code"] != "404":
                raise
            return None
        return found["ETag"], found.get("VersionId"), found["LastModified"]

    def bytes_of(self, stands):
        """Give the bytes of what stands."""
        return stands and self.plain.get_object(**self.at)["Body"].read()

    def left(self):
        """List what the server has besides what stands, and the version that was replaced."""
        where = {"Bucket": self.bucket, "Prefix": self.prefix}
        listed = self.plain.list_object_versions(**where)
        found = [(one["Key"], one["Size"]) for one in listed.get("Versions", []) if not self._may_be(one)]
        found += [(one["Key"], "deleted") for one in listed.get("DeleteMarkers", [])]
        found += [(one["Key"], "upload") for one in self.plain.list_multipart_uploads(**where).get("Uploads", [])]
        objects = [one["Key"] for one in self.plain.list_objects_v2(**where).get("Contents", [])]
        return found + [one for one in objects if one != self.at["Key"]]

    def _may_be(self, version):
        return version["Key"] == self.at["Key"] and (version["IsLatest"] or version["Size"] == len(OLD))
