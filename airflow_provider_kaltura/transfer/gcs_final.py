"""Objects of Google Cloud Storage under their final name: written once, recognised when the answer was lost."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_kaltura.transfer import checksum as checksums
from airflow_provider_kaltura.transfer import plan, proofs
from airflow_provider_kaltura.transfer.errors import IncompleteUploadError, TargetExistsError
from airflow_provider_kaltura.transfer.gcs_store import (
    PRECONDITION_FAILED,
    TOKEN_NAME,
    crc32c,
    is_of,
    prove_standing,
    prove_written,
)
from airflow_provider_kaltura.transfer.gcs_store import stat_of as _stat_of
from airflow_provider_kaltura.transfer.gcs_wire import encode_crc32c

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_kaltura.transfer.gcs_client import GcsClient
    from airflow_provider_kaltura.transfer.gcs_wire import Answer
    from airflow_provider_kaltura.transfer.protocols import Buffer, JsonObject, ObjectAttributes, ObjectStat

#: Up to this length an object is one request; it is kept in memory until its commit.
SINGLE_PUT_BYTES: Final = 16 * 1024 * 1024
PLAIN_TYPE: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalObject:
    """
    What shall stand under a key.

    :param client: The bucket.
    :param prefix: That of the root.
    :param key: Name below the root.
    :param size_bytes: Length of the whole.
    :param attributes: What is kept beside the bytes.
    :param token: Kept with the object, so that who wrote it, and whoever goes on with the same upload, recognises it.
    """

    client: GcsClient
    prefix: str
    key: str
    size_bytes: int
    attributes: ObjectAttributes
    token: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def name(self) -> str:
        """Name in the bucket."""
        return self.prefix + self.key

    def description(self, metadata: Mapping[str, str] | None) -> JsonObject:
        """
        Describe it as the service wants to hear it.

        :param metadata: What is only known at commit.
        :returns: Without what follows from the bytes.
        """
        wanted = {
            "name": self.name,
            "contentType": self.attributes.content_type or PLAIN_TYPE,
            "contentDisposition": self.attributes.content_disposition,
            "storageClass": self.attributes.options.get("storage_class"),
            "metadata": {**self.attributes.metadata, **(metadata or {}), TOKEN_NAME: self.token},
        }
        return {name: value for name, value in wanted.items() if value is not None}

    def params(self, acl_name: str, *, if_absent: bool) -> dict[str, Any]:
        """
        Give the parameters of the request that writes it.

        :param acl_name: How that request calls the predefined ACL.
        :param if_absent: Only when nothing stands there.
        :returns: By name.
        """
        options = self.attributes.options
        wanted = {"kmsKeyName": options.get("kms_key"), acl_name: options.get("acl")}
        given = {name: value for name, value in wanted.items() if value is not None}
        return {**given, "ifGenerationMatch": "0"} if if_absent else given

    def write(self, send: Callable[[], Answer], checksum: int, *, if_absent: bool) -> tuple[ObjectStat | None, Answer]:
        """
        Write it, however many answers are lost: what stands there is looked at before anything is sent again.

        :param send: Sends the request once.
        :param checksum: CRC32C of the whole.
        :param if_absent: The request says so too.
        :returns: What stands there now, None when the service refused for another reason, and its last answer.
        :raises TargetExistsError: *if_absent*, and something else stands there.
        :raises ChecksumMismatchError: Other bytes arrived.
        """
        attempt = 0
        while True:
            answer = send()
            attempt += 1
            if answer.is_good or answer.names_checksum:
                return self._stat(prove_written(self.client, answer, self.name, self.size_bytes, checksum)), answer
            if answer.status != PRECONDITION_FAILED and not answer.may_pass:
                return None, answer
            found = self.client.get(self.name)
            if found is not None and is_of(found, self.token):
                return self._stat(prove_standing(self.client, found, self.name, self.size_bytes, checksum)), answer
            if answer.status == PRECONDITION_FAILED:
                if if_absent and found is not None:
                    raise TargetExistsError("something stands there", self.key)
                return None, answer
            if attempt >= self.client.settings.attempts:
                return None, answer
            self.client.wait(attempt)

    def _stat(self, found: JsonObject) -> ObjectStat:
        return _stat_of(found, self.prefix)


class GcsSingleUpload:
    """
    An object that goes with one request, at its commit.

    Memory: one copy of the object, at most :data:`SINGLE_PUT_BYTES` (16 MiB), from ``put_part`` to the end.
    """

    def __init__(self, final: FinalObject) -> None:
        self._final = final
        self._content: bytes | None = b"" if final.size_bytes == 0 else None
        self._crc64nvme = 0
        self._is_ended = False
        self._lock = threading.Lock()

    def put_part(self, index: int, buffer: Buffer, *, crc64nvme: int | None = None) -> None:
        """
        Keep the only part.

        :param index: 0.
        :param buffer: The part; free for reuse when this returns.
        :param crc64nvme: CRC-64/NVME of the part, if the caller has it already.
        :raises IncompleteUploadError: There is no such part, or its length is another.
        """
        size = self._final.size_bytes
        if index != 0 or size == 0 or self._is_ended:
            raise IncompleteUploadError(f"there is no part {index}, or the upload has ended", self._final.key)
        data = bytes(buffer)
        proofs.part_length(index, size, len(data), self._final.key)
        with self._lock:
            self._content, self._crc64nvme = data, checksums.crc64nvme(data) if crc64nvme is None else crc64nvme

    def done_parts(self) -> frozenset[int]:
        """
        Tell which parts are there.

        :returns: Indexes.
        """
        return frozenset(self.part_checksums())

    def part_checksums(self) -> Mapping[int, int]:
        """
        Tell the CRC-64/NVME of the part.

        :returns: By index.
        """
        with self._lock:
            has_part = self._content is not None and self._final.size_bytes > 0
            return {0: self._crc64nvme} if has_part else {}

    def state(self) -> JsonObject:
        """
        Say that there is nothing to go on with: nothing is stored before the commit.

        :returns: Plain JSON.
        """
        return {"sink": "gcs", "single": True}

    def commit(
        self, *, if_absent: bool = False, checksum: str | None = None, metadata: Mapping[str, str] | None = None
    ) -> ObjectStat:
        """
        Send the object.

        :param if_absent: Fail instead of replacing what stands there.
        :param checksum: Compared with that of the part.
        :param metadata: Kept besides that of the attributes.
        :returns: What stands there now.
        :raises TargetExistsError: *if_absent*, and something stands there.
        :raises ChecksumMismatchError: The checksum differs, or the service got other bytes.
        :raises SinkError: The part is missing, or the service refused.
        """
        content = self._content
        proofs.all_parts(int(content is None), self._final.key)
        assert content is not None  # noqa: S101 - for the type checker; proved above
        whole_checksum(checksum, [(self._crc64nvme, len(content))] if content else [])
        value = crc32c(content)
        description = {**self._final.description(metadata), "crc32c": encode_crc32c(value)}
        params = self._final.params("predefinedAcl", if_absent=if_absent)
        client = self._final.client

        def send() -> Answer:
            return client.insert(description, content, params, repeat=False)

        stat, answer = self._final.write(send, value, if_absent=if_absent)
        if stat is None:
            client.require(answer, self._final.name)
            raise TargetExistsError("a condition does not hold", self._final.key)
        self.discard()
        return stat

    def discard(self) -> None:
        """Forget the part; harmless when repeated and after a commit."""
        with self._lock:
            self._content, self._is_ended = None, True


def whole_checksum(expected: str | None, parts: list[tuple[int, int]]) -> None:
    """
    Compare the checksum given at commit with that of the parts.

    :param expected: ``"crc64nvme:…"``; another one follows from nothing that is known here, and is not compared.
    :param parts: (CRC-64/NVME, length) of each, in order.
    :raises ChecksumMismatchError: They differ.
    """
    if expected is not None and expected.startswith("crc64nvme:"):
        whole = checksums.format_crc64nvme(checksums.combine_crc64nvme(parts))
        proofs.object_checksum(expected, whole, "the parts in Google Cloud Storage")


def is_single(size_bytes: int, part_bytes: int) -> bool:
    """
    Tell whether an object goes with one request.

    :param size_bytes: Its length.
    :param part_bytes: Length of its parts.
    :returns: True when it does.
    """
    return size_bytes <= SINGLE_PUT_BYTES and plan.part_count(size_bytes, part_bytes) <= 1
