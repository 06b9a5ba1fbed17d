"""From a root to a lake."""

from __future__ import annotations

import pytest

from airflow_provider_kaltura.ingest.errors import DestinationError
from airflow_provider_kaltura.stores import open_lake
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
