"""Read an answer's body as it arrives: bounded in size, in time, and in what it unpacks to."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from airflow_provider_kaltura.api.errors import KalturaTransportError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import requests

_CHUNK_BYTES = 64 * 1024
_GZIP_MAGIC = b"\x1f\x8b"
_WITH_GZIP_HEADER = 16 + zlib.MAX_WBITS


def read(response: requests.Response, *, max_bytes: int, check_time: Callable[[], None]) -> bytes:
    """
    Read a body to its end.

    Every read takes what is there and then looks at the clock: waiting for a full buffer would let a server that sends
    a byte now and then keep the reader for hours.

    :param response: The open answer.
    :param max_bytes: Bound of the body, unpacked.
    :param check_time: Called after every read; raises when it takes too long.
    :returns: The body, unpacked.
    :raises KalturaTransportError: Too long, cut, or damaged.
    """
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in {"", "identity", "gzip", "x-gzip"}:
        raise KalturaTransportError(f"The answer is packed as {encoding!r:.40}, not as gzip.", "NOT_GZIP")
    unpack = _Gunzip(max_bytes) if "gzip" in encoding else None
    body = bytearray()
    for data in _pieces(response.raw):
        body += data if unpack is None else unpack.feed(data)
        if len(body) > max_bytes:
            raise KalturaTransportError(f"The answer is longer than {max_bytes} bytes.", "ANSWER_TOO_LONG")
        check_time()
    if unpack is not None:
        unpack.finish()
    return bytes(body)


def _pieces(raw: Any) -> Iterator[bytes]:
    """Take what is there, and raise what requests would raise."""
    from requests import exceptions  # noqa: PLC0415 - loaded with the first request
    from urllib3 import exceptions as lower  # noqa: PLC0415 - loaded with the first request

    try:
        while data := raw.read1(_CHUNK_BYTES, decode_content=False):
            yield data
    except lower.ReadTimeoutError as error:
        raise exceptions.ReadTimeout(error) from error
    except lower.SSLError as error:
        raise exceptions.SSLError(error) from error
    except lower.ProtocolError as error:
        raise exceptions.ChunkedEncodingError(error) from error


class _Gunzip:
    """Unpack gzip piece by piece, never more than a bit beyond the bound."""

    def __init__(self, max_bytes: int) -> None:
        self._left = max_bytes
        self._inner = zlib.decompressobj(_WITH_GZIP_HEADER)
        self._begun = False

    def feed(self, data: bytes) -> bytes:
        """
        Unpack some more.

        :param data: The next packed bytes.
        :returns: What they unpack to, at most one byte more than the bound allows.
        :raises KalturaTransportError: They are no gzip.
        """
        found = bytearray()
        while data and self._left >= 0:
            if self._inner.eof:
                if not data.startswith(_GZIP_MAGIC):
                    break  # padding behind the end
                self._inner = zlib.decompressobj(_WITH_GZIP_HEADER)
            self._begun = True
            try:
                piece = self._inner.decompress(data, self._left + 1)
            except zlib.error as error:
                raise KalturaTransportError("The packed answer is damaged.", "CUT_ANSWER") from error
            self._left -= len(piece)
            found += piece
            data = self._inner.unused_data if self._inner.eof else self._inner.unconsumed_tail
        return bytes(found)

    def finish(self) -> None:
        """
        Say that nothing more comes.

        :raises KalturaTransportError: The end is missing.
        """
        if self._begun and not self._inner.eof:
            raise KalturaTransportError("The packed answer was cut.", "CUT_ANSWER")
