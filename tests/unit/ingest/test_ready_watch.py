"""Who is told of which entries, and where looks begin: without Airflow, with a manual clock."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from airflow_provider_kaltura.api.errors import InvalidRequestError, KalturaTransportError
from airflow_provider_kaltura.api.models import Entry
from airflow_provider_kaltura.ingest import ready_feed, ready_watch
from airflow_provider_kaltura.ingest.ready_feed import OVERLAP_SECONDS, Page, ReadyFeed
from airflow_provider_kaltura.ingest.ready_watch import ReadyConditions, ReadyWatch

NOW = 1_800_000_000


def entry(entry_id="0_a", second=NOW, **values):
    """Make a ready entry."""
    moment = datetime.fromtimestamp(second, UTC)
    return Entry(**{"id": entry_id, "partner_id": 1, "created_at": moment, "updated_at": moment, **values})


def page(*entries, since=0, until=NOW):
    """Make the last page of a look."""
    return Page(entries, since, until)


class Api:
    """Answers listings with what stands next, and notes the queries."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.queries = []

    def list_entries(self, query):
        """Answer, or raise."""
        self.queries.append(query)
        answer = self.answers.pop(0) if self.answers else []
        if isinstance(answer, Exception):
            raise answer
        return iter(answer)


async def at_once(function, *arguments):
    """Run a blocking call here."""
    return function(*arguments)


def watch(state=None, flavor_watch=None, **conditions):
    """Make a watcher."""

    async def get():
        return flavor_watch

    given = ReadyConditions(**conditions)
    return ReadyWatch(given, state, NOW - 60, get_flavor_watch=get, call=at_once, now=lambda: NOW)


async def follow(feed, pages, interval=60.0):
    """Take so many pages of a feed."""
    taken = []
    async for one in feed.follow(interval):
        taken.append(one)
        if len(taken) == pages:
            break
    return taken


@pytest.fixture
def feed_of(monkeypatch):
    """Give a function that makes a feed whose clock moves on as it sleeps."""
    moment = [1000.0]

    async def sleep(seconds):
        moment[0] += seconds

    monkeypatch.setattr(ready_feed, "_sleep", sleep)

    def make(api):
        feed = ReadyFeed(api, call=at_once, clock=lambda: moment[0])

        async def until_due(due):
            moment[0] = max(moment[0], due)
            feed._asked.clear()

        monkeypatch.setattr(feed, "_until_due", until_due)
        return feed

    return make


def begins(api):
    """Tell at which seconds the looks began."""
    return [int(query.updated[0].timestamp()) for query in api.queries]


def test_looks_follow_the_servers_time(feed_of):
    """After a look has shown a time of the server, looks begin an overlap before it, and move on with our clock."""
    api = Api([entry(second=NOW)], [], [entry(second=NOW + 90)], [])
    feed = feed_of(api)
    feed.ask(NOW - 3600)
    taken = asyncio.run(follow(feed, 4))
    first, *others = begins(api)
    assert first == NOW - 3600 - OVERLAP_SECONDS
    assert others == [NOW + 60 - OVERLAP_SECONDS, NOW + 120 - OVERLAP_SECONDS, NOW + 180 - OVERLAP_SECONDS]
    assert [one.until for one in taken] == [NOW, NOW + 60, NOW + 120, NOW + 180]


def test_without_any_entry_looks_keep_their_beginning(feed_of):
    """Our clock may be wrong: what nobody has shown is not passed over."""
    api = Api([], [], [])
    feed = feed_of(api)
    feed.ask(NOW - 3600)
    asyncio.run(follow(feed, 3))
    assert begins(api) == [NOW - 3600 - OVERLAP_SECONDS] * 3


def test_failed_look_is_made_up_for(feed_of):
    """Who asked to go back far gets it by the next look that works."""
    api = Api(KalturaTransportError("gone", "CUT"), [entry()])
    feed = feed_of(api)
    feed.ask(NOW - 9000)
    asyncio.run(follow(feed, 1))
    assert begins(api) == [NOW - 9000 - OVERLAP_SECONDS] * 2


def test_feed_ends_after_too_many_failures(feed_of):
    """An outage is waited for, but not for ever."""
    api = Api(*[KalturaTransportError("gone", "CUT")] * 50)
    feed = feed_of(api)
    feed.ask(NOW)
    with pytest.raises(KalturaTransportError):
        asyncio.run(follow(feed, 1))
    assert len(api.queries) == ready_feed.MAX_FAILURES


def test_long_look_comes_in_pages(feed_of):
    """Memory holds a page; only the last one says how far the look has come."""
    api = Api([entry(f"0_{number}") for number in range(1200)])
    feed = feed_of(api)
    feed.ask(NOW)
    pages = asyncio.run(follow(feed, 3))
    assert [len(one.entries) for one in pages] == [500, 500, 200]
    assert [one.until for one in pages] == [None, None, NOW]


def test_category_gets_a_second_chance():
    """The index may show an entry before its categories: it is asked twice, and again when it is changed."""
    api = Api([], [], [entry("0_a")])
    one = watch(category="site>lectures")

    async def look(*entries):
        return [found.id for found in await one.take(page(*entries), api)]

    async def run():
        return [await look(entry("0_a")) for _ in range(4)], await look(entry("0_a", NOW + 1))

    assert asyncio.run(run()) == ([[], [], [], []], ["0_a"])
    assert len(api.queries) == 3


def test_category_that_an_entry_names_is_not_asked_for():
    """It is in the category, or below it; a longer name is another one."""
    api = Api([])
    named = [entry("0_a", categories=("Site>Lectures",)), entry("0_b", categories=("site>lectures>maths",))]
    other = entry("0_c", categories=("site>lectures2",))
    found = asyncio.run(watch(category="site>lectures").take(page(*named, other), api))
    assert [one.id for one in found] == ["0_a", "0_b"]
    assert [query.ids for query in api.queries] == [("0_c",)]


def test_what_waits_for_its_flavor_holds_the_place_back():
    """Another watcher would begin before it: what is not told yet is not passed over."""

    class Never:
        async def wait(self, *_arguments, **_words):
            await asyncio.Event().wait()

    async def run():
        one = watch(flavor="source", flavor_watch=Never())
        one.since = 0
        told = await one.take(page(entry(second=NOW - 500)), Api())
        state = one.state_after(page())
        one.close()
        return told, state

    assert asyncio.run(run()) == ([], {"since": NOW - 500, "told": []})


def test_nothing_is_kept_before_the_watcher_has_caught_up():
    """A look that began later than it asked for says nothing about what was before."""
    one = watch()
    assert one.state_after(page(since=NOW)) is None
    assert one.state_after(page(since=NOW - 700, until=None)) is None
    assert one.state_after(page(since=NOW)) == {"since": NOW, "told": []}


def test_memory_is_bounded(monkeypatch):
    """The oldest is forgotten first, and only the newest are kept over a restart."""
    monkeypatch.setattr(ready_watch, "MAX_TOLD", 3)
    monkeypatch.setattr(ready_watch, "_MAX_SAVED", 2)
    one = watch()
    for number in range(5):
        one.tell(entry(f"0_{number}"))
    assert one.state_after(page()) == {"since": NOW, "told": ["0_3", "0_4"]}
    fresh = asyncio.run(one.take(page(*(entry(f"0_{number}") for number in range(5))), Api()))
    assert [found.id for found in fresh] == ["0_0", "0_1"]


def test_conditions_that_cannot_be_are_refused():
    """A media type that is none, and a flavor that can't be read."""
    with pytest.raises(InvalidRequestError):
        ReadyConditions(media_types=("film",)).check()
    ReadyConditions(media_types=("video", 5), flavor=("best", "source")).check()
