"""
What can go wrong with bytes.

::

    TransferError
    ├─ SourceError                 the bytes don't come, or are not what was asked for
    │  ├─ SourceUnavailableError   network, timeout, 429, 5xx: the same request may work later
    │  ├─ SourceCutError           fewer bytes came than were promised
    │  ├─ SourceExpiredError       the URL is refused (401, 403, 404, 410, a refusal header, an empty 200)
    │  ├─ SourceAnswerError        an answer that proves nothing: a page, an unexpected status, an encoding
    │  ├─ SourceLengthError        a whole answer of another length
    │  ├─ RangeIgnoredError        a whole answer to a request for a range
    │  ├─ SourceChangedError       another version, or another size, than the one that was begun with
    │  ├─ RedirectRefusedError     a URL that is not followed: no http(s), from https to http, a session elsewhere
    │  ├─ SourceUntrustedError     the server's certificate does not hold
    │  └─ SourceUnprovableError    the size is unknown and the server doesn't tell it
    ├─ SinkError                   the place can't take the bytes
    │  ├─ InvalidKeyError          a name that would leave the root, or that the place can't hold
    │  ├─ TargetExistsError        a condition (absent, this version) does not hold
    │  ├─ ObjectMissingError       nothing stands there
    │  ├─ SinkFullError            no space left
    │  ├─ SinkForbiddenError       the credentials, or their rights, are refused
    │  ├─ UploadStateError         the recorded state of an earlier try can't be gone on with
    │  ├─ UploadTakenError         another try has gone on with this upload
    │  └─ IncompleteUploadError    a part is missing at commit, or has another length
    └─ IntegrityError              the proof at the end failed
       ├─ SizeMismatchError
       └─ ChecksumMismatchError

``retryable`` says whether the same task may succeed when it is run again. Messages name hosts and keys, never a URL.
Every argument is positional and goes to ``super().__init__``, so that errors survive pickling.
"""

from __future__ import annotations

from typing import ClassVar


class TransferError(Exception):
    """Root of everything that goes wrong while bytes move."""

    retryable: ClassVar[bool] = False


class SourceError(TransferError):
    """
    The bytes don't come, or are not what was asked for.

    :param message: What happened; no URL.
    :param host: Host that answered, or should have.
    :param *more: Further arguments of a subclass, so that pickling finds them.
    """

    retryable: ClassVar[bool] = True

    def __init__(self, message: str, host: str | None = None, *more: object) -> None:
        super().__init__(message, host, *more)
        self.message = message
        self.host = host

    def __str__(self) -> str:
        return f"{self.message} (host {self.host})" if self.host else self.message


class SourceUnavailableError(SourceError):
    """
    Network trouble, a timeout, 429 or 5xx: the same request may work later.

    :param message: What happened; no URL.
    :param host: Host that answered, or should have.
    :param status: HTTP status, None when there was no answer.
    :param retry_after_seconds: What the server asked for, if it did.
    """

    def __init__(
        self,
        message: str,
        host: str | None = None,
        status: int | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message, host, status, retry_after_seconds)
        self.status = status
        self.retry_after_seconds = retry_after_seconds


class SourceCutError(SourceError):
    """Fewer bytes came than were promised; the rest may come by range."""


class SourceExpiredError(SourceError):
    """
    The URL is refused; another one may work.

    :param message: What happened; no URL.
    :param host: Host that refused.
    :param status: HTTP status.
    :param reason: What the refusal header said, None when there was none.
    """

    def __init__(
        self, message: str, host: str | None = None, status: int | None = None, reason: str | None = None
    ) -> None:
        super().__init__(message, host, status, reason)
        self.status = status
        self.reason = reason


class SourceAnswerError(SourceError):
    """An answer that proves nothing: a page instead of media, an unexpected status, an encoded body."""


class SourceLengthError(SourceError):
    """A whole answer whose length is not the expected one: none of its bytes can be trusted."""


class RangeIgnoredError(SourceError):
    """The server answered 200 to a request for a range."""


class SourceChangedError(SourceError):
    """The source has another version or size than the one that was begun with."""


class RedirectRefusedError(SourceError):
    """A URL that is not followed: no http(s), from https to http, a session to another host, too many redirects."""

    retryable: ClassVar[bool] = False


class SourceUntrustedError(SourceError):
    """The server's certificate does not hold; no byte was asked for."""

    retryable: ClassVar[bool] = False


class SourceUnprovableError(SourceError):
    """The size is unknown and the server doesn't tell it, so that nothing could prove the bytes."""

    retryable: ClassVar[bool] = False


class SinkError(TransferError):
    """
    The place can't take the bytes.

    :param message: What happened.
    :param key: Name below the root.
    """

    retryable: ClassVar[bool] = True

    def __init__(self, message: str, key: str | None = None) -> None:
        super().__init__(message, key)
        self.message = message
        self.key = key

    def __str__(self) -> str:
        return f"{self.message} (key {self.key!r})" if self.key is not None else self.message


class InvalidKeyError(SinkError):
    """A name that would leave the root, or that the place can't hold."""

    retryable: ClassVar[bool] = False


class TargetExistsError(SinkError):
    """A condition (nothing stands there, or exactly this version does) does not hold."""

    retryable: ClassVar[bool] = False


class ObjectMissingError(SinkError):
    """Nothing stands there."""

    retryable: ClassVar[bool] = False


class SinkFullError(SinkError):
    """No space, or no quota, is left."""


class SinkForbiddenError(SinkError):
    """The place refuses the credentials, or they lack a right."""

    retryable: ClassVar[bool] = False


class UploadStateError(SinkError):
    """The recorded state of an earlier try can't be gone on with; begin anew without it."""


class UploadTakenError(SinkError):
    """Another try has gone on with this upload, and will finish it."""


class IncompleteUploadError(SinkError):
    """A part is missing at commit, or a part or the whole has another length."""


class IntegrityError(TransferError):
    """The proof at the end failed: what was written is not what was promised."""

    retryable: ClassVar[bool] = True


class SizeMismatchError(IntegrityError):
    """
    The number of bytes is not the promised one.

    :param message: What was measured.
    :param expected_bytes: What was promised.
    :param actual_bytes: What was found.
    """

    def __init__(self, message: str, expected_bytes: int | None = None, actual_bytes: int | None = None) -> None:
        super().__init__(message, expected_bytes, actual_bytes)
        self.message = message
        self.expected_bytes = expected_bytes
        self.actual_bytes = actual_bytes

    def __str__(self) -> str:
        return f"{self.message}: expected {self.expected_bytes} bytes, found {self.actual_bytes}"


class ChecksumMismatchError(IntegrityError):
    """
    The checksum is not the promised one.

    :param message: What was measured.
    :param expected: What was promised.
    :param actual: What was found.
    """

    def __init__(self, message: str, expected: str | None = None, actual: str | None = None) -> None:
        super().__init__(message, expected, actual)
        self.message = message
        self.expected = expected
        self.actual = actual

    def __str__(self) -> str:
        return f"{self.message}: expected {self.expected}, found {self.actual}"
