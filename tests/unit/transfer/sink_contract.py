"""What every sink and the store beside it must do. Each sink's test module inherits these cases."""

from __future__ import annotations

import functools
import json
import random
import threading
import time
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
#: Zero bytes, one byte, one part less a byte, one part, one part and a byte, several parts, several and a byte:
#: (parts, bytes).
SIZES = [(0, 0), (0, 1), (1, -1), (1, 0), (1, 1), (3, 0), (3, 1)]
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


def begin(sink, key="dir/object.bin", data=None, part=None, state=None, attributes=None):
    """Begin an upload of *data*; by default that of the sink's contract, in parts of its length."""
    data, part = data_of(sink) if data is None else data, part or part_of(sink)
    return sink.begin(
        key, size_bytes=len(data), part_bytes=part, attributes=attributes or ObjectAttributes(), state=state
    )


def part_of(sink):
    """Length of the parts that a sink is tried with: the shortest that it takes, if that is longer than ours."""
    return max(PART, sink.capabilities.least_part_bytes)


@functools.cache
def _data(part):
    return random.Random(7).randbytes(3 * part + 1)


def data_of(sink):
    """Three parts and a byte."""
    return _data(part_of(sink))


def put(upload, indexes, data=DATA, part=PART):
    """Put some parts."""
    for index in indexes:
        upload.put_part(index, memoryview(data)[index * part : (index + 1) * part])


def put_parts(sink, upload, indexes, data=None):
    """Put some parts of the sink's length."""
    put(upload, indexes, data_of(sink) if data is None else data, part_of(sink))


def upload_whole(sink, key, data=None, **how):
    """Write an object with every step."""
    data, part = data_of(sink) if data is None else data, part_of(sink)
    upload = begin(sink, key, data, part)
    put(upload, range(plan.part_count(len(data), part)), data, part)
    return upload.commit(**how)


class SinkContract(StoreContract):
    """
    The cases. A subclass has a fixture ``sink``, whose place is empty.

    A case that ``capabilities`` deny shows the refusal instead. ``refused_names`` are those of :data:`NAMES` that the
    place can't hold; they must be refused, never changed.
    """

    refused_names: frozenset[str] = frozenset()
    #: False where the commit of one writer makes the service drop what another has put under the same name.
    writers_are_apart = True

    @pytest.fixture(autouse=True)
    def _nothing_left(self, sink):
        """Whatever a case does, nothing under way may be visible in a listing."""
        yield
        assert [stat.key for stat in sink.store.list("") if "partial" in stat.key] == []

    @pytest.mark.parametrize("size", SIZES)
    def test_what_is_committed_is_what_was_put(self, sink, size):
        """Every size around the part boundaries arrives byte for byte."""
        parts, more = size
        data = data_of(sink)[: parts * part_of(sink) + more]
        stat = upload_whole(sink, "dir/object.bin", data)
        assert (stat.key, stat.size_bytes) == ("dir/object.bin", len(data))
        assert sink.store.read("dir/object.bin") == data
        assert sink.store.stat("dir/object.bin") == stat

    @pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:24])
    def test_names_in_every_script_are_kept(self, sink, name):
        """A name comes back from a listing as it went in, or is refused where the place can't hold it."""
        if name in self.refused_names:
            with pytest.raises(InvalidKeyError):
                upload_whole(sink, f"dir/{name}", b"12345")
            assert list(sink.store.list("")) == []
            return
        upload_whole(sink, f"dir/{name}", b"12345")
        assert [stat.key for stat in sink.store.list("dir/")] == [f"dir/{name}"]
        assert sink.store.read(f"dir/{name}") == b"12345"

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
        put_parts(sink, upload, range(4))
        assert sink.store.stat("dir/object.bin") is None
        assert list(sink.store.list("")) == []
        with pytest.raises(ObjectMissingError):
            sink.store.read("dir/object.bin")
        upload.discard()

    def test_discard_leaves_nothing_and_may_be_repeated(self, sink):
        """After a discard the sink is as it was before."""
        upload = begin(sink)
        put_parts(sink, upload, [0, 1])
        upload.discard()
        upload.discard()
        assert list(sink.store.list("")) == []
        self.assert_no_leftovers(sink)

    def test_discard_after_commit_is_harmless(self, sink):
        """What stands under its final name is not taken away."""
        upload = begin(sink)
        put_parts(sink, upload, range(4))
        upload.commit()
        upload.discard()
        assert sink.store.read("dir/object.bin") == data_of(sink)
        self.assert_no_leftovers(sink)

    def test_an_ended_upload_takes_no_part(self, sink):
        """Neither after a commit nor after a discard can a part change anything."""
        upload = begin(sink)
        put_parts(sink, upload, range(4))
        upload.commit()
        with pytest.raises(SinkError):
            upload.put_part(0, b"x" * part_of(sink))
        with pytest.raises(SinkError):
            upload.commit()
        assert sink.store.read("dir/object.bin") == data_of(sink)

    @pytest.mark.parametrize("missing", [0, 1, 3])
    def test_a_missing_part_is_not_committed(self, sink, missing):
        """Whichever part is missing, nothing appears."""
        upload = begin(sink)
        put_parts(sink, upload, [index for index in range(4) if index != missing])
        with pytest.raises(SinkError):
            upload.commit()
        assert sink.store.stat("dir/object.bin") is None
        upload.discard()
        self.assert_no_leftovers(sink)

    @pytest.mark.parametrize(
        ("index", "parts", "more"), [(0, 1, -1), (0, 1, 1), (3, 0, 2), (3, 0, 0), (4, 0, 1), (-1, 1, 0)]
    )
    def test_a_part_of_another_length_is_refused(self, sink, index, parts, more):
        """Parts have the length that the plan gives them; there are no others."""
        upload = begin(sink)
        with pytest.raises(SinkError):
            upload.put_part(index, b"x" * (parts * part_of(sink) + more))
        assert upload.done_parts() == frozenset()
        upload.discard()

    def test_a_part_put_again_replaces_the_first(self, sink):
        """A range that was begun again writes over what was distrusted."""
        upload = begin(sink)
        put_parts(sink, upload, [0, 1], b"x" * len(data_of(sink)))
        put_parts(sink, upload, range(4))
        upload.commit(checksum=checksum_of(data_of(sink)))
        assert sink.store.read("dir/object.bin") == data_of(sink)

    def test_the_buffer_may_be_reused_at_once(self, sink):
        """A sink keeps no reference to the caller's buffer."""
        upload, buffer = begin(sink), bytearray(part_of(sink))
        for index in range(4):
            piece = data_of(sink)[index * len(buffer) : (index + 1) * len(buffer)]
            buffer[: len(piece)] = piece
            upload.put_part(index, memoryview(buffer)[: len(piece)])
        upload.commit()
        assert sink.store.read("dir/object.bin") == data_of(sink)

    def test_done_parts_and_checksums_tell_what_is_stored(self, sink):
        """The checksums of the parts are those of their bytes, whether the caller gave them or not."""
        upload = begin(sink)
        data, part = data_of(sink), part_of(sink)
        upload.put_part(0, data[:part], crc64nvme=crc64nvme(data[:part]))
        upload.put_part(1, data[part : 2 * part])
        assert upload.done_parts() == {0, 1}
        expected = {index: crc64nvme(data[index * part : (index + 1) * part]) for index in (0, 1)}
        assert dict(upload.part_checksums()) == expected
        upload.discard()

    def test_a_wrong_checksum_is_not_committed(self, sink):
        """The checksum given at commit is compared with what was stored."""
        upload = begin(sink)
        put_parts(sink, upload, range(4))
        with pytest.raises(ChecksumMismatchError):
            upload.commit(checksum="crc64nvme:0000000000000000")
        assert sink.store.stat("dir/object.bin") is None
        upload.discard()

    def test_parts_out_of_order(self, sink):
        """Where the sink takes any order, the order changes nothing; elsewhere a part out of order is refused."""
        if not sink.capabilities.any_order:
            upload = begin(sink)
            with pytest.raises(SinkError):
                put_parts(sink, upload, [1])
            upload.discard()
            self.assert_no_leftovers(sink)
            return
        for seed in range(5):
            upload, order = begin(sink), list(range(4))
            random.Random(seed).shuffle(order)
            put_parts(sink, upload, order)
            upload.commit(checksum=checksum_of(data_of(sink)))
            assert sink.store.read("dir/object.bin") == data_of(sink)

    def test_parts_from_many_threads(self, sink):
        """Parts may come from several threads at once; where the sink wants them in order, one at a time."""
        count = 40 if part_of(sink) == PART else 8
        data = random.Random(1).randbytes(count * part_of(sink) + 3)
        upload = begin(sink, data=data)
        if sink.capabilities.any_order:
            with ThreadPoolExecutor(8) as threads:
                list(threads.map(lambda index: put_parts(sink, upload, [index], data), reversed(range(count + 1))))
        else:
            put_parts(sink, upload, range(count + 1), data)
        upload.commit(checksum=checksum_of(data))
        assert sink.store.read("dir/object.bin") == data

    @pytest.mark.parametrize("prefix", range(5))
    def test_resume_from_every_prefix_of_parts(self, sink, prefix):
        """Going on with recorded state needs only the parts that are missing, and gives the same object."""
        first = begin(sink)
        put_parts(sink, first, range(prefix))
        state = json.loads(json.dumps(first.state()))
        if not sink.capabilities.resumable:
            with pytest.raises(UploadStateError):
                begin(sink, state=state)
            first.discard()
            self.assert_no_leftovers(sink)
            return
        second = begin(sink, state=state)
        assert second.done_parts() == frozenset(range(prefix))
        source = FlakySource(data_of(sink))
        result = copy(source, second, size_bytes=source.size_bytes, part_bytes=part_of(sink))
        stat = second.commit(checksum=result.checksum)
        assert result.checksum == checksum_of(data_of(sink))
        assert result.fetched_bytes == max(0, len(data_of(sink)) - prefix * part_of(sink))
        assert sink.store.read("dir/object.bin") == data_of(sink)
        assert sink.store.stat("dir/object.bin") == stat
        self.assert_no_leftovers(sink)

    def test_resume_with_parts_here_and_there(self, sink):
        """Only the holes are fetched."""
        if not (sink.capabilities.resumable and sink.capabilities.any_order):
            assert not sink.capabilities.lists_parts
            return
        first = begin(sink)
        put_parts(sink, first, [1, 3])
        second = begin(sink, state=first.state())
        source = FlakySource(data_of(sink))
        result = copy(source, second, size_bytes=source.size_bytes, part_bytes=part_of(sink))
        second.commit(checksum=result.checksum)
        part = part_of(sink)
        assert source.opened == [(0, part), (2 * part, 3 * part)]
        assert sink.store.read("dir/object.bin") == data_of(sink)

    def test_state_of_another_object_is_refused(self, sink):
        """State is never gone on with for another size or name, or after its upload was discarded."""
        upload = begin(sink)
        put_parts(sink, upload, [0])
        state = upload.state()
        with pytest.raises(UploadStateError):
            begin(sink, data=data_of(sink)[:-1], state=state)
        with pytest.raises(UploadStateError):
            begin(sink, part=part_of(sink) + 1, state=state)
        with pytest.raises(UploadStateError):
            begin(sink, key="dir/other.bin", state=state)
        upload.discard()
        with pytest.raises(UploadStateError):
            begin(sink, state=state)
        self.assert_no_leftovers(sink)

    def test_two_writers_never_mix(self, sink):
        """Of two writers of one key at once, the later commit wins whole, or fails whole."""
        ones, twos = b"1" * len(data_of(sink)), b"2" * len(data_of(sink))
        first, second = begin(sink, data=ones), begin(sink, data=twos)
        for index in range(4):
            put_parts(sink, first, [index], ones)
            put_parts(sink, second, [index], twos)
        second.commit()
        assert sink.store.read("dir/object.bin") == twos
        if self.writers_are_apart:
            first.commit()
            assert sink.store.read("dir/object.bin") == ones
        else:
            with pytest.raises(SinkError):
                first.commit()
            assert sink.store.read("dir/object.bin") == twos
            first.discard()
        self.assert_no_leftovers(sink)

    def test_whoever_goes_on_wins(self, sink):
        """Once the one who went on with an upload has committed, the one who began it can't."""
        first = begin(sink)
        put_parts(sink, first, [0, 1])
        if not sink.capabilities.resumable:
            first.discard()
            self.assert_no_leftovers(sink)
            return
        second = begin(sink, state=json.loads(json.dumps(first.state())))
        put_parts(sink, second, [2, 3])
        stat = second.commit(checksum=checksum_of(data_of(sink)))
        with pytest.raises(SinkError):
            self.finish(sink, first)
        first.discard()
        assert sink.store.stat("dir/object.bin") == stat
        self.assert_no_leftovers(sink)

    def test_leftovers_are_listed_and_removed(self, sink):
        """What a killed upload leaves is found, with its age, and can be removed; finished objects are not touched."""
        upload_whole(sink, "dir/finished.bin", b"12345")
        sink.store.write("dir/note.kaltura-partial.txt", b"not ours")
        upload = begin(sink)
        put_parts(sink, upload, [0, 1])
        found = list(sink.leftovers())
        assert found != []
        assert all(one.touched_at_epoch is None or abs(one.touched_at_epoch - time.time()) < 300 for one in found)
        if not sink.capabilities.leaves_unmarked:
            assert all(one.is_marked for one in found)
        for one in found:
            if one.is_removable:
                sink.remove_leftover(one)
                sink.remove_leftover(one)
        assert [one for one in sink.leftovers() if one.is_removable] == []
        assert [stat.key for stat in sink.store.list("")] == ["dir/finished.bin", "dir/note.kaltura-partial.txt"]
        if all(one.is_removable for one in found):
            with pytest.raises(SinkError):
                self.finish(sink, upload)
        upload.discard()
        sink.store.delete("dir/note.kaltura-partial.txt")
        self.assert_no_leftovers(sink)

    def test_a_sink_below_a_folder_stays_there(self, sink):
        """Neither a listing nor a clean-up of one root shows what stands beside it."""
        inner = self.below(sink, "inner")
        outside = begin(sink, key="outer.bin")
        put_parts(sink, outside, [0])
        sink.store.write("inner-not/x", b"1")
        upload_whole(inner, "a.bin", b"12345")
        assert [stat.key for stat in inner.store.list("")] == ["a.bin"]
        assert sink.store.read("inner/a.bin") == b"12345"
        assert list(inner.leftovers()) == []
        outside.discard()

    def test_what_is_said_about_free_space_is_a_number_or_nothing(self, sink):
        """The place says how much fits, or that it can't say."""
        free = sink.free_bytes()
        assert free is None or free > 0

    def test_two_writers_one_discards(self, sink):
        """A discard takes only its own upload away."""
        first, second = begin(sink), begin(sink)
        put_parts(sink, first, range(4))
        second.discard()
        first.commit()
        assert sink.store.read("dir/object.bin") == data_of(sink)

    def test_if_absent_refuses_to_replace(self, sink):
        """With if_absent what stands there stays, and nothing is left of the attempt."""
        if not sink.capabilities.conditional:
            upload = begin(sink)
            put_parts(sink, upload, range(4))
            with pytest.raises(SinkError):
                upload.commit(if_absent=True)
            upload.discard()
            assert sink.store.stat("dir/object.bin") is None
            self.assert_no_leftovers(sink)
            return
        before = upload_whole(sink, "dir/object.bin", b"old", if_absent=True)
        upload = begin(sink)
        put_parts(sink, upload, range(4))
        with pytest.raises(TargetExistsError):
            upload.commit(if_absent=True)
        upload.discard()
        assert sink.store.stat("dir/object.bin") == before
        self.assert_no_leftovers(sink)

    def test_only_one_of_many_if_absent_commits_wins(self, sink):
        """However many commit at once, one object appears, whole, and it is the winner's."""
        if not sink.capabilities.conditional:
            assert begin(sink).discard() is None
            return
        uploads = [begin(sink, data=bytes([number]) * part_of(sink)) for number in range(8)]
        for number, upload in enumerate(uploads):
            put_parts(sink, upload, [0], bytes([number]) * part_of(sink))
        barrier = threading.Barrier(len(uploads))

        def commit(upload):
            barrier.wait(10)
            try:
                upload.commit(if_absent=True)
            except TargetExistsError:
                return False
            except SinkError:
                if self.writers_are_apart:
                    raise
                return False
            finally:
                upload.discard()
            return True

        with ThreadPoolExecutor(len(uploads)) as threads:
            won = list(threads.map(commit, uploads))
        assert won.count(True) == 1
        assert sink.store.read("dir/object.bin") == bytes([won.index(True)]) * part_of(sink)
        self.assert_no_leftovers(sink)

    def test_without_if_absent_a_commit_replaces(self, sink):
        """Replacing gives another version tag."""
        before = upload_whole(sink, "dir/object.bin", b"old")
        after = upload_whole(sink, "dir/object.bin")
        assert before.version_tag != after.version_tag
        assert sink.store.read("dir/object.bin") == data_of(sink)

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

    def finish(self, sink, upload):
        """Put the last two parts and commit."""
        put_parts(sink, upload, [2, 3])
        upload.commit(checksum=checksum_of(data_of(sink)))

    def below(self, sink, folder):
        """Give a sink of the same place, one folder lower."""
        raise NotImplementedError
