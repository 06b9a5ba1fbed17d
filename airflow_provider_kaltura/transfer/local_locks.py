"""Locks on a local disk, waited for in a bounded time: who holds one may be frozen, and never let it go."""

from __future__ import annotations

import errno
import fcntl
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

#: Longer than any part takes to be written.
FILE_SECONDS: Final = 10.0
#: A folder's lock is held for the exchange of one name.
FOLDER_SECONDS: Final = 60.0
_NAP_SECONDS: Final = 0.01
# EBADF is what NFS says to a folder's lock. Anything else, a signal's exception above all, is no sign of a disk without
# locks.
_NO_LOCKS: Final = frozenset(
    {errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.EBADF, errno.ENOTTY, errno.EISDIR, errno.EACCES}
)


class LockHeldError(Exception):
    """Somebody has held the lock all the time."""


def acquire(
    descriptor: int,
    *,
    alone: bool,
    seconds: float,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> bool:
    """
    Take a lock.

    :param descriptor: Of the file or folder; closing it gives the lock up.
    :param alone: Keep everybody else out, not only those who want to be alone.
    :param seconds: How long to try.
    :param sleep: Waits; exchanged by tests.
    :param clock: Seconds since any moment; exchanged by tests.
    :returns: False where the file system has no locks.
    :raises LockHeldError: Somebody else has held it all the time.
    """
    kind = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
    end = clock() + seconds
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if clock() >= end:
                raise LockHeldError from None
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return False
            raise
        else:
            return True
        sleep(_NAP_SECONDS)


def release(descriptor: int) -> None:
    """
    Give a lock up; nothing where there are none.

    :param descriptor: Of the file or folder.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
