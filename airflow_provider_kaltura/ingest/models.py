"""One asset on its way into a lake: the job, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias, get_args

from airflow_provider_kaltura.transfer.options import StoreOptions
from airflow_provider_kaltura.transfer.protocols import ObjectAttributes

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from airflow_provider_kaltura.api.models import MediaUrl
    from airflow_provider_kaltura.transfer.protocols import Source

IfExists: TypeAlias = Literal["skip", "overwrite", "fail"]
OutcomeName: TypeAlias = Literal["downloaded", "skipped", "adopted", "replaced", "failed"]
Verified: TypeAlias = Literal["full", "length"]
ChecksumName: TypeAlias = Literal["crc64nvme", "sha256", "none"]

#: Most connections to one source: CDNs take more for an attack.
MAX_CONNECTIONS: Final = 8

METADATA_ENTRY: Final = "kaltura-entry"
METADATA_FLAVOR: Final = "kaltura-flavor"
METADATA_TYPE: Final = "kaltura-type"
METADATA_VERSION: Final = "kaltura-version"
METADATA_CHECKSUM: Final = "kaltura-checksum"


class UrlResolver(Protocol):
    """Gives the URL of one asset version; asked again when a URL stopped working."""

    def __call__(self, *, stale: str | None = None) -> MediaUrl:
        """Return a URL; *stale* is one that no longer works and must not come back from a cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetJob:
    """
    One asset and where it goes: what is decided before anything moves.

    ``key`` is below the lake's root, ``path`` is what users see. ``size_bytes`` is Kaltura's ``sizeInBytes``; None
    means that nothing but the server's Content-Length can prove the bytes (``verified`` is then ``"length"``).
    ``partner_id`` 0 and ``version`` ``""`` are unknown. ``refresh`` plans the same asset anew; it is asked once when
    the source turns out to have changed. ``confirm`` is called when all bytes are there and none is visible yet; it
    raises SourceChangedError when they need not be those of ``version``. ``make`` gives the bytes of what is not taken
    as it is, such as a converted caption; it may open sources of other jobs, and ``size_bytes`` is then None, while
    ``is_proved`` tells that what it is made of had a size of Kaltura.
    """

    partner_id: int
    entry_id: str
    asset_type: str
    asset_id: str
    version: str
    size_bytes: int | None
    key: str
    path: str
    resolve_url: UrlResolver = field(repr=False)
    attributes: ObjectAttributes = field(default_factory=ObjectAttributes)
    source_updated_at: datetime | None = None
    refresh: Callable[[], AssetJob] | None = field(default=None, repr=False, compare=False)
    confirm: Callable[[], None] | None = field(default=None, repr=False, compare=False)
    make: Callable[[Callable[[AssetJob], Source]], bytes] | None = field(default=None, repr=False, compare=False)
    is_proved: bool = False

    @property
    def owner(self) -> str:
        """What a name is taken for; an entry's own files have its id."""
        return self.asset_id if self.asset_id != self.entry_id else f"{self.asset_type} of {self.entry_id}"

    @property
    def verified(self) -> Verified:
        """What proves the bytes, once they are there."""
        return "full" if self.is_proved or self.size_bytes is not None else "length"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """
    What became of one job. ``error`` is set exactly when ``outcome`` is ``"failed"``.

    ``version_tag`` is the store's for the very file that was put there or adopted.
    """

    job: AssetJob
    outcome: OutcomeName
    size_bytes: int = 0
    checksum: str | None = None
    verified: Verified = "full"
    fetched_bytes: int = 0
    requests: int = 0
    seconds: float = 0.0
    error: Exception | None = None
    version_tag: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """
    How a plan is carried out.

    :param if_exists: What happens when something stands under the final name.
    :param checksum: Which checksum is recorded.
    :param store: What the store keeps beside the bytes.
    :param max_bytes: Most bytes that one run begins to fetch; None for no limit.
    :param max_bytes_per_second: Most bytes per second of one run, over all its connections; None for no limit.
    :param max_connections: Most connections to the source of one file, 1 to 8.
    :param resume_above_bytes: Files longer than this can be gone on with by a later try.
    :param run_id: For the manifest's file names, as are the following.
    :param task_id: See *run_id*.
    :param map_index: See *run_id*.
    :param try_number: See *run_id*.
    """

    if_exists: IfExists = "skip"
    checksum: ChecksumName = "crc64nvme"
    store: StoreOptions = field(default_factory=StoreOptions)
    max_bytes: int | None = None
    max_bytes_per_second: int | None = None
    max_connections: int = 8
    resume_above_bytes: int = 64 * 1024 * 1024
    run_id: str = "manual"
    task_id: str = "task"
    map_index: int = -1
    try_number: int = 1

    def __post_init__(self) -> None:
        for name, choices in (("if_exists", IfExists), ("checksum", ChecksumName)):
            if getattr(self, name) not in get_args(choices):
                raise ValueError(f"{name} is one of {', '.join(get_args(choices))}, not {getattr(self, name)!r:.40}")
        for name in ("max_bytes", "max_bytes_per_second"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise ValueError(f"{name} is a number of bytes, at least 1, or None, not {value!r:.40}")
        if not 1 <= self.max_connections <= MAX_CONNECTIONS:
            raise ValueError(f"max_connections is 1 to {MAX_CONNECTIONS}, not {self.max_connections!r:.40}")
        if self.resume_above_bytes < 0:
            raise ValueError(f"resume_above_bytes is at least 0, not {self.resume_above_bytes!r:.40}")
