"""Lists that arrive as text, as templates and forms give them."""

from __future__ import annotations

import ast
import json
from typing import Any


def as_listed(text: str) -> list[Any] | tuple[Any, ...] | None:
    """
    Read a list that is written as JSON or as Python does.

    :param text: The text.
    :returns: The list, None when it is none.
    """
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(found, list | tuple):
            return found
    return None
