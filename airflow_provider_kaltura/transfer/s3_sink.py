"""Whole objects in S3 and what is compatible with it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_kaltura.transfer.errors import SinkError, UploadStateError
from airflow_provider_kaltura.transfer.protocols import Capabilities, Leftover, ObjectAttributes
from airflow_provider_kaltura.transfer.s3_objects import S3Checks, arguments_of, new_token
from airflow_provider_kaltura.transfer.s3_place import S3Place, code_of
from airflow_provider_kaltura.transfer.s3_plan import UploadPlan
from airflow_provider_kaltura.transfer.s3_single import S3SinglePut
from airflow_provider_kaltura.transfer.s3_store import S3Store
from airflow_provider_kaltura.transfer.s3_upload import S3MultipartUpload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_kaltura.transfer.protocols import JsonObject

_MIB: Final = 1024 * 1024
SINGLE_PUT_BYTES: Final = 16 * _MIB
_LEAST_PART_BYTES: Final = 5 * _MIB
_MOST_PARTS: Final = 10_000
_CAPABILITIES: Final = Capabilities(
    any_order=True,
    resumable=True,
    conditional=True,
    metadata_at_commit=False,
    lists_parts=True,
    leaves_unmarked=True,
    parallel_puts=4,
    single_put_bytes=SINGLE_PUT_BYTES,
    least_part_bytes=_LEAST_PART_BYTES,
    most_parts=_MOST_PARTS,
)
#: What stores answer that know no CRC-64/NVME (it came in December 2024).
_UNKNOWN_CHECKSUM: Final = frozenset({"InvalidArgument", "InvalidRequest", "NotImplemented", "MalformedXML"})


class S3Sink:
    """
    Objects below a prefix of a bucket, by multipart uploads, or by one request up to :data:`SINGLE_PUT_BYTES`.

    Each part goes with its CRC-64/NVME, which the store compares with what it got; the whole is put together under the
    condition that it has ours. A store whose first answer shows that it computed none gets Content-MD5 with each part
    instead, so that every store checks something; its whole is then proved by its length.

    Memory: a part is sent from the caller's buffer, without a copy, so that uploads need only
    ``buffers x part_bytes`` of the caller's, plus 1 MiB for each request under way. An object of one request is
    copied once: at most ``SINGLE_PUT_BYTES`` (16 MiB) for each upload that is not committed yet.

    :param client: A boto3 S3 client: low-level, kept, with at least 8 pooled connections.
    :param bucket: Name of the bucket.
    :param prefix: What every key begins with: empty, or ending in ``/``.
    """

    def __init__(self, client: Any, bucket: str, prefix: str = "") -> None:
        self._place = S3Place(client, bucket, prefix)
        self._checks = S3Checks()
        self.store = S3Store(self._place, self._checks)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._place.bucket!r}, {self._place.prefix!r})"

    @property
    def capabilities(self) -> Capabilities:
        """
        What this sink can do.

        ``lists_parts`` is denied once the store has listed a part without its checksum (SeaweedFS): recorded state
        must then carry them, and be written after each group of parts.
        """
        return _CAPABILITIES if self._checks.lists_crc is not False else replace(_CAPABILITIES, lists_parts=False)

    def begin(
        self,
        key: str,
        *,
        size_bytes: int,
        part_bytes: int,
        attributes: ObjectAttributes | None = None,
        state: JsonObject | None = None,
    ) -> S3MultipartUpload | S3SinglePut:
        """
        Begin an object, or go on with one.

        ``content_type``, ``content_disposition``, ``metadata``, ``tags`` and the options ``storage_class``, ``sse``,
        ``kms_key`` and ``acl`` are kept. Metadata in other scripts goes by RFC 2047, as S3 itself writes it.

        :param key: Name below the root.
        :param size_bytes: Length of the whole; 0 is allowed.
        :param part_bytes: Length of every part but the last, at least 5 MiB where there are several.
        :param attributes: What the object has besides its bytes.
        :param state: What ``state()`` of an earlier try gave, or None.
        :returns: The upload.
        :raises UploadStateError: *state* is for another object, its upload is gone, or nothing had reached the store.
        :raises InvalidKeyError: S3 can't hold the name, or that of some metadata.
        :raises SinkForbiddenError: The credentials are refused, or there is no such bucket.
        :raises SinkError: The store refused.
        """
        self._place.full(key)
        wanted = UploadPlan(key, size_bytes, part_bytes)
        attributes = attributes or ObjectAttributes()
        if state is not None:
            return self._go_on(wanted, state)
        if wanted.count <= 1 and size_bytes <= SINGLE_PUT_BYTES:
            arguments_of(attributes, "", key)
            return S3SinglePut(self._place, self._checks, wanted, attributes)
        token = new_token()
        arguments = arguments_of(attributes, token, key)
        upload_id, with_crc = self._create(key, arguments)
        return S3MultipartUpload(self._place, self._checks, wanted, upload_id=upload_id, token=token, with_crc=with_crc)

    def _create(self, key: str, arguments: dict[str, Any]) -> tuple[str, bool]:
        if self._checks.checks_crc is not False:
            try:
                checked = {"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "FULL_OBJECT"}
                answer = self._place.call("create_multipart_upload", key, **checked, **arguments)
            except SinkError as error:
                if self._checks.checks_crc or code_of(error) not in _UNKNOWN_CHECKSUM:
                    raise
            else:
                return str(answer["UploadId"]), True
        answer = self._place.call("create_multipart_upload", key, **arguments)
        self._checks.checks_crc = False
        return str(answer["UploadId"]), False

    def _go_on(self, wanted: UploadPlan, state: JsonObject) -> S3MultipartUpload:
        expected = {"key": wanted.key, "size_bytes": wanted.size_bytes, "part_bytes": wanted.part_bytes}
        upload_id, token = state.get("upload_id"), state.get("token")
        if not (isinstance(upload_id, str) and upload_id and isinstance(token, str)):
            raise UploadStateError("the recorded state names no upload of this kind", wanted.key)
        if any(state.get(field) != value for field, value in expected.items()):
            raise UploadStateError("the recorded state is for another object", wanted.key)
        with_crc = state.get("with_crc") is True
        upload = S3MultipartUpload(
            self._place, self._checks, wanted, upload_id=upload_id, token=token, with_crc=with_crc
        )
        upload.go_on(state)
        return upload

    def leftovers(self) -> Iterator[Leftover]:
        """
        List the multipart uploads under way below the root, everybody's: nothing marks ours.

        :yields: Each with the time when it was begun.
        :raises SinkError: The store refused.
        """
        prefix = self._place.prefix
        for found in self._uploads(prefix):
            if found["Key"].startswith(prefix):
                yield Leftover(
                    kind="multipart upload",
                    key=found["Key"][len(prefix) :],
                    handle=str(found["UploadId"]),
                    touched_at_epoch=found["Initiated"].timestamp(),
                    is_marked=False,
                )

    def _uploads(self, prefix: str) -> Iterator[dict[str, Any]]:
        more = dict[str, Any]()
        while True:
            # Names come as they are: stores differ in what their EncodingType makes of '+'.
            answer = self._place.call("list_multipart_uploads", Prefix=prefix, **more)
            uploads = answer.get("Uploads", ())
            yield from uploads
            if not answer.get("IsTruncated") or not uploads:
                return
            # SeaweedFS names no place to go on at: it is the last upload then.
            more = {
                "KeyMarker": answer.get("NextKeyMarker") or uploads[-1]["Key"],
                "UploadIdMarker": answer.get("NextUploadIdMarker") or uploads[-1]["UploadId"],
            }

    def remove_leftover(self, leftover: Leftover) -> None:
        """
        Abort a multipart upload.

        :param leftover: One of :meth:`leftovers`.
        :raises SinkError: The store refused.
        """
        wanted = UploadPlan(leftover.key, 0, 1)
        S3MultipartUpload(
            self._place, self._checks, wanted, upload_id=leftover.handle, token="", with_crc=False
        ).discard()

    def free_bytes(self) -> int | None:
        """
        Tell how many bytes still fit.

        :returns: None: S3 doesn't say.
        """
        return None
