"""Names below a root, checked once more by every sink although the caller has checked them."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import TYPE_CHECKING

from airflow_provider_kaltura.transfer.errors import InvalidKeyError

if TYPE_CHECKING:
    from collections.abc import Iterable

#: What is under way ends like this, so that listings skip it and clean-up finds it.
PARTIAL_SUFFIX = ".kaltura-partial"
_ASIDE = "old"
_PARTIAL_NAME = re.compile(r"\.[0-9a-f]{16}\.[0-9a-f]{16}(?:\.[0-9a-z-]{1,40})?\.kaltura-partial")


def split_key(key: str) -> tuple[str, ...]:
    """
    Split a key into its components.

    :param key: ``/``-separated, relative.
    :returns: At least one component.
    :raises InvalidKeyError: It is empty or absolute, has a NUL or an empty, ``.`` or ``..`` component.
    """
    parts = tuple(key.split("/"))
    if "\0" in key:
        raise InvalidKeyError("a key can't contain NUL", key)
    if any(part in {"", ".", ".."} for part in parts):
        raise InvalidKeyError("a key is relative and has no empty, '.' or '..' component", key)
    try:
        key.encode()
    except UnicodeEncodeError:
        raise InvalidKeyError("a key is valid Unicode, without lone surrogates", key) from None
    if is_partial_name(parts[-1]):
        raise InvalidKeyError(f"names ending in {PARTIAL_SUFFIX} are reserved", key)
    return parts


def partial_name(name: str) -> str:
    """
    Make a temporary name that nobody else has.

    It is 50 bytes long whatever the final name is, so that a final name of 255 bytes works too.

    :param name: Final name, without folders.
    :returns: A name beside it.
    """
    digest = hashlib.blake2b(name.encode(), digest_size=8).hexdigest()
    return f".{digest}.{secrets.token_hex(8)}{PARTIAL_SUFFIX}"


def partial_piece_name(upload: str, piece: str) -> str:
    """
    Name one of the several temporary objects of an upload.

    :param upload: A name of :func:`partial_name`.
    :param piece: Which one: at most 40 lower-case letters, digits and hyphens.
    :returns: A name that begins as that of the upload does.
    """
    return f"{upload.removesuffix(PARTIAL_SUFFIX)}.{piece}{PARTIAL_SUFFIX}"


def aside_name(name: str) -> str:
    """
    Make a temporary name for a finished file that is about to be replaced.

    :param name: Final name, without folders.
    :returns: A name beside it that nobody else has.
    """
    return partial_piece_name(partial_name(name), _ASIDE)


def is_aside_of_none(name: str, others: Iterable[str]) -> bool:
    """
    Tell whether a name was made by :func:`aside_name` for a file that is not there: then it is the only one left.

    :param name: Name without folders.
    :param others: The names beside it.
    :returns: True when nothing may remove it.
    """
    if not is_partial_name(name) or not name.endswith(f".{_ASIDE}{PARTIAL_SUFFIX}"):
        return False
    digest = name.split(".")[1]
    return all(partial_name(other).split(".")[1] != digest for other in others)


def next_partial_name(name: str) -> str:
    """
    Give the name that a temporary file gets from the next one who goes on with it.

    It follows from the one before, so that a third finds the file although nobody wrote the new name down.

    :param name: A name of :func:`partial_name`, or of this function.
    :returns: Another one, for the same final name.
    """
    _, digest, token, _ = name.split(".")
    following = hashlib.blake2b(token.encode(), digest_size=8).hexdigest()
    return f".{digest}.{following}{PARTIAL_SUFFIX}"


def is_partial_name(name: str) -> bool:
    """
    Tell whether a name was made by :func:`partial_name` or :func:`partial_piece_name`.

    :param name: Name without folders.
    :returns: True when it is.
    """
    return _PARTIAL_NAME.fullmatch(name) is not None
