"""OpenSSH's sshd as an ordinary process of this user: SFTP only, by key, on 127.0.0.1."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import asyncssh

if TYPE_CHECKING:
    from types import TracebackType

_PLACES = "/usr/sbin:/usr/local/sbin:/sbin"

_CONFIG = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxStartups 100
Subsystem sftp internal-sftp {denied}
LogLevel VERBOSE
"""


@dataclass
class Sshd:
    """
    A context manager around one server.

    :param folder: Where its keys, configuration and log go.
    :param denied: Requests that it shall not know, such as ``posix-rename`` and ``hardlink``.
    """

    folder: Path
    denied: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.user = getpass.getuser()
        self.host_key = self._key("host_key")
        self.private_key = self._key("user_key").export_private_key().decode()
        public = self.folder / "user_key.pub"
        (self.folder / "authorized_keys").write_bytes(public.read_bytes())
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.process.terminate()
        self.process.wait(10)
        self._log.close()

    @property
    def key_file(self) -> Path:
        """The user's private key."""
        return self.folder / "user_key"

    @property
    def log(self) -> str:
        """What the server has said."""
        return (self.folder / "log").read_text()

    def options(self) -> dict[str, object]:
        """Give what ``SSHFileSystem`` needs."""
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "username": self.user,
            "client_keys": [str(self.key_file)],
            "known_hosts": None,
            "config": None,
            "skip_instance_cache": True,
        }

    def _key(self, name: str) -> asyncssh.SSHKey:
        key = asyncssh.generate_private_key("ssh-ed25519")
        path = self.folder / name
        key.write_private_key(str(path))
        path.chmod(0o600)
        key.write_public_key(str(path.with_suffix(".pub")))
        return key

    def _start(self) -> None:
        program = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:{_PLACES}")
        if program is None:
            raise FileNotFoundError("sshd is missing: run scripts/system_packages.sh")
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # sshd wants it as root, whatever the configuration says
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        denied = f"-P {','.join(self.denied)}" if self.denied else ""
        config = self.folder / "sshd_config"
        config.write_text(_CONFIG.format(port=self.port, folder=self.folder, denied=denied))
        self._log = (self.folder / "log").open("wb")
        self.process = subprocess.Popen([program, "-D", "-e", "-f", str(config)], stderr=self._log)
        self._await()

    def _await(self) -> None:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as probe:
                    if probe.recv(4) == b"SSH-":
                        return
            except OSError:
                time.sleep(0.02)
        self.process.kill()
        self.process.wait()
        raise RuntimeError(f"sshd did not start: {self.log}")
