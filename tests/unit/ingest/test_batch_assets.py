"""Thumbnails, attachments, files and JSON by a batch: all that is ready, each right, each once."""

from __future__ import annotations

import json
import logging

import pytest

from airflow_provider_kaltura.api import secrets
from airflow_provider_kaltura.ingest.asset_kinds import parse_assets
from airflow_provider_kaltura.ingest.batch import download_batch
from airflow_provider_kaltura.ingest.batch_models import BatchOptions
from airflow_provider_kaltura.ingest.destination import Destination
from airflow_provider_kaltura.ingest.errors import AssetsError, DestinationError, KeyCollisionError
from airflow_provider_kaltura.ingest.manifest import rows
from airflow_provider_kaltura.sandbox import small
from airflow_provider_kaltura.sandbox.library import ATTACHMENT, THUMB, StoredFile
from airflow_provider_kaltura.stores import open_lake
from tests.unit.ingest.fakes import memory_lake
from tests.unit.ingest.landing import content, files, report_of

ENGLISH = "0_captions"


def test_all_kinds_at_once(fetch, sandbox, tmp_path):
    """Each below its type, in a destination that ends in a slash."""
    summary = fetch("flavors, captions, thumbnails, attachments", name="all/", flavor="each")
    found = files(tmp_path)
    assert f"all/{small.READY}/caption/{ENGLISH}.srt" in found
    assert (tmp_path / f"all/{small.READY}/thumbnail/0_thumb001.jpg").read_bytes() == content(sandbox, "0_thumb001")
    assert (tmp_path / f"all/{small.READY}/attachment/0_attach01.txt").read_bytes() == content(sandbox, "0_attach01")
    assert len([name for name in found if "/flavor/" in name]) == len(found) - 4
    assert summary.failed == 0


def test_the_default_thumbnail_is_told(fetch, sandbox):
    """In the report; the other ones have no label."""
    thumb = sandbox.library.assets[THUMB]["0_thumb001"]
    assert [row["label"] for row in report_of(fetch("thumbnails"))] == [None]
    thumb["tags"] = "default_thumb"
    try:
        assert [row["label"] for row in report_of(fetch("thumbnails"))] == ["default"]
    finally:
        thumb["tags"] = ""


def test_attachments_keep_their_names(fetch, tmp_path):
    """And their titles are labels."""
    fetch(["attachments"], name="{entryId}/{label}/{fileName}")
    assert files(tmp_path) == [f"{small.READY}/notes/notes.txt"]


def test_transcripts_are_no_attachments(fetch, sandbox, tmp_path):
    """They are told apart by their class."""
    library = sandbox.library
    notes = dict(library.asset(ATTACHMENT, "0_attach01", small.PARTNER_ID))
    library.add_file(StoredFile("0_transcri", "2", 5, "txt", data=b"words"))
    own = {"id": "0_transcri", "sizeInBytes": "5", "size": 5, "objectType": "KalturaTranscriptAsset"}
    library.add_asset(ATTACHMENT, notes | own)
    try:
        assert fetch("transcripts", name="{assetType}/{assetId}.{format}").downloaded == 1
        assert files(tmp_path) == ["transcript/0_transcri.txt"]
        assert fetch("attachments", name="{assetType}/{assetId}.{format}").downloaded == 1
        assert "attachment/0_attach01.txt" in files(tmp_path)
    finally:
        library.remove_asset(ATTACHMENT, "0_transcri")


def test_what_an_entry_does_not_have_is_told(fetch):
    """Each entry has a row for each kind, whatever it is."""
    summary = fetch(
        "captions,transcripts,thumbnails",
        (small.IMAGE, small.PLAYLIST, small.LIVE),
        name="{entryId}/{assetId}.{format}",
    )
    assert summary.skipped_reasons == {"no_captions": 3, "no_transcripts": 3, "no_thumbnails": 3}
    assert summary.total == 9


def test_an_unknown_entry_fails_alone(fetch):
    """The others are there."""
    summary = fetch("captions", ("0_missing1", small.READY))
    assert (summary.failed, summary.downloaded) == (1, 2)
    assert summary.failures[0]["code"] == "ENTRY_ID_NOT_FOUND"


@pytest.mark.parametrize(
    ("assets", "name", "text"),
    [
        ("captions", "{flavorId}", r"\{flavorId\} means nothing for captions; there are .*\{language\}"),
        ("flavors", "{entryId}/{language}", r"\{language\} means nothing for flavors"),
        ("captions,thumbnails", "{entryId}/{language}", r"\{language\} means nothing for thumbnails"),
    ],
)
def test_a_placeholder_must_mean_something(fetch, requests, assets, name, text):
    """Nothing is asked before."""
    with pytest.raises(DestinationError, match=text):
        fetch(assets, name=name)
    assert requests() == []


def test_a_destination_for_other_assets_is_refused(api, tmp_path):
    """Nobody has checked its placeholders."""
    destination = Destination.parse(f"{tmp_path}/{{entryId}}")
    with pytest.raises(AssetsError, match="not checked for captions"):
        download_batch(
            api, [], destination, open_lake(str(tmp_path)), BatchOptions(assets=("captions",)), open_source=None
        )


def test_the_session_of_a_url_is_not_told_to_anybody(fetch, caplog, sessions, requests):
    """No log line has it, and it is not announced: each announced one would make every log line dearer."""
    caplog.set_level(logging.DEBUG)
    with_sessions = fetch("captions,thumbnails")
    served = [record.path for record in requests() if "/ks/" in record.path]
    inside = {path.rpartition("/ks/")[2] for path in served}
    assert inside
    assert not inside & set(sessions)
    assert not [ks for ks in inside if ks in caplog.text or ks in str(with_sessions)]
    assert not inside & set(secrets._known)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (None, ("flavors",)),
        ("captions", ("captions",)),
        (" Captions, flavors,captions", ("captions", "flavors")),
        ('["file", "metadata"]', ("file", "metadata")),
        ("('captions',)", ("captions",)),
        (["captions"], ("captions",)),
    ],
)
def test_assets_are_read(given, wanted):
    """As people, JSON and Jinja write them."""
    assert parse_assets(given) == wanted


@pytest.mark.parametrize("given", ["", "[]", "subtitles", 5, {"captions": 1}, "[captions", [["captions"]]])
def test_assets_that_there_are_not(given):
    """The text says what there is."""
    with pytest.raises(AssetsError):
        parse_assets(given)


def test_a_format_needs_captions():
    """Else it would be ignored."""
    with pytest.raises(AssetsError, match="needs 'captions'"):
        BatchOptions(caption_format="srt")


def test_images_and_documents_come_as_files(fetch, sandbox, tmp_path, requests):
    """Content-Length and the entry's version are the proof, which the row says; a second run fetches nothing."""
    wanted = (small.IMAGE, small.DOCUMENT, small.READY, small.PLAYLIST)
    summary = fetch("file", wanted)
    assert (summary.downloaded, summary.skipped_reasons) == (2, {"no_file": 2})
    for entry_id in (small.IMAGE, small.DOCUMENT):
        assert (tmp_path / entry_id / f"{entry_id}.bin").read_bytes() == content(sandbox, entry_id, "100002")
    found = {(row.asset_type, row.asset_id, row.version, row.verified) for row in rows(open_lake(str(tmp_path)).store)}
    assert found == {("file", entry_id, "100002", "length") for entry_id in (small.IMAGE, small.DOCUMENT)}
    before = len(requests())
    assert fetch("file", wanted).skipped_reasons == {"no_file": 2, "already_there": 2}
    assert sum(one.sent_bytes for one in requests()[before:] if one.is_media) <= 2


def test_a_file_that_is_replaced_while_it_is_fetched_is_fetched_again(fetch, sandbox, tmp_path):
    """The entry's version tells."""
    with sandbox.library.changing(small.IMAGE) as entry:
        before = dict(entry)
    data = b"another picture"
    sandbox.library.add_file(StoredFile(small.IMAGE, "100012", len(data), "jpg", data=data))

    def replace(_job):
        with sandbox.library.changing(small.IMAGE) as changed:
            changed["version"] = "100012"
            changed["downloadUrl"] = before["downloadUrl"].replace("100002", "100012")

    try:
        assert fetch("file", (small.IMAGE,), opening=replace).downloaded == 1
        assert (tmp_path / small.IMAGE / f"{small.IMAGE}.bin").read_bytes() == data
    finally:
        with sandbox.library.changing(small.IMAGE) as changed:
            changed.update(before)


@pytest.fixture
def metadata(sandbox):
    """Custom metadata of the ready entry, and of what is none."""
    common = {"partnerId": small.PARTNER_ID, "metadataObjectType": "1", "objectId": small.READY, "version": 3}
    common |= {"metadataProfileId": 7, "metadataProfileVersion": 2, "status": 1, "objectType": "KalturaMetadata"}
    xml = "<metadata><Room>Ä 1</Room></metadata>"
    made = [
        common | {"id": 1, "xml": xml},
        common | {"id": 2, "xml": "<of-a-category/>", "metadataObjectType": "2"},
        common | {"id": 3, "xml": "<deleted/>", "status": 3},
    ]
    sandbox.library.custom_metadata.extend(made)
    yield made
    sandbox.library.custom_metadata.clear()


@pytest.mark.parametrize("with_metadata", [True, False], ids=["metadata", "manifest"])
def test_what_kaltura_says_becomes_a_file(fetch, metadata, with_metadata):
    """The entry's fields and its custom metadata as JSON; written again only when something has changed."""
    lake = memory_lake(with_metadata=with_metadata)
    wanted = (small.READY, small.PLAYLIST)
    assert fetch("metadata", wanted, lake=lake).downloaded == 2
    told = json.loads(lake.store.read(f"{small.READY}/{small.READY}.json"))
    assert told["entryId"] == small.READY
    assert told["customMetadata"] == [
        {"id": 1, "profileId": 7, "profileVersion": 2, "version": 3, "xml": "<metadata><Room>Ä 1</Room></metadata>"}
    ]
    assert json.loads(lake.store.read(f"{small.PLAYLIST}/{small.PLAYLIST}.json"))["customMetadata"] == []
    assert {row.verified for row in rows(lake.store)} == {"full"}
    assert fetch("metadata", wanted, lake=lake).skipped_reasons == {"already_there": 2}
    metadata[0]["xml"] = "<metadata><Room>2</Room></metadata>"
    assert fetch("metadata", wanted, lake=lake).downloaded == 1
    assert b"<Room>2</Room>" in lake.store.read(f"{small.READY}/{small.READY}.json")


def test_a_file_and_its_json_of_one_name_are_refused(fetch):
    """Both are the entry's own, and told apart all the same."""
    with pytest.raises(KeyCollisionError, match=f"metadata of {small.IMAGE} and file of {small.IMAGE}"):
        fetch("metadata,file", (small.IMAGE,), name="{entryId}")
