"""
Captions as SRT, WebVTT or plain text, made of SRT, WebVTT or DFXP by pycaption; a file that is right, or none.

What a caption is, its content says: Kaltura's ``format`` is what somebody chose when it was uploaded. It is read as
UTF-8, or as UTF-16 where it begins with that mark; what is neither can't be converted. A caption that is in the wanted
format already keeps its text to the letter (in UTF-8, with newlines alone). Of others, styling and places get lost,
texts and times don't: what was made is read back and compared. Plain text is the lines of all captions in their order,
each ended by a newline, without times and empty lines.
"""

from __future__ import annotations

import html
import re
import threading
import warnings
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from airflow_provider_kaltura.ingest.errors import CaptionError, MissingExtraError

if TYPE_CHECKING:
    from airflow_provider_kaltura.ingest.asset_kinds import CaptionFormat

#: Longer captions are not converted: that takes fifty times their length of memory. A day of speech has 2 MiB.
MOST_BYTES: Final = 4 * 1024 * 1024
# One at a time: threads would not make it quicker, and each would take the memory.
_CONVERTING: Final = threading.Lock()

# Start and end in microseconds, and the lines.
Cue: TypeAlias = tuple[int, int, tuple[str, ...]]

_DAY_MICROSECONDS: Final = 24 * 3600 * 1_000_000
_MARKS: Final = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_TIMING: Final = re.compile(r"[ \t]*(?:\d+:)?\d+:\d\d[.,]\d+[ \t]*-->")
_DOTTED: Final = re.compile(r"(\d:\d\d)\.(\d)")
# What players of SRT take for styling; anything else between angle brackets is text.
_STYLING: Final = re.compile(r"</?(?:i|b|u|s|font)(?:\s[^<>\n]*)?>|\{\\[^{}\n]*\}|\{/?[ibu]\}", re.IGNORECASE)
_PARAGRAPH: Final = re.compile(r"<(?:\w+:)?p\b[^>]*?(?<!/)>(.*?)</(?:\w+:)?p\s*>", re.DOTALL | re.IGNORECASE)
_ROOT: Final = re.compile(r"<tt(?:\s[^>]*)?>", re.IGNORECASE)
_TAG: Final = re.compile(r"<[^>]*>")


def require_converter() -> None:
    """
    Make sure that captions can be converted here.

    :raises MissingExtraError: pycaption is not installed.
    """
    try:
        import pycaption  # noqa: F401, PLC0415 - an extra
    except ImportError as error:
        raise MissingExtraError("converted captions", "captions") from error


def convert(data: bytes, wanted: CaptionFormat, asset_id: str) -> bytes:
    """
    Convert a caption.

    :param data: What Kaltura has.
    :param wanted: ``"srt"``, ``"vtt"`` or ``"txt"``.
    :param asset_id: Whose it is, for errors.
    :returns: The converted one, in UTF-8 without a mark.
    :raises CaptionError: It can't be read as a whole, or what would be made of it would not say the same.
    """
    require_converter()
    try:
        with _CONVERTING:
            return _convert(data, wanted).encode()
    except _UnusableError as error:
        raise CaptionError(asset_id, str(error)) from error.__cause__


class _UnusableError(Exception):
    """Why a caption is of no use; its text goes into the error that users see."""


def _convert(data: bytes, wanted: CaptionFormat) -> str:
    text = _text_of(data)
    found = _kind_of(text)
    cues = _read(_without_styling(text) if found == "srt" else text, found)
    if wanted == "txt":
        return "".join(f"{line}\n" for _, _, lines in cues for line in lines)
    if wanted == found:
        return text if text.endswith("\n") else f"{text}\n"
    if max(end for _, end, _ in cues) >= _DAY_MICROSECONDS:
        raise _UnusableError("it has times of 24 hours and more, which the converter would turn into others")
    made = _write(_without_styling(text) if found == "srt" else text, found, wanted)
    if _merged(_read(made, wanted)) != _merged(cues):
        raise _UnusableError(f"as {wanted} it would not say the same")
    return made


def _text_of(data: bytes) -> str:
    if not data:
        raise _UnusableError("it is empty")
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise _UnusableError(f"it is no UTF-8, from byte {error.start} on") from None
    if "\x00" in text:
        raise _UnusableError("it holds NUL characters")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _kind_of(text: str) -> str:
    beginning = text.lstrip()
    if beginning.startswith("WEBVTT"):
        return "vtt"
    if not beginning.startswith("<"):
        return "srt"
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise _UnusableError("it defines its own entities")
    return "dfxp"


def _read(text: str, kind: str) -> list[Cue]:
    captions = _caption_set(text, kind)
    languages = [one for one in captions.get_languages() if captions.get_captions(one)]
    if len(languages) != 1:
        raise _UnusableError("it has no captions" if not languages else f"it has {len(languages)} languages")
    cues = [_cue(one) for one in captions.get_captions(languages[0])]
    expected = _expected(text, kind)
    if len(cues) != expected:
        raise _UnusableError(f"{len(cues)} of its {expected} captions could be read")
    lines = sum(len(lines) for _, _, lines in cues)
    if kind == "srt" and lines != _text_lines(text):
        raise _UnusableError("it has text that belongs to no time")
    return cues


def _caption_set(text: str, kind: str) -> Any:
    import pycaption  # noqa: PLC0415 - an extra

    if kind == "dfxp":
        # Of bs4, about every DFXP that is read; set each time, since others may reset the filters.
        warnings.filterwarnings("ignore", message="It looks like you're using an HTML parser")
        text = _with_sections(text)
    readers = {"srt": pycaption.SRTReader, "vtt": pycaption.WebVTTReader, "dfxp": pycaption.DFXPReader}
    try:
        return readers[kind]().read(text)
    except Exception as error:  # noqa: BLE001 - readers of strangers' files raise whatever they stumble over
        # Its text may repeat what is in the file.
        raise _UnusableError(f"it can't be read as {kind} ({type(error).__name__})") from None


def _with_sections(text: str) -> str:
    """Add the sections that a DFXP leaves out: the reader looks for them through all of the file, at every caption."""
    beginning = text.lower()
    missing = "".join(f"<{name}></{name}>" for name in ("styling", "layout") if f"<{name}" not in beginning)
    return _ROOT.sub(lambda root: f"{root[0]}<head>{missing}</head>", text, count=1) if missing else text


def _write(text: str, found: str, wanted: CaptionFormat) -> str:
    import pycaption  # noqa: PLC0415 - an extra

    writer = pycaption.SRTWriter() if wanted == "srt" else pycaption.WebVTTWriter()
    try:
        return str(writer.write(_caption_set(text, found)))
    except _UnusableError:
        raise
    except Exception as error:  # noqa: BLE001 - see _caption_set
        raise _UnusableError(f"it can't be written as {wanted} ({type(error).__name__})") from None


def _cue(caption: Any) -> Cue:
    lines = (" ".join(line.split()) for line in caption.get_text().split("\n"))
    return int(caption.start), int(caption.end), tuple(line for line in lines if line)


def _merged(cues: list[Cue]) -> list[Cue]:
    """Join captions of the same time, as writers do."""
    found: list[Cue] = []
    for start, end, lines in cues:
        if found and found[-1][:2] == (start, end):
            found[-1] = (start, end, found[-1][2] + lines)
        else:
            found.append((start, end, lines))
    return found


def _without_styling(text: str) -> str:
    """Take out what SRT's players show as styling, and lines of nothing else: an empty line would end a caption."""
    kept = []
    for line in text.split("\n"):
        if _TIMING.match(line):
            kept.append(_DOTTED.sub(r"\1,\2", line))
            continue
        plain = _STYLING.sub("", line)
        if plain.strip() or not line.strip():
            kept.append(plain)
    return "\n".join(kept)


def _expected(text: str, kind: str) -> int:
    """Count the captions that have a text, by means other than the reader's."""
    if kind == "dfxp":
        return sum(1 for found in _PARAGRAPH.findall(text) if html.unescape(_TAG.sub("", found)).strip())
    lines = text.split("\n")
    return sum(1 for line, after in zip(lines, [*lines[1:], ""], strict=True) if _TIMING.match(line) and after.strip())


def _text_lines(text: str) -> int:
    """Count the lines that are neither a time nor the number before one."""
    lines = [line for line in text.split("\n") if line.strip()]
    numbers = sum(
        1
        for line, after in zip(lines, [*lines[1:], ""], strict=True)
        if _TIMING.match(after) and line.strip().isdigit()
    )
    return len(lines) - numbers - sum(1 for line in lines if _TIMING.match(line))
