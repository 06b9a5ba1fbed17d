"""What an SFTP connection says, and sshfs has to be told besides what Airflow's own provider tells it."""

from __future__ import annotations

import base64
import binascii
import struct
from pathlib import Path
from typing import Any

import asyncssh

from airflow_provider_kaltura.ingest.errors import DestinationError
from airflow_provider_kaltura.stores import _connections


def of_connection(conn_id: str, host: str, scheme: str) -> dict[str, Any]:
    """
    Give the options of a connection that its provider gets wrong.

    The provider's file system takes a private key for the name of a file, which then stands in an error, and checks no
    host key at all. Here a host key is checked as by Airflow's SSHHook: against the extra ``host_key`` or
    ``~/.ssh/known_hosts``, unless ``no_host_key_check`` is true.

    :param conn_id: Airflow connection.
    :param host: Host that the destination names, empty for none; may have a port.
    :param scheme: Of the destination, for messages.
    :returns: Storage options.
    :raises DestinationError: The connection is none, or of another type; the host is another than the connection's; or
        a key can't be read.
    """
    connection = _connections.require(conn_id, scheme, ("sftp", "ssh"))
    extras = connection.extra_dejson
    port = int(connection.port or 22)
    if host and host.lower() not in {str(connection.host).lower(), f"{connection.host}:{port}".lower()}:
        raise DestinationError(
            f"the destination names the host {host!r}, but the connection {conn_id!r} leads to {connection.host!r}"
        )
    options: dict[str, Any] = {
        "host": connection.host,
        "port": port,
        # A connection that was lost is not used again by a later try in the same process.
        "skip_instance_cache": True,
        # A server that has gone silent is given up within two minutes.
        "connect_timeout": 30,
        "keepalive_interval": 30,
    }
    passphrase = extras.get("private_key_passphrase") or None
    if extras.get("private_key"):
        options["client_keys"] = [_private_key(extras["private_key"], passphrase, conn_id)]
    elif extras.get("key_file"):
        _require_key_file(str(extras["key_file"]), passphrase, conn_id)
        if passphrase:
            options["passphrase"] = passphrase
    if str(extras.get("no_host_key_check", "")).lower() == "true":
        options["known_hosts"] = None
    else:
        options["known_hosts"] = _known_hosts(extras.get("host_key"), conn_id)
    return options


def _private_key(text: str, passphrase: str | None, conn_id: str) -> asyncssh.SSHKey:
    try:
        # Forms and environment variables keep line ends as two characters.
        return asyncssh.import_private_key(text.replace("\\n", "\n"), passphrase)
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError, ValueError):
        # No cause: it may show the key.
        raise DestinationError(
            f"the private key of the connection {conn_id!r}, or its passphrase, can't be read"
        ) from None


def _require_key_file(path: str, passphrase: str | None, conn_id: str) -> None:
    """Look at a key first: a file that is not there would look like a server that can't be reached, and be retried."""
    try:
        asyncssh.read_private_key(Path(path).expanduser(), passphrase)
    except OSError as error:
        raise DestinationError(
            f"the key_file {path} of the connection {conn_id!r} can't be read on this worker: {type(error).__name__}"
        ) from None
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError, ValueError):
        # No cause: it may show the key.
        raise DestinationError(
            f"the key_file {path} of the connection {conn_id!r} holds no private key, or its passphrase is another"
        ) from None


def _known_hosts(host_key: str | None, conn_id: str) -> Any:
    if not host_key:
        return ()  # asyncssh's word for the user's own file
    encoded = host_key.split()[1] if " " in host_key.strip() else host_key.strip()
    try:
        blob = base64.b64decode(encoded)
        (length,) = struct.unpack_from(">I", blob)
        kind = blob[4 : 4 + length].decode("ascii")
        key = asyncssh.import_public_key(f"{kind} {encoded}")
    except (binascii.Error, struct.error, UnicodeDecodeError, asyncssh.KeyImportError) as error:
        raise DestinationError(f"the host_key of the connection {conn_id!r} can't be read") from error
    return [key], [], []
