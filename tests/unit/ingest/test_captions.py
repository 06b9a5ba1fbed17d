"""Captions are converted rightly, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_kaltura.ingest.captions import convert
from airflow_provider_kaltura.ingest.errors import CaptionError

SRT = "1\n00:00:01,000 --> 00:00:02,500\nHello\nworld\n\n2\n00:00:03,000 --> 00:00:04,000\nשלם & <all>\n"
VTT = "WEBVTT\n\n00:00:01.000 --> 00:00:02.500\nHello\nworld\n\n00:00:03.000 --> 00:00:04.000\nשלם &amp; &lt;all>\n"
DFXP = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<tt xmlns="http://www.w3.org/ns/ttml"><body><div>'
    '<p begin="00:00:01.000" end="00:00:02.500">Hello<br/>world</p>'
    '<p begin="00:00:03.000" end="00:00:04.000">שלם &amp; &lt;all&gt;</p></div></body></tt>\n'
)
TXT = "Hello\nworld\nשלם & <all>\n"


def made(text, wanted):
    """Convert a text."""
    data = text if isinstance(text, bytes) else text.encode()
    return convert(data, wanted, "0_caption").decode()


@pytest.mark.parametrize("text", [SRT, VTT, DFXP], ids=["srt", "vtt", "dfxp"])
def test_each_format_becomes_plain_text(text):
    """The lines of all captions, without times."""
    assert made(text, "txt") == TXT


@pytest.mark.parametrize("text", [VTT, DFXP], ids=["vtt", "dfxp"])
def test_other_formats_become_srt(text):
    """Times and texts are the same."""
    assert made(text, "srt") == SRT


@pytest.mark.parametrize("text", [SRT, DFXP], ids=["srt", "dfxp"])
def test_other_formats_become_web_vtt(text):
    """Times and texts are the same."""
    assert made(text, "vtt").replace(" align:start", "") == VTT


@pytest.mark.parametrize(("text", "wanted"), [(SRT, "srt"), (VTT, "vtt")], ids=["srt", "vtt"])
def test_what_is_in_the_wanted_format_keeps_its_text(text, wanted):
    """Styling, notes and times beyond a day stay."""
    more = text + (
        "\n3\n25:00:00,000 --> 26:00:00,000\n<i>late</i>\n"
        if wanted == "srt"
        else "\n25:00:00.000 --> 26:00:00.000\nlate\n"
    )
    assert made(more, wanted) == more


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_marks_tell_the_encoding(encoding):
    """What is made is UTF-8 without a mark, whatever line ends there were."""
    assert made(SRT.replace("\n", "\r\n").encode(encoding), "srt") == SRT


def test_styling_is_no_text():
    """Tags that players of SRT know are taken out; a line of nothing else does not end a caption."""
    text = '1\n00:00:01.000 --> 00:00:02.000\n{\\an8}\n<i>Hello</i> <font color="red">you</font>\n<b></b>\n<all>\n'
    assert made(text, "txt") == "Hello you\n<all>\n"
    assert made(text, "vtt") == "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nHello you\n&lt;all>\n"


def test_captions_of_one_time_are_joined():
    """That is how the other formats show them."""
    text = "WEBVTT\n\n00:01.000 --> 00:02.000\none\n\n00:01.000 --> 00:02.000\ntwo\n"
    assert made(text, "srt") == "1\n00:00:01,000 --> 00:00:02,000\none\ntwo\n"


def test_voices_stay():
    """Who speaks is told in text."""
    assert made("WEBVTT\n\nNOTE no text\n\n00:01.000 --> 00:02.000\n<v Bob>Hi <i>you</i>\n", "txt") == "Bob: Hi you\n"


def test_times_beyond_a_day_don_t_matter_to_plain_text():
    """Only there."""
    assert made("1\n25:00:00,000 --> 26:00:00,000\nlate\n", "txt") == "late\n"


HOSTILE = {
    "empty": b"",
    "blank": b"\n\n",
    "latin": "1\n00:00:01,000 --> 00:00:02,000\ngrün\n".encode("latin-1"),
    "nul": b"1\n00:00:01,000 --> 00:00:02,000\na\x00b\n",
    "no captions": b"WEBVTT\n\n",
    "a page": b"<html><body>404</body></html>",
    "cut": b"<tt><body><div><p begin='00:00:01.000' end='00:0",
    "lost paragraph": b"<tt xml:lang='en'><body><p begin='00:00:01.000' end='00:00:02.000'>a</p><p>b</p></body></tt>",
    "entities": b"<!DOCTYPE tt [<!ENTITY x 'yyyy'>]><tt><body><p begin='0s' end='1s'>&x;</p></body></tt>",
    "garbage": b"\x89PNG\r\n\x1a\n....",
    "words": b"Once upon a time\n",
    "arrow": b"1\n00:00:01,000 -> 00:00:02,000\na\n",
    "garbage first": b"words\n\n1\n00:00:01,000 --> 00:00:02,000\na\n",
    "garbage between": b"1\n00:00:01,000 --> 00:00:02,000\na\n\nwords\n\n2\n00:00:03,000 --> 00:00:04,000\nb\n",
    "broken time": b"WEBVTT\n\n00:00:01.000 --> 00:00:02.000\na\n\nbroken --> b\nc\n",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("wanted", ["srt", "vtt", "txt"])
def test_what_can_t_be_read_as_a_whole_is_an_error(data, wanted):
    """It names the caption and what helps."""
    with pytest.raises(CaptionError, match=r"caption 0_caption can't be converted: .*original"):
        convert(data, wanted, "0_caption")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("WEBVTT\n\n25:00:00.000 --> 26:00:00.000\nlate\n", "srt"),
        ("1\n23:59:59,000 --> 24:00:00,000\nlate\n", "vtt"),
    ],
    ids=["srt", "vtt"],
)
def test_what_would_say_something_else_is_an_error(text, wanted):
    """The converter counts hours modulo 24."""
    with pytest.raises(CaptionError):
        convert(text.encode(), wanted, "0_caption")


LINES = st.lists(
    st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12), min_size=1, max_size=3
)


@given(cues=st.lists(st.tuples(st.integers(0, 86_000_000), st.integers(1, 9_000), LINES), min_size=1, max_size=5))
def test_whatever_is_converted_says_the_same(cues):
    """Any texts at any times: all there is in the other formats, or an error."""
    srt = "".join(
        f"{number}\n{clock(start)} --> {clock(min(start + length, 86_399_999))}\n{chr(10).join(lines)}\n\n"
        for number, (start, length, lines) in enumerate(cues, 1)
    )
    try:
        there = convert(srt.encode(), "vtt", "0_caption")
    except CaptionError:
        return
    assert convert(there, "txt", "0_caption") == convert(srt.encode(), "txt", "0_caption")
    assert convert(convert(there, "srt", "0_caption"), "txt", "0_caption") == convert(srt.encode(), "txt", "0_caption")


def clock(milliseconds):
    """Write a time as SRT does."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02},{rest:03}"
