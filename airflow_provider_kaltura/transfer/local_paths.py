"""Names on a local disk: below one root, never out of it through a symbolic link."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_kaltura.transfer.errors import (
    InvalidKeyError,
    ObjectMissingError,
    SinkError,
    SinkForbiddenError,
    SinkFullError,
)
from airflow_provider_kaltura.transfer.keys import split_key

if TYPE_CHECKING:
    from collections.abc import Iterator

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# A pipe must not make anybody wait for its other end.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class LocalRoot:
    """
    One folder, and the names below it.

    :param root: The folder; made when the first object is written.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.path = Path(os.path.abspath(root))  # noqa: PTH100 - resolve() would follow links that may change later

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    @contextmanager
    def folder_of(self, key: str, *, create: bool) -> Iterator[tuple[int, str]]:
        """
        Open the folder that holds *key*.

        Everything else is done relative to this descriptor, so that a folder exchanged meanwhile changes nothing.

        :param key: Name below the root.
        :param create: Make the missing folders.
        :yields: Descriptor of the folder, and the last component of the key.
        :raises InvalidKeyError: The key is none, or leads out of the root through a symbolic link.
        :raises ObjectMissingError: A folder is missing and *create* is False.
        :raises SinkError: The folders can't be made or opened.
        """
        *folders, name = split_key(key)
        descriptor: int | None = None
        # One block from the opening on, so that an interruption hardly ever leaves the descriptor behind.
        try:
            with failures_named(key):
                descriptor = self._open(key, folders, create=create)
            yield descriptor, name
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _open(self, key: str, folders: list[str], *, create: bool) -> int:
        if create:
            self._make_root(key)
        try:
            return self._open_folders(key, folders, create=create)
        except NotADirectoryError as error:
            if not create:
                raise
            raise SinkError("a file stands where a folder is needed", key) from error

    def _make_root(self, key: str) -> None:
        for folder in [*reversed(self.path.parents), self.path]:
            try:
                _make_folder(folder)
            except FileNotFoundError as error:
                if not folder.parent.is_dir():
                    raise
                # /proc and its like: the folder above is there, and takes none.
                text = f"the root {self.path} can't be written: {folder.parent} takes no new folders"
                raise SinkForbiddenError(text, key) from error

    def _open_folders(self, key: str, folders: list[str], *, create: bool) -> int:
        root = self.path.resolve()
        here = root
        for folder in folders:
            here = here / folder
            if create:
                _make_folder(here)
            if here.is_symlink():
                here = here.resolve()
                if not here.is_relative_to(root):
                    raise InvalidKeyError("a symbolic link leads out of the root", key)
        return os.open(here, _DIRECTORY)


def _make_folder(path: Path) -> None:
    if path.is_dir():
        return
    with contextlib.suppress(FileExistsError):
        path.mkdir()
        # A new folder's name is lost with the power unless the folder above it was flushed.
        above = os.open(path.parent, _DIRECTORY)
        try:
            flush_folder(above)
        finally:
            os.close(above)


@contextmanager
def failures_named(key: str) -> Iterator[None]:
    """
    Turn errors of the operating system into ours.

    :param key: Name below the root, for the message.
    :yields: Nothing.
    :raises SinkError: Instead of OSError, by its kind.
    """
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ObjectMissingError("nothing stands there", key) from error
    except OSError as error:
        if error.errno in _FULL:
            raise SinkFullError(f"no space left: {error.strerror}", key) from error
        if error.errno in {errno.ENAMETOOLONG, errno.EILSEQ, errno.ELOOP}:
            raise InvalidKeyError(f"the disk can't hold such a name: {error.strerror}", key) from error
        raise SinkError(f"the disk refused: {error.strerror or error}", key) from error


def flush_folder(descriptor: int) -> None:
    """
    Put the names in a folder on the disk, where its file system can do that apart from the files.

    :param descriptor: Of the folder.
    :raises OSError: The disk failed.
    """
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.EOPNOTSUPP, errno.EBADF}:
            raise


def flush_name(folder: int, key: str) -> None:
    """
    Put the new name of a finished file on the disk.

    :param folder: Descriptor of its folder.
    :param key: Name below the root, for the message.
    :raises SinkError: The disk failed. The file stands whole under its final name all the same, and may stay there or
        lose the name with the power; not to be called done, but nothing to be removed either.
    """
    try:
        flush_folder(folder)
    except OSError as error:
        text = f"the file stands whole under its final name, but the disk failed to keep that name: {error.strerror}"
        raise SinkError(text, key) from error


def require_replaceable(folder: int, name: str, key: str) -> None:
    """
    Refuse a final name that something has which no file may replace.

    A file may be replaced, and a symbolic link to one, or to nothing: the link itself, nothing is written through it.
    A folder, pipe, device, socket, or a link to any of these is somebody's setup, and is left alone.

    :param folder: Descriptor of the folder.
    :param name: Name in it.
    :param key: Name below the root, for the message.
    :raises InvalidKeyError: Such a thing has the name.
    :raises OSError: The disk can't hold such a name.
    """
    try:
        mode = os.lstat(name, dir_fd=folder).st_mode
        if stat.S_ISLNK(mode):
            mode = os.stat(name, dir_fd=folder).st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        return  # links in a circle lead to nothing
    if stat.S_ISDIR(mode):
        raise InvalidKeyError("a folder stands where the file should", key)
    if not stat.S_ISREG(mode):
        raise InvalidKeyError("a pipe, device or socket stands where the file should", key)


def stat_inside(folder: int, name: str, root: Path, key: str) -> os.stat_result:
    """
    Look at a file, unless it is a symbolic link out of the root.

    :param folder: Descriptor of its folder.
    :param name: Name in the folder.
    :param root: What it may not leave.
    :param key: Name below the root, for messages.
    :returns: What the file system says.
    :raises InvalidKeyError: It leads out of the root.
    """
    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    return _target_inside(root, key).stat() if stat.S_ISLNK(found.st_mode) else found


def open_inside(folder: int, name: str, root: Path, key: str) -> int:
    """
    Open a file to read it, unless it is a symbolic link out of the root.

    :param folder: Descriptor of its folder.
    :param name: Name in the folder.
    :param root: What it may not leave.
    :param key: Name below the root, for messages.
    :returns: Descriptor.
    :raises InvalidKeyError: It leads out of the root.
    """
    try:
        return os.open(name, _READ, dir_fd=folder)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
    return os.open(_target_inside(root, key), _READ)


def _target_inside(root: Path, key: str) -> Path:
    target = (root / key).resolve()
    if not target.is_relative_to(root.resolve()):
        raise InvalidKeyError("a symbolic link leads out of the root", key)
    return target
