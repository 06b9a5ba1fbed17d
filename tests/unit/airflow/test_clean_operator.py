"""The operator that cleans up: what it removes, what it leaves, what it says."""

from __future__ import annotations

import json
import logging
import os
from datetime import timedelta

import pytest

from airflow_provider_kaltura import xcom
from airflow_provider_kaltura.exceptions import KalturaArgumentError, KalturaTransferFailedError
from airflow_provider_kaltura.operators import KalturaCleanStorageOperator
from airflow_provider_kaltura.stores import open_lake
from airflow_provider_kaltura.transfer.errors import SinkForbiddenError
from airflow_provider_kaltura.transfer.local_sink import LocalSink
from airflow_provider_kaltura.transfer.protocols import ObjectAttributes

DAY = 86_400


@pytest.fixture
def lake(tmp_path):
    """A folder with a finished file, a foreign one, and what a download left that was killed ten days ago."""
    root = tmp_path / "lake"
    sink = open_lake(str(root)).sink
    finished = sink.begin("done.mp4", size_bytes=4, part_bytes=4, attributes=ObjectAttributes())
    finished.put_part(0, b"done")
    finished.commit()
    sink.begin("killed.mp4", size_bytes=4, part_bytes=4, attributes=ObjectAttributes()).put_part(0, b"left")
    (root / "notes.txt.part").write_text("somebody else's")
    for path in root.rglob("*"):
        age(path, 10)
    return root


def age(path, days):
    """Make a file look as if nobody had touched it for some days."""
    then = path.stat().st_mtime - days * DAY
    os.utime(path, (then, then))


def names(lake):
    """Give what stands in a folder."""
    return sorted(path.name for path in lake.rglob("*") if path.is_file())


def clean(root, **arguments):
    """Run the operator."""
    return KalturaCleanStorageOperator(task_id="clean", root=str(root), **arguments).execute({})


def test_what_nobody_will_finish_is_removed(lake):
    """Older than seven days: gone. Finished and foreign files: untouched."""
    result = clean(lake)
    assert names(lake) == ["done.mp4", "notes.txt.part"]
    assert (result["removed"], result["failed"], result["reportOnly"]) == (1, 0, False)
    assert result["examples"][0]["kind"] == "temporary"


def test_a_second_clean_up_finds_nothing(lake):
    """It may run as often as one likes."""
    clean(lake)
    assert clean(lake)["removed"] == 0


def test_what_is_younger_stays(lake):
    """A download may be going on with it."""
    result = clean(lake, older_than="30 days")
    assert (result["removed"], result["keptYoung"], len(names(lake))) == (0, 1, 3)
    assert result["olderThanSeconds"] == 30 * DAY


@pytest.mark.parametrize("report_only", [True, "True"])
def test_a_report_removes_nothing(lake, report_only):
    """It says what would be removed."""
    result = clean(lake, report_only=report_only)
    assert (result["removed"], result["reportOnly"], len(names(lake))) == (1, True, 3)


def test_the_result_has_the_documented_keys(lake):
    """The dict has exactly the keys of its TypedDict, each example those of its own, and is plain JSON."""
    result = clean(lake)
    assert set(result) == set(xcom.CleanResult.__annotations__)
    assert set(result["examples"][0]) == set(xcom.CleanedInfo.__annotations__)
    assert json.loads(json.dumps(result)) == result


def test_a_large_result_stays_small(tmp_path):
    """However much was left, the XCom has at most 16 KB."""
    sink = open_lake(str(tmp_path)).sink
    for number in range(150):
        key = f"{'long' * 30}{number}/file.mp4"
        sink.begin(key, size_bytes=1, part_bytes=1, attributes=ObjectAttributes()).put_part(0, b"x")
    for path in tmp_path.rglob("*"):
        age(path, 10)
    result = clean(tmp_path)
    assert result["removed"] == 150
    assert len(json.dumps(result)) < 16_000


def test_what_is_removed_is_in_the_log(lake, monkeypatch, caplog):
    """Each thing by kind and name."""
    # Airflow 3 writes its own tasks' logs past the standard library, where caplog sees nothing.
    monkeypatch.setattr(KalturaCleanStorageOperator, "log", logging.getLogger("test.operator"))
    with caplog.at_level(logging.INFO, logger="test.operator"):
        clean(lake)
    assert [text for text in caplog.messages if text.startswith("Removed: 1")]
    assert [text for text in caplog.messages if text.strip().startswith("temporary of ")]


def test_what_cannot_be_removed_fails_the_task(lake, monkeypatch):
    """Else nobody would ever learn that the rights are missing; a retry may help."""

    def refuse(*_arguments):
        raise SinkForbiddenError("the credentials may not do this")

    monkeypatch.setattr(LocalSink, "remove_leftover", refuse)
    with pytest.raises(KalturaTransferFailedError, match="1 leftovers below"):
        clean(lake)


def test_a_root_that_is_not_there_is_clean(tmp_path):
    """Nothing was ever loaded; nothing is made either."""
    assert clean(tmp_path / "nothing")["removed"] == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"older_than": 0}, ["older_than", "1 hour"]),
        ({"older_than": "0 days"}, ["older_than", "1 hour"]),
        ({"older_than": timedelta(minutes=5)}, ["older_than", "1 hour"]),
        ({"older_than": "a while"}, ["older_than", "'7 days'"]),
        ({"report_only": "perhaps"}, ["report_only", "True or False"]),
        ({"root": "/lake/{entryId}/"}, ["root", "placeholders"]),
        ({"older_than": 7}, ["older_than", "7 is 7 seconds", "'7 days'"]),
        ({"older_than": "7d"}, ["older_than", "minutes, hours, days, weeks", "'7d'"]),
        ({"older_than": "1 month"}, ["older_than", "minutes, hours, days, weeks"]),
        ({"older_than": "P7D"}, ["older_than", "minutes, hours, days, weeks"]),
        ({"root": "lake"}, ["root must be an absolute path", "'lake'"]),
        ({"root": "~/lake"}, ["root must be an absolute path", "'~/lake'"]),
        ({"root": ""}, ["root must be an absolute path"]),
        ({"root": "/"}, ["root", "all of the machine"]),
        ({"root": "//"}, ["root", "all of the machine"]),
        ({"root": "/data/.."}, ["root", "all of the machine"]),
        ({"root": "file:///"}, ["root", "all of the machine"]),
        ({"root": "s3:///"}, ["a root of the kind s3://"]),
        ({"storage_conn_id": "other"}, ["a root of the kind", "takes no connection"]),
    ],
)
def test_wrong_arguments_are_named(lake, arguments, words):
    """A refusal says which argument it is about, and nothing was removed."""
    with pytest.raises(KalturaArgumentError) as caught:
        clean(**{"root": lake, **arguments})
    assert all(word in str(caught.value) for word in words)
    assert "a destination" not in str(caught.value)
    assert len(names(lake)) == 3


@pytest.fixture
def log(monkeypatch, caplog):
    """What the task writes to its log."""
    # Airflow 3 writes its own tasks' logs past the standard library, where caplog sees nothing.
    monkeypatch.setattr(KalturaCleanStorageOperator, "log", logging.getLogger("test.operator"))
    caplog.set_level(logging.INFO, logger="test.operator")
    return caplog


def warnings(log):
    """Give our warnings; Airflow has one of its own about tasks that run in tests."""
    texts = [record.getMessage() for record in log.records if record.levelno >= logging.WARNING]
    return [text for text in texts if "cannot be called outside" not in text]


def test_the_root_is_in_the_log(lake, log):
    """Whoever reads a log sees where it was."""
    clean(lake)
    assert f"Cleaning up below {lake} what nobody has touched for 7 days" in log.messages
    assert warnings(log) == []


@pytest.mark.parametrize(
    ("older_than", "words"),
    [
        ("36 hours", "36 hours"),
        ("48 hours", "2 days"),
        (3_600, "1 hour"),
        (5_400, "90 minutes"),
        (3_601, "3,601 seconds"),
    ],
)
def test_ages_are_in_words(lake, log, older_than, words):
    """As people would write them."""
    clean(lake, older_than=older_than)
    assert any(text.endswith(f"nobody has touched for {words}") for text in log.messages)


def test_nothing_found_is_one_line(lake, log):
    """Not a line of zeros for each thing that might have been; what was found has a line of its own."""
    clean(lake)
    assert not [text for text in log.messages if ": 0, " in text or text.startswith("Nothing")]
    log.clear()
    clean(lake)
    told = [record.getMessage() for record in log.records if record.levelno == logging.INFO]
    assert told[1:] == ["Nothing was found that a download has left"]


def test_a_root_that_holds_nothing_of_ours_is_a_warning(tmp_path, log):
    """A misspelt root cleans nothing, and says so."""
    (tmp_path / "notes.txt").touch()
    clean(tmp_path)
    (warning,) = warnings(log)
    assert f"kept its state below {tmp_path}:" in warning


def test_a_clean_lake_is_no_warning(tmp_path, log):
    """Where downloads have their manifest there need be nothing to remove."""
    open_lake(str(tmp_path)).store.write("_kaltura/manifest/dt=2026-11-21/x.jsonl", b"")
    clean(tmp_path)
    assert warnings(log) == []


def test_what_may_be_a_secret_is_not_repeated(lake):
    """A root that is written wrongly is shown only where it holds nothing but a path."""
    with pytest.raises(KalturaArgumentError, match="root must be an absolute path") as caught:
        clean("s3:/key:hunter2@bucket/lake")
    assert "hunter2" not in str(caught.value)
    assert len(names(lake)) == 3
