"""SFTP by sshfs: what fsspec's words hide (renames that refuse, hard links, links, free space, fsync, ranges)."""

from __future__ import annotations

import contextlib
import errno
import stat as modes
import threading
from typing import TYPE_CHECKING, Any

from airflow_provider_kaltura.transfer.errors import InvalidKeyError
from airflow_provider_kaltura.transfer.fsspec_files import Entry, FsspecFiles, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from airflow_provider_kaltura.transfer.protocols import Buffer


class SftpFiles(FsspecFiles):
    """
    Files of an SFTP server, by an SFTP channel of our own on the connection that sshfs has made.

    ``is_exclusive`` where the server
    has ``hardlink@openssh.com``: a hard link never replaces, whereas some servers' plain rename does. Where the disk
    behind it has no hard links the promise is kept by an error. Replacing is atomic by ``posix-rename@openssh.com``,
    and else done by plain renames, see :class:`.FsspecFiles`.

    The protocol tells times in whole seconds and no inode: a version tag is second and length. A file that replaces one
    of the same length within the same second gets the second after that as its time, so that tags of files written
    here differ all the same; a file deleted and written anew within a second may have the tag that it had.

    :param fs: An ``sshfs.SSHFileSystem``. It works in fsspec's thread; ours may be any other. A connection that is lost
        stays lost: the next try, in a process of its own, makes another.
    """

    def __init__(self, fs: Any) -> None:
        super().__init__(fs)
        self._lock = threading.Lock()
        self._sftp: Any = None
        self._links: bool | None = None
        self._inside: set[str] = set()

    @property
    def is_exclusive(self) -> bool:
        """Whether the server can make hard links; asked once, with names that don't exist."""
        if self._links is None:
            try:
                self._do(lambda sftp: sftp.link("/.kaltura-partial/0", "/.kaltura-partial/1"))
            except FileNotFoundError:
                self._links = True
            except ConnectionError:
                raise
            except OSError:
                self._links = False
        return bool(self._links)

    @property
    def copies(self) -> bool:
        """Never: SFTP renames."""
        return False

    def look(self, path: str) -> Entry | None:
        """
        Describe what stands at a path; a link is not followed.

        :param path: Absolute.
        :returns: None when nothing does.
        """
        try:
            return _entry(path.rpartition("/")[2], self._do(lambda sftp: sftp.lstat(path)))
        except FileNotFoundError:
            return None

    def entries(self, folder: str) -> list[Entry]:
        """
        List a folder.

        :param folder: Absolute.
        :returns: In no order; empty when there is no such folder.
        """
        try:
            found = self._do(lambda sftp: sftp.readdir(folder))
        except FileNotFoundError:
            return []
        return [_entry(str(one.filename), one.attrs) for one in found if one.filename not in {".", ".."}]

    def make_folder(self, path: str) -> None:
        """
        Make a folder and those above it.

        :param path: Absolute; may be there already.
        """
        if path in self._inside:
            return
        found = self.look(path)
        if found is None or found.kind != "folder":
            self._do(lambda sftp: sftp.makedirs(path, exist_ok=True))

    def require_inside(self, base: str, folder: str) -> None:
        """
        Refuse a folder that a symbolic link leads out of the root. Asked once for each folder.

        :param base: The root.
        :param folder: Equal to it or below.
        :raises InvalidKeyError: It is elsewhere.
        """
        if folder in self._inside:
            return
        root = str(self._do(lambda sftp: sftp.realpath(base)))
        real = str(self._do(lambda sftp: sftp.realpath(folder)))
        if real != root and not real.startswith(f"{root.rstrip('/')}/"):
            raise InvalidKeyError("a symbolic link leads out of the root")
        self._inside.add(folder)

    def open_new(self, path: str) -> Any:
        """
        Open a new file.

        :param path: A temporary name.
        :returns: A stream.
        """
        try:
            file = self._do(lambda sftp: sftp.open(path, "xb"))
        except FileNotFoundError:
            # Somebody has removed a folder that was there.
            self._inside.clear()
            self.make_folder(path.rpartition("/")[0] or "/")
            file = self._do(lambda sftp: sftp.open(path, "xb"))
        return _Stream(self, file)

    def write(self, stream: Any, data: Buffer) -> None:
        """
        Write everything, all requests at once: a far server has the whole part in flight.

        :param stream: Of :meth:`open_new`.
        :param data: All of it; not kept.
        """
        stream.write(data)

    def finish(self, stream: Any, *, durable: bool) -> None:
        """
        Close a stream, after the server has put the file on its disk where it can.

        :param stream: Of :meth:`open_new`.
        :param durable: Ask for that.
        """
        if durable:
            stream.flush()
        stream.close()

    def read(self, path: str, start: int, stop: int) -> bytes:
        """
        Read a range of a file; sshfs' own ``cat_file`` gives the whole.

        :param path: Absolute.
        :param start: First byte.
        :param stop: One past the last byte.
        :returns: The bytes.
        """

        async def get(sftp: Any) -> bytes:
            async with sftp.open(path, "rb") as file:
                return bytes(await file.read(stop - start, start))

        return bytes(self._do(get))

    def remove(self, path: str) -> None:
        """
        Remove a file; harmless when it is gone.

        :param path: Absolute.
        """
        with contextlib.suppress(FileNotFoundError):
            self._do(lambda sftp: sftp.remove(path))

    def move_new(self, source: str, target: str) -> None:
        """
        Give a file a name that nothing has.

        :param source: Its temporary name.
        :param target: Its final one.
        :raises FileExistsError: Something has it.
        """
        try:
            self._do(lambda sftp: sftp.link(source, target))
        except OSError as error:
            # The server says no more than "failure".
            if self.look(target) is not None:
                raise FileExistsError(errno.EEXIST, "something stands there already") from error
            raise
        self.remove(source)

    def rename(self, source: str, target: str) -> None:
        """
        Rename a file, replacing what stands there where the server can.

        :param source: Name it has.
        :param target: Name it gets.
        """
        try:
            self._do(lambda sftp: sftp.posix_rename(source, target))
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise
            self._do(lambda sftp: sftp.rename(source, target))

    def stamp_after(self, path: str, before: Entry | None) -> None:
        """
        Give a file a time after that of the one of the same tag that it replaces.

        :param path: The new file.
        :param before: What it replaces.
        """
        if before is None or before.modified_at_epoch is None:
            return
        found = self.look(path)
        if found is None or found.size_bytes != before.size_bytes or found.modified_at_epoch is None:
            return
        if found.modified_at_epoch <= before.modified_at_epoch:
            after = before.modified_at_epoch + 1
            self._do(lambda sftp: sftp.utime(path, (after, after)))

    def free_bytes(self, path: str) -> int | None:
        """
        Tell how many bytes still fit, for this user.

        :param path: The root; may not exist yet.
        :returns: None when the server doesn't say.
        """
        while True:
            here = path or "/"
            try:
                found = self._do(lambda sftp: sftp.statvfs(here))  # noqa: B023 - run at once
            except FileNotFoundError:
                if here == "/":
                    return None
                path = path.rstrip("/").rpartition("/")[0]
                continue
            except OSError:
                return None
            return int(found.bavail * found.frsize)

    def _do(self, action: Callable[[Any], Coroutine[Any, Any, Any] | Any]) -> Any:
        from fsspec.asyn import sync  # type: ignore[import-untyped]  # noqa: PLC0415 - untyped; not while DAGs are parsed

        channel = self._channel()

        async def run() -> Any:
            return await action(channel)

        with _as_os_errors():
            return sync(self.fs.loop, run)

    def _channel(self) -> Any:
        from fsspec.asyn import sync  # noqa: PLC0415 - see below

        # One for all threads: servers allow few (OpenSSH 10).
        with self._lock, _as_os_errors():
            if self._sftp is None:
                # A name that is no UTF-8 must not hide all others of its folder.
                self._sftp = sync(self.fs.loop, self.fs.client.start_sftp_client, path_errors="surrogateescape")
            return self._sftp


class _Stream:
    """A file open for writing; every call waits for the server's answer."""

    def __init__(self, files: SftpFiles, file: Any) -> None:
        self._files = files
        self._file = file

    def write(self, data: Buffer) -> None:
        self._files._do(lambda _: self._file.write(data))  # noqa: SLF001 - one of two halves

    def flush(self) -> None:
        try:
            self._files._do(lambda _: self._file.fsync())  # noqa: SLF001 - see above
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise

    def close(self) -> None:
        self._files._do(lambda _: self._file.close())  # noqa: SLF001 - see above


@contextlib.contextmanager
def _as_os_errors() -> Iterator[None]:
    import asyncssh  # noqa: PLC0415 - not while DAGs are parsed

    try:
        yield
    except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath) as error:
        raise FileNotFoundError(errno.ENOENT, "no such file") from error
    except (asyncssh.SFTPPermissionDenied, asyncssh.SFTPWriteProtect) as error:
        raise PermissionError(errno.EACCES, "permission denied") from error
    except asyncssh.SFTPFileAlreadyExists as error:
        raise FileExistsError(errno.EEXIST, "file exists") from error
    except (asyncssh.SFTPNoSpaceOnFilesystem, asyncssh.SFTPQuotaExceeded) as error:
        raise OSError(errno.ENOSPC, "no space left") from error
    except (asyncssh.SFTPBadMessage, asyncssh.SFTPInvalidFilename) as error:
        # OpenSSH's word for a name that is too long.
        raise OSError(errno.ENAMETOOLONG, "a name that the server can't hold") from error
    except asyncssh.SFTPOpUnsupported as error:
        raise OSError(errno.EOPNOTSUPP, "the server can't do that") from error
    except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection, asyncssh.DisconnectError) as error:
        raise ConnectionError(errno.ECONNRESET, "the connection was lost") from error
    except asyncssh.Error as error:
        raise OSError(errno.EIO, f"{type(error).__name__}: {error.reason}") from error


def _entry(name: str, attributes: Any) -> Entry:
    size, mtime = int(attributes.size or 0), attributes.mtime
    tag = f"{mtime if mtime is not None else 0:x}-{size:x}"
    return Entry(name, _kind(attributes.permissions), size, tag, None if mtime is None else float(mtime))


def _kind(permissions: int | None) -> Kind:
    if permissions is None or modes.S_ISREG(permissions):
        return "file"
    if modes.S_ISDIR(permissions):
        return "folder"
    return "link" if modes.S_ISLNK(permissions) else "other"
