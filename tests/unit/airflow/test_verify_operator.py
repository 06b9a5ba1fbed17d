"""The operator that verifies a lake: what it returns, when it fails, what it says."""

from __future__ import annotations

import json
import logging
import typing
from pathlib import Path

import pytest

from airflow_provider_kaltura import xcom
from airflow_provider_kaltura.compat import AirflowFailException
from airflow_provider_kaltura.exceptions import (
    KalturaArgumentError,
    KalturaConnectionError,
    KalturaPermanentError,
    KalturaVerifyError,
)
from airflow_provider_kaltura.operators import KalturaDownloadToStorageOperator, KalturaVerifyStorageOperator
from airflow_provider_kaltura.sandbox import lifecycle, small

SOURCE = small.flavor_id_of(small.READY, 0)


@pytest.fixture
def lake(sandbox, tmp_path):
    """A lake with the sources of two entries."""
    for entry_id in (small.READY, small.UNICODE):
        KalturaDownloadToStorageOperator(
            task_id="download",
            entry_id=entry_id,
            flavor="source",
            destination=f"{tmp_path}/lake/{{entryId}}.{{format}}",
        ).execute({})
    sandbox.log.clear()
    return tmp_path / "lake"


def verify(root, **arguments):
    """Run the operator."""
    return KalturaVerifyStorageOperator(task_id="verify", root=str(root), **arguments).execute({})


def damage(lake):
    """Change one byte of one file, and leave its length."""
    path = lake / f"{small.READY}.mp4"
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("level", ["length", "checksum"])
def test_a_sound_lake(lake, level):
    """The result counts what was looked at, is plain JSON, and small."""
    result = verify(lake, level=level)
    size = sum(path.stat().st_size for path in lake.glob("*.mp4"))
    assert (result["sound"], result["files"], result["size"], result["report"]) == (True, 2, size, None)
    assert (result["provedByReading"], result["readBytes"]) == ((2, size) if level == "checksum" else (0, 0))
    assert json.loads(json.dumps(result)) == result


def test_the_result_has_the_documented_keys(lake):
    """The dict has exactly the keys of its TypedDict, each of its examples those of its own."""
    (lake / "unknown.txt").touch()
    result = verify(lake)
    assert set(result) == set(xcom.VerifyResult.__annotations__)
    assert set(result["examples"][0]) == set(xcom.FindingInfo.__annotations__)


def test_verifying_asks_nobody(lake, sandbox, monkeypatch):
    """Without against_kaltura no connection to Kaltura is needed."""
    monkeypatch.delenv("AIRFLOW_CONN_KALTURA_DEFAULT")
    assert verify(lake, level="checksum")["sound"] is True
    assert sandbox.log.records() == []


def test_damage_fails_the_task_without_a_retry(lake):
    """The text names kind, number, file and report; Airflow does not retry."""
    damage(lake)
    with pytest.raises(KalturaVerifyError) as caught:
        verify(lake, level="checksum")
    (report,) = (lake / "_kaltura" / "reports").iterdir()
    text = str(caught.value)
    assert f"1 wrong checksum of 2 recorded files, such as {small.READY}.mp4" in text
    assert str(report) in text
    assert "if_exists='overwrite'" in text
    assert issubclass(KalturaVerifyError, KalturaPermanentError)
    assert issubclass(KalturaVerifyError, AirflowFailException)


def test_damage_can_be_a_warning(lake, monkeypatch, caplog):
    """With on_findings="warn" the task goes on, the result says it, and so does the log."""
    damage(lake)
    # Airflow 3 writes its own tasks' logs past the standard library, where caplog sees nothing.
    monkeypatch.setattr(KalturaVerifyStorageOperator, "log", logging.getLogger("test.operator"))
    with caplog.at_level(logging.INFO, logger="test.operator"):
        result = verify(lake, level="checksum", on_findings="warn")
    assert (result["sound"], result["wrongChecksum"]) == (False, 1)
    assert result["examples"][0]["path"] == f"{small.READY}.mp4"
    assert f"1 wrong checksum, such as {small.READY}.mp4" in caplog.messages
    assert f"All findings: {result['report']}" in caplog.messages


def test_the_report_has_what_the_result_says(lake):
    """The file named in the result holds the findings."""
    (lake / "unknown.txt").write_text("mine")
    result = verify(lake)
    assert (result["sound"], result["unknown"]) == (True, 1)
    (line,) = Path(result["report"]).read_text().splitlines()
    assert json.loads(line) == result["examples"][0]


def test_a_large_result_stays_small(lake):
    """However many and long the names are, the XCom has at most 16 KB; the report file has all of them."""
    for number in range(200):
        (lake / f"{'ü' * 100}{number}").touch()
    result = verify(lake)
    assert len(json.dumps(result)) < 16_000
    assert result["unknown"] == 200
    assert len(Path(result["report"]).read_text().splitlines()) == 200


def test_names_that_are_no_text_fit_into_the_database(lake):
    """A lone surrogate would not be taken by Airflow's database."""
    (lake / b"\xff.txt".decode("utf-8", "surrogateescape")).touch()
    (example,) = verify(lake)["examples"]
    assert example["path"].encode() == b"\\udcff.txt"


def test_kaltura_is_asked_on_request(lake, library):
    """What is gone there is told, and fails no task."""
    lifecycle.set_flavor_status(library, SOURCE, lifecycle.CONVERTING)
    result = verify(lake, against_kaltura=True)
    assert (result["sound"], result["asked"], result["changed"], result["gone"]) == (True, 2, 1, 0)


def test_against_kaltura_may_be_a_template(lake, sandbox):
    """Jinja makes texts of True and False."""
    assert verify(lake, against_kaltura="False")["asked"] == 0
    assert sandbox.log.records() == []
    assert verify(lake, against_kaltura="True")["asked"] == 2


def test_a_connection_to_kaltura_that_is_refused_is_named(lake, define_connection):
    """What is wrong is the connection, and which one."""
    define_connection("kaltura_other", password="", host="https://kaltura.example.org")
    with pytest.raises(KalturaConnectionError, match="kaltura_other"):
        verify(lake, against_kaltura=True, kaltura_conn_id="kaltura_other")


def test_a_root_where_nothing_is_recorded_is_no_sound_lake(tmp_path):
    """A misspelt root fails, instead of being found sound every week."""
    with pytest.raises(KalturaVerifyError, match="Nothing is recorded below"):
        verify(tmp_path / "laek")
    assert verify(tmp_path / "laek", on_findings="warn")["files"] == 0


def test_a_slash_before_the_prefix_does_not_hide_everything(lake):
    """Names below the root begin without one."""
    assert verify(lake, prefix=f"/{small.READY}")["files"] == 1


def test_a_prefix_without_files_is_a_warning(lake, monkeypatch, caplog):
    """A month in which nothing came is sound; but a misspelt one must be seen."""
    monkeypatch.setattr(KalturaVerifyStorageOperator, "log", logging.getLogger("test.operator"))
    with caplog.at_level(logging.WARNING, logger="test.operator"):
        assert verify(lake, prefix="2026/01/")["sound"] is True
    assert f"Nothing is recorded below {lake} with a name that begins with '2026/01/'" in caplog.messages


def test_lost_lines_of_the_manifest_are_damage(lake):
    """A file may be gone of which nothing else told: that is no sound lake."""
    (manifest, *_) = (lake / "_kaltura" / "manifest").rglob("*.jsonl")
    manifest.write_bytes(manifest.read_bytes()[:-40])
    for path in lake.glob("*.mp4"):
        if path.stem in manifest.read_text():
            path.unlink()
    with pytest.raises(KalturaVerifyError, match="1 lines of the manifest can't be read"):
        verify(lake)
    assert verify(lake, on_findings="warn")["sound"] is False


@pytest.mark.parametrize("slash", ["", "/", "//"])
def test_a_slash_at_the_end_of_the_root_does_not_matter(lake, slash):
    """People write both."""
    assert verify(f"{lake}{slash}")["files"] == 2


def test_file_urls_are_roots_too(lake):
    """As in destinations."""
    assert verify(f"file://{lake}/")["files"] == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"root": "lake"}, ["root", "absolute", "'lake'"]),
        ({"root": "file:///"}, ["root", "all of the machine"]),
        ({"root": ""}, ["absolute"]),
        ({"root": None}, ["root", "NoneType"]),
        ({"root": "/lake/{entryId}"}, ["root", "placeholders"]),
        ({"storage_conn_id": "other"}, ["takes no connection", "'other'"]),
        ({"storage_conn_id": ["a"]}, ["storage_conn_id", "list"]),
        ({"root": "s3://one@bucket/lake", "storage_conn_id": "two"}, ["'one'", "'two'"]),
        ({"root": "s3://key:hunter2@bucket/lake"}, ["never a password"]),
        ({"level": "md5"}, ["level", "'length'", "'checksum'"]),
        ({"on_findings": "ignore"}, ["on_findings", "'fail'", "'warn'"]),
        ({"against_kaltura": "maybe"}, ["against_kaltura", "True or False"]),
        ({"max_bytes_per_second": "50 MB"}, ["max_bytes_per_second", "whole number"]),
        ({"prefix": 5}, ["prefix", "int"]),
    ],
)
def test_wrong_arguments_are_named(tmp_path, arguments, words):
    """A refusal says which argument it is about; nothing secret is repeated."""
    with pytest.raises(KalturaArgumentError) as caught:
        KalturaVerifyStorageOperator(task_id="verify", **{"root": str(tmp_path), **arguments}).execute({})
    assert all(word in str(caught.value) for word in words)
    assert "hunter2" not in str(caught.value)


def test_every_key_of_the_result_has_a_type():
    """The TypedDict can be resolved, so that type checkers see the result."""
    known = {"Level": str, "FindingKind": str}
    assert typing.get_type_hints(xcom.VerifyResult, localns=known)["files"] is int
