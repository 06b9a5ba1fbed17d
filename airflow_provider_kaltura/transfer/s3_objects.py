"""What S3 keeps beside the bytes: headers of ours, checksums, metadata in any script; and whole objects in one put."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import secrets
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from airflow_provider_kaltura.transfer import checksum as checksums
from airflow_provider_kaltura.transfer import proofs
from airflow_provider_kaltura.transfer.errors import (
    ChecksumMismatchError,
    IntegrityError,
    InvalidKeyError,
    ObjectMissingError,
    SinkError,
    TransferError,
)
from airflow_provider_kaltura.transfer.protocols import ObjectAttributes, ObjectStat
from airflow_provider_kaltura.transfer.s3_place import is_in_doubt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_kaltura.transfer.protocols import Buffer
    from airflow_provider_kaltura.transfer.s3_place import S3Place

#: Tells which upload an object came from, so that a lost answer can be found again; never shown to anybody.
TOKEN_METADATA: Final = "kaltura-upload"  # noqa: S105 - a name
_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_PLAIN: Final = re.compile(r"[!-~]([ -~]*[!-~])?")
_ENCODED: Final = re.compile(r"=\?[^?]+\?[BbQq]\?[^?]*\?=")


class S3Checks:
    """
    Which proofs a store gives, learned from its answers.

    ``checks_crc`` is None until a first answer has shown whether the store computes a CRC-64/NVME of what it gets:
    until then, and where it doesn't, Content-MD5 goes along, so that every store checks something.
    ``lists_crc`` tells whether it lists that of each part.
    """

    def __init__(self) -> None:
        self.checks_crc: bool | None = None
        self.lists_crc: bool | None = None

    def headers(self, buffer: Buffer, crc64nvme: int, *, with_crc: bool = True) -> dict[str, str]:
        """
        Give what a store shall check some bytes by.

        :param buffer: The bytes.
        :param crc64nvme: Theirs.
        :param with_crc: False where the store has refused it.
        :returns: Arguments of a client's method.
        """
        found = {"ChecksumCRC64NVME": encode_crc(crc64nvme)} if with_crc else {}
        if not (with_crc and self.checks_crc):
            digest = hashlib.md5(buffer, usedforsecurity=False).digest()
            found["ContentMD5"] = base64.b64encode(digest).decode()
        return found

    def learn(self, sent: Mapping[str, str], answer: Mapping[str, Any], what: str) -> bool:
        """
        Look whether the store has checked what it got.

        :param sent: Of :meth:`headers`.
        :param answer: The store's.
        :param what: For the message.
        :returns: False when nothing was checked, and the bytes must be sent again.
        :raises ChecksumMismatchError: The store has computed another one.
        """
        expected, actual = sent.get("ChecksumCRC64NVME"), answer.get("ChecksumCRC64NVME")
        if expected is not None:
            if actual is not None and actual != expected:
                raise ChecksumMismatchError(what, expected, actual)
            self.checks_crc = actual is not None
        return actual is not None or "ContentMD5" in sent


class _View:
    """A part of a buffer as a file that can be rewound: nothing is copied, and a retry begins at the beginning."""

    def __init__(self, buffer: memoryview) -> None:
        self._buffer = buffer
        self._position = 0

    def __len__(self) -> int:
        return len(self._buffer)

    def read(self, count: int | None = None) -> memoryview:
        start = self._position
        stop = len(self._buffer) if count is None or count < 0 else min(start + count, len(self._buffer))
        self._position = stop
        return self._buffer[start:stop]

    def seek(self, offset: int, whence: int = 0) -> int:
        self._position = offset + (0, self._position, len(self._buffer))[whence]
        return self._position

    def tell(self) -> int:
        return self._position


def body_of(buffer: Buffer) -> Any:
    """
    Give bytes as botocore takes them, without a copy.

    Always as a file: of ``bytes`` and ``bytearray`` botocore's signer by the Common Runtime makes a copy, one for each
    request under way.

    :param buffer: The bytes.
    :returns: A file over them; ``b""`` for none.
    """
    view = memoryview(buffer)
    return _View(view) if view.nbytes else b""


def encode_crc(value: int) -> str:
    """
    Write a CRC-64/NVME as S3 does.

    :param value: The number.
    :returns: Base64 of 8 bytes, the highest first.
    """
    return base64.b64encode(value.to_bytes(8, "big")).decode()


def decode_crc(text: str | None) -> int | None:
    """
    Read a CRC-64/NVME as S3 writes it.

    :param text: Of an answer.
    :returns: None when there is none.
    """
    try:
        raw = base64.b64decode(text or "", validate=True)
    except ValueError:
        return None
    return int.from_bytes(raw, "big") if len(raw) == 8 else None  # noqa: PLR2004 - 64 bits


def encode_text(text: str) -> str:
    """
    Write a metadata value as a header can carry it: by RFC 2047 where it is not plain ASCII, as S3 itself does.

    :param text: Any text.
    :returns: ASCII.
    """
    if not text or (_PLAIN.fullmatch(text) and not _ENCODED.search(text)):
        return text
    return f"=?UTF-8?B?{base64.b64encode(text.encode()).decode()}?="


def decode_text(text: str) -> str:
    """
    Read a metadata value.

    :param text: As a store gave it.
    :returns: What was meant; the text itself where it is not encoded, or badly.
    """
    if not _ENCODED.search(text):
        return text
    try:
        return str(make_header(decode_header(text)))
    except (HeaderParseError, LookupError, ValueError):
        return text


def arguments_of(attributes: ObjectAttributes, token: str, key: str) -> dict[str, Any]:
    """
    Give what an object shall have besides its bytes.

    :param attributes: What was asked for.
    :param token: Of this upload.
    :param key: For messages.
    :returns: Arguments of ``put_object`` and ``create_multipart_upload``.
    :raises InvalidKeyError: A metadata name, or the content type or disposition, is none that a header can carry.
    """
    for name in attributes.metadata:
        if not _NAME.fullmatch(name):
            raise InvalidKeyError(f"S3 takes no metadata name {name!r:.60}: ASCII letters, digits, '-', '.', '_'", key)
    for header in (attributes.content_type, attributes.content_disposition):
        if header and not header.isascii():
            raise InvalidKeyError(f"S3 takes no header {header!r:.60}: write filename*=UTF-8''... (RFC 6266)", key)
    options = attributes.options
    kms_key = options.get("kms_key")
    found = {
        "ContentType": attributes.content_type,
        "ContentDisposition": attributes.content_disposition,
        "Tagging": urlencode(attributes.tags, quote_via=quote),
        "StorageClass": options.get("storage_class"),
        "ServerSideEncryption": options.get("sse") or ("aws:kms" if kms_key else None),
        "SSEKMSKeyId": kms_key,
        "ACL": options.get("acl"),
    }
    metadata = {name.lower(): encode_text(text) for name, text in attributes.metadata.items()}
    return {
        **{name: value for name, value in found.items() if value},
        "Metadata": {**metadata, TOKEN_METADATA: token},
    }


def new_token() -> str:
    """
    Make the token of an upload.

    :returns: A text that nobody else has.
    """
    return secrets.token_hex(12)


def head(place: S3Place, key: str) -> dict[str, Any] | None:
    """
    Ask what stands under a key.

    :param place: Where.
    :param key: Name below the root.
    :returns: S3's answer, None when nothing stands there.
    """
    try:
        found: dict[str, Any] = place.call("head_object", key, ChecksumMode="ENABLED")
    except ObjectMissingError:
        return None
    return found


def describe(key: str, answer: Mapping[str, Any]) -> ObjectStat:
    """
    Describe an object.

    :param key: Name below the root.
    :param answer: Of :func:`head`.
    :returns: Its description; ``checksum`` where the store keeps that of the whole.
    """
    value = decode_crc(answer.get("ChecksumCRC64NVME")) if answer.get("ChecksumType") != "COMPOSITE" else None
    metadata = {name.lower(): decode_text(text) for name, text in answer.get("Metadata", {}).items()}
    metadata.pop(TOKEN_METADATA, None)
    return ObjectStat(
        key=key,
        size_bytes=int(answer["ContentLength"]),
        version_tag=tag_of(answer),
        metadata=metadata,
        modified_at_epoch=answer["LastModified"].timestamp(),
        checksum=None if value is None else checksums.format_crc64nvme(value),
    )


def tag_of(answer: Mapping[str, Any]) -> str:
    """
    Give an ETag without its quotes.

    :param answer: Of S3.
    :returns: The version tag.
    """
    return str(answer.get("ETag", "")).strip('"')


def is_ours(answer: Mapping[str, Any], token: str, etag: str | None) -> bool:
    """
    Tell whether what stands is what an upload has written.

    :param answer: Of :func:`head`.
    :param token: Of the upload.
    :param etag: What the store answered to it, None when that is lost.
    :returns: True by the token; where the store keeps no metadata, by the ETag.
    """
    found = answer.get("Metadata", {}).get(TOKEN_METADATA)
    return found == token if found is not None else etag is not None and tag_of(answer) == etag


def prove(place: S3Place, key: str, *, size_bytes: int, crc64nvme: int | None, token: str, etag: str) -> ObjectStat:
    """
    Look at what was just written; a wrong object is removed, if it is still the one that was written.

    :param place: Where.
    :param key: Name below the root.
    :param size_bytes: What it must have.
    :param crc64nvme: Likewise, None when not known.
    :param token: Of the upload.
    :param etag: What the store answered.
    :returns: What stands there now.
    :raises SinkError: It was replaced or deleted by somebody else since.
    :raises IntegrityError: Length or checksum are others.
    """
    answer = head(place, key)
    if answer is None or not is_ours(answer, token, etag):
        raise SinkError("the object was written, and replaced or deleted by another writer at once", key)
    stat = describe(key, answer)
    try:
        proofs.object_length(size_bytes, stat.size_bytes, "the object that the store has made")
        if crc64nvme is not None:
            expected = checksums.format_crc64nvme(crc64nvme)
            proofs.object_checksum(expected, stat.checksum, "the object that the store has made")
    except IntegrityError:
        _remove(place, key, answer)
        raise
    return stat


def _remove(place: S3Place, key: str, answer: Mapping[str, Any]) -> None:
    version = answer.get("VersionId")
    exactly = {"VersionId": version} if version and version != "null" else {"IfMatch": answer["ETag"]}
    # What is wrong is told in any case.
    with contextlib.suppress(TransferError):
        place.call("delete_object", key, **exactly)


def put_whole(
    place: S3Place,
    checks: S3Checks,
    key: str,
    data: Buffer,
    attributes: ObjectAttributes | None = None,
    condition: Mapping[str, str] | None = None,
) -> ObjectStat:
    """
    Write a whole object with one request, so that it appears complete or not at all.

    A lost answer is found again by the object's token; a store that has not checked the bytes gets them once more.

    :param place: Where.
    :param checks: What the store checks.
    :param key: Name below the root.
    :param data: All of it.
    :param attributes: What the object has besides.
    :param condition: ``IfNoneMatch`` or ``IfMatch``.
    :returns: What stands there now.
    :raises TargetExistsError: A condition does not hold.
    :raises SinkError: The store refused.
    :raises IntegrityError: Bytes were damaged on their way, or the store has others.
    """
    token, value = new_token(), checksums.crc64nvme(data)
    arguments = arguments_of(attributes or ObjectAttributes(), token, key)
    wanted: dict[str, Any] = {"size_bytes": len(data), "crc64nvme": value, "token": token}
    while True:
        sent = checks.headers(data, value)
        try:
            answer = place.call("put_object", key, Body=body_of(data), **arguments, **sent, **(condition or {}))
        except SinkError as error:
            found = head(place, key) if is_in_doubt(error) else None
            if found is None or not is_ours(found, token, None):
                raise
            return prove(place, key, etag=tag_of(found), **wanted)
        if checks.learn(sent, answer, "what the store got"):
            return prove(place, key, etag=tag_of(answer), **wanted)
        # It stands already, unchecked: only that very object may be replaced.
        condition = {"IfMatch": answer["ETag"]}
