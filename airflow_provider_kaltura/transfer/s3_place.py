"""A bucket and what every key of ours begins with in it; what its errors mean here."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from airflow_provider_kaltura.transfer.errors import (
    ChecksumMismatchError,
    IncompleteUploadError,
    InvalidKeyError,
    ObjectMissingError,
    SinkError,
    SinkForbiddenError,
    SinkFullError,
    TargetExistsError,
    TransferError,
    UploadTakenError,
)
from airflow_provider_kaltura.transfer.keys import split_key

if TYPE_CHECKING:
    from collections.abc import Iterator

#: S3 counts the bytes of the whole key, the root's included.
_MOST_KEY_BYTES: Final = 1024
_CODE: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SERVER_ERROR: Final = 500

#: What S3's codes are here, as (class, sentence); a HEAD has no body, so that the status stands for its code.
_MEANINGS: Final[dict[str, tuple[type[SinkError], str]]] = {
    "NoSuchKey": (ObjectMissingError, "nothing stands there"),
    "NoSuchVersion": (ObjectMissingError, "nothing stands there"),
    "NotFound": (ObjectMissingError, "nothing stands there"),
    "404": (ObjectMissingError, "nothing stands there"),
    "PreconditionFailed": (TargetExistsError, "something, or another version, stands there"),
    "412": (TargetExistsError, "something, or another version, stands there"),
    "NoSuchUpload": (UploadTakenError, "the upload is gone: another try has finished it, or it was cleaned up"),
    "InvalidPart": (IncompleteUploadError, "a part is not what it was when it was put"),
    "InvalidPartOrder": (IncompleteUploadError, "the store lists the parts in another order"),
    "EntityTooSmall": (IncompleteUploadError, "a part is shorter than the store takes"),
    "KeyTooLongError": (InvalidKeyError, "the name is longer than the store takes"),
    "QuotaExceeded": (SinkFullError, "the bucket's quota is used up"),
    "XMinioStorageFull": (SinkFullError, "the store is full"),
    "NoSuchBucket": (
        SinkForbiddenError,
        "there is no such bucket, or these credentials don't show it; make it, or correct the destination",
    ),
    "PermanentRedirect": (SinkForbiddenError, "the bucket is in another region: set region_name in the connection"),
    "301": (SinkForbiddenError, "the bucket is in another region: set region_name in the connection"),
    "AuthorizationHeaderMalformed": (
        SinkForbiddenError,
        "the credentials are refused, or the bucket is in another region: set region_name in the connection",
    ),
    "RequestTimeTooSkewed": (SinkForbiddenError, "this machine's clock differs from the store's by too much"),
    "ExpiredToken": (SinkForbiddenError, "the session of the credentials has expired"),
    "InvalidToken": (SinkForbiddenError, "the session of the credentials is refused"),
    "InvalidBucketName": (SinkForbiddenError, "this is no name of a bucket; correct the destination"),
    "InvalidStorageClass": (SinkForbiddenError, "the bucket does not take this storage class"),
    "InvalidTag": (SinkForbiddenError, "the store does not take these tags"),
    "MetadataTooLarge": (SinkForbiddenError, "the store does not take so much metadata"),
    "AccessControlListNotSupported": (SinkForbiddenError, "the bucket takes no ACL"),
}
_WRONG_BYTES: Final = frozenset(
    {"BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"}
)
_FORBIDDEN_STATUS: Final = frozenset({401, 403})


class S3Place:
    """
    A bucket and the beginning of every key in it.

    :param client: A boto3 S3 client; kept, and used from several threads.
    :param bucket: Name of the bucket.
    :param prefix: What every key begins with: empty, or ending in ``/``.
    """

    def __init__(self, client: Any, bucket: str, prefix: str = "") -> None:
        self.client = client
        for operation in ("PutObject", "UploadPart"):
            # By its name it is registered once, however many places share the client.
            client.meta.events.register(f"before-sign.s3.{operation}", _lighten, unique_id=f"kaltura-{operation}")
        self.bucket = bucket
        self.prefix = prefix
        #: The bucket, and where that is, for messages.
        host = urlsplit(client.meta.endpoint_url).netloc.rpartition("@")[2]
        self.shown = f"{bucket} at {host}" if host else bucket

    def full(self, key: str) -> str:
        """
        Give the name that a key has in the bucket.

        :param key: Name below the root.
        :returns: The whole name.
        :raises InvalidKeyError: The key is none, too long for S3, or one that some stores would change.
        """
        split_key(key)
        if "\\" in key:
            raise InvalidKeyError("a name with a backslash can't be trusted to S3: SeaweedFS makes a '/' of it", key)
        name = self.prefix + key
        if len(name.encode()) > _MOST_KEY_BYTES:
            raise InvalidKeyError(f"S3 takes names of {_MOST_KEY_BYTES} bytes, the root's included", key)
        return name

    def call(self, method: str, key: str | None = None, **arguments: Any) -> Any:
        """
        Send one request.

        :param method: The client's.
        :param key: Name below the root, when it is about one object.
        :param **arguments: For the method, besides bucket and key.
        :returns: The client's answer.
        :raises TransferError: See :func:`named`.
        """
        if key is not None:
            arguments["Key"] = self.full(key)
        with failures_named(self.shown, key, arguments.get("StorageClass")):
            return getattr(self.client, method)(Bucket=self.bucket, **arguments)


def _lighten(request: Any, **_: Any) -> None:
    """
    Take out of a request with bytes what costs time and proves nothing.

    ``Expect`` costs a round trip, and a second where a store doesn't know it. A SHA-256 of the bytes in the signature
    says over TLS what the CRC says, which the store compares; without TLS it also stands against forgers, and stays.
    """
    del request.headers["Expect"]
    if request.url.startswith("https:") and "x-amz-checksum-crc64nvme" in request.headers:
        del request.headers["X-Amz-Content-SHA256"]
        request.headers["X-Amz-Content-SHA256"] = "UNSIGNED-PAYLOAD"


@contextmanager
def failures_named(bucket: str, key: str | None, storage_class: str | None = None) -> Iterator[None]:
    """
    Turn what botocore raises into errors of ours.

    :param bucket: For messages.
    :param key: For messages.
    :param storage_class: For messages, where one was asked for.
    :raises TransferError: See :func:`named`.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped] # noqa: PLC0415 - heavy, and an extra

    try:
        yield
    except ClientError as error:
        raise named(error.response, bucket, key, storage_class) from error
    except BotoCoreError as error:
        raise _unanswered(error, bucket, key) from error


def named(response: dict[str, Any], bucket: str, key: str | None, storage_class: str | None = None) -> TransferError:
    """
    Say what an answer of S3 means here. Its message is not repeated: stores put keys and tokens into it.

    :param response: What botocore has of the answer.
    :param bucket: For the message.
    :param key: For the message.
    :param storage_class: For the message, where one was asked for.
    :returns: An error that was not raised yet.
    """
    code, status = str(response.get("Error", {}).get("Code", "")), _status(response)
    shown = code if _CODE.fullmatch(code) else str(status)
    where = f"bucket {bucket}, S3 answered {shown}"
    if code in _WRONG_BYTES:
        return ChecksumMismatchError(f"the store refused bytes of {key!r} that changed on their way ({where})")
    kind, sentence = _MEANINGS.get(code, (SinkError, ""))
    if not sentence and status in _FORBIDDEN_STATUS:
        kind, sentence = SinkForbiddenError, "the credentials are refused, or lack a right"
        if code == str(status):
            sentence += " (also for what does not exist, where s3:ListBucket is lacking)"
    if code == "InvalidStorageClass" and storage_class:
        sentence = f"the bucket does not take the storage class {storage_class!r:.60}"
    return kind(f"{sentence or 'the store refused'} ({where})", key)


def is_in_doubt(error: BaseException) -> bool:
    """
    Tell whether a failed request may have been carried out: its answer, or that to an earlier sending, is lost.

    :param error: What :meth:`S3Place.call` raised.
    :returns: True when the place itself must be asked.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - see failures_named

    cause = error.__cause__
    if isinstance(cause, ClientError):
        retried = cause.response.get("ResponseMetadata", {}).get("RetryAttempts", 0)
        return bool(retried) or _status(cause.response) >= _SERVER_ERROR
    return isinstance(cause, BotoCoreError)


def code_of(error: BaseException) -> str:
    """
    Give S3's own code.

    :param error: What :meth:`S3Place.call` raised.
    :returns: Empty when there was no answer.
    """
    response = getattr(error.__cause__, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def _status(response: dict[str, Any]) -> int:
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _unanswered(error: Exception, bucket: str, key: str | None) -> SinkError:
    from botocore import exceptions  # type: ignore[import-untyped] # noqa: PLC0415 - see failures_named

    kind = type(error).__name__
    refused = (
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
        exceptions.CredentialRetrievalError,
        exceptions.ProfileNotFound,
        exceptions.UnauthorizedSSOTokenError,
        exceptions.TokenRetrievalError,
    )
    if isinstance(error, refused):
        return SinkForbiddenError(
            f"there are no credentials for bucket {bucket} ({kind}): give the connection an access key id (login) and "
            "its secret (password), a profile or a role; without a connection the worker needs its own",
            key,
        )
    if isinstance(error, (exceptions.ParamValidationError, exceptions.NoRegionError)):
        return SinkForbiddenError(
            f"bucket {bucket} can't be asked like this ({kind}): look at its name, and at the connection's region", key
        )
    return SinkError(f"no usable answer about bucket {bucket} ({kind})", key)
