"""Small objects in a container of Azure Blob Storage, and how any blob there is described."""

from __future__ import annotations

import secrets
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobPrefix

from airflow_provider_kaltura.transfer.azure_errors import ask, ask_each
from airflow_provider_kaltura.transfer.azure_names import UPLOAD_METADATA, blob_name, metadata_back
from airflow_provider_kaltura.transfer.errors import ObjectMissingError, SinkError, TargetExistsError
from airflow_provider_kaltura.transfer.protocols import ObjectStat

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from azure.storage.blob import BlobClient, BlobProperties, ContainerClient

#: A folder of an account with a hierarchical namespace, or one that Hadoop has marked; no object of anybody's.
_FOLDER: Final = "hdi_isfolder"
_RANGE_BEHIND_END: Final = 416


class AzurePlace:
    """
    A container, and the part of it below a prefix.

    :param container: A ready client, kept as long as the place.
    :param prefix: What every key begins with in the container: empty, or ending in ``/``.
    """

    def __init__(self, container: ContainerClient, prefix: str = "") -> None:
        self.container = container
        self.prefix = prefix

    def blob(self, key: str) -> BlobClient:
        """
        Give the client of a key's blob; it shares the container's connections.

        :param key: Name below the root.
        :returns: The client. Nothing is asked yet.
        :raises InvalidKeyError: The key is none, or Azure can't hold it.
        """
        return self.container.get_blob_client(blob_name(self.prefix, key))

    def properties(self, blob: BlobClient, key: str) -> BlobProperties | None:
        """
        Describe a blob as Azure does.

        :param blob: Its client.
        :param key: Name below the root, for messages.
        :returns: None when nothing stands there: no blob, only blocks of one under way, or a folder.
        """
        try:
            found = ask(key, blob.get_blob_properties)
        except ObjectMissingError:
            return None
        return None if is_folder(found) else found


class AzureStore:
    """
    Small objects; each is put with one request, whose Content-MD5 the service checks.

    A condition holds against every other writer. A write whose answer was lost, and which the client therefore made
    again in vain, is known by a token in the blob's metadata.

    :param place: Where they stand.
    """

    def __init__(self, place: AzurePlace) -> None:
        self._place = place

    def stat(self, key: str) -> ObjectStat | None:
        """
        Describe *key*.

        :param key: Name below the root.
        :returns: None when nothing stands there.
        :raises SinkError: The key is no name, or Azure refused.
        """
        found = self._place.properties(self._place.blob(key), key)
        return None if found is None else describe(key, found)

    def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """
        Read the half-open range ``[start, stop)``.

        Memory: the range, twice while it is put together from pieces (above 32 MiB).

        :param key: Name below the root.
        :param start: First byte.
        :param stop: One past the last byte; None is the end.
        :returns: The bytes, fewer where the object ends earlier.
        :raises ObjectMissingError: Nothing stands there.
        :raises SinkError: Azure refused, or sent fewer bytes than it said.
        """
        blob = self._place.blob(key)
        length = None if stop is None else stop - start
        if length is not None and length <= 0:
            return b""
        content, expected = ask(key, _download, blob, start, length)
        if len(content) != expected:
            raise SinkError(f"Azure sent {len(content)} bytes of {expected}", key)
        return content

    def write(
        self, key: str, data: bytes, *, if_absent: bool = False, if_version: str | None = None, durable: bool = True
    ) -> ObjectStat:
        """
        Write a small object, atomically.

        :param key: Name below the root.
        :param data: All of it.
        :param if_absent: Only when nothing stands there.
        :param if_version: Only when the object still has this version tag.
        :param durable: Ignored: Azure has stored it when it answers.
        :returns: What stands there now.
        :raises TargetExistsError: A condition does not hold.
        :raises SinkError: Azure refused.
        """
        return put_whole(self._place, key, data, {}, if_absent=if_absent, if_version=if_version)

    def list(self, prefix: str) -> Iterator[ObjectStat]:
        """
        List the objects whose key begins with *prefix*, with their metadata.

        Azure lists names in the order of UTF-16; names with letters from U+E000 on are held back until they can be
        given in the order of code points. An account with a hierarchical namespace has another order, in which a
        folder's content comes before names such as ``folder-2``: there, and where Hadoop has marked folders, each
        folder is listed by itself. Memory: the names of one page of 5,000, or of the folders on the way.

        :param prefix: May end within a name; empty is everything.
        :yields: Descriptions in order of key.
        :raises SinkError: Azure refused.
        """
        start = len(self._place.prefix)
        for found in self._in_order(f"{self._place.prefix}{prefix}"):
            # A name that ends in a slash is a folder that some tool has drawn.
            if not found.name.endswith("/"):
                yield describe(found.name[start:], found)

    def delete(self, key: str) -> None:
        """
        Delete *key*; harmless when nothing stands there.

        :param key: Name below the root.
        :raises SinkError: Azure refused; so it does while the blob has snapshots.
        """
        blob = self._place.blob(key)
        try:
            ask(key, blob.delete_blob)
        except ObjectMissingError:
            return

    def _in_order(self, start: str) -> Iterator[BlobProperties]:
        flat = self._place.container.list_blobs(name_starts_with=start, include=["metadata"])
        last = ""
        for found in by_code_points(ask_each(flat)):
            if is_folder(found):
                yield from (one for one in self._tree(start) if one.name > last)
                return
            last = found.name
            yield found

    def _tree(self, start: str) -> Iterator[BlobProperties]:
        level = self._place.container.walk_blobs(name_starts_with=start, include=["metadata"], delimiter="/")
        # A folder's name ends in the slash, so that this is the order of whole keys.
        for found in sorted(ask_each(level), key=lambda one: str(one.name)):
            if isinstance(found, BlobPrefix):
                yield from self._tree(found.name)
            elif not is_folder(found):
                yield found


def _download(blob: BlobClient, start: int, length: int | None) -> tuple[bytes, int]:
    try:
        stream = blob.download_blob(offset=start, length=length, max_concurrency=1)
        return stream.readall(), stream.size
    except HttpResponseError as error:
        if error.status_code == _RANGE_BEHIND_END:
            return b"", 0
        raise


def by_code_points(found: Iterable[BlobProperties]) -> Iterator[BlobProperties]:
    """
    Turn the order of UTF-16 into that of code points.

    They differ only between U+E000 to U+FFFF and what lies above. Names that are equal up to their first such letter
    stand together in both orders, so that only these are held back.

    :param found: Blobs in order of UTF-16, or of code points already.
    :yields: The same in order of code points.
    """
    for _, together in groupby(found, key=lambda one: _before_high(one.name)):
        yield from sorted(together, key=lambda one: str(one.name))


def _before_high(name: str) -> tuple[str, bool]:
    if name.isascii():
        return name, False
    first = next((index for index, letter in enumerate(name) if letter >= "\ue000"), None)
    return (name, False) if first is None else (name[:first], True)


def is_folder(found: BlobProperties) -> bool:
    """
    Tell whether a blob only marks a folder.

    :param found: As Azure describes it, with metadata.
    :returns: True when it does.
    """
    return any(name.lower() == _FOLDER and value == "true" for name, value in (found.metadata or {}).items())


def describe(key: str, found: BlobProperties) -> ObjectStat:
    """
    Describe a blob as we do.

    Azure keeps no checksum of a blob from blocks; ours stands in its metadata.

    :param key: Name below the root.
    :param found: As Azure describes it.
    :returns: The description.
    """
    return ObjectStat(
        key=key,
        size_bytes=found.size,
        version_tag=_tag(found.etag),
        metadata=metadata_back(found.metadata),
        modified_at_epoch=found.last_modified.timestamp(),
    )


def _tag(etag: str) -> str:
    # Quoted in headers, bare in listings.
    return etag.strip('"')


def put_whole(
    place: AzurePlace,
    key: str,
    data: bytes,
    metadata: Mapping[str, str],
    *,
    if_absent: bool = False,
    if_version: str | None = None,
    **kept: Any,
) -> ObjectStat:
    """
    Put a blob with one request (Put Blob), whose length and Content-MD5 the service checks.

    :param place: Where.
    :param key: Name below the root.
    :param data: All of it; not copied.
    :param metadata: As Azure has it, see :func:`~.azure_names.metadata_there`.
    :param if_absent: Only when nothing stands there.
    :param if_version: Only when the object still has this version tag.
    :param **kept: What the client takes besides: content settings, tier, tags, encryption scope.
    :returns: What stands there now.
    :raises TargetExistsError: A condition does not hold.
    :raises SinkError: Azure refused.
    """
    blob, token = place.blob(key), secrets.token_hex(8)
    there = {**metadata, UPLOAD_METADATA: token}
    if if_version is not None:
        kept |= {"etag": f'"{if_version}"', "match_condition": MatchConditions.IfNotModified}
    try:
        answer = ask(
            key,
            blob.upload_blob,
            data,
            length=len(data),
            overwrite=not if_absent,
            validate_content=True,
            metadata=there,
            **kept,
        )
    except SinkError as error:
        stands = made_by(place, blob, key, token)
        if stands is not None:
            return stands
        if if_version is not None and isinstance(error, ObjectMissingError):
            raise TargetExistsError("nothing stands there any more", key) from None
        raise
    return ObjectStat(
        key=key,
        size_bytes=len(data),
        version_tag=_tag(answer["etag"]),
        metadata=metadata_back(there),
        modified_at_epoch=answer["last_modified"].timestamp(),
    )


def made_by(place: AzurePlace, blob: BlobClient, key: str, token: str) -> ObjectStat | None:
    """
    Look whether a blob was made by an upload after all, although no answer, or a refusal, came back.

    :param place: Where.
    :param blob: The blob's client.
    :param key: Name below the root.
    :param token: Of the upload.
    :returns: What stands there when it is this upload's; None otherwise, also when Azure doesn't answer.
    """
    try:
        found = place.properties(blob, key)
    except SinkError:
        return None
    is_ours = found is not None and (found.metadata or {}).get(UPLOAD_METADATA) == token
    return describe(key, found) if found is not None and is_ours else None
