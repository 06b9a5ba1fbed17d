"""Whatever a file system does wrong, nothing that is cut or wrong stands under a final name."""

from __future__ import annotations

import os

import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_kaltura.transfer.checksum import checksum_of
from airflow_provider_kaltura.transfer.errors import (
    ChecksumMismatchError,
    InvalidKeyError,
    SinkError,
    SinkForbiddenError,
    SinkFullError,
    SizeMismatchError,
    TransferError,
)
from airflow_provider_kaltura.transfer.fsspec_files import FsspecFiles
from airflow_provider_kaltura.transfer.fsspec_sink import FsspecSink
from tests.unit.transfer.sink_contract import DATA, begin, data_of, put_parts, upload_whole

OLD = b"what stood there before"
MAGIC = ["a[b]c.mp4", "a*.mp4", "?.mp4", "{a,b}.mp4", "100%20.mp4", " two  words ", "[", "**", "a::b", "~", "#?&"]


class Fault(Exception):  # noqa: N818 - a fault, and no error of ours or of the system's
    """What a library may raise."""


class Stream:
    """A stream of a :class:`Faulty` file system."""

    def __init__(self, owner, stream):
        self._owner = owner
        self._stream = stream

    def write(self, data):
        """Write, unless it is its turn to fail; with the bit flipped that shall be."""
        return self._owner.call("write", lambda: self._stream.write(self._owner.flip(data)))

    def close(self):
        """Close, unless it is its turn to fail."""
        return self._owner.call("close", self._stream.close)


class Faulty:
    """
    A file system whose *at*-th call raises, before or after it is done; *forever* all that come then.

    :param fs: The file system that does the work.
    """

    def __init__(self, fs):
        self.fs = fs
        self.at = None
        self.is_before = True
        self.is_forever = False
        self.error = Fault
        self.calls = []
        self.flips = 0

    def __getattr__(self, name):
        if name == "invalidate_cache":
            return self.fs.invalidate_cache
        return lambda *args, **kwargs: self.call(name, lambda: getattr(self.fs, name)(*args, **kwargs))

    def open(self, path, mode):
        """Open a stream that may fail too."""
        return Stream(self, self.call("open", lambda: self.fs.open(path, mode)))

    def call(self, name, action):
        """Count a call, and do it."""
        self.calls.append(name)
        number = len(self.calls)
        is_turn = self.at is not None and (number >= self.at if self.is_forever else number == self.at)
        if is_turn and self.is_before:
            raise self.error(name)
        result = action()
        if is_turn:
            raise self.error(name)
        return result

    def flip(self, data):
        """Flip a bit of the next piece, as often as asked."""
        if not self.flips:
            return data
        self.flips -= 1
        return bytes([data[0] ^ 1]) + data[1:]


class RefusingFileSystem(LocalFileSystem):
    """A rename that refuses to replace, as SMB's and HDFS'."""

    cachable = False

    def mv(self, path1, path2, **kwargs):
        """Refuse, or rename."""
        if os.path.lexists(path2):
            raise FileExistsError(path2)
        super().mv(path1, path2)


class SilentFileSystem(LocalFileSystem):
    """A rename that does nothing and says nothing where something stands, as WebHDFS'."""

    cachable = False

    def mv(self, path1, path2, **kwargs):
        """Do nothing, or rename."""
        if not os.path.lexists(path2):
            super().mv(path1, path2)


KINDS = {
    "copies": lambda: MemoryFileSystem(global_store=False, skip_instance_cache=True),
    "renames": LocalFileSystem,
    "refuses": RefusingFileSystem,
    "silent": SilentFileSystem,
}


def place(kind, tmp_path, *, read_back=True):
    """Give a sink on a faulty file system of a kind, and one on the same without faults."""
    fs = KINDS[kind]()
    base = f"{tmp_path}/lake"
    files = FsspecFiles(fs)
    files.fs = Faulty(fs)
    return FsspecSink(files, base, read_back=read_back), FsspecSink(FsspecFiles(fs), base)


def run_whole(sink):
    """Upload the contract's data; a discard whatever happens, as its callers do."""
    upload = begin(sink)
    try:
        put_parts(sink, upload, range(4))
        upload.commit(checksum=checksum_of(DATA))
    finally:
        try:
            upload.discard()
        except SinkError:
            sink.place.files.fs.calls.append("discard failed")


def stands(plain):
    """What has the final name."""
    found = plain.store.stat("dir/object.bin")
    return None if found is None else plain.store.read("dir/object.bin")


def outcomes(kind, folder, has_old, **fault):
    """Let each call fail in turn; give (whether the upload said that it worked, what stands, what is left)."""
    at = 0
    while True:
        at += 1
        sink, plain = place(kind, folder / str(at))
        if has_old:
            plain.store.write("dir/object.bin", OLD)
        faulty = sink.place.files.fs
        faulty.at = at
        vars(faulty).update(fault)
        try:
            run_whole(sink)
        except (TransferError, KeyboardInterrupt):
            said = False
        else:
            said = True
        if len(faulty.calls) < at:
            assert (said, stands(plain)) == (True, DATA)
            return
        yield said, stands(plain), len(list(plain.leftovers()))


@pytest.mark.parametrize("is_before", [True, False], ids=["not done", "done, answer lost"])
@pytest.mark.parametrize("error", [Fault, OSError, KeyboardInterrupt])
@pytest.mark.parametrize("has_old", [False, True], ids=["new", "replaces"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_exception_at_any_call_leaves_no_cut_file(kind, tmp_path, has_old, error, is_before):
    """What stands is the old object or the new one, whole; what is left after a failure is nothing."""
    seen = list(outcomes(kind, tmp_path, has_old, error=error, is_before=is_before))
    assert len(seen) > 15
    assert {standing for said, standing, _ in seen if said} <= {DATA}
    # Without a rename a replaced object may be lost, but nothing wrong stands in its place.
    may_stand = {DATA, OLD if has_old else None} | ({None} if kind == "copies" else set())
    assert {standing for _, standing, _ in seen} <= may_stand
    assert [left for said, _, left in seen if left and not said] == []


@pytest.mark.parametrize("has_old", [False, True], ids=["new", "replaces"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_system_that_is_gone_leaves_no_cut_file(kind, tmp_path, has_old):
    """When nothing works any more from some call on, no cut file has the final name, even without a clean-up."""
    seen = list(outcomes(kind, tmp_path, has_old, is_forever=True))
    assert {standing for _, standing, _ in seen} <= {DATA, OLD, None}
    assert {said for said, _, _ in seen} <= {False, True}
    assert all(standing == DATA for said, standing, _ in seen if said)
    assert max(left for _, _, left in seen) <= 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_small_write_that_fails_changes_nothing_by_half(kind, tmp_path):
    """The manifest's writes are old or new, and leave nothing."""
    for at in range(1, 60):
        sink, plain = place(kind, tmp_path / str(at))
        plain.store.write("note.json", OLD)
        sink.place.files.fs.at = at
        try:
            sink.store.write("note.json", b"new")
        except SinkError:
            assert list(plain.leftovers()) == []
        if plain.store.stat("note.json") is None:
            assert kind == "copies"
        else:
            assert plain.store.read("note.json") in {OLD, b"new"}
        if len(sink.place.files.fs.calls) < at:
            break
    assert at > 8


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_is_found_by_reading_back(kind, tmp_path):
    """Bytes that change on their way never get the final name."""
    sink, plain = place(kind, tmp_path)
    upload = begin(sink)
    sink.place.files.fs.flips = 1
    put_parts(sink, upload, range(4))
    with pytest.raises(ChecksumMismatchError):
        upload.commit(checksum=checksum_of(DATA))
    upload.discard()
    assert stands(plain) is None
    assert list(plain.leftovers()) == []
    sink.place.files.fs.flips = 1
    with pytest.raises(ChecksumMismatchError):
        sink.store.write("note", b"12345")
    assert plain.store.stat("note") is None


def test_without_reading_back_a_flipped_bit_is_not_found(tmp_path):
    """It is the reading back that finds it: whoever switches it off needs a transport that proves the bytes."""
    sink, plain = place("renames", tmp_path, read_back=False)
    upload = begin(sink)
    sink.place.files.fs.flips = 1
    put_parts(sink, upload, range(4))
    upload.commit(checksum=checksum_of(DATA))
    assert stands(plain) != DATA


def test_a_bit_flipped_by_the_copy_is_found(tmp_path):
    """Where the final name gets a copy, the copy is read back too, and taken away."""
    sink, plain = place("copies", tmp_path)
    fs = sink.place.files.fs.fs
    copy_file = fs.cp_file

    def flip(source, target):
        copy_file(source, target)
        fs.store[target].getbuffer()[0] ^= 1

    fs.cp_file = flip
    with pytest.raises(ChecksumMismatchError):
        run_whole(sink)
    assert stands(plain) is None
    assert list(plain.leftovers()) == []


def test_bytes_that_a_stream_swallows_are_missed(tmp_path):
    """The length is read back, whatever the stream said about its writes."""
    sink, plain = place("renames", tmp_path, read_back=False)
    sink.place.files.fs.flip = lambda data: data[:-1]
    upload = begin(sink)
    sink.place.files.write = lambda stream, data: stream.write(bytes(data))
    put_parts(sink, upload, range(4))
    with pytest.raises(SizeMismatchError):
        upload.commit()
    upload.discard()
    assert stands(plain) is None


def test_a_stream_that_takes_little_at_once_gets_everything(tmp_path):
    """A short write is gone on with."""
    sink, plain = place("renames", tmp_path)
    open_new = sink.place.files.fs.fs.open

    class Slow:
        def __init__(self, stream):
            self.stream, self.close = stream, stream.close

        def write(self, data):
            return self.stream.write(data[:7])

    sink.place.files.fs.fs = LocalFileSystem()
    sink.place.files.open_new = lambda path: Slow(open_new(path, "wb"))
    run_whole(sink)
    assert stands(plain) == DATA


@pytest.mark.parametrize("name", MAGIC)
@pytest.mark.parametrize("kind", KINDS)
def test_names_with_signs_of_patterns_are_names(kind, tmp_path, name):
    """Nothing else is replaced, moved or deleted than the one file."""
    _, sink = place(kind, tmp_path)
    for neighbour in ("ab", "abc.mp4", "acc.mp4", "x.mp4", "a.mp4", "bb"):
        sink.store.write(f"dir/{neighbour}", b"neighbour")
    before = [stat.key for stat in sink.store.list("")]
    upload_whole(sink, f"dir/{name}")
    upload_whole(sink, f"dir/{name}", b"anew")
    assert sink.store.read(f"dir/{name}") == b"anew"
    assert [stat.key for stat in sink.store.list("")] == sorted([*before, f"dir/{name}"])
    sink.store.delete(f"dir/{name}")
    assert [stat.key for stat in sink.store.list("")] == before
    assert {sink.store.read(key) for key in before} == {b"neighbour"}


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (PermissionError(13, "no"), SinkForbiddenError),
        (OSError(28, "full"), SinkFullError),
        (OSError(122, "quota"), SinkFullError),
        (OSError(36, "long"), InvalidKeyError),
        (OSError("http://user:secret@host/"), SinkError),
        (ValueError("http://user:secret@host/"), SinkError),
    ],
)
def test_errors_have_our_names_and_not_their_texts(tmp_path, error, kind):
    """A library's text may hold a URL with a password; ours says only what kind of thing it was."""
    sink, _ = place("renames", tmp_path)
    upload = begin(sink)
    sink.place.files.fs.error = lambda _: error
    sink.place.files.fs.at = len(sink.place.files.fs.calls) + 1
    with pytest.raises(SinkError) as caught:
        put_parts(sink, upload, [0])
    assert type(caught.value) is kind
    assert "secret" not in str(caught.value)
    with pytest.raises(SinkError):
        put_parts(sink, upload, [1])
    put_parts(sink, upload, range(4))
    upload.commit(checksum=checksum_of(data_of(sink)))


def test_a_folder_is_never_replaced(tmp_path):
    """Nor does the file get a place inside of it, as some renames would have it."""
    _, sink = place("renames", tmp_path)
    (tmp_path / "lake/dir/object.bin").mkdir(parents=True)
    with pytest.raises(InvalidKeyError):
        begin(sink)
    with pytest.raises(SinkError):
        begin(sink, key="dir/object.bin/x/" + "y" * 300)
    assert list((tmp_path / "lake/dir").rglob("*.kaltura-partial")) == []
