"""Kaltura's ids, checked before they enter a request, a URL or a path."""

from __future__ import annotations

import re

from airflow_provider_kaltura.api.errors import InvalidRequestError

# Ids look like 0_abc12345; older ones have no prefix, the platform's own look like _KMCLOGO. The server takes any text
# and answers "not found", so this only keeps out what could change the meaning of a list, a URL or a path.
_ID = re.compile(r"[0-9A-Za-z_\-]{1,100}")
_USUAL_ID = re.compile(r"[0-9]{1,4}_[0-9A-Za-z]{1,60}")


def is_id(text: object) -> bool:
    """Tell whether *text* can be the id of an entry or asset."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def looks_like_id(text: str) -> bool:
    """Tell whether *text* has the usual form of an id, ``0_abc12345``."""
    return _USUAL_ID.fullmatch(text) is not None


def check_id(text: object, what: str = "entry id") -> str:
    """
    Return *text* when it can be an id.

    :param text: What a user gave.
    :param what: Kind of id, for the message.
    :returns: The same text.
    :raises InvalidRequestError: It can't be one.
    """
    if not is_id(text):
        raise InvalidRequestError(
            f"{text!r:.80} is no Kaltura {what}: expected letters, digits, '_' and '-', such as '0_abc12345'.",
            "INVALID_ID",
        )
    return str(text)
