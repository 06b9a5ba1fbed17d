"""Keep our URLs out of urllib3's log. Below all layers, since two of them make requests; imports nothing of ours."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_asking = threading.local()


def _not_ours(_record: logging.LogRecord) -> bool:
    return not getattr(_asking, "ours", False)


@contextmanager
def quiet_urllib3() -> Iterator[None]:
    """
    Drop what urllib3 logs about the requests made in this block, by this thread; others' records pass.

    At level DEBUG it logs path and query of every request, in which a KS may stand.
    """
    # addFilter adds the same filter once.
    logging.getLogger("urllib3.connectionpool").addFilter(_not_ours)
    _asking.ours = True
    try:
        yield
    finally:
        _asking.ours = False
