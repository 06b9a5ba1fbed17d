"""What every sink and the store beside it must do. Each sink's test module inherits these cases."""

from __future__ import annotations

import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings

from airflow_provider_kaltura.transfer import plan
from airflow_provider_kaltura.transfer.checksum import checksum_of, crc64nvme
from airflow_provider_kaltura.transfer.copy import copy
from airflow_provider_kaltura.transfer.errors import (
    ChecksumMismatchError,
    InvalidKeyError,
    ObjectMissingError,
    SinkError,
    TargetExistsError,
    UploadStateError,
)
from airflow_provider_kaltura.transfer.protocols import ObjectAttributes
from tests.fakes import FlakySource
from tests.strategies import keys
from tests.unit.transfer.store_contract import StoreContract

PART = 1_000
DATA = random.Random(7).randbytes(3 * PART + 1)
#: Zero bytes, one byte, one part less a byte, one part, one part and a byte, several parts, several and a byte.
SIZES = [0, 1, PART - 1, PART, PART + 1, 3 * PART, 3 * PART + 1]
NAMES = [
    "plain.mp4",
    "with space & 'quotes' \"double\" #?%20+.mp4",
    "Übung – Straße.mp4",  # noqa: RUF001 - names in every script are the point
    "лекция.mp4",
    "محاضرة.mp4",
    "講義　第一回.mp4",
    "व्याख्यान.mp4",
    "🎬🎓.mp4",
    "e\u0301 decomposed.mp4",
    "-leading-dash",
    ".hidden",
    "trailing.dot.",
    "new\nline",
    "back\\slash",
    "deep/er/and/deeper.mp4",
    "a" * 255,
    "ا" * 127,  # noqa: RUF001 - see above
]


def begin(sink, key="dir/object.bin", data=DATA, part=PART, state=None):
    """Begin an upload of *data*."""
    return sink.begin(key, size_bytes=len(data), part_bytes=part, attributes=ObjectAttributes(), state=state)


def put(upload, indexes, data=DATA, part=PART):
    """Put some parts."""
    for index in indexes:
        upload.put_part(index, memoryview(data)[index * part : (index + 1) * part])


def upload_whole(sink, key, data=DATA, part=PART, **how):
    """Write an object with every step."""
    upload = begin(sink, key, data, part)
    put(upload, range(plan.part_count(len(data), part)), data, part)
    return upload.commit(**how)


class SinkContract(StoreContract):
    """The cases. A subclass has a fixture ``sink``; what ``capabilities`` deny is skipped with the reason."""

    @pytest.fixture(autouse=True)
    def _nothing_left(self, sink):
        """Whatever a case does, nothing under way may be visible in a listing."""
        yield
        assert [stat.key for stat in sink.store.list("") if "partial" in stat.key] == []

    @pytest.mark.parametrize("size", SIZES)
    def test_what_is_committed_is_what_was_put(self, sink, size):
        """Every size around the part boundaries arrives byte for byte."""
        data = DATA[:size]
        stat = upload_whole(sink, "dir/object.bin", data)
        assert (stat.key, stat.size_bytes) == ("dir/object.bin", size)
        assert sink.store.read("dir/object.bin") == data
        assert sink.store.stat("dir/object.bin") == stat

    @pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:24])
    def test_names_in_every_script_are_kept(self, sink, name):
        """A name comes back from a listing as it went in."""
        upload_whole(sink, f"dir/{name}")
        assert [stat.key for stat in sink.store.list("dir/")] == [f"dir/{name}"]
        assert sink.store.read(f"dir/{name}") == DATA

    @pytest.mark.parametrize("key", ["", "/abs", "a//b", "a/../b", "..", "a/.", "nul\0", "a/", "lone\ud800"])
    def test_keys_that_are_no_names_below_the_root_are_refused(self, sink, key):
        """The sink checks once more what its caller has checked."""
        with pytest.raises(InvalidKeyError):
            begin(sink, key)
        with pytest.raises(InvalidKeyError):
            sink.store.write(key, b"x")
        with pytest.raises(InvalidKeyError):
            sink.store.read(key)

    def test_nothing_is_visible_before_commit(self, sink):
        """Neither a listing nor a read finds an object under way, even when all its parts are there."""
        upload = begin(sink)
        put(upload, range(4))
        assert sink.store.stat("dir/object.bin") is None
        assert list(sink.store.list("")) == []
        with pytest.raises(ObjectMissingError):
            sink.store.read("dir/object.bin")
        upload.discard()

    def test_discard_leaves_nothing_and_may_be_repeated(self, sink):
        """After a discard the sink is as it was before."""
        upload = begin(sink)
        put(upload, [0, 1])
        upload.discard()
        upload.discard()
        assert list(sink.store.list("")) == []
        self.assert_no_leftovers(sink)

    def test_discard_after_commit_is_harmless(self, sink):
        """What stands under its final name is not taken away."""
        upload = begin(sink)
        put(upload, range(4))
        upload.commit()
        upload.discard()
        assert sink.store.read("dir/object.bin") == DATA
        self.assert_no_leftovers(sink)

    def test_an_ended_upload_takes_no_part(self, sink):
        """Neither after a commit nor after a discard can a part change anything."""
        upload = begin(sink)
        put(upload, range(4))
        upload.commit()
        with pytest.raises(SinkError):
            upload.put_part(0, b"x" * PART)
        with pytest.raises(SinkError):
            upload.commit()
        assert sink.store.read("dir/object.bin") == DATA

    @pytest.mark.parametrize("missing", [0, 1, 3])
    def test_a_missing_part_is_not_committed(self, sink, missing):
        """Whichever part is missing, nothing appears."""
        upload = begin(sink)
        put(upload, [index for index in range(4) if index != missing])
        with pytest.raises(SinkError):
            upload.commit()
        assert sink.store.stat("dir/object.bin") is None
        upload.discard()
        self.assert_no_leftovers(sink)

    @pytest.mark.parametrize(("index", "length"), [(0, PART - 1), (0, PART + 1), (3, 2), (3, 0), (4, 1), (-1, PART)])
    def test_a_part_of_another_length_is_refused(self, sink, index, length):
        """Parts have the length that the plan gives them; there are no others."""
        upload = begin(sink)
        with pytest.raises(SinkError):
            upload.put_part(index, b"x" * length)
        assert upload.done_parts() == frozenset()
        upload.discard()

    def test_a_part_put_again_replaces_the_first(self, sink):
        """A range that was begun again writes over what was distrusted."""
        upload = begin(sink)
        put(upload, [0, 1], b"x" * len(DATA))
        put(upload, range(4))
        upload.commit(checksum=checksum_of(DATA))
        assert sink.store.read("dir/object.bin") == DATA

    def test_the_buffer_may_be_reused_at_once(self, sink):
        """A sink keeps no reference to the caller's buffer."""
        upload, buffer = begin(sink), bytearray(PART)
        for index in range(4):
            piece = DATA[index * PART : (index + 1) * PART]
            buffer[: len(piece)] = piece
            upload.put_part(index, memoryview(buffer)[: len(piece)])
        upload.commit()
        assert sink.store.read("dir/object.bin") == DATA

    def test_done_parts_and_checksums_tell_what_is_stored(self, sink):
        """The checksums of the parts are those of their bytes, whether the caller gave them or not."""
        upload = begin(sink)
        upload.put_part(2, DATA[2 * PART : 3 * PART])
        upload.put_part(0, DATA[:PART], crc64nvme=crc64nvme(DATA[:PART]))
        assert upload.done_parts() == {0, 2}
        expected = {index: crc64nvme(DATA[index * PART : (index + 1) * PART]) for index in (0, 2)}
        assert dict(upload.part_checksums()) == expected
        upload.discard()

    def test_a_wrong_checksum_is_not_committed(self, sink):
        """The checksum given at commit is compared with what was stored."""
        upload = begin(sink)
        put(upload, range(4))
        with pytest.raises(ChecksumMismatchError):
            upload.commit(checksum="crc64nvme:0000000000000000")
        assert sink.store.stat("dir/object.bin") is None
        upload.discard()

    def test_parts_out_of_order(self, sink):
        """Where the sink takes any order, the order changes nothing."""
        self.require(sink, "any_order")
        for seed in range(5):
            upload, order = begin(sink), list(range(4))
            random.Random(seed).shuffle(order)
            put(upload, order)
            upload.commit(checksum=checksum_of(DATA))
            assert sink.store.read("dir/object.bin") == DATA

    def test_parts_from_many_threads(self, sink):
        """Parts may come from several threads at once."""
        self.require(sink, "any_order")
        data = random.Random(1).randbytes(40 * PART + 3)
        upload = begin(sink, data=data)
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda index: put(upload, [index], data), reversed(range(41))))
        upload.commit(checksum=checksum_of(data))
        assert sink.store.read("dir/object.bin") == data

    @pytest.mark.parametrize("prefix", range(5))
    def test_resume_from_every_prefix_of_parts(self, sink, prefix):
        """Going on with recorded state needs only the parts that are missing, and gives the same object."""
        self.require(sink, "resumable")
        first = begin(sink)
        put(first, range(prefix))
        state = json.loads(json.dumps(first.state()))
        second = begin(sink, state=state)
        assert second.done_parts() == frozenset(range(prefix))
        source = FlakySource(DATA)
        result = copy(source, second, size_bytes=len(DATA), part_bytes=PART)
        stat = second.commit(checksum=result.checksum)
        assert result.checksum == checksum_of(DATA)
        assert result.fetched_bytes == max(0, len(DATA) - prefix * PART)
        assert sink.store.read("dir/object.bin") == DATA
        assert sink.store.stat("dir/object.bin") == stat
        self.assert_no_leftovers(sink)

    def test_resume_with_parts_here_and_there(self, sink):
        """Only the holes are fetched."""
        self.require(sink, "resumable")
        self.require(sink, "any_order")
        first = begin(sink)
        put(first, [1, 3])
        second = begin(sink, state=first.state())
        source = FlakySource(DATA)
        result = copy(source, second, size_bytes=len(DATA), part_bytes=PART)
        second.commit(checksum=result.checksum)
        assert source.opened == [(0, PART), (2 * PART, 3 * PART)]
        assert sink.store.read("dir/object.bin") == DATA

    def test_state_of_another_object_is_refused(self, sink):
        """State is never gone on with for another size or name, or after its upload was discarded."""
        self.require(sink, "resumable")
        upload = begin(sink)
        put(upload, [0])
        state = upload.state()
        with pytest.raises(UploadStateError):
            begin(sink, data=DATA[:-1], state=state)
        with pytest.raises(UploadStateError):
            begin(sink, part=PART + 1, state=state)
        with pytest.raises(UploadStateError):
            begin(sink, key="dir/other.bin", state=state)
        upload.discard()
        with pytest.raises(UploadStateError):
            begin(sink, state=state)
        self.assert_no_leftovers(sink)

    def test_two_writers_never_mix(self, sink):
        """Of two writers of one key at once, the later commit wins whole."""
        ones, twos = b"1" * len(DATA), b"2" * len(DATA)
        first, second = begin(sink, data=ones), begin(sink, data=twos)
        for index in range(4):
            put(first, [index], ones)
            put(second, [index], twos)
        second.commit()
        assert sink.store.read("dir/object.bin") == twos
        first.commit()
        assert sink.store.read("dir/object.bin") == ones
        self.assert_no_leftovers(sink)

    def test_two_writers_one_discards(self, sink):
        """A discard takes only its own upload away."""
        first, second = begin(sink), begin(sink)
        put(first, range(4))
        second.discard()
        first.commit()
        assert sink.store.read("dir/object.bin") == DATA

    def test_if_absent_refuses_to_replace(self, sink):
        """With if_absent what stands there stays, and nothing is left of the attempt."""
        self.require(sink, "conditional")
        before = upload_whole(sink, "dir/object.bin", b"old", if_absent=True)
        upload = begin(sink)
        put(upload, range(4))
        with pytest.raises(TargetExistsError):
            upload.commit(if_absent=True)
        upload.discard()
        assert sink.store.stat("dir/object.bin") == before
        self.assert_no_leftovers(sink)

    def test_only_one_of_many_if_absent_commits_wins(self, sink):
        """However many commit at once, one object appears, whole, and it is the winner's."""
        self.require(sink, "conditional")
        uploads = [begin(sink, data=bytes([number]) * PART) for number in range(8)]
        for number, upload in enumerate(uploads):
            put(upload, [0], bytes([number]) * PART)
        barrier = threading.Barrier(len(uploads))

        def commit(upload):
            barrier.wait(10)
            try:
                upload.commit(if_absent=True)
            except TargetExistsError:
                return False
            finally:
                upload.discard()
            return True

        with ThreadPoolExecutor(len(uploads)) as threads:
            won = list(threads.map(commit, uploads))
        assert won.count(True) == 1
        assert sink.store.read("dir/object.bin") == bytes([won.index(True)]) * PART
        self.assert_no_leftovers(sink)

    def test_without_if_absent_a_commit_replaces(self, sink):
        """Replacing gives another version tag."""
        before = upload_whole(sink, "dir/object.bin", b"old")
        after = upload_whole(sink, "dir/object.bin")
        assert before.version_tag != after.version_tag
        assert sink.store.read("dir/object.bin") == DATA

    @settings(
        max_examples=25,
        deadline=None,
        # The sink is left empty by each example, and several classes inherit the case.
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(key=keys)
    def test_any_name_is_kept_or_refused(self, sink, key):
        """No name is changed silently: it is refused, or found again as it was."""
        try:
            sink.store.write(key, b"x")
        except SinkError:
            assert key not in [stat.key for stat in sink.store.list("")]
            return
        assert key in [stat.key for stat in sink.store.list("")]
        assert sink.store.read(key) == b"x"
        sink.store.delete(key)

    # What subclasses add.

    def assert_no_leftovers(self, sink):
        """Look at the place itself for anything that is no object."""

    def require(self, sink, capability):
        """Skip a case that the sink says it can't do."""
        if not getattr(sink.capabilities, capability):
            pytest.skip(f"this sink's capabilities deny {capability}")
