"""Whole files on a local disk: written under a temporary name beside the target, then renamed."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Literal, TypeAlias

from airflow_provider_kaltura.transfer import plan
from airflow_provider_kaltura.transfer.local_leftovers import find_leftovers, free_bytes, has_locks, remove_leftover
from airflow_provider_kaltura.transfer.local_paths import LocalRoot, failures_named, flush_folder
from airflow_provider_kaltura.transfer.local_store import LocalStore
from airflow_provider_kaltura.transfer.local_upload import LocalUpload
from airflow_provider_kaltura.transfer.protocols import Capabilities

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_kaltura.transfer.protocols import JsonObject, Leftover, ObjectAttributes

Durability: TypeAlias = Literal["file", "batch"]


class LocalSink:
    """
    Whole files below one folder.

    :param root: The folder; made when the first file is begun.
    :param durability: ``"file"`` flushes each file before it gets its final name; ``"batch"`` leaves that to
        :meth:`sync`, and until then a loss of power may leave files with holes under final names: nothing may be
        called done before.
    """

    def __init__(self, root: str | os.PathLike[str], durability: Durability = "file") -> None:
        if durability not in ("file", "batch"):
            raise ValueError(f"durability is 'file' or 'batch', not {durability!r}")
        self.root = LocalRoot(root)
        self.durability = durability
        self.store = LocalStore(root)
        self._has_locks: bool | None = None
        self._unsynced: set[str] = set()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.root.path)!r}, durability={self.durability!r})"

    @property
    def capabilities(self) -> Capabilities:
        """
        What this sink can do; asked of the disk once.

        Without locks (some network disks) two tries could not be kept apart, so that none goes on with a file.
        """
        if self._has_locks is None:
            self._has_locks = has_locks(self.root)
        return Capabilities(any_order=True, resumable=self._has_locks, conditional=True, metadata_at_commit=False)

    def begin(
        self,
        key: str,
        *,
        size_bytes: int,
        part_bytes: int,
        attributes: ObjectAttributes | None = None,
        state: JsonObject | None = None,
    ) -> LocalUpload:
        """
        Begin a file, or go on with one; its space is taken from the disk before the first byte.

        :param key: Name below the root.
        :param size_bytes: Length of the whole; 0 is allowed.
        :param part_bytes: Length of every part but the last, at least 1.
        :param attributes: Ignored: a disk keeps only bytes.
        :param state: What :meth:`LocalUpload.state` gave, or None.
        :returns: The upload.
        :raises SinkFullError: There is no room for it.
        :raises UploadStateError: *state* is for another object, or its file is gone.
        :raises InvalidKeyError: The name is none, or something has it that no file may replace.
        :raises SinkError: The place can't be written.
        """
        plan.part_count(size_bytes, part_bytes)
        return LocalUpload(
            self.root,
            key,
            size_bytes=size_bytes,
            part_bytes=part_bytes,
            state=state,
            durable=self.durability == "file",
            committed=self._remember,
        )

    def leftovers(self) -> Iterator[Leftover]:
        """
        List temporary files of ours below the root.

        :returns: In order of their folders; ``key`` is the temporary name, since the final one is not known.
        """
        return find_leftovers(self.root)

    def remove_leftover(self, leftover: Leftover) -> None:
        """
        Remove a temporary file.

        :param leftover: One of :meth:`leftovers`.
        :raises SinkError: The disk refused.
        """
        remove_leftover(self.root, leftover)

    def free_bytes(self) -> int | None:
        """
        Tell how many bytes still fit, for this user.

        :returns: None when the disk doesn't say.
        """
        return free_bytes(self.root)

    def sync(self) -> None:
        """Flush every file committed since the last call, and their folders; nothing to do for ``"file"``."""
        with self._lock:
            keys, self._unsynced = self._unsynced, set()
        folders: dict[str, str] = {}
        try:
            for key in keys:
                self._sync_one(key)
                folders[key.rpartition("/")[0]] = key
            for key in folders.values():
                with self.root.folder_of(key, create=False) as (folder, _), failures_named(key):
                    flush_folder(folder)
        except BaseException:
            with self._lock:
                self._unsynced |= keys
            raise

    def _sync_one(self, key: str) -> None:
        with self.root.folder_of(key, create=False) as (folder, name), failures_named(key):
            try:
                descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            except FileNotFoundError:
                return  # deleted since: nothing is promised about it any more
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _remember(self, key: str) -> None:
        with self._lock:
            self._unsynced.add(key)
