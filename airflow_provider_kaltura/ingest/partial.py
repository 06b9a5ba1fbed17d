"""
What is written down about a file on its way, so that another try can go on with it or clean it up.

Below the root: ``_kaltura/partial/<asset id>-<version>-<hash of the destination's key>.json``, one small object per
file. It names no URL and no secret. Whoever wrote its ``owner`` last may finish the file; everybody else notices that
the object changed, because each write is bound to the version that was read or written before.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, fields
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final, Self

from airflow_provider_kaltura.ingest.destination import STATE_FOLDER
from airflow_provider_kaltura.ingest.safe_names import slug
from airflow_provider_kaltura.transfer.errors import SinkError
from airflow_provider_kaltura.transfer.keys import split_key

if TYPE_CHECKING:
    from airflow_provider_kaltura.ingest.models import AssetJob, RunOptions
    from airflow_provider_kaltura.transfer.protocols import Capabilities, JsonObject

FORMAT: Final = 1
PARTIAL_FOLDER: Final = f"{STATE_FOLDER}/partial"

_NAME: Final = re.compile(rf"{PARTIAL_FOLDER}/[A-Za-z0-9_.]+-[A-Za-z0-9_.]+-[0-9a-f]{{16}}\.json")
_MOST_BYTES: Final = (1 << 63) - 1
# The end of the year 9999: no calendar goes further.
_LATEST_EPOCH: Final = 253_402_300_799
# json gives up on deep nesting with RecursionError.
_UNREADABLE: Final = (ValueError, RecursionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Partial:
    """
    One file on its way, as it is written down.

    :param owner: Token of the try that may finish it.
    :param key: Where it goes, below the root.
    :param partner_id: See :class:`~airflow_provider_kaltura.ingest.models.AssetJob`, as the following.
    :param entry_id: See *partner_id*.
    :param asset_type: See *partner_id*.
    :param asset_id: See *partner_id*.
    :param version: See *partner_id*; never empty where ``state`` may be gone on with.
    :param source_updated_at: When Kaltura changed the asset last, as text: a reconversion may keep the version.
    :param size_bytes: Length of the whole.
    :param part_bytes: Length of its parts.
    :param intended_at_epoch: Nothing of it was begun before; by the store's clock, where it tells.
    :param touched_at_epoch: When its owner last gave a sign of life.
    :param after_intent: A try before this one ended with an intent, so that an upload may exist that nobody recorded.
    :param is_committing: Its owner has proved all bytes and asked, or is about to ask, for the final name.
    :param checksum: Of the whole, where *is_committing*.
    :param state: What the sink needs to go on; None before the upload is begun.
    :param validator: What the source told of its bytes beside the version, if it did.
    """

    owner: str
    key: str
    partner_id: int
    entry_id: str
    asset_type: str
    asset_id: str
    version: str
    source_updated_at: str | None
    size_bytes: int
    part_bytes: int
    intended_at_epoch: float
    touched_at_epoch: float
    after_intent: bool = False
    is_committing: bool = False
    checksum: str | None = None
    state: JsonObject | None = None
    validator: str | None = None

    @classmethod
    def of(cls, job: AssetJob, size_bytes: int, part_bytes: int, *, owner: str, now: float) -> Self:
        """
        Make the record of a job that is to be begun.

        :param job: The job.
        :param size_bytes: Length of the whole.
        :param part_bytes: Length of its parts.
        :param owner: Token of this try.
        :param now: Seconds since the epoch.
        :returns: An intent.
        """
        return cls(
            owner=owner,
            key=job.key,
            partner_id=job.partner_id,
            entry_id=job.entry_id,
            asset_type=job.asset_type,
            asset_id=job.asset_id,
            version=job.version,
            source_updated_at=_updated_at(job),
            size_bytes=size_bytes,
            part_bytes=part_bytes,
            intended_at_epoch=now,
            touched_at_epoch=now,
        )

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """
        Read a record.

        :param data: The object's bytes.
        :returns: The record.
        :raises ValueError: It is damaged, or of another format.
        """
        try:
            found = json.loads(data)
        except _UNREADABLE as error:
            raise ValueError("partial state that is no JSON") from error
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise ValueError("partial state of another format")
        values = {one.name: _typed(found, one.name) for one in fields(cls)}
        _require_sane(values)
        return cls(**values)

    def to_json(self) -> bytes:
        """
        Write it as one object.

        :returns: JSON in UTF-8.
        """
        return json.dumps({"format": FORMAT, **asdict(self)}, ensure_ascii=False, separators=(",", ":")).encode()

    def is_for(self, job: AssetJob, size_bytes: int) -> bool:
        """
        Tell whether the same bytes are to stand at the same place.

        :param job: The job.
        :param size_bytes: Its length.
        :returns: True when asset, version, length and place are the same, and the version is known.
        """
        return bool(self.version) and (
            self.key,
            self.asset_type,
            self.asset_id,
            self.version,
            self.source_updated_at,
            self.size_bytes,
        ) == (job.key, job.asset_type, job.asset_id, job.version, _updated_at(job), size_bytes)

    def is_rival_of(self, job: AssetJob, size_bytes: int) -> bool:
        """
        Tell whether this file can't be wanted any more once a job is begun.

        :param job: The job.
        :param size_bytes: Its length.
        :returns: True when it is another one for the same place, or another version of the same asset.
        """
        if self.key == job.key:
            return not self.is_for(job, size_bytes)
        same_asset = (self.asset_type, self.asset_id, self.partner_id) == (job.asset_type, job.asset_id, job.partner_id)
        return same_asset and (self.version, self.size_bytes) != (job.version, size_bytes)


@dataclass(frozen=True, slots=True)
class Traces:
    """
    What can still be read in a record that is damaged, or of another format.

    :param is_foreign: It is of a format that this version does not know.
    :param key: Where its file goes; None where that can't be read.
    :param handles: Texts in its state; one of them may name an upload.
    """

    is_foreign: bool = False
    key: str | None = None
    handles: frozenset[str] = frozenset()


def traces(data: bytes) -> Traces:
    """
    Read what a record that can't be gone on with still tells.

    :param data: The object's bytes.
    :returns: Nothing in it where it is no JSON.
    """
    try:
        found = json.loads(data)
    except _UNREADABLE:
        return Traces()
    if not isinstance(found, dict):
        return Traces()
    key, state, version = found.get("key"), found.get("state"), found.get("format")
    return Traces(
        is_foreign=isinstance(version, int) and version > FORMAT,
        key=key if isinstance(key, str) else None,
        handles=handles_of(state if isinstance(state, dict) else None),
    )


def handles_of(state: JsonObject | None) -> frozenset[str]:
    """
    Give the texts in recorded state.

    :param state: Of a sink; nobody else knows its fields.
    :returns: Its values that are texts; the upload's own name is among them.
    """
    return frozenset(value for value in (state or {}).values() if isinstance(value, str))


def partial_key(job: AssetJob) -> str:
    """
    Name the record of a job.

    Two odd ids may share a name: what stands in the record decides, never its name.

    :param job: The job.
    :returns: A key in :data:`PARTIAL_FOLDER`.
    """
    return f"{PARTIAL_FOLDER}/{slug(job.asset_id, 80)}-{slug(job.version, 40)}-{_digest(job.key)}.json"


def may_be_for(name: str, key: str) -> bool:
    """
    Tell whether a record may be that of a place, by its name alone.

    :param name: Key of the record.
    :param key: The place.
    :returns: True when its name has the hash of the place.
    """
    return name.endswith(f"-{_digest(key)}.json")


def is_partial_key(key: str) -> bool:
    """
    Tell whether a name is that of a record.

    :param key: Name below the root.
    :returns: True for names that :func:`partial_key` makes.
    """
    return _NAME.fullmatch(key) is not None


def is_resumable(job: AssetJob, size_bytes: int, capabilities: Capabilities, options: RunOptions) -> bool:
    """
    Tell whether a later try may go on with a file.

    :param job: The job; without a version nothing would say that the rest is of the same bytes.
    :param size_bytes: Its length.
    :param capabilities: What the sink can do.
    :param options: From which length on.
    :returns: True when it may.
    """
    return capabilities.resumable and bool(job.version) and size_bytes > options.resume_above_bytes


def is_recorded(job: AssetJob, size_bytes: int, capabilities: Capabilities, options: RunOptions) -> bool:
    """
    Tell whether a file is written down before it is begun.

    :param job: The job.
    :param size_bytes: Its length.
    :param capabilities: What the sink can do, and what a kill would leave in its place.
    :param options: From which length on a later try may go on.
    :returns: True when it is.
    """
    is_unmarked = capabilities.leaves_unmarked and size_bytes > capabilities.single_put_bytes
    return is_unmarked or is_resumable(job, size_bytes, capabilities, options)


def _digest(key: str) -> str:
    return hashlib.blake2b(key.encode(errors="surrogatepass"), digest_size=8).hexdigest()


def _updated_at(job: AssetJob) -> str | None:
    return None if job.source_updated_at is None else job.source_updated_at.astimezone(UTC).isoformat()


_TEXT, _COUNT, _SECONDS, _FLAG = (str,), (int,), (int, float), (bool,)
_KINDS: Final[dict[str, tuple[type[Any], ...]]] = {
    "owner": _TEXT,
    "key": _TEXT,
    "partner_id": _COUNT,
    "entry_id": _TEXT,
    "asset_type": _TEXT,
    "asset_id": _TEXT,
    "version": _TEXT,
    "source_updated_at": (str, type(None)),
    "size_bytes": _COUNT,
    "part_bytes": _COUNT,
    "intended_at_epoch": _SECONDS,
    "touched_at_epoch": _SECONDS,
    "after_intent": _FLAG,
    "is_committing": _FLAG,
    "checksum": (str, type(None)),
    "state": (dict, type(None)),
    "validator": (str, type(None)),
}


def _typed(found: dict[str, Any], name: str) -> Any:
    value, kinds = found.get(name), _KINDS[name]
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise ValueError(f"partial state whose {name} can't be read")
    return value


def _require_sane(values: dict[str, Any]) -> None:
    """Refuse what no later step could compute with, encode, or look for: it would stop every clean-up for good."""
    try:
        split_key(values["key"])
        json.dumps(values, ensure_ascii=False).encode()
    except (SinkError, UnicodeEncodeError) as error:
        raise ValueError("partial state with a text that can't be a name") from error
    if not 0 <= values["size_bytes"] <= _MOST_BYTES or values["part_bytes"] < 1:
        raise ValueError("partial state whose size_bytes or part_bytes no file has")
    # NaN and infinity are neither below nor above: only the comparison in this form refuses them.
    if not all(0 <= values[name] <= _LATEST_EPOCH for name in ("intended_at_epoch", "touched_at_epoch")):
        raise ValueError("partial state whose touched_at_epoch or intended_at_epoch is no time")
