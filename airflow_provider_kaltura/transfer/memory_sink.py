"""A sink and a store in memory: for tests, and for small things; it behaves as every other sink does."""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from airflow_provider_kaltura.transfer import checksum as checksums
from airflow_provider_kaltura.transfer import plan, proofs
from airflow_provider_kaltura.transfer.errors import (
    IncompleteUploadError,
    ObjectMissingError,
    TargetExistsError,
    UploadStateError,
)
from airflow_provider_kaltura.transfer.keys import split_key
from airflow_provider_kaltura.transfer.protocols import Capabilities, Leftover, ObjectAttributes, ObjectStat

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_provider_kaltura.transfer.protocols import Buffer, JsonObject


@dataclass(slots=True)
class _Partial:
    key: str
    size_bytes: int
    part_bytes: int
    content: bytearray
    checksums: dict[int, int] = field(default_factory=dict)
    touched_at_epoch: float = field(default_factory=time.time)


class MemoryStore:
    """Objects in a dict, safe across threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._objects: dict[str, tuple[bytes, ObjectStat]] = {}
        self._partials: dict[str, _Partial] = {}
        self._versions = 0

    def stat(self, key: str) -> ObjectStat | None:
        """
        Describe *key*.

        :param key: Name below the root.
        :returns: None when nothing stands there.
        :raises InvalidKeyError: The name is none.
        """
        split_key(key)
        with self._lock:
            found = self._objects.get(key)
        return found[1] if found else None

    def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """
        Read the half-open range ``[start, stop)``.

        :param key: Name below the root.
        :param start: First byte.
        :param stop: One past the last byte; None is the end.
        :returns: The bytes, fewer where the object ends earlier.
        :raises ObjectMissingError: Nothing stands there.
        """
        split_key(key)
        with self._lock:
            found = self._objects.get(key)
        if found is None:
            raise ObjectMissingError("nothing stands there", key)
        return found[0][start:stop]

    def write(
        self, key: str, data: bytes, *, if_absent: bool = False, if_version: str | None = None, durable: bool = True
    ) -> ObjectStat:
        """
        Write a small object, atomically.

        :param key: Name below the root.
        :param data: All of it.
        :param if_absent: Only when nothing stands there.
        :param if_version: Only when the object still has this version tag.
        :param durable: Ignored.
        :returns: What stands there now.
        :raises TargetExistsError: A condition does not hold.
        """
        return self._put(key, bytes(data), None, if_absent=if_absent, if_version=if_version)

    def list(self, prefix: str) -> Iterator[ObjectStat]:
        """
        List the objects whose key begins with *prefix*.

        :param prefix: May end within a name; empty is everything.
        :returns: Descriptions in order of key.
        """
        with self._lock:
            found = [stat for key, (_, stat) in self._objects.items() if key.startswith(prefix)]
        return iter(sorted(found, key=lambda stat: stat.key))

    def delete(self, key: str) -> None:
        """
        Delete *key*; harmless when nothing stands there.

        :param key: Name below the root.
        :raises InvalidKeyError: The name is none.
        """
        split_key(key)
        with self._lock:
            self._objects.pop(key, None)

    def _put(
        self,
        key: str,
        data: bytes,
        metadata: Mapping[str, str] | None,
        *,
        if_absent: bool = False,
        if_version: str | None = None,
    ) -> ObjectStat:
        split_key(key)
        with self._lock:
            found = self._objects.get(key)
            if if_absent and found is not None:
                raise TargetExistsError("something stands there already", key)
            if if_version is not None and (found is None or found[1].version_tag != if_version):
                raise TargetExistsError("another version stands there", key)
            self._versions += 1
            stat = ObjectStat(
                key=key,
                size_bytes=len(data),
                version_tag=str(self._versions),
                metadata=metadata,
                modified_at_epoch=time.time(),
            )
            self._objects[key] = (data, stat)
            return stat


class MemoryUpload:
    """One object on its way into a :class:`MemoryStore`."""

    def __init__(self, store: MemoryStore, key: str, token: str, attributes: ObjectAttributes) -> None:
        self._store = store
        self._key = key
        self._token = token
        self._attributes = attributes

    def put_part(self, index: int, buffer: Buffer, *, crc64nvme: int | None = None) -> None:
        """
        Store part *index*, from any thread.

        :param index: From 0.
        :param buffer: The part; free for reuse when this returns.
        :param crc64nvme: CRC-64/NVME of the part, if the caller has it already.
        :raises SinkError: There is no such part, or its length is another.
        """
        partial = self._partial()
        try:
            place = plan.part_range(index, partial.size_bytes, partial.part_bytes)
        except ValueError as error:
            raise IncompleteUploadError(str(error), self._key) from error
        data = bytes(buffer)
        proofs.part_length(index, place.size_bytes, len(data), self._key)
        with self._store._lock:  # noqa: SLF001 - the store's own upload
            # Between the bytes and their checksum an interruption may come: the part is none until both are there.
            partial.checksums.pop(index, None)
            partial.content[place.start : place.start + len(data)] = data
            partial.checksums[index] = checksums.crc64nvme(data) if crc64nvme is None else crc64nvme
            partial.touched_at_epoch = time.time()

    def done_parts(self) -> frozenset[int]:
        """
        Tell which parts are stored.

        :returns: Indexes, those of an earlier try included.
        """
        return frozenset(self.part_checksums())

    def part_checksums(self) -> Mapping[int, int]:
        """
        Tell the CRC-64/NVME of the stored parts.

        :returns: By index.
        """
        with self._store._lock:  # noqa: SLF001 - the store's own upload
            return dict(self._partial().checksums)

    def state(self) -> JsonObject:
        """
        Give what :meth:`MemorySink.begin` needs to go on later, in the same process.

        :returns: Plain JSON.
        """
        return {"sink": "memory", "token": self._token}

    def commit(
        self, *, if_absent: bool = False, checksum: str | None = None, metadata: Mapping[str, str] | None = None
    ) -> ObjectStat:
        """
        Make the object visible under its final name.

        :param if_absent: Fail instead of replacing what stands there.
        :param checksum: Checked against what is stored, when given.
        :param metadata: Kept besides that of the attributes.
        :returns: What stands there now.
        :raises TargetExistsError: *if_absent*, and something stands there.
        :raises SinkError: A part is missing.
        :raises IntegrityError: The length or the checksum is another.
        """
        partial = self._partial()
        expected = plan.part_count(partial.size_bytes, partial.part_bytes)
        proofs.all_parts(expected - len(partial.checksums), self._key)
        content = bytes(partial.content)
        proofs.object_length(partial.size_bytes, len(content), "the object in memory")
        if checksum is not None:
            name: checksums.ChecksumName = "sha256" if checksum.startswith("sha256:") else "crc64nvme"
            proofs.object_checksum(checksum, checksums.checksum_of(content, name), "the object in memory")
        kept = {**self._attributes.metadata, **(metadata or {})}
        stat = self._store._put(self._key, content, kept, if_absent=if_absent)  # noqa: SLF001 - see above
        self.discard()
        return stat

    def discard(self) -> None:
        """Leave nothing behind; harmless when repeated and after a commit."""
        with self._store._lock:  # noqa: SLF001 - the store's own upload
            self._store._partials.pop(self._token, None)  # noqa: SLF001 - see above

    def _partial(self) -> _Partial:
        try:
            return self._store._partials[self._token]  # noqa: SLF001 - the store's own upload
        except KeyError:
            raise IncompleteUploadError("the upload has ended", self._key) from None


class MemorySink:
    """
    Objects in memory.

    :param store: Where they stand; a new :class:`MemoryStore` by default.
    """

    capabilities = Capabilities(any_order=True, resumable=True, conditional=True, metadata_at_commit=True)

    def __init__(self, store: MemoryStore | None = None) -> None:
        self.store = store or MemoryStore()

    def begin(
        self,
        key: str,
        *,
        size_bytes: int,
        part_bytes: int,
        attributes: ObjectAttributes | None = None,
        state: JsonObject | None = None,
    ) -> MemoryUpload:
        """
        Begin an object, or go on with one.

        :param key: Name below the root.
        :param size_bytes: Length of the whole; 0 is allowed.
        :param part_bytes: Length of every part but the last, at least 1.
        :param attributes: Its ``metadata`` is kept.
        :param state: What :meth:`MemoryUpload.state` gave, or None.
        :returns: The upload.
        :raises UploadStateError: *state* is for another object, or gone.
        """
        split_key(key)
        plan.part_count(size_bytes, part_bytes)
        attributes = replace(attributes) if attributes else ObjectAttributes()
        if state is None:
            token = secrets.token_hex(8)
            partial = _Partial(key, size_bytes, part_bytes, bytearray(size_bytes))
            self.store._partials[token] = partial  # noqa: SLF001 - the sink's own store
            return MemoryUpload(self.store, key, token, attributes)
        token = str(state.get("token"))
        earlier = self.store._partials.get(token)  # noqa: SLF001 - the sink's own store
        if earlier is None or (earlier.key, earlier.size_bytes, earlier.part_bytes) != (key, size_bytes, part_bytes):
            raise UploadStateError("the recorded upload is gone, or is for another object", key)
        with self.store._lock:  # noqa: SLF001 - see above
            taken = secrets.token_hex(8)
            self.store._partials[taken] = self.store._partials.pop(token)  # noqa: SLF001 - see above
        return MemoryUpload(self.store, key, taken, attributes)

    def leftovers(self) -> Iterator[Leftover]:
        """
        List the uploads under way.

        :returns: One for each.
        """
        with self.store._lock:  # noqa: SLF001 - see above
            found = list(self.store._partials.items())  # noqa: SLF001 - see above
        return (
            Leftover(
                kind="temporary",
                key=partial.key,
                handle=token,
                touched_at_epoch=partial.touched_at_epoch,
                size_bytes=partial.size_bytes,
            )
            for token, partial in found
        )

    def remove_leftover(self, leftover: Leftover) -> None:
        """
        End an upload.

        :param leftover: One of :meth:`leftovers`.
        """
        with self.store._lock:  # noqa: SLF001 - see above
            self.store._partials.pop(leftover.handle, None)  # noqa: SLF001 - see above

    def free_bytes(self) -> int | None:
        """
        Tell how many bytes still fit.

        :returns: None: memory doesn't say.
        """
        return None
