"""
What Azure can hold, and how ours is written there: names of blobs, metadata, ids of blocks. Pure.

Azure changes some names without a word (a backslash becomes a slash, a final dot is lost); these are refused.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

from airflow_provider_kaltura.transfer.errors import InvalidKeyError
from airflow_provider_kaltura.transfer.keys import split_key

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST_NAME: Final = 1024
_MOST_SEGMENTS: Final = 254
_NEVER_IN_A_PLANE: Final = frozenset({0xFFFE, 0xFFFF})
#: Names of metadata are names in C#; ours have a hyphen elsewhere.
_METADATA_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OURS: Final = "kaltura-"
_OURS_THERE: Final = "kaltura_"
#: Says which upload made a blob, so that its writer knows it again when the answer to a commit was lost.
UPLOAD_METADATA: Final = "kaltura_upload"
#: Everything printable in ASCII but the percent sign.
_PLAIN: Final = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")
#: A header's value loses spaces around it, and repeated ones change its signature.
_UNSAFE_SPACE: Final = re.compile(r"^ | $|(?<= ) ")
_BLOCK_ID: Final = re.compile(r"kaltura\.([0-9a-f]{16})\.([0-9]{5})\.([0-9a-f]{16})")
#: Index in the id of the block that ends an upload: there is no part of this number.
_END: Final = 99_999


def blob_name(prefix: str, key: str) -> str:
    """
    Give the name of a key's blob.

    :param prefix: What every key of the root begins with in the container: empty, or ending in ``/``.
    :param key: Name below the root.
    :returns: The whole name.
    :raises InvalidKeyError: The key is none, or Azure can't hold the name as it is.
    """
    parts = split_key(key)
    name = f"{prefix}{key}"
    if any(part.endswith(".") for part in parts):
        raise InvalidKeyError("Azure can't keep a name with a component that ends in a dot", key)
    if bad := next((letter for letter in name if _is_refused(letter)), None):
        raise InvalidKeyError(f"Azure can't keep a name with the character U+{ord(bad):04X}", key)
    # Azure counts as .NET does.
    if len(name.encode("utf-16-le")) // 2 > _LONGEST_NAME or name.count("/") >= _MOST_SEGMENTS:
        raise InvalidKeyError(f"Azure keeps names of up to {_LONGEST_NAME} characters and {_MOST_SEGMENTS} parts", key)
    return name


def _is_refused(letter: str) -> bool:
    # Of the unassigned only what will never be assigned, which XML does not carry: two in each plane, and a block.
    is_never_a_letter = ord(letter) % 0x10000 in _NEVER_IN_A_PLANE or "\ufdd0" <= letter <= "\ufdef"
    return letter == "\\" or is_never_a_letter or unicodedata.category(letter) in {"Cc", "Co"}


def metadata_there(metadata: Mapping[str, str], key: str) -> dict[str, str]:
    """
    Write metadata as Azure takes it: ``kaltura-entry`` as ``kaltura_entry``, values in percent-encoded ASCII.

    Only what a header could not carry is encoded, and the percent sign itself.

    :param metadata: By name.
    :param key: Name below the root, for messages.
    :returns: By name.
    :raises InvalidKeyError: Azure can't hold a name, or it would be taken for one of ours.
    """
    there: dict[str, str] = {}
    for name, value in metadata.items():
        written = name.replace("-", "_") if name.startswith(_OURS) else name
        if not _METADATA_NAME.fullmatch(written):
            text = (
                f"Azure takes metadata names of letters, digits and '_', not beginning with a digit: not {name!r:.80}"
            )
            raise InvalidKeyError(text, key)
        if written == name and written.lower().startswith(_OURS_THERE):
            raise InvalidKeyError(f"metadata names that begin with 'kaltura_' are ours on Azure: not {name!r:.80}", key)
        there[written] = _UNSAFE_SPACE.sub("%20", quote(value, safe=_PLAIN))
    return there


def metadata_back(there: Mapping[str, str] | None) -> dict[str, str]:
    """
    Read metadata back.

    :param there: As Azure has it.
    :returns: As it was given to :func:`metadata_there`.
    """
    back: dict[str, str] = {}
    for name, value in (there or {}).items():
        if name.lower() == UPLOAD_METADATA:
            continue
        is_ours = name.lower().startswith(_OURS_THERE)
        back[name.lower().replace("_", "-") if is_ours else name] = unquote(value)
    return back


@dataclass(frozen=True, slots=True)
class BlockId:
    """
    What the id of a block says: whose it is, which part it holds, and that part's CRC-64/NVME.

    All ids of a blob must be of one length; ours have 47 characters, of 64 that are allowed.
    """

    token: str
    index: int
    crc64nvme: int

    def __str__(self) -> str:
        return f"kaltura.{self.token}.{self.index:05d}.{self.crc64nvme:016x}"

    @property
    def is_end(self) -> bool:
        """The upload was discarded, and must not be gone on with."""
        return self.index == _END

    @classmethod
    def of_end(cls, token: str) -> BlockId:
        """
        Give the id of the block that ends an upload.

        :param token: Of the upload.
        :returns: The id.
        """
        return cls(token, _END, 0)

    @classmethod
    def parse(cls, text: str) -> BlockId | None:
        """
        Read an id.

        :param text: As the service lists it, decoded.
        :returns: None when it is not one of ours.
        """
        found = _BLOCK_ID.fullmatch(text)
        return cls(found[1], int(found[2]), int(found[3], 16)) if found else None
