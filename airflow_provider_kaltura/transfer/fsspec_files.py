"""The few things that a sink needs of an fsspec file system, each by an exact name: nothing here expands a pattern."""

from __future__ import annotations

import contextlib
import errno
import hashlib
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from airflow_provider_kaltura.transfer import proofs
from airflow_provider_kaltura.transfer.errors import (
    InvalidKeyError,
    ObjectMissingError,
    SinkError,
    SinkForbiddenError,
    SinkFullError,
    TransferError,
)
from airflow_provider_kaltura.transfer.keys import aside_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_kaltura.transfer.protocols import Buffer

Kind: TypeAlias = Literal["file", "folder", "link", "other"]

_MIB: Final = 1024 * 1024
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_BAD_NAME: Final = frozenset({errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.ELOOP})
#: What file systems call the things that change with a file's content, best first.
_TIMES: Final = ("mtime", "modified", "last_modified", "LastModified", "modificationTime", "last_write_time", "created")
_TAGS: Final = ("ETag", "etag", "e_tag", "generation", "version_id", "ino", "fileId")


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands at a path; symbolic links are not followed where the file system shows them."""

    name: str
    kind: Kind
    size_bytes: int
    version_tag: str
    modified_at_epoch: float | None


@contextmanager
def failures_named(key: str | None) -> Iterator[None]:
    """
    Turn whatever a file system raises into our errors, without its text: that may hold a URL with a password.

    :param key: Name below the root, for the message; None where it is about no file.
    :yields: Nothing.
    :raises SinkError: Instead of the file system's error, by its kind.
    """
    try:
        yield
    except TransferError:
        raise
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ObjectMissingError("nothing stands there", key) from error
    except PermissionError as error:
        raise SinkForbiddenError("the file system denies it", key) from error
    except OSError as error:
        if error.errno in _FULL:
            raise SinkFullError("no space left", key) from error
        if error.errno in _BAD_NAME:
            raise InvalidKeyError("the file system can't hold such a name", key) from error
        raise SinkError(f"the file system refused: {_reason(error)}", key) from error
    except Exception as error:
        raise SinkError(f"the file system refused: {type(error).__name__}", key) from error


class FsspecFiles:
    """
    Any file system of fsspec.

    What takes the place of another file, and how:

    ==================  =============================  =====================  ==================
    file system         replaces                       atomic                 ``is_exclusive``
    ==================  =============================  =====================  ==================
    SFTP (see there)    posix-rename                   yes                    by hard links
    local               rename                         yes                    by hard links
    with its own ``mv`` ``mv``; where that refuses,    as its ``mv``; else    no: nothing says
    (SMB, HDFS, …)      old aside, new in, old away    the name is missing    what its ``mv``
                                                       for a moment           promises
    all others          ``cp_file``, ``rm_file``       as its ``cp_file``     no
    ==================  =============================  =====================  ==================

    Whatever was done is looked at afterwards: some ``mv`` do nothing and say nothing (WebHDFS), and an error may come
    after the deed.

    :param fs: An ``AbstractFileSystem``. Asynchronous ones do their work in a thread of fsspec's own, and may be used
        from any other thread; never from that one, and not after a fork.
    """

    def __init__(self, fs: Any) -> None:
        # Not while DAGs are parsed; fsspec has no types.
        from fsspec import AbstractFileSystem  # type: ignore[import-untyped]  # noqa: PLC0415 - see above
        from fsspec.implementations.local import (  # type: ignore[import-untyped]  # noqa: PLC0415 - see above
            LocalFileSystem,
        )

        self.fs = fs
        self._has_rename = "mv" in vars(fs) or type(fs).mv is not AbstractFileSystem.mv
        self._has_links = isinstance(fs, LocalFileSystem)

    @property
    def is_exclusive(self) -> bool:
        """Whether :meth:`move_new` holds against every other writer."""
        return self._has_links

    def look(self, path: str) -> Entry | None:
        """
        Describe what stands at a path, as it is now.

        :param path: Absolute.
        :returns: None when nothing does.
        """
        self.fs.invalidate_cache(path.rpartition("/")[0] or "/")
        try:
            return _entry(self.fs.info(path))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def entries(self, folder: str) -> list[Entry]:
        """
        List a folder.

        :param folder: Absolute.
        :returns: In no order; empty when there is no such folder.
        """
        self.fs.invalidate_cache(folder)
        try:
            found = self.fs.ls(folder, detail=True)
        except (FileNotFoundError, NotADirectoryError):
            standing = self.look(folder)
            if standing is not None and standing.kind == "folder":
                # A file of it went away while it was listed: an empty answer would be a wrong one.
                raise SinkError("the folder changed while it was listed; try again") from None
            return []
        # Some list a file as if it were the folder of itself.
        return [_entry(one) for one in found if str(one["name"]).rstrip("/") != folder.rstrip("/")]

    def make_folder(self, path: str) -> None:
        """
        Make a folder and those above it.

        :param path: Absolute; may be there already.
        """
        self.fs.makedirs(path, exist_ok=True)

    def require_inside(self, base: str, folder: str) -> None:
        """
        Refuse a folder that a symbolic link leads out of the root; only SFTP can ask.

        :param base: The root.
        :param folder: Equal to it or below.
        """

    def open_new(self, path: str) -> Any:
        """
        Open a new file.

        :param path: A temporary name.
        :returns: A stream with ``write`` and ``close``.
        """
        return self.fs.open(path, "wb")

    def write(self, stream: Any, data: Buffer) -> None:
        """
        Write everything, however little the stream takes at once.

        :param stream: Of :meth:`open_new`.
        :param data: All of it; not kept.
        """
        view = memoryview(data).cast("B")
        while view:
            # Copies of short pieces: a stream may keep what it was given, and keeps a block of its own besides.
            piece = bytes(view[:_MIB])
            count = stream.write(piece)
            view = view[len(piece) if count is None else count :]

    def finish(self, stream: Any, *, durable: bool) -> None:
        """
        Bring everything out of a stream and close it; whatever fails here counts.

        :param stream: Of :meth:`open_new`.
        :param durable: Ignored: fsspec has no word for it.
        """
        stream.close()

    def read(self, path: str, start: int, stop: int) -> bytes:
        """
        Read a range of a file.

        :param path: Absolute.
        :param start: First byte.
        :param stop: One past the last byte, at most the file's length.
        :returns: Exactly these bytes, unless the file has changed.
        """
        data: bytes = self.fs.cat_file(path, start=start, end=stop)
        # There are file systems that ignore the range.
        return data if len(data) <= stop - start else data[start:stop]

    def remove(self, path: str) -> None:
        """
        Remove a file; harmless when it is gone.

        :param path: Absolute.
        """
        with contextlib.suppress(FileNotFoundError):
            self.fs.rm_file(path)

    def move_new(self, source: str, target: str) -> None:
        """
        Give a file a name that nothing has.

        :param source: Its temporary name.
        :param target: Its final one.
        :raises FileExistsError: Something has it.
        """
        self.fs.link(source, target)
        self.remove(source)

    def replace(self, source: str, target: str, size_bytes: int) -> None:
        """
        Give a file its final name, whatever stands there.

        :param source: Its temporary name.
        :param target: Its final one.
        :param size_bytes: Its length.
        :raises SinkError: It could not be done. What stood there still does, or (where there is no rename) nothing.
        """
        if not self._has_rename:
            self._copy_over(source, target, size_bytes)
            return
        before = self.look(target)
        try:
            self._move(source, target, size_bytes)
        except Exception:
            if before is None or self.look(source) is None:
                raise
            self._swap(source, target, size_bytes)

    def stamp_after(self, path: str, before: Entry | None) -> None:
        """
        Make sure that a file's version tag differs from that of the one that it replaces.

        :param path: The new file.
        :param before: What it replaces.
        """

    def free_bytes(self, path: str) -> int | None:
        """
        Tell how many bytes still fit.

        :param path: The root.
        :returns: None: fsspec has no word for it.
        """
        return None

    def rename(self, source: str, target: str) -> None:
        """
        Rename a file by the file system's own means.

        :param source: Name it has.
        :param target: Name it gets; what happens to a file that has it is not said.
        """
        self.fs.mv(source, target)

    def _move(self, source: str, target: str, size_bytes: int) -> None:
        failure: Exception = SinkError("the file system did not rename, and did not say why")
        try:
            self.rename(source, target)
        except Exception as error:  # noqa: BLE001 - what counts is what stands there now
            failure = error
        found = self.look(target)
        if self.look(source) is not None or found is None or found.size_bytes != size_bytes:
            raise failure

    def _swap(self, source: str, target: str, size_bytes: int) -> None:
        folder, _, name = target.rpartition("/")
        aside = f"{folder}/{aside_name(name)}"
        try:
            self.rename(target, aside)
            self._move(source, target, size_bytes)
            # What can't be removed has a temporary name, by which a clean-up finds it. After a kill before the new
            # one is in, it is all that is left, and the clean-up keeps it.
            with contextlib.suppress(Exception):
                self.remove(aside)
        except BaseException:
            # Whatever ended this is what counts, once one of the two files has the name.
            with contextlib.suppress(Exception):
                found = self.look(target)
                if found is None:
                    self.rename(aside, target)
                elif found.size_bytes == size_bytes:
                    self.remove(aside)
            raise

    def _copy_over(self, source: str, target: str, size_bytes: int) -> None:
        before = self.look(target)
        try:
            self.fs.cp_file(source, target)
            found = self.look(target)
            proofs.object_length(size_bytes, found.size_bytes if found else -1, "the copy under the final name")
        except BaseException:
            # Whatever ended the copy is what counts; what it left may be cut.
            with contextlib.suppress(Exception):
                if self.look(target) != before:
                    self.remove(target)
            raise
        self.remove(source)

    @property
    def copies(self) -> bool:
        """Whether the final name holds a copy, not the file that was read back."""
        return not self._has_rename


def _reason(error: OSError) -> str:
    return error.strerror if error.errno is not None and error.strerror else type(error).__name__


def _entry(info: dict[str, Any]) -> Entry:
    name = str(info["name"]).rstrip("/").rpartition("/")[2]
    size = int(info.get("size") or 0)
    times = [(word, _epoch(info[word])) for word in _TIMES if info.get(word) is not None][:1]
    tags = [(word, str(info[word])) for word in _TAGS if info.get(word) is not None]
    tag = hashlib.blake2b(repr((size, times, tags)).encode(), digest_size=12).hexdigest()
    return Entry(name, _kind(info), size, tag, times[0][1] if times else None)


def _kind(info: dict[str, Any]) -> Kind:
    if info.get("islink") or info.get("type") == "link":
        return "link"
    kinds: dict[str, Kind] = {"file": "file", "directory": "folder"}
    return kinds.get(str(info.get("type")), "other")


def _epoch(value: Any) -> float | None:
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    # WebHDFS counts milliseconds.
    return number / 1000 if number > 1e11 else number  # noqa: PLR2004 - no file is of the year 5138
