"""The contract of sinks, where several tries or writers meet: going on, leftovers, who wins."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_provider_kaltura.transfer.checksum import checksum_of
from airflow_provider_kaltura.transfer.copy import copy
from airflow_provider_kaltura.transfer.errors import SinkError, TargetExistsError, UploadStateError
from tests.fakes import FlakySource
from tests.unit.transfer.sink_steps import begin, data_of, part_of, put_parts, upload_whole


class SinkTriesContract:
    """The cases; part of :class:`~tests.unit.transfer.sink_contract.SinkContract`."""

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
