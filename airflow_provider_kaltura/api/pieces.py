"""
A multirequest sent in pieces, so that one which was blocked in part asks only once for what was answered.

Kaltura counts each action of a multirequest. Sent again as a whole, a large one would use up the room that it waits
for, and never come to its end.
"""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any, Final

from KalturaClient.Base import KalturaParams
from lxml import etree

from airflow_provider_kaltura.api.errors import ThrottledError
from airflow_provider_kaltura.api.retries import PartialAnswerError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_provider_kaltura.api.answers import Call
    from airflow_provider_kaltura.api.limiter import Limiter
    from airflow_provider_kaltura.api.retries import Retrier

# An action may take its arguments from the answer of one before it.
_REFERENCE: Final = re.compile(r"\{\d+:result")


def can_be_cut(params: Any) -> bool:
    """
    Tell whether the actions of a multirequest may be sent apart.

    :param params: Its parameters.
    :returns: False when one may refer to another's answer.
    """
    return _REFERENCE.search(params.toJson()) is None


class Pieces:
    """
    The actions of one multirequest, and the answers so far.

    :param params: All its parameters; those of the actions under ``"1"``, ``"2"``…
    :param calls: Its actions.
    :param send: Sends some of them, as parameters and actions; raises PartialAnswerError for what may pass.
    """

    def __init__(
        self, params: Any, calls: Sequence[Call], send: Callable[[Any, Sequence[Call]], etree._Element]
    ) -> None:
        self._params: dict[str, Any] = params.get()
        self._calls = calls
        self._send = send
        self._answers: dict[int, etree._Element] = {}
        self._missing = list(range(len(calls)))

    def all(self, retrier: Retrier, limiter: Limiter) -> etree._Element:
        """
        Send all of them, again where that helps, as long as it brings anything.

        :param retrier: Waits between tries.
        :param limiter: Says how many may go at once.
        :returns: The ``result`` element; errors that did not pass are items of it.
        :raises KalturaError: A request failed as a whole.
        """
        while self._missing:
            before = len(self._missing)
            try:
                retrier.call(lambda: self._some(limiter.most_actions), idempotent=True)
            except PartialAnswerError as error:
                if not isinstance(error.error, ThrottledError):
                    self._missing = [index for index in self._missing if index not in self._answers]
                elif len(self._missing) == before:
                    self._give_up()
        result = etree.Element("result")
        result.extend([self._answers[index] for index in range(len(self._calls))])
        return result

    def _some(self, most: int | None) -> None:
        indexes = self._missing[:most]
        try:
            answer = self._send(self._params_of(indexes), [self._calls[index] for index in indexes])
        except PartialAnswerError as error:
            self._keep(indexes, error.answer, error.passing)
            raise
        self._keep(indexes, answer, frozenset())

    def _keep(self, indexes: Sequence[int], answer: etree._Element, passing: frozenset[int]) -> None:
        items = list(answer)
        self._answers.update(zip(indexes, items, strict=True))
        settled = {index for place, index in enumerate(indexes) if place not in passing}
        self._missing = [index for index in self._missing if index not in settled]

    def _give_up(self) -> None:
        """Take what was not even sent for blocked, as it would be."""
        refusal = self._answers[self._missing[0]]
        for index in self._missing:
            self._answers.setdefault(index, copy.deepcopy(refusal))
        self._missing = []

    def _params_of(self, indexes: Sequence[int]) -> Any:
        some = KalturaParams()
        some.update({name: value for name, value in self._params.items() if not name.isdecimal()})
        some.update({str(number): self._params[str(index + 1)] for number, index in enumerate(indexes, 1)})
        return some
