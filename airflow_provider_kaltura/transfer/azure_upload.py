"""
One blob on its way to Azure Blob Storage: as uncommitted blocks, or, when it is short, with one request at the end.

What proves the bytes: the service checks the length and the Content-MD5 of each block as it arrives, and the list of
blocks, in order, is ours; after the commit the service's own length is compared. The CRC-64/NVME of each part stands in
its block's id, so that whoever goes on has it without reading anything back. (Azure's ``x-ms-content-crc64`` would do
for both, but its client needs another package for it, and the emulator refuses it.)
"""

from __future__ import annotations

import base64
import hashlib
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from azure.core import MatchConditions
from azure.storage.blob import BlobBlock, ContentSettings, StandardBlobTier

from airflow_provider_kaltura.transfer import checksum as checksums
from airflow_provider_kaltura.transfer import plan, proofs
from airflow_provider_kaltura.transfer.azure_errors import ask
from airflow_provider_kaltura.transfer.azure_names import UPLOAD_METADATA, BlockId, metadata_there
from airflow_provider_kaltura.transfer.azure_store import AzurePlace, describe, made_by, put_whole
from airflow_provider_kaltura.transfer.errors import (
    IncompleteUploadError,
    InvalidKeyError,
    SinkError,
    SizeMismatchError,
    UploadTakenError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from azure.core.pipeline import PipelineRequest

    from airflow_provider_kaltura.transfer.protocols import Buffer, JsonObject, ObjectAttributes, ObjectStat

_TIERS: Final = {tier.value.lower(): tier for tier in StandardBlobTier}


class _Upload:
    """
    What both ways have in common.

    :param place: Where it goes.
    :param key: Name below the root.
    :param size_bytes: Length of the whole.
    :param part_bytes: Length of every part but the last.
    :param attributes: What Azure keeps beside the bytes.
    :param tokens: That of this upload, then those of the tries before it that it goes on with.
    """

    def __init__(
        self,
        place: AzurePlace,
        key: str,
        size_bytes: int,
        part_bytes: int,
        attributes: ObjectAttributes,
        tokens: tuple[str, ...],
    ) -> None:
        self._place = place
        self._blob = place.blob(key)
        self._key = key
        self._size_bytes = size_bytes
        self._part_bytes = part_bytes
        self._attributes = attributes
        self._tokens = tokens
        self._kept = _kept_beside(attributes, key)
        # Here rather than at the end, so that a name that Azure can't hold costs nothing.
        self._metadata = metadata_there(attributes.metadata, key)
        self._has_ended = False

    def state(self) -> JsonObject:
        """
        Give what :meth:`AzureSink.begin` needs to go on later.

        :returns: Plain JSON.
        """
        return {
            "sink": "azure",
            "key": self._key,
            "size_bytes": self._size_bytes,
            "part_bytes": self._part_bytes,
            "tokens": list(self._tokens),
        }

    def _require_part(self, index: int, buffer: Buffer) -> memoryview:
        self._require_open()
        try:
            place = plan.part_range(index, self._size_bytes, self._part_bytes)
        except ValueError as error:
            raise IncompleteUploadError(str(error), self._key) from error
        data = memoryview(buffer).cast("B")
        proofs.part_length(index, place.size_bytes, len(data), self._key)
        return data

    def _require_open(self) -> None:
        if self._has_ended:
            raise IncompleteUploadError("the upload has ended", self._key)

    def _metadata_at_commit(self, metadata: Mapping[str, str] | None) -> dict[str, str]:
        return {**self._metadata, **metadata_there(metadata or {}, self._key)}


class AzureSmallUpload(_Upload):
    """
    A blob of at most one part, put with one request by :meth:`commit`; until then nothing of it is in Azure.

    So there is nothing to go on with or to take over either: of two writers the later one wins, whole.

    Memory: one copy of the part, at most ``single_put_bytes``.
    """

    _content: bytes | None = None
    _crc64nvme: int | None = None

    def put_part(self, index: int, buffer: Buffer, *, crc64nvme: int | None = None) -> None:
        """
        Keep the part.

        :param index: 0.
        :param buffer: The part; free for reuse when this returns.
        :param crc64nvme: CRC-64/NVME of the part, if the caller has it already.
        :raises SinkError: There is no such part, or its length is another.
        """
        data = self._require_part(index, buffer)
        self._content = bytes(data)
        self._crc64nvme = checksums.crc64nvme(data) if crc64nvme is None else crc64nvme

    def done_parts(self) -> frozenset[int]:
        """
        Tell which parts are here.

        :returns: Indexes.
        """
        return frozenset(self.part_checksums())

    def part_checksums(self) -> Mapping[int, int]:
        """
        Tell the CRC-64/NVME of the part.

        :returns: By index.
        """
        return {} if self._crc64nvme is None else {0: self._crc64nvme}

    def commit(
        self, *, if_absent: bool = False, checksum: str | None = None, metadata: Mapping[str, str] | None = None
    ) -> ObjectStat:
        """
        Put the blob.

        :param if_absent: Fail instead of replacing what stands there.
        :param checksum: Compared with the bytes, when given.
        :param metadata: Kept besides that of the attributes.
        :returns: What stands there now.
        :raises TargetExistsError: *if_absent*, and something stands there.
        :raises SinkError: The part is missing, or Azure refused.
        :raises ChecksumMismatchError: The checksum is another.
        """
        self._require_open()
        missing = self._size_bytes > 0 and self._content is None
        proofs.all_parts(int(missing), self._key)
        content = self._content or b""
        if checksum is not None:
            name: checksums.ChecksumName = "sha256" if checksum.startswith("sha256:") else "crc64nvme"
            proofs.object_checksum(checksum, checksums.checksum_of(content, name), "the object in memory")
        there = self._metadata_at_commit(metadata)
        stat = put_whole(self._place, self._key, content, there, if_absent=if_absent, **self._kept)
        self.discard()
        return stat

    def discard(self) -> None:
        """Forget the part; harmless when repeated and after a commit."""
        self._has_ended = True
        self._content = None


class AzureUpload(_Upload):
    """
    A blob in blocks, staged in any order and from any thread.

    Memory: nothing but the caller's buffers, which are sent as they are, and about 150 bytes for each part.

    Whoever goes on names the blocks of both in its list; Azure then drops all others of the blob, so that the earlier
    one's list, which takes uncommitted blocks only, is refused. For the same reason the commit of one writer makes all
    others of the same blob fail.

    :param *arguments: See above.
    :param blocks: Those that are stored already, by part.
    """

    def __init__(self, *arguments: Any, blocks: Mapping[int, BlockId]) -> None:
        super().__init__(*arguments)
        self._blocks = dict(blocks)
        scope = {"encryption_scope": self._kept["encryption_scope"]} if "encryption_scope" in self._kept else {}
        self._per_block: dict[str, Any] = scope

    def put_part(self, index: int, buffer: Buffer, *, crc64nvme: int | None = None) -> None:
        """
        Stage a part as a block, from any thread.

        :param index: From 0.
        :param buffer: The part; free for reuse when this returns. It is sent as it is, never copied.
        :param crc64nvme: CRC-64/NVME of the part, if the caller has it already.
        :raises SinkError: There is no such part, its length is another, or Azure refused it.
        """
        data = self._require_part(index, buffer)
        block = BlockId(self._tokens[0], index, checksums.crc64nvme(data) if crc64nvme is None else crc64nvme)
        self._stage(block, data)
        self._blocks[index] = block

    def _stage(self, block: BlockId, data: memoryview) -> None:
        # The client's validate_content would need a copy in bytes; the header is the same.
        digest = hashlib.md5(data, usedforsecurity=False).digest()
        headers = {"Content-MD5": base64.b64encode(digest).decode()}
        content: Any = data
        ask(
            self._key, self._blob.stage_block, str(block), content, length=len(data), headers=headers, **self._per_block
        )

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
        return {index: block.crc64nvme for index, block in self._blocks.copy().items()}

    def commit(
        self, *, if_absent: bool = False, checksum: str | None = None, metadata: Mapping[str, str] | None = None
    ) -> ObjectStat:
        """
        Name the blocks in order, which makes them the blob.

        :param if_absent: Fail instead of replacing what stands there.
        :param checksum: A crc64nvme is compared with that of the blocks.
        :param metadata: Kept besides that of the attributes.
        :returns: What stands there now.
        :raises TargetExistsError: *if_absent*, and something stands there.
        :raises UploadTakenError: Another try, or another writer, has committed this blob meanwhile.
        :raises SinkError: A part is missing, or Azure refused.
        :raises ChecksumMismatchError: The checksum is another.
        :raises SizeMismatchError: Azure has put together another length; the blob was removed again.
        """
        self._require_open()
        count = plan.part_count(self._size_bytes, self._part_bytes)
        proofs.all_parts(count - len(self._blocks), self._key)
        if checksum is not None and checksum.startswith("crc64nvme:"):
            proofs.object_checksum(checksum, self._checksum(count), "the parts that Azure has")
        there = self._metadata_at_commit(metadata) | {UPLOAD_METADATA: self._tokens[0]}
        options = {**self._kept, "metadata": there, "raw_request_hook": _require_uncommitted}
        if if_absent:
            options["match_condition"] = MatchConditions.IfMissing
        blocks = [_uncommitted(self._blocks[index]) for index in range(count)]
        try:
            answer = ask(self._key, self._blob.commit_block_list, blocks, validate_content=True, **options)
        except SinkError as error:
            # The client makes a request again when no answer came: the second is refused although the first was obeyed.
            stat = made_by(self._place, self._blob, self._key, self._tokens[0])
            if stat is None:
                self._has_ended = isinstance(error, UploadTakenError)
                raise
        else:
            stat = self._proved(answer["etag"])
        self._has_ended = True
        return stat

    def _checksum(self, count: int) -> str:
        sizes = (plan.part_range(index, self._size_bytes, self._part_bytes).size_bytes for index in range(count))
        pairs = ((self._blocks[index].crc64nvme, size) for index, size in enumerate(sizes))
        return checksums.format_crc64nvme(checksums.combine_crc64nvme(pairs))

    def _proved(self, etag: object) -> ObjectStat:
        found = self._place.properties(self._blob, self._key)
        if found is None or found.etag != etag:
            raise UploadTakenError("another writer has replaced or deleted this object at once", self._key)
        try:
            proofs.object_length(self._size_bytes, found.size, "the blob")
        except SizeMismatchError:
            ask(self._key, self._blob.delete_blob, etag=etag, match_condition=MatchConditions.IfNotModified)
            raise
        return describe(self._key, found)

    def discard(self) -> None:
        """
        End the upload; harmless when repeated and after a commit.

        Azure drops uncommitted blocks by itself, 7 days after the last one came, and has no request for it: a list
        without them would make a blob, or destroy the one that stands. A block of one byte more marks the upload as
        ended, so that nobody goes on with it, and another one the try that it went on with, whose state is recorded.

        :raises SinkError: Azure refused the mark.
        """
        if self._has_ended:
            return
        self._has_ended = True
        if self._blocks:
            for token in self._tokens[:2]:
                self._stage(BlockId.of_end(token), memoryview(b"\0"))


def _uncommitted(block: BlockId) -> BlobBlock:
    """Name a block as an uncommitted one."""
    # The client (12.31) compares the state's value with "uncommitted", but that of its own constant is "Uncommitted":
    # with this one every block would be sent as "latest", and a list that names committed blocks would be obeyed.
    state: Any = SimpleNamespace(value="uncommitted")
    return BlobBlock(str(block), state=state)


def _require_uncommitted(request: PipelineRequest[Any]) -> None:
    """Refuse to send a list that would take committed blocks too, should the client change; see above."""
    body = request.http_request.body
    if b"<Latest" in (body if isinstance(body, bytes) else str(body).encode()):
        raise SinkError("this version of azure-storage-blob can't name uncommitted blocks; install another one")


def _kept_beside(attributes: ObjectAttributes, key: str) -> dict[str, Any]:
    """Say what Azure shall keep beside the bytes, as its client takes it."""
    texts: dict[str, Any] = {
        "content_type": attributes.content_type,
        "content_disposition": attributes.content_disposition,
    }
    for name, text in texts.items():
        if not (text or "").isascii():
            raise InvalidKeyError(f"Azure takes {name} in ASCII only; write filename*=UTF-8''… for other names", key)
    kept: dict[str, Any] = {"content_settings": ContentSettings(**texts)}
    if attributes.tags:
        kept["tags"] = dict(attributes.tags)
    if scope := attributes.options.get("kms_key"):
        kept["encryption_scope"] = scope
    if tier := attributes.options.get("storage_class"):
        if tier.lower() not in _TIERS:
            known = ", ".join(one.value for one in StandardBlobTier)
            raise InvalidKeyError(f"Azure has no storage class {tier!r:.40}; there are {known}", key)
        kept["standard_blob_tier"] = _TIERS[tier.lower()]
    return kept
