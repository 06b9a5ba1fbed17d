"""From a root to a lake."""

from __future__ import annotations

import pytest

from airflow_provider_kaltura.ingest.errors import DestinationError
from airflow_provider_kaltura.stores import open_lake
from airflow_provider_kaltura.stores._roots import Root
from airflow_provider_kaltura.transfer.protocols import ObjectAttributes


@pytest.mark.parametrize("form", ["{}", "file://{}", "FILE://{}", "file://localhost{}"])
def test_local_root_is_a_folder(tmp_path, form):
    """As a path or as a URL; what is written through the store is a file there."""
    folder = tmp_path / "50% & more #1?"
    lake = open_lake(form.format(folder))
    lake.store.write("a/b", b"12")
    assert (folder / "a" / "b").read_bytes() == b"12"
    upload = lake.sink.begin("c", size_bytes=2, part_bytes=2, attributes=ObjectAttributes())
    upload.put_part(0, b"34")
    upload.commit()
    assert lake.store.read("c") == b"34"


def test_opening_makes_nothing(tmp_path):
    """A plan that fails leaves no folder behind."""
    open_lake(f"{tmp_path}/new")
    assert list(tmp_path.iterdir()) == []


def test_memory_lakes_meet_within_a_process():
    """Two tasks of a test see one lake, by its root."""
    open_lake("memory://meet/here").store.write("k", b"1")
    assert open_lake("memory://meet/here").store.read("k") == b"1"
    assert open_lake("memory://meet/there").store.stat("k") is None


@pytest.mark.parametrize("durability", ["file", "batch"])
def test_durability_reaches_the_sink(tmp_path, durability):
    """How a file is synced is the user's choice."""
    assert open_lake(str(tmp_path), durability=durability).sink.durability == durability


@pytest.mark.parametrize(
    ("root", "more", "words"),
    [
        ("s3://conn@bucket/x", {"conn_id": "other"}, "the task 'other'"),
        ("s3://user:word@bucket/x", {}, "never a password"),
        ("lake", {}, "must be absolute"),
        ("/lake", {"conn_id": "aws_default"}, "takes no connection, got 'aws_default'"),
    ],
)
def test_what_cannot_be_opened_says_what_can(root, more, words):
    """The message names what is there in this version."""
    with pytest.raises(DestinationError) as caught:
        open_lake(root, **more)
    assert words in str(caught.value)


SECRET = "wJalrXUtnFEMI"


@pytest.mark.parametrize(
    "root",
    [
        "s3://AKIA:{}/K7MDENG@bucket/x",
        "s3://AKIA:pa/{}@bucket/x",
        "s3://AKIA%3A{}@bucket/x",
        "s3://AKIA:{}@bucket",
        "S3://bucket:{}/x",
        "gs://{}+a==@bucket/x",
        "sftp://user:{}@host/x",
        "sftp://user:a/{}@host/x",
        "sftp://user:12/{}@host/x",
        "abfs://DefaultEndpointsProtocol=https;AccountKey={};@cont/x",
        "abfs://AccountName=a;AccountKey={}/b==;@cont/x",
        "abfs://conn@cont/x?sv=1&sig={}",
        "s3://conn@bucket/x?X-Amz-Signature={}",
        "smb://user:{}@host/x",
        "nope://user:{}@host/x",
    ],
)
def test_what_may_be_a_secret_is_refused_and_not_shown(root):
    """A key with a slash in it, too; the text says that it must be changed."""
    with pytest.raises(DestinationError, match=r"change it.*rendered fields") as caught:
        open_lake(root.format(SECRET))
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "conn_id", "bucket", "prefix"),
    [
        ("s3://my.conn-1_a@my.bucket-1/a@b/c", "my.conn-1_a", "my.bucket-1", "a@b/c/"),
        ("s3://bucket/mail@example.org", None, "bucket", "mail@example.org/"),
        ("sftp://c@host.example:2222/a:b", "c", "host.example:2222", "a:b/"),
        ("sftp://c@[::1]:22/a", "c", "[::1]:22", "a/"),
        ("abfs://c@$web/a?b=c", "c", "$web", "a?b=c/"),
    ],
)
def test_what_is_no_secret_is_taken(text, conn_id, bucket, prefix):
    """Ports, addresses, and signs of all kinds in the path."""
    root = Root.parse(text)
    assert (root.conn_id, root.bucket, root.prefix) == (conn_id, bucket, prefix)
