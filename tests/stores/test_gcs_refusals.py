"""What Google Cloud Storage refuses, how it is asked again, and how a bucket is opened."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest
import requests
from google.auth.exceptions import DefaultCredentialsError, RefreshError, TransportError

from airflow_provider_kaltura.ingest.errors import DestinationError, MissingExtraError
from airflow_provider_kaltura.stores import gcs, open_lake
from airflow_provider_kaltura.transfer.errors import (
    ChecksumMismatchError,
    InvalidKeyError,
    ObjectMissingError,
    SinkError,
    SinkForbiddenError,
    SinkFullError,
)
from airflow_provider_kaltura.transfer.gcs_client import GcsClient, GcsSettings
from airflow_provider_kaltura.transfer.gcs_sink import GcsSink
from airflow_provider_kaltura.transfer.gcs_wire import RelatedBody
from airflow_provider_kaltura.transfer.options import StoreOptions
from tests.servers.gcs_emulator import LOCKED
from tests.stores.test_gcs import sink_of


class Session:
    """A session that gives what it is told to: a status, (status, body), or an exception; the last for ever."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def request(self, method, url, **more):
        """Give the next answer."""
        self.asked.append((method, url, more))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        status, body = answer if isinstance(answer, tuple) else (answer, {})
        response = requests.Response()
        response.status_code = status
        response._content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return response


def refusal(status, reason, message=""):
    """Give a refusal as the service words it."""
    return status, {"error": {"code": status, "message": message, "errors": [{"reason": reason}]}}


@pytest.fixture
def waits():
    """Collect the waits."""
    return []


@pytest.fixture
def make(waits):
    """Make a sink that gets these answers."""

    def with_answers(*answers):
        session = Session(*answers)
        client = GcsClient("bucket", lambda: (session, "http://gcs/"), GcsSettings(sleep=waits.append))
        return GcsSink(client), session

    return with_answers


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (401, SinkForbiddenError, "roles/storage.objectUser"),
        (refusal(403, "forbidden"), SinkForbiddenError, "403 forbidden"),
        (RefreshError("the key is gone"), SinkForbiddenError, "gs://conn_id@bucket/"),
        (DefaultCredentialsError("none"), SinkForbiddenError, "Application Default Credentials"),
        (refusal(404, "notFound"), ObjectMissingError, "create it"),
        (refusal(400, "invalid"), SinkError, "400 invalid"),
        (refusal(400, "invalid", "Provided CRC32C doesn't match."), ChecksumMismatchError, "changed on the way"),
        (refusal(413, "uploadTooLarge"), SinkFullError, "takes no more"),
        (refusal(403, "quotaExceeded"), SinkForbiddenError, "403"),
        (307, SinkError, "307"),
    ],
)
def test_a_refusal_says_what_to_do(make, answer, error, words):
    """Each is asked once, and has its own error."""
    sink, session = make(answer)
    with pytest.raises(error, match=words) as raised:
        sink.store.write("a", b"x", if_absent=True)
    assert len(session.asked) == 1
    assert type(raised.value) is error
    assert "http" not in str(raised.value)


@pytest.mark.parametrize(
    "answer",
    [
        500,
        503,
        429,
        refusal(403, "rateLimitExceeded"),
        requests.ConnectionError("reset"),
        requests.Timeout("slow"),
        TransportError("no way to the token"),
    ],
    ids=str,
)
def test_what_may_pass_is_asked_again_with_growing_waits(make, waits, answer):
    """Five times in all, then it is an error that Airflow retries."""
    sink, session = make(answer)
    with pytest.raises(SinkError) as raised:
        sink.store.stat("a")
    assert raised.value.retryable
    assert len(session.asked) == 5
    assert [wait <= bound for wait, bound in zip(waits, [0.5, 1, 2, 4], strict=True)] == [True] * 4


def test_what_passes_is_no_error(make):
    """The third answer counts."""
    sink, session = make(503, requests.ConnectionError("reset"), 404)
    assert sink.store.stat("a") is None
    assert len(session.asked) == 3


def test_every_request_has_its_limits(make):
    """Nothing waits for ever, and no redirect is followed with credentials."""
    sink, session = make(503, 404)
    sink.store.stat("a")
    assert {(more["timeout"], more["allow_redirects"]) for _, _, more in session.asked} == {((10.0, 120.0), False)}


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"", {"name": "a"}, {"name": "a", "size": "x", "generation": "1"}])
def test_an_answer_that_describes_nothing_proves_nothing(make, body):
    """A page of a proxy is no acknowledgement."""
    sink, _ = make((200, body))
    with pytest.raises(SinkError):
        sink.store.write("a", b"x")


@pytest.mark.parametrize("key", ["a\nb", "a\rb", "a" * 1_025, "ä" * 513, ".well-known/acme-challenge/x"])
def test_names_that_the_service_cannot_keep_are_refused_before_a_request(make, key):
    """Line breaks, more than 1,024 bytes, and one reserved beginning."""
    sink, session = make(500)
    with pytest.raises(InvalidKeyError):
        sink.begin(key, size_bytes=0, part_bytes=1)
    with pytest.raises(InvalidKeyError):
        sink.store.write(key, b"")
    assert session.asked == []


def test_the_prefix_counts_for_the_length(make):
    """A root that is too deep for our own names is told at once."""
    sink, session = make(500)
    deep = GcsSink(sink.client, "p" * 950 + "/")
    with pytest.raises(InvalidKeyError):
        deep.begin("a", size_bytes=2, part_bytes=1)
    assert session.asked == []


def test_a_folder_made_by_the_console_is_no_object(gcs_emulator, gcs_bucket):
    """Empty objects ending in a slash are left out of listings."""
    sink = sink_of(gcs_emulator, gcs_bucket)
    assert sink.client.insert({"name": "folder/", "contentType": "text/plain"}, b"", {}).is_good
    sink.store.write("folder/a", b"x")
    assert [stat.key for stat in sink.store.list("")] == ["folder/a"]


def test_times_and_lengths_are_those_of_the_service(gcs_emulator, gcs_bucket):
    """A listing tells them too."""
    sink = sink_of(gcs_emulator, gcs_bucket)
    stat = sink.store.write("a", b"12345")
    (listed,) = sink.store.list("")
    assert listed == stat
    assert abs(stat.modified_at_epoch - datetime.now(tz=UTC).timestamp()) < 60


def test_a_missing_bucket_is_told_by_every_call(gcs_emulator):
    """Listing, beginning and writing say what to do."""
    sink = sink_of(gcs_emulator, "no-such-bucket")
    for call in (
        lambda: list(sink.store.list("")),
        lambda: list(sink.leftovers()),
        lambda: sink.store.write("a", b""),
        lambda: sink.begin("a", size_bytes=2, part_bytes=1),
        lambda: sink.begin("a", size_bytes=0, part_bytes=1).commit(),
    ):
        with pytest.raises(ObjectMissingError, match="no bucket 'no-such-bucket'"):
            call()


def test_a_locked_bucket_is_told(gcs_emulator):
    """The emulator wants a token for this one."""
    gcs_emulator.make_bucket(LOCKED)
    with pytest.raises(SinkForbiddenError, match="refuses the credentials"):
        sink_of(gcs_emulator, LOCKED).store.write("a", b"x")


class TestOpening:
    """From a root to a lake."""

    def test_the_workers_own_credentials(self, gcs_emulator, gcs_bucket, monkeypatch):
        """Without a connection Google's client finds them, and the emulator."""
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_emulator.url)
        lake = open_lake(f"gs://{gcs_bucket}/lake")
        lake.store.write("a", b"x")
        assert [one["name"] for one in gcs_emulator.objects(gcs_bucket)] == ["lake/a"]

    def test_both_schemes_open_the_same(self, gcs_emulator, gcs_bucket, monkeypatch):
        """Airflow knows gs:// and gcs://."""
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_emulator.url)
        open_lake(f"gcs://{gcs_bucket}/").store.write("a", b"x")
        assert open_lake(f"gs://{gcs_bucket}").store.read("a") == b"x"

    def test_a_root_without_a_bucket_is_none(self):
        """It is told before anything is asked."""
        with pytest.raises(DestinationError, match="names a bucket"):
            open_lake("gs:///folder")

    def test_options_that_are_none_here(self):
        """Tags are S3's and Azure's."""
        with pytest.raises(DestinationError, match="tags"):
            open_lake("gs://bucket/", options=StoreOptions(tags={"a": "b"}))

    @pytest.mark.parametrize(
        "extra",
        [{"key_path": "/no/such/key.json"}, {"keyfile_dict": {"type": "service_account", "private_key": "s3cr3t"}}],
        ids=["no file", "no key"],
    )
    def test_a_connection_that_gives_no_credentials(self, monkeypatch, extra):
        """It is told at once, without the key, and nothing is asked again."""
        monkeypatch.setenv(
            "AIRFLOW_CONN_GCS_BROKEN", json.dumps({"conn_type": "google_cloud_platform", "extra": extra})
        )
        with pytest.raises((DestinationError, SinkForbiddenError)) as raised:
            open_lake("gs://gcs_broken@bucket/").store.stat("a")
        assert "s3cr3t" not in str(raised.value)

    @pytest.mark.parametrize("missing", ["google.cloud.storage", "airflow.providers.google.cloud.hooks.gcs"])
    def test_a_missing_package_names_the_command(self, monkeypatch, missing):
        """The error says what to install."""
        monkeypatch.setattr(gcs, "find_spec", lambda name: None if name == missing else object())
        with pytest.raises(MissingExtraError, match=r"airflow-provider-kaltura\[gcs\]"):
            open_lake("gs://conn@bucket/")

    def test_a_connection_of_another_kind_is_refused(self, monkeypatch):
        """Google's hook would take the worker's own credentials instead of those of an AWS connection."""
        monkeypatch.setenv("AIRFLOW_CONN_GCS_AWS", json.dumps({"conn_type": "aws", "login": "x", "password": "s3cr3t"}))
        with pytest.raises(
            DestinationError, match=r"'gcs_aws' is of the type aws, .* of the type google_cloud_platform"
        ):
            open_lake("gs://bucket/", conn_id="gcs_aws")
        with pytest.raises(DestinationError, match="no Airflow connection 'nobody'"):
            open_lake("gs://nobody@bucket/")


PROGRAM = """
import sys
from airflow_provider_kaltura.transfer.gcs_client import GcsClient
from airflow_provider_kaltura.transfer.gcs_sink import GcsSink
GcsSink(GcsClient("bucket", lambda: None))
HEAVY = ("google.auth", "google.cloud.storage", "requests", "awscrt", "airflow")
print(*(name for name in HEAVY if name in sys.modules))
"""


def test_nothing_heavy_is_loaded_before_the_first_request():
    """A sink can be made without Google's packages, requests or Airflow."""
    command = [sys.executable, "-c", PROGRAM]
    assert subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.split() == []


def test_a_body_can_be_sent_again():
    """The session sends a request twice when the first finds its token expired: all of it, both times."""
    body = RelatedBody({"name": "ü", "contentType": "video/mp4"}, b"0123456789")
    once, again = b"".join(body), b"".join(body)
    assert once == again
    assert len(body) == len(once)
    assert b"\r\nContent-Type: video/mp4\r\n\r\n0123456789\r\n--" in once
