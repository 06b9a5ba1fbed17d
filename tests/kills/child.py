"""
One try of one download, in a process of its own that may be killed at any moment.

Its settings come as JSON on standard input; the last line of its output is the outcome as JSON. A fault point kills it
with SIGKILL, at a place that luck would hardly ever meet.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from dataclasses import dataclass
from typing import Any

from urllib3.connection import HTTPConnection

from airflow_provider_kaltura.api.models import MediaUrl
from airflow_provider_kaltura.ingest.lake import Lake
from airflow_provider_kaltura.ingest.models import AssetJob, RunOptions
from airflow_provider_kaltura.ingest.run import run_one
from airflow_provider_kaltura.transfer.errors import TransferError
from airflow_provider_kaltura.transfer.http_source import FixedUrl, HttpSource
from airflow_provider_kaltura.transfer.local_sink import LocalSink
from airflow_provider_kaltura.transfer.protocols import ObjectAttributes


def keep_little_unread() -> None:
    """
    Let the system hold at most 256 KiB of a body that this process has not read.

    The server counts what it gave away, and Linux takes up to 32 MiB more than anybody has asked for.
    """
    options = [*HTTPConnection.default_socket_options, (socket.SOL_SOCKET, socket.SO_RCVBUF, 128 * 1024)]
    HTTPConnection.default_socket_options = options


def die() -> None:
    """End as a killed worker does: nothing of ours runs after this."""
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class Trap:
    """Kills when the named point has been passed *left* times."""

    point: str | None
    left: int

    def pass_by(self, point: str) -> None:
        """Come by a point."""
        if point != self.point:
            return
        self.left -= 1
        if self.left <= 0:
            die()


class TrappedStore:
    """A store that dies around what is written down."""

    def __init__(self, inner: Any, trap: Trap) -> None:
        self._inner = inner
        self._trap = trap

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def write(self, key: str, data: bytes, **more: Any) -> Any:
        """Write, and maybe die before."""
        if key.startswith("_kaltura/manifest/"):
            self._trap.pass_by("before the row")
        return self._inner.write(key, data, **more)

    def delete(self, key: str) -> None:
        """Delete, and maybe die before."""
        if key.startswith("_kaltura/partial/"):
            self._trap.pass_by("before the record is removed")
        self._inner.delete(key)


class TrappedUpload:
    """An upload that dies between what it does and what is known about it."""

    def __init__(self, inner: Any, trap: Trap) -> None:
        self._inner = inner
        self._trap = trap

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def put_part(self, index: int, buffer: Any, *, crc64nvme: int | None = None) -> None:
        """Put, and maybe die before anybody knows."""
        self._inner.put_part(index, buffer, crc64nvme=crc64nvme)
        self._trap.pass_by("between part and state")

    def commit(self, **more: Any) -> Any:
        """Commit, and maybe die before or after."""
        self._trap.pass_by("before the commit")
        stat = self._inner.commit(**more)
        self._trap.pass_by("between complete and its answer")
        return stat


class TrappedSink:
    """A sink that dies around the beginning of an upload."""

    def __init__(self, inner: Any, trap: Trap) -> None:
        self._inner = inner
        self._trap = trap

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def begin(self, key: str, **more: Any) -> Any:
        """Begin, and maybe die before or after."""
        self._trap.pass_by("between intent and begin")
        upload = self._inner.begin(key, **more)
        self._trap.pass_by("between begin and state")
        return TrappedUpload(upload, self._trap)


def open_place(place: dict[str, Any]) -> Any:
    """Open the sink that the settings name."""
    if "folder" in place:
        return LocalSink(place["folder"])
    import boto3  # noqa: PLC0415 - only where S3 is tried
    from botocore.config import Config  # noqa: PLC0415 - see above

    from airflow_provider_kaltura.transfer.s3_sink import S3Sink  # noqa: PLC0415 - see above

    client = boto3.client("s3", config=Config(max_pool_connections=16, **place["config"]), **place["client"])
    return S3Sink(client, place["bucket"], "lake/")


def main(settings: dict[str, Any]) -> None:
    """Carry out one try."""
    keep_little_unread()
    trap = Trap(settings.get("point"), settings.get("count", 1))
    sink = open_place(settings["place"])
    job = AssetJob(
        partner_id=102,
        entry_id="0_entry",
        asset_type="flavor",
        asset_id="0_asset",
        version="1",
        size_bytes=settings["size_bytes"],
        key="films/film.mp4",
        path="/films/film.mp4",
        resolve_url=lambda **_: MediaUrl(url=settings["url"]),
        attributes=ObjectAttributes(metadata={"kaltura-flavor": "0_asset", "kaltura-version": "1"}),
    )
    source = HttpSource(FixedUrl(settings["url"]), size_bytes=settings["size_bytes"], version="1")
    lake = Lake("/", TrappedSink(sink, trap), TrappedStore(sink.store, trap))
    options = RunOptions(resume_above_bytes=settings["resume_above_bytes"], try_number=settings["try_number"])
    try:
        outcome = run_one(job, lake, options, open_source=lambda _: source)
    except TransferError as error:
        told = {"error": type(error).__name__, "message": str(error)}
    else:
        told = {
            "outcome": outcome.outcome,
            "checksum": outcome.checksum,
            "verified": outcome.verified,
            "fetched_bytes": outcome.fetched_bytes,
        }
    sys.stdout.write(f"{json.dumps(told)}\n")


if __name__ == "__main__":
    main(json.load(sys.stdin))
