from __future__ import annotations

import errno
import os
import stat
import threading

import pytest

from airflow_provider_kaltura.transfer import local_locks, local_sink, local_store
from airflow_provider_kaltura.transfer.errors import (
    InvalidKeyError,
    SinkError,
    SinkFullError,
    SizeMismatchError,
    TargetExistsError,
    UploadStateError,
)
from airflow_provider_kaltura.transfer.local_sink import LocalSink
from tests.unit.transfer.sink_contract import DATA, PART, SinkContract, begin, put, upload_whole


def files_below(folder):
    """Every file there is, hidden ones included."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def finish(upload):
    """Put all parts and commit."""
    put(upload, range(4))
    upload.commit()


class LocalContract(SinkContract):
    """What the local sinks have in common."""

    def assert_no_leftovers(self, sink):
        """No file stands there that a listing doesn't show."""
        assert files_below(sink.root.path) == sorted(stat.key for stat in sink.store.list(""))

    def below(self, sink, folder):
        """Take a folder of the folder."""
        return LocalSink(sink.root.path / folder, sink.durability)


class TestLocalSink(LocalContract):
    """The contract, on a disk, each file flushed."""

    @pytest.fixture
    def sink(self, tmp_path):
        """A sink whose folder does not exist yet."""
        return LocalSink(tmp_path / "lake")


class TestLocalSinkInBatches(LocalContract):
    """The contract, on a disk, flushed once at the end."""

    @pytest.fixture
    def sink(self, tmp_path):
        """A sink that leaves flushing to ``sync``."""
        sink = LocalSink(tmp_path / "lake", durability="batch")
        yield sink
        sink.sync()


class TestLocalSinkWithoutHardLinks(LocalContract):
    """The contract where ``link`` is refused, as on FAT and some network disks."""

    @pytest.fixture
    def sink(self, tmp_path, monkeypatch):
        """A sink on a disk without hard links."""

        def no_link(*_args, **_kwargs):
            raise OSError(errno.EPERM, "no links here")

        monkeypatch.setattr(local_store.os, "link", no_link)
        return LocalSink(tmp_path / "lake")


def no_locks(*_args, **_more):
    """Refuse a lock, as some network disks do."""
    raise OSError(errno.ENOLCK, "no locks here")


class TestLocalSinkWithoutLocks:
    """Where ``flock`` is refused, only what can be promised is done."""

    @pytest.fixture
    def sink(self, tmp_path, monkeypatch):
        """A sink on a disk without locks."""
        monkeypatch.setattr(local_locks.fcntl, "flock", no_locks)
        return LocalSink(tmp_path / "lake")

    def test_plain_writes_and_if_absent_by_links_go_on(self, sink):
        """Neither needs a lock."""
        upload_whole(sink, "a", if_absent=True)
        upload_whole(sink, "a")
        sink.store.write("b", b"x", if_absent=True)
        with pytest.raises(TargetExistsError):
            sink.store.write("b", b"y", if_absent=True)
        sink.store.delete("b")
        assert files_below(sink.root.path) == ["a"]

    def test_what_needs_a_lock_is_refused(self, sink, monkeypatch):
        """A condition that can't be promised is an error, not a hope."""
        stat = sink.store.write("a", b"x")
        with pytest.raises(SinkError, match="no locks"):
            sink.store.write("a", b"y", if_version=stat.version_tag)
        monkeypatch.setattr(local_store.os, "link", no_locks)
        with pytest.raises(SinkError, match="no locks"):
            sink.store.write("b", b"y", if_absent=True)
        assert files_below(sink.root.path) == ["a"]


@pytest.fixture
def sink(tmp_path):
    """A sink below the test's folder."""
    return LocalSink(tmp_path / "lake")


def test_temporary_file_is_beside_the_target_and_has_its_length(sink):
    """Space is taken before the first byte, in the folder where the file will stand."""
    upload = begin(sink, "a/" + "ü" * 120)
    (path,) = (sink.root.path / "a").iterdir()
    assert path.name.endswith(".kaltura-partial")
    assert len(path.name.encode()) == 50
    assert path.stat().st_size == len(DATA)
    upload.discard()


def test_no_room_is_an_error_before_the_first_byte(sink, monkeypatch):
    """A full disk is told at begin, and nothing is left there."""

    def full(*_args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(local_sink.os, "posix_fallocate", full)
    with pytest.raises(SinkFullError) as caught:
        begin(sink)
    assert caught.value.retryable
    assert files_below(sink.root.path) == []


def test_a_really_impossible_size_is_refused(sink):
    """The real system call refuses what the disk can't hold."""
    with pytest.raises(SinkFullError):
        sink.begin("huge", size_bytes=1 << 60, part_bytes=PART)
    assert files_below(sink.root.path) == []


def test_a_disk_without_allocation_is_used_all_the_same(sink, monkeypatch):
    """Where space can't be taken beforehand, the length is set instead."""

    def unsupported(*_args):
        raise OSError(errno.EOPNOTSUPP, "unsupported")

    monkeypatch.setattr(local_sink.os, "posix_fallocate", unsupported)
    upload_whole(sink, "a")
    assert sink.store.read("a") == DATA


@pytest.mark.parametrize("call", ["pwrite", "fsync", "rename"])
def test_a_failing_system_call_leaves_nothing_after_discard(sink, monkeypatch, call):
    """Whichever call fails, the error is ours, nothing is visible and a discard leaves nothing."""

    def fail(*_args, **_kwargs):
        raise OSError(errno.EIO, "broken disk")

    upload = begin(sink)
    monkeypatch.setattr(local_sink.os, call, fail)
    with pytest.raises(SinkError):
        finish(upload)
    monkeypatch.undo()
    upload.discard()
    assert files_below(sink.root.path) == []


@pytest.mark.parametrize(
    "write", [lambda sink: upload_whole(sink, "a"), lambda sink: sink.store.write("a", DATA)], ids=["sink", "store"]
)
def test_a_name_that_the_disk_fails_to_keep_is_told_truthfully(sink, monkeypatch, write):
    """Not done, since the name may be lost with the power; but the error says that the file stands, and it is whole."""
    real = os.fsync

    def fail_for_folders(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode) and (sink.root.path / "a").exists():
            raise OSError(errno.EIO, "broken disk")
        real(descriptor)

    monkeypatch.setattr(local_sink.os, "fsync", fail_for_folders)
    with pytest.raises(SinkError, match=r"stands whole under its final name.*broken disk"):
        write(sink)
    assert sink.store.read("a") == DATA
    assert files_below(sink.root.path) == ["a"]


def test_short_writes_are_gone_on_with(sink, monkeypatch):
    """The system may take fewer bytes than it was given."""
    real = os.pwrite
    monkeypatch.setattr(local_store.os, "pwrite", lambda fd, data, at: real(fd, memoryview(data)[:7], at))
    upload_whole(sink, "a")
    assert sink.store.read("a") == DATA


def test_a_file_cut_behind_our_back_is_not_committed(sink):
    """The length is read back from the disk before the name is given."""
    upload = begin(sink)
    put(upload, range(4))
    (path,) = (sink.root.path / "dir").iterdir()
    os.truncate(path, 10)
    with pytest.raises(SizeMismatchError):
        upload.commit()
    upload.discard()
    assert files_below(sink.root.path) == []


def test_a_resumed_part_is_read_back_first(sink):
    """A recorded part whose bytes on the disk are others is fetched again."""
    first = begin(sink)
    put(first, [0, 1])
    state = first.state()
    (path,) = (sink.root.path / "dir").iterdir()
    with path.open("r+b") as file:
        file.seek(PART + 5)
        file.write(b"??")
    assert begin(sink, state=state).done_parts() == {0}


@pytest.mark.parametrize(
    "change",
    [
        {"temporary": "../../etc/passwd"},
        {"temporary": "object.bin"},
        {"temporary": None},
        {"temporary": ".0123456789abcdef.0123456789abcdef.kaltura-partial"},
        {"parts": None},
        {"parts": {"x": "y"}},
        {"parts": {"0": 5}},
    ],
    ids=str,
)
def test_state_that_was_tampered_with_is_refused(sink, change):
    """State can't make the sink open any other file."""
    upload = begin(sink)
    put(upload, [0])
    with pytest.raises(UploadStateError):
        begin(sink, state={**upload.state(), **change})
    upload.discard()


def test_a_file_in_the_place_of_a_folder_is_told(sink):
    """A name below a file can't be written, and the error says why."""
    sink.store.write("a", b"x")
    with pytest.raises(SinkError, match="a file stands where a folder is needed"):
        begin(sink, "a/b")
    assert sink.store.stat("a/b") is None


def test_a_folder_in_the_place_of_the_target_is_told_before_the_first_byte(sink):
    """A file never replaces a folder, and nobody downloads a gigabyte to learn that."""
    sink.store.write("a/b", b"x")
    with pytest.raises(InvalidKeyError, match="a folder stands where the file should"):
        begin(sink, "a")


def test_a_name_longer_than_the_disk_takes_is_refused_before_the_first_byte(sink):
    """256 bytes are too many for one name; 400 Arabic letters are 800."""
    for name in ("a" * 256, "ا" * 400):  # noqa: RUF001 - a name in another script
        with pytest.raises(InvalidKeyError):
            begin(sink, f"dir/{name}")
    assert files_below(sink.root.path) == []


def test_batches_flush_files_and_folders_once(tmp_path, monkeypatch):
    """No file is flushed before ``sync``, each one is by it, and a second call has nothing to do."""
    flushed, real = [], os.fsync
    monkeypatch.setattr(local_sink.os, "fsync", lambda fd: (flushed.append(os.fstat(fd).st_ino), real(fd)))
    sink = LocalSink(tmp_path, durability="batch")
    for name in ("a/0", "b/0"):
        sink.store.write(name, b"")
    flushed.clear()
    for name in ("a/1", "a/2", "b/3"):
        upload_whole(sink, name)
    assert flushed == []
    sink.sync()
    assert sorted(flushed) == sorted((tmp_path / name).stat().st_ino for name in ("a/1", "a/2", "b/3", "a", "b"))
    sink.sync()
    assert len(flushed) == 5


def test_new_folders_are_flushed(tmp_path, monkeypatch):
    """A folder's name is on the disk before anything in it is called done."""
    flushed, real = [], os.fsync
    monkeypatch.setattr(local_sink.os, "fsync", lambda fd: (flushed.append(os.fstat(fd).st_ino), real(fd)))
    begin(LocalSink(tmp_path / "new"), "a/b/c").discard()
    assert flushed == [(tmp_path / name).stat().st_ino for name in ("", "new", "new/a")]


def test_sync_forgets_what_was_deleted(tmp_path):
    """A file that is gone needs no flushing."""
    sink = LocalSink(tmp_path, durability="batch")
    upload_whole(sink, "a/1")
    sink.store.delete("a/1")
    sink.sync()
    assert sink.store.stat("a/1") is None


@pytest.mark.parametrize(
    "write", [lambda sink: upload_whole(sink, "a"), lambda sink: sink.store.write("a", b"x")], ids=["sink", "store"]
)
def test_each_file_is_flushed_before_its_name(tmp_path, monkeypatch, write):
    """The order is bytes, flush, name, flush of the folder."""
    order = []

    def noted(name, real):
        return lambda *args, **more: (order.append(name), real(*args, **more))

    for name in ("fsync", "rename"):
        monkeypatch.setattr(local_sink.os, name, noted(name, getattr(os, name)))
    write(LocalSink(tmp_path))
    assert order == ["fsync", "rename", "fsync"]


def test_discard_waits_for_a_writer(sink, monkeypatch):
    """A descriptor is never closed under a thread that writes: its number might be another file's by then."""
    real, writing, go_on = os.pwrite, threading.Event(), threading.Event()

    def slow(*args):
        writing.set()
        assert go_on.wait(10)
        return real(*args)

    upload = begin(sink)
    monkeypatch.setattr(local_store.os, "pwrite", slow)
    writer = threading.Thread(target=put, args=(upload, [0]))
    writer.start()
    assert writing.wait(10)
    discarder = threading.Thread(target=upload.discard)
    discarder.start()
    discarder.join(0.05)
    assert discarder.is_alive()
    go_on.set()
    writer.join(10)
    discarder.join(10)
    assert files_below(sink.root.path) == []


def test_durability_is_one_of_two(tmp_path):
    """A typing error in the setting is told at once."""
    with pytest.raises(ValueError, match="durability"):
        LocalSink(tmp_path, durability="none")


def test_reprs_say_what_they_are(tmp_path):
    """Sinks and stores tell their folder."""
    sink = LocalSink(tmp_path)
    assert str(tmp_path) in repr(sink)
    assert str(tmp_path) in repr(sink.store)
    assert str(tmp_path) in repr(sink.root)
