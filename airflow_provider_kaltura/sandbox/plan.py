"""How one answer is sent: as it is, or changed, delayed, broken off."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_kaltura.sandbox.replies import Reply

# How the end of the body is told: by Content-Length, by the last chunk, or by the end of the connection.
GIVEN, CHUNKED, CLOSE = "given", "chunked", "close"


@dataclass
class Plan:
    """
    What happens to one answer.

    :param reply: Is sent instead of the answer.
    :param shapes: Change the answer, in order.
    :param wait_seconds: Pause before the first byte.
    :param length: How the end of the body is told.
    :param length_delta: Is added to the number in Content-Length; the body stays.
    :param cut_after: The connection ends after so many bytes of the body.
    :param reset: It ends by a reset instead of an orderly close.
    :param silent: Nothing is answered at all.
    :param raw: These bytes are sent instead of anything HTTP.
    :param stall_after: After so many bytes of the body nothing comes for `stall_seconds`.
    :param stall_seconds: See `stall_after`.
    :param bytes_per_second: How fast the body is sent at most.
    """

    reply: Reply | None = None
    shapes: list[Callable[[Reply], Reply]] = field(default_factory=list)
    wait_seconds: float = 0.0
    length: str = GIVEN
    length_delta: int = 0
    cut_after: Callable[[Reply], int] | None = None
    reset: bool = False
    silent: bool = False
    raw: bytes | None = None
    stall_after: int | None = None
    stall_seconds: float = 0.0
    bytes_per_second: float | None = None

    def shape(self, reply: Reply) -> Reply:
        """Return the reply as it is to be sent."""
        for change in self.shapes:
            reply = change(reply)
        return reply

    @property
    def breaks(self) -> bool:
        """Whether the connection can't go on after this answer."""
        odd_end = self.length != GIVEN or self.length_delta != 0 or self.cut_after is not None
        return odd_end or self.silent or self.raw is not None
