"""Everybody who must know a secret as soon as it exists (log masking) registers here."""

from __future__ import annotations

import base64
import html
import json
import os
import re
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Callable

# A process meets few secrets: one per connection, a KS per scope and day, one per download URL that carries one.
_LIMIT = 4096
_MIN_LENGTH = 5  # shorter texts would blank out ordinary words; Airflow's masker has the same limit

_PERCENT = re.compile("%[0-9A-F]{2}")

_lock = threading.Lock()
_callbacks: list[Callable[[str], None]] = []
_known: OrderedDict[str, None] = OrderedDict()
_forms: tuple[str, ...] | None = None


def register(callback: Callable[[str], None]) -> None:
    """
    Have *callback* called with every secret met from now on, and with those met already.

    :param callback: Takes one secret; called from any thread; registered once however often it is given.
    """
    with _lock:
        if callback in _callbacks:
            return
        _callbacks.append(callback)
        known = list(_known)
    for secret in known:
        callback(secret)


def unregister(callback: Callable[[str], None]) -> None:
    """
    Forget *callback*; harmless when it is not registered.

    :param callback: What was given to :func:`register`.
    """
    with _lock:
        if callback in _callbacks:
            _callbacks.remove(callback)


def announce(secret: str) -> None:
    """
    Tell everybody about a secret, once, before it is used or logged anywhere.

    :param secret: A KS, an admin secret, an application token.
    """
    global _forms  # noqa: PLW0603 - a cache of what follows from _known
    if len(secret) < _MIN_LENGTH:
        return
    with _lock:
        if secret in _known:
            _known.move_to_end(secret)
            return
        _known[secret] = None
        _forms = None
        while len(_known) > _LIMIT:
            _known.popitem(last=False)
        callbacks = list(_callbacks)
    for callback in callbacks:
        callback(secret)


def forget_all() -> None:
    """Forget every secret met; for tests."""
    global _forms  # noqa: PLW0603 - a cache of what follows from _known
    with _lock:
        _known.clear()
        _forms = None


def forms() -> tuple[str, ...]:
    """Every secret as it is and percent-encoded, longest first, so that none is cut by a shorter one inside it."""
    global _forms  # noqa: PLW0603 - a cache of what follows from _known
    with _lock:
        if _forms is None:
            texts = {form for secret in _known for form in _forms_of(secret) if len(form) >= _MIN_LENGTH}
            _forms = tuple(sorted(texts, key=len, reverse=True))
        return _forms


def _forms_of(secret: str) -> set[str]:
    """Give the shapes in which a text may show a secret; a KS, of which there may be thousands, is known by its own."""
    once = quote(secret, safe="")
    found = {secret, once}
    if secret.startswith("djJ8"):
        return found
    loose = quote(secret)
    found |= {loose, quote_plus(secret), quote(once, safe="")}
    found |= {_PERCENT.sub(lambda match: match[0].lower(), form) for form in (once, loose)}
    found |= {once.lower(), html.escape(secret), json.dumps(secret)[1:-1]}
    raw = secret.encode("utf-8", "surrogatepass")
    found |= {encode(raw).decode().rstrip("=") for encode in (base64.b64encode, base64.urlsafe_b64encode)}
    return found


def _after_fork() -> None:
    global _lock  # noqa: PLW0603 - a lock that another thread held during the fork would never be released
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
