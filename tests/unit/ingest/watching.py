"""A Kaltura whose answers change with a loop's time, and watches that run on that loop."""

from __future__ import annotations

import asyncio

from airflow_provider_kaltura.api.errors import (
    NotFoundError,
)
from airflow_provider_kaltura.api.models import Entry, EntrySnapshot, FlavorAsset
from airflow_provider_kaltura.ingest.watch import FlavorWatch

START = 54_000.0


def snapshot(entry_id, *statuses, entry_status="1", web=None):
    """Make a snapshot whose first asset is the source."""
    assets = tuple(
        FlavorAsset(id=f"{entry_id}_{index}", entry_id=entry_id, partner_id=102, status=status, is_original=index == 0)
        for index, status in enumerate(statuses)
    )
    entry = Entry(id=entry_id, partner_id=102, status=entry_status)
    return EntrySnapshot(entry=entry, assets=assets, web_playable_ids=web)


class FakeApi:
    """Answers from a table of what holds from which second on; notes every call."""

    def __init__(self, **answers):
        self.answers = answers
        self.calls = []

    def snapshot(self, entry_ids, *, web_playable_for=()):
        """Answer for each entry what holds now, and raise what is raised now."""
        now = asyncio.get_event_loop().time() - START
        self.calls.append((now, tuple(entry_ids), tuple(web_playable_for)))
        found = {}
        for entry_id in entry_ids:
            holds = [answer for since, answer in self.answers.get(entry_id, ()) if since <= now]
            answer = holds[-1] if holds else snapshot(entry_id, 1)
            if isinstance(answer, Exception) and not isinstance(answer, NotFoundError):
                raise answer
            found[entry_id] = answer
        return found

    @property
    def times(self):
        """When calls were made."""
        return [call[0] for call in self.calls]


async def inline(function, *arguments):
    """Run a call on the loop itself."""
    return function(*arguments)


def make_watch(api, call=inline):
    """Make a watch whose wall clock is the loop's."""
    loop = asyncio.get_running_loop()
    return FlavorWatch(api, call=call, now=loop.time)


def ready(entry_id, at):
    """Say that an entry's source becomes ready after some seconds."""
    return [(0, snapshot(entry_id, 1)), (at, snapshot(entry_id, 2))]
