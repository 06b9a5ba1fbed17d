"""One object on its way into S3 as a multipart upload."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_kaltura.transfer import checksum as checksums
from airflow_provider_kaltura.transfer import proofs
from airflow_provider_kaltura.transfer.errors import (
    SinkError,
    SinkForbiddenError,
    UploadStateError,
    UploadTakenError,
)
from airflow_provider_kaltura.transfer.s3_objects import (
    S3Checks,
    body_of,
    decode_crc,
    encode_crc,
    head,
    is_ours,
    prove,
    tag_of,
)
from airflow_provider_kaltura.transfer.s3_place import is_in_doubt
from airflow_provider_kaltura.transfer.s3_plan import Gate, UploadPlan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_provider_kaltura.transfer.protocols import Buffer, JsonObject, ObjectStat
    from airflow_provider_kaltura.transfer.s3_place import S3Place

#: Parts that are in flight while an upload is aborted may arrive after it: look again so often.
_ABORTS: Final = 5


@dataclass(frozen=True, slots=True)
class StoredPart:
    """
    A part that the store has.

    :param etag: As the store wrote it.
    :param crc64nvme: Of its bytes.
    """

    etag: str
    crc64nvme: int


class S3MultipartUpload:
    """
    A multipart upload.

    :param place: Where.
    :param checks: What the store checks.
    :param wanted: What it is for.
    :param upload_id: The store's name of it.
    :param token: Ours, in the object's metadata.
    :param with_crc: It was begun with a CRC-64/NVME of the whole.
    """

    def __init__(
        self,
        place: S3Place,
        checks: S3Checks,
        wanted: UploadPlan,
        *,
        upload_id: str,
        token: str,
        with_crc: bool,
    ) -> None:
        self._place = place
        self._checks = checks
        self._plan = wanted
        self._upload_id = upload_id
        self._token = token
        self._with_crc = with_crc
        self._lock = threading.Lock()
        self._parts: dict[int, StoredPart] = {}
        self._gate = Gate(wanted.key)
        self._is_gone = False

    def put_part(self, index: int, buffer: Buffer, *, crc64nvme: int | None = None) -> None:
        """
        Send part *index*, from any thread; the store compares it with the checksum that goes along.

        :param index: From 0.
        :param buffer: The part; free for reuse when this returns.
        :param crc64nvme: CRC-64/NVME of the part, if the caller has it already.
        :raises UploadTakenError: The upload is gone: another try has finished it, or it was cleaned up.
        :raises SinkError: There is no such part, its length is another, or the store refused.
        :raises ChecksumMismatchError: The store got other bytes.
        """
        self._plan.require(index, buffer)
        value = checksums.crc64nvme(buffer) if crc64nvme is None else crc64nvme
        with self._gate.entered():
            etag = self._send(index, buffer, value)
            with self._lock:
                self._parts[index] = StoredPart(etag, value)
            if self._checks.lists_crc is None:
                self._checks.lists_crc = self._lists_crc()

    def _lists_crc(self) -> bool | None:
        """Tell, before it is too late, whether recorded state must carry the checksums of the parts."""
        try:
            return next(self._listed(MaxParts=1), {}).get("ChecksumCRC64NVME") is not None
        except SinkForbiddenError:
            return False
        except SinkError:
            return None  # the part is stored, whatever this answer was; the next one asks again

    def _send(self, index: int, buffer: Buffer, value: int) -> str:
        while True:
            sent = self._checks.headers(buffer, value, with_crc=self._with_crc)
            answer = self._call("upload_part", PartNumber=index + 1, Body=body_of(buffer), **sent)
            if self._checks.learn(sent, answer, f"part {index}"):
                return str(answer["ETag"])

    def done_parts(self) -> frozenset[int]:
        """
        Tell which parts the store has.

        :returns: Indexes, those of an earlier try included.
        """
        return frozenset(self.part_checksums())

    def part_checksums(self) -> Mapping[int, int]:
        """
        Tell the CRC-64/NVME of the parts.

        :returns: By index.
        """
        with self._lock:
            return {index: part.crc64nvme for index, part in self._parts.items()}

    def state(self) -> JsonObject:
        """
        Give what :meth:`S3Sink.begin` needs to go on later. The store lists the parts itself.

        Only where it lists them without checksums (SeaweedFS), these are here, each valid for one ETag.

        :returns: Plain JSON.
        """
        with self._lock:
            parts = {} if self._checks.lists_crc else dict(self._parts)
        return {
            "sink": "s3",
            "upload_id": self._upload_id,
            "token": self._token,
            "with_crc": self._with_crc,
            "key": self._plan.key,
            "size_bytes": self._plan.size_bytes,
            "part_bytes": self._plan.part_bytes,
            "parts": {str(index): [part.etag, f"{part.crc64nvme:016x}"] for index, part in sorted(parts.items())},
        }

    def go_on(self, state: JsonObject) -> None:
        """
        Take over the parts that the store has: of the right length, and with a checksum that somebody knows.

        :param state: Recorded by an earlier try.
        :raises UploadStateError: The upload is gone or can't be looked at, or the state can't be read.
        """
        try:
            recorded = {
                int(index): (str(etag), int(value, 16)) for index, (etag, value) in dict(state["parts"]).items()
            }
        except (KeyError, TypeError, ValueError) as error:
            raise UploadStateError("the recorded parts can't be read", self._plan.key) from error
        listed: dict[int, dict[str, dict[str, Any]]] = {}
        try:
            for part in self._listed():
                listed.setdefault(int(part["PartNumber"]) - 1, {})[str(part["ETag"])] = part
        except UploadTakenError as error:
            raise UploadStateError("the recorded upload is gone", self._plan.key) from error
        except SinkForbiddenError as error:
            message = "the recorded upload can't be looked at: the right s3:ListMultipartUploadParts is lacking"
            raise UploadStateError(message, self._plan.key) from error
        for index, parts in listed.items():
            # SeaweedFS goes on listing parts that were put again: which one counts is not ours to guess.
            if len(parts) == 1:
                self._take(index, *parts.popitem(), recorded)

    def _take(self, index: int, etag: str, part: Mapping[str, Any], recorded: Mapping[int, tuple[str, int]]) -> None:
        value = decode_crc(part.get("ChecksumCRC64NVME"))
        self._checks.lists_crc = value is not None
        known_etag, known = recorded.get(index, (None, None))
        if value is None and known_etag == etag:
            value = known
        if value is not None and part["Size"] == self._plan.size_of(index):
            self._parts[index] = StoredPart(etag, value)

    def commit(
        self, *, if_absent: bool = False, checksum: str | None = None, metadata: Mapping[str, str] | None = None
    ) -> ObjectStat:
        """
        Let the store put the parts together, under the condition that the whole has our checksum and length.

        :param if_absent: Fail instead of replacing what stands there.
        :param checksum: Compared with what the parts' checksums combine to, when it is a crc64nvme.
        :param metadata: Ignored: S3 takes it only at the beginning.
        :returns: What stands there now.
        :raises TargetExistsError: *if_absent*, and something stands there.
        :raises UploadTakenError: The upload is gone: another try has finished it, or it was cleaned up.
        :raises SinkError: A part is missing, or the store refused.
        :raises IntegrityError: Length or checksum are others.
        """
        with self._gate.entered():
            with self._lock:
                parts = dict(self._parts)
            proofs.all_parts(self._plan.count - len(parts), self._plan.key)
            whole = checksums.combine_crc64nvme(
                (parts[index].crc64nvme, self._plan.size_of(index)) for index in range(self._plan.count)
            )
            if checksum is not None and checksum.startswith("crc64nvme:"):
                proofs.object_checksum(checksum, checksums.format_crc64nvme(whole), "the parts of the object")
            etag = self._complete(parts, whole, if_absent=if_absent)
            stat = prove(
                self._place,
                self._plan.key,
                size_bytes=self._plan.size_bytes,
                crc64nvme=whole,
                token=self._token,
                etag=etag,
            )
        self._gate.end()
        self._is_gone = True
        return stat

    def _complete(self, parts: Mapping[int, StoredPart], whole: int, *, if_absent: bool) -> str:
        listed: list[dict[str, Any]] = [
            {"PartNumber": index + 1, "ETag": part.etag} for index, part in sorted(parts.items())
        ]
        checked: dict[str, Any] = {"MpuObjectSize": self._plan.size_bytes}
        if self._with_crc and self._checks.checks_crc is not False:
            for entry in listed:
                entry["ChecksumCRC64NVME"] = encode_crc(parts[entry["PartNumber"] - 1].crc64nvme)
            checked |= {"ChecksumCRC64NVME": encode_crc(whole), "ChecksumType": "FULL_OBJECT"}
        if if_absent:
            checked["IfNoneMatch"] = "*"
        try:
            return tag_of(self._call("complete_multipart_upload", MultipartUpload={"Parts": listed}, **checked))
        except SinkError as error:
            # The answer may be lost, and that of a retry be about what the first request has done: look what stands.
            found = head(self._place, self._plan.key) if is_in_doubt(error) else None
            if found is None or not is_ours(found, self._token, None):
                raise
            return tag_of(found)

    def discard(self) -> None:
        """
        Abort the upload; harmless when repeated and after a commit. One that failed can be repeated.

        Parts that other writers have in flight may arrive after it, so the store is asked until it has none.

        :raises SinkError: The store refused.
        """
        self._gate.end()
        if self._is_gone:
            return
        for _ in range(_ABORTS):
            with contextlib.suppress(UploadTakenError):
                self._call("abort_multipart_upload")
            try:
                next(self._listed(MaxParts=1), None)
            except (UploadTakenError, SinkForbiddenError):
                self._is_gone = True
                return

    def _listed(self, **more: Any) -> Iterator[dict[str, Any]]:
        while True:
            answer = self._call("list_parts", **more)
            yield from answer.get("Parts", ())
            if not answer.get("IsTruncated"):
                return
            more["PartNumberMarker"] = answer["NextPartNumberMarker"]

    def _call(self, method: str, **arguments: Any) -> Any:
        return self._place.call(method, self._plan.key, UploadId=self._upload_id, **arguments)
