"""Small objects on any file system of fsspec: manifest, pointers, partial state."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Final

from airflow_provider_kaltura.transfer import checksum as checksums
from airflow_provider_kaltura.transfer import proofs
from airflow_provider_kaltura.transfer.errors import (
    InvalidKeyError,
    ObjectMissingError,
    SinkError,
    TargetExistsError,
    UploadTakenError,
)
from airflow_provider_kaltura.transfer.fsspec_files import failures_named
from airflow_provider_kaltura.transfer.keys import is_partial_name, partial_name, split_key
from airflow_provider_kaltura.transfer.protocols import ObjectStat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_kaltura.transfer.fsspec_files import Entry, FsspecFiles

#: Keeps the conditional writes of this process apart, where the file system can't.
_CONDITIONS: Final = threading.Lock()


class FsspecPlace:
    """
    One folder of a file system, and the names below it.

    :param files: The file system.
    :param base: Absolute path of the folder.
    :param read_back: Compare checksums of what was written with what can be read.
    """

    def __init__(self, files: FsspecFiles, base: str, *, read_back: bool) -> None:
        self.files = files
        self.base = base.rstrip("/")
        self.read_back = read_back

    def path_of(self, key: str) -> str:
        """
        Give the path of a key.

        :param key: Name below the root.
        :returns: Absolute.
        :raises InvalidKeyError: It is none.
        """
        split_key(key)
        return f"{self.base}/{key}"

    def prepare(self, key: str) -> tuple[str, str]:
        """
        Make the folder of a key, and refuse a key that can't get its name at the end.

        :param key: Name below the root.
        :returns: Paths of the key, and of a temporary name beside it.
        :raises InvalidKeyError: It leads out of the root, or something stands there that no file may replace.
        """
        path = self.path_of(key)
        folder, _, name = path.rpartition("/")
        try:
            self.files.make_folder(folder or "/")
        except (FileExistsError, NotADirectoryError) as error:
            raise SinkError(f"a file stands where the folder {folder} is needed", key) from error
        except FileNotFoundError as error:
            raise SinkError(f"the folder {folder} can't be made: the server finds none to make it in", key) from error
        self.files.require_inside(self.base or "/", folder or "/")
        found = self.files.look(path)
        if found is not None and found.kind not in {"file", "link"}:
            raise InvalidKeyError("something stands there that no file may replace", key)
        return path, f"{folder}/{partial_name(name)}"

    def prove(self, path: str, size_bytes: int, crc: int, what: str) -> None:
        """
        Prove that a file holds what was written.

        :param path: Of the file.
        :param size_bytes: Its length.
        :param crc: Its CRC-64/NVME.
        :param what: What it is, for the message.
        :raises UploadTakenError: It is gone.
        :raises IntegrityError: It is another.
        """
        found = self.files.look(path)
        if found is None:
            raise UploadTakenError("the temporary file is gone: a clean-up removed it")
        proofs.object_length(size_bytes, found.size_bytes, what)
        if self.read_back:
            expected = checksums.format_crc64nvme(crc)
            proofs.object_checksum(expected, checksums.format_crc64nvme(self._crc_of(path, size_bytes)), what)

    def put_in_place(self, temporary: str, path: str, key: str, size_bytes: int, crc: int) -> None:
        """
        Give a proved file its final name, whatever stands there.

        :param temporary: Path it has.
        :param path: Path it gets.
        :param key: Name below the root, for messages.
        :param size_bytes: Its length.
        :param crc: Its CRC-64/NVME.
        :raises IntegrityError: What stands there afterwards is another.
        """
        self.files.stamp_after(temporary, self.files.look(path))
        self.files.replace(temporary, path, size_bytes)
        if self.files.copies:
            try:
                self.prove(path, size_bytes, crc, f"the copy under the final name {key!r}")
            except BaseException:
                with contextlib.suppress(Exception):
                    self.files.remove(path)
                raise

    def describe(self, key: str, expected_bytes: int) -> ObjectStat:
        """
        Describe what was put in place.

        :param key: Name below the root.
        :param expected_bytes: Its length.
        :returns: Its description.
        :raises IntegrityError: Its length is another.
        """
        found = self.files.look(self.path_of(key))
        proofs.object_length(expected_bytes, found.size_bytes if found else -1, "the file under its final name")
        return stat_of(key, found) if found else ObjectStat(key=key, size_bytes=expected_bytes, version_tag="")

    def _crc_of(self, path: str, size_bytes: int) -> int:
        crc = 0
        for start in range(0, size_bytes, checksums.READ_BACK_BYTES):
            crc = checksums.crc64nvme(
                self.files.read(path, start, min(start + checksums.READ_BACK_BYTES, size_bytes)), crc
            )
        return crc


class FsspecStore:
    """
    Objects below one folder of a file system.

    A write goes to a temporary name and is proved there, then takes its place as :class:`.FsspecFiles` says. Conditions
    hold between the threads of this process; against others ``if_absent`` holds where ``is_exclusive``, and
    ``if_version`` only as far as nobody writes between a look and a rename: whoever needs more uses unique names, as
    the manifest's writers do. Version tags are made of what the file system tells besides length and time.
    Listings leave out links and what is under way; a link is neither read nor described.

    :param place: The folder.
    """

    def __init__(self, place: FsspecPlace) -> None:
        self.place = place

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.place.base!r})"

    def stat(self, key: str) -> ObjectStat | None:
        """
        Describe *key*.

        :param key: Name below the root.
        :returns: None when nothing stands there, or something that is no file.
        :raises InvalidKeyError: The name is none, or a link.
        """
        with failures_named(key):
            found = self._look(key)
        return stat_of(key, found) if found is not None else None

    def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """
        Read the half-open range ``[start, stop)``.

        :param key: Name below the root.
        :param start: First byte.
        :param stop: One past the last byte; None is the end.
        :returns: The bytes, fewer where the object ends earlier.
        :raises ObjectMissingError: Nothing stands there.
        :raises SinkError: The object changed meanwhile.
        """
        path = self.place.path_of(key)
        with failures_named(key):
            found = self._look(key)
            if found is None:
                raise ObjectMissingError("nothing stands there", key)
            end = found.size_bytes if stop is None else min(stop, found.size_bytes)
            if start >= end:
                return b""
            data = self.place.files.read(path, start, end)
        if len(data) != end - start:
            raise SinkError("another number of bytes came than the file has; try again", key)
        return data

    def write(
        self, key: str, data: bytes, *, if_absent: bool = False, if_version: str | None = None, durable: bool = True
    ) -> ObjectStat:
        """
        Write a small object.

        :param key: Name below the root.
        :param data: All of it.
        :param if_absent: Only when nothing stands there.
        :param if_version: Only when the object still has this version tag.
        :param durable: Flush it to the disk, where the file system can.
        :returns: What stands there now.
        :raises TargetExistsError: A condition does not hold.
        """
        place = self.place
        with failures_named(key):
            path, temporary = place.prepare(key)
            crc = checksums.crc64nvme(data)
            try:
                self._write_new(temporary, data, durable=durable)
                place.prove(temporary, len(data), crc, "the small file read back")
                with _CONDITIONS:
                    is_placed = self._require(path, key, temporary, if_absent=if_absent, if_version=if_version)
                    if not is_placed:
                        place.put_in_place(temporary, path, key, len(data), crc)
                    return place.describe(key, len(data))
            except BaseException:
                # Whatever ended the write is what counts.
                with contextlib.suppress(Exception):
                    place.files.remove(temporary)
                raise

    def list(self, prefix: str) -> Iterator[ObjectStat]:
        """
        List the objects whose key begins with *prefix*.

        :param prefix: May end within a name; empty is everything.
        :returns: Descriptions in order of key.
        """
        folder, slash, _ = prefix.rpartition("/")
        try:
            if slash:
                split_key(folder)
            self.place.files.require_inside(self.place.base or "/", f"{self.place.base}/{folder}".rstrip("/") or "/")
        except (InvalidKeyError, FileNotFoundError):
            return iter(())  # no key begins like this
        except OSError as error:
            raise SinkError("the folder can't be looked at", prefix) from error
        return (stat_of(key, one) for key, one in self.walk(f"{folder}{slash}", prefix) if _is_listed(key, one, prefix))

    def delete(self, key: str) -> None:
        """
        Delete *key*; harmless when nothing stands there.

        :param key: Name below the root.
        :raises SinkError: The file system refused.
        """
        path = self.place.path_of(key)
        with contextlib.suppress(ObjectMissingError), failures_named(key):
            if self._look(key) is not None:
                self.place.files.remove(path)

    def walk(self, start: str = "", prefix: str = "") -> Iterator[tuple[str, Entry]]:
        """
        Walk over everything that is no folder; links are not followed.

        :param start: Folder to begin with: empty, or ending in ``/``.
        :param prefix: Folders without such keys are left out.
        :yields: Key and description, in order of key.
        :raises SinkError: A folder can't be read.
        """
        with failures_named(start or "."):
            found = self.place.files.entries(f"{self.place.base}/{start}".rstrip("/") or "/")
        # With "/" behind a folder's name the order is that of the keys.
        for one in sorted(found, key=lambda one: one.name + "/" * (one.kind == "folder")):
            key = f"{start}{one.name}"
            if one.kind != "folder":
                yield key, one
            elif f"{key}/".startswith(prefix) or prefix.startswith(f"{key}/"):
                yield from self.walk(f"{key}/", prefix)

    def _look(self, key: str) -> Entry | None:
        path = self.place.path_of(key)
        found = self.place.files.look(path)
        if found is not None and found.kind == "link":
            raise InvalidKeyError("a symbolic link stands there, and is not followed", key)
        if found is None or found.kind != "file":
            return None
        self.place.files.require_inside(self.place.base or "/", path.rpartition("/")[0] or "/")
        return found

    def _write_new(self, temporary: str, data: bytes, *, durable: bool) -> None:
        files = self.place.files
        stream = files.open_new(temporary)
        try:
            files.write(stream, data)
        except BaseException:
            with contextlib.suppress(Exception):
                stream.close()
            raise
        files.finish(stream, durable=durable)

    def _require(self, path: str, key: str, temporary: str, *, if_absent: bool, if_version: str | None) -> bool:
        files = self.place.files
        if if_absent and files.is_exclusive:
            try:
                files.move_new(temporary, path)
            except FileExistsError as error:
                raise TargetExistsError("something stands there already", key) from error
            return True
        found = files.look(path) if if_absent or if_version is not None else None
        if if_absent and found is not None:
            raise TargetExistsError("something stands there already", key)
        if if_version is not None and (found is None or found.version_tag != if_version):
            raise TargetExistsError("another version stands there", key)
        return False


def stat_of(key: str, found: Entry) -> ObjectStat:
    """
    Describe a file as every store does.

    :param key: Name below the root.
    :param found: What the file system says.
    :returns: The description.
    """
    return ObjectStat(
        key=key,
        size_bytes=found.size_bytes,
        version_tag=found.version_tag,
        modified_at_epoch=found.modified_at_epoch,
    )


def _is_listed(key: str, found: Entry, prefix: str) -> bool:
    return found.kind == "file" and key.startswith(prefix) and not is_partial_name(key.rpartition("/")[2])
