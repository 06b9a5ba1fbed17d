"""A prefix in a bucket of Google Cloud Storage as a sink."""

from __future__ import annotations

import secrets
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING

from airflow_provider_kaltura.transfer import plan
from airflow_provider_kaltura.transfer.errors import UploadStateError, UploadTakenError
from airflow_provider_kaltura.transfer.gcs_final import SINGLE_PUT_BYTES, FinalObject, GcsSingleUpload, is_single
from airflow_provider_kaltura.transfer.gcs_store import (
    PRECONDITION_FAILED,
    TOKEN_NAME,
    GcsStore,
    is_of,
    name_of,
    prove_written,
)
from airflow_provider_kaltura.transfer.gcs_upload import (
    FOLDER,
    KEY_NAME,
    GcsUpload,
    Piece,
    describe_temporary,
    flag_name,
    read_part,
    stem_of,
    temporary_params,
)
from airflow_provider_kaltura.transfer.gcs_wire import check_name, encode_crc32c
from airflow_provider_kaltura.transfer.keys import (
    PARTIAL_SUFFIX,
    is_partial_name,
    partial_name,
    partial_piece_name,
)
from airflow_provider_kaltura.transfer.protocols import Capabilities, Leftover, ObjectAttributes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_kaltura.transfer.gcs_client import GcsClient
    from airflow_provider_kaltura.transfer.protocols import JsonObject, Upload


class GcsSink:
    """
    Objects below a prefix.

    Memory: what :class:`~airflow_provider_kaltura.transfer.gcs_final.GcsSingleUpload` keeps of an object that goes with
    one request, ``min(size_bytes, 16 MiB)``; of all others nothing besides the caller's buffers. So the worst case of a
    task is ``max(16 MiB, buffers x part_bytes)``.

    :param client: The bucket.
    :param prefix: What every name begins with: empty, or ending in ``/``.
    """

    capabilities = Capabilities(
        any_order=True,
        resumable=True,
        conditional=True,
        metadata_at_commit=True,
        lists_parts=True,
        parallel_puts=4,
        single_put_bytes=SINGLE_PUT_BYTES,
        most_parts=32**3,
    )

    def __init__(self, client: GcsClient, prefix: str = "") -> None:
        self.client = client
        self.prefix = prefix
        self.store = GcsStore(client, prefix)

    def begin(
        self,
        key: str,
        *,
        size_bytes: int,
        part_bytes: int,
        attributes: ObjectAttributes | None = None,
        state: JsonObject | None = None,
    ) -> Upload:
        """
        Begin an object, or go on with one.

        :param key: Name below the root.
        :param size_bytes: Length of the whole; 0 is allowed.
        :param part_bytes: Length of every part but the last, at least 1.
        :param attributes: What is kept beside the bytes; ``options`` may have ``storage_class``, ``kms_key``, ``acl``.
        :param state: What :meth:`GcsUpload.state` gave, or None.
        :returns: The upload.
        :raises UploadStateError: *state* is for another object, or gone.
        :raises UploadTakenError: Another try goes on with it at this moment.
        :raises SinkError: The bucket can't be written.
        """
        name_of(self.prefix, key)
        plan.part_count(size_bytes, part_bytes)
        kept = attributes or ObjectAttributes()
        final = FinalObject(client=self.client, prefix=self.prefix, key=key, size_bytes=size_bytes, attributes=kept)
        # What an upload is for is hashed into its name: state for something else is told by its first half.
        upload = partial_name(f"{key}\0{size_bytes}\0{part_bytes}")
        if state is not None:
            return self._go_on(final, part_bytes, upload, state)
        if is_single(size_bytes, part_bytes):
            return GcsSingleUpload(final)
        check_name(self.prefix + FOLDER + partial_piece_name(upload, "c0-00000-00000000-0000000000000"))
        return GcsUpload(final, part_bytes, upload, self._raise_flag(final, upload, 0), {})

    def leftovers(self) -> Iterator[Leftover]:
        """
        List the temporary objects of all uploads.

        Each is as old as the youngest of its upload, so that no clean-up takes the first parts of one under way.

        :yields: One for each.
        """
        groups = groupby(self.client.list(f"{self.prefix}{FOLDER}."), key=self._stem)
        for stem, group in groups:
            found = list(group) if stem else []
            touched = max((_epoch(one) for one in found), default=0.0)
            for one in found:
                name = str(one["name"])
                yield Leftover(
                    kind="temporary",
                    key=str((one.get("metadata") or {}).get(KEY_NAME) or name[len(self.prefix) :]),
                    handle=f"{one['generation']} {name}",
                    touched_at_epoch=touched,
                    size_bytes=int(one["size"]),
                )

    def remove_leftover(self, leftover: Leftover) -> None:
        """
        Delete a temporary object, unless it was written again since it was listed.

        :param leftover: One of :meth:`leftovers`.
        """
        generation, _, name = leftover.handle.partition(" ")
        self.client.delete(name, int(generation))

    def free_bytes(self) -> int | None:
        """
        Tell how many bytes still fit.

        :returns: None: the service has no end.
        """
        return None

    def _stem(self, found: JsonObject) -> str:
        """Tell which upload an object belongs to; empty for what is none of ours."""
        name = str(found["name"])[len(self.prefix + FOLDER) :]
        return ".".join(name.split(".")[:3]) if is_partial_name(name) else ""

    def _go_on(self, final: FinalObject, part_bytes: int, sample: str, state: JsonObject) -> GcsUpload:
        upload = f"{state.get('upload')}{PARTIAL_SUFFIX}"
        is_name = upload.count(".") == sample.count(".") and is_partial_name(upload)
        if not is_name or upload.split(".")[1] != sample.split(".")[1]:
            raise UploadStateError("the recorded upload is for another object, or stored nothing", final.key)
        flag = self.client.get(flag_name(self.prefix, upload))
        if flag is None:
            raise UploadStateError("the recorded upload has ended, or was cleaned up", final.key)
        before = int(flag["generation"])
        generation = self._raise_flag(final, upload, before)
        # A bucket that keeps versions has kept the flag of before.
        self.client.delete(str(flag["name"]), before)
        return GcsUpload(final, part_bytes, upload, generation, self._stored(final, part_bytes, upload))

    def _raise_flag(self, final: FinalObject, upload: str, before: int) -> int:
        token = secrets.token_hex(8)
        description = describe_temporary(final, upload, "flag")
        description |= {"metadata": {**description["metadata"], TOKEN_NAME: token}, "crc32c": encode_crc32c(0)}
        params = {**temporary_params(final), "ifGenerationMatch": str(before)}
        answer = self.client.insert(description, b"", params)
        if answer.status == PRECONDITION_FAILED:
            found = self.client.get(description["name"])
            if found is None or not is_of(found, token):
                raise UploadTakenError("another try goes on with this upload at this moment", final.key)
            return int(found["generation"])
        return int(prove_written(self.client, answer, description["name"], 0, 0)["generation"])

    def _stored(self, final: FinalObject, part_bytes: int, upload: str) -> dict[int, Piece]:
        """Find the parts that stand; of two that were put for the same place, the later one."""
        parts: dict[int, Piece] = {}
        count = plan.part_count(final.size_bytes, part_bytes)
        for found in self.client.list(f"{self.prefix}{FOLDER}{stem_of(upload)}.p"):
            read = read_part(found)
            if read is None or read[0] >= count:
                continue
            index, piece = read
            fits = piece.size_bytes == plan.part_range(index, final.size_bytes, part_bytes).size_bytes
            if fits and (index not in parts or parts[index].generation < piece.generation):
                parts[index] = piece
        return parts


def _epoch(found: JsonObject) -> float:
    return datetime.fromisoformat(found["updated"]).timestamp()
