"""Small objects on a local disk: manifest, pointers, partial state."""

from __future__ import annotations

import contextlib
import os
import stat as modes
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow_provider_kaltura.transfer.errors import ObjectMissingError, SinkError, TargetExistsError
from airflow_provider_kaltura.transfer.keys import is_partial_name, partial_name
from airflow_provider_kaltura.transfer.local_locks import FOLDER_SECONDS, LockHeldError, acquire, release
from airflow_provider_kaltura.transfer.local_paths import (
    LocalRoot,
    failures_named,
    flush_name,
    open_inside,
    require_replaceable,
    stat_inside,
)
from airflow_provider_kaltura.transfer.protocols import ObjectStat

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class LocalStore:
    """
    Objects below one folder.

    A write appears whole or not at all. Conditions (``if_absent``, ``if_version``) hold against every writer that uses
    this class or :class:`LocalSink`, other processes and hosts included where the file system's ``flock`` reaches them;
    ``if_absent`` moreover holds against anybody where the file system has hard links. The version tag is made of inode,
    time of change in nanoseconds and length. Listings leave out symbolic links and what is under way.

    :param root: The folder; made when the first object is written.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = LocalRoot(root)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.root.path)!r})"

    def stat(self, key: str) -> ObjectStat | None:
        """
        Describe *key*.

        :param key: Name below the root.
        :returns: None when nothing stands there, or something that is no file.
        :raises InvalidKeyError: The name is none, or leads out of the root.
        """
        try:
            with self.root.folder_of(key, create=False) as (folder, name), failures_named(key):
                found = stat_inside(folder, name, self.root.path, key)
        except ObjectMissingError:
            return None
        return describe(key, found) if modes.S_ISREG(found.st_mode) else None

    def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """
        Read the half-open range ``[start, stop)``.

        :param key: Name below the root.
        :param start: First byte.
        :param stop: One past the last byte; None is the end.
        :returns: The bytes, fewer where the object ends earlier.
        :raises ObjectMissingError: Nothing stands there.
        """
        with self._opened(key) as descriptor, failures_named(key):
            found = os.fstat(descriptor)
            if not modes.S_ISREG(found.st_mode):
                raise ObjectMissingError("no file stands there", key)
            end = found.st_size if stop is None else min(stop, found.st_size)
            return read_range(descriptor, start, end)

    def write(
        self, key: str, data: bytes, *, if_absent: bool = False, if_version: str | None = None, durable: bool = True
    ) -> ObjectStat:
        """
        Write a small object, atomically.

        :param key: Name below the root.
        :param data: All of it.
        :param if_absent: Only when nothing stands there.
        :param if_version: Only when the object still has this version tag.
        :param durable: Flush it, and its name, to the disk.
        :returns: What stands there now.
        :raises TargetExistsError: A condition does not hold.
        :raises InvalidKeyError: Something stands there that no file may replace.
        :raises SinkError: The disk refused; see :meth:`LocalUpload.commit`.
        """
        with self.root.folder_of(key, create=True) as (folder, name), failures_named(key):
            temporary = partial_name(name)
            try:
                found = _write_new(folder, temporary, data, durable=durable)
                with exclusive(folder) as is_locked:
                    if if_version is not None:
                        _require_version(folder, name, key, if_version, is_locked=is_locked)
                    put_in_place(folder, temporary, name, key, if_absent=if_absent, is_locked=is_locked)
            except BaseException:
                remove(folder, temporary)
                raise
            if durable:
                flush_name(folder, key)
        return describe(key, found)

    def list(self, prefix: str) -> Iterator[ObjectStat]:
        """
        List the objects whose key begins with *prefix*.

        :param prefix: May end within a name; empty is everything.
        :returns: Descriptions in order of key.
        """
        folder, _, _ = prefix.rpartition("/")
        base = self.root.path.resolve() / folder
        if base.resolve() != base:
            return iter(())  # through a link, or with "..": no key begins like this
        return _walk(base, f"{folder}/" if folder else "", prefix)

    def delete(self, key: str) -> None:
        """
        Delete *key*; harmless when nothing stands there.

        :param key: Name below the root.
        :raises SinkError: The disk refused.
        """
        with (
            contextlib.suppress(ObjectMissingError),
            self.root.folder_of(key, create=False) as (folder, name),
            failures_named(key),
            exclusive(folder),
        ):
            os.unlink(name, dir_fd=folder)

    @contextmanager
    def _opened(self, key: str) -> Iterator[int]:
        with self.root.folder_of(key, create=False) as (folder, name):
            with failures_named(key):
                descriptor = open_inside(folder, name, self.root.path, key)
            try:
                yield descriptor
            finally:
                os.close(descriptor)


def _write_new(folder: int, name: str, data: bytes, *, durable: bool) -> os.stat_result:
    descriptor: int | None = None
    # One block from the opening on, so that an interruption hardly ever leaves the descriptor behind.
    try:
        descriptor = os.open(name, _NEW, 0o666, dir_fd=folder)
        write_all(descriptor, data, 0)
        if durable:
            os.fsync(descriptor)
        return os.fstat(descriptor)
    finally:
        if descriptor is not None:
            os.close(descriptor)


def describe(key: str, found: os.stat_result) -> ObjectStat:
    """
    Describe a file as every store does.

    :param key: Name below the root.
    :param found: What the file system says.
    :returns: The description.
    """
    return ObjectStat(
        key=key,
        size_bytes=found.st_size,
        version_tag=f"{found.st_ino:x}-{found.st_mtime_ns:x}-{found.st_size:x}",
        modified_at_epoch=found.st_mtime,
    )


def write_all(descriptor: int, data: bytes | bytearray | memoryview, offset: int) -> None:
    """
    Write everything at an offset, however little the system takes at once.

    :param descriptor: Of a file open for writing.
    :param data: All of it.
    :param offset: Place of its first byte.
    """
    view = memoryview(data).cast("B")
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def read_range(descriptor: int, start: int, stop: int) -> bytes:
    """
    Read a range, however little the system gives at once.

    :param descriptor: Of a file open for reading.
    :param start: First byte.
    :param stop: One past the last byte.
    :returns: The bytes, fewer where the file ends earlier.
    """
    pieces: list[bytes] = []
    while start < stop and (piece := os.pread(descriptor, stop - start, start)):
        pieces.append(piece)
        start += len(piece)
    return b"".join(pieces)


@contextmanager
def exclusive(folder: int) -> Iterator[bool]:
    """
    Keep other writers of the same folder out while a name is exchanged.

    :param folder: Descriptor of the folder.
    :yields: Whether the file system has such locks; without one this does nothing.
    :raises SinkError: Somebody has held the lock for too long.
    """
    try:
        is_locked = acquire(folder, alone=True, seconds=FOLDER_SECONDS)
    except LockHeldError as error:
        raise SinkError("somebody holds the lock of the folder, and gives no sign of life") from error
    # Closing the descriptor gives the lock up too, should the process die in between.
    try:
        yield is_locked
    finally:
        release(folder)


def put_in_place(folder: int, temporary: str, name: str, key: str, *, if_absent: bool, is_locked: bool) -> None:
    """
    Give a finished file its final name, in one step.

    :param folder: Descriptor of the folder of both names, locked by :func:`exclusive`.
    :param temporary: Name it has.
    :param name: Name it gets.
    :param key: Name below the root, for messages.
    :param if_absent: Fail instead of replacing.
    :param is_locked: What :func:`exclusive` gave.
    :raises TargetExistsError: *if_absent*, and something stands there.
    :raises InvalidKeyError: Something stands there that no file may replace.
    :raises SinkError: *if_absent*, and the disk has neither hard links nor locks.
    """
    if if_absent:
        try:
            os.link(temporary, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
        except FileExistsError as error:
            raise TargetExistsError("something stands there already", key) from error
        except OSError:
            # No hard links here (FAT, some network disks): the lock keeps our own writers apart.
            _require_lock(key, is_locked=is_locked)
            if _exists(folder, name):
                raise TargetExistsError("something stands there already", key) from None
        else:
            os.unlink(temporary, dir_fd=folder)
            return
    require_replaceable(folder, name, key)
    os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)


def remove(folder: int, name: str) -> None:
    """
    Remove a name if it is there.

    :param folder: Descriptor of the folder.
    :param name: Name in it.
    """
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


def _exists(folder: int, name: str) -> bool:
    try:
        os.lstat(name, dir_fd=folder)
    except FileNotFoundError:
        return False
    return True


def _require_lock(key: str, *, is_locked: bool) -> None:
    if not is_locked:
        raise SinkError("this disk has no locks, so that no condition can be promised", key)


def _require_version(folder: int, name: str, key: str, version_tag: str, *, is_locked: bool) -> None:
    _require_lock(key, is_locked=is_locked)
    try:
        found = os.lstat(name, dir_fd=folder)
    except FileNotFoundError:
        raise TargetExistsError("nothing stands there any more", key) from None
    if describe(key, found).version_tag != version_tag:
        raise TargetExistsError("another version stands there", key)


def _walk(folder: Path, start: str, prefix: str) -> Iterator[ObjectStat]:
    try:
        # With "/" behind a folder's name the order is that of the keys.
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name + "/" * entry.is_dir(follow_symlinks=False))
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise SinkError(f"the disk refused a listing: {error.strerror}", start) from error
    for entry in entries:
        key = f"{start}{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            if f"{key}/".startswith(prefix) or prefix.startswith(f"{key}/"):
                yield from _walk(folder / entry.name, f"{key}/", prefix)
        elif key.startswith(prefix) and entry.is_file(follow_symlinks=False) and not is_partial_name(entry.name):
            with contextlib.suppress(FileNotFoundError):
                yield describe(key, entry.stat(follow_symlinks=False))
