"""The demo notices when what landed is wrong."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from airflow_provider_kaltura.sandbox import small, video
from airflow_provider_kaltura.sandbox.server import serve
from airflow_provider_kaltura.transfer.checksum import crc64nvme, format_crc64nvme
from scripts import demo

FLAVOR = small.flavor_id_of(small.READY, 0)


@pytest.fixture(scope="module")
def sandbox():
    """Serve the small library in this process."""
    with serve(small.library()) as running:
        yield running


@pytest.fixture(scope="module")
def right(sandbox):
    """The bytes that the sandbox has for the flavor, taken from its library and not over HTTP."""
    return sandbox.library.file(FLAVOR, "2").read()


@pytest.fixture
def target(sandbox):
    """The sandbox, as the demo knows it."""
    return demo.Target("demo", "{}", (small.READY,), sandbox.base_url)


@pytest.fixture
def account():
    """An account whose files can't be fetched once more."""
    return demo.Target("demo", "{}", (small.READY,))


@pytest.fixture
def land(tmp_path):
    """Put a file into the lake and tell of it as the download task does."""

    def make(data, name="a.mp4", checksum=None):
        file = tmp_path / name
        file.write_bytes(data)
        found = checksum or format_crc64nvme(crc64nvme(data))
        return {"path": str(file), "checksum": found, "flavorId": FLAVOR}

    return make


def flipped(data, at):
    """Change one byte."""
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_the_right_file_is_right(target, land, right):
    """Size, checksum, served bytes and frames are said in words."""
    frames = demo.decoded_frames(Path(land(right)["path"]))
    assert frames > 0
    said = demo.check_landed(target, land(right), len(right))
    assert said.startswith(f"{len(right):,} bytes, crc64nvme:")
    assert said.endswith(f"same bytes as served, {frames} frames decoded")


def test_an_account_gives_no_size(account, land, right):
    """Without a size and without the sandbox, checksum and frames are what is held against the file."""
    said = demo.check_landed(account, land(right), None)
    assert "frames decoded" in said
    assert "served" not in said


@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_a_flipped_byte_is_found(target, land, right, place):
    """Even when size and reported checksum fit the wrong bytes: they differ from what the sandbox serves."""
    at = {"first": 0, "middle": len(right) // 2, "last": len(right) - 1}[place]
    with pytest.raises(demo.DemoError, match="differs"):
        demo.check_landed(target, land(flipped(right, at)), len(right))


def test_a_byte_that_was_flipped_later_is_found_by_the_checksum(account, land, right):
    """The reported checksum is that of the right bytes."""
    reported = format_crc64nvme(crc64nvme(right))
    with pytest.raises(demo.DemoError, match="checksum"):
        demo.check_landed(account, land(flipped(right, 100), checksum=reported), len(right))


@pytest.mark.parametrize("change", [-1, 1])
def test_a_wrong_size_is_found(account, land, right, change):
    """One byte more or less than Kaltura says."""
    with pytest.raises(demo.DemoError, match="bytes"):
        demo.check_landed(account, land(right), len(right) + change)


@pytest.mark.parametrize("reported", ["crc64nvme:0000000000000000", "none"])
def test_a_wrong_checksum_is_found(target, land, right, reported):
    """The right bytes with another checksum than the task reported."""
    with pytest.raises(demo.DemoError, match="checksum"):
        demo.check_landed(target, land(right, checksum=reported), len(right))


def written(options, **stream_settings):
    """Make an MP4 with one stream and nothing in it."""
    import av  # noqa: PLC0415 - heavy

    output = io.BytesIO()
    with av.open(output, "w", format="mp4", options=options) as container:
        stream = container.add_stream(**stream_settings)
        for name, value in (("width", 64), ("height", 64), ("pix_fmt", "yuv420p")):
            if stream.type == "video":
                setattr(stream, name, value)
        container.start_encoding()
    return output.getvalue()


def without_frames():
    """Make an MP4 with a video track that has no frame."""
    return written({"movflags": "empty_moov+frag_keyframe"}, codec_name="mpeg4", rate=25)


def without_tracks():
    """Make an MP4 whose empty video track was left out."""
    return written({}, codec_name="mpeg4", rate=25)


def without_video():
    """Make an MP4 that has a sound track only."""
    return written({"movflags": "empty_moov+frag_keyframe"}, codec_name="aac", rate=8000)


def cut_short():
    """Cut an MP4 in its middle, where its index is not reached."""
    whole = video.mp4(64, 64, kbps=50, seconds=1)
    return whole[: len(whole) // 2]


def test_an_mp4_without_frames_is_found(account, land):
    """Right size and checksum do not help a file that plays nothing."""
    data = without_frames()
    with pytest.raises(demo.DemoError, match="frame"):
        demo.check_landed(account, land(data), len(data))


@pytest.mark.parametrize("make", [without_tracks, without_video, cut_short, lambda: b"no video at all" * 100])
def test_an_mp4_that_can_not_be_decoded_is_found(account, land, make):
    """A file with no video in it, or one that can't be read, is told of like every other wrong file."""
    data = make()
    with pytest.raises(demo.DemoError):
        demo.check_landed(account, land(data), len(data))


def test_what_is_no_mp4_is_not_decoded(account, land):
    """A file of another kind is held against size and checksum only."""
    assert "frames" not in demo.check_landed(account, land(b"text", "a.txt"), 4)


@pytest.mark.parametrize("given", ["KALTURA_PARTNER_ID", "KALTURA_SECRET", "KALTURA_ENTRY_ID", "KALTURA_SERVICE_URL"])
def test_half_an_account_ends_with_status_2(monkeypatch, capsys, given):
    """Nothing is started; what is missing is said, the value that is set is not."""
    for name in [name for name in os.environ if "KALTURA" in name]:
        monkeypatch.delenv(name)
    monkeypatch.setenv(given, "a-value-that-is-set")
    assert demo.main() == 2
    printed = capsys.readouterr()
    assert "KALTURA_SECRET" in printed.err
    assert "a-value-that-is-set" not in printed.err + printed.out
