"""The body of one answer over HTTP, counted to its last byte."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING, Final, Self

from airflow_provider_kaltura.transfer import proofs
from airflow_provider_kaltura.transfer.http_pool import reason_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    import urllib3

_OK: Final = 200


class HttpStream:
    """
    The body of one proved answer.

    The last bytes are given out only when the body has been seen to end where it should.

    :param response: With its body unread.
    :param size_bytes: How many bytes the body must have.
    :param promised: Its Content-Length, None when only its end tells.
    :param host: Who sends it.
    :param refused: Told when the body turns out to be an empty refusal.
    :param unproved: Told when a body ends early that nothing had proved to be of this object.
    """

    def __init__(
        self,
        response: urllib3.BaseHTTPResponse,
        size_bytes: int,
        *,
        promised: int | None,
        host: str | None,
        refused: Callable[[], None],
        unproved: Callable[[], None],
    ) -> None:
        self._response = response
        self._missing = size_bytes
        self._promised = promised
        self._host = host
        self._refused = refused
        self._unproved = unproved
        self._empty = True
        self._ended = False
        self._reusable = False
        body = getattr(response, "_fp", None)
        self._body = body if isinstance(body, http.client.HTTPResponse) else None
        if size_bytes == 0:
            self._prove_end()

    def readinto(self, buffer: memoryview) -> int:
        """
        Fill the beginning of *buffer*.

        :param buffer: Writable, at least one byte long.
        :returns: Number of bytes; 0 only when the whole range has been given.
        :raises SourceCutError: The body ended early.
        :raises SourceLengthError: It goes on after its end, or ended early without having been proved.
        :raises SourceExpiredError: It is empty and promised nothing.
        """
        if self._missing == 0:
            return 0
        count = 0 if self._ended else self._read_into(buffer[: self._missing])
        if count == 0:
            self._end_early(None)
            return 0
        self._empty = False
        self._missing -= count
        if self._missing == 0:
            self._prove_end()
        return count

    def close(self) -> None:
        """Give the connection back when its body was read to the end, and up otherwise; harmless when repeated."""
        if self._reusable:
            self._response.release_conn()
        self._response.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _read_into(self, window: memoryview) -> int:
        # urllib3 copies what it reads; the body under it reads into the buffer, a fifth faster. It doesn't notice a
        # body that ends early (nor does its end give the connection back), but here every byte is counted anyway.
        try:
            if self._body is not None:
                return self._body.readinto(window)
            data = self._response.read(len(window), decode_content=False)
            window[: len(data)] = data
            return len(data)
        except Exception as error:
            if not _is_network_trouble(error):
                raise
            reason = reason_of(error)
        if self._missing:
            self._end_early(reason)
        self._ended = True
        return 0

    def _end_early(self, reason: str | None) -> None:
        self._ended = True
        if self._promised is None and self._response.status == _OK:
            # Neither a length nor a Content-Range has shown that this is the object: it may be anybody's error text.
            is_refusal = self._empty and reason is None
            (self._refused if is_refusal else self._unproved)()
            proofs.whole_not_cut(self._missing, self._host, is_refusal=is_refusal)
        proofs.range_not_cut(self._missing, self._host, reason or "end of the body")

    def _prove_end(self) -> None:
        # With a Content-Length the library stops where it says; without one only the end of the body tells.
        if self._promised is None:
            proofs.nothing_after_range(self._read_into(memoryview(bytearray(1))), self._host)
        self._reusable = not self._ended


def _is_network_trouble(error: Exception) -> bool:
    import urllib3  # noqa: PLC0415 - loaded already by whoever made the response

    # ValueError: a chunk's length that is no number.
    return isinstance(error, (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ValueError))
