"""What the store beside every sink must do; inherited by the sinks' contract."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_provider_kaltura.transfer.errors import ObjectMissingError, TargetExistsError


class StoreContract:
    """The cases. They use ``sink.store`` of the fixture ``sink``."""

    def test_a_store_reads_what_it_wrote(self, sink):
        """Whole, and by ranges that may reach past the end."""
        stat = sink.store.write("a/b.json", b"0123456789")
        assert stat == sink.store.stat("a/b.json")
        assert stat.size_bytes == 10
        assert sink.store.read("a/b.json") == b"0123456789"
        assert sink.store.read("a/b.json", 3) == b"3456789"
        assert sink.store.read("a/b.json", 3, 5) == b"34"
        assert sink.store.read("a/b.json", 8, 99) == b"89"
        assert sink.store.read("a/b.json", 99, 100) == b""

    def test_a_store_keeps_empty_objects(self, sink):
        """An object of no bytes is not a missing one."""
        sink.store.write("empty", b"")
        assert sink.store.stat("empty").size_bytes == 0
        assert sink.store.read("empty") == b""

    def test_what_is_missing_is_missing(self, sink):
        """A missing object has no description, can't be read, and may be deleted."""
        assert sink.store.stat("no/such") is None
        with pytest.raises(ObjectMissingError):
            sink.store.read("no/such")
        sink.store.delete("no/such")

    def test_a_folder_is_no_object(self, sink):
        """What is only the beginning of other names doesn't stand there."""
        sink.store.write("a/b/c", b"x")
        assert sink.store.stat("a/b") is None
        with pytest.raises(ObjectMissingError):
            sink.store.read("a/b")

    def test_write_if_absent(self, sink):
        """Only the first of two writes with if_absent counts."""
        sink.store.write("key", b"first", if_absent=True)
        with pytest.raises(TargetExistsError):
            sink.store.write("key", b"second", if_absent=True)
        assert sink.store.read("key") == b"first"

    def test_write_if_version(self, sink):
        """A write with a version tag counts only while the object has it."""
        first = sink.store.write("key", b"first")
        second = sink.store.write("key", b"second", if_version=first.version_tag)
        with pytest.raises(TargetExistsError):
            sink.store.write("key", b"third", if_version=first.version_tag)
        sink.store.delete("key")
        with pytest.raises(TargetExistsError):
            sink.store.write("key", b"fourth", if_version=second.version_tag)
        assert sink.store.stat("key") is None
        self.assert_no_leftovers(sink)

    def test_counting_with_if_version_loses_nothing(self, sink):
        """Compare and swap from many threads counts every step."""
        sink.store.write("counter", b"0")

        def step(_):
            while True:
                stat = sink.store.stat("counter")
                value = int(sink.store.read("counter"))
                try:
                    sink.store.write("counter", str(value + 1).encode(), if_version=stat.version_tag)
                except TargetExistsError:
                    continue
                return

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(step, range(24)))
        assert sink.store.read("counter") == b"24"

    def test_list_is_in_order_of_key_and_by_prefix(self, sink):
        """A prefix may end within a name; the order is that of the whole keys."""
        names = ["a.txt", "a/b", "a/b.c/d", "a/b/c", "a-b", "ab/c", "b"]
        for name in (name for name in names if name != "a/b"):
            sink.store.write(name, b"x")
        found = sorted(set(names) - {"a/b"})
        assert [stat.key for stat in sink.store.list("")] == found
        for prefix in ("a", "a/", "a/b", "a/b.", "ab", "z", "a/b/c/d", "a/b/c"):
            assert [stat.key for stat in sink.store.list(prefix)] == [key for key in found if key.startswith(prefix)]

    def test_delete_takes_one_object(self, sink):
        """Neighbours stay."""
        sink.store.write("a/1", b"x")
        sink.store.write("a/12", b"x")
        sink.store.delete("a/1")
        sink.store.delete("a/1")
        assert [stat.key for stat in sink.store.list("a/")] == ["a/12"]

    def assert_no_leftovers(self, sink):
        """Look at the place itself for anything that is no object."""
