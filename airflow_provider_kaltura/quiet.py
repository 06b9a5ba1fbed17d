"""Keep our URLs out of urllib3's log. Below all layers, since two of them make requests; imports nothing of ours."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Every logger of urllib3's, since a logger's filter does not see what the loggers below it say: at level DEBUG path
#: and query of every request, at WARNING the whole URL of an answer with a broken header.
LOGGERS: Final = (
    "urllib3",
    "urllib3.connection",
    "urllib3.connectionpool",
    "urllib3.contrib.emscripten.response",
    "urllib3.contrib.pyopenssl",
    "urllib3.http2.connection",
    "urllib3.poolmanager",
    "urllib3.response",
    "urllib3.util.retry",
)

_asking = threading.local()


def _not_ours(_record: logging.LogRecord) -> bool:
    return not getattr(_asking, "ours", False)


@contextmanager
def quiet_urllib3() -> Iterator[None]:
    """
    Drop what urllib3 logs about the requests made in this block, by this thread; others' records pass.

    In a URL a KS or a signature may stand.
    """
    for name in LOGGERS:
        # addFilter adds the same filter once.
        logging.getLogger(name).addFilter(_not_ours)
    before = getattr(_asking, "ours", False)
    _asking.ours = True
    try:
        yield
    finally:
        _asking.ours = before
