"""Captions by a batch: as they are or converted, each right, each once."""

from __future__ import annotations

import pytest

from airflow_provider_kaltura.ingest.errors import KeyCollisionError
from airflow_provider_kaltura.ingest.manifest import rows
from airflow_provider_kaltura.sandbox import small
from airflow_provider_kaltura.sandbox.library import CAPTION, StoredFile
from airflow_provider_kaltura.stores import open_lake
from tests.unit.ingest.fakes import memory_lake
from tests.unit.ingest.landing import content, files, report_of

ENGLISH, GERMAN, WITHOUT_FILE = "0_captions", "0_captionv", "0_captionn"


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


def test_captions_come_as_they_are(fetch, sandbox, tmp_path):
    """Those with a file, byte by byte; the other one is told of."""
    summary = fetch()
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


def test_captions_are_converted(fetch, tmp_path):
    """Each becomes WebVTT, under its own type and extension, proved by what Kaltura said about the original."""
    summary = fetch(caption_format="vtt", name="{language}/{entryId}.{format}")
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
def test_a_second_run_fetches_nothing(fetch, requests, caption_format, with_metadata):
    """Converted or not; nor does it ask for URLs."""
    lake = memory_lake(with_metadata=with_metadata)
    assert fetch(lake=lake, caption_format=caption_format).downloaded == 2
    before = len(requests())
    again = fetch(lake=lake, caption_format=caption_format)
    assert (again.downloaded, again.skipped_reasons["already_there"]) == (0, 2)
    assert [list(one.actions) for one in requests()[before:]] == [["baseEntry.getByIds"], ["caption_captionAsset.list"]]


@pytest.mark.parametrize("with_metadata", [True, False], ids=["metadata", "manifest"])
def test_a_converted_caption_is_never_taken_for_the_original(fetch, with_metadata):
    """Under the same name, of the same version: what is wanted now replaces what was."""
    lake = memory_lake(with_metadata=with_metadata)
    name = "{entryId}/{assetId}"
    fetch(lake=lake, name=name)
    original = lake.store.read(f"{small.READY}/{GERMAN}")
    assert fetch(lake=lake, name=name, caption_format="txt").downloaded == 2
    text = lake.store.read(f"{small.READY}/{GERMAN}")
    assert original != text
    assert b"-->" not in text
    fetch(lake=lake, name=name)
    assert lake.store.read(f"{small.READY}/{GERMAN}") == original


@pytest.mark.parametrize("caption_format", ["original", "srt"])
def test_a_replaced_caption_is_fetched_again(fetch, sandbox, english, tmp_path, caption_format):
    """A new version, even of the same length."""
    fetch(caption_format=caption_format)
    data = content(sandbox, ENGLISH).upper()
    sandbox.library.add_file(StoredFile(ENGLISH, "12", len(data), "srt", data=data))
    english.update(version="12")
    assert fetch(caption_format=caption_format).downloaded == 1
    assert (tmp_path / small.READY / f"{ENGLISH}.srt").read_bytes() == data


def test_a_caption_that_is_replaced_while_it_is_fetched_is_fetched_once_more(fetch, sandbox, english, tmp_path):
    """Its URL shows no version that counts: the list at the end does."""
    data = content(sandbox, ENGLISH).upper()
    sandbox.library.add_file(StoredFile(ENGLISH, "12", len(data), "srt", data=data))

    def replace(job):
        if job.asset_id == GERMAN:
            english.update(version="12")

    summary = fetch(opening=replace, max_parallel=1)
    assert summary.downloaded == 3
    assert (tmp_path / small.READY / f"{ENGLISH}.srt").read_bytes() == data
    newest = max(
        (row for row in rows(open_lake(str(tmp_path)).store) if row.asset_id == ENGLISH),
        key=lambda row: row.observed_at,
    )
    assert newest.version == "12"


def test_a_hostile_caption_fails_alone(fetch, caption, tmp_path):
    """The others come, and nothing stands for what can't be converted."""
    caption("0_captionx", b"words without a time\n")
    caption("0_captiony", "1\n00:00:01,000 --> 00:00:02,000\ngrün\n".encode("latin-1"))
    caption("0_captionz", b"WEBVTT\n\n25:00:00.000 --> 25:00:01.000\nlate\n")
    summary = fetch(caption_format="srt")
    assert files(tmp_path) == [f"{small.READY}/{ENGLISH}.srt", f"{small.READY}/{GERMAN}.srt"]
    assert summary.failed == 3
    assert {failure["code"] for failure in summary.failures} == {"CaptionError"}
    assert "0_captiony can't be converted: it is no UTF-8, from byte" in str(summary.failures)


def test_captions_of_unknown_length_are_proved_by_what_the_server_says(fetch, caption, tmp_path):
    """Kaltura leaves ``sizeInBytes`` at 0 for some."""
    caption("0_captionu", b"1\n00:00:01,000 --> 00:00:02,000\nHello\n", sizeInBytes=0)
    fetch()
    fetch(caption_format="txt", name="{entryId}/{assetId}.text")
    found = {
        (row.asset_type, row.verified) for row in rows(open_lake(str(tmp_path)).store) if row.asset_id == "0_captionu"
    }
    assert found == {("caption", "length"), ("caption_txt", "length")}


def test_too_long_a_caption_is_not_converted(fetch, monkeypatch):
    """It is not even fetched."""
    monkeypatch.setattr("airflow_provider_kaltura.ingest.batch_side.MOST_BYTES", 90)
    summary = fetch(caption_format="txt")
    assert [failure["reason"] for failure in summary.failures] == [
        f"caption {ENGLISH} has 91 bytes; at most 90 are taken into memory"
    ]


def test_an_empty_answer_is_no_caption(fetch, english, tmp_path):
    """A file that is gone is served as nothing with HTTP 200."""
    english.update(version="22")
    summary = fetch()
    assert summary.failed == 1
    assert files(tmp_path) == [f"{small.READY}/{GERMAN}.vtt"]


def test_two_captions_of_one_name_are_refused(fetch, requests):
    """Before the first byte, naming both."""
    with pytest.raises(KeyCollisionError, match=rf"{ENGLISH} and {GERMAN}"):
        fetch(name="{entryId}.{version}")
    assert [one for one in requests() if one.is_media] == []
