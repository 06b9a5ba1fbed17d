"""Which entries a batch is about: lists, texts, slices."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_kaltura.api.errors import InvalidRequestError
from airflow_provider_kaltura.ingest.entry_ids import parse_entry_ids, read_entries
from airflow_provider_kaltura.ingest.errors import SliceError
from airflow_provider_kaltura.ingest.slices import write_listing
from tests.unit.ingest.fakes import memory_lake

IDS = st.lists(st.from_regex(r"[0-9]_[0-9a-z]{8}", fullmatch=True), min_size=1, max_size=30)
WAYS = {
    "list": list,
    "tuple": tuple,
    "json": json.dumps,
    "python": str,
    "commas": ",".join,
    "lines": lambda ids: "\n".join(ids) + "\n",
    "both": " ,\r\n ".join,
    "semicolons": "; ".join,
}


@given(ids=IDS, way=st.sampled_from(sorted(WAYS)))
def test_however_ids_are_written_they_are_read_in_order_each_once(ids, way):
    """The first mention counts."""
    assert parse_entry_ids(WAYS[way](ids)) == list(dict.fromkeys(ids))


@given(value=st.one_of(st.text(), st.lists(st.one_of(st.text(), st.integers(), st.none())), st.integers(), st.none()))
def test_any_input_gives_usable_ids_or_an_error_that_says_so(value):
    """No other exception, and no id that could change a request."""
    try:
        found = parse_entry_ids(value)
    except InvalidRequestError:
        return
    assert found
    assert all(one.replace("_", "").replace("-", "").isalnum() for one in found)


@pytest.mark.parametrize("value", ["", "  \n", "[]", [], "0_abc:0_def", "[0_abc", {"0_abc": 1}, ["0_abc", 5], b"0_abc"])
def test_what_is_no_list_of_ids_is_refused(value):
    """Before anything is asked."""
    with pytest.raises(InvalidRequestError):
        parse_entry_ids(value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("0_a\r\n0 b!\n\n0_c,0_d?;x:y", ["'b!' (line 2)", "'0_d?' (line 4)", "'x:y' (line 4)"]),
        ("\n\n?", ["'?' (line 3)"]),
        ("0_a,?,0_b,!", ["'?' (number 2)", "'!' (number 4)"]),
        (["0_a", 5, " ? "], ["5 (number 2)", "'?' (number 3)"]),
        ('["0_a", "b!"]', ["'b!' (number 2)"]),
        ("\n".join(f"?{number}" for number in range(40)), ["'?9' (line 10) and 30 more"]),
        (f"0_a {'?' * 500}", ["…", "semicolons"]),
    ],
)
def test_wrong_ids_are_named_with_their_places(value, words):
    """Whoever pasted five hundred needs to find them; the message stays short."""
    with pytest.raises(InvalidRequestError) as caught:
        parse_entry_ids(value)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert "'0_a'" not in str(caught.value)
    assert len(str(caught.value)) < 1_100


def test_too_many_entries_are_refused_with_a_hint():
    """Repeated ids don't count twice."""
    assert parse_entry_ids("0_a,0_b,0_a", max_entries=2) == ["0_a", "0_b"]
    with pytest.raises(InvalidRequestError, match="max_entries"):
        parse_entry_ids("0_a,0_b,0_c", max_entries=2)


@pytest.fixture
def listing():
    """Give a lake with a listing of five entries in three slices."""
    lake = memory_lake()
    rows = [{"entryId": f"0_entry{number % 4}", "name": "x"} for number in range(5)]
    written = write_listing(rows, lake, "all#1.jsonl", "s3://bucket/lists/all#1.jsonl", per_slice=2, most_slices=9)
    return lake, written


def test_a_slice_names_its_entries(listing):
    """The folder of the listing is what is opened."""
    lake, written = listing
    opened = []

    def open_lake(root):
        opened.append(root)
        return lake

    found = [read_entries(str(piece), open_lake) for piece in written.slices]
    assert found == [["0_entry0", "0_entry1"], ["0_entry2", "0_entry3"], ["0_entry0"]]
    assert set(opened) == {"s3://bucket/lists"}


def test_a_slice_of_too_many_entries_is_refused(listing):
    """As a list is."""
    lake, written = listing
    with pytest.raises(InvalidRequestError, match="max_entries"):
        read_entries(str(written.slices[0]), lambda _: lake, max_entries=1)


@pytest.mark.parametrize("text", ["listing.jsonl#0-5", "s3://bucket/x.jsonl", "/x/#0-5", ""])
def test_what_is_no_slice_is_refused(text):
    """With what was expected."""
    with pytest.raises(SliceError):
        read_entries(text, lambda _: memory_lake())
