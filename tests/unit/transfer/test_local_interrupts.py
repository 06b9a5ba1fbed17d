"""An interruption at any moment of begin leaves nothing, wherever the upload is by then."""

from __future__ import annotations

import errno
import sys
from pathlib import Path

import pytest

from airflow_provider_kaltura.transfer import local_sink
from airflow_provider_kaltura.transfer.local_sink import LocalSink
from tests.unit.transfer.sink_contract import begin, put


class InterruptionError(BaseException):
    """What a signal raises: no Exception, as Ctrl-C and a task's timeout are none."""


class Interrupter:
    """Raises before the n-th instruction of ours that is executed; counts them all when there is no such."""

    def __init__(self, number=0, files=frozenset({"local_sink.py", "local_upload.py", "local_paths.py"})):
        self.left = number
        self.files = files
        self.count = 0
        self.before = sys.gettrace()

    def __enter__(self):
        sys.settrace(self._call)
        return self

    def __exit__(self, *_: object):
        sys.settrace(self.before)

    def _call(self, frame, _event, _argument):
        if Path(frame.f_code.co_filename).name not in self.files:
            return None
        frame.f_trace_opcodes = True
        return self._step

    def _step(self, frame, event, _argument):
        if event == "opcode":
            self.count += 1
            self.left -= 1
            if self.left == 0:
                raise InterruptionError
        return self._step


@pytest.fixture
def sink(tmp_path):
    """A sink whose folder exists already."""
    (tmp_path / "lake").mkdir()
    sink = LocalSink(tmp_path / "lake")
    # Asked of the disk once, so that every beginning after that has the same instructions.
    assert sink.capabilities.resumable
    return sink


def interrupted_everywhere(step):
    """Carry out *step* once whole, then interrupt it before each of its instructions; yields after each time."""
    with Interrupter() as counter:
        held = step()
    del held
    assert counter.count > 100
    for number in range(1, counter.count + 1):
        with pytest.raises(InterruptionError), Interrupter(number):
            step()
        yield number


def names_in(sink):
    """Everything that stands in the sink's folder."""
    return [path.name for path in sink.root.path.iterdir()]


def test_begin_leaves_nothing_wherever_it_is_interrupted(sink):
    """Neither before the constructor's own cleaning up can begin nor after the last of its instructions."""
    for number in interrupted_everywhere(lambda: begin(sink, "a")):
        assert names_in(sink) == [], number


def test_going_on_leaves_what_was_there_wherever_it_is_interrupted(sink):
    """The parts of an earlier try are never lost by that."""
    first = begin(sink, "a")
    put(first, [0, 2])
    state = first.state()
    for number in interrupted_everywhere(lambda: begin(sink, "a", state=state)):
        # Its name may be the next one by then; the bytes stay, and the recorded name leads to them.
        assert len(names_in(sink)) == 1, number
        if number % 8 == 0:
            state["temporary"] = names_in(sink)[0]
    assert begin(sink, "a", state=state).done_parts() == {0, 2}


def test_an_upload_that_nobody_holds_any_more_leaves_nothing(sink):
    """An interruption may come between its beginning and the caller's ``try``."""
    begin(sink, "a")
    assert names_in(sink) == []


@pytest.mark.parametrize("use", [lambda upload: put(upload, [0]), lambda upload: upload.state()], ids=["part", "state"])
def test_an_upload_that_was_used_stays_until_it_is_discarded(sink, use):
    """Another try may go on with it, even when nobody holds it here."""
    upload = begin(sink, "a")
    use(upload)
    del upload
    (name,) = names_in(sink)
    assert name.endswith(".kaltura-partial")


def test_an_interruption_outlives_trouble_with_cleaning_up(sink, monkeypatch):
    """What ends the task must reach it, whatever the disk says meanwhile."""

    def interrupt(*_):
        raise InterruptionError

    def fail(*_, **__):
        raise OSError(errno.EIO, "broken disk")

    monkeypatch.setattr(local_sink.os, "posix_fallocate", interrupt)
    monkeypatch.setattr(local_sink.os, "unlink", fail)
    with pytest.raises(InterruptionError):
        begin(sink)
