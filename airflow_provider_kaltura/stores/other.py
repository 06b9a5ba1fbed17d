"""Whatever else Airflow's ObjectStoragePath opens: SFTP, and the file systems of other providers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_kaltura.compat import AirflowException, AirflowNotFoundException, object_storage
from airflow_provider_kaltura.ingest.errors import DestinationError
from airflow_provider_kaltura.ingest.lake import Lake
from airflow_provider_kaltura.transfer.errors import SinkError, SinkForbiddenError, TransferError
from airflow_provider_kaltura.transfer.fsspec_files import FsspecFiles
from airflow_provider_kaltura.transfer.fsspec_sink import FsspecSink

if TYPE_CHECKING:
    from airflow_provider_kaltura.stores import Durability
    from airflow_provider_kaltura.stores._roots import Root

OPTIONS: Final[frozenset[str]] = frozenset()

_SFTP: Final = frozenset({"sftp", "ssh"})
#: Their transport proves the bytes (SSH by its MACs), or there is none. All others are read back.
_PROVED: Final = _SFTP | {"file", "local"}
#: Names that others have for what has a module of its own here.
_OTHER_NAMES: Final = {"s3a": "s3", "s3n": "s3", "adl": "abfs", "az": "abfs"}
_PACKAGES: Final = {
    "sftp": "apache-airflow-providers-sftp[sshfs]",
    "ssh": "apache-airflow-providers-sftp[sshfs]",
    "smb": "apache-airflow-providers-samba and smbprotocol",
    "hdfs": "a provider that has it as an ObjectStoragePath, and pyarrow",
    "webhdfs": "a provider that has it as an ObjectStoragePath",
}

_PIP: Final = _SFTP
_DRIVER: Final = "the Python package that the provider of this scheme needs, see its documentation"


def open_lake(root: Root, durability: Durability) -> Lake:  # noqa: ARG001 - one signature for all stores
    """
    Open a folder of a file system that Airflow knows. SFTP connects at once, the others as they do.

    :param root: ``scheme://conn_id@host/path``.
    :param durability: Ignored: a file is flushed where the file system can, whatever it says.
    :returns: The lake.
    :raises DestinationError: Airflow knows no such file system, or lacks a package for it, or the root is none.
    :raises SinkError: There is no connection to be had.
    """
    if root.scheme in {"http", "https"}:
        raise DestinationError(f"{root.scheme}:// is no destination: a web server takes no files; {_known()}")
    if root.scheme in _OTHER_NAMES:
        ours = _OTHER_NAMES[root.scheme]
        raise DestinationError(f"{root.scheme}:// is another name of {ours}://: write {ours}://conn_id@…")
    files, base = _sftp(root) if root.scheme in _SFTP else _any(root)
    sink = FsspecSink(files, base, read_back=root.scheme not in _PROVED)
    return Lake(root.text, sink, sink.store)


def _any(root: Root) -> tuple[FsspecFiles, str]:
    try:
        path = object_storage().ObjectStoragePath(root.text, conn_id=root.conn_id)
        fs, base = path.fs, str(path.path)
    except ValueError as error:
        # Both versions' word for a scheme that nobody has registered.
        raise _unknown(root.scheme) from error
    except ImportError as error:
        raise _lacking(root.scheme) from error
    except AirflowNotFoundException:
        raise DestinationError(
            f"there is no Airflow connection {root.conn_id!r}: define it, or name another one, "
            f"{root.scheme}://conn_id@… or storage_conn_id"
        ) from None
    except (AirflowException, TransferError):
        raise
    except Exception as error:
        raise SinkError(f"no connection to {root.scheme}:// could be had: {type(error).__name__}") from error
    if not f"{base}/".endswith(f"/{root.prefix}"):
        raise DestinationError(f"the file system understands the path {root.prefix!r} in another way; use plain names")
    return FsspecFiles(fs), base


def _sftp(root: Root) -> tuple[FsspecFiles, str]:
    if root.conn_id is None:
        raise DestinationError("SFTP needs an Airflow connection: sftp://conn_id@host/path")
    try:
        import asyncssh  # noqa: PLC0415 - not while DAGs are parsed
        import sshfs  # type: ignore[import-untyped]  # noqa: F401, PLC0415 - it has no types; see above

        from airflow_provider_kaltura.stores import _sftp_options  # noqa: PLC0415 - imports asyncssh
        from airflow_provider_kaltura.transfer.fsspec_sftp import SftpFiles  # noqa: PLC0415 - see above
    except ImportError as error:
        raise _lacking(root.scheme) from error
    _quiet()
    options = _sftp_options.of_connection(root.conn_id, root.bucket, root.scheme)
    host = options["host"]
    try:
        fs = object_storage().get_fs(root.scheme, root.conn_id, options)
    except ValueError as error:
        raise _unknown(root.scheme) from error
    except ImportError as error:
        raise _lacking(root.scheme) from error
    except asyncssh.HostKeyNotVerifiable as error:
        raise _unverified(root.conn_id, host, is_given=options["known_hosts"] != ()) from error
    except (PermissionError, asyncssh.PermissionDenied) as error:
        raise SinkForbiddenError(
            f"{host} refuses the user, the password or the key of the connection {root.conn_id!r}"
        ) from error
    except (OSError, asyncssh.Error) as error:
        raise SinkError(
            f"no SFTP connection to {host}, port {options['port']}, could be had by the connection {root.conn_id!r}: "
            f"{type(error).__name__}"
        ) from error
    # What ObjectStoragePath makes of the path differs between versions where it has a '?' or a '#'.
    return SftpFiles(fs), f"/{root.prefix}"


def _unverified(conn_id: str, host: str, *, is_given: bool) -> SinkForbiddenError:
    if is_given:
        return SinkForbiddenError(
            f"{host} shows another host key than the extra host_key of the connection {conn_id!r}: perhaps the server "
            "was rebuilt, perhaps this is an attack; ask its operator, and put the new key there only if it is right"
        )
    return SinkForbiddenError(
        f"the host key of {host} is not the one in the worker's ~/.ssh/known_hosts, or there is none: put it there, "
        f"or into the extra of the connection {conn_id!r} as 'host_key', once its operator has confirmed it"
    )


def _quiet() -> None:
    """Keep asyncssh's lines about every channel out of a task's log, unless the user has said what he wants."""
    logger = logging.getLogger("asyncssh")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.WARNING)


def _unknown(scheme: str) -> DestinationError:
    hint = f"; it comes with {_PACKAGES[scheme]}" if scheme in _PACKAGES else ""
    return DestinationError(f"nothing installed here opens {scheme}://{hint}; {_known()}")


def _lacking(scheme: str) -> DestinationError:
    what = f"run pip install '{_PACKAGES[scheme]}'" if scheme in _PIP else f"install {_PACKAGES.get(scheme, _DRIVER)}"
    return DestinationError(
        f"destinations of the kind {scheme}:// need a package that is not installed here; {what} on the workers"
    )


def _known() -> str:
    ours = {"s3", "gs", "abfs", "file"}
    theirs: Any = object_storage().schemes()
    names = sorted((ours | set(theirs)) - set(_OTHER_NAMES))
    return f"destinations can be local paths, {', '.join(f'{one}://' for one in names)}"
