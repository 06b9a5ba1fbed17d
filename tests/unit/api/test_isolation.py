"""One refused item empties the answer to all: it is found, nothing else is lost, and the cost is bounded."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_kaltura.api.errors import AccessRefusedError
from airflow_provider_kaltura.api.isolation import MOST_ITEMS, MOST_REQUESTS, isolate


class Server:
    """Dies at the first refused item, with that one's reason, as Kaltura does."""

    def __init__(self, refused):
        self.refused = refused
        self.requests = 0

    def __call__(self, items):
        """Answer some items."""
        self.requests += 1
        for item in items:
            if item in self.refused:
                return AccessRefusedError("refused", f"REASON_{item}")
        return [f"url of {item}" for item in items]


def counted(count, refused):
    """Isolate, and give what was found and the requests it took."""
    server = Server(refused)
    return isolate(list(range(count)), server), server.requests


@given(count=st.integers(0, 100), data=st.data())
def test_each_item_gets_its_own_answer_at_bounded_cost(count, data):
    """Whatever is refused, the rest is answered, each reason is its item's, and a refusal costs 8 requests at most."""
    refused = data.draw(st.sets(st.integers(0, max(0, count - 1)), max_size=count))
    found, requests = counted(count, refused)
    assert set(found) == set(range(count))
    for item, answer in found.items():
        told = answer.code if isinstance(answer, AccessRefusedError) else answer
        assert told == (f"REASON_{item}" if item in refused else f"url of {item}")
    assert requests <= 1 + MOST_REQUESTS * len(refused)


@given(count=st.integers(1, MOST_ITEMS), first=st.integers(0, MOST_ITEMS), second=st.integers(0, MOST_ITEMS))
@example(count=100, first=99, second=99)
@example(count=100, first=0, second=99)
@example(count=128, first=127, second=126)
def test_few_refusals_stay_within_the_bound_too(count, first, second):
    """One or two refused items anywhere cost at most 8 requests each."""
    refused = {first % count, second % count}
    assert counted(count, refused)[1] <= 1 + MOST_REQUESTS * len(refused)


def test_no_refusal_costs_nothing():
    """The usual case is one request."""
    assert counted(100, set())[1] == 1


def test_where_all_are_refused_it_costs_little_more_than_asking_singly():
    """A session that may have nothing finds out at two requests per item, not at seven."""
    assert counted(100, set(range(100)))[1] <= 210


def test_too_many_items_are_an_error():
    """The bound would not hold."""
    with pytest.raises(ValueError, match="at most 128"):
        counted(129, set())
