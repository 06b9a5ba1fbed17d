"""What the suites of S3 share."""

from __future__ import annotations

from types import SimpleNamespace


def assert_nothing(sink):
    """Neither an object nor a version nor an upload is there."""
    place = sink._place
    assert list(sink.store.list("")) == []
    assert "Versions" not in place.client.list_object_versions(Bucket=place.bucket, Prefix=place.prefix)
    assert list(sink.leftovers()) == []


def answer(code, status):
    """Give what botocore makes of an answer that the store never gave."""
    found = {
        "Error": {"Code": code, "Message": "a-secret"},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": {}, "RetryAttempts": 0},
    }
    return SimpleNamespace(status_code=status, headers={}), found
