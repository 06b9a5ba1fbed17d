"""
Checksums of whole objects, as texts such as ``"crc64nvme:9c5a2b1e00f3d7aa"``.

``crc64nvme`` combines: the checksum of the whole follows from those of its parts, in whatever order these were
computed. ``sha256`` needs the bytes in order. ``awscrt`` is imported when a checksum is computed, not before.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_kaltura.transfer.protocols import Buffer, Store

ChecksumName: TypeAlias = Literal["crc64nvme", "sha256", "none"]
CHECKSUM_NAMES: Final[tuple[ChecksumName, ...]] = ("crc64nvme", "sha256", "none")

#: Read back in pieces of this length where a checksum needs the object again.
READ_BACK_BYTES = 8 * 1024 * 1024


def crc64nvme(data: Buffer, previous: int = 0) -> int:
    """
    Compute a CRC-64/NVME.

    :param data: Bytes.
    :param previous: Value of the bytes before these.
    :returns: An unsigned 64-bit number.
    """
    from awscrt import checksums  # noqa: PLC0415 - heavy, and never needed while DAGs are parsed

    return int(checksums.crc64nvme(data, previous))


def combine_crc64nvme(parts: Iterable[tuple[int, int]]) -> int:
    """
    Compute the CRC-64/NVME of a whole from its parts, without their bytes.

    :param parts: (value, length in bytes) of each part, in order.
    :returns: The whole's value; 0 for no part at all.
    """
    from awscrt import checksums  # noqa: PLC0415 - see crc64nvme

    whole = 0
    for value, length in parts:
        whole = int(checksums.combine_crc64nvme(whole, value, length))
    return whole


def format_crc64nvme(value: int) -> str:
    """
    Write a CRC-64/NVME as results and manifests show it.

    :param value: The number.
    :returns: ``"crc64nvme:"`` and 16 hexadecimal digits.
    """
    return f"crc64nvme:{value:016x}"


def checksum_of(data: Buffer, name: ChecksumName = "crc64nvme") -> str | None:
    """
    Compute the checksum of bytes in memory.

    :param data: Bytes.
    :param name: Which checksum.
    :returns: Its text, None for ``"none"``.
    """
    if name == "none":
        return None
    if name == "sha256":
        return f"sha256:{hashlib.sha256(data).hexdigest()}"
    return format_crc64nvme(crc64nvme(data))


def checksum_of_object(store: Store, key: str, size_bytes: int, name: ChecksumName) -> str | None:
    """
    Compute the checksum of an object that stands already, by reading it once.

    :param store: Where it stands.
    :param key: Its name.
    :param size_bytes: Its length.
    :param name: Which checksum.
    :returns: Its text, None for ``"none"``.
    :raises ObjectMissingError: Nothing stands there.
    """
    if name == "none":
        return None
    sha, crc = hashlib.sha256(), 0
    for start in range(0, size_bytes, READ_BACK_BYTES):
        piece = store.read(key, start, min(start + READ_BACK_BYTES, size_bytes))
        if name == "sha256":
            sha.update(piece)
        else:
            crc = crc64nvme(piece, crc)
    return f"sha256:{sha.hexdigest()}" if name == "sha256" else format_crc64nvme(crc)
