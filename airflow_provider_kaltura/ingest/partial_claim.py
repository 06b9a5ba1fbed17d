"""The hold of one try on the record of a file on its way: taken over by whoever writes its token last."""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from airflow_provider_kaltura.ingest.partial import (
    PARTIAL_FOLDER,
    Partial,
    is_partial_key,
    partial_key,
)
from airflow_provider_kaltura.ingest.partial_read import Found, read_partial
from airflow_provider_kaltura.ingest.partial_uploads import unrecorded_uploads
from airflow_provider_kaltura.transfer import plan
from airflow_provider_kaltura.transfer.errors import (
    SinkError,
    TargetExistsError,
    UploadStateError,
    UploadTakenError,
)
from airflow_provider_kaltura.transfer.protocols import ObjectAttributes

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_kaltura.ingest.lake import Lake
    from airflow_provider_kaltura.ingest.models import AssetJob
    from airflow_provider_kaltura.transfer.protocols import ObjectStat, Sink, Upload

log = logging.getLogger(__name__)

#: Where the store does not list the parts of an upload, at most a 256th of them is put again after a kill, and at most
#: as many records are written for one file.
_GROUPS: Final = 256
TOUCH_SECONDS: Final = 60.0
_TRIES: Final = 8


@dataclass(slots=True)
class Claim:
    """
    One try's hold on a record.

    :param lake: Where it stands.
    :param value: What was written last.
    :param name: Its key.
    :param tag: Its version.
    :param clock: Seconds since the epoch.
    :param is_taken_over: An earlier try had written it.
    """

    lake: Lake
    value: Partial
    name: str
    tag: str
    clock: Callable[[], float]
    is_taken_over: bool = False
    is_lost: bool = False
    is_shared: bool = False
    _parts: int = 0
    _known: frozenset[int] = frozenset()
    _written_at: float = field(init=False)

    def __post_init__(self) -> None:
        self._written_at = self.clock()

    def write(self, value: Partial, *, durable: bool = True) -> ObjectStat:
        """
        Write the record, unless somebody else has done so.

        :param value: What it shall say.
        :param durable: See :meth:`~airflow_provider_kaltura.transfer.protocols.Store.write`.
        :returns: What stands there now.
        :raises UploadTakenError: Another try, or a clean-up, has it now.
        """
        value = replace(value, touched_at_epoch=self.clock())
        for _ in range(_TRIES):
            try:
                stat = self.lake.store.write(self.name, value.to_json(), if_version=self.tag, durable=durable)
            except TargetExistsError as error:
                self._require_own(error)
            else:
                self.value, self.tag, self._written_at, self._parts = value, stat.version_tag, self.clock(), 0
                return stat
        raise UploadTakenError("the record of this file never rests", self.value.key)

    def begun(self, upload: Upload) -> None:
        """
        Write down what the sink needs to go on.

        :param upload: The upload that was begun, or gone on with.
        :raises UploadTakenError: See :meth:`write`.
        """
        value = replace(self.value, state=upload.state(), is_committing=False, checksum=None)
        self._known = frozenset()
        try:
            self.write(value)
        except UploadTakenError:
            raise
        except BaseException:
            # It may have arrived all the same.
            self.is_shared = True
            raise
        self.is_shared = True

    def stored(self, index: int, upload: Upload, *, with_state: bool) -> None:
        """
        Take note of one more part; writes when a group is full, or when a sign of life is due.

        A part that was stored while the record was being written for another one may be in it already.

        :param index: The part.
        :param upload: The upload.
        :param with_state: A later try may go on with it.
        :raises UploadTakenError: See :meth:`write`.
        """
        self._parts += index not in self._known
        is_due = self.clock() - self._written_at >= TOUCH_SECONDS
        if with_state and not self.lake.sink.capabilities.lists_parts:
            count = plan.part_count(self.value.size_bytes, self.value.part_bytes)
            is_due = is_due or self._parts >= max(1, count // _GROUPS)
        if is_due:
            self._write_if_possible(upload if with_state else None)

    def touch(self, upload: Upload, *, with_state: bool) -> None:
        """Give a sign of life if it is due; see :meth:`stored`."""
        if self.clock() - self._written_at >= TOUCH_SECONDS:
            self._write_if_possible(upload if with_state else None)

    def keep(self, upload: Upload) -> None:
        """
        Write down all that was stored, for another try; what can't be written then is put again.

        :param upload: The upload.
        """
        try:
            self._write_if_possible(upload)
        except UploadTakenError:
            log.info("Another try has gone on with %s", self.value.key)

    def committing(self, checksum: str | None) -> None:
        """
        Write down that all bytes are proved; from here on a file under the final name may be this one.

        :param checksum: Of the whole.
        :raises UploadTakenError: See :meth:`write`.
        """
        self.write(replace(self.value, is_committing=True, checksum=checksum))

    def finish(self) -> None:
        """Remove the record, unless somebody else has it now; what can't be removed is left to a clean-up."""
        try:
            if not self.is_lost and self._is_own():
                self.lake.store.delete(self.name)
        except SinkError:
            log.warning("The record of %s can't be removed", self.value.key, exc_info=True)

    def _is_own(self) -> bool:
        """Look at what stands there: the version that we wrote, or another one that bears our token."""
        stat = self.lake.store.stat(self.name)
        if stat is None or stat.version_tag == self.tag:
            return stat is not None
        # A write of ours whose answer was lost.
        found = read_partial(self.lake.store, self.name)
        return found is not None and found.partial is not None and found.partial.owner == self.value.owner

    def _write_if_possible(self, upload: Upload | None) -> None:
        try:
            # Asked before the state, so that no part is taken for written down that came between the two.
            known = self._known if upload is None else upload.done_parts()
            value = self.value if upload is None else replace(self.value, state=upload.state())
            self.write(value, durable=False)
            self._known = known
        except UploadTakenError:
            raise
        except SinkError:
            # The next group comes, and a kill until then costs some parts at most.
            log.warning("The record of %s can't be written now", self.value.key, exc_info=True)

    def _require_own(self, error: TargetExistsError) -> None:
        """Go on when our own write, whose answer was lost, is what stands there."""
        found = read_partial(self.lake.store, self.name)
        if found is None or found.partial is None or found.partial.owner != self.value.owner:
            self.is_lost = True
            raise UploadTakenError(
                "another try has gone on with this file, or a clean-up ended it", self.value.key
            ) from (error)
        self.tag = found.stat.version_tag


def claim(lake: Lake, job: AssetJob, size_bytes: int, part_bytes: int, clock: Callable[[], float]) -> Claim:
    """
    Write down that a file is to be begun, or take over what an earlier try has written.

    What stands there for other bytes is removed first.

    :param lake: Where it goes.
    :param job: The job.
    :param size_bytes: Length of the whole.
    :param part_bytes: Length of its parts.
    :param clock: Seconds since the epoch.
    :returns: The hold; its ``value.state`` may be gone on with.
    :raises UploadTakenError: Others take it at every moment.
    :raises SinkError: The place can't be read or written.
    """
    name = partial_key(job)
    intent = Partial.of(job, size_bytes, part_bytes, owner=secrets.token_hex(8), now=clock())
    for left in reversed(range(_TRIES)):
        try:
            return _claim_once(lake, name, intent, job, clock)
        except TargetExistsError:
            # Nothing that can be read has the name, time and again: a pipe or a link, which can't be taken over.
            if left == 1 and lake.store.stat(name) is None:
                lake.store.delete(name)
    raise UploadTakenError("others take this file at every moment", job.key)


def _claim_once(lake: Lake, name: str, intent: Partial, job: AssetJob, clock: Callable[[], float]) -> Claim:
    try:
        stat = lake.store.write(name, intent.to_json(), if_absent=True)
    except TargetExistsError:
        found = read_partial(lake.store, name)
        if found is None:
            raise
    else:
        return Claim(lake, _intended_at(intent, stat), name, stat.version_tag, clock)
    earlier = found.partial
    if earlier is None:
        _remove_traced(lake.sink, job.key, found)
        stat = lake.store.write(name, intent.to_json(), if_version=found.stat.version_tag)
        return Claim(lake, _intended_at(intent, stat), name, stat.version_tag, clock, is_taken_over=True)
    taken = replace(earlier, owner=intent.owner, touched_at_epoch=clock())
    stat = lake.store.write(name, taken.to_json(), if_version=found.stat.version_tag)
    held = Claim(lake, taken, name, stat.version_tag, clock, is_taken_over=True)
    if not earlier.is_for(job, intent.size_bytes) or earlier.part_bytes != intent.part_bytes:
        discard_recorded(lake.sink, earlier)
        held.value = _intended_at(intent, held.write(intent))
        held.is_taken_over = False
    return held


def _intended_at(intent: Partial, stat: ObjectStat) -> Partial:
    """Let the store's clock tell when nothing was begun yet: it also tells when uploads were."""
    began = stat.modified_at_epoch
    return intent if began is None else replace(intent, intended_at_epoch=began)


def _remove_traced(sink: Sink, key: str, found: Found) -> None:
    """Remove the upload that a record names which can't be read whole: nothing would lead to it any more."""
    if sink.capabilities.leaves_unmarked and found.traces.key == key and found.traces.handles:
        for one in list(sink.leftovers()):
            if one.is_removable and one.key == key and one.handle in found.traces.handles:
                sink.remove_leftover(one)


def remove_rivals(lake: Lake, job: AssetJob, size_bytes: int, clock: Callable[[], float]) -> None:
    """
    Remove what was begun for the same place or for other versions of the same asset, as far as the place allows.

    :param lake: Where it stands.
    :param job: What is to be begun.
    :param size_bytes: Its length.
    :param clock: Seconds since the epoch.
    :raises SinkError: The records can't be listed.
    """
    name = partial_key(job)
    asset, _, digest = name.removeprefix(f"{PARTIAL_FOLDER}/").rpartition("-")
    asset = asset.rpartition("-")[0]
    for stat in list(lake.store.list(f"{PARTIAL_FOLDER}/")):
        other = stat.key.removeprefix(f"{PARTIAL_FOLDER}/")
        if stat.key == name or not is_partial_key(stat.key):
            continue
        if not (other.startswith(f"{asset}-") or other.endswith(f"-{digest}")):
            continue
        try:
            found = read_partial(lake.store, stat.key)
        except SinkError as error:
            log.warning("The record %s of an earlier try can't be read: %s", stat.key, error)
            continue
        if found is not None and found.partial is not None and found.partial.is_rival_of(job, size_bytes):
            remove_recorded(lake, stat.key, found, clock)


def remove_recorded(lake: Lake, name: str, found: Found, clock: Callable[[], float]) -> bool:
    """
    Take a record over and remove it, together with its upload.

    :param lake: Where it stands.
    :param name: Its key.
    :param found: What was read.
    :param clock: Seconds since the epoch.
    :returns: False when somebody else was faster, or the place refused; it then stays.
    """
    try:
        if found.partial is not None:
            # As old as it was: whoever removes it may be killed too.
            taken = replace(found.partial, owner=secrets.token_hex(8))
            stat = lake.store.write(name, taken.to_json(), if_version=found.stat.version_tag)
            held = Claim(lake, taken, name, stat.version_tag, clock)
            discard_recorded(lake.sink, taken)
            held.finish()
        else:
            lake.store.delete(name)
    except SinkError as error:
        log.warning("What an earlier try has left of %s can't be removed: %s", name, error)
        return False
    except Exception:
        # One record must not stand in the way of all others.
        log.warning("What an earlier try has left of %s can't be removed", name, exc_info=True)
        return False
    return True


def discard_recorded(sink: Sink, partial: Partial) -> None:
    """
    Remove the upload that a record names, or was written for.

    :param sink: Where it is.
    :param partial: The record.
    :raises SinkError: The place refused.
    """
    if partial.state is not None:
        try:
            sink.begin(
                partial.key,
                size_bytes=partial.size_bytes,
                part_bytes=partial.part_bytes,
                attributes=ObjectAttributes(),
                state=partial.state,
            ).discard()
        except UploadStateError:
            log.debug("Nothing is left of %s", partial.key)
    if partial.state is None or partial.after_intent:
        sweep(sink, partial)


def sweep(sink: Sink, partial: Partial) -> None:
    """
    Remove uploads that were begun for a record and never written down.

    :param sink: Where they are.
    :param partial: The record.
    :raises SinkError: The place refused.
    """
    if not sink.capabilities.leaves_unmarked:
        return
    for leftover in unrecorded_uploads(sink.leftovers(), partial):
        log.info("Removing an upload of %s that an earlier try could not write down", partial.key)
        sink.remove_leftover(leftover)
