"""
Google Cloud Storage's JSON API, as far as a sink needs it, over the authorised session of a ready-made client.

The session of Google's client is used, not its upload methods: these copy every part twice and can't send the CRC32C
of a whole object ahead of its bytes. What is sent here goes from the caller's buffer to the socket, with the checksum
and the conditions in the same request, so that the service refuses what changed on the way.
Nothing of Google's or ``requests`` is imported before the first request.
"""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow_provider_kaltura.transfer.errors import (
    ObjectMissingError,
    SinkError,
    SinkForbiddenError,
    SinkFullError,
)
from airflow_provider_kaltura.transfer.gcs_wire import Answer, RelatedBody, json_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from airflow_provider_kaltura.transfer.protocols import Buffer, JsonObject

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class GcsSettings:
    """
    How patient requests are.

    :param connect_seconds: Longest wait for a connection.
    :param read_seconds: Longest silence within an answer; composing 32 objects takes the service some seconds at most.
    :param attempts: How often a request that may be repeated is sent in all.
    :param first_wait_seconds: Longest wait before the second; doubled each time, with full jitter.
    :param sleep: Waits some seconds; exchanged by tests.
    """

    connect_seconds: float = 10.0
    read_seconds: float = 120.0
    attempts: int = 5
    first_wait_seconds: float = 0.5
    sleep: Callable[[float], None] = time.sleep


class GcsClient:
    """
    Requests about the objects of one bucket; safe across threads.

    :param bucket: Its name.
    :param connect: Gives the authorised session (as ``requests.Session``) and the service's address; called once, with
        the first request.
    :param settings: How patient requests are.
    """

    def __init__(
        self, bucket: str, connect: Callable[[], tuple[Any, str]], settings: GcsSettings | None = None
    ) -> None:
        self.bucket = bucket
        self.settings = settings or GcsSettings()
        self._connect = connect
        self._connected: tuple[Any, str] | None = None
        self._lock = threading.Lock()

    def get(self, name: str) -> JsonObject | None:
        """
        Describe an object.

        :param name: Its name in the bucket.
        :returns: The service's description, None when nothing stands there.
        """
        answer = self.request("GET", f"{self._object(name)}", params={"projection": "noAcl"})
        if answer.status == 404:  # noqa: PLR2004 - HTTP's own number
            return None
        self.require(answer, name)
        return answer.body

    def download(self, name: str, start: int, stop: int | None) -> bytes | None:
        """
        Read a half-open range.

        :param name: Name of the object in the bucket.
        :param start: First byte.
        :param stop: One past the last byte; None is the end.
        :returns: The bytes, None when nothing stands there.
        """
        headers = {"Accept-Encoding": "identity"}
        if start or stop is not None:
            # HTTP ranges include both ends (RFC 9110, 14.1.2); ours are half-open.
            headers["Range"] = f"bytes={start}-{'' if stop is None else stop - 1}"
        answer = self.request("GET", self._object(name), params={"alt": "media"}, headers=headers, wants_bytes=True)
        if answer.status == 404:  # noqa: PLR2004 - HTTP's own number
            return None
        if answer.status == 416:  # noqa: PLR2004 - the range begins after the end
            return b""
        self.require(answer, name)
        if "Range" in headers and answer.status != 206:  # noqa: PLR2004 - all of it came
            return answer.content[start:stop]
        return answer.content

    def insert(
        self, description: JsonObject, content: Buffer, params: Mapping[str, Any], *, repeat: bool = True
    ) -> Answer:
        """
        Write an object with one request, which the service refuses when its bytes are not those of ``crc32c``.

        :param description: ``name``, ``contentType``, ``crc32c`` and more.
        :param content: All of it; not copied.
        :param params: Conditions and other parameters of the request.
        :param repeat: Send it again when no answer came; only with a condition.
        :returns: The answer.
        """
        body = RelatedBody(description, content)
        params = {"uploadType": "multipart", "name": description["name"], **params}
        headers = {"Content-Type": body.content_type}
        path = f"/upload/storage/v1/b/{self.bucket}/o"
        return self.request("POST", path, params=params, headers=headers, data=body, repeat=repeat)

    def compose(
        self,
        description: JsonObject,
        sources: Sequence[tuple[str, int]],
        params: Mapping[str, Any],
        *,
        repeat: bool = True,
    ) -> Answer:
        """
        Join objects to another one, each of them exactly in the generation that is known.

        :param description: Of the whole, with its ``name``.
        :param sources: (name, generation) of 1 to 32 objects, in order.
        :param params: Conditions and other parameters of the request.
        :param repeat: Send it again when no answer came; only with a condition.
        :returns: The answer.
        """
        wanted = [
            {"name": name, "generation": str(generation), "objectPreconditions": {"ifGenerationMatch": str(generation)}}
            for name, generation in sources
        ]
        target = {key: value for key, value in description.items() if key != "name"}
        data = json.dumps({"kind": "storage#composeRequest", "sourceObjects": wanted, "destination": target}).encode()
        headers = {"Content-Type": "application/json"}
        path = f"{self._object(description['name'])}/compose"
        return self.request("POST", path, params=params, headers=headers, data=data, repeat=repeat)

    def delete(self, name: str, generation: int | None = None) -> None:
        """
        Delete an object; harmless when it is gone.

        :param name: Its name in the bucket.
        :param generation: Only this one, for good: a bucket that keeps versions keeps none of it.
        """
        params = {} if generation is None else {"generation": str(generation)}
        answer = self.request("DELETE", self._object(name), params=params)
        if answer.status != 404:  # noqa: PLR2004 - HTTP's own number
            self.require(answer, name)

    def list(self, prefix: str) -> Iterator[JsonObject]:
        """
        List objects.

        :param prefix: What their names begin with.
        :yields: The service's descriptions, in order of name.
        """
        fields = "items(name,size,generation,updated,metadata,crc32c),nextPageToken"
        params: dict[str, str] | None = {"prefix": prefix, "projection": "noAcl", "fields": fields}
        while params is not None:
            answer = self.request("GET", f"/storage/v1/b/{self.bucket}/o", params=params)
            self.require(answer, None)
            yield from answer.body.get("items", ())
            page = answer.body.get("nextPageToken")
            params = {**params, "pageToken": page} if page else None

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any],
        headers: Mapping[str, str] | None = None,
        data: Any = None,
        wants_bytes: bool = False,
        repeat: bool = True,
    ) -> Answer:
        """
        Send a request, several times if it may be repeated and what went wrong may pass.

        :param method: HTTP method.
        :param path: After the service's address, quoted.
        :param params: Query.
        :param headers: Besides those of the session.
        :param data: Body.
        :param wants_bytes: The answer is an object's content.
        :param repeat: Sending it twice does no harm.
        :returns: The last answer.
        :raises SinkForbiddenError: No credentials could be had.
        """
        attempt = 0
        while True:
            answer = self._once(method, path, params, headers, data, wants_bytes=wants_bytes)
            attempt += 1
            if not (repeat and answer.may_pass and attempt < self.settings.attempts):
                return answer
            self.wait(attempt)

    def wait(self, attempt: int) -> None:
        """
        Wait before a request is sent again.

        :param attempt: How often it was sent.
        """
        self.settings.sleep(random.uniform(0, self.settings.first_wait_seconds * 2 ** (attempt - 1)))

    def require(self, answer: Answer, name: str | None) -> None:
        """
        Raise what a refusal means.

        :param answer: Any.
        :param name: Object that it is about, None for the bucket.
        :raises SinkForbiddenError: 401 or 403.
        :raises ObjectMissingError: The bucket, or what was asked for, does not exist.
        :raises SinkFullError: A quota is used up.
        :raises SinkError: Anything else but success.
        """
        if answer.is_good:
            return
        said = f"{answer.status} {answer.reason}".strip() if answer.status else "no answer"
        if answer.status in {401, 403} and not answer.may_pass:
            raise SinkForbiddenError(
                f"Google Cloud Storage refuses the credentials for bucket {self.bucket!r} ({said}); they need the role "
                f"roles/storage.objectUser there",
                name,
            ) from answer.cause
        if answer.status == 404:  # noqa: PLR2004 - HTTP's own number
            raise ObjectMissingError(
                f"Google Cloud Storage finds no bucket {self.bucket!r} ({said}); create it, or correct the destination",
                name,
            )
        if answer.status == 413 or answer.reason == "quotaExceeded":  # noqa: PLR2004 - HTTP's own number
            raise SinkFullError(f"Google Cloud Storage takes no more ({said})", name)
        raise SinkError(f"Google Cloud Storage did not do what it was asked to ({said})", name) from answer.cause

    def _once(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any],
        headers: Mapping[str, str] | None,
        data: Any,
        *,
        wants_bytes: bool,
    ) -> Answer:
        from google.auth.exceptions import GoogleAuthError, TransportError  # noqa: PLC0415 - heavy, at first use only
        from requests.exceptions import RequestException  # noqa: PLC0415 - see above

        limits = (self.settings.connect_seconds, self.settings.read_seconds)
        try:
            session, endpoint = self._session()
            response = session.request(
                method,
                endpoint + path,
                params=params,
                data=data,
                headers=dict(headers or {}),
                timeout=limits,
                allow_redirects=False,
            )
        except (RequestException, TransportError) as error:
            log.debug("No answer to a %s request: %s", method, type(error).__name__)
            return Answer(0, cause=error)
        except GoogleAuthError as error:
            raise SinkForbiddenError(
                f"no credentials for Google Cloud Storage ({type(error).__name__}); name an Airflow connection in the "
                f"destination, gs://conn_id@{self.bucket}/, or give the worker Application Default Credentials"
            ) from error
        if wants_bytes and response.status_code in {200, 206}:
            return Answer(response.status_code, content=response.content)
        return Answer(response.status_code, json_object(response.content))

    def _session(self) -> tuple[Any, str]:
        with self._lock:
            if self._connected is None:
                session, endpoint = self._connect()
                self._connected = session, endpoint.rstrip("/")
            return self._connected

    def _object(self, name: str) -> str:
        return f"/storage/v1/b/{self.bucket}/o/{quote(name, safe='')}"
