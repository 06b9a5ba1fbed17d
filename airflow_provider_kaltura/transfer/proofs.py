"""
The proofs that stand between bytes and their final name, in one place.

Whoever copies calls them as ``proofs.<name>``, so that the tests can take them away and show that wrong files then
appear: a suite of faults that finds nothing without the proofs would prove nothing with them.
"""

from __future__ import annotations

from airflow_provider_kaltura.transfer.errors import (
    ChecksumMismatchError,
    IncompleteUploadError,
    SizeMismatchError,
    SourceChangedError,
    SourceCutError,
    SourceExpiredError,
    SourceLengthError,
)


def source_version(expected: str, actual: str | None, host: str | None) -> None:
    """
    Refuse a URL of another version.

    :param expected: Version that was begun with; empty when none is known.
    :param actual: Version in the URL, None when it names none.
    :param host: Host of the URL.
    :raises SourceChangedError: They differ.
    """
    if expected and actual is not None and actual != expected:
        raise SourceChangedError(f"the URL is for version {actual}, not {expected}", host)


def range_not_cut(missing_bytes: int, host: str | None, reason: str = "end of the body") -> None:
    """
    Refuse a body that ended early.

    :param missing_bytes: How many bytes of the range did not come.
    :param host: Who sent it.
    :param reason: What ended it, without any URL.
    :raises SourceCutError: Some are missing.
    """
    if missing_bytes:
        raise SourceCutError(f"{missing_bytes} bytes did not come: {reason}", host)


def whole_not_cut(missing_bytes: int, host: str | None, *, is_refusal: bool) -> None:
    """
    Refuse a body that ended early and was never proved to be of this object: no length was promised.

    :param missing_bytes: How many bytes did not come.
    :param host: Who sent it.
    :param is_refusal: It ended in order without one byte: this is how some servers refuse.
    :raises SourceExpiredError: It is a refusal.
    :raises SourceLengthError: It is not; what came of it must not be kept.
    """
    if missing_bytes and is_refusal:
        raise SourceExpiredError("an empty answer", host)
    if missing_bytes:
        raise SourceLengthError(f"{missing_bytes} bytes did not come, and nothing proves those that did", host)


def nothing_after_range(extra_bytes: int, host: str | None) -> None:
    """
    Refuse a body that goes on after its end.

    :param extra_bytes: How many bytes came after the last one.
    :param host: Who sent it.
    :raises SourceLengthError: Some came.
    """
    if extra_bytes:
        raise SourceLengthError("the body is longer than the size that was promised", host)


def part_length(index: int, expected: int, actual: int, key: str) -> None:
    """
    Refuse a part of another length.

    :param index: Which part.
    :param expected: Its length by plan.
    :param actual: Its length.
    :param key: Name of the object.
    :raises IncompleteUploadError: They differ.
    """
    if expected != actual:
        raise IncompleteUploadError(f"part {index} has {actual} bytes instead of {expected}", key)


def all_parts(missing: int, key: str) -> None:
    """
    Refuse to commit an object that lacks parts.

    :param missing: How many parts were not stored.
    :param key: Name of the object.
    :raises IncompleteUploadError: Some are missing.
    """
    if missing:
        raise IncompleteUploadError(f"{missing} parts are missing", key)


def object_length(expected: int, actual: int, what: str) -> None:
    """
    Refuse an object of another length.

    :param expected: Promised length.
    :param actual: Length that was counted or read back.
    :param what: Which count, for the message.
    :raises SizeMismatchError: They differ.
    """
    if expected != actual:
        raise SizeMismatchError(what, expected, actual)


def object_checksum(expected: str | None, actual: str | None, what: str) -> None:
    """
    Refuse an object of another checksum; None on either side is nothing to compare.

    :param expected: Promised checksum.
    :param actual: Checksum that was computed.
    :param what: Which object, for the message.
    :raises ChecksumMismatchError: They differ.
    """
    if expected is not None and actual is not None and expected != actual:
        raise ChecksumMismatchError(what, expected, actual)
