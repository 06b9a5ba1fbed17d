"""What stands under a final name, and what that means for the job that wants the name."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast, get_args

from airflow_provider_kaltura.ingest.models import (
    METADATA_CHECKSUM,
    METADATA_FLAVOR,
    METADATA_TYPE,
    METADATA_VERSION,
    ChecksumName,
)
from airflow_provider_kaltura.transfer import proofs
from airflow_provider_kaltura.transfer.checksum import (
    READ_BACK_BYTES,
    checksum_of_object,
    crc64nvme,
    format_crc64nvme,
)
from airflow_provider_kaltura.transfer.errors import ObjectMissingError

if TYPE_CHECKING:
    from airflow_provider_kaltura.ingest.manifest_row import ManifestRow
    from airflow_provider_kaltura.ingest.models import AssetJob, IfExists, Verified
    from airflow_provider_kaltura.transfer.protocols import ObjectStat, Store

# What has no type in its metadata; the first files had none.
_FLAVOR: Final = "flavor"

Decision: TypeAlias = Literal["fetch", "skip", "adopt", "refuse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What manifest or object metadata say about the file that stands there."""

    is_same_asset: bool
    size_bytes: int
    checksum: str | None = None
    verified: Verified = "full"


def decide(
    if_exists: IfExists,
    standing_bytes: int | None,
    recorded: Recorded | None,
    wanted_bytes: int,
    *,
    is_record_incomplete: bool = False,
) -> Decision:
    """
    Decide what happens to one job, from what stands under its final name.

    ``skip`` leaves a file alone only when its length, asset and version are the wanted ones by record; a file that
    nobody recorded is adopted by its length alone, unless the record may have been lost.

    :param if_exists: What the user wants.
    :param standing_bytes: Length of what stands there, None when nothing does.
    :param recorded: What is recorded about it, None when nothing is.
    :param wanted_bytes: Length of the asset.
    :param is_record_incomplete: Something that is recorded may not be known here, such as a damaged line,
        or what stands may be damaged itself.
    :returns: The decision; ``fetch`` replaces what stands there.
    """
    if standing_bytes is None or if_exists == "overwrite":
        return "fetch"
    if if_exists == "fail":
        return "refuse"
    if standing_bytes != wanted_bytes:
        return "fetch"
    if recorded is not None:
        return "skip" if recorded.is_same_asset and recorded.size_bytes == standing_bytes else "fetch"
    return "fetch" if is_record_incomplete else "adopt"


def is_ours(stat: ObjectStat) -> bool:
    """
    Tell whether a file says by its metadata which asset it is.

    :param stat: The file.
    :returns: True when it does; metadata comes into being with the object, and is about all of its bytes.
    """
    metadata = stat.metadata or {}
    return METADATA_FLAVOR in metadata and METADATA_VERSION in metadata


def by_metadata(job: AssetJob, stat: ObjectStat) -> Recorded:
    """
    Read what a file says about itself.

    :param job: The job that wants its name.
    :param stat: A file that :func:`is_ours`.
    :returns: What is recorded.
    """
    metadata = stat.metadata or {}
    found = (metadata.get(METADATA_TYPE, _FLAVOR), metadata.get(METADATA_FLAVOR), metadata.get(METADATA_VERSION))
    return Recorded(
        is_same_asset=found == (job.asset_type, job.asset_id, job.version),
        size_bytes=stat.size_bytes,
        checksum=metadata.get(METADATA_CHECKSUM) or stat.checksum,
    )


def has_recorded_bytes(store: Store, stat: ObjectStat, row: ManifestRow) -> bool:
    """
    Prove a file, to tell whether a row that was written about another one (or about which, it doesn't say) fits.

    :param store: Where it stands.
    :param stat: The file.
    :param row: The row, about the same length.
    :returns: True when the row's checksum is that of the file, which did not change meanwhile.
    """
    return has_bytes(store, stat, row.size_bytes, row.checksum)


def has_bytes(store: Store, stat: ObjectStat, size_bytes: int, checksum: str | None) -> bool:
    """
    Prove that a file has certain bytes: by the store's own checksum where it keeps one of the kind, else by reading.

    :param store: Where it stands.
    :param stat: The file.
    :param size_bytes: The length that it should have.
    :param checksum: The checksum that it should have; None proves nothing.
    :returns: True when it has them, and did not change meanwhile.
    """
    name = (checksum or "").partition(":")[0]
    if checksum is None or stat.size_bytes != size_bytes or name == "none" or name not in get_args(ChecksumName):
        return False
    if stat.checksum is not None and stat.checksum.partition(":")[0] == name:
        return stat.checksum == checksum
    try:
        found = checksum_of_object(store, stat.key, stat.size_bytes, cast("ChecksumName", name))
    except ObjectMissingError:
        return False
    return found == checksum and _is_still(store, stat)


def sha256_of_proved(store: Store, stat: ObjectStat, proof: str | None) -> str | None:
    """
    Read a file that was committed just now, and proved by the CRC-64/NVME of its parts, for the checksum asked for.

    :param store: Where it stands.
    :param stat: The file.
    :param proof: What its bytes were proved by.
    :returns: Its SHA-256; *proof* when another file has taken the name.
    :raises ChecksumMismatchError: What is read is not what was proved.
    """
    sha, crc = hashlib.sha256(), 0
    try:
        for start in range(0, stat.size_bytes, READ_BACK_BYTES):
            piece = store.read(stat.key, start, min(start + READ_BACK_BYTES, stat.size_bytes))
            sha.update(piece)
            crc = crc64nvme(piece, crc)
    except ObjectMissingError:
        return proof
    if not _is_still(store, stat):
        return proof
    proofs.object_checksum(proof, format_crc64nvme(crc), "the file read back")
    return f"sha256:{sha.hexdigest()}"


def _is_still(store: Store, stat: ObjectStat) -> bool:
    after = store.stat(stat.key)
    return after is not None and after.version_tag == stat.version_tag
