"""Uploads of which each request in turn goes wrong: what the suites of the services that are asked by HTTP share."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pytest

from airflow_provider_kaltura.transfer.checksum import checksum_of
from airflow_provider_kaltura.transfer.errors import ChecksumMismatchError, SinkError, TransferError, UploadStateError
from tests.unit.transfer.sink_contract import DATA, begin, data_of, put_parts, upload_whole

KEY = "dir/object.bin"
OLD = b"what stood there before"
SMALL = b"a few bytes, which go with one request"


class Fault(Exception):  # noqa: N818 - a fault, and no error of ours or of a library's
    """What nobody expects of a library."""


class Turns:
    """
    Requests of which the *at*-th goes wrong, before it is sent or when it has been obeyed; *forever* all later ones.

    :param error: Makes what is raised, from whether the request was sent.
    """

    def __init__(self, error, at=0, *, is_before=True, is_forever=False):
        self.error, self.at, self.is_before, self.is_forever = error, at, is_before, is_forever
        self.count = 0
        self._lock = threading.Lock()

    @property
    def happened(self):
        """Something has gone wrong."""
        return 0 < self.at <= self.count

    def send(self, action):
        """Count a request and make it, unless it is its turn."""
        with self._lock:
            self.count += 1
            number = self.count
        is_turn = number == self.at or (self.is_forever and self.happened)
        if is_turn and self.is_before:
            raise self.error(False)
        answer = action()
        if is_turn:
            raise self.error(True)
        return answer


def long_but(names, quick):
    """Leave to the long run what is not among the quick ones."""
    return [name if name in quick else pytest.param(name, marks=pytest.mark.all) for name in names]


@dataclass
class Run:
    """
    What came of one run.

    :param raised: Types of what was raised by the act and by the discard after it; empty when it said that it worked.
    :param stands: What had the final name before that discard: (which writing, bytes), None when nothing had.
    :param uploads: What was begun.
    :param left: What the service listed after the discard, besides the final name.
    """

    raised: list
    stands: tuple | None
    uploads: list
    left: list = field(default_factory=list)

    @property
    def said(self):
        """Whether the act said that it worked."""
        return not self.raised


@dataclass(frozen=True)
class Scenario:
    """
    Something that writes one object.

    :param act: Does so: takes the sink, the list for the uploads that it begins, and a sink without faults.
    :param new: The object.
    :param old: What stands there before, None when nothing does.
    :param works: Whether it works without a fault.
    """

    act: object
    new: bytes = DATA
    old: bytes | None = None
    works: bool = True


def in_parts(sink, uploads, _plain, **how):
    """Upload four parts."""
    uploads.append(begin(sink, KEY))
    put_parts(sink, uploads[0], range(4))
    uploads[0].commit(checksum=checksum_of(data_of(sink)), **how)


def only_in_parts(sink, uploads, plain):
    """Upload four parts, where nothing stands."""
    in_parts(sink, uploads, plain, if_absent=True)


def gone_on(sink, uploads, plain):
    """Go on with what another try has begun, which has two parts."""
    first = begin(plain, KEY)
    put_parts(plain, first, [0, 2])
    uploads.append(begin(sink, KEY, state=first.state()))
    put_parts(sink, uploads[0], {0, 1, 2, 3} - uploads[0].done_parts())
    uploads[0].commit(checksum=checksum_of(data_of(sink)))


def put_again(sink, uploads, _plain):
    """Put a part with other bytes first, as after a source that could not be trusted."""
    uploads.append(begin(sink, KEY))
    put_parts(sink, uploads[0], [1], bytes(len(data_of(sink))))
    put_parts(sink, uploads[0], range(4))
    uploads[0].commit(checksum=checksum_of(data_of(sink)))


def given_up(sink, uploads, _plain):
    """Discard two parts."""
    uploads.append(begin(sink, KEY))
    put_parts(sink, uploads[0], [0, 1])
    uploads[0].discard()
    raise UploadStateError("given up", KEY)


def at_once(sink, uploads, _plain, **how):
    """Upload an object of one part."""
    uploads.append(begin(sink, KEY, SMALL))
    put_parts(sink, uploads[0], [0], SMALL)
    uploads[0].commit(checksum=checksum_of(SMALL), **how)


def only_at_once(sink, uploads, plain):
    """Upload an object of one part, where nothing stands."""
    at_once(sink, uploads, plain, if_absent=True)


def small(sink, _uploads, _plain, **how):
    """Write a small object, as a row of the manifest."""
    sink.store.write(KEY, SMALL, **how)


def only_small(sink, uploads, plain):
    """Write a small object, where nothing stands."""
    small(sink, uploads, plain, if_absent=True)


def small_over_version(sink, uploads, plain):
    """Write a small object over the one that was read."""
    small(sink, uploads, plain, if_version=plain.store.stat(KEY).version_tag)


SCENARIOS = {
    "parts": Scenario(in_parts),
    "parts, replacing": Scenario(in_parts, old=OLD),
    "parts, create-only": Scenario(only_in_parts),
    "parts, create-only, refused": Scenario(only_in_parts, old=OLD, works=False),
    "parts, gone on with": Scenario(gone_on, old=OLD),
    "parts, one put again": Scenario(put_again, old=OLD),
    "parts, given up": Scenario(given_up, old=OLD, works=False),
    "one part": Scenario(at_once, new=SMALL),
    "one part, replacing": Scenario(at_once, new=SMALL, old=OLD),
    "one part, create-only": Scenario(only_at_once, new=SMALL),
    "one part, create-only, refused": Scenario(only_at_once, new=SMALL, old=OLD, works=False),
    "small": Scenario(small, new=SMALL),
    "small, replacing": Scenario(small, new=SMALL, old=OLD),
    "small, create-only": Scenario(only_small, new=SMALL),
    "small, create-only, refused": Scenario(only_small, new=SMALL, old=OLD, works=False),
    "small, over a version": Scenario(small_over_version, new=SMALL, old=OLD),
}


def run(scenario, place, turns):
    """Run a scenario in an empty place, and look what stands before anybody tidies."""
    uploads, raised = [], []
    if scenario.old is not None:
        place.put(scenario.old)
    try:
        scenario.act(place.sink(turns), uploads, place.sink(None))
    except (TransferError, Fault, KeyboardInterrupt) as error:
        raised = [type(error)]
    return Run(raised, place.stands(), uploads)


def discard(done):
    """Discard twice: the second goes on where the first met a fault, and does no harm otherwise."""
    for upload in done.uploads * 2:
        try:
            upload.discard()
        except (TransferError, Fault, KeyboardInterrupt) as error:
            done.raised.append(type(error))


def clean_up(place):
    """Remove what a sink that knows nothing of the upload finds, if it can be removed."""
    sink = place.sink(None)
    for left in list(sink.leftovers()):
        if left.is_removable:
            sink.remove_leftover(left)


def outcomes(scenario, make_place, error, **how):
    """Let each request go wrong in turn until none is left that could; prove what holds after each, and give it."""
    at = 0
    while True:
        at += 1
        place, turns = make_place(), Turns(error, at, **how)
        done = run(scenario, place, turns)
        prove_standing(scenario, place, done, is_whole=not turns.happened)
        discard(done)
        done.left = place.left()
        clean_up(place)
        # Neither a discard nor a clean-up writes or removes anything under the final name, not even the same again.
        assert place.stands() == done.stands
        assert place.left() == []
        if not turns.happened:
            assert done.left == []
            return
        yield done


def prove_standing(scenario, place, done, *, is_whole):
    """Prove that the old object stands or the new one, whole; and the new one when the upload said that it worked."""
    stands = place.bytes_of(done.stands)
    if is_whole:
        assert done.said is scenario.works
    if done.said:
        assert scenario.works
        assert stands == scenario.new
    else:
        assert stands in ({scenario.old, scenario.new} if scenario.works else {scenario.old})


def go_on(sink, uploads):
    """Go on with what is recorded of an upload; anew where it has ended, or has other bytes, as all callers do."""
    upload = None
    try:
        upload = begin(sink, KEY, state=uploads[0].state() if uploads else None)
        put_parts(sink, upload, set(range(4)) - upload.done_parts())
        upload.commit(checksum=checksum_of(data_of(sink)))
    except (UploadStateError, ChecksumMismatchError):
        if upload is not None:
            upload.discard()
        upload_whole(sink, KEY, checksum=checksum_of(data_of(sink)))


def tries_after(scenario, make_place, error, **how):
    """Let each request go wrong in turn, then let another try go on with what is recorded; give the number of turns."""
    at = 0
    while True:
        at += 1
        place, turns = make_place(), Turns(error, at, **how)
        done = run(scenario, place, turns)
        if not turns.happened:
            return at - 1
        again = place.sink(None)
        go_on(again, done.uploads)
        assert place.bytes_of(place.stands()) == scenario.new
        clean_up(place)
        assert place.left() == []


def prove_raised(seen, error, was_known):
    """Prove that what nobody knows is told as it is, and never passed over; and that the rest has one of our names."""
    for done in seen:
        if was_known:
            assert all(issubclass(raised, SinkError) for raised in done.raised)
        else:
            assert error in done.raised
