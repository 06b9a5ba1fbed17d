"""Temporary files on a local disk: how one is gone on with by another try, found, and removed."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import stat
from typing import TYPE_CHECKING, Final

from airflow_provider_kaltura.transfer.errors import ObjectMissingError, SinkError, UploadStateError, UploadTakenError
from airflow_provider_kaltura.transfer.keys import is_partial_name, next_partial_name, partial_name, split_key
from airflow_provider_kaltura.transfer.local_locks import FILE_SECONDS, LockHeldError, acquire
from airflow_provider_kaltura.transfer.local_paths import LocalRoot, failures_named
from airflow_provider_kaltura.transfer.local_store import exclusive, remove
from airflow_provider_kaltura.transfer.plan import part_count
from airflow_provider_kaltura.transfer.protocols import Leftover

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_provider_kaltura.transfer.protocols import JsonObject

log = logging.getLogger(__name__)

#: How many tries in a row may be killed between taking a file over and writing that down.
_UNRECORDED_TRIES: Final = 16
# A pipe must not make anybody wait for its other end.
_AGAIN: Final = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def reserve(descriptor: int, size_bytes: int) -> None:
    """
    Take an object's space from the disk.

    :param descriptor: Of its file.
    :param size_bytes: Length of the whole.
    """
    if size_bytes == 0:
        return
    try:
        os.posix_fallocate(descriptor, 0, size_bytes)
    except AttributeError:  # macOS
        os.ftruncate(descriptor, size_bytes)
    except OSError as error:
        if error.errno not in {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}:
            raise
        os.ftruncate(descriptor, size_bytes)


def earlier_name(state: JsonObject, expected: Mapping[str, int], key: str) -> str:
    """
    Read the temporary name out of recorded state.

    :param state: Of an earlier try.
    :param expected: What the state must say about sizes.
    :param key: Final name.
    :returns: The name that the file had when the state was recorded.
    :raises UploadStateError: The state is for another object.
    """
    name = state.get("temporary")
    digest = partial_name(split_key(key)[-1]).split(".")[1]
    if not isinstance(name, str) or not is_partial_name(name) or name.split(".")[1] != digest:
        raise UploadStateError("the recorded state names no temporary file of this object", key)
    if any(state.get(field) != value for field, value in expected.items()):
        raise UploadStateError("the recorded state is for another size", key)
    return name


def recorded_parts(state: JsonObject, key: str) -> dict[int, int]:
    """
    Read the parts out of recorded state.

    :param state: Of an earlier try.
    :param key: Final name.
    :returns: CRC-64/NVME by index.
    :raises UploadStateError: They can't be read.
    """
    try:
        parts = {int(index): int(value, 16) for index, value in state["parts"].items()}
        count = part_count(state["size_bytes"], state["part_bytes"])
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise UploadStateError("the recorded parts can't be read", key) from error
    if any(not 0 <= index < count for index in parts):
        raise UploadStateError("a part is recorded that the file doesn't have", key)
    return parts


def take_over(folder: int, recorded: str) -> str:
    """
    Give a temporary file its next name, so that whoever had it can't commit it any more.

    :param folder: Descriptor of its folder.
    :param recorded: Name it had when its state was recorded.
    :returns: Name it has now.
    :raises FileNotFoundError: It is gone.
    :raises UploadStateError: It is no file any more, or somebody writes to it and does not end.
    """
    name = recorded
    for _ in range(_UNRECORDED_TRIES):
        following = next_partial_name(name)
        try:
            descriptor = _open_partial(folder, name)
        except FileNotFoundError:
            name = following
            continue
        try:
            # Under the folder's lock, so that nobody commits the file between looking at its name and giving it away.
            with exclusive(folder):
                _require_only_name(folder, name, descriptor)
                os.rename(name, following, src_dir_fd=folder, dst_dir_fd=folder)
            # Nobody begins to write under the old name any more; who is writing ends its part.
            _wait_for_writers(folder, following, descriptor)
        except FileNotFoundError:
            name = following
        else:
            return following
        finally:
            os.close(descriptor)
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


def _open_partial(folder: int, name: str) -> int:
    """Open a temporary file; what is no file any more can't be gone on with, and is not waited for."""
    try:
        descriptor = os.open(name, _AGAIN, dir_fd=folder)
    except OSError as error:
        if error.errno in {errno.EISDIR, errno.ELOOP, errno.ENXIO}:
            raise UploadStateError(f"the recorded temporary file is none: {error.strerror}") from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UploadStateError("the recorded temporary file is a pipe, device or socket")
    return descriptor


def _wait_for_writers(folder: int, name: str, descriptor: int) -> None:
    """Wait until nobody writes to a file; one that is frozen may go on at any time, so that its file is given up."""
    try:
        lock(descriptor, alone=True)
    except UploadTakenError as error:
        remove(folder, name)
        raise UploadStateError("somebody who gives no sign of life is writing to the recorded file") from error


def _require_only_name(folder: int, name: str, descriptor: int) -> None:
    """Refuse a file that has its final name as well: what would be put there would be seen at once."""
    if os.fstat(descriptor).st_nlink > 1:
        # A kill came between the two steps of giving the name where nothing may be replaced.
        remove(folder, name)
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


def lock(descriptor: int, *, alone: bool) -> None:
    """
    Keep those who write to a temporary file apart from those who take it over; nothing where there are no locks.

    :param descriptor: Of the file; closing it gives the lock up.
    :param alone: For taking over.
    :raises UploadTakenError: Somebody else has held it for too long.
    """
    try:
        acquire(descriptor, alone=alone, seconds=FILE_SECONDS)
    except LockHeldError as error:
        raise UploadTakenError("somebody else holds the temporary file") from error


def require_own(folder: int, temporary: str, descriptor: int, key: str) -> None:
    """
    Refuse to commit a file that another try has taken over.

    :param folder: Descriptor of its folder, locked.
    :param temporary: Name we know it by.
    :param descriptor: Of the file that we wrote to.
    :param key: Final name.
    :raises UploadTakenError: The name is gone, or is another file's.
    """
    try:
        found = os.stat(temporary, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        raise UploadTakenError("another try has gone on with this file, or a clean-up removed it", key) from None
    if not os.path.samestat(found, os.fstat(descriptor)):
        raise UploadTakenError("another file has the temporary name", key)


def find_leftovers(root: LocalRoot) -> Iterator[Leftover]:
    """
    List temporary files of ours.

    :param root: Below which to look; symbolic links are not followed.
    :yields: One for each; ``handle`` is its path below the root. A folder that may not be read is left out with a
        warning, unless it is the root, or our own.
    :raises SinkError: A folder can't be read.
    """

    def refuse(error: OSError) -> None:
        if isinstance(error, PermissionError) and error.filename not in {base, os.path.join(base, "_kaltura")}:  # noqa: PTH118 - os.walk gives texts
            # "lost+found", or somebody's own: we have never written there.
            log.warning("The folder %s can't be read, and is left out: %s", error.filename, error.strerror)
        elif not isinstance(error, (FileNotFoundError, NotADirectoryError)):
            raise SinkError(f"the disk refused a listing: {error.strerror}") from error

    base = str(root.path)
    for folder, _, names in os.walk(base, onerror=refuse):
        for name in filter(is_partial_name, sorted(names)):
            path = os.path.join(folder, name)  # noqa: PTH118 - os.walk gives texts
            with contextlib.suppress(FileNotFoundError):
                found = os.lstat(path)
                handle = os.path.relpath(path, base)
                yield Leftover(
                    kind="temporary",
                    key=handle,
                    handle=handle,
                    touched_at_epoch=found.st_mtime,
                    size_bytes=found.st_blocks * 512,
                )


def remove_leftover(root: LocalRoot, leftover: Leftover) -> None:
    """
    Remove a temporary file.

    :param root: Below which it stands.
    :param leftover: One of :func:`find_leftovers`.
    :raises SinkError: Its name is not one of ours, or the disk refused.
    """
    folder_name, _, name = leftover.handle.rpartition("/")
    if not is_partial_name(name):
        raise SinkError("this is no temporary file of ours", leftover.handle)
    beside = f"{folder_name}/file" if folder_name else "file"
    with (
        contextlib.suppress(ObjectMissingError),
        root.folder_of(beside, create=False) as (folder, _),
        failures_named(leftover.handle),
    ):
        remove(folder, name)


def free_bytes(root: LocalRoot) -> int | None:
    """
    Tell how many bytes still fit, for this user.

    :param root: Folder that may not exist yet.
    :returns: None when the disk doesn't say.
    """
    for folder in (root.path, *root.path.parents):
        try:
            found = os.statvfs(folder)
        except FileNotFoundError:
            continue
        except OSError:
            return None
        return found.f_bavail * found.f_frsize
    return None


def has_locks(root: LocalRoot) -> bool:
    """
    Tell whether the disk keeps writers apart.

    :param root: Folder that may not exist yet.
    :returns: False where ``flock`` is refused.
    """
    for folder in (root.path, *root.path.parents):
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        else:
            return True
        finally:
            os.close(descriptor)
    return False
