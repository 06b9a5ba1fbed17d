"""
Errors of Azure's client as ours, without its words: they may hold a URL with its SAS token, or a signature.

None of them is chained either, since a log shows the text of every error in a chain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

from airflow_provider_kaltura.quiet import quiet_urllib3
from airflow_provider_kaltura.transfer.errors import (
    InvalidKeyError,
    ObjectMissingError,
    SinkError,
    SinkForbiddenError,
    TargetExistsError,
    UploadTakenError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")

_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_NOT_FOUND: Final = 404
_END: Final = object()

_BY_CODE: Final[dict[str, tuple[type[SinkError], str]]] = {
    "ContainerNotFound": (SinkError, "the container does not exist: make it, this package never does"),
    "BlobAlreadyExists": (TargetExistsError, "something stands there already"),
    "ConditionNotMet": (TargetExistsError, "another version stands there, or nothing any more"),
    "TargetConditionNotMet": (TargetExistsError, "another version stands there, or nothing any more"),
    "InvalidBlockList": (
        UploadTakenError,
        "the parts are gone: another writer has committed this blob meanwhile, or they were older than 7 days",
    ),
    "InvalidBlobOrBlock": (
        SinkError,
        "Azure has parts of this blob from another program, which has not finished it; they are dropped after 7 days",
    ),
    "BlockCountExceedsLimit": (
        SinkError,
        "Azure has too many parts of this blob from uploads that were never finished; they are dropped after 7 days",
    ),
    "Md5Mismatch": (SinkError, "the bytes that arrived are not those that were sent"),
    "InvalidUri": (InvalidKeyError, "Azure can't hold such a name"),
    "InvalidResourceName": (InvalidKeyError, "Azure can't hold such a name"),
    "LeaseIdMissing": (SinkError, "somebody holds a lease on the blob"),
    "PublicAccessNotPermitted": (SinkForbiddenError, "the connection has no credentials, and this is no public place"),
}


def ask(key: str | None, call: Callable[..., T], *arguments: Any, **options: Any) -> T:
    """
    Make a call of Azure's client.

    :param key: Name below the root, for messages.
    :param call: A method of a client.
    :param *arguments: Its arguments.
    :param **options: Its keyword arguments.
    :returns: What it returns.
    :raises SinkError: Instead of every error of the client.
    """
    try:
        with quiet_urllib3():
            return call(*arguments, **options)
    except AzureError as error:
        failure = named(error, key)
    # Outside of the block, so that Azure's error is not its context.
    raise failure


def ask_each(items: Iterable[T]) -> Iterator[T]:
    """
    Go through a listing, which asks for the next page when it needs one.

    :param items: What a client's listing gave.
    :yields: Its items.
    """
    listing = iter(items)
    while (item := ask(None, next, listing, _END)) is not _END:
        yield item


def named(error: AzureError, key: str | None) -> SinkError:
    """
    Find our error for one of the client's.

    :param error: What the client raised.
    :param key: Name below the root, for the message.
    :returns: The error to raise.
    """
    status = error.status_code if isinstance(error, HttpResponseError) else None
    # A code that the client knows is a member of an enumeration.
    code = getattr(error, "error_code", None)
    code = str(getattr(code, "value", code) or "")
    if code in _BY_CODE:
        kind, text = _BY_CODE[code]
        return kind(text, key)
    if status in {_UNAUTHORIZED, _FORBIDDEN} or isinstance(error, ClientAuthenticationError):
        text = "Azure refuses the connection's credentials, or they lack a right to this (read, write, delete, list)"
        return SinkForbiddenError(f"{text}: {_code_text(status, code)}", key)
    if status == _NOT_FOUND:
        return ObjectMissingError("nothing stands there", key)
    if status is None:
        return SinkError(f"Azure gave no answer: {type(error).__name__}", key)
    return SinkError(f"Azure refused: {_code_text(status, code)}", key)


def _code_text(status: int | None, code: str) -> str:
    said = f" ({code})" if code.isidentifier() else ""
    return f"{status or 'no answer'}{said}"
