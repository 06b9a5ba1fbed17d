"""Make small MP4s that play, with PyAV (imported when used)."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Literal

from airflow_provider_kaltura.sandbox.content import content_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

_FRAMES_PER_SECOND = 25


def mp4(width: int, height: int, *, kbps: int, seconds: int) -> bytes:
    """
    Return a playable MP4: a moving gradient with noise.

    :param width: Pixels across, even.
    :param height: Pixels down, even.
    :param kbps: Bit rate to aim at, in kbit/s.
    :param seconds: Length.
    :returns: The bytes of the file.
    """
    import av  # noqa: PLC0415 - heavy, and only the small library needs it

    output = io.BytesIO()
    with av.open(output, "w", format="mp4") as container:
        stream = container.add_stream(_encoder(), rate=_FRAMES_PER_SECOND)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.bit_rate = kbps * 1000
        for planes in _pictures(width, height, _FRAMES_PER_SECOND * seconds):
            frame = av.VideoFrame(width, height, "yuv420p")
            for plane, rows in zip(frame.planes, planes, strict=True):
                plane.update(_padded(rows, plane.width, plane.line_size))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return output.getvalue()


def _encoder() -> Literal["libx264", "mpeg4"]:
    """Return the encoder to use: H.264, which browsers play, where PyAV was built with one."""
    import av  # noqa: PLC0415 - see mp4

    return "libx264" if "libx264" in av.codecs_available else "mpeg4"


def _pictures(width: int, height: int, count: int) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Yield the Y, U and V planes of each frame."""
    noise = content_bytes("noise", 0, width * height)
    ramp = bytes(range(256)) * (width // 256 + 3)
    grey = bytes([128]) * (width * height // 4)
    smooth = height - height // 16
    for number in range(count):
        rows = [ramp[(row + 3 * number) % 256 :][:width] for row in range(smooth)]
        first = (number * 7919) % (width * smooth)
        yield b"".join(rows) + noise[first : first + width * (height - smooth)], grey, grey


def _padded(rows: bytes, width: int, line_size: int) -> bytes:
    """Return a plane whose lines are as long as the encoder wants them."""
    if width == line_size:
        return rows
    gap = bytes(line_size - width)
    return b"".join(rows[start : start + width] + gap for start in range(0, len(rows), width))


def labelled(video: bytes, label: str) -> bytes:
    """Return the MP4 with *label* in a box that players skip, so that equal videos differ in their bytes."""
    text = label.encode()
    return video + struct.pack(">I4s", 8 + len(text), b"free") + text
