"""A real SeaweedFS with its S3 gateway, on free ports of 127.0.0.1, its data in a folder that goes with it."""

from __future__ import annotations

import contextlib
import json
import random
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Self

#: SeaweedFS finds the gRPC port of its parts by adding this to the port of HTTP.
_GRPC_OFFSET = 10_000
_ATTEMPTS = 3
_START_SECONDS = 60
#: Every bucket gets volumes of its own; by default seven at a time, which a small disk has not the room for.
_MASTER_TOML = "[master.volume_growth]\ncopy_1 = 1\n"


class SeaweedServer:
    """
    The server; a context manager.

    ``access_key`` and ``secret_key`` may do everything, ``reader_access_key`` and ``reader_secret_key`` only read and
    list; whoever brings no key may do everything in the bucket ``public``.
    """

    def __init__(self) -> None:
        self.access_key = f"AK{secrets.token_hex(9).upper()}"
        self.secret_key = secrets.token_urlsafe(30)
        self.reader_access_key = f"AK{secrets.token_hex(9).upper()}"
        self.reader_secret_key = secrets.token_urlsafe(30)
        self.port = 0
        self._ports: list[int] = []
        self._folder = Path()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """Where its S3 listens."""
        return f"http://127.0.0.1:{self.port}"

    def client(self, *, endpoint: str | None = None, **config: Any) -> Any:
        """
        Make a boto3 client with all rights.

        :param endpoint: That of a proxy before the server.
        :param config: For botocore's Config.
        :returns: The client.
        """
        import boto3  # noqa: PLC0415 - only where S3 is tried
        from botocore.config import Config  # noqa: PLC0415 - see above

        return boto3.client(
            "s3",
            endpoint_url=endpoint or self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}, **config),
        )

    def make_bucket(self, name: str | None = None, *, versioned: bool = False) -> str:
        """
        Make a bucket.

        :param name: By default one that nobody has.
        :param versioned: Keep what is replaced or deleted.
        :returns: Its name.
        """
        client = self.client()
        name = name or f"lake-{secrets.token_hex(4)}"
        client.create_bucket(Bucket=name)
        if versioned:
            client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        client.close()
        return name

    def __enter__(self) -> Self:
        for attempt in range(_ATTEMPTS):
            self._folder = Path(tempfile.mkdtemp(prefix="seaweed-"))
            try:
                self._start()
                self._wait()
            except BaseException as error:
                self._end()
                # Somebody else may have taken a port between our looking and its use.
                if not isinstance(error, RuntimeError) or attempt + 1 == _ATTEMPTS:
                    raise
            else:
                return self
        raise AssertionError("unreachable")

    def __exit__(self, *_: object) -> None:
        self._end()

    def _start(self) -> None:
        self._ports = _free_ports(4)
        master, volume, filer, self.port = self._ports
        (self._folder / "data").mkdir()
        (self._folder / "master.toml").write_text(_MASTER_TOML)
        (self._folder / "s3.json").write_text(json.dumps(self._identities()))
        command = [
            str(Path(sys.executable).parent / "weed"),
            f"-config_dir={self._folder}",
            f"-logdir={self._folder}",
            "server",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            f"-dir={self._folder / 'data'}",
            f"-master.port={master}",
            "-master.volumeSizeLimitMB=1024",
            "-master.telemetry=false",
            f"-volume.port={volume}",
            "-volume.max=1000",
            f"-filer.port={filer}",
            f"-filer.localSocket={self._folder / 'filer.sock'}",
            "-s3",
            f"-s3.port={self.port}",
            f"-s3.config={self._folder / 's3.json'}",
            f"-s3.localSocket={self._folder / 's3.sock'}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
        ]
        with (self._folder / "output").open("wb") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=self._folder)

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not self._can_write():
            if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                tail = (self._folder / "output").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"SeaweedFS does not start:\n{tail}")
            time.sleep(0.1)

    def _can_write(self) -> bool:
        """Store one object: the gateway answers before the volumes behind it are there."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - only where S3 is tried

        client = self.client(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=10)
        try:
            with contextlib.suppress(ClientError):
                client.create_bucket(Bucket="public")
            client.put_object(Bucket="public", Key="ready", Body=b"x")
            client.delete_object(Bucket="public", Key="ready")
        except (BotoCoreError, ClientError):
            return False
        finally:
            client.close()
        return True

    def _identities(self) -> dict[str, Any]:
        def identity(name: str, access_key: str, secret_key: str, *actions: str) -> dict[str, Any]:
            return {
                "name": name,
                "credentials": [{"accessKey": access_key, "secretKey": secret_key}],
                "actions": list(actions),
            }

        return {
            "identities": [
                identity("admin", self.access_key, self.secret_key, "Admin", "Read", "Write", "List", "Tagging"),
                identity("reader", self.reader_access_key, self.reader_secret_key, "Read", "List"),
                {"name": "anonymous", "actions": ["Read:public", "Write:public", "List:public", "Tagging:public"]},
            ]
        }

    def _end(self) -> None:
        if self._process is not None:
            # Nothing of it is wanted any more, and an orderly end takes ten seconds.
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
        for port in self._ports:
            for left in Path("/tmp").glob(f"seaweedfs-*-grpc-{port + _GRPC_OFFSET}.sock"):  # noqa: S108 - its own choice
                left.unlink(missing_ok=True)


def _free_ports(count: int) -> list[int]:
    """Find ports that are free together with those of gRPC, below those that the system hands out by itself."""
    found: list[int] = []
    while len(found) < count:
        # Not of the shared generator: tests seed it, and two runs side by side would choose the same.
        port = random.SystemRandom().randint(11_000, 21_000)
        if port not in found and _is_free(port) and _is_free(port + _GRPC_OFFSET):
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
