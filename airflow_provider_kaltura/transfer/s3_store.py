"""Small objects in S3, and descriptions of large ones."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_kaltura.transfer.errors import ObjectMissingError, SinkError, TargetExistsError
from airflow_provider_kaltura.transfer.protocols import ObjectStat
from airflow_provider_kaltura.transfer.s3_objects import S3Checks, describe, head, put_whole, tag_of
from airflow_provider_kaltura.transfer.s3_place import code_of, failures_named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_kaltura.transfer.s3_place import S3Place

_PARTIAL_CONTENT: Final = 206
#: A body that breaks is not asked for again by the client itself.
_READS: Final = 3
#: How often a write is repeated that met another one in the very same moment.
_CONFLICTS: Final = 5


class S3Store:
    """
    Objects below a prefix of a bucket.

    :param place: Where.
    :param checks: What the store checks; shared with the sink beside it.
    """

    def __init__(self, place: S3Place, checks: S3Checks | None = None) -> None:
        self._place = place
        self._checks = checks or S3Checks()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._place.bucket!r}, {self._place.prefix!r})"

    def stat(self, key: str) -> ObjectStat | None:
        """
        Describe *key*, with its metadata and, where the store keeps it, the checksum of the whole.

        :param key: Name below the root.
        :returns: None when nothing stands there.
        :raises SinkForbiddenError: The credentials are refused; without s3:ListBucket, also when nothing stands there.
        """
        answer = head(self._place, key)
        return None if answer is None else describe(key, answer)

    def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """
        Read the half-open range ``[start, stop)``.

        :param key: Name below the root.
        :param start: First byte.
        :param stop: One past the last byte; None is the end.
        :returns: The bytes, fewer where the object ends earlier.
        :raises ObjectMissingError: Nothing stands there.
        :raises SinkError: The store refused, or its answer broke several times.
        """
        if stop is not None and stop <= start:
            if head(self._place, key) is None:
                raise ObjectMissingError("nothing stands there", key)
            return b""
        for last in (False,) * (_READS - 1) + (True,):
            try:
                return self._read(key, start, stop)
            except SinkError as error:
                if code_of(error) in {"InvalidRange", "416"}:
                    return b""
                if last or code_of(error) or not error.retryable:
                    raise
        raise AssertionError  # the last turn returns or raises

    def _read(self, key: str, start: int, stop: int | None) -> bytes:
        wanted = {} if start == 0 and stop is None else {"Range": f"bytes={start}-{'' if stop is None else stop - 1}"}
        answer = self._place.call("get_object", key, **wanted)
        with failures_named(self._place.shown, key), answer["Body"] as body:
            data: bytes = body.read()
        if wanted and answer["ResponseMetadata"]["HTTPStatusCode"] != _PARTIAL_CONTENT:
            return data[start:stop]
        return data

    def write(
        self, key: str, data: bytes, *, if_absent: bool = False, if_version: str | None = None, durable: bool = True
    ) -> ObjectStat:
        """
        Write a small object, atomically.

        :param key: Name below the root.
        :param data: All of it.
        :param if_absent: Only when nothing stands there.
        :param if_version: Only when the object still has this version tag.
        :param durable: Ignored: what S3 has acknowledged, it keeps.
        :returns: What stands there now.
        :raises TargetExistsError: A condition does not hold.
        :raises SinkError: The store refused.
        """
        condition = {"IfNoneMatch": "*"} if if_absent else {}
        if if_version is not None:
            condition = {"IfMatch": f'"{if_version}"'}
        for left in reversed(range(_CONFLICTS)):
            try:
                return put_whole(self._place, self._checks, key, data, condition=condition)
            except ObjectMissingError as error:
                raise TargetExistsError("another version stood there; it is gone", key) from error
            except SinkError as error:
                if code_of(error) not in {"ConditionalRequestConflict", "OperationAborted"} or not left:
                    raise
        raise AssertionError  # the last turn returns or raises

    def list(self, prefix: str) -> Iterator[ObjectStat]:
        """
        List the objects whose key begins with *prefix*, one page after the other; folder markers are left out.

        SeaweedFS and S3's directory buckets list folder by folder, in another order than that of the keys: there each
        folder takes a request, and one folder's names are kept at a time.

        :param prefix: May end within a name; empty is everything.
        :returns: Descriptions without metadata and checksum, in order of key.
        """
        begin = self._place.prefix + prefix
        pages = self._pages(begin)
        first = next(pages)
        if self._lists_by_folder(first):
            return self._walk(begin)
        listed = (found for answer in chain([first], pages) for found in answer.get("Contents", ()))
        return (stat for found in listed for stat in self._described(found, begin))

    def _walk(self, begin: str) -> Iterator[ObjectStat]:
        level: dict[str, dict[str, Any] | None] = {}
        for answer in self._pages(begin, Delimiter="/"):
            level |= {str(found["Key"]): found for found in answer.get("Contents", ())}
            level |= {str(found["Prefix"]): None for found in answer.get("CommonPrefixes", ())}
        for name, found in sorted(level.items(), key=_name_of):
            if found is not None:
                yield from self._described(found, begin)
            elif name != begin:
                yield from self._walk(name)

    def _pages(self, begin: str, **more: str) -> Iterator[dict[str, Any]]:
        while True:
            answer = self._place.call("list_objects_v2", Prefix=begin, **more)
            yield answer
            if not answer.get("IsTruncated"):
                return
            more["ContinuationToken"] = str(answer["NextContinuationToken"])

    def _lists_by_folder(self, answer: dict[str, Any]) -> bool:
        server = str(answer["ResponseMetadata"]["HTTPHeaders"].get("server", ""))
        return server.startswith("SeaweedFS") or self._place.bucket.endswith("--x-s3")

    def _described(self, found: dict[str, Any], begin: str) -> Iterator[ObjectStat]:
        name = str(found["Key"])
        if name.startswith(begin) and not name.endswith("/"):
            yield ObjectStat(
                key=name[len(self._place.prefix) :],
                size_bytes=int(found["Size"]),
                version_tag=tag_of(found),
                modified_at_epoch=found["LastModified"].timestamp(),
            )

    def delete(self, key: str) -> None:
        """
        Delete *key*; harmless when nothing stands there. A bucket with versions keeps the earlier ones.

        :param key: Name below the root.
        :raises SinkError: The store refused.
        """
        try:
            self._place.call("delete_object", key)
        except ObjectMissingError:
            return


def _name_of(item: tuple[str, object]) -> str:
    return item[0]
