"""The emulator of Google Cloud Storage from PyPI, in a process of its own; see ``gcs_process.py`` for what is added."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any, Self
from urllib.request import urlopen

#: The bucket that wants a token.
LOCKED = "locked"


class GcsEmulator:
    """A running emulator; a context manager."""

    def __enter__(self) -> Self:
        program = Path(__file__).with_name("gcs_process.py")
        self._process = subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, text=True)
        line = self._process.stdout.readline().strip()
        assert line.isdigit(), "the emulator did not start"
        self.port = int(line)
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._process.stdout.close()

    def requests(self) -> list[dict[str, Any]]:
        """Tell what was asked since the last time: method, path, query, whether with a token, JSON body."""
        return self._ask("/requests")

    def objects(self, bucket: str) -> list[dict[str, Any]]:
        """List everything in a bucket, whatever its name."""
        return self._ask(f"/everything?bucket={bucket}")

    def make_bucket(self, bucket: str | None = None) -> str:
        """Make an empty bucket, with a new name by default, and give its name."""
        bucket = bucket or f"bucket-{secrets.token_hex(4)}"
        self._ask(f"/make?bucket={bucket}")
        return bucket

    def _ask(self, path: str) -> Any:
        with urlopen(self.url + path, timeout=10) as answer:  # noqa: S310 - our own server
            return json.load(answer)
