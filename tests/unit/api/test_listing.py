from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_kaltura.api.errors import TooManyMatchesError
from airflow_provider_kaltura.api.listing import PAGE_SIZE, RELATIVE_TIME_SECONDS, Window, walk

START = 1_700_000_000


@dataclass(frozen=True)
class Item:
    """An entry, as far as a walk looks at it."""

    id: str
    created: int
    updated: int


@dataclass
class Server:
    """A list action as the recorded cases show it; ``between`` is called before each request."""

    items: dict[str, Item]
    between: object = None
    seed: int = 0
    requests: list[dict] = field(default_factory=list)

    def fetch(self, wanted):
        """Answer the first page of a filter."""
        if self.between is not None:
            self.between(self)
        self.requests.append(wanted)
        assert all(abs(value) > RELATIVE_TIME_SECONDS for name, value in wanted.items() if "At" in name)
        found = list(self.items.values())
        # Those that share a second come in another order each time.
        random.Random(f"{self.seed}{len(self.requests)}").shuffle(found)
        hidden = set(wanted.get("idNotIn", "").split(",")[:500])
        found = [
            item
            for item in found
            if item.id not in hidden
            and wanted.get("createdAtGreaterThanOrEqual", 0) <= item.created
            and item.created <= wanted.get("createdAtLessThanOrEqual", 2**40)
            and wanted.get("updatedAtGreaterThanOrEqual", 0) <= item.updated
            and item.updated <= wanted.get("updatedAtLessThanOrEqual", 2**40)
        ]
        key = wanted["orderBy"].removeprefix("+")
        return sorted(found, key=lambda item: time_of(item, key))[:PAGE_SIZE]


def time_of(item, key):
    """Read a time."""
    return item.created if key == "createdAt" else item.updated


def library(counts, *, same_update=False):
    """Make entries: *counts* of them in each of the following seconds."""
    items = {}
    for second, count in enumerate(counts):
        for _ in range(count):
            number = len(items)
            updated = START + 10_000 if same_update else START + 10_000 + number // 100
            items[f"0_{number}"] = Item(f"0_{number}", START + second, updated)
    return items


def ids(server, window=None, wanted=None):
    """Walk, and give the ids in the order that they came."""
    return [item.id for item in walk(server.fetch, time_of, window or Window(), wanted or {})]


@pytest.mark.parametrize(
    "counts",
    [[], [1], [499], [500], [501], [1000], [400] * 10, [0, 700, 3], [1] * 2_000, [250, 500, 250, 999, 1], [1000, 1000]],
    ids=str,
)
def test_each_object_comes_once(counts):
    """Whatever the ties, in hardly more requests than there are pages."""
    server = Server(library(counts))
    found = ids(server)
    assert sorted(found) == sorted(server.items)
    assert len(server.requests) <= len(found) // PAGE_SIZE + 2 + sum(4 * (count > 999) for count in counts)


def test_bursts_cost_at_most_a_twentieth_more_requests():
    """Entries that come 400 a second still fill the pages."""
    server = Server(library([400] * 100 + [700] + [400] * 49))
    assert len(set(ids(server))) == len(server.items)
    assert len(server.requests) <= -(-len(server.items) // PAGE_SIZE) * 1.05


def test_a_second_with_twelve_thousand_is_split_by_the_other_time():
    """More than an in-list can leave out."""
    server = Server(library([10, 12_000, 10]))
    found = ids(server)
    assert sorted(found) == sorted(server.items)


def test_what_nothing_tells_apart_is_an_error_that_names_the_seconds():
    """Never a silent loss."""
    server = Server(library([10, 1_600, 10], same_update=True))
    with pytest.raises(TooManyMatchesError, match=f"createdAt {START + 1} and updatedAt {START + 10_000}"):
        ids(server)


def test_a_window_has_both_its_ends():
    """Both bounds belong to it, and a bound that would be read as relative is never sent."""
    server = Server(library([5] * 10))
    assert len(ids(server, Window(since=START + 2, until=START + 4))) == 15
    assert len(ids(server, Window(since=0))) == 50
    assert "createdAtGreaterThanOrEqual" not in server.requests[-1]
    with pytest.raises(ValueError, match="1980"):
        Window(until=0)


def test_a_full_page_in_the_last_second_of_a_window_ends_there():
    """The second after the window is not asked for."""
    server = Server(library([600, 5]))
    assert len(ids(server, Window(until=START))) == 600


def test_other_fields_are_sent_each_time():
    """What the caller asked for is in every request."""
    server = Server(library([1_200]))
    ids(server, wanted={"statusIn": "2,3"})
    assert {request["statusIn"] for request in server.requests} == {"2,3"}


@pytest.mark.parametrize("seed", range(5))
def test_a_walk_along_created_at_bears_changes(seed):
    """What is there all the time comes once; what appears or vanishes meanwhile at most once."""
    chance = random.Random(seed)
    server = Server(library([chance.choice([1, 3, 400, 700]) for _ in range(30)]), seed=seed)
    before, gone = set(server.items), set()

    def change(server):
        for _ in range(20):
            old = chance.choice(list(server.items.values()))
            server.items[old.id] = replace(old, updated=old.updated + chance.randrange(100_000))
        for _ in range(3):
            gone.add(chance.choice(list(server.items)))
            new = Item(f"1_{len(server.requests)}_{chance.random()}", START + 100 + len(server.requests), START + 200)
            server.items[new.id] = new
        for one in gone:
            server.items.pop(one, None)

    server.between = change
    found = ids(server)
    assert len(found) == len(set(found))
    assert before - gone <= set(found)


def test_a_walk_along_the_last_change_is_refused():
    """A list may be in the order of one time and show another."""
    with pytest.raises(ValueError, match="createdAt"):
        ids(Server({}), Window(key="updatedAt"))


@pytest.mark.parametrize("seed", range(5))
def test_a_full_second_is_walked_rightly_while_the_index_lags(seed):
    """The pages are in the order of an older time than the entries show."""
    chance = random.Random(seed)
    items = library([10, 6_000, 10])
    server = Server(items)
    ordered = server.fetch

    def fetch(wanted):
        page = ordered(wanted)
        return [replace(item, updated=item.updated + 50_000) if item.id in changed else item for item in page]

    changed = set(chance.sample(sorted(items), 300))
    server.fetch = fetch
    assert sorted(ids(server)) == sorted(items)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([0, 1, 2, 99, 400, 499, 500, 501, 999, 1000, 1001]), max_size=12), st.integers(0, 9))
def test_any_mixture_of_ties(counts, seed):
    """However the seconds are filled."""
    server = Server(library(counts), seed=seed)
    assert sorted(ids(server)) == sorted(server.items)


def test_a_server_in_another_order_is_not_walked_rightly():
    """The cases above can fail: without the order that was asked for, some entries never come."""
    server = Server(library([400] * 4))
    whole = server.fetch
    server.fetch = lambda wanted: list(reversed(whole(wanted)))
    assert sorted(ids(server)) != sorted(server.items)


def test_a_server_that_leaves_nothing_out_costs_requests_and_loses_nothing():
    """What a page repeats is not yielded again."""
    server = Server(library([600, 5]))
    whole = server.fetch
    server.fetch = lambda wanted: whole({**wanted, "idNotIn": ""})
    assert sorted(ids(server)) == sorted(server.items)
