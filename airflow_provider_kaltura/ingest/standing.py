"""What stands under a final name, and what that means for the job that wants the name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, cast, get_args

from airflow_provider_kaltura.ingest.models import ChecksumName
from airflow_provider_kaltura.transfer.checksum import checksum_of_object
from airflow_provider_kaltura.transfer.errors import ObjectMissingError

if TYPE_CHECKING:
    from airflow_provider_kaltura.ingest.manifest_row import ManifestRow
    from airflow_provider_kaltura.ingest.models import IfExists, Verified
    from airflow_provider_kaltura.transfer.protocols import ObjectStat, Store

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


def has_recorded_bytes(store: Store, stat: ObjectStat, row: ManifestRow) -> bool:
    """
    Read a file back, to tell whether a row that was written about another one (or about which, it doesn't say) fits.

    :param store: Where it stands.
    :param stat: The file.
    :param row: The row, about the same length.
    :returns: True when the row's checksum is that of the file, which did not change meanwhile.
    """
    name = (row.checksum or "").partition(":")[0]
    if name == "none" or name not in get_args(ChecksumName):
        return False
    try:
        found = checksum_of_object(store, stat.key, stat.size_bytes, cast("ChecksumName", name))
    except ObjectMissingError:
        return False
    after = store.stat(stat.key)
    return found == row.checksum and after is not None and after.version_tag == stat.version_tag
