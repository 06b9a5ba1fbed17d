"""What every sink and the store beside it must do. Each sink's test module inherits these cases."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings

from airflow_provider_kaltura.transfer.checksum import checksum_of, crc64nvme
from airflow_provider_kaltura.transfer.errors import (
    ChecksumMismatchError,
    InvalidKeyError,
    ObjectMissingError,
    SinkError,
)
from tests.strategies import keys
from tests.unit.transfer.sink_steps import (
    DATA,
    NAMES,
    PART,
    SIZES,
    begin,
    data_of,
    part_of,
    put,
    put_parts,
    upload_whole,
)
from tests.unit.transfer.sink_tries_contract import SinkTriesContract
from tests.unit.transfer.store_contract import StoreContract

__all__ = [
    "DATA",
    "NAMES",
    "PART",
    "SIZES",
    "SinkContract",
    "begin",
    "data_of",
    "part_of",
    "put",
    "put_parts",
    "upload_whole",
]


class SinkContract(SinkTriesContract, StoreContract):
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

    def test_what_is_said_about_free_space_is_a_number_or_nothing(self, sink):
        """The place says how much fits, or that it can't say."""
        free = sink.free_bytes()
        assert free is None or free > 0

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
