"""
An upload to Google Cloud Storage in parts: temporary objects that are composed, 32 at a time, in a tree.

A resumable session of the service takes bytes in order only; objects may come in any order, from any worker, and are
joined by the service without moving a byte. Names in ``_kaltura/partial/`` below the root tell everything: a hash of
what the upload is for, its token, and of each part its number and CRC-64/NVME. Length and CRC32C are the service's.

Who may commit is told by one more, empty object, the upload's flag. Whoever goes on with an upload writes the flag
again, on condition that it is the one just read: of two, one wins. A commit looks whether the flag is still the one
that this try wrote, then composes exactly the generations that it knows. The one who commits deletes the flag first,
then all else of this token, so that nobody's earlier try finds flag or parts any more. Between the look and the compose
an earlier try that is held up just there could still write: the same bytes of the same version, proved as ever.

All temporary objects have the storage class and the key of the final one: the service composes within one class. In a
bucket with soft deletion they are paid for until the service drops them; classes with a least age are charged for it.
"""

from __future__ import annotations

import base64
import logging
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_kaltura.transfer import checksum as checksums
from airflow_provider_kaltura.transfer import plan, proofs
from airflow_provider_kaltura.transfer.errors import IncompleteUploadError, SinkError, UploadTakenError
from airflow_provider_kaltura.transfer.gcs_final import PLAIN_TYPE, whole_checksum
from airflow_provider_kaltura.transfer.gcs_store import (
    PRECONDITION_FAILED,
    combine_crc32c,
    crc32c,
    prove_standing,
    prove_written,
)
from airflow_provider_kaltura.transfer.gcs_wire import encode_crc32c
from airflow_provider_kaltura.transfer.keys import PARTIAL_SUFFIX, partial_piece_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_kaltura.transfer.gcs_final import FinalObject
    from airflow_provider_kaltura.transfer.gcs_wire import Answer
    from airflow_provider_kaltura.transfer.protocols import Buffer, JsonObject, ObjectStat

log = logging.getLogger(__name__)

#: Where everything under way stands, below the root.
FOLDER: Final = "_kaltura/partial/"
#: Objects that one request composes.
MOST_SOURCES: Final = 32
#: Metadata by which a temporary object tells what it is for.
KEY_NAME: Final = "kaltura-key"
_TIDYING_THREADS: Final = 8
_NOT_FOUND: Final = 404
_PART: Final = re.compile(r".*\.p([0-9]{5,7})-([0-9a-f]{16})\.kaltura-partial")


@dataclass(frozen=True, slots=True)
class Piece:
    """
    A temporary object.

    :param name: In the bucket.
    :param generation: Which writing of it.
    :param size_bytes: Its length.
    :param crc32c: Of its bytes.
    :param crc64nvme: Of its bytes.
    """

    name: str
    generation: int
    size_bytes: int
    crc32c: int
    crc64nvme: int


def read_part(found: JsonObject) -> tuple[int, Piece] | None:
    """
    Read a part from a listing.

    :param found: The service's description of an object.
    :returns: Its index and itself, None when it is no part.
    """
    name = str(found["name"])
    match = _PART.fullmatch(name)
    if match is None or "crc32c" not in found:
        return None
    value = int.from_bytes(base64.b64decode(found["crc32c"]), "big")
    piece = Piece(name, int(found["generation"]), int(found["size"]), value, int(match[2], 16))
    return int(match[1]), piece


class GcsUpload:
    """
    One object on its way.

    Memory: nothing of the bytes besides the caller's buffers, which are sent from where they stand; about 300 bytes
    for each part.

    :param final: What shall stand under the key.
    :param part_bytes: Length of every part but the last.
    :param upload: Its own name among the temporary ones.
    :param flag_generation: That of the flag which this try wrote.
    :param parts: Those of an earlier try.
    """

    def __init__(
        self, final: FinalObject, part_bytes: int, upload: str, flag_generation: int, parts: Mapping[int, Piece]
    ) -> None:
        # A later try recognises what an earlier one, killed before the answer came, has committed.
        self._final = replace(final, token=upload.split(".")[2])
        self._client = final.client
        self._part_bytes = part_bytes
        self._count = plan.part_count(final.size_bytes, part_bytes)
        self._upload = upload
        self._flag_generation = flag_generation
        self._parts = dict(parts)
        self._is_ended = False
        self._is_tidied = False
        self._lock = threading.Lock()

    def put_part(self, index: int, buffer: Buffer, *, crc64nvme: int | None = None) -> None:
        """
        Store part *index*, from any thread.

        :param index: From 0.
        :param buffer: The part; free for reuse when this returns.
        :param crc64nvme: CRC-64/NVME of the part, if the caller has it already.
        :raises SinkError: There is no such part, its length is another, or the service refused.
        :raises ChecksumMismatchError: Other bytes arrived.
        """
        data = memoryview(buffer).cast("B")
        self._require_open()
        try:
            place = plan.part_range(index, self._final.size_bytes, self._part_bytes)
        except ValueError as error:
            raise IncompleteUploadError(str(error), self._final.key) from error
        proofs.part_length(index, place.size_bytes, len(data), self._final.key)
        narrow, wide = crc32c(data), checksums.crc64nvme(data) if crc64nvme is None else crc64nvme
        description = self._describe(f"p{index:05d}-{wide:016x}")
        answer = self._client.insert({**description, "crc32c": encode_crc32c(narrow)}, data, self._params())
        piece = self._prove(answer, Piece(description["name"], 0, len(data), narrow, wide))
        with self._lock:
            before = self._parts.get(index)
            self._parts[index] = piece
        if before is not None and before.name != piece.name:
            self._client.delete(before.name, before.generation)

    def done_parts(self) -> frozenset[int]:
        """
        Tell which parts are stored.

        :returns: Indexes, those of an earlier try included.
        """
        with self._lock:
            return frozenset(self._parts)

    def part_checksums(self) -> Mapping[int, int]:
        """
        Tell the CRC-64/NVME of the stored parts.

        :returns: By index.
        """
        with self._lock:
            return {index: piece.crc64nvme for index, piece in self._parts.items()}

    def state(self) -> JsonObject:
        """
        Give what :meth:`GcsSink.begin` needs to go on later.

        :returns: Plain JSON; ``upload`` is what the names of all temporary objects begin with, so that a clean-up sees
            whose they are.
        """
        return {"sink": "gcs", "upload": stem_of(self._upload)}

    def commit(
        self, *, if_absent: bool = False, checksum: str | None = None, metadata: Mapping[str, str] | None = None
    ) -> ObjectStat:
        """
        Compose the object under its final name.

        :param if_absent: Fail instead of replacing what stands there.
        :param checksum: Compared with that of the parts.
        :param metadata: Kept besides that of the attributes.
        :returns: What stands there now.
        :raises TargetExistsError: *if_absent*, and something stands there.
        :raises UploadTakenError: Another try has gone on with this upload, or a clean-up has removed it.
        :raises ChecksumMismatchError: The whole is not what the parts are.
        :raises SinkError: A part is missing, or the service refused.
        """
        self._require_open()
        with self._lock:
            pieces = [self._parts[index] for index in sorted(self._parts)]
        proofs.all_parts(self._count - len(pieces), self._final.key)
        whole_checksum(checksum, [(piece.crc64nvme, piece.size_bytes) for piece in pieces])
        nodes, value = self._join(pieces), _combine(pieces)
        description = self._final.description(metadata)
        params = self._final.params("destinationPredefinedAcl", if_absent=if_absent)
        sources = [(node.name, node.generation) for node in nodes]

        def send() -> Answer:
            self._require_flag()
            return self._client.compose(description, sources, params, repeat=False)

        stat, answer = self._final.write(send, value, if_absent=if_absent)
        if stat is None:
            # A source of another generation is 404 or 412, as the service likes.
            if answer.status not in {_NOT_FOUND, PRECONDITION_FAILED}:
                self._client.require(answer, self._final.name)
            raise self._taken()
        self._is_ended = True
        self._tidy()
        return stat

    def discard(self) -> None:
        """
        Leave nothing behind; harmless when repeated and after a commit.

        What another try has taken over is left to that one. A commit or a discard that broke off is gone on with.
        """
        if self._is_tidied:
            return
        self._is_ended = True
        flag = self._client.get(self._flag)
        if flag is None or int(flag["generation"]) == self._flag_generation:
            self._tidy()

    @property
    def _flag(self) -> str:
        return flag_name(self._final.prefix, self._upload)

    def _require_open(self) -> None:
        if self._is_ended:
            raise IncompleteUploadError("the upload has ended", self._final.key)

    def _require_flag(self) -> None:
        flag = self._client.get(self._flag)
        if flag is None:
            raise self._taken()
        if int(flag["generation"]) != self._flag_generation:
            raise UploadTakenError("another try has gone on with this upload", self._final.key)

    def _describe(self, piece: str) -> JsonObject:
        return describe_temporary(self._final, self._upload, piece)

    def _params(self) -> dict[str, Any]:
        return temporary_params(self._final)

    def _prove(self, answer: Answer, piece: Piece) -> Piece:
        """Prove a temporary object; one that stands already is as good, since its name says what is in it."""
        client, name = self._client, piece.name
        if answer.status == PRECONDITION_FAILED:
            found = client.get(name)
            if found is None:
                raise self._taken()
            found = prove_standing(client, found, name, piece.size_bytes, piece.crc32c)
        else:
            found = prove_written(client, answer, name, piece.size_bytes, piece.crc32c)
        return replace(piece, generation=int(found["generation"]))

    def _taken(self) -> UploadTakenError:
        return UploadTakenError("another try has finished this upload, or a clean-up removed it", self._final.key)

    def _join(self, pieces: Sequence[Piece]) -> list[Piece]:
        """Compose 32 pieces to one until at most 32 are left."""
        nodes, level = list(pieces), 0
        if len(nodes) > MOST_SOURCES:
            self._require_flag()
        while len(nodes) > MOST_SOURCES:
            groups = [nodes[start : start + MOST_SOURCES] for start in range(0, len(nodes), MOST_SOURCES)]
            with ThreadPoolExecutor(_TIDYING_THREADS) as threads:
                numbers = range(len(groups))
                nodes = list(threads.map(self._compose, [level] * len(groups), numbers, groups))
            level += 1
        return nodes

    def _compose(self, level: int, number: int, group: Sequence[Piece]) -> Piece:
        if len(group) == 1:
            return group[0]
        wide = checksums.combine_crc64nvme((one.crc64nvme, one.size_bytes) for one in group)
        description = self._describe(f"c{level}-{number:05d}-{wide:016x}")
        sources = [(one.name, one.generation) for one in group]
        answer = self._client.compose(description, sources, self._params())
        if answer.status == _NOT_FOUND:
            raise self._taken()
        size = sum(one.size_bytes for one in group)
        return self._prove(answer, Piece(description["name"], 0, size, _combine(group), wide))

    def _tidy(self) -> None:
        """Delete the flag, then all else; what can't be deleted now is left to the clean-up."""
        try:
            self._client.delete(self._flag, self._flag_generation)
            stem = self._final.prefix + FOLDER + stem_of(self._upload) + "."
            with ThreadPoolExecutor(_TIDYING_THREADS) as threads:
                list(threads.map(self._delete, self._client.list(stem)))
            self._is_tidied = True
        except SinkError as error:
            log.warning("Temporary objects were left to the clean-up: %s", error)

    def _delete(self, found: JsonObject) -> None:
        self._client.delete(str(found["name"]), int(found["generation"]))


def describe_temporary(final: FinalObject, upload: str, piece: str) -> JsonObject:
    """
    Describe a temporary object as the service wants to hear it.

    :param final: What it is for.
    :param upload: The upload's own name.
    :param piece: Which of its objects.
    :returns: Without what follows from the bytes.
    """
    description = {
        "name": final.prefix + FOLDER + partial_piece_name(upload, piece),
        "contentType": PLAIN_TYPE,
        "metadata": {KEY_NAME: final.key},
    }
    storage_class = final.attributes.options.get("storage_class")
    return {**description, "storageClass": storage_class} if storage_class else description


def stem_of(upload: str) -> str:
    """
    Give what the names of an upload's temporary objects begin with.

    :param upload: The upload's own name.
    :returns: The hash of what it is for, and its token.
    """
    return upload.removesuffix(PARTIAL_SUFFIX)


def temporary_params(final: FinalObject) -> dict[str, Any]:
    """
    Give the parameters of a request that writes a temporary object.

    :param final: What it is for.
    :returns: By name; it is only created, never replaced, so that the request may be repeated.
    """
    kms_key = final.attributes.options.get("kms_key")
    return {"ifGenerationMatch": "0", **({"kmsKeyName": kms_key} if kms_key else {})}


def flag_name(prefix: str, upload: str) -> str:
    """
    Name the flag of an upload.

    :param prefix: That of the root.
    :param upload: The upload's own name.
    :returns: Name in the bucket.
    """
    return prefix + FOLDER + partial_piece_name(upload, "flag")


def _combine(pieces: Sequence[Piece]) -> int:
    whole = 0
    for piece in pieces:
        whole = combine_crc32c(whole, piece.crc32c, piece.size_bytes)
    return whole
