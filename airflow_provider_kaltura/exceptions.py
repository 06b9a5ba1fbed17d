"""
What leaves a hook, operator, sensor or trigger, and the one table that maps lower errors to it.

::

    AirflowException
    └── KalturaProviderError           may go away by itself: Airflow retries the task
        ├── KalturaNotReadyError       the flavor is not there yet
        ├── KalturaTransferFailedError the bytes could not be fetched or kept this time
        ├── KalturaWaitTimeoutError    a wait took too long (an AirflowSensorTimeout as well: not retried)
        └── KalturaPermanentError      retrying can't help (an AirflowFailException as well: not retried)
            ├── KalturaConnectionError the connection's settings, its secret or its rights
            ├── KalturaArgumentError   an argument of the task
            ├── KalturaNoFlavorError   no flavor of the entry can ever meet the task's preferences
            └── KalturaVerifyError     what stands in a lake is not what its manifest says

All are AirflowExceptions, since Airflow honours ``soft_fail`` after a deferral for these only.
"""

from __future__ import annotations

import logging
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeAlias

from airflow_provider_kaltura.api import errors as api
from airflow_provider_kaltura.api.redact import redact
from airflow_provider_kaltura.compat import AirflowException, AirflowFailException, AirflowSensorTimeout
from airflow_provider_kaltura.ingest import errors as ingest
from airflow_provider_kaltura.transfer import errors as transfer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "ERRORS",
    "KalturaArgumentError",
    "KalturaConnectionError",
    "KalturaNoFlavorError",
    "KalturaNotReadyError",
    "KalturaPermanentError",
    "KalturaProviderError",
    "KalturaTransferFailedError",
    "KalturaVerifyError",
    "KalturaWaitTimeoutError",
    "airflow_errors",
    "to_airflow",
]

LowerError: TypeAlias = "api.KalturaError | transfer.TransferError | ingest.IngestError"

log = logging.getLogger(__name__)


class KalturaProviderError(AirflowException):
    """
    A failure that may go away by itself.

    :param message: What happened, to which object, what to do; no secret, no URL.
    :param lower_error: Name of the error class that it comes from.
    :param code: Kaltura's error code, where there is one.
    """

    def __init__(self, message: str, lower_error: str | None = None, code: str | None = None) -> None:
        super().__init__(message, lower_error, code)
        self.message = message
        self.lower_error = lower_error
        self.code = code

    def __str__(self) -> str:
        return self.message


class KalturaNotReadyError(KalturaProviderError):
    """The flavor is not there yet; a sensor before the task would have waited."""


class KalturaTransferFailedError(KalturaProviderError):
    """The bytes could not be fetched or kept this time; nothing stands under the final name."""


class KalturaWaitTimeoutError(KalturaProviderError, AirflowSensorTimeout):
    """A wait took longer than its timeout."""


class KalturaPermanentError(KalturaProviderError, AirflowFailException):
    """A failure that stays until somebody changes something; Airflow does not retry the task."""


class KalturaConnectionError(KalturaPermanentError):
    """The connection's settings, its secret or its rights are wrong."""


class KalturaArgumentError(KalturaPermanentError):
    """An argument of the task is wrong."""


class KalturaNoFlavorError(KalturaPermanentError):
    """No flavor of the entry can ever meet the task's preferences."""


class KalturaVerifyError(KalturaPermanentError):
    """What stands in a lake is not what its manifest says: files are missing, or have other bytes."""


# One line per class, bases included: a test fails when a lower error is missing here.
ERRORS: Final[Mapping[type[Exception], type[KalturaProviderError]]] = {
    api.KalturaError: KalturaPermanentError,
    api.ConfigurationError: KalturaConnectionError,
    api.PreferenceError: KalturaArgumentError,
    api.NoFlavorsError: KalturaNoFlavorError,
    api.FlavorNotReadyError: KalturaNotReadyError,
    api.UnverifiedUrlError: KalturaPermanentError,
    api.KalturaTransportError: KalturaProviderError,
    api.TlsError: KalturaConnectionError,
    api.HttpStatusError: KalturaPermanentError,
    api.KalturaAPIError: KalturaPermanentError,
    api.AuthError: KalturaConnectionError,
    api.InvalidSessionError: KalturaConnectionError,
    api.NotFoundError: KalturaPermanentError,
    api.ForbiddenError: KalturaConnectionError,
    api.AccessRefusedError: KalturaPermanentError,
    api.ThrottledError: KalturaProviderError,
    api.NotReadyError: KalturaNotReadyError,
    api.InvalidRequestError: KalturaArgumentError,
    api.TooManyMatchesError: KalturaPermanentError,
    api.InternalServerError: KalturaProviderError,
    transfer.TransferError: KalturaPermanentError,
    transfer.SourceError: KalturaTransferFailedError,
    transfer.SourceUnavailableError: KalturaTransferFailedError,
    transfer.SourceCutError: KalturaTransferFailedError,
    transfer.SourceExpiredError: KalturaTransferFailedError,
    transfer.SourceAnswerError: KalturaTransferFailedError,
    transfer.SourceLengthError: KalturaTransferFailedError,
    transfer.RangeIgnoredError: KalturaTransferFailedError,
    transfer.SourceChangedError: KalturaTransferFailedError,
    transfer.RedirectRefusedError: KalturaPermanentError,
    transfer.SourceUntrustedError: KalturaPermanentError,
    transfer.SourceUnprovableError: KalturaPermanentError,
    transfer.SinkError: KalturaTransferFailedError,
    transfer.InvalidKeyError: KalturaArgumentError,
    transfer.TargetExistsError: KalturaPermanentError,
    transfer.ObjectMissingError: KalturaPermanentError,
    transfer.SinkFullError: KalturaTransferFailedError,
    transfer.SinkForbiddenError: KalturaPermanentError,
    transfer.UploadStateError: KalturaTransferFailedError,
    transfer.UploadTakenError: KalturaTransferFailedError,
    transfer.IncompleteUploadError: KalturaTransferFailedError,
    transfer.IntegrityError: KalturaTransferFailedError,
    transfer.SizeMismatchError: KalturaTransferFailedError,
    transfer.ChecksumMismatchError: KalturaTransferFailedError,
    ingest.IngestError: KalturaPermanentError,
    ingest.DestinationError: KalturaArgumentError,
    ingest.DownloadInputError: KalturaArgumentError,
    ingest.AssetsError: KalturaArgumentError,
    ingest.CaptionError: KalturaPermanentError,
    ingest.KeyCollisionError: KalturaArgumentError,
    ingest.MissingExtraError: KalturaArgumentError,
    ingest.LimitReachedError: KalturaPermanentError,
    ingest.SliceError: KalturaArgumentError,
    ingest.CatalogReplaceError: KalturaArgumentError,
    ingest.WatchTimeoutError: KalturaWaitTimeoutError,
}


class Lakes:
    """Which lake a block works in; lower layers know names below its root only."""

    def __init__(self) -> None:
        self._root: str | None = None
        self._conn_id: str | None = None

    def are_at(self, root: str, conn_id: str | None = None) -> None:
        """
        Say it, as soon as it is known.

        :param root: As the user wrote it; carries a connection id at most.
        :param conn_id: The connection to the storage that was given beside it.
        """
        self._root, self._conn_id = root, conn_id

    def text_of(self, error: LowerError) -> str:
        """
        Give an error's text, with the whole path and the storage's connection where it is about the place.

        :param error: The error.
        :returns: The text.
        """
        if self._root is None or not isinstance(error, transfer.SinkError):
            return str(error)
        slash = "" if self._root.endswith("/") else "/"
        path = self._root if error.key is None else f"{self._root}{slash}{error.key}"
        return f"{error.message} ({path}{f', connection {self._conn_id!r}' if self._conn_id else ''})"


def to_airflow(error: LowerError, conn_id: str | None = None, lakes: Lakes | None = None) -> KalturaProviderError:
    """
    Translate an error of ``api``, ``transfer`` or ``ingest``.

    :param error: The error.
    :param conn_id: The connection in use; named where its settings, secret or rights are what went wrong.
    :param lakes: Where the error came up, if that is known.
    :returns: What Airflow understands: retried or not, with the same message.
    """
    mapped = next(ERRORS[kind] for kind in type(error).__mro__ if kind in ERRORS)
    name = type(error).__name__
    text = redact((lakes or Lakes()).text_of(error))
    if conn_id is not None and issubclass(mapped, KalturaConnectionError) and conn_id not in text:
        command = f"AIRFLOW__CORE__TEST_CONNECTION=Enabled airflow connections test {conn_id}"
        text += f" This is about the connection {conn_id!r}: `{command}` says more."
    return mapped(f"{text} [{name}]", name, getattr(error, "code", None))


@contextmanager
def airflow_errors(conn_id: str | None = None) -> Iterator[Lakes]:
    """
    Translate what comes out of the block.

    :param conn_id: The connection in use, see :func:`to_airflow`.

    The cause stays attached, for the task's log, unless a text in its chain would show a secret.

    :yields: What the block tells about its lake.
    :raises KalturaProviderError: A lower error came out of the block.
    """
    lakes = Lakes()
    try:
        yield lakes
    except (api.KalturaError, transfer.TransferError, ingest.IngestError) as error:
        if _is_presentable(error):
            raise to_airflow(error, conn_id, lakes) from error
        log.debug("The cause, redacted: %s", redact("".join(traceback.format_exception(error))))
        raise to_airflow(error, conn_id, lakes) from None


def _is_presentable(error: BaseException) -> bool:
    seen: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in seen:
        seen.append(following)
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)
    return all(redact(text) == text for one in seen for text in (str(one), *getattr(one, "__notes__", ())))
