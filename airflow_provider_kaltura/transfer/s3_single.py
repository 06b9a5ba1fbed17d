"""An object of S3 that is short enough for one request."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_provider_kaltura.transfer import checksum as checksums
from airflow_provider_kaltura.transfer import proofs
from airflow_provider_kaltura.transfer.s3_objects import S3Checks, put_whole
from airflow_provider_kaltura.transfer.s3_plan import Gate, UploadPlan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_kaltura.transfer.protocols import Buffer, JsonObject, ObjectAttributes, ObjectStat
    from airflow_provider_kaltura.transfer.s3_place import S3Place


class S3SinglePut:
    """
    An object that is short enough for one request; its bytes are copied and kept until :meth:`commit`.

    :param place: Where.
    :param checks: What the store checks.
    :param wanted: What it is for.
    :param attributes: What it has besides its bytes.
    """

    def __init__(self, place: S3Place, checks: S3Checks, wanted: UploadPlan, attributes: ObjectAttributes) -> None:
        self._place = place
        self._checks = checks
        self._plan = wanted
        self._attributes = attributes
        self._data: bytes | None = None if wanted.count else b""
        self._gate = Gate(wanted.key)

    def put_part(self, index: int, buffer: Buffer, *, crc64nvme: int | None = None) -> None:
        """
        Keep the only part.

        :param index: 0.
        :param buffer: All bytes; free for reuse when this returns.
        :param crc64nvme: Not needed: it is computed of the copy.
        :raises SinkError: There is no such part, its length is another, or the upload has ended.
        """
        self._plan.require(index, buffer)
        with self._gate.entered():
            self._data = bytes(buffer)

    def done_parts(self) -> frozenset[int]:
        """
        Tell which parts are kept.

        :returns: Indexes.
        """
        return frozenset(self.part_checksums())

    def part_checksums(self) -> Mapping[int, int]:
        """
        Tell the CRC-64/NVME of the part.

        :returns: By index.
        """
        return {0: checksums.crc64nvme(self._data)} if self._data else {}

    def state(self) -> JsonObject:
        """
        Say that there is nothing to go on with: nothing has reached the store yet.

        :returns: Plain JSON, which :meth:`S3Sink.begin` refuses.
        """
        return {"sink": "s3", "upload_id": None}

    def commit(
        self, *, if_absent: bool = False, checksum: str | None = None, metadata: Mapping[str, str] | None = None
    ) -> ObjectStat:
        """
        Put the object.

        :param if_absent: Fail instead of replacing what stands there.
        :param checksum: Compared with that of the bytes.
        :param metadata: Kept besides that of the attributes.
        :returns: What stands there now.
        :raises TargetExistsError: *if_absent*, and something stands there.
        :raises SinkError: The part is missing, or the store refused.
        :raises IntegrityError: Length or checksum are others.
        """
        with self._gate.entered():
            proofs.all_parts(0 if self._data is not None else 1, self._plan.key)
            data = self._data or b""
            if checksum is not None:
                name: checksums.ChecksumName = "sha256" if checksum.startswith("sha256:") else "crc64nvme"
                proofs.object_checksum(checksum, checksums.checksum_of(data, name), "the bytes to put")
            attributes = replace(self._attributes, metadata={**self._attributes.metadata, **(metadata or {})})
            condition = {"IfNoneMatch": "*"} if if_absent else {}
            stat = put_whole(self._place, self._checks, self._plan.key, data, attributes, condition)
        self.discard()
        return stat

    def discard(self) -> None:
        """Forget the bytes; nothing of them is in the store before a commit."""
        self._gate.end()
        self._data = None
