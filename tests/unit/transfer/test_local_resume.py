"""Files on a local disk that another try goes on with: at no moment two of them give bytes to one name."""

from __future__ import annotations

import errno
import os

import pytest

from airflow_provider_kaltura.transfer import local_leftovers, local_upload
from airflow_provider_kaltura.transfer.errors import UploadStateError, UploadTakenError
from airflow_provider_kaltura.transfer.local_sink import LocalSink
from tests.unit.transfer.sink_contract import DATA, PART, begin, put


@pytest.fixture
def sink(tmp_path):
    """A sink below the test's folder."""
    return LocalSink(tmp_path / "lake")


def temporaries(sink):
    """Every temporary file there is."""
    return [leftover.key for leftover in sink.leftovers()]


def broken_off(sink, indexes=range(2)):
    """Begin, put some parts, and give the state that a later try finds."""
    upload = begin(sink)
    put(upload, indexes)
    state = upload.state()
    upload.close()
    return state


def test_closed_upload_stays_for_another_try(sink):
    """Closing gives the descriptor up and nothing else; it may be done twice."""
    upload = begin(sink)
    put(upload, [0])
    upload.close()
    upload.close()
    again = begin(sink, state=upload.state())
    assert again.done_parts() == {0}
    again.discard()
    assert temporaries(sink) == []


def test_nothing_is_written_into_a_file_that_has_its_final_name_too(sink):
    """A kill between link and unlink leaves two names of one file: what stands must not change any more."""
    state = broken_off(sink, range(4))
    (leftover,) = sink.leftovers()
    final = sink.root.path / "dir" / "object.bin"
    os.link(sink.root.path / leftover.handle, final)
    with pytest.raises(UploadStateError):
        begin(sink, state=state)
    assert final.read_bytes() == DATA
    assert temporaries(sink) == []


def test_state_with_a_part_that_the_file_does_not_have_is_refused(sink):
    """A record that was tampered with is one kind of error, whatever is wrong in it."""
    state = broken_off(sink)
    for index in ("-1", "4", str(1 << 70)):
        with pytest.raises(UploadStateError):
            begin(sink, state={**state, "parts": {index: "00"}})


def test_parts_are_read_back_only_when_somebody_wants_to_know(sink, monkeypatch):
    """A discard of 100 GB needs no reading; done_parts does, once."""
    state = broken_off(sink)
    reads, real = [], local_upload.read_range
    monkeypatch.setattr(local_upload, "read_range", lambda *args: reads.append(args) or real(*args))
    upload = begin(sink, state=state)
    assert reads == []
    assert upload.done_parts() == {0, 1}
    assert upload.done_parts() == {0, 1}
    assert len(reads) == 2
    upload.discard()
    assert temporaries(sink) == []


def test_part_that_was_put_again_is_not_judged_by_the_old_record(sink):
    """What was put by this try counts, whatever an earlier one has written down."""
    state = broken_off(sink)
    upload = begin(sink, state={**state, "parts": {**state["parts"], "1": "0" * 16}})
    put(upload, [1])
    assert upload.done_parts() == {0, 1}
    put(upload, [2, 3])
    upload.commit()
    assert sink.store.read("dir/object.bin") == DATA


@pytest.mark.parametrize("if_absent", [True, False])
def test_file_taken_at_the_last_moment_is_not_committed(sink, monkeypatch, if_absent):
    """Where locks do not reach, the name may go between the look and the rename: a clean, retryable failure."""
    upload = begin(sink)
    put(upload, range(4))
    real = local_upload.require_own

    def take(*args):
        real(*args)
        (leftover,) = sink.leftovers()
        sink.remove_leftover(leftover)

    monkeypatch.setattr(local_upload, "require_own", take)
    with pytest.raises(UploadTakenError) as raised:
        upload.commit(if_absent=if_absent)
    assert raised.value.retryable
    assert sink.store.stat("dir/object.bin") is None


def test_take_over_waits_for_the_folder(sink, monkeypatch):
    """Giving a file its next name happens under the lock under which it would be committed."""
    state, order = broken_off(sink), []
    real_lock, real_rename = local_leftovers.exclusive, os.rename

    def noted_lock(folder):
        order.append("lock")
        return real_lock(folder)

    monkeypatch.setattr(local_leftovers, "exclusive", noted_lock)
    monkeypatch.setattr(os, "rename", lambda *args, **more: (order.append("rename"), real_rename(*args, **more)))
    begin(sink, state=state).discard()
    assert order == ["lock", "rename"]


def test_disk_without_locks_goes_on_with_nothing(tmp_path, monkeypatch):
    """Two tries could not be kept apart there, so that none is resumed; a lock that somebody holds is one."""
    assert LocalSink(tmp_path / "not" / "yet").capabilities.resumable

    def refused(*_args):
        raise OSError(errno.ENOLCK, "no locks here")

    def held(*_args):
        raise BlockingIOError

    monkeypatch.setattr(local_leftovers.fcntl, "flock", held)
    assert LocalSink(tmp_path).capabilities.resumable
    monkeypatch.setattr(local_leftovers.fcntl, "flock", refused)
    assert not LocalSink(tmp_path).capabilities.resumable


def test_space_that_is_taken_already_is_told(sink):
    """A file that was allocated whole needs nothing more; a closed one is not asked."""
    upload = sink.begin("big", size_bytes=1 << 20, part_bytes=PART)
    assert upload.unreserved_bytes == 0
    upload.close()
    assert upload.unreserved_bytes == 1 << 20
