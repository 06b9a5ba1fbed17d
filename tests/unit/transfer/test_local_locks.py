"""Locks that somebody never lets go, and temporary files that are none: another try is never blocked by them."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from pathlib import Path

import pytest

from airflow_provider_kaltura.transfer import local_leftovers, local_store
from airflow_provider_kaltura.transfer.errors import SinkError, UploadStateError, UploadTakenError
from airflow_provider_kaltura.transfer.local_locks import LockHeldError, acquire, release
from airflow_provider_kaltura.transfer.local_sink import LocalSink
from tests.unit.transfer.sink_contract import begin, put


@pytest.fixture
def sink(tmp_path):
    """A sink below the test's folder."""
    return LocalSink(tmp_path / "lake")


@pytest.fixture
def held(tmp_path):
    """A file that somebody holds, and another descriptor of it."""
    descriptors = [os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT) for _ in range(2)]
    fcntl.flock(descriptors[0], fcntl.LOCK_SH)
    yield descriptors
    for descriptor in descriptors:
        os.close(descriptor)


def test_lock_is_waited_for_in_a_bounded_time(held):
    """Who holds it may be frozen; those who may share it don't wait."""
    now, naps = [0.0], []

    def sleep(seconds):
        naps.append(seconds)
        now[0] += seconds

    with pytest.raises(LockHeldError):
        acquire(held[1], alone=True, seconds=1, sleep=sleep, clock=lambda: now[0])
    assert 1 <= sum(naps) < 1.1
    assert acquire(held[1], alone=False, seconds=0)


def test_lock_is_taken_once_it_is_free(held):
    """A nap later."""
    assert acquire(held[1], alone=True, seconds=1, sleep=lambda _: release(held[0]))


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.EBADF])
def test_disk_without_locks_is_told(held, monkeypatch, number):
    """Neither taking nor releasing fails there."""

    def refused(*_args):
        raise OSError(number, "no locks here")

    monkeypatch.setattr(fcntl, "flock", refused)
    assert not acquire(held[1], alone=True, seconds=1)
    release(held[1])


@pytest.mark.parametrize("use", [lambda one: acquire(one, alone=True, seconds=1), release], ids=["acquire", "release"])
def test_alarm_is_no_sign_of_a_disk_without_locks(held, monkeypatch, use):
    """What a signal raises reaches the caller, although it is an OSError."""

    def alarm(*_args):
        raise TimeoutError

    monkeypatch.setattr(fcntl, "flock", alarm)
    with pytest.raises(TimeoutError):
        use(held[1])


def test_retry_begins_anew_beside_a_frozen_writer(sink, monkeypatch):
    """It never writes into a file that another one may write to, and the frozen one can't commit any more."""
    frozen = begin(sink)
    put(frozen, [0])
    state = frozen.state()
    monkeypatch.setattr(local_leftovers, "FILE_SECONDS", 0)
    with frozen._in_use(shared=True), pytest.raises(UploadStateError):
        begin(sink, state=state)
    with pytest.raises(UploadTakenError):
        put(frozen, [1])
    frozen.close()
    assert list(sink.leftovers()) == []


def test_writer_does_not_wait_for_ever_either(sink, monkeypatch):
    """Who took the file over may be frozen too."""
    upload = begin(sink)
    put(upload, [0])
    (leftover,) = sink.leftovers()
    other = os.open(sink.root.path / leftover.handle, os.O_RDWR)
    fcntl.flock(other, fcntl.LOCK_EX)
    monkeypatch.setattr(local_leftovers, "FILE_SECONDS", 0)
    with pytest.raises(UploadTakenError):
        put(upload, [1])
    os.close(other)
    upload.discard()


def test_held_folder_is_a_failure_that_a_retry_may_cure(sink, monkeypatch):
    """A write without the lock would promise a condition that does not hold."""
    sink.store.write("a", b"1")
    other = os.open(sink.root.path, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    monkeypatch.setattr(local_store, "FOLDER_SECONDS", 0)
    with pytest.raises(SinkError) as raised:
        sink.store.write("a", b"2")
    os.close(other)
    assert raised.value.retryable
    assert sink.store.read("a") == b"1"


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("elsewhere")])
def test_temporary_file_that_is_none_any_more_is_begun_anew(sink, make):
    """It is neither waited for nor written to."""
    upload = begin(sink)
    put(upload, [0])
    state = upload.state()
    upload.close()
    path = sink.root.path / next(sink.leftovers()).handle
    path.unlink()
    make(path)
    began = time.monotonic()
    with pytest.raises(UploadStateError):
        begin(sink, state=state)
    assert time.monotonic() - began < 5


def test_interrupted_write_leaves_no_descriptor(sink, monkeypatch):
    """Nor a temporary file."""

    def interrupt(*_):
        raise KeyboardInterrupt

    before = len(list(Path("/proc/self/fd").iterdir()))
    monkeypatch.setattr(local_store, "write_all", interrupt)
    with pytest.raises(KeyboardInterrupt):
        sink.store.write("a", b"1")
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert list(sink.leftovers()) == []


@pytest.mark.parametrize(("name", "is_refused"), [("lost+found", False), ("_kaltura", True), ("", True)])
def test_folder_that_may_not_be_read_is_left_out_with_a_warning(sink, monkeypatch, caplog, name, is_refused):
    """Somebody's folder must not stop the clean-up of all others; the root and our own must be whole."""
    begin(sink).state()
    closed, real = str(sink.root.path / name), os.scandir

    def scandir(path):
        if str(path) == closed:
            raise PermissionError(errno.EACCES, "closed", closed)
        return real(path)

    (sink.root.path / name).mkdir(exist_ok=True)
    monkeypatch.setattr(os, "scandir", scandir)
    if is_refused:
        with pytest.raises(SinkError):
            list(sink.leftovers())
    else:
        assert len(list(sink.leftovers())) == 1
        assert "lost+found" in caplog.text
