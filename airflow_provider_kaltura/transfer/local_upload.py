"""One file on its way to a local disk: written under a temporary name beside the target, then renamed."""

from __future__ import annotations

import contextlib
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow_provider_kaltura.transfer import checksum as checksums
from airflow_provider_kaltura.transfer import plan, proofs
from airflow_provider_kaltura.transfer.errors import (
    IncompleteUploadError,
    ObjectMissingError,
    UploadStateError,
    UploadTakenError,
)
from airflow_provider_kaltura.transfer.keys import partial_name, split_key
from airflow_provider_kaltura.transfer.local_leftovers import (
    earlier_name,
    lock,
    recorded_parts,
    require_own,
    reserve,
    take_over,
)
from airflow_provider_kaltura.transfer.local_locks import release
from airflow_provider_kaltura.transfer.local_paths import LocalRoot, failures_named, flush_name, require_replaceable
from airflow_provider_kaltura.transfer.local_store import (
    describe,
    exclusive,
    put_in_place,
    read_range,
    remove,
    write_all,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from airflow_provider_kaltura.transfer.protocols import Buffer, JsonObject, ObjectStat

_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_AGAIN = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC


class LocalUpload:
    """
    One file on its way; the name it has until then is beside its final one.

    :param root: Folder below which it stands.
    :param key: Final name.
    :param size_bytes: Length of the whole.
    :param part_bytes: Length of every part but the last.
    :param state: Of an earlier try, or None.
    :param durable: Flush the file and its folder at commit.
    :param committed: Told about every key that stands under its final name without having been flushed.
    """

    def __init__(
        self,
        root: LocalRoot,
        key: str,
        *,
        size_bytes: int,
        part_bytes: int,
        state: JsonObject | None,
        durable: bool,
        committed: Callable[[str], None],
    ) -> None:
        self._root = root
        self._key = key
        self._size_bytes = size_bytes
        self._part_bytes = part_bytes
        self._durable = durable
        self._committed = committed
        self._checksums: dict[int, int] = {}
        self._recorded: dict[int, int] = {}
        self._idle = threading.Condition()
        self._writers = 0
        self._file: int | None = None
        self._is_reserved = True
        self._temporary = partial_name(split_key(key)[-1]) if state is None else earlier_name(state, self._plan(), key)
        # Until a part is put or the state is asked for, nobody could go on with the file.
        self._is_own = state is None
        try:
            if state is None:
                self._allocate()
            else:
                self._go_on(state)
        except BaseException:
            self._abandon()
            raise

    def put_part(self, index: int, buffer: Buffer, *, crc64nvme: int | None = None) -> None:
        """
        Write part *index* at its place, from any thread.

        :param index: From 0.
        :param buffer: The part; free for reuse when this returns.
        :param crc64nvme: CRC-64/NVME of the part, if the caller has it already.
        :raises SinkError: There is no such part, its length is another, or the disk refused.
        """
        try:
            place = plan.part_range(index, self._size_bytes, self._part_bytes)
        except ValueError as error:
            raise IncompleteUploadError(str(error), self._key) from error
        proofs.part_length(index, place.size_bytes, len(buffer), self._key)
        value = checksums.crc64nvme(buffer) if crc64nvme is None else crc64nvme
        with self._in_use(shared=True) as descriptor, failures_named(self._key):
            self._require_own(descriptor)
            write_all(descriptor, buffer, place.start)
        with self._idle:
            self._checksums[index] = value
            self._is_own = False

    def done_parts(self) -> frozenset[int]:
        """
        Tell which parts are written.

        :returns: Indexes, those of an earlier try included.
        """
        return frozenset(self.part_checksums())

    def part_checksums(self) -> Mapping[int, int]:
        """
        Tell the CRC-64/NVME of the written parts.

        :returns: By index.
        """
        with self._idle:
            self._prove_recorded()
            return dict(self._checksums)

    @property
    def unreserved_bytes(self) -> int:
        """How much of the file's space has not been taken from the disk yet."""
        with self._idle:
            taken = 0 if self._file is None else os.fstat(self._file).st_blocks * 512
        return max(0, self._size_bytes - taken)

    def state(self) -> JsonObject:
        """
        Give what :meth:`LocalSink.begin` needs to go on later, in any process that sees the same disk.

        A pre-allocated file's length says nothing: only the parts named here count, and each is read back first.

        :returns: Plain JSON.
        """
        self._is_own = False
        parts = {str(index): f"{value:016x}" for index, value in sorted(self.part_checksums().items())}
        return {"sink": "local", "temporary": self._temporary, "parts": parts, **self._plan()}

    def commit(
        self, *, if_absent: bool = False, checksum: str | None = None, metadata: Mapping[str, str] | None = None
    ) -> ObjectStat:
        """
        Give the file its final name, once it is complete and (``durability="file"``) on the disk.

        Should the disk fail at the last step, when the name itself is flushed, the error says so: the file then stands
        whole under its final name, and is replaced or adopted by the next try.

        :param if_absent: Fail instead of replacing what stands there.
        :param checksum: Compared with what the parts' checksums combine to, when it is a crc64nvme.
        :param metadata: Ignored: a disk keeps only bytes.
        :returns: What stands there now.
        :raises TargetExistsError: *if_absent*, and something stands there.
        :raises InvalidKeyError: Something stands there that no file may replace.
        :raises UploadTakenError: Another try has gone on with this file.
        :raises SinkError: A part is missing, or the disk refused.
        :raises IntegrityError: The length or the checksum is another.
        """
        with (
            self._in_use() as descriptor,
            self._root.folder_of(self._key, create=False) as (folder, name),
            failures_named(self._key),
        ):
            self._prove(descriptor, checksum)
            if self._durable:
                os.fsync(descriptor)
            with exclusive(folder) as is_locked:
                require_own(folder, self._temporary, descriptor, self._key)
                with _taken_if_missing(self._key):
                    put_in_place(folder, self._temporary, name, self._key, if_absent=if_absent, is_locked=is_locked)
            found = describe(self._key, os.fstat(descriptor))
            if self._durable:
                flush_name(folder, self._key)
            else:
                self._committed(self._key)
        self._close()
        return found

    def close(self) -> None:
        """Give the file up and leave it there for another try; harmless when repeated."""
        self._close()

    def discard(self) -> None:
        """Leave nothing behind; harmless when repeated and after a commit."""
        self._close()
        try:
            with self._root.folder_of(self._key, create=False) as (folder, _), failures_named(self._key):
                remove(folder, self._temporary)
        except ObjectMissingError:
            return

    def __del__(self) -> None:
        # An interruption may come when the caller doesn't hold the upload yet, and can't discard it.
        if getattr(self, "_file", None) is not None:
            self._abandon()

    def _abandon(self) -> None:
        self._close()
        if self._is_own:
            # Whatever ends the upload is what counts.
            with contextlib.suppress(Exception):
                self.discard()

    def _plan(self) -> dict[str, int]:
        return {"size_bytes": self._size_bytes, "part_bytes": self._part_bytes}

    def _prove(self, descriptor: int, checksum: str | None) -> None:
        values = self.part_checksums()
        count = plan.part_count(self._size_bytes, self._part_bytes)
        proofs.all_parts(count - len(values), self._key)
        proofs.object_length(self._size_bytes, os.fstat(descriptor).st_size, "the file read back")
        if checksum is not None and checksum.startswith("crc64nvme:"):
            sizes = (plan.part_range(index, self._size_bytes, self._part_bytes).size_bytes for index in range(count))
            whole = checksums.combine_crc64nvme((values[index], size) for index, size in enumerate(sizes))
            proofs.object_checksum(checksum, checksums.format_crc64nvme(whole), "the parts of the file")

    def _allocate(self) -> None:
        with self._root.folder_of(self._key, create=True) as (folder, name), failures_named(self._key):
            # What can't get its name at the end is told before the first byte: too long a name, or a folder's.
            require_replaceable(folder, name, self._key)
            self._file = os.open(self._temporary, _NEW, 0o666, dir_fd=folder)
            reserve(self._file, self._size_bytes)

    def _go_on(self, state: JsonObject) -> None:
        try:
            with self._root.folder_of(self._key, create=False) as (folder, _), failures_named(self._key):
                self._temporary = take_over(folder, self._temporary)
                self._file = os.open(self._temporary, _AGAIN, dir_fd=folder)
        except ObjectMissingError as error:
            raise UploadStateError("the recorded temporary file is gone", self._key) from error
        self._recorded = recorded_parts(state, self._key)
        self._is_reserved = False

    def _prove_recorded(self) -> None:
        """Read the parts of an earlier try back, and take their space, once somebody asks; a discard does not."""
        recorded, self._recorded = self._recorded, {}
        descriptor = self._file
        if descriptor is None:
            return
        if not self._is_reserved:
            with failures_named(self._key):
                if os.fstat(descriptor).st_size != self._size_bytes:
                    reserve(descriptor, self._size_bytes)
            self._is_reserved = True
        for index, value in recorded.items():
            place = plan.part_range(index, self._size_bytes, self._part_bytes)
            with failures_named(self._key):
                data = read_range(descriptor, place.start, place.stop)
            if index not in self._checksums and checksums.crc64nvme(data) == value:
                self._checksums[index] = value

    @contextmanager
    def _in_use(self, *, shared: bool = False) -> Iterator[int]:
        with self._idle:
            if self._file is None:
                raise IncompleteUploadError("the upload has ended", self._key)
            descriptor = self._file
            if shared and self._writers == 0:
                # Whoever takes the file over waits for what is being written, and nothing is written after that.
                lock(descriptor, alone=False)
            self._writers += 1
        try:
            yield descriptor
        finally:
            with self._idle:
                self._writers -= 1
                if self._writers == 0:
                    release(descriptor)
                self._idle.notify_all()

    def _require_own(self, descriptor: int) -> None:
        try:
            with self._root.folder_of(self._key, create=False) as (folder, _):
                require_own(folder, self._temporary, descriptor, self._key)
        except ObjectMissingError:
            raise UploadTakenError("the folder of this file is gone", self._key) from None

    def _close(self) -> None:
        with self._idle:
            descriptor, self._file = self._file, None
            # A number closed under a writer may be another file's when it writes.
            self._idle.wait_for(lambda: self._writers == 0)
        if descriptor is not None:
            os.close(descriptor)


@contextmanager
def _taken_if_missing(key: str) -> Iterator[None]:
    """Without locks a clean-up, or another try, may take the temporary name at the last moment."""
    try:
        yield
    except FileNotFoundError as error:
        raise UploadTakenError("another try has gone on with this file, or a clean-up removed it", key) from error
