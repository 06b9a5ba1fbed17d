from __future__ import annotations

import datetime as dt
import email.utils

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_kaltura.transfer import http_answer
from airflow_provider_kaltura.transfer.errors import (
    RangeIgnoredError,
    SourceAnswerError,
    SourceChangedError,
    SourceError,
    SourceExpiredError,
    SourceLengthError,
    SourceUnavailableError,
)
from airflow_provider_kaltura.transfer.http_pool import HttpOptions
from airflow_provider_kaltura.transfer.plan import ByteRange
from tests.unit.transfer.reading import SECRET

OPTIONS = HttpOptions()
SIZE = 1000
WANTED = ByteRange(100, 200)


def range_headers(content_range="bytes 100-199/1000", length="100"):
    """Headers of a good 206."""
    return {"Content-Range": content_range, "Content-Length": length}


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        (401, {}, SourceExpiredError),
        (403, {}, SourceExpiredError),
        (404, {}, SourceExpiredError),
        (410, {}, SourceExpiredError),
        (200, {"X-Kaltura": "error-6"}, SourceExpiredError),
        (206, {"X-Kaltura": "cached-error-3,x"}, SourceExpiredError),
        (429, {}, SourceUnavailableError),
        (408, {}, SourceUnavailableError),
        (500, {}, SourceUnavailableError),
        (502, {}, SourceUnavailableError),
        (599, {}, SourceUnavailableError),
        (200, {"Content-Encoding": "gzip"}, SourceAnswerError),
        (200, {"Content-Type": "text/html"}, SourceAnswerError),
        (206, {"Content-Type": "Text/HTML; charset=utf-8"}, SourceAnswerError),
    ],
    ids=str,
)
def test_answers_without_media_are_refused(status, headers, kind):
    """By status, by the refusal header, by encoding, by type."""
    with pytest.raises(kind):
        http_answer.refuse_useless(status, headers, OPTIONS, "host")


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("error-6", "error-6"),
        ("cached-error-3,x", "error-3"),
        ("cached-dispatcher,error-INVALID_KS", "error-INVALID_KS"),
        (f"error-3,ks={SECRET}", "error-3"),
        (f"ks={SECRET},error-3", "error-3"),
        ("error-3 \x1b[31m", "error-3"),
        (f"error-{SECRET}", "no reason that can be shown"),
        ("error-", "error-"),
    ],
)
def test_a_refusal_tells_one_word_of_the_header_and_no_more(header, reason):
    """Servers have been seen to put a session into what they say."""
    with pytest.raises(SourceExpiredError) as caught:
        http_answer.refuse_useless(200, {"X-Kaltura": header}, OPTIONS, "host")
    assert caught.value.reason == reason
    assert str(caught.value) == f"refused with X-Kaltura: {reason} (host host)"


@pytest.mark.parametrize(
    ("status", "headers", "options"),
    [
        (200, {}, OPTIONS),
        (206, {"Content-Type": "video/mp4", "Content-Encoding": "identity"}, OPTIONS),
        (200, {"X-Kaltura": "cached-dispatcher"}, OPTIONS),
        (200, {"X-Kaltura": "error-6"}, HttpOptions(refusal_header=None)),
        (200, {"Content-Type": "text/html"}, HttpOptions(allow_html=True)),
    ],
    ids=str,
)
def test_answers_that_may_be_media_are_let_through(status, headers, options):
    """What is no refusal is judged by its lengths."""
    assert http_answer.refuse_useless(status, headers, options, "host") is None


@pytest.mark.parametrize(
    ("headers", "promised"),
    [({"Content-Length": "1000"}, 1000), ({}, None), ({"Transfer-Encoding": "chunked", "Content-Length": "5"}, None)],
)
def test_a_whole_answer_promises_its_length_or_nothing(headers, promised):
    """A chunked body's Content-Length doesn't count."""
    assert http_answer.prove_whole(200, headers, SIZE, "host") == promised


@pytest.mark.parametrize("framing", ["chunked", "Chunked", "CHUNKED"])
def test_a_chunked_body_is_known_in_any_case(framing):
    """As http.client knows it, which takes the frames off."""
    assert http_answer.promised_bytes({"Transfer-Encoding": framing}, "host") is None


@pytest.mark.parametrize(
    "framing",
    [
        "gzip, chunked",
        "chunked, chunked",
        "chunked ",
        " chunked",
        "chunked;q=1",
        "identity, chunked",
        "x-chunked",
        "identity",
        "gzip",
        "",
    ],
)
@pytest.mark.parametrize("length", [{}, {"Content-Length": "1000"}], ids=["no length", "the right length"])
def test_a_body_in_frames_that_nobody_takes_off_is_refused(framing, length):
    """Otherwise the frames would be taken for bytes of the object, whatever length is promised."""
    headers = {"Transfer-Encoding": framing, **length}
    with pytest.raises(SourceAnswerError):
        http_answer.prove_whole(200, headers, SIZE, "host")
    with pytest.raises(SourceAnswerError):
        http_answer.prove_range(206, {**range_headers(), **headers}, WANTED, SIZE, "host")
    with pytest.raises(SourceAnswerError):
        http_answer.size_told(200, headers, "host")


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        (206, {"Content-Length": "1000"}, SourceAnswerError),
        (204, {}, SourceAnswerError),
        (203, {"Content-Length": "1000"}, SourceAnswerError),
        (304, {}, SourceAnswerError),
        (200, {"Content-Length": "0"}, SourceExpiredError),
        (200, {"Content-Length": "999"}, SourceLengthError),
        (200, {"Content-Length": "1001"}, SourceLengthError),
        (200, {"Content-Length": "1000, 999"}, SourceAnswerError),
        (200, {"Content-Length": "-1"}, SourceAnswerError),
        (200, {"Content-Length": "٣"}, SourceAnswerError),
        (200, {"Content-Length": ""}, SourceAnswerError),
    ],
    ids=str,
)
def test_a_whole_answer_of_another_length_is_refused(status, headers, kind):
    """Only 200 with the expected length, or with none."""
    with pytest.raises(kind):
        http_answer.prove_whole(status, headers, SIZE, "host")


def test_an_empty_object_may_be_empty():
    """Zero bytes are right when zero are expected."""
    assert http_answer.prove_whole(200, {"Content-Length": "0"}, 0, "host") == 0


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        (200, {"Content-Length": "1000"}, RangeIgnoredError),
        (200, {}, RangeIgnoredError),
        (200, {"Content-Length": "100"}, RangeIgnoredError),
        (200, {"Content-Length": "0"}, SourceExpiredError),
        (206, {"Content-Length": "100"}, SourceAnswerError),
        (206, range_headers("bytes 100-199/*"), SourceAnswerError),
        (206, range_headers("bytes 0-199/1000"), SourceAnswerError),
        (206, range_headers("bytes 100-198/1000"), SourceAnswerError),
        (206, range_headers("bytes 100-200/1000"), SourceAnswerError),
        (206, range_headers("bytes */1000"), SourceAnswerError),
        (206, range_headers("items 100-199/1000"), SourceAnswerError),
        (206, range_headers("nonsense"), SourceAnswerError),
        (206, range_headers(length="99"), SourceAnswerError),
        (206, range_headers(length="101"), SourceAnswerError),
        (206, range_headers("bytes 100-199/1001"), SourceChangedError),
        (206, range_headers("bytes 100-199/999"), SourceChangedError),
        (416, {"Content-Range": "bytes */50"}, SourceChangedError),
        (416, {"Content-Range": "bytes 0-49/50"}, SourceChangedError),
        (416, {"Content-Range": "bytes */1000"}, SourceAnswerError),
        (416, {}, SourceAnswerError),
        (204, {}, SourceAnswerError),
    ],
    ids=str,
)
def test_an_answer_that_is_not_the_range_is_refused(status, headers, kind):
    """Status, both ends, the total and the length must all be those of the request."""
    with pytest.raises(kind):
        http_answer.prove_range(status, headers, WANTED, SIZE, "host")


def test_the_right_range_is_taken():
    """With a length or without; the unit in any case."""
    assert http_answer.prove_range(206, range_headers(), WANTED, SIZE, "host") == 100
    assert http_answer.prove_range(206, {"Content-Range": "Bytes  100-199/1000"}, WANTED, SIZE, "host") is None


@given(st.integers(0, 10**13), st.integers(1, 10**12), st.integers(0, 10**12))
def test_only_the_exact_range_is_taken(start, length, rest):
    """For any range and size: the exact Content-Range passes, with any number changed it doesn't."""
    wanted, size = ByteRange(start, start + length), start + length + rest
    good = (start, start + length - 1, size)
    assert http_answer.prove_range(206, {"Content-Range": "bytes {}-{}/{}".format(*good)}, wanted, size, None) is None
    for place in range(3):
        bad = [number + (index == place) for index, number in enumerate(good)]
        with pytest.raises(SourceError):
            http_answer.prove_range(206, {"Content-Range": "bytes {}-{}/{}".format(*bad)}, wanted, size, None)


@pytest.mark.parametrize(
    ("status", "headers", "size"),
    [
        (206, {"Content-Range": "bytes 0-0/1234"}, 1234),
        (206, {"Content-Range": "bytes 0-0/*"}, None),
        (206, {}, None),
        (200, {"Content-Length": "1234"}, 1234),
        (200, {}, None),
        (416, {"Content-Range": "bytes */0"}, 0),
    ],
)
def test_the_size_is_read_from_what_the_server_tells(status, headers, size):
    """From Content-Range, else from Content-Length, else not at all."""
    assert http_answer.size_told(status, headers, "host") == size


@pytest.mark.parametrize(
    ("status", "headers", "kind"), [(200, {"Content-Length": "0"}, SourceExpiredError), (204, {}, SourceAnswerError)]
)
def test_an_answer_that_tells_no_size_is_refused(status, headers, kind):
    """An empty 200 is a refusal, anything else than a range or the whole proves nothing."""
    with pytest.raises(kind):
        http_answer.size_told(status, headers, "host")


@pytest.mark.parametrize(
    ("value", "seconds"), [(None, None), ("7", 7.0), (" 7 ", 7.0), ("-7", None), ("soon", None), ("Wed, x", None)]
)
def test_retry_after_in_seconds(value, seconds):
    """Numbers are seconds, nonsense is nothing."""
    assert http_answer.retry_after_seconds(value) == seconds


def test_retry_after_as_a_date():
    """A date is a time from now; one in the past is now."""
    now = dt.datetime.now(dt.UTC)
    later = email.utils.format_datetime(now + dt.timedelta(seconds=60), usegmt=True)
    before = email.utils.format_datetime(now - dt.timedelta(seconds=60), usegmt=True)
    assert 50 < http_answer.retry_after_seconds(later) <= 60
    assert http_answer.retry_after_seconds(before) == 0.0
