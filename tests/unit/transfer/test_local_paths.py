"""What else may stand on a disk: links, pipes, files of other people."""

from __future__ import annotations

import errno
import os
import stat

import pytest

from airflow_provider_kaltura.transfer import local_paths
from airflow_provider_kaltura.transfer.errors import (
    InvalidKeyError,
    ObjectMissingError,
    SinkError,
    SinkForbiddenError,
    TargetExistsError,
)
from airflow_provider_kaltura.transfer.local_sink import LocalSink
from airflow_provider_kaltura.transfer.local_store import LocalStore
from tests.unit.transfer.sink_contract import DATA, begin, put, upload_whole


@pytest.fixture
def sink(tmp_path):
    """A sink below the test's folder."""
    return LocalSink(tmp_path / "lake")


def test_permissions_follow_the_umask(sink):
    """A file gets the permissions that any program's new file gets."""
    before = os.umask(0o027)
    try:
        upload_whole(sink, "a")
        sink.store.write("b", b"x")
    finally:
        os.umask(before)
    assert [stat.S_IMODE((sink.root.path / name).stat().st_mode) for name in "ab"] == [0o640, 0o640]


def test_a_link_out_of_the_root_is_not_followed(sink, tmp_path):
    """A folder or file that is a symbolic link to elsewhere is refused for reading and writing."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    sink.root.path.mkdir()
    (sink.root.path / "link").symlink_to(outside)
    (sink.root.path / "file").symlink_to(outside / "secret")
    for attempt in (
        lambda: begin(sink, "link/x"),
        lambda: begin(sink, "link/deeper/x"),
        lambda: sink.store.write("link/x", b""),
        lambda: sink.store.read("link/secret"),
        lambda: sink.store.read("file"),
        lambda: sink.store.stat("file"),
        lambda: sink.store.delete("link/secret"),
    ):
        with pytest.raises(InvalidKeyError):
            attempt()
    assert [path.name for path in outside.iterdir()] == ["secret"]
    assert [list(sink.store.list(prefix)) for prefix in ("link", "link/", "link/s", "../outside/", "/")] == [[]] * 5


def test_a_link_within_the_root_is_followed(sink):
    """A link that stays below the root is the user's own order."""
    (sink.root.path / "real").mkdir(parents=True)
    (sink.root.path / "link").symlink_to("real")
    upload_whole(sink, "link/a")
    assert (sink.root.path / "real" / "a").read_bytes() == DATA


def test_a_link_in_the_place_of_the_target_is_replaced(sink, tmp_path):
    """A commit never writes through a link that has the final name."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"untouched")
    sink.root.path.mkdir()
    (sink.root.path / "a").symlink_to(victim)
    upload_whole(sink, "a")
    assert victim.read_bytes() == b"untouched"
    assert sink.store.read("a") == DATA


def test_a_dangling_link_counts_as_standing_there(sink):
    """With if_absent even a link to nowhere is something."""
    sink.root.path.mkdir()
    (sink.root.path / "a").symlink_to("nowhere")
    upload = begin(sink, "a")
    put(upload, range(4))
    with pytest.raises(TargetExistsError):
        upload.commit(if_absent=True)
    upload.discard()


def test_a_link_to_a_file_within_the_root_is_read(sink):
    """Its description is that of the file."""
    sink.store.write("real", b"0123")
    (sink.root.path / "link").symlink_to("real")
    assert sink.store.read("link") == b"0123"
    assert sink.store.stat("link").size_bytes == 4
    assert [found.key for found in sink.store.list("")] == ["real"]


def test_a_pipe_is_no_object_and_nobody_waits_for_it(sink):
    """What is no file doesn't stand there."""
    sink.root.path.mkdir()
    os.mkfifo(sink.root.path / "pipe")
    assert sink.store.stat("pipe") is None
    with pytest.raises(ObjectMissingError):
        sink.store.read("pipe")


def make_pipe(path):
    """A pipe."""
    os.mkfifo(path)


def make_socket(path):
    """A socket's name, made by another process or this one."""
    os.mknod(path, stat.S_IFSOCK | 0o600)


def make_folder_link(path):
    """A link to a folder with something in it."""
    (path.parent / "real").mkdir()
    path.symlink_to("real")


def make_pipe_link(path):
    """A link to a pipe."""
    os.mkfifo(path.parent / "pipe")
    path.symlink_to("pipe")


@pytest.mark.parametrize("make", [make_pipe, make_socket, make_folder_link, make_pipe_link])
def test_what_is_no_file_is_never_replaced(sink, make):
    """Told before the first byte, and once more at the end for what came meanwhile; nothing is changed."""
    upload = begin(sink, "a")
    put(upload, range(4))
    make(sink.root.path / "a")
    before = (sink.root.path / "a").lstat()
    for write in (lambda: begin(sink, "a"), upload.commit, lambda: sink.store.write("a", b"x")):
        with pytest.raises(InvalidKeyError, match="where the file should"):
            write()
    upload.discard()
    assert (sink.root.path / "a").lstat().st_ino == before.st_ino
    assert not list(sink.root.path.glob(".*"))


@pytest.mark.parametrize("target", ["nowhere", "a"], ids=["to nothing", "to itself"])
def test_a_link_that_leads_nowhere_is_replaced(sink, target):
    """Nothing is lost by that."""
    sink.root.path.mkdir()
    (sink.root.path / "a").symlink_to(target)
    upload_whole(sink, "a")
    assert (sink.root.path / "a").read_bytes() == DATA
    assert [path.name for path in sink.root.path.iterdir()] == ["a"]


def test_a_root_that_is_a_link_is_the_users_own(tmp_path):
    """Only below the root links are watched."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    sink = LocalSink(tmp_path / "link")
    upload_whole(sink, "a/b")
    assert [found.key for found in sink.store.list("a/")] == ["a/b"]
    assert (tmp_path / "real" / "a" / "b").read_bytes() == DATA


def test_a_place_that_takes_no_folders_is_named():
    """Not that nothing stands there: the root is named, and that it can't be written."""
    with pytest.raises(SinkForbiddenError, match="the root /proc/lake/below can't be written: /proc takes no"):
        LocalStore("/proc/lake/below").write("a/b.txt", b"1")
    with pytest.raises(SinkForbiddenError, match="/proc/lake"):
        upload_whole(LocalSink("/proc/lake"), "b.txt")
    assert LocalStore("/proc/lake").stat("b.txt") is None


def test_a_disk_that_can_not_flush_folders_is_used(sink, monkeypatch):
    """Some network disks refuse it; they have no names apart from the files."""
    real = os.fsync

    def refuse_folders(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a file")
        real(descriptor)

    monkeypatch.setattr(local_paths.os, "fsync", refuse_folders)
    upload_whole(sink, "a/b")
    sink.store.write("c", b"x")
    assert [found.key for found in sink.store.list("")] == ["a/b", "c"]


def test_a_disk_that_fails_to_flush_a_folder_is_told(sink, monkeypatch):
    """An error of the disk is never passed over."""

    def broken(_descriptor):
        raise OSError(errno.EIO, "broken disk")

    monkeypatch.setattr(local_paths.os, "fsync", broken)
    with pytest.raises(SinkError, match="broken disk"):
        sink.store.write("a/b", b"x")
