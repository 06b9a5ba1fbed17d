from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sshfs import SSHFileSystem

from airflow_provider_kaltura.transfer.errors import (
    InvalidKeyError,
    ObjectMissingError,
    SinkError,
    SinkForbiddenError,
    TargetExistsError,
    UploadTakenError,
)
from airflow_provider_kaltura.transfer.fsspec_sftp import SftpFiles
from airflow_provider_kaltura.transfer.fsspec_sink import FsspecSink
from airflow_provider_kaltura.transfer.keys import is_partial_name
from tests.servers.sshd import Sshd
from tests.stores.test_fsspec_sink import FsspecContract
from tests.unit.transfer.sink_contract import DATA, begin, put_parts, upload_whole


@pytest.fixture(scope="module")
def files(sshd):
    """One connection to a server that knows everything."""
    return SftpFiles(SSHFileSystem(**sshd.options()))


@pytest.fixture(scope="module")
def poor_files(tmp_path_factory):
    """One connection to a server that has neither posix-rename nor hard links."""
    with Sshd(tmp_path_factory.mktemp("poor_sshd"), denied=("posix-rename", "hardlink")) as server:
        yield SftpFiles(SSHFileSystem(**server.options()))


class TestSftpSink(FsspecContract):
    """The contract on OpenSSH's server."""

    @pytest.fixture
    def sink(self, files, tmp_path):
        """An empty folder."""
        return FsspecSink(files, str(tmp_path / "lake"))

    def assert_no_leftovers(self, sink):
        """Look at the server's disk."""
        assert leftovers_on_disk(sink) == []


class TestPoorSftpSink(TestSftpSink):
    """The contract on a server without the extensions: nothing is promised about names that are free."""

    @pytest.fixture
    def sink(self, poor_files, tmp_path):
        """An empty folder."""
        return FsspecSink(poor_files, str(tmp_path / "lake"))

    def test_counting_with_if_version_loses_nothing(self, sink):
        """Compare and swap counts every step, although the name is missing for a moment while a file is replaced."""
        sink.store.write("counter", b"0")

        def step(_):
            while True:
                try:
                    stat = sink.store.stat("counter")
                    value = int(sink.store.read("counter"))
                    sink.store.write(
                        "counter", str(value + 1).encode(), if_version=stat.version_tag if stat else "none"
                    )
                except (TargetExistsError, ObjectMissingError):
                    continue
                return

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(step, range(24)))
        assert sink.store.read("counter") == b"24"


def leftovers_on_disk(sink):
    """Temporary names below the root, whoever may see them."""
    return [path for path in Path(sink.place.base).rglob("*") if is_partial_name(path.name)]


def test_what_is_promised_is_what_the_server_has(files, poor_files):
    """Exclusive names need hard links."""
    assert files.is_exclusive
    assert not poor_files.is_exclusive


@pytest.fixture
def sink(files, tmp_path):
    """An empty folder of the server that knows everything."""
    return FsspecSink(files, str(tmp_path / "lake"))


@pytest.fixture
def on_disk(tmp_path):
    """The same folder, as the server's disk shows it."""
    (tmp_path / "lake").mkdir()
    return tmp_path / "lake"


def test_a_folder_that_can_not_be_made_is_told_as_such(files):
    """No file stands in its way: the server's own folders are missing."""
    with pytest.raises(SinkError, match=r"folder /proc/none/lake can't be made|denies"):
        FsspecSink(files, "/proc/none/lake").store.write("a", b"x")


class FailingFiles(SftpFiles):
    """An SFTP file system whose *at*-th request raises, before or after it is done."""

    def __init__(self, files, at, is_before):
        super().__init__(files.fs)
        # Servers allow few channels on a connection.
        self._sftp, self._links = files._channel(), files.is_exclusive
        self.at, self.count, self.is_before = at, 0, is_before

    def _do(self, action):
        self.count += 1
        if self.count == self.at and self.is_before:
            raise OSError(errno.EIO, "lost")
        result = super()._do(action)
        if self.count == self.at:
            raise OSError(errno.EIO, "lost")
        return result


@pytest.mark.parametrize("is_before", [True, False], ids=["not done", "done, answer lost"])
@pytest.mark.parametrize("has_old", [False, True], ids=["new", "replaces"])
@pytest.mark.parametrize("server", ["files", "poor_files"])
def test_a_failure_at_any_request_leaves_no_cut_file(request, tmp_path, server, has_old, is_before):
    """What stands is the old object or the new one, whole; what is left after a failure is nothing."""
    old = b"old" if has_old else None
    for at in range(1, 60):
        failing = FailingFiles(request.getfixturevalue(server), at, is_before)
        target = tmp_path / str(at) / "dir/object.bin"
        if has_old:
            target.parent.mkdir(parents=True)
            target.write_bytes(old)
        sink = FsspecSink(failing, str(tmp_path / str(at)))
        is_refused = False
        try:
            upload_or_discard(sink)
        except SinkError:
            is_refused = True
        standing = target.read_bytes() if target.exists() else None
        assert standing in ({old, DATA} if is_refused else {DATA})
        assert not (is_refused and leftovers_on_disk(sink))
        if failing.count < at:
            break
    assert at > 12


def upload_or_discard(sink):
    """Upload with every step, and a discard if one fails."""
    upload = begin(sink)
    try:
        put_parts(sink, upload, range(4))
        upload.commit()
    finally:
        upload.discard()


def test_a_link_out_of_the_root_is_refused(sink, on_disk, tmp_path):
    """Neither folder nor file behind a link is written, read or listed."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (on_disk / "away").symlink_to(outside)
    (on_disk / "file").symlink_to(outside / "secret")
    for refused in (
        lambda: begin(sink, key="away/object.bin"),
        lambda: sink.store.write("away/note", b"x"),
        lambda: sink.store.read("away/secret"),
        lambda: sink.store.read("file"),
        lambda: sink.store.stat("file"),
    ):
        with pytest.raises(InvalidKeyError):
            refused()
    assert list(sink.store.list("")) == []
    assert list(sink.store.list("away/")) == []
    assert [path.name for path in outside.iterdir()] == ["secret"]


def test_a_link_is_replaced_and_not_written_through(sink, on_disk, tmp_path):
    """The link's target stays as it is."""
    (tmp_path / "theirs").write_bytes(b"theirs")
    (on_disk / "object.bin").symlink_to(tmp_path / "theirs")
    upload_whole(sink, "object.bin")
    assert not (on_disk / "object.bin").is_symlink()
    assert (on_disk / "object.bin").read_bytes() == DATA
    assert (tmp_path / "theirs").read_bytes() == b"theirs"


def test_what_no_file_may_replace_is_told_before_the_first_byte(sink, on_disk):
    """A folder, and a name that is too long; a file where a folder is needed."""
    (on_disk / "folder").mkdir()
    (on_disk / "file").write_bytes(b"x")
    for key in ("folder", "x" * 256):
        with pytest.raises(InvalidKeyError):
            begin(sink, key=key)
    with pytest.raises(SinkError):
        begin(sink, key="file/below")
    assert leftovers_on_disk(sink) == []


def test_a_folder_without_rights_is_told_as_such(sink, monkeypatch):
    """The credentials, or their rights, are what has to be looked at."""

    def deny(_):
        raise PermissionError(errno.EACCES, "permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(sink.place.files, "_do", deny)
        with pytest.raises(SinkForbiddenError):
            begin(sink)


def test_a_folder_that_was_removed_is_made_again(sink, on_disk):
    """What is known about folders may be out of date."""
    upload_whole(sink, "dir/object.bin")
    (on_disk / "dir/object.bin").unlink()
    (on_disk / "dir").rmdir()
    upload_whole(sink, "dir/object.bin")
    assert (on_disk / "dir/object.bin").read_bytes() == DATA


def test_a_temporary_file_that_was_removed_is_never_committed(sink, on_disk):
    """A clean-up ends an upload; the file doesn't appear without its bytes."""
    upload = begin(sink)
    put_parts(sink, upload, range(4))
    for path in leftovers_on_disk(sink):
        path.unlink()
    with pytest.raises(UploadTakenError):
        upload.commit()
    upload.discard()
    assert list(on_disk.rglob("*.bin")) == []


def test_versions_written_within_one_second_differ(sink, on_disk):
    """The protocol's time has no fractions; files of one length get one second after the other."""
    tags = [sink.store.write("note", str(number).encode()).version_tag for number in range(5)]
    assert len(set(tags)) == 5
    assert abs((on_disk / "note").stat().st_mtime - time.time()) < 30


def test_only_what_was_asked_for_is_read(sink, on_disk):
    """A range of a large file is that range; sshfs alone would send all of it."""
    with (on_disk / "large").open("wb") as file:
        file.truncate(3 * 2**30)
        file.seek(2**31)
        file.write(b"here")
    assert sink.store.read("large", 2**31, 2**31 + 4) == b"here"


def test_names_that_are_no_unicode_hide_no_others(sink, on_disk):
    """A file that others have named in another encoding doesn't end a listing."""
    (on_disk / "a.mp4").write_bytes(b"x")
    with open(os.fsencode(on_disk) + b"/\xff.mp4", "wb"):  # noqa: PTH123 - a name of bytes
        assert "a.mp4" in [stat.key for stat in sink.store.list("")]


def test_free_space_is_that_of_the_disk(sink, tmp_path):
    """Of the folder above, as long as the root doesn't stand."""
    found = os.statvfs(tmp_path)
    assert sink.free_bytes() == pytest.approx(found.f_bavail * found.f_frsize, rel=0.05)


@pytest.mark.parametrize("name", ["a[b]c.mp4", "a*.mp4", "?.mp4", "{a,b}", "100%20", " two  words ", "a#b?c", "a::b"])
def test_names_with_signs_of_patterns_are_names(sink, on_disk, name):
    """Nothing else is replaced, moved or deleted than the one file."""
    (on_disk / "abc.mp4").write_bytes(b"neighbour")
    upload_whole(sink, name)
    upload_whole(sink, name, b"anew")
    assert sorted(path.name for path in on_disk.iterdir()) == sorted(["abc.mp4", name])
    assert sink.store.read(name) == b"anew"
    sink.store.delete(name)
    assert (on_disk / "abc.mp4").read_bytes() == b"neighbour"


def test_a_lost_connection_is_an_error_and_commits_nothing(sshd, tmp_path):
    """The next try makes a connection of its own, and finds the temporary name."""
    sink = FsspecSink(SftpFiles(SSHFileSystem(**sshd.options())), str(tmp_path))
    upload = begin(sink)
    put_parts(sink, upload, range(3))
    sink.place.files.fs.client.abort()
    with pytest.raises(SinkError) as caught:
        put_parts(sink, upload, [3])
    assert caught.value.retryable
    with pytest.raises(SinkError):
        upload.commit()
    with pytest.raises(SinkError):
        upload.discard()
    again = FsspecSink(SftpFiles(SSHFileSystem(**sshd.options())), str(tmp_path))
    assert list(again.store.list("")) == []
    (leftover,) = again.leftovers()
    again.remove_leftover(leftover)
    upload_whole(again, "dir/object.bin")
    assert (tmp_path / "dir/object.bin").read_bytes() == DATA


KILLED = """
import json, sys, time
from sshfs import SSHFileSystem
from airflow_provider_kaltura.transfer.fsspec_sftp import SftpFiles
from airflow_provider_kaltura.transfer.fsspec_sink import FsspecSink
files = SftpFiles(SSHFileSystem(**json.loads(sys.argv[2])))
upload = FsspecSink(files, sys.argv[1]).begin("dir/object.bin", size_bytes=3000, part_bytes=1000)
upload.put_part(0, b"x" * 1000)
upload.put_part(1, b"x" * 1000)
print("ready", flush=True)
time.sleep(60)
"""


def test_a_killed_writer_leaves_a_temporary_name_only(sink, sshd, on_disk):
    """After SIGKILL nothing has the final name, and one clean-up takes everything away."""
    arguments = [sys.executable, "-c", KILLED, str(on_disk), json.dumps(sshd.options())]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    process.stdout.close()
    assert list(sink.store.list("")) == []
    (leftover,) = sink.leftovers()
    assert leftover.size_bytes == 2000
    sink.remove_leftover(leftover)
    assert [path for path in on_disk.rglob("*") if path.is_file()] == []
