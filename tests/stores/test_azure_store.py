from __future__ import annotations

from datetime import UTC, datetime

import pytest
from azure.storage.blob import BlobPrefix, BlobProperties
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_kaltura.transfer.azure_names import BlockId, blob_name, metadata_back, metadata_there
from airflow_provider_kaltura.transfer.azure_sink import AzureSink
from airflow_provider_kaltura.transfer.azure_store import by_code_points
from airflow_provider_kaltura.transfer.errors import InvalidKeyError
from airflow_provider_kaltura.transfer.protocols import ObjectAttributes
from tests.unit.transfer.sink_contract import DATA, begin, put

OURS = {"kaltura-entry": "1_abc", "kaltura-flavor": "1_def", "kaltura-version": "2"}


@pytest.fixture
def sink(azure_container):
    """A sink of an empty container."""
    return AzureSink(azure_container)


def test_everything_beside_the_bytes_is_kept(sink):
    """Content type and disposition, metadata in every script, tags and tier; from blocks and from a single put."""
    theirs = {"Course": "Übung 50% ± 講義  🎬", "blank": "  x  "}
    attributes = ObjectAttributes(
        content_type="video/mp4",
        content_disposition="attachment; filename=\"_.mp4\"; filename*=UTF-8''%C3%9C.mp4",
        metadata={**theirs, **OURS},
        tags={"team": "media lab"},
        options={"storage_class": "Cool"},
    )
    for key, data in (("a.mp4", DATA), ("b.mp4", b"short")):
        upload = begin(sink, key, data, attributes=attributes)
        if data == DATA:
            put(upload, range(4))
        else:
            upload.put_part(0, data)
        stat = upload.commit(metadata={"kaltura-checksum": "crc64nvme:0123456789abcdef"})
        assert stat.metadata == {**theirs, **OURS, "kaltura-checksum": "crc64nvme:0123456789abcdef"}
        found = sink._place.container.get_blob_client(key)
        properties = found.get_blob_properties()
        assert properties.content_settings.content_type == "video/mp4"
        assert properties.content_settings.content_disposition == attributes.content_disposition
        assert properties.blob_tier == "Cool"
        assert properties.metadata["kaltura_entry"] == "1_abc"
        assert found.get_blob_tags() == {"team": "media lab"}
        assert sink.store.stat(key) == stat
    assert [one.metadata for one in sink.store.list("")] == [stat.metadata, stat.metadata]


@given(st.text(st.characters(blacklist_categories=("Cs",)), max_size=30))
def test_metadata_comes_back_as_it_went(value):
    """Whatever the value, it is printable ASCII on the way, without spaces that a header loses."""
    there = metadata_there({"kaltura-entry": value, "Theirs": value}, "key")
    assert all(text.isascii() and text.isprintable() and text == text.strip() for text in there.values())
    assert "  " not in there["Theirs"]
    assert metadata_back(there) == {"kaltura-entry": value, "Theirs": value}


def test_plain_values_are_left_readable():
    """Only what a header can't carry is encoded, and the percent sign."""
    assert metadata_there({"a": "crc64nvme:0f, 50% of (it)"}, "key") == {"a": "crc64nvme:0f, 50%25 of (it)"}


@pytest.mark.parametrize(
    "key",
    ["a.", "a./b", "a\\b", "a\tb", "a\x7f", "a\x85", "\ue000", "\ufffe", "\U0001ffff", "x" * 1022, "a/" * 254 + "b"],
)
def test_names_that_azure_would_change_are_refused(key):
    """With the code point in the text where there is one."""
    with pytest.raises(InvalidKeyError):
        blob_name("in/", key)


def test_the_longest_names_are_kept(sink):
    """Azure counts UTF-16, and the prefix counts too."""
    key = "/".join(["x" * 250] * 4)
    sink.store.write(key, b"x")
    assert [stat.key for stat in sink.store.list("")] == [key]
    with pytest.raises(InvalidKeyError):
        blob_name("in/", "🎬" * 511)


def test_the_order_is_that_of_code_points(sink):
    """The emulator's order is that of UTF-16, where a film comes before a full-width letter."""
    keys = ["a/ｆ", "a/ｆ🎬", "a/ｆｆ", "a/🎬", "a/🎬ｆ", "a/🎬🎬", "b", "ｆ/1", "🎬/1"]  # noqa: RUF001 - the point
    for key in reversed(keys):
        sink.store.write(key, b"x")
    assert [stat.key for stat in sink.store.list("")] == sorted(keys)
    assert [blob.name for blob in sink._place.container.list_blobs()] != sorted(keys)


@given(st.lists(st.text(st.sampled_from("a/\uffff\ue000\U0001f3ac\ud7ff"), max_size=5), max_size=12, unique=True))
def test_any_names_are_put_in_order(names):
    """From the order of UTF-16 and from that of code points."""
    blobs = [BlobProperties(name=name) for name in names]
    by_utf16 = sorted(blobs, key=lambda one: one.name.encode("utf-16-be"))
    assert [one.name for one in by_code_points(by_utf16)] == sorted(names)
    assert [one.name for one in by_code_points(sorted(blobs, key=lambda one: one.name))] == sorted(names)


def blob(name, **metadata):
    """Describe a blob as a listing does."""
    found = BlobProperties(name=name, metadata=metadata)
    found.size, found.etag = 0, "0x1"
    found.last_modified = datetime.now(UTC)
    return found


class _Hierarchical:
    """A container of an account with a hierarchical namespace: folders are listed, and their content follows them."""

    def __init__(self, keys):
        self.keys = keys

    def list_blobs(self, name_starts_with, include):
        """List all, in the order of the tree."""
        assert include == ["metadata"]
        folders = {key[:at] for key in self.keys for at in range(len(key)) if key[at] == "/"}
        both = [blob(key) for key in self.keys] + [blob(folder, hdi_isfolder="true") for folder in folders]
        return sorted(
            (one for one in both if one.name.startswith(name_starts_with)), key=lambda one: one.name.split("/")
        )

    def walk_blobs(self, name_starts_with, include, delimiter):
        """List one folder."""
        assert delimiter == "/"
        start = len(name_starts_with)
        prefixes = set()
        for one in self.list_blobs(name_starts_with, include):
            rest = one.name[start:]
            if "/" not in rest:
                yield one
            else:
                prefixes.add(name_starts_with + rest[: rest.index("/") + 1])
        for name in sorted(prefixes):
            prefix = BlobPrefix()
            prefix.name = name
            yield prefix


@pytest.mark.parametrize("prefix", ["", "a", "a/", "a/b", "a/b/", "A", "z"])
def test_an_account_with_folders_lists_in_order_of_key_too(prefix):
    """There "a/x" comes before "a-b"; folders themselves are no objects."""
    keys = ["A.txt", "a-b", "a.txt", "a/b-c", "a/b/c", "a/b/d.e", "a/x", "ab/c", "b"]
    sink = AzureSink(_Hierarchical(keys))
    assert [blob.name for blob in sink._place.container.list_blobs("", ["metadata"])] != sorted(keys)
    assert [stat.key for stat in sink.store.list(prefix)] == [key for key in sorted(keys) if key.startswith(prefix)]


def test_marked_folders_are_no_objects(sink):
    """Hadoop marks folders by empty blobs."""
    sink.store.write("a/b", b"x")
    sink.store.write("a-b", b"x")
    for name in ("a", "c/"):
        marker = sink._place.container.get_blob_client(name)
        marker.upload_blob(b"", metadata={"hdi_isfolder": "true"} if name == "a" else {})
    assert sink.store.stat("a") is None
    assert [stat.key for stat in sink.store.list("")] == ["a-b", "a/b"]


def test_listings_of_several_pages_are_whole(sink):
    """Whatever the service's pages are."""
    keys = [f"k/{number:03d}" for number in range(23)]
    for key in keys:
        sink.store.write(key, b"x")
    plain = sink._place.container.list_blobs
    sink._place.container.list_blobs = lambda **options: plain(**options, results_per_page=5)
    assert [stat.key for stat in sink.store.list("k/")] == keys


def test_ids_of_blocks_are_of_one_length_and_come_back():
    """Azure takes only ids of one length for a blob."""
    ids = [BlockId("0123456789abcdef", 0, 0), BlockId("f" * 16, 49_999, 2**64 - 1), BlockId.of_end("0" * 16)]
    assert {len(str(one)) for one in ids} == {47}
    assert [BlockId.parse(str(one)) for one in ids] == ids
    assert [one.is_end for one in ids] == [False, False, True]
    assert BlockId.parse("kaltura.x") is None
