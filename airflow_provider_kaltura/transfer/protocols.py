"""What a source and a sink of bytes are. Behaviour lives elsewhere; this is what later stores are written against."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

Buffer: TypeAlias = bytes | bytearray | memoryview
JsonObject: TypeAlias = "dict[str, Any]"
LeftoverKind: TypeAlias = Literal["temporary", "multipart upload", "part", "uncommitted blocks"]


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
    """
    What a sink can do; read by the scheduler of parts.

    :param any_order: Parts may be put in any order and from several threads; otherwise in order, one at a time.
    :param resumable: :meth:`Sink.begin` goes on with the state of an earlier try.
    :param conditional: ``if_absent`` holds against every other writer.
    :param metadata_at_commit: What :meth:`Upload.commit` gets as ``metadata`` is kept.
    :param lists_parts: The store itself tells which parts of an upload it has: recorded state is only the way to it,
        and need be written seldom.
    :param leaves_unmarked: What a killed upload leaves can't be told from that of others by its name: whoever begins
        one above ``single_put_bytes`` must have recorded the key before.
    :param parallel_puts: How many parts worth putting at the same time, from threads of their own; 0 is that of the
        reader.
    :param single_put_bytes: Objects up to this length are put as one part, with one request.
    :param least_part_bytes: Shortest part but the last.
    :param most_parts: How many parts an object may have.
    """

    any_order: bool
    resumable: bool
    conditional: bool
    metadata_at_commit: bool
    lists_parts: bool = False
    leaves_unmarked: bool = False
    parallel_puts: int = 0
    single_put_bytes: int = 0
    least_part_bytes: int = 1
    most_parts: int = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectStat:
    """
    What stands under a final name. ``version_tag`` changes whenever the object does.

    ``checksum`` is the store's own record of the whole object in our form (``"crc64nvme:…"``), None where it has none.
    A listing may leave ``metadata`` and ``checksum`` out.
    """

    key: str
    size_bytes: int
    version_tag: str
    metadata: Mapping[str, str] | None = None
    modified_at_epoch: float | None = None
    checksum: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """
    Something that an upload left in the place without a final name.

    :param kind: What it is.
    :param key: Final name below the root that it was for, or its own name where that is not known.
    :param handle: What :meth:`Sink.remove_leftover` needs to find it; not a secret.
    :param touched_at_epoch: When it was begun or last written to, in seconds; None when the place doesn't tell.
    :param size_bytes: How much it holds, None when the place doesn't tell.
    :param is_marked: Its name shows that it is ours; otherwise only recorded state that names its key does.
    :param is_removable: False where only the service itself drops it (Azure's uncommitted blocks, after 7 days).
    """

    kind: LeftoverKind
    key: str
    handle: str
    touched_at_epoch: float | None = None
    size_bytes: int | None = None
    is_marked: bool = True
    is_removable: bool = True


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

    def commit(
        self, *, if_absent: bool = False, checksum: str | None = None, metadata: Mapping[str, str] | None = None
    ) -> ObjectStat:
        """
        Make the object visible under its final name, complete or not at all.

        :param if_absent: Fail instead of replacing an object that stands there already.
        :param checksum: ``"crc64nvme:<16 hex digits>"`` or ``"sha256:<hex>"`` of the whole, for stores that can check.
        :param metadata: Kept besides that of the attributes, where ``metadata_at_commit``; ignored elsewhere.
        :returns: What stands there now.
        :raises TargetExistsError: *if_absent*, and something stands there.
        :raises UploadTakenError: Another try has gone on with this upload.
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

        Whoever goes on with an upload takes it over: once the later one has committed, the earlier one can't.

        :param key: Name below the root, ``/``-separated, already checked to stay below it.
        :param size_bytes: Length of the whole; 0 is allowed.
        :param part_bytes: Length of every part but the last, at least 1.
        :param attributes: What the store keeps beside the bytes.
        :param state: What :meth:`Upload.state` of an earlier try gave, or None.
        :returns: The upload.
        :raises UploadStateError: *state* can't be gone on with; begin without it.
        :raises SinkError: The place can't be written.
        """

    def leftovers(self) -> Iterator[Leftover]:
        """
        List what uploads have left below the root without a final name, that of other programs included.

        :returns: In no order; those under way at this moment are among them.
        :raises SinkError: The place can't be listed.
        """

    def remove_leftover(self, leftover: Leftover) -> None:
        """
        Remove what :meth:`leftovers` listed; harmless when it is gone.

        :param leftover: A removable one.
        :raises SinkError: The place refused.
        """

    def free_bytes(self) -> int | None:
        """
        Tell how many bytes still fit.

        :returns: None when the place can't say.
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

    def write(
        self,
        key: str,
        data: bytes,
        *,
        if_absent: bool = False,
        if_version: str | None = None,
        durable: bool = True,
    ) -> ObjectStat:
        """
        Write a small object, atomically.

        :param key: Name below the root.
        :param data: All of it.
        :param if_absent: Only when nothing stands there.
        :param if_version: Only when the object still has this version tag.
        :param durable: False where a loss of power may take it back, or leave it empty.
        :returns: What stands there now.
        :raises TargetExistsError: A condition does not hold.
        """

    def list(self, prefix: str) -> Iterator[ObjectStat]:
        """List the objects whose key begins with *prefix*, in order of key."""

    def delete(self, key: str) -> None:
        """Delete *key*; harmless when nothing stands there."""
