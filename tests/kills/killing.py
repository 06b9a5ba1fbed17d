"""Places to download to, and tries that are killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_kaltura.ingest.clean import clean
from airflow_provider_kaltura.ingest.lake import Lake
from airflow_provider_kaltura.transfer.buffers import MOST_BUFFERS
from airflow_provider_kaltura.transfer.checksum import checksum_of_object
from tests.kills.child import open_place

if TYPE_CHECKING:
    from tests.kills.seeded_server import SeededServer

MIB = 1024 * 1024
KEY = "films/film.mp4"
PART_BYTES = 8 * MIB
#: What may be under way at once: the buffers of a copy.
PARTS_IN_FLIGHT = MOST_BUFFERS
_REPOSITORY = Path(__file__).parents[2]


class Place:
    """
    Where the files go, as a child opens it, and what really stands there.

    :param settings: For :func:`~tests.kills.child.open_place`.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.sink = open_place(settings)
        self.lake = Lake("/", self.sink, self.sink.store)

    def everything(self) -> list[str]:
        """List all there is, hidden or not."""
        raise NotImplementedError

    def clean_up(self) -> None:
        """Remove what was left, however young."""
        report = clean(self.lake, older_than=timedelta(0))
        assert report.failed.count == 0
        assert report.kept_foreign.count == 0


class LocalPlace(Place):
    """A folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        super().__init__({"folder": str(folder)})

    def everything(self) -> list[str]:
        """List every file."""
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if not path.is_dir())


class S3Place(Place):
    """A bucket of a running server."""

    def __init__(self, server: Any) -> None:
        self.client = server.client()
        self.bucket = server.make_bucket()
        super().__init__(
            {
                "bucket": self.bucket,
                "config": {"s3": {"addressing_style": "path"}},
                "client": {
                    "endpoint_url": server.endpoint,
                    "aws_access_key_id": server.access_key,
                    "aws_secret_access_key": server.secret_key,
                    "region_name": "us-east-1",
                },
            }
        )

    def everything(self) -> list[str]:
        """List objects, versions and open multipart uploads."""
        objects = self.client.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        versions = self.client.list_object_versions(Bucket=self.bucket)
        uploads = self.client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", [])
        found = {one["Key"].removeprefix("lake/") for one in objects}
        assert {one["Key"].removeprefix("lake/") for one in versions.get("Versions", [])} == found
        assert versions.get("DeleteMarkers", []) == []
        return sorted([*found, *(f"open upload of {one['Key']}" for one in uploads)])


class Tries:
    """
    The tries of one download.

    :param server: Gives the bytes.
    :param place: Takes them.
    """

    def __init__(self, server: SeededServer, place: Place) -> None:
        self.server = server
        self.place = place
        self.count = 0

    def start(self, *, point: str | None = None, count: int = 1) -> subprocess.Popen[bytes]:
        """Start one more try, with a fault point or none."""
        self.count += 1
        settings = {
            "place": self.place.settings,
            "url": self.server.url,
            "size_bytes": self.server.content.size_bytes,
            "resume_above_bytes": 16 * MIB,
            "try_number": self.count,
            "point": point,
            "count": count,
        }
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.kills.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=_REPOSITORY,
        )
        assert child.stdin is not None
        child.stdin.write(json.dumps(settings).encode())
        child.stdin.close()
        child.stdin = None
        return child

    def kill_after(self, more_bytes: int) -> int:
        """Start a try and kill it once so many bytes were sent; gives the bytes that it was sent."""
        before = self.server.sent_bytes
        reached = self.server.watch(more_bytes)
        child = self.start()
        assert reached.wait(100), child.communicate()
        child.kill()
        child.communicate()
        assert child.returncode == -signal.SIGKILL
        self.assert_nothing_stands()
        return self.server.sent_bytes - before

    def die_at(self, point: str, count: int = 1) -> None:
        """Run a try into a fault point."""
        child = self.start(point=point, count=count)
        _, errors = child.communicate(timeout=100)
        assert child.returncode == -signal.SIGKILL, errors.decode()

    def finish(self) -> dict[str, Any]:
        """Run a try to its end."""
        return told_by(self.start())

    def assert_nothing_stands(self) -> None:
        """Nothing has the final name."""
        assert self.place.lake.store.stat(KEY) is None

    def assert_right(self, told: dict[str, Any]) -> None:
        """The bytes that stand, read back, are those of the source, and so says the outcome."""
        content = self.server.content
        assert told == {**told, "outcome": "downloaded", "verified": "full"}
        assert checksum_of_object(self.place.lake.store, KEY, content.size_bytes, "crc64nvme") == told["checksum"]
        stat = self.place.lake.store.stat(KEY)
        assert stat is not None
        assert stat.size_bytes == content.size_bytes
        for start in range(0, content.size_bytes, PART_BYTES):
            stop = min(start + PART_BYTES, content.size_bytes)
            assert self.place.lake.store.read(KEY, start, stop) == content.read(start, stop)

    def assert_clean_after_clean_up(self, *, with_file: bool = True) -> None:
        """After one clean-up nothing of ours is left but the file and the manifest."""
        self.place.clean_up()
        left = [name for name in self.place.everything() if not name.startswith("_kaltura/manifest/")]
        assert left == ([KEY] if with_file else [])


def told_by(child: subprocess.Popen[bytes]) -> dict[str, Any]:
    """Wait for a try, and give what it told."""
    output, errors = child.communicate(timeout=300)
    assert child.returncode == 0, errors.decode()
    told: dict[str, Any] = json.loads(output.splitlines()[-1])
    return told
