"""What a source and a sink of bytes are. Behaviour lives elsewhere; this is what later stores are written against."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

Buffer: TypeAlias = bytes | bytearray | memoryview
JsonObject: TypeAlias = "dict[str, Any]"


class SourceStream(Protocol):
    """Bytes of one opened range, in order. A context manager, so that a connection is never left behind."""

    def readinto(self, buffer: memoryview) -> int:
        """
        Fill the beginning of *buffer*.

        :param buffer: Writable, at least one byte long.
        :returns: Number of bytes written; 0 only when the whole range has been delivered.
        :raises SourceError: The range ended early, or what arrives is not what was asked for.
        """

    def close(self) -> None:
        """Give the connection up; harmless when repeated."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


class Source(Protocol):
    """
    One immutable version of some bytes, readable by ranges, from several threads at once.

    ``size_bytes`` is known before anything is written; ``version`` names what must not change between two ranges.
    """

    @property
    def size_bytes(self) -> int:
        """Length of the whole."""

    @property
    def version(self) -> str:
        """A text that differs when the bytes may differ; never a secret."""

    def open(self, start: int, stop: int) -> SourceStream:
        """
        Open the half-open range ``[start, stop)``.

        :param start: First byte, at least 0.
        :param stop: One past the last byte, at most ``size_bytes``.
        :returns: The stream of exactly these bytes.
        :raises SourceError: Status, Content-Range, Content-Length or version are not the expected ones.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectAttributes:
    """What a store may keep beside the bytes; a sink ignores what its ``capabilities`` deny."""

    content_type: str | None = None
    content_disposition: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a sink can do; read by the scheduler of parts."""

    any_order: bool
    resumable: bool
    conditional: bool
    metadata_at_commit: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectStat:
    """What stands under a final name. ``version_tag`` changes whenever the object does."""

    key: str
    size_bytes: int
    version_tag: str
    metadata: Mapping[str, str] | None = None
    modified_at_epoch: float | None = None


class Upload(Protocol):
    """One object on its way: invisible under its final name until :meth:`commit` returns."""

    def put_part(self, index: int, buffer: Buffer, *, crc64nvme: int | None = None) -> None:
        """
        Store part *index*, from any thread; all parts but the last have ``part_bytes`` bytes.

        :param index: From 0; a part may be put again as long as nothing is committed.
        :param buffer: The part; free for reuse when this returns.
        :param crc64nvme: CRC-64/NVME of the part, if the caller has it already.
        :raises SinkError: The store refused it, or the length is not that of this part.
        """

    def done_parts(self) -> frozenset[int]:
        """Indexes of the parts that the store has acknowledged, those of an earlier try included."""

    def part_checksums(self) -> Mapping[int, int]:
        """CRC-64/NVME of the stored parts, as far as they are known; those of an earlier try included."""

    def state(self) -> JsonObject:
        """Plain JSON with which :meth:`Sink.begin` goes on later; no secret in it."""

    def commit(self, *, if_absent: bool = False, checksum: str | None = None) -> ObjectStat:
        """
        Make the object visible under its final name, complete or not at all.

        :param if_absent: Fail instead of replacing an object that stands there already.
        :param checksum: ``"crc64nvme:<16 hex digits>"`` or ``"sha256:<hex>"`` of the whole, for stores that can check.
        :returns: What stands there now.
        :raises TargetExistsError: *if_absent*, and something stands there.
        :raises SinkError: A part is missing, or the store refused.
        """

    def discard(self) -> None:
        """Leave nothing behind; harmless when repeated and after a commit."""


class Sink(Protocol):
    """A place into which objects are written whole."""

    @property
    def capabilities(self) -> Capabilities:
        """What this sink can do."""

    def begin(
        self,
        key: str,
        *,
        size_bytes: int,
        part_bytes: int,
        attributes: ObjectAttributes,
        state: JsonObject | None = None,
    ) -> Upload:
        """
        Begin an object, or go on with one.

        :param key: Name below the root, ``/``-separated, already checked to stay below it.
        :param size_bytes: Length of the whole; 0 is allowed.
        :param part_bytes: Length of every part but the last, at least 1.
        :param attributes: What the store keeps beside the bytes.
        :param state: What :meth:`Upload.state` of an earlier try gave, or None.
        :returns: The upload.
        :raises SinkError: The place can't be written.
        """


class Store(Protocol):
    """Small objects of the same place: manifest, pointers, partial state, verification, clean-up."""

    def stat(self, key: str) -> ObjectStat | None:
        """Describe *key*, or None when nothing stands there."""

    def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """
        Read the half-open range ``[start, stop)``, to the end by default.

        :param key: Name below the root.
        :param start: First byte.
        :param stop: One past the last byte; None is the end.
        :returns: The bytes, fewer where the object ends earlier.
        :raises ObjectMissingError: Nothing stands there.
        """

    def write(self, key: str, data: bytes, *, if_absent: bool = False, if_version: str | None = None) -> ObjectStat:
        """
        Write a small object, atomically.

        :param key: Name below the root.
        :param data: All of it.
        :param if_absent: Only when nothing stands there.
        :param if_version: Only when the object still has this version tag.
        :returns: What stands there now.
        :raises TargetExistsError: A condition does not hold.
        """

    def list(self, prefix: str) -> Iterator[ObjectStat]:
        """List the objects whose key begins with *prefix*, in order of key."""

    def delete(self, key: str) -> None:
        """Delete *key*; harmless when nothing stands there."""
