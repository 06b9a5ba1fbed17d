"""Small objects in a bucket of Google Cloud Storage, and what objects there look like to us."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import TYPE_CHECKING, Final

from airflow_provider_kaltura.transfer.errors import (
    ChecksumMismatchError,
    ObjectMissingError,
    SinkError,
    TargetExistsError,
)
from airflow_provider_kaltura.transfer.gcs_wire import check_name, encode_crc32c
from airflow_provider_kaltura.transfer.keys import is_partial_name, split_key
from airflow_provider_kaltura.transfer.protocols import ObjectStat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_kaltura.transfer.gcs_client import GcsClient
    from airflow_provider_kaltura.transfer.gcs_wire import Answer
    from airflow_provider_kaltura.transfer.protocols import Buffer, JsonObject

#: Metadata by which a writer recognises its own object after an answer was lost.
TOKEN_NAME: Final = "kaltura-upload"  # noqa: S105 - a name, no secret
PRECONDITION_FAILED: Final = 412


def crc32c(data: Buffer) -> int:
    """
    Compute a CRC32C.

    :param data: Bytes.
    :returns: An unsigned 32-bit number.
    """
    from awscrt import checksums  # noqa: PLC0415 - heavy, and never needed while DAGs are parsed

    return int(checksums.crc32c(data))


def combine_crc32c(whole: int, value: int, length: int) -> int:
    """
    Compute the CRC32C of two pieces, one after the other, without their bytes.

    :param whole: That of the first.
    :param value: That of the second.
    :param length: Bytes in the second.
    :returns: That of both.
    """
    from awscrt import checksums  # noqa: PLC0415 - see crc32c

    return int(checksums.combine_crc32c(whole, value, length))


def name_of(prefix: str, key: str) -> str:
    """
    Give an object's name in its bucket.

    :param prefix: That of the root: empty, or ending in ``/``.
    :param key: Name below the root.
    :returns: The name.
    :raises InvalidKeyError: It would leave the root, or the service can't keep it.
    """
    split_key(key)
    return check_name(prefix + key)


def stat_of(found: JsonObject, prefix: str) -> ObjectStat:
    """
    Translate the service's description of an object.

    :param found: What the service says.
    :param prefix: That of the root.
    :returns: The same in our terms. The service knows no checksum of ours.
    """
    updated = found.get("updated")
    return ObjectStat(
        key=str(found["name"])[len(prefix) :],
        size_bytes=int(found["size"]),
        version_tag=str(found["generation"]),
        metadata=dict(found.get("metadata") or {}),
        modified_at_epoch=datetime.fromisoformat(updated).timestamp() if updated else None,
    )


def is_of(found: JsonObject | None, token: str) -> bool:
    """
    Tell whether an object is the one that a writer wrote.

    :param found: What the service says, None when nothing stands there.
    :param token: The writer's.
    :returns: True when it is.
    """
    return found is not None and (found.get("metadata") or {}).get(TOKEN_NAME) == token


def prove_written(client: GcsClient, answer: Answer, name: str, size_bytes: int, checksum: int) -> JsonObject:
    """
    Take what the service says it has written only if it is what was sent; else remove just that.

    :param client: The bucket.
    :param answer: To a request that wrote an object.
    :param name: That object's.
    :param size_bytes: Its length.
    :param checksum: Its CRC32C.
    :returns: The service's description.
    :raises ChecksumMismatchError: The service has, or was sent, other bytes.
    :raises SinkError: The service refused.
    """
    if answer.names_checksum:
        raise ChecksumMismatchError(f"bytes were changed on the way to {name!r}", encode_crc32c(checksum), None)
    client.require(answer, name)
    return prove_standing(client, answer.body, name, size_bytes, checksum)


def prove_standing(client: GcsClient, found: JsonObject, name: str, size_bytes: int, checksum: int) -> JsonObject:
    """
    Compare an object that we wrote with what was sent; remove it, in just this generation, if it differs.

    :param client: The bucket.
    :param found: The service's description.
    :param name: Name that was sent.
    :param size_bytes: Length that was sent.
    :param checksum: CRC32C of what was sent.
    :returns: The description.
    :raises ChecksumMismatchError: It differs.
    :raises SinkError: The description can't be read.
    """
    expected = (name, size_bytes, encode_crc32c(checksum))
    try:
        actual = (found["name"], int(found["size"]), found["crc32c"])
        generation = int(found["generation"])
    except (KeyError, TypeError, ValueError) as error:
        raise SinkError("Google Cloud Storage gave an answer that describes no object", name) from error
    if actual != expected:
        client.delete(str(actual[0]), generation)
        raise ChecksumMismatchError(f"the object {name!r} is not what was sent", str(expected[1:]), str(actual[1:]))
    return found


class GcsStore:
    """
    Small objects below a root.

    :param client: The bucket.
    :param prefix: What every name begins with: empty, or ending in ``/``.
    """

    def __init__(self, client: GcsClient, prefix: str = "") -> None:
        self.client = client
        self.prefix = prefix

    def stat(self, key: str) -> ObjectStat | None:
        """
        Describe *key*.

        :param key: Name below the root.
        :returns: None when nothing stands there.
        :raises InvalidKeyError: The name is none.
        """
        found = self.client.get(name_of(self.prefix, key))
        return stat_of(found, self.prefix) if found else None

    def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """
        Read the half-open range ``[start, stop)``.

        :param key: Name below the root.
        :param start: First byte.
        :param stop: One past the last byte; None is the end.
        :returns: The bytes, fewer where the object ends earlier.
        :raises ObjectMissingError: Nothing stands there.
        """
        name = name_of(self.prefix, key)
        if stop is not None and stop <= start:
            found = b"" if self.client.get(name) else None
        else:
            found = self.client.download(name, start, stop)
        if found is None:
            raise ObjectMissingError("nothing stands there", key)
        return found

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
        :param durable: Makes no difference here.
        :returns: What stands there now.
        :raises TargetExistsError: A condition does not hold.
        """
        token, checksum, name = secrets.token_hex(8), crc32c(data), name_of(self.prefix, key)
        description = {
            "name": name,
            "contentType": "application/octet-stream",
            # State and pointers are read again at once: nobody between us and the service may keep an old one.
            "cacheControl": "no-store",
            "crc32c": encode_crc32c(checksum),
            "metadata": {TOKEN_NAME: token},
        }
        condition = "0" if if_absent else if_version
        params = {} if condition is None else {"ifGenerationMatch": condition}
        # Without a condition a lost answer is harmless too: the same bytes are written again.
        answer = self.client.insert(description, data, params)
        if answer.status == PRECONDITION_FAILED:
            found = self.client.get(name)
            if found is None or not is_of(found, token):
                raise TargetExistsError("a condition does not hold", key)
            return stat_of(prove_standing(self.client, found, name, len(data), checksum), self.prefix)
        return stat_of(prove_written(self.client, answer, name, len(data), checksum), self.prefix)

    def list(self, prefix: str) -> Iterator[ObjectStat]:
        """
        List the objects whose key begins with *prefix*, in order of key.

        What is under way is left out, and the empty objects ending in ``/`` that Google's console shows as folders.

        :param prefix: May end within a name.
        :yields: Their descriptions.
        """
        for found in self.client.list(self.prefix + prefix):
            name = str(found["name"])
            if not name.endswith("/") and not is_partial_name(name.rpartition("/")[2]):
                yield stat_of(found, self.prefix)

    def delete(self, key: str) -> None:
        """
        Delete *key*; harmless when nothing stands there.

        :param key: Name below the root.
        """
        self.client.delete(name_of(self.prefix, key))
