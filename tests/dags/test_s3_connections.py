"""The download operator with AWS connections of every kind that needs no cloud account, in a DAG."""

from __future__ import annotations

import json
import logging
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_kaltura.operators import KalturaDownloadToStorageOperator
from airflow_provider_kaltura.sandbox import small
from tests.servers.seaweed import SeaweedServer

#: What a session has besides its keys; S3 is not told, since the server knows only keys that last.
ASSUMED = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey><SessionToken></SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"""


@pytest.fixture(scope="module")
def seaweed():
    """Give a real S3: SeaweedFS."""
    with SeaweedServer() as running:
        yield running


class _Credentials(BaseHTTPRequestHandler):
    """Gives keys to whoever asks as STS (AssumeRole), or as a container asks for those of its role."""

    def do_POST(self):
        """Answer as STS."""
        asked = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.asked.append(asked)
        self._answer(ASSUMED.format(key=self.server.keys[0], secret=self.server.keys[1]), "text/xml")

    def do_GET(self):
        """Answer as the endpoint of a container's role."""
        self.server.asked.append(self.path)
        key, secret = self.server.keys
        body = {"AccessKeyId": key, "SecretAccessKey": secret, "Token": "", "Expiration": "2099-01-01T00:00:00Z"}
        self._answer(json.dumps(body), "application/json")

    def _answer(self, text, kind):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def roles(seaweed):
    """Give a server of credentials on the loopback."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Credentials) as running:
        running.asked, running.keys = [], (seaweed.access_key, seaweed.secret_key)
        running.url = f"http://127.0.0.1:{running.server_address[1]}"
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join(10)


@pytest.fixture(autouse=True)
def _no_other_credentials(monkeypatch, tmp_path):
    """Nothing of this machine's own AWS may help."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))


def keys(seaweed, **_):
    """Keys in the connection, the endpoint for all services."""
    extra = {"endpoint_url": seaweed.endpoint, "region_name": "us-east-1"}
    return {"login": seaweed.access_key, "password": seaweed.secret_key, "extra": extra}


def keys_in_extra(seaweed, **_):
    """Keys in the extra, the endpoint for S3 only."""
    return {
        "extra": {
            "aws_access_key_id": seaweed.access_key,
            "aws_secret_access_key": seaweed.secret_key,
            "region_name": "us-east-1",
            "service_config": {"s3": {"endpoint_url": seaweed.endpoint}},
        }
    }


def profile(seaweed, tmp_path, **_):
    """A profile of the file that the AWS command line uses."""
    (tmp_path / "credentials").write_text(
        f"[lake]\naws_access_key_id = {seaweed.access_key}\naws_secret_access_key = {seaweed.secret_key}\n"
    )
    return {"extra": {"profile_name": "lake", "endpoint_url": seaweed.endpoint, "region_name": "us-east-1"}}


def process(seaweed, tmp_path, **_):
    """A profile whose keys another program gives."""
    found = {"Version": 1, "AccessKeyId": seaweed.access_key, "SecretAccessKey": seaweed.secret_key}
    (tmp_path / "keys.json").write_text(json.dumps(found))
    (tmp_path / "config").write_text(f"[profile lake]\ncredential_process = cat {tmp_path / 'keys.json'}\n")
    return {"extra": {"profile_name": "lake", "endpoint_url": seaweed.endpoint, "region_name": "us-east-1"}}


def anonymous(seaweed, **_):
    """Nobody's credentials, for a bucket that everybody may write."""
    extra = {"endpoint_url": seaweed.endpoint, "region_name": "us-east-1"}
    return {"extra": {**extra, "config_kwargs": {"signature_version": "unsigned"}}}


def assumed_role(seaweed, roles, **_):
    """Keys that may only ask STS for those of a role."""
    return {
        "login": "AKASKER",
        "password": "the-askers-secret",
        "extra": {
            "role_arn": "arn:aws:iam::000000000000:role/lake",
            "region_name": "us-east-1",
            "service_config": {"s3": {"endpoint_url": seaweed.endpoint}, "sts": {"endpoint_url": roles.url}},
        },
    }


def container_role(seaweed, roles, monkeypatch, **_):
    """No keys at all: those of the role that the container runs with."""
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{roles.url}/role")
    return {"extra": {"endpoint_url": seaweed.endpoint, "region_name": "us-east-1"}}


KINDS = [keys, keys_in_extra, profile, process, anonymous, assumed_role, container_role]


def download(dag_id, destination, **arguments):
    """Make a DAG with one download."""
    with DAG(dag_id, schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        KalturaDownloadToStorageOperator(task_id="download", entry_id=small.READY, destination=destination, **arguments)
    return dag


def media_below(seaweed, bucket, prefix):
    """List name and length of the media that stand below a prefix."""
    found = seaweed.client().list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    return [(one["Key"], one["Size"]) for one in found if "_kaltura/" not in one["Key"]]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_file_arrives_in_s3(run_dag, seaweed, roles, tmp_path, monkeypatch, caplog, capfd, kind):
    """The file stands in the bucket, and neither log nor output shows a secret key."""
    # At DEBUG, botocore itself logs what STS answers.
    caplog.set_level(logging.INFO if kind is assumed_role else logging.DEBUG)
    fields = kind(seaweed=seaweed, roles=roles, tmp_path=tmp_path, monkeypatch=monkeypatch)
    name = f"s3_{kind.__name__}"
    monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps({"conn_type": "aws", **fields}))
    run = run_dag(download(name, f"s3://{name}@public/{name}/"))
    assert {str(ti.state) for ti in run.get_task_instances()} == {"success"}
    ((key, size_bytes),) = media_below(seaweed, "public", f"{name}/")
    assert key.startswith(f"{name}/{small.READY}/")
    assert size_bytes > 0
    captured = capfd.readouterr()
    said = caplog.text + captured.out + captured.err
    assert "download" in said
    assert [secret for secret in (seaweed.secret_key, "the-askers-secret") if secret in said] == []


def test_a_destination_without_connection_uses_the_machines_credentials(run_dag, seaweed, monkeypatch):
    """As in ObjectStoragePath, boto3's own chain is asked; storage_conn_id names a connection beside a bare URL."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", seaweed.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", seaweed.secret_key)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", seaweed.endpoint)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    run = run_dag(download("s3_no_connection", "s3://public/s3_no_connection/"))
    assert {str(ti.state) for ti in run.get_task_instances()} == {"success"}
    assert len(media_below(seaweed, "public", "s3_no_connection/")) == 1


def test_a_second_run_finds_what_stands(run_dag, seaweed, monkeypatch):
    """What the object's own metadata says is enough to leave it alone."""
    connection = {"conn_type": "aws", **keys(seaweed)}
    monkeypatch.setenv("AIRFLOW_CONN_S3_AGAIN", json.dumps(connection))
    results = []
    for number in range(2):
        run = run_dag(download(f"s3_again_{number}", "s3://s3_again@public/s3_again/"))
        (task,) = run.get_task_instances()
        results.append(task.xcom_pull(task_ids="download", dag_id=f"s3_again_{number}"))
    assert [result["outcome"] for result in results] == ["downloaded", "skipped"]
    assert results[0]["checksum"] == results[1]["checksum"]


def test_refused_credentials_fail_without_a_retry(run_dag, seaweed, monkeypatch, caplog, capfd):
    """A wrong key is told as what it is, for this bucket, and never shown."""
    extra = {"endpoint_url": seaweed.endpoint, "region_name": "us-east-1"}
    connection = {"conn_type": "aws", "login": seaweed.access_key, "password": "not-the-secret-key", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_S3_REFUSED", json.dumps(connection))
    run = run_dag(download("s3_refused", "s3://s3_refused@public/s3_refused/"))
    assert {str(ti.state) for ti in run.get_task_instances()} == {"failed"}
    captured = capfd.readouterr()
    said = caplog.text + captured.out + captured.err
    assert "the credentials are refused, or lack a right (bucket public" in said
    assert "not-the-secret-key" not in said
