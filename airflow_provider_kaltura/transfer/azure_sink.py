"""A sink of Azure Blob Storage."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Final

from airflow_provider_kaltura.transfer import plan
from airflow_provider_kaltura.transfer.azure_errors import ask, ask_each
from airflow_provider_kaltura.transfer.azure_names import BlockId
from airflow_provider_kaltura.transfer.azure_store import AzurePlace, AzureStore
from airflow_provider_kaltura.transfer.azure_upload import AzureSmallUpload, AzureUpload
from airflow_provider_kaltura.transfer.errors import ObjectMissingError, SinkError, UploadStateError
from airflow_provider_kaltura.transfer.protocols import Capabilities, Leftover, ObjectAttributes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from azure.storage.blob import BlobBlock, BlobClient, ContainerClient

    from airflow_provider_kaltura.transfer.protocols import JsonObject

_TOKEN: Final = re.compile("[0-9a-f]{16}")


class AzureSink:
    """
    Block blobs in a container.

    Memory, besides the buffers of the caller: ``single_put_bytes`` for each short object on its way, about 150 bytes
    for each part of a longer one.

    :param container: A ready client, kept as long as the sink; its pool should hold as many connections as parts are
        put at once.
    :param prefix: What every key begins with in the container: empty, or ending in ``/``.
    """

    capabilities = Capabilities(
        any_order=True,
        resumable=True,
        conditional=True,
        metadata_at_commit=True,
        lists_parts=True,
        parallel_puts=4,
        single_put_bytes=16 * 1024 * 1024,
        most_parts=50_000,
    )

    def __init__(self, container: ContainerClient, prefix: str = "") -> None:
        self._place = AzurePlace(container, prefix)
        self.store = AzureStore(self._place)

    def begin(
        self,
        key: str,
        *,
        size_bytes: int,
        part_bytes: int,
        attributes: ObjectAttributes | None = None,
        state: JsonObject | None = None,
    ) -> AzureUpload | AzureSmallUpload:
        """
        Begin an object, or go on with one; without *state* nothing is asked.

        :param key: Name below the root.
        :param size_bytes: Length of the whole; 0 is allowed.
        :param part_bytes: Length of every part but the last, at least 1.
        :param attributes: What Azure keeps beside the bytes: content type and disposition, metadata, tags, and of the
            options ``storage_class`` (access tier) and ``kms_key`` (encryption scope).
        :param state: What ``state()`` of an earlier try gave, or None.
        :returns: The upload.
        :raises UploadStateError: *state* is for another object, or of an upload that was discarded.
        :raises InvalidKeyError: Azure can't hold the name, a metadata name, or an option.
        :raises SinkError: Azure refused.
        """
        count = plan.part_count(size_bytes, part_bytes)
        earlier = () if state is None else _tokens(state, key, size_bytes, part_bytes)
        arguments = (
            self._place,
            key,
            size_bytes,
            part_bytes,
            attributes or ObjectAttributes(),
            (secrets.token_hex(8), *earlier),
        )
        if count <= 1 and size_bytes <= self.capabilities.single_put_bytes:
            return AzureSmallUpload(*arguments)
        blocks = _recorded(_uncommitted(self._place.blob(key), key), earlier, key) if earlier else []
        lengths = {index: plan.part_range(index, size_bytes, part_bytes).size_bytes for index in range(count)}
        return AzureUpload(*arguments, blocks=_trusted(blocks, lengths))

    def leftovers(self) -> Iterator[Leftover]:
        """
        List the names below the root that have only uncommitted blocks.

        Blocks beside a blob that stands are not among them: Azure's listing doesn't tell. None can be removed: Azure
        drops them 7 days after the last one came, and has no request for it.

        :yields: One for each name.
        :raises SinkError: Azure refused.
        """
        start = self._place.prefix
        listing = self._place.container.list_blobs(name_starts_with=start, include=["uncommittedblobs"])
        for found in ask_each(listing):
            # They have no length, but so have empty objects.
            if found.size or found.name.endswith("/"):
                continue
            blob = self._place.container.get_blob_client(found.name)
            key = found.name[len(start) :]
            blocks = _uncommitted(blob, key)
            if not blocks or self._place.properties(blob, key) is not None:
                continue
            yield Leftover(
                kind="uncommitted blocks",
                key=key,
                handle=key,
                touched_at_epoch=_epoch(found.last_modified),
                size_bytes=sum(block.size for block in blocks),
                is_marked=all(BlockId.parse(block.id) is not None for block in blocks),
                is_removable=False,
            )

    def remove_leftover(self, leftover: Leftover) -> None:
        """
        Refuse.

        :param leftover: One of :meth:`leftovers`.
        :raises SinkError: Always.
        """
        raise SinkError("only Azure drops uncommitted blocks, 7 days after the last one came", leftover.key)

    def free_bytes(self) -> int | None:
        """
        Tell how many bytes still fit.

        :returns: None: Azure doesn't say.
        """
        return None


def _tokens(state: JsonObject, key: str, size_bytes: int, part_bytes: int) -> tuple[str, ...]:
    expected = {"sink": "azure", "key": key, "size_bytes": size_bytes, "part_bytes": part_bytes}
    if any(state.get(name) != value for name, value in expected.items()):
        raise UploadStateError("the recorded state is for another object or size", key)
    tokens = state.get("tokens")
    if not isinstance(tokens, list) or not tokens or not all(_TOKEN.fullmatch(str(token)) for token in tokens):
        raise UploadStateError("the recorded state can't be read", key)
    return tuple(map(str, tokens))


def _epoch(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _uncommitted(blob: BlobClient, key: str) -> list[BlobBlock]:
    try:
        return ask(key, blob.get_block_list, "uncommitted")[1]
    except ObjectMissingError:
        return []


def _recorded(blocks: Iterable[BlobBlock], tokens: tuple[str, ...], key: str) -> list[tuple[BlockId, int]]:
    """Find the blocks of some tries, with their lengths."""
    found = [(BlockId.parse(block.id), block.size) for block in blocks]
    ours = [(block, size) for block, size in found if block is not None and block.token in tokens]
    if any(block.is_end for block, _ in ours):
        raise UploadStateError("the recorded upload was discarded", key)
    return ours


def _trusted(blocks: list[tuple[BlockId, int]], lengths: dict[int, int]) -> dict[int, BlockId]:
    """Choose a block for each part; of a part that was put with different bytes nobody knows which were right."""
    chosen: dict[int, BlockId] = {}
    doubtful: set[int] = set()
    for block, size in blocks:
        other = chosen.setdefault(block.index, block)
        if other.crc64nvme != block.crc64nvme or lengths.get(block.index) != size:
            doubtful.add(block.index)
    return {index: block for index, block in chosen.items() if index not in doubtful}
