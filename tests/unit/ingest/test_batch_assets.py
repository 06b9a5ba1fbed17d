"""Captions, thumbnails and attachments by a batch: all that is ready, each right, each once."""

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
from airflow_provider_kaltura.sandbox.library import ATTACHMENT, CAPTION, THUMB, StoredFile
from airflow_provider_kaltura.stores import open_lake
from tests.unit.ingest.fakes import memory_lake
from tests.unit.ingest.landing import content, files

ENGLISH, GERMAN, WITHOUT_FILE = "0_captions", "0_captionv", "0_captionn"


@pytest.fixture
def load(tmp_path, api, sources):
    """Download assets, the way the operator will."""

    def load_all(assets="captions", entry_ids=(small.READY,), *, name=None, lake=None, opening=None, **more):
        kinds = parse_assets(assets)
        text = f"{tmp_path}/{name or '{entryId}/{assetId}.{format}'}"
        destination = Destination.parse(text, state_root=str(tmp_path), kinds=kinds)

        def open_source(job):
            if opening is not None:
                opening(job)
            return sources(job)

        options = BatchOptions(assets=kinds, **({"on_error": "continue"} | more))
        place = lake or open_lake(destination.root)
        return download_batch(api, entry_ids, destination, place, options, open_source=open_source)

    return load_all


@pytest.fixture
def requests(sandbox):
    """Tell what was asked since the test began."""
    first = max((one.number for one in sandbox.log.records()), default=0)
    return lambda: [one for one in sandbox.log.records() if one.number > first]


@pytest.fixture
def caption(sandbox):
    """Give the ready entry more captions, and take them away at the end."""
    made = []

    def add(asset_id, data, version="2", **properties):
        library = sandbox.library
        asset = dict(library.asset(CAPTION, ENGLISH, small.PARTNER_ID)) | {
            "id": asset_id,
            "size": len(data),
            "sizeInBytes": str(len(data)),
            "version": version,
            **properties,
        }
        library.add_file(StoredFile(asset_id, version, len(data), "srt", data=data))
        library.add_asset(CAPTION, asset)
        made.append(asset_id)

    yield add
    for asset_id in made:
        sandbox.library.remove_asset(CAPTION, asset_id)


@pytest.fixture
def english(sandbox):
    """The English caption, put back as it was at the end."""
    asset = sandbox.library.assets[CAPTION][ENGLISH]
    before = dict(asset)
    yield asset
    asset.clear()
    asset.update(before)


def report_of(summary):
    """Read a report's rows."""
    with open(summary.report, encoding="utf-8") as lines:  # noqa: PTH123 - the summary has a text
        return [json.loads(line) for line in lines]


def test_captions_come_as_they_are(load, sandbox, tmp_path):
    """Those with a file, byte by byte; the other one is told of."""
    summary = load()
    assert files(tmp_path) == [f"{small.READY}/{ENGLISH}.srt", f"{small.READY}/{GERMAN}.vtt"]
    assert (tmp_path / small.READY / f"{ENGLISH}.srt").read_bytes() == content(sandbox, ENGLISH)
    assert (summary.downloaded, summary.failed, summary.skipped_reasons) == (2, 0, {"caption_not_ready": 1})
    told = {
        row["assetId"]: (row["assetType"], row["language"], row["label"], row["outcome"]) for row in report_of(summary)
    }
    assert told == {
        ENGLISH: ("caption", "en", "English", "downloaded"),
        GERMAN: ("caption", "de", "German", "downloaded"),
        WITHOUT_FILE: ("caption", "fr", "French", "skipped"),
    }


def test_captions_are_converted(load, tmp_path):
    """Each becomes WebVTT, under its own type and extension, proved by what Kaltura said about the original."""
    summary = load(caption_format="vtt", name="{language}/{entryId}.{format}")
    assert files(tmp_path) == [f"de/{small.READY}.vtt", f"en/{small.READY}.vtt"]
    assert (tmp_path / f"en/{small.READY}.vtt").read_text().startswith("WEBVTT\n\n00:00:")
    found = list(rows(open_lake(str(tmp_path)).store))
    assert {(row.asset_type, row.asset_id, row.version, row.verified) for row in found} == {
        ("caption_vtt", ENGLISH, "2", "full"),
        ("caption_vtt", GERMAN, "2", "full"),
    }
    assert all(row.checksum.startswith("crc64nvme:") for row in found)
    assert summary.downloaded_bytes == sum(row.size_bytes for row in found)


@pytest.mark.parametrize("caption_format", ["original", "txt"])
@pytest.mark.parametrize("with_metadata", [True, False], ids=["metadata", "manifest"])
def test_a_second_run_fetches_nothing(load, requests, caption_format, with_metadata):
    """Converted or not; nor does it ask for URLs."""
    lake = memory_lake(with_metadata=with_metadata)
    assert load(lake=lake, caption_format=caption_format).downloaded == 2
    before = len(requests())
    again = load(lake=lake, caption_format=caption_format)
    assert (again.downloaded, again.skipped_reasons["already_there"]) == (0, 2)
    assert [list(one.actions) for one in requests()[before:]] == [["baseEntry.getByIds"], ["caption_captionAsset.list"]]


@pytest.mark.parametrize("with_metadata", [True, False], ids=["metadata", "manifest"])
def test_a_converted_caption_is_never_taken_for_the_original(load, with_metadata):
    """Under the same name, of the same version: what is wanted now replaces what was."""
    lake = memory_lake(with_metadata=with_metadata)
    name = "{entryId}/{assetId}"
    load(lake=lake, name=name)
    original = lake.store.read(f"{small.READY}/{GERMAN}")
    assert load(lake=lake, name=name, caption_format="txt").downloaded == 2
    text = lake.store.read(f"{small.READY}/{GERMAN}")
    assert original != text
    assert b"-->" not in text
    load(lake=lake, name=name)
    assert lake.store.read(f"{small.READY}/{GERMAN}") == original


@pytest.mark.parametrize("caption_format", ["original", "srt"])
def test_a_replaced_caption_is_fetched_again(load, sandbox, english, tmp_path, caption_format):
    """A new version, even of the same length."""
    load(caption_format=caption_format)
    data = content(sandbox, ENGLISH).upper()
    sandbox.library.add_file(StoredFile(ENGLISH, "12", len(data), "srt", data=data))
    english.update(version="12")
    assert load(caption_format=caption_format).downloaded == 1
    assert (tmp_path / small.READY / f"{ENGLISH}.srt").read_bytes() == data


def test_a_caption_that_is_replaced_while_it_is_fetched_is_fetched_once_more(load, sandbox, english, tmp_path):
    """Its URL shows no version that counts: the list at the end does."""
    data = content(sandbox, ENGLISH).upper()
    sandbox.library.add_file(StoredFile(ENGLISH, "12", len(data), "srt", data=data))

    def replace(job):
        if job.asset_id == GERMAN:
            english.update(version="12")

    summary = load(opening=replace, max_parallel=1)
    assert summary.downloaded == 3
    assert (tmp_path / small.READY / f"{ENGLISH}.srt").read_bytes() == data
    newest = max(
        (row for row in rows(open_lake(str(tmp_path)).store) if row.asset_id == ENGLISH),
        key=lambda row: row.observed_at,
    )
    assert newest.version == "12"


def test_a_hostile_caption_fails_alone(load, caption, tmp_path):
    """The others come, and nothing stands for what can't be converted."""
    caption("0_captionx", b"words without a time\n")
    caption("0_captiony", "1\n00:00:01,000 --> 00:00:02,000\ngrün\n".encode("latin-1"))
    caption("0_captionz", b"WEBVTT\n\n25:00:00.000 --> 25:00:01.000\nlate\n")
    summary = load(caption_format="srt")
    assert files(tmp_path) == [f"{small.READY}/{ENGLISH}.srt", f"{small.READY}/{GERMAN}.srt"]
    assert summary.failed == 3
    assert {failure["code"] for failure in summary.failures} == {"CaptionError"}
    assert "0_captiony can't be converted: it is no UTF-8, from byte" in str(summary.failures)


def test_captions_of_unknown_length_are_proved_by_what_the_server_says(load, caption, tmp_path):
    """Kaltura leaves ``sizeInBytes`` at 0 for some."""
    caption("0_captionu", b"1\n00:00:01,000 --> 00:00:02,000\nHello\n", sizeInBytes=0)
    load()
    load(caption_format="txt", name="{entryId}/{assetId}.text")
    found = {
        (row.asset_type, row.verified) for row in rows(open_lake(str(tmp_path)).store) if row.asset_id == "0_captionu"
    }
    assert found == {("caption", "length"), ("caption_txt", "length")}


def test_too_long_a_caption_is_not_converted(load, monkeypatch):
    """It is not even fetched."""
    monkeypatch.setattr("airflow_provider_kaltura.ingest.batch_side.MOST_BYTES", 90)
    summary = load(caption_format="txt")
    assert [failure["reason"] for failure in summary.failures] == [
        f"caption {ENGLISH} has 91 bytes; at most 90 are taken into memory"
    ]


def test_an_empty_answer_is_no_caption(load, english, tmp_path):
    """A file that is gone is served as nothing with HTTP 200."""
    english.update(version="22")
    summary = load()
    assert summary.failed == 1
    assert files(tmp_path) == [f"{small.READY}/{GERMAN}.vtt"]


def test_all_kinds_at_once(load, sandbox, tmp_path):
    """Each below its type, in a destination that ends in a slash."""
    summary = load("flavors, captions, thumbnails, attachments", name="all/", flavor="each")
    found = files(tmp_path)
    assert f"all/{small.READY}/caption/{ENGLISH}.srt" in found
    assert (tmp_path / f"all/{small.READY}/thumbnail/0_thumb001.jpg").read_bytes() == content(sandbox, "0_thumb001")
    assert (tmp_path / f"all/{small.READY}/attachment/0_attach01.txt").read_bytes() == content(sandbox, "0_attach01")
    assert len([name for name in found if "/flavor/" in name]) == len(found) - 4
    assert summary.failed == 0


def test_the_default_thumbnail_is_told(load, sandbox):
    """In the report; the other ones have no label."""
    thumb = sandbox.library.assets[THUMB]["0_thumb001"]
    assert [row["label"] for row in report_of(load("thumbnails"))] == [None]
    thumb["tags"] = "default_thumb"
    try:
        assert [row["label"] for row in report_of(load("thumbnails"))] == ["default"]
    finally:
        thumb["tags"] = ""


def test_attachments_keep_their_names(load, tmp_path):
    """And their titles are labels."""
    load(["attachments"], name="{entryId}/{label}/{fileName}")
    assert files(tmp_path) == [f"{small.READY}/notes/notes.txt"]


def test_transcripts_are_no_attachments(load, sandbox, tmp_path):
    """They are told apart by their class."""
    library = sandbox.library
    notes = dict(library.asset(ATTACHMENT, "0_attach01", small.PARTNER_ID))
    library.add_file(StoredFile("0_transcri", "2", 5, "txt", data=b"words"))
    own = {"id": "0_transcri", "sizeInBytes": "5", "size": 5, "objectType": "KalturaTranscriptAsset"}
    library.add_asset(ATTACHMENT, notes | own)
    try:
        assert load("transcripts", name="{assetType}/{assetId}.{format}").downloaded == 1
        assert files(tmp_path) == ["transcript/0_transcri.txt"]
        assert load("attachments", name="{assetType}/{assetId}.{format}").downloaded == 1
        assert "attachment/0_attach01.txt" in files(tmp_path)
    finally:
        library.remove_asset(ATTACHMENT, "0_transcri")


def test_what_an_entry_does_not_have_is_told(load):
    """Each entry has a row for each kind, whatever it is."""
    summary = load(
        "captions,transcripts,thumbnails",
        (small.IMAGE, small.PLAYLIST, small.LIVE),
        name="{entryId}/{assetId}.{format}",
    )
    assert summary.skipped_reasons == {"no_captions": 3, "no_transcripts": 3, "no_thumbnails": 3}
    assert summary.total == 9


def test_an_unknown_entry_fails_alone(load):
    """The others are there."""
    summary = load("captions", ("0_missing1", small.READY))
    assert (summary.failed, summary.downloaded) == (1, 2)
    assert summary.failures[0]["code"] == "ENTRY_ID_NOT_FOUND"


def test_two_captions_of_one_name_are_refused(load, requests):
    """Before the first byte, naming both."""
    with pytest.raises(KeyCollisionError, match=rf"{ENGLISH} and {GERMAN}"):
        load(name="{entryId}.{version}")
    assert [one for one in requests() if one.is_media] == []


@pytest.mark.parametrize(
    ("assets", "name", "text"),
    [
        ("captions", "{flavorId}", r"\{flavorId\} means nothing for captions; there are .*\{language\}"),
        ("flavors", "{entryId}/{language}", r"\{language\} means nothing for flavors"),
        ("captions,thumbnails", "{entryId}/{language}", r"\{language\} means nothing for thumbnails"),
    ],
)
def test_a_placeholder_must_mean_something(load, requests, assets, name, text):
    """Nothing is asked before."""
    with pytest.raises(DestinationError, match=text):
        load(assets, name=name)
    assert requests() == []


def test_a_destination_for_other_assets_is_refused(api, tmp_path):
    """Nobody has checked its placeholders."""
    destination = Destination.parse(f"{tmp_path}/{{entryId}}")
    with pytest.raises(AssetsError, match="not checked for captions"):
        download_batch(
            api, [], destination, open_lake(str(tmp_path)), BatchOptions(assets=("captions",)), open_source=None
        )


def test_the_session_of_a_url_is_not_told_to_anybody(load, caplog, sessions, requests):
    """No log line has it, and it is not announced: each announced one would make every log line dearer."""
    caplog.set_level(logging.DEBUG)
    with_sessions = load("captions,thumbnails")
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


def test_images_and_documents_come_as_files(load, sandbox, tmp_path, requests):
    """Content-Length and the entry's version are the proof, which the row says; a second run fetches nothing."""
    wanted = (small.IMAGE, small.DOCUMENT, small.READY, small.PLAYLIST)
    summary = load("file", wanted)
    assert (summary.downloaded, summary.skipped_reasons) == (2, {"no_file": 2})
    for entry_id in (small.IMAGE, small.DOCUMENT):
        assert (tmp_path / entry_id / f"{entry_id}.bin").read_bytes() == content(sandbox, entry_id, "100002")
    found = {(row.asset_type, row.asset_id, row.version, row.verified) for row in rows(open_lake(str(tmp_path)).store)}
    assert found == {("file", entry_id, "100002", "length") for entry_id in (small.IMAGE, small.DOCUMENT)}
    before = len(requests())
    assert load("file", wanted).skipped_reasons == {"no_file": 2, "already_there": 2}
    assert sum(one.sent_bytes for one in requests()[before:] if one.is_media) <= 2


def test_a_file_that_is_replaced_while_it_is_fetched_is_fetched_again(load, sandbox, tmp_path):
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
        assert load("file", (small.IMAGE,), opening=replace).downloaded == 1
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
def test_what_kaltura_says_becomes_a_file(load, metadata, with_metadata):
    """The entry's fields and its custom metadata as JSON; written again only when something has changed."""
    lake = memory_lake(with_metadata=with_metadata)
    wanted = (small.READY, small.PLAYLIST)
    assert load("metadata", wanted, lake=lake).downloaded == 2
    told = json.loads(lake.store.read(f"{small.READY}/{small.READY}.json"))
    assert told["entryId"] == small.READY
    assert told["customMetadata"] == [
        {"id": 1, "profileId": 7, "profileVersion": 2, "version": 3, "xml": "<metadata><Room>Ä 1</Room></metadata>"}
    ]
    assert json.loads(lake.store.read(f"{small.PLAYLIST}/{small.PLAYLIST}.json"))["customMetadata"] == []
    assert {row.verified for row in rows(lake.store)} == {"full"}
    assert load("metadata", wanted, lake=lake).skipped_reasons == {"already_there": 2}
    metadata[0]["xml"] = "<metadata><Room>2</Room></metadata>"
    assert load("metadata", wanted, lake=lake).downloaded == 1
    assert b"<Room>2</Room>" in lake.store.read(f"{small.READY}/{small.READY}.json")


def test_a_file_and_its_json_of_one_name_are_refused(load):
    """Both are the entry's own, and told apart all the same."""
    with pytest.raises(KeyCollisionError, match=f"metadata of {small.IMAGE} and file of {small.IMAGE}"):
        load("metadata,file", (small.IMAGE,), name="{entryId}")
