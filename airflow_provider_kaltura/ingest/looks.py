"""
Look at many entries at once, so that trouble with one of them stays with that one.

One request answers for all, and one entry can spoil it: the server crashes over it, or its answer can't be read. An
error that can't pass is traced to its entry at once, by halving; one that may pass when it came back several times.
Entries that were found guilty are asked alone from then on, until they answer.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from airflow_provider_kaltura.api.errors import AuthError, ConfigurationError, KalturaError, KalturaTransportError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence

    from airflow_provider_kaltura.api.facade import KalturaApi
    from airflow_provider_kaltura.api.models import EntrySnapshot

log = logging.getLogger(__name__)

Answers: TypeAlias = "dict[str, EntrySnapshot | Exception]"

# Every so many failures in a row of the request for all, its entries are told apart.
_FAILURES_UNTIL_HALVING: Final = 3
# What one tick may ask besides its first call to find out whose error it was.
_MAX_ISOLATING_CALLS: Final = 24
# When so many single entries fail and nobody answers, it is the server.
_SINGLES_OF_AN_OUTAGE: Final = 2
_ALONE_PER_TICK: Final = 8
# Longer than all tries of a call that gets its errors in time; such a thread can't be stopped, only left behind.
_LOOK_SECONDS: Final = 300.0
_MAX_LEFT_BEHIND: Final = 2
_UNCLEAR: Final = "UNCLEAR"
_HUNG: Final = "HUNG"


class Looks:
    """
    The looks of one watch; remembers who spoils requests.

    :param api: Kaltura.
    :param call: Runs a blocking call off the loop.
    """

    def __init__(self, api: KalturaApi, call: Callable[..., Awaitable[Any]]) -> None:
        self._api = api
        self._call = call
        self._failures = 0
        # In the order in which they were asked last.
        self._guilty: dict[str, None] = {}
        self._left_behind: set[asyncio.Future[Any]] = set()

    async def at(self, entry_ids: Sequence[str], web: Collection[str]) -> Answers:
        """
        Look at entries, in one call unless one of them spoils it for the others.

        :param entry_ids: Whom to ask about.
        :param web: Those whose web-playable flavors must be known.
        :returns: What was seen of each, or why it could not be looked at.
        """
        alone = [entry_id for entry_id in self._guilty if entry_id in entry_ids]
        together = [entry_id for entry_id in entry_ids if entry_id not in self._guilty]
        answers: Answers = await self._at_all(together, web) if together else {}
        for entry_id in alone[:_ALONE_PER_TICK]:
            answer = answers[entry_id] = await self._at_one(entry_id, web)
            del self._guilty[entry_id]
            if isinstance(answer, Exception):
                self._guilty[entry_id] = None
        answers.update(dict.fromkeys(alone[_ALONE_PER_TICK:], _unclear("many entries fail, and are asked in turn")))
        return {entry_id: answers.get(entry_id) or _left_out(entry_id) for entry_id in entry_ids}

    def keep(self, entry_ids: Collection[str]) -> None:
        """
        Forget everybody else.

        :param entry_ids: Who is still waited for.
        """
        self._guilty = {entry_id: None for entry_id in self._guilty if entry_id in entry_ids}

    async def _at_one(self, entry_id: str, web: Collection[str]) -> EntrySnapshot | Exception:
        found = await self._ask([entry_id], web)
        return found if isinstance(found, Exception) else found.get(entry_id) or _left_out(entry_id)

    async def _at_all(self, entry_ids: list[str], web: Collection[str]) -> Answers:
        found = await self._ask(entry_ids, web)
        if not isinstance(found, Exception):
            self._failures = 0
            return found
        self._failures += 1
        is_due = is_permanent(found) or self._failures % _FAILURES_UNTIL_HALVING == 0
        if len(entry_ids) == 1 or concerns_everybody(found) or not is_due or _is_hung(found):
            return dict.fromkeys(entry_ids, found)
        return await self._isolate(entry_ids, web, found)

    async def _isolate(self, entry_ids: list[str], web: Collection[str], error: Exception) -> Answers:
        """Halve until everybody's own answer is known, or the calls are used up."""
        answers: Answers = {}
        errors: dict[str, Exception] = {}
        unclear: list[str] = []
        todo = list(_halves(entry_ids))
        calls = 0
        while todo:
            part = todo.pop()
            is_outage = len(errors) >= _SINGLES_OF_AN_OUTAGE and not answers and not is_permanent(error)
            if calls >= _MAX_ISOLATING_CALLS or is_outage:
                unclear += part
                continue
            calls += 1
            found = await self._ask(part, web)
            if not isinstance(found, Exception):
                answers.update(found)
            elif len(part) == 1:
                errors[part[0]] = error = found
            elif concerns_everybody(found) or _is_hung(found):
                return {**dict.fromkeys(entry_ids, found), **answers}
            else:
                error = found
                todo += _halves(part)
        if not answers and not is_permanent(error):
            return dict.fromkeys(entry_ids, error)
        # Where something is still unclear, the next tick goes on with it.
        self._failures = _FAILURES_UNTIL_HALVING - 1 if unclear else 0
        self._guilty.update(dict.fromkeys(errors))
        text = f"one of {len(unclear)} entries could not be looked at: {type(error).__name__}"
        return {**answers, **errors, **dict.fromkeys(unclear, _unclear(text))}

    async def _ask(self, entry_ids: list[str], web: Collection[str]) -> Answers | Exception:
        if len(self._left_behind) >= _MAX_LEFT_BEHIND:
            return KalturaTransportError("Earlier looks still hang.", _HUNG)
        wanted = sorted(set(web) & set(entry_ids))
        asking = asyncio.ensure_future(self._call(_snapshot, self._api, entry_ids, wanted))
        try:
            await asyncio.wait({asking}, timeout=_LOOK_SECONDS)
        finally:
            if not asking.done():
                self._left_behind.add(asking)
                asking.add_done_callback(self._come_back)
        if not asking.done():
            return KalturaTransportError(f"No answer within {_LOOK_SECONDS:g} seconds.", _HUNG)
        try:
            return dict(asking.result())
        except Exception as error:  # noqa: BLE001 - told to every wait that it concerns
            return error

    def _come_back(self, asking: asyncio.Future[Any]) -> None:
        self._left_behind.discard(asking)
        if not asking.cancelled():
            # Too late; this keeps asyncio from complaining.
            asking.exception()


def is_permanent(error: Exception) -> bool:
    """Tell whether an error can't pass. What is none of ours may be anything: it counts among those that may."""
    return isinstance(error, KalturaError) and not error.retryable


def concerns_everybody(error: Exception) -> bool:
    """Tell whether an error is one of the account, whoever was asked about."""
    return isinstance(error, AuthError | ConfigurationError)


def is_unclear(error: Exception) -> bool:
    """Tell whether nobody knows if an error is this entry's: it may not end a wait that it doesn't concern."""
    return getattr(error, "code", None) == _UNCLEAR


def _is_hung(error: Exception) -> bool:
    # One call more would only hang too.
    return getattr(error, "code", None) == _HUNG


def _snapshot(api: KalturaApi, entry_ids: Sequence[str], web: Iterable[str]) -> Answers:
    return dict(api.snapshot(entry_ids, web_playable_for=list(web)))


def _halves(entry_ids: list[str]) -> tuple[list[str], list[str]]:
    middle = len(entry_ids) // 2
    return entry_ids[:middle], entry_ids[middle:]


def _unclear(text: str) -> KalturaTransportError:
    return KalturaTransportError(text, _UNCLEAR)


def _left_out(entry_id: str) -> KalturaTransportError:
    return KalturaTransportError(f"Entry {entry_id} was left out of the answer.", "LEFT_OUT")
