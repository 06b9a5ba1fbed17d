"""File names out of texts that strangers chose. Pure."""

from __future__ import annotations

import hashlib
import re
import unicodedata

MAX_NAME_BYTES = 255
"""Longest file name on ext4, XFS, APFS and NTFS alike, counted in UTF-8."""

_REPLACEMENT = "_"
_HASH_DIGITS = 10
# What no name may hold: path separators, what Windows and SMB refuse, and texts that change how a line reads.
_FORBIDDEN = frozenset('/\\:*?"<>|\u2028\u2029\ufeff') | {
    chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
}
_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cs"})
_DOTS_OR_EDGES = re.compile(r"\A[.\s]+|\.{2,}|[.\s]+\Z")
_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,10}\Z")
_MARKED = re.compile(rf"~[0-9a-f]{{{_HASH_DIGITS}}}(\.[A-Za-z0-9]{{1,10}})?\Z")
_WINDOWS_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\.|\Z)", re.IGNORECASE)
_JOINERS = frozenset("\u200d\ufe0e\ufe0f")


def safe_part(value: str) -> str:
    """
    Replace what a filled part of a name must not hold, character by character.

    :param value: What a placeholder stands for.
    :returns: NFC text without separators, control characters, two dots in a row, dots or spaces at its ends.
    """
    text = "".join(_safe_character(character) for character in unicodedata.normalize("NFC", value))
    return _DOTS_OR_EDGES.sub(lambda found: _REPLACEMENT * len(found.group()), text)


def finish_name(text: str, raw: str, *, reserved: frozenset[str] = frozenset()) -> str:
    """
    Make one whole name safe, and keep it apart from every other name that was changed into the same text.

    A name that had to be changed carries ``~`` and ten hex digits of the unchanged text before its extension; so does
    one that looks as if it did already. Two texts that differ in more than their Unicode normal form therefore never
    share a name (up to a collision of the hash).

    :param text: The name, its filled parts made safe by :func:`safe_part`.
    :param raw: The same name before that.
    :param reserved: Names that are taken, in lower case.
    :returns: At most 255 bytes in UTF-8.
    """
    text = unicodedata.normalize("NFC", text)
    if _WINDOWS_RESERVED.match(text) or text.casefold() in reserved:
        text = _REPLACEMENT + text
    unchanged = text == unicodedata.normalize("NFC", raw) and not _MARKED.search(text)
    if unchanged and len(text.encode()) <= MAX_NAME_BYTES:
        return text
    extension = match.group() if (match := _EXTENSION.search(text)) else ""
    digest = hashlib.sha256(unicodedata.normalize("NFC", raw).encode(errors="surrogatepass")).hexdigest()
    tail = f"~{digest[:_HASH_DIGITS]}{extension}"
    stem = text.removesuffix(extension) if extension else text
    return cut_utf8(stem, MAX_NAME_BYTES - len(tail.encode())) + tail


def cut_utf8(text: str, max_bytes: int) -> str:
    """
    Cut *text* so that it fits, without splitting a letter from its accents or an emoji from its parts.

    :param text: Any text that UTF-8 can hold.
    :param max_bytes: Longest result.
    :returns: A prefix of *text*.
    """
    encoded = text.encode()
    if len(encoded) <= max_bytes:
        return text
    kept = len(encoded[:max_bytes].decode(errors="ignore"))
    end = kept
    while end > 0 and _joins(text[end - 1], text[end]):
        end -= 1
    return text[: end or kept]


def slug(text: str, max_length: int) -> str:
    """
    Make an ASCII name that means roughly *text*; not unique.

    :param text: Any text, such as Airflow's run id.
    :param max_length: Longest result.
    :returns: Letters, digits, ``.``, ``_`` only; at least one character.
    """
    return re.sub(r"[^A-Za-z0-9_.]+", "_", text).strip("._")[:max_length] or "x"


def _safe_character(character: str) -> str:
    if character in _FORBIDDEN or unicodedata.category(character) in _FORBIDDEN_CATEGORIES:
        return _REPLACEMENT
    return character


def _joins(left: str, right: str) -> bool:
    return (
        unicodedata.combining(right) != 0
        or unicodedata.category(right) == "Mc"
        or right in _JOINERS
        or left == "\u200d"
    )
