"""What the download operator hands to the storage, and how it reads these arguments."""

from __future__ import annotations

import sys
from datetime import timedelta

import pytest

from airflow_provider_kaltura.exceptions import KalturaArgumentError, KalturaPermanentError
from airflow_provider_kaltura.ingest.models import RunOptions
from airflow_provider_kaltura.operators import KalturaDownloadToStorageOperator
from airflow_provider_kaltura.operators._arguments import as_age, as_number, as_store_options, as_switch
from airflow_provider_kaltura.sandbox import small
from airflow_provider_kaltura.stores import memory
from airflow_provider_kaltura.transfer.options import StoreOptions


def download(destination, **arguments):
    """Run the operator."""
    arguments = {"entry_id": small.READY, "destination": destination, **arguments}
    return KalturaDownloadToStorageOperator(task_id="download", **arguments).execute({})


def options_of(**arguments):
    """Give the options that arguments become."""
    operator = KalturaDownloadToStorageOperator(task_id="download", destination="/lake/", **arguments)
    return operator._options({})


def test_defaults_are_those_of_a_run():
    """What nobody gave is what a run does by itself."""
    assert options_of() == RunOptions()


@pytest.mark.parametrize("write", [lambda value: value, str], ids=["value", "template"])
def test_limits_reach_the_run(write):
    """Each as a value, and as the text that a template makes of it."""
    given = {"max_bytes": 10, "max_bytes_per_second": 20, "max_connections": 3, "resume": False}
    options = options_of(**{name: write(value) for name, value in given.items()})
    assert (options.max_bytes, options.max_bytes_per_second, options.max_connections) == (10, 20, 3)
    assert options.resume_above_bytes == sys.maxsize


@pytest.mark.parametrize("nothing", [None, "", "None", " "])
def test_limits_that_are_not_given(nothing):
    """A template that renders to nothing is no limit."""
    assert options_of(max_bytes=nothing, max_bytes_per_second=nothing, max_connections=nothing) == RunOptions()


OPTIONS = {"storage_class": "STANDARD_IA", "tags": {"team": "archive"}}


@pytest.mark.parametrize(
    "written", [OPTIONS, '{"storage_class": "STANDARD_IA", "tags": {"team": "archive"}}', str(OPTIONS)]
)
def test_store_options_reach_the_run(written):
    """As a dict, as JSON and as Python writes it."""
    assert options_of(store_options=written).store == StoreOptions(**OPTIONS)


@pytest.mark.parametrize("nothing", [None, {}, "", "{}", "None"])
def test_store_options_that_are_not_given(nothing):
    """A template that renders to nothing asks for nothing."""
    assert as_store_options(nothing) == StoreOptions()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"store_options": {"storageclass": "x"}}, ["store_options", "'storageclass'", "storage_class"]),
        ({"store_options": {"metadata": {"kaltura-entry": "x"}}}, ["store_options", "kaltura-"]),
        ({"store_options": {"storage_class": 5}}, ["store_options", "storage_class"]),
        ({"store_options": "{broken"}, ["store_options", "JSON"]),
        ({"store_options": "[" * 100_000}, ["store_options", "JSON"]),
        ({"store_options": ["storage_class"]}, ["store_options", "list"]),
        ({"store_options": {"storage_class": "COLD"}}, ["storage_class", "local path"]),
        ({"max_bytes": 0}, ["max_bytes", "at least 1"]),
        ({"max_bytes": "50 MB"}, ["max_bytes", "whole number of bytes, at least 1"]),
        ({"max_bytes": True}, ["max_bytes", "True"]),
        ({"max_bytes": 1.5}, ["max_bytes", "1.5"]),
        ({"max_bytes_per_second": -1}, ["max_bytes_per_second", "-1"]),
        ({"max_connections": 0}, ["max_connections", "from 1 to 8"]),
        ({"max_connections": 9}, ["max_connections", "from 1 to 8"]),
        ({"max_connections": "٣"}, ["max_connections", "from 1 to 8"]),
        ({"resume": "perhaps"}, ["resume", "True or False"]),
        ({"resume": 1}, ["resume", "True or False"]),
        ({"storage_conn_id": "aws_default"}, ["takes no connection", "'aws_default'"]),
        ({"storage_conn_id": 5}, ["storage_conn_id", "int"]),
    ],
)
def test_wrong_arguments_are_named(tmp_path, sandbox, arguments, words):
    """The text says which argument, the task is not retried, and Kaltura was not even asked."""
    with pytest.raises(KalturaArgumentError) as caught:
        download(f"{tmp_path}/", **arguments)
    assert all(word in str(caught.value) for word in words)
    assert sandbox.log.records() == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("sandbox")
def test_options_that_the_store_keeps_stand_beside_the_file():
    """Metadata of the user and ours are both there."""
    root = "memory://test_options_that_the_store_keeps"
    download(f"{root}/{{entryId}}.{{format}}", store_options={"metadata": {"course": "biology"}})
    kept = memory._LAKES[root].store.stat(f"{small.READY}.mp4").metadata
    assert kept["course"] == "biology"
    assert kept["kaltura-entry"] == small.READY


@pytest.mark.usefixtures("sandbox")
def test_a_file_above_max_bytes_is_not_begun(tmp_path, sandbox):
    """The limit is named, nothing is fetched, and the task is not retried."""
    with pytest.raises(KalturaPermanentError, match="max_bytes"):
        download(f"{tmp_path}/{{entryId}}.{{format}}", max_bytes=10)
    assert not any("serveFlavor" in str(record.as_dict()) for record in sandbox.log.records())
    assert list(tmp_path.glob("*.mp4")) == []


@pytest.mark.parametrize(
    ("text", "age"),
    [
        (timedelta(days=7), timedelta(days=7)),
        ("7 days", timedelta(days=7)),
        ("1 day", timedelta(days=1)),
        ("36 Hours", timedelta(hours=36)),
        (" 90minutes ", timedelta(minutes=90)),
        ("1.5 weeks", timedelta(days=10.5)),
        (604_800, timedelta(days=7)),
        ("604800", timedelta(days=7)),
        (86_400.5, timedelta(days=1, seconds=0.5)),
    ],
)
def test_ages(text, age):
    """A timedelta, seconds, or words."""
    assert as_age("older_than", text) == age


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        "",
        "soon",
        "7 fortnights",
        "-7 days",
        -604_800,
        0,
        "59 minutes",
        "11 years",
        "4000 days",
        float("nan"),
        float("inf"),
        "9" * 400,
        timedelta(0),
        timedelta(days=-1),
        timedelta.max,
        ["7 days"],
    ],
)
def test_ages_that_cannot_be_meant(value):
    """What would take away uploads under way, or is a mistake of units, is refused by name."""
    with pytest.raises(KalturaArgumentError, match="older_than"):
        as_age("older_than", value)


@pytest.mark.parametrize(("value", "on"), [(True, True), ("True", True), (" true ", True), ("FALSE", False)])
def test_switches(value, on):
    """Values, and the words that templates make of them."""
    assert as_switch("report_only", value) is on


@pytest.mark.parametrize("value", [None, "", "  ", "None"])
@pytest.mark.parametrize("default", [True, False])
def test_a_switch_that_is_not_given_is_the_default(value, default):
    """An empty field of a form, whatever template it goes through."""
    assert as_switch("resume", value, default=default) is default


@pytest.mark.parametrize("value", [0, 1, "yes", "on", [], "none"])
def test_other_words_are_no_switches(value):
    """A word that could mean either is refused."""
    with pytest.raises(KalturaArgumentError, match="resume"):
        as_switch("resume", value, default=True)


def test_numbers_may_be_large():
    """A hundred terabytes as digits."""
    assert as_number("max_bytes", "100000000000000") == 100_000_000_000_000
