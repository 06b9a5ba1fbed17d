"""Which uploads that bear no mark of ours belong to a record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from airflow_provider_kaltura.ingest.partial import handles_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_kaltura.ingest.partial import Partial
    from airflow_provider_kaltura.transfer.protocols import Leftover

# Times of stores are whole seconds, some rounded.
_CLOCK_GRAIN_SECONDS: Final = 2.0


def unrecorded_uploads(leftovers: Iterator[Leftover], partial: Partial) -> Iterator[Leftover]:
    """
    Choose the uploads that can only be there because of a record.

    :param leftovers: What is there.
    :param partial: The record.
    :yields: Removable ones that bear no mark of ours, see :func:`is_upload_of`.
    """
    for one in leftovers:
        if one.is_removable and not one.is_marked and is_upload_of(one, partial):
            yield one


def is_upload_of(leftover: Leftover, partial: Partial) -> bool:
    """
    Tell whether an upload that bears no mark of ours is that of a record.

    :param leftover: The upload.
    :param partial: The record.
    :returns: True when the record names it; where it names none yet, when it was begun for its key after the intent.
    """
    if leftover.key != partial.key:
        return False
    if partial.state is not None:
        # Others may upload to the same key: once ours is known by its name, only that is ours.
        return leftover.handle in handles_of(partial.state)
    return was_begun_after(leftover, partial.intended_at_epoch)


def was_begun_after(leftover: Leftover, intended_at_epoch: float) -> bool:
    """
    Tell whether an upload is younger than an intent.

    :param leftover: The upload; one that tells no time is not.
    :param intended_at_epoch: When it was intended.
    :returns: True when it was begun then or later, as exactly as stores tell.
    """
    began = leftover.touched_at_epoch
    return began is not None and began >= intended_at_epoch - _CLOCK_GRAIN_SECONDS
