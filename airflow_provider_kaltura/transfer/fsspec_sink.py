"""Whole files on any file system of fsspec: written under a temporary name beside the target, proved, then renamed."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

from airflow_provider_kaltura.transfer import checksum as checksums
from airflow_provider_kaltura.transfer import plan, proofs
from airflow_provider_kaltura.transfer.errors import (
    IncompleteUploadError,
    SinkError,
    TargetExistsError,
    UploadStateError,
)
from airflow_provider_kaltura.transfer.fsspec_files import FsspecFiles, failures_named
from airflow_provider_kaltura.transfer.fsspec_store import FsspecPlace, FsspecStore
from airflow_provider_kaltura.transfer.keys import is_aside_of_none, is_partial_name, split_key
from airflow_provider_kaltura.transfer.protocols import Capabilities, Leftover

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_provider_kaltura.transfer.protocols import Buffer, JsonObject, ObjectAttributes, ObjectStat


class FsspecUpload:
    """
    One file on its way: its parts come in order, from the first; the first one again begins the file anew.

    The stream of the file system only ever has the temporary name. Should anything happen, it is closed, whatever it
    then writes, and that name is removed.

    :param place: Folder below which it stands.
    :param key: Final name.
    :param size_bytes: Length of the whole.
    :param part_bytes: Length of every part but the last.
    """

    def __init__(self, place: FsspecPlace, key: str, *, size_bytes: int, part_bytes: int) -> None:
        self._place = place
        self._key = key
        self._size_bytes = size_bytes
        self._part_bytes = part_bytes
        self._checksums: list[int] = []
        self._lock = threading.RLock()
        self._stream: Any = None
        self._is_broken = False
        self._has_ended = False
        with failures_named(key):
            self._path, self._temporary = place.prepare(key)
            self._begin_file()

    def put_part(self, index: int, buffer: Buffer, *, crc64nvme: int | None = None) -> None:
        """
        Write the next part, or the first one again.

        :param index: From 0.
        :param buffer: The part; free for reuse when this returns.
        :param crc64nvme: CRC-64/NVME of the part, if the caller has it already.
        :raises SinkError: It is not the part's turn, its length is another, or the file system refused.
        """
        try:
            part = plan.part_range(index, self._size_bytes, self._part_bytes)
        except ValueError as error:
            raise IncompleteUploadError(str(error), self._key) from error
        proofs.part_length(index, part.size_bytes, len(buffer), self._key)
        value = checksums.crc64nvme(buffer) if crc64nvme is None else crc64nvme
        with self._lock, failures_named(self._key):
            self._require_going(index)
            if index == 0 and (self._checksums or self._is_broken):
                self._drop_file()
                self._begin_file()
            self._is_broken = True
            self._place.files.write(self._stream, buffer)
            self._is_broken = False
            self._checksums.append(value)

    def done_parts(self) -> frozenset[int]:
        """
        Tell which parts are written.

        :returns: Indexes.
        """
        with self._lock:
            return frozenset(range(len(self._checksums)))

    def part_checksums(self) -> Mapping[int, int]:
        """
        Tell the CRC-64/NVME of the written parts.

        :returns: By index.
        """
        with self._lock:
            return dict(enumerate(self._checksums))

    def state(self) -> JsonObject:
        """
        Give nothing that could be gone on with.

        :returns: Plain JSON, which :meth:`FsspecSink.begin` refuses.
        """
        return {"sink": "fsspec"}

    def commit(
        self, *, if_absent: bool = False, checksum: str | None = None, metadata: Mapping[str, str] | None = None
    ) -> ObjectStat:
        """
        Close the file, prove its length (and, with ``read_back``, its bytes), and give it its final name.

        :param if_absent: Fail instead of replacing what stands there; only where ``capabilities.conditional``.
        :param checksum: Compared with what the parts' checksums combine to, when it is a crc64nvme.
        :param metadata: Ignored.
        :returns: What stands there now.
        :raises TargetExistsError: *if_absent*, and something stands there.
        :raises UploadTakenError: The temporary file is gone.
        :raises SinkError: A part is missing, or the file system refused.
        :raises IntegrityError: The length or the checksum is another.
        """
        with self._lock, failures_named(self._key):
            count = plan.part_count(self._size_bytes, self._part_bytes)
            if self._has_ended or self._is_broken:
                raise IncompleteUploadError("the upload has ended, or a part of it could not be written", self._key)
            proofs.all_parts(count - len(self._checksums), self._key)
            whole = self._whole(count)
            if checksum is not None and checksum.startswith("crc64nvme:"):
                proofs.object_checksum(checksum, checksums.format_crc64nvme(whole), "the parts of the file")
            self._finish_file()
            self._place.prove(self._temporary, self._size_bytes, whole, "the file read back")
            if if_absent:
                self._put_new()
            else:
                self._place.put_in_place(self._temporary, self._path, self._key, self._size_bytes, whole)
            self._has_ended = True
            return self._place.describe(self._key, self._size_bytes)

    def discard(self) -> None:
        """Leave nothing behind but folders; harmless when repeated and after a commit."""
        with self._lock, failures_named(self._key):
            if not self._has_ended:
                self._drop_file()
                self._has_ended = True

    def _whole(self, count: int) -> int:
        sizes = (plan.part_range(index, self._size_bytes, self._part_bytes).size_bytes for index in range(count))
        return checksums.combine_crc64nvme(zip(self._checksums, sizes, strict=True))

    def _require_going(self, index: int) -> None:
        if self._has_ended:
            raise IncompleteUploadError("the upload has ended", self._key)
        if index != 0 and (self._is_broken or index != len(self._checksums)):
            raise SinkError(
                f"this file system takes parts in order: not part {index} after {len(self._checksums)} parts", self._key
            )

    def _put_new(self) -> None:
        files = self._place.files
        if not files.is_exclusive:
            raise SinkError(
                "this file system can't promise to replace nothing; choose to replace or to skip", self._key
            )
        try:
            files.move_new(self._temporary, self._path)
        except FileExistsError as error:
            raise TargetExistsError("something stands there already", self._key) from error

    def _begin_file(self) -> None:
        try:
            self._stream = self._place.files.open_new(self._temporary)
        except BaseException:
            # The file may be there although its opening failed. Whatever ended this is what counts.
            with contextlib.suppress(Exception):
                self._place.files.remove(self._temporary)
            raise
        self._is_broken = False

    def _finish_file(self) -> None:
        if self._stream is None:
            return
        self._is_broken = True
        self._place.files.finish(self._stream, durable=True)
        self._stream, self._is_broken = None, False

    def _drop_file(self) -> None:
        stream, self._stream = self._stream, None
        self._checksums, self._is_broken = [], True
        if stream is not None:
            # What can't be closed may still be removed.
            with contextlib.suppress(Exception):
                stream.close()
        self._place.files.remove(self._temporary)


class FsspecSink:
    """
    Whole files below one folder of a file system.

    Memory, for each upload, besides the caller's part: any file system 1 MiB and its stream's block (fsspec: 5 MiB, as
    long as it is being sent); SFTP at most ``2 x part_bytes``, since a part waits in packets, and enciphered, for its
    acknowledgement (measured: as much as one part, for 32 MiB as for 256). Reading back takes another 8 MiB.

    Not resumable: a file system shows a cut stream's bytes or not as it likes.

    :param files: The file system; see there for what replaces atomically and which are ``conditional``.
    :param base: Absolute path of the folder in it; made when the first file is begun.
    :param read_back: Read each file back before it gets its name, and compare checksums: for file systems whose
        transport doesn't prove the bytes.
    """

    def __init__(self, files: FsspecFiles, base: str, *, read_back: bool = False) -> None:
        self.place = FsspecPlace(files, base, read_back=read_back)
        self.store = FsspecStore(self.place)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.place.base!r})"

    @property
    def capabilities(self) -> Capabilities:
        """What this sink can do; SFTP is asked at the first time whether it has hard links."""
        with failures_named(None):
            return Capabilities(
                any_order=False,
                resumable=False,
                conditional=self.place.files.is_exclusive,
                metadata_at_commit=False,
            )

    def begin(
        self,
        key: str,
        *,
        size_bytes: int,
        part_bytes: int,
        attributes: ObjectAttributes | None = None,
        state: JsonObject | None = None,
    ) -> FsspecUpload:
        """
        Begin a file.

        :param key: Name below the root.
        :param size_bytes: Length of the whole; 0 is allowed.
        :param part_bytes: Length of every part but the last, at least 1.
        :param attributes: Ignored.
        :param state: None: nothing can be gone on with.
        :returns: The upload.
        :raises UploadStateError: *state* was given.
        :raises InvalidKeyError: The name is none, leads out of the root, or is that of a folder.
        :raises SinkError: The place can't be written.
        """
        split_key(key)
        plan.part_count(size_bytes, part_bytes)
        if state is not None:
            raise UploadStateError("this file system can't go on with a file", key)
        return FsspecUpload(self.place, key, size_bytes=size_bytes, part_bytes=part_bytes)

    def leftovers(self) -> Iterator[Leftover]:
        """
        List temporary files of ours below the root; not what a killed replacement has put aside and never replaced.

        :returns: In order of their names; ``key`` is the temporary name, since the final one is not known.
        """
        return (
            Leftover(
                kind="temporary",
                key=key,
                handle=key,
                touched_at_epoch=found.modified_at_epoch,
                size_bytes=found.size_bytes,
            )
            for key, found in self.store.walk()
            if found.kind == "file" and is_partial_name(key.rpartition("/")[2]) and not self._is_all_that_is_left(key)
        )

    def remove_leftover(self, leftover: Leftover) -> None:
        """
        Remove a temporary file.

        :param leftover: One of :meth:`leftovers`.
        :raises SinkError: Its name is not one of ours, or the file system refused.
        """
        folder, slash, name = leftover.handle.rpartition("/")
        if not is_partial_name(name):
            raise SinkError("this is no temporary file of ours", leftover.handle)
        split_key(f"{folder}{slash}file")
        if self._is_all_that_is_left(leftover.handle):
            raise SinkError("the file that this one was before is missing: it is kept", leftover.handle)
        with failures_named(leftover.handle):
            self.place.files.remove(f"{self.place.base}/{leftover.handle}")

    def _is_all_that_is_left(self, key: str) -> bool:
        folder, _, name = key.rpartition("/")
        # Any other name is told by itself, without a look at the folder.
        if not is_aside_of_none(name, ()):
            return False
        with failures_named(key):
            found = self.place.files.entries(f"{self.place.base}/{folder}".rstrip("/") or "/")
        return is_aside_of_none(name, (one.name for one in found if one.kind == "file"))

    def free_bytes(self) -> int | None:
        """
        Tell how many bytes still fit.

        :returns: None when the place can't say.
        """
        with failures_named(None):
            return self.place.files.free_bytes(self.place.base or "/")
