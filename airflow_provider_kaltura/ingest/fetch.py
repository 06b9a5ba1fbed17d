"""
The bytes of one job into the lake: gone on with where an earlier try stopped, proved, and only then under their name.

What may be left of a try is written down before it is begun. An interruption, or an error that may go away, keeps what
was stored; every other error removes it. Nothing is committed that was not proved after the last byte, and an upload
that was gone on with and then fails its proof is fetched anew as a whole, once.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from airflow_provider_kaltura.ingest.errors import LimitReachedError
from airflow_provider_kaltura.ingest.models import METADATA_CHECKSUM
from airflow_provider_kaltura.ingest.partial import is_recorded, is_resumable
from airflow_provider_kaltura.ingest.partial_claim import TOUCH_SECONDS, claim, remove_rivals, sweep
from airflow_provider_kaltura.ingest.proved import Fetched, proved
from airflow_provider_kaltura.ingest.standing import sha256_of_proved
from airflow_provider_kaltura.transfer import plan
from airflow_provider_kaltura.transfer.copy import CopyResult, combined, copy
from airflow_provider_kaltura.transfer.errors import (
    IncompleteUploadError,
    IntegrityError,
    RangeIgnoredError,
    SinkError,
    SinkFullError,
    SourceChangedError,
    SourceLengthError,
    TransferError,
    UploadStateError,
    UploadTakenError,
)
from airflow_provider_kaltura.transfer.rate import RateLimiter

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_kaltura.ingest.lake import Lake
    from airflow_provider_kaltura.ingest.models import AssetJob, RunOptions
    from airflow_provider_kaltura.ingest.partial_claim import Claim
    from airflow_provider_kaltura.transfer.copy import Progress
    from airflow_provider_kaltura.transfer.protocols import ObjectAttributes, ObjectStat, Source, Upload

log = logging.getLogger(__name__)

__all__ = ["Fetched", "Fetcher"]


@dataclass(slots=True)
class Fetcher:
    """
    Fetches the files of one run, within its limits.

    :param lake: Where they go.
    :param options: How.
    :param clock: Seconds since the epoch, for what is written down; exchanged by tests.
    """

    lake: Lake
    options: RunOptions
    clock: Callable[[], float] = time.time
    left_bytes: int | None = field(init=False)
    limiter: RateLimiter | None = field(init=False)

    def __post_init__(self) -> None:
        rate = self.options.max_bytes_per_second
        self.left_bytes = self.options.max_bytes
        self.limiter = None if rate is None else RateLimiter(rate)

    def fetch(self, job: AssetJob, source: Source, *, progress: Progress | None = None) -> Fetched:
        """
        Fetch one file.

        :param job: The job.
        :param source: Its bytes; nothing is asked of it before the limits have been looked at.
        :param progress: Told while bytes move.
        :returns: What stands.
        :raises LimitReachedError: The run may not fetch so much.
        :raises SinkFullError: There is no room.
        :raises UploadTakenError: Another try has gone on with the file.
        :raises TransferError: See its classes.
        """
        size_bytes = source.size_bytes if job.size_bytes is None else job.size_bytes
        transfer = _Transfer(self, job, source, size_bytes, progress)
        try:
            return transfer.carry_out()
        except BaseException as error:
            transfer.give_up(error)
            raise

    def take(self, job: AssetJob, size_bytes: int) -> None:
        """Count bytes that are to be fetched, before the first of them."""
        if self.left_bytes is None:
            return
        if size_bytes > self.left_bytes:
            raise LimitReachedError(job.path, size_bytes, self.left_bytes)
        self.left_bytes -= size_bytes


@dataclass(slots=True)
class _Transfer:
    run: Fetcher
    job: AssetJob
    source: Source
    size_bytes: int
    progress: Progress | None
    part_bytes: int = field(init=False)
    is_resumable: bool = field(init=False)
    claim: Claim | None = None
    upload: Upload | None = None
    is_resumed: bool = False
    is_committed: bool = False
    is_beginning: bool = False
    is_distrusted: bool = False
    taken_bytes: int = 0
    touched_at: float = field(init=False)
    writing: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        capabilities = self.run.lake.sink.capabilities
        self.part_bytes = plan.part_bytes_for(self.size_bytes, capabilities)
        self.touched_at = self.run.clock()
        self.is_resumable = is_resumable(self.job, self.size_bytes, capabilities, self.run.options)

    def carry_out(self) -> Fetched:
        lake = self.run.lake
        if is_recorded(self.job, self.size_bytes, lake.sink.capabilities, self.run.options):
            if self.is_resumable:
                remove_rivals(lake, self.job, self.size_bytes, self.run.clock)
            self.claim = claim(lake, self.job, self.size_bytes, self.part_bytes, self.run.clock)
        stands = self._go_on()
        if stands is not None:
            return stands
        if self.upload is None:
            self._begin()
        try:
            return self._finish()
        except (IntegrityError, IncompleteUploadError) as error:
            if not self.is_resumed or self.is_committed:
                raise
            log.warning("%s was gone on with and can't be proved (%s); it is fetched anew", self.job.path, error)
        self._renew()
        return self._finish()

    def _go_on(self) -> Fetched | None:
        """Go on with what an earlier try has left; tells when that try did finish the file."""
        held = self.claim
        state = held.value.state if held is not None and self.is_resumable else None
        if held is None or state is None:
            return None
        try:
            self.upload = self.run.lake.sink.begin(
                self.job.key,
                size_bytes=self.size_bytes,
                part_bytes=self.part_bytes,
                attributes=self._attributes(),
                state=state,
            )
            held.is_shared = True
            done = self.upload.done_parts()
        except UploadStateError as error:
            log.info("%s can't be gone on with: %s", self.job.path, error)
            self._close()
            self.upload = None
            return self._committed_meanwhile(held)
        self.is_resumed = bool(done)
        self._expect(held.value.validator)
        missing = sum(
            plan.part_range(index, self.size_bytes, self.part_bytes).size_bytes
            for index in plan.missing_parts(self.size_bytes, self.part_bytes, done)
        )
        self._require_room(getattr(self.upload, "unreserved_bytes", missing))
        self._take(missing)
        held.begun(self.upload)
        log.info(
            "Going on with %s: %d of %d bytes are there", self.job.path, self.size_bytes - missing, self.size_bytes
        )
        return None

    def _committed_meanwhile(self, held: Claim) -> Fetched | None:
        if not held.value.is_committing:
            return None
        stat = self.run.lake.store.stat(self.job.key)
        found = None if stat is None else proved(held, stat, self.run.options.checksum)
        self.is_committed = found is not None
        return found

    def _begin(self) -> None:
        held, sink = self.claim, self.run.lake.sink
        if held is not None and held.is_taken_over:
            # An upload that the earlier try began, but could not write down, would never be found again.
            held.value = replace(held.value, after_intent=True)
            sweep(sink, held.value)
        self._require_room(self.size_bytes)
        self._take(self.size_bytes)
        self.is_resumed = False
        self._expect(None)
        if held is not None:
            held.is_shared = False
            held.value = replace(held.value, validator=None)
        self.is_beginning = True
        self.upload = sink.begin(
            self.job.key, size_bytes=self.size_bytes, part_bytes=self.part_bytes, attributes=self._attributes()
        )
        self.is_beginning = False
        if held is not None and self.is_resumable:
            held.begun(self.upload)

    def _take(self, size_bytes: int) -> None:
        self.run.take(self.job, size_bytes)
        self.taken_bytes = size_bytes

    def _renew_distrusted(self) -> Upload:
        """Replace an upload whose parts came from a source that gave wrong answers; the limit counts it once."""
        if self.run.left_bytes is not None:
            self.run.left_bytes += self.taken_bytes
        self._renew()
        return self._required_upload()

    def _renew(self) -> None:
        self._forget()
        self._discard()
        self._begin()
        self.is_distrusted = False

    def _forget(self) -> None:
        """Write down, before anything else, that what was stored is not to be gone on with."""
        self.is_distrusted = True
        if self.claim is not None and self.claim.value.state is not None:
            # Some places can't remove what was stored, and a kill may come before that.
            self.claim.write(replace(self.claim.value, state=None, after_intent=True, is_committing=False))

    def _expect(self, validator: str | None) -> None:
        expect = getattr(self.source, "expect", None)
        if expect is not None:
            expect(validator, is_begun=self.is_resumed)

    def _stored(self, index: int) -> None:
        held = self.claim
        if held is None:
            return
        with self.writing:
            validator = getattr(self.source, "validator", None)
            if validator is not None and held.value.validator is None:
                # Goes with the next write: a try without it may not go on with bytes that need it.
                held.value = replace(held.value, validator=validator)
            held.stored(index, self._required_upload(), with_state=self.is_resumable)

    def _advance(self, done_bytes: int, size_bytes: int) -> None:
        """Tell progress, and give a sign of life also while a part is long on its way."""
        now, held = self.run.clock(), self.claim
        if held is not None and now - self.touched_at >= TOUCH_SECONDS:
            self.touched_at = now
            with self.writing:
                held.touch(self._required_upload(), with_state=self.is_resumable)
        if self.progress is not None:
            self.progress(done_bytes, size_bytes)

    def _finish(self) -> Fetched:
        held, job = self.claim, self.job
        result = copy(
            self.source,
            self._required_upload(),
            size_bytes=self.size_bytes,
            part_bytes=self.part_bytes,
            checksum=self.run.options.checksum,
            progress=self._advance,
            capabilities=self.run.lake.sink.capabilities,
            max_connections=self.run.options.max_connections,
            limiter=self.run.limiter,
            stored=self._stored,
            renew=self._renew_distrusted,
        )
        upload = self._required_upload()
        if job.confirm is not None:
            job.confirm()
        proof = result.checksum or combined(upload, self.size_bytes, self.part_bytes)
        if held is not None and self.is_resumable:
            held.committing(proof)
        kept = {METADATA_CHECKSUM: result.checksum} if result.checksum else {}
        stat = upload.commit(
            if_absent=self.run.options.if_exists == "fail",
            checksum=proof,
            metadata=kept if self.run.lake.sink.capabilities.metadata_at_commit else None,
        )
        self.is_committed = True
        return self._fetched(result, proof, stat)

    def _fetched(self, result: CopyResult, proof: str | None, stat: ObjectStat) -> Fetched:
        held, checksum = self.claim, result.checksum
        if checksum is None and self.run.options.checksum == "sha256":
            # Only bytes in order have one; those of an earlier try are read from where they stand now.
            checksum = sha256_of_proved(self.run.lake.store, stat, proof)
        if held is not None and held.value.after_intent:
            sweep(self.run.lake.sink, held.value)
        if held is not None and not self.is_resumable:
            held.finish()
            held = None
        return Fetched(
            size_bytes=self.size_bytes,
            checksum=checksum,
            stat=stat,
            fetched_bytes=result.fetched_bytes,
            requests=result.requests,
            claim=held,
        )

    def give_up(self, error: BaseException) -> None:
        """Keep or remove what is under way, after an error; never raises one of its own."""
        held, upload = self.claim, self.upload
        if self.is_committed or (held is None and upload is None):
            return
        is_taken = isinstance(error, UploadTakenError) or (held is not None and held.is_lost)
        if is_taken:
            # What was written down is the other one's now; what was not, nobody else would ever find.
            if held is not None and held.is_shared:
                self._close()
            else:
                self._discard()
        elif self._is_worth_keeping(error):
            if held is not None and upload is not None:
                held.keep(upload)
            self._close()
        elif self._discard() and held is not None and not self._may_have_begun(error):
            held.finish()
        else:
            self._forget_quietly()

    def _forget_quietly(self) -> None:
        try:
            self._forget()
        except SinkError:
            log.warning("The record of %s can't be written", self.job.path, exc_info=True)

    def _may_have_begun(self, error: BaseException) -> bool:
        """Tell whether the place may hold an upload that we never got, and that only the record shows to be ours."""
        # Only an error of the place itself says that it refused; a bug, or a signal, may have come after it agreed.
        is_in_doubt = not isinstance(error, TransferError) or error.retryable
        return self.is_beginning and is_in_doubt and self.run.lake.sink.capabilities.leaves_unmarked

    def _is_worth_keeping(self, error: BaseException) -> bool:
        held = self.claim
        if held is None or not self.is_resumable or held.value.state is None or self.is_distrusted:
            return False
        if isinstance(error, LimitReachedError):
            return True  # nothing is wrong with what is there
        if isinstance(error, (IntegrityError, SourceChangedError, RangeIgnoredError, SourceLengthError)):
            return False
        return not isinstance(error, Exception) or bool(getattr(error, "retryable", False))

    def _discard(self) -> bool:
        upload, self.upload = self.upload, None
        if upload is None:
            return True
        try:
            upload.discard()
        except Exception:
            log.warning("What was under way can't be removed; it has no final name", exc_info=True)
            return False
        return True

    def _close(self) -> None:
        close = getattr(self.upload, "close", None)
        if close is not None:
            close()

    def _required_upload(self) -> Upload:
        if self.upload is None:  # pragma: no cover - begun before, by construction
            raise UploadStateError("nothing was begun", self.job.key)
        return self.upload

    def _attributes(self) -> ObjectAttributes:
        return self.run.options.store.apply(self.job.attributes)

    def _require_room(self, needed_bytes: int) -> None:
        free = self.run.lake.sink.free_bytes()
        if free is not None and free < needed_bytes:
            raise SinkFullError(f"{needed_bytes} bytes are needed, and {free} are free", self.job.key)
