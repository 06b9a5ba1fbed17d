"""Kaltura sessions as texts: made from the admin secret without the network, and read as far as they can be."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from airflow_provider_kaltura.api.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

USER, ADMIN = 0, 2
_BLOCK_BYTES = 16
_V1_FIELDS = 7
_HEX_SHA1_LENGTH = 40


@dataclass(frozen=True, slots=True)
class KsFields:
    """What a KS of version 1 says in clear."""

    partner_id: int
    expires_at: int
    type: int
    user_id: str
    privileges: tuple[str, ...]


def make_v2(
    secret: str,
    *,
    partner_id: int,
    session_type: int,
    user_id: str,
    privileges: Sequence[str],
    expires_at: int,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> str:
    """
    Make a KS of version 2; nothing crosses the network (recorded cases sessions.local_v2_*).

    :param secret: The ADMIN secret, also for user sessions: with the user secret they are INVALID_KS.
    :param partner_id: Account.
    :param session_type: 0 user, 2 admin.
    :param user_id: User, may be empty.
    :param privileges: Such as ``disableentitlement`` or ``list:*``, each name once.
    :param expires_at: Seconds since the epoch.
    :param random_bytes: Gives so many random bytes.
    :returns: The KS.
    :raises ConfigurationError: A privilege is named twice; this form of KS holds one value per name.
    """
    from cryptography.hazmat.primitives.ciphers import (  # noqa: PLC0415 - heavy; needed by this method only
        Cipher,
        algorithms,
        modes,
    )

    fields: dict[str, str] = {}
    for privilege in privileges:
        name, _, value = privilege.strip().partition(":")
        if name in fields:
            raise ConfigurationError(f"privileges: {name!r} is named twice, which a locally made KS can't hold.")
        fields[name] = value
    fields |= {"_e": str(expires_at), "_t": str(session_type), "_u": user_id}
    rest = random_bytes(_BLOCK_BYTES) + urlencode(fields).encode()
    plain = _sha1(rest) + rest
    plain += b"\0" * (-len(plain) % _BLOCK_BYTES)
    # Kaltura's own format: AES-128-CBC, a key from the secret's SHA-1, a zero IV behind a random first block.
    cipher = Cipher(algorithms.AES128(_sha1(secret.encode())[:16]), modes.CBC(b"\0" * _BLOCK_BYTES)).encryptor()
    sealed = cipher.update(plain) + cipher.finalize()
    return base64.urlsafe_b64encode(f"v2|{partner_id}|".encode() + sealed).decode()


def read_v1(ks: str) -> KsFields | None:
    """
    Read a KS of version 1, which is signed but not encrypted.

    :param ks: Any KS.
    :returns: Its fields; None for any other text.
    """
    try:
        text = base64.b64decode(ks.encode(), validate=True).decode()
    except (ValueError, binascii.Error):
        return None
    signature, bar, info = text.partition("|")
    fields = info.split(";", _V1_FIELDS - 1)
    if not bar or len(signature) != _HEX_SHA1_LENGTH or len(fields) != _V1_FIELDS:
        return None
    partner_id, _, expires_at, kind, _, user_id, privileges = fields
    try:
        # Newer servers append further fields behind the privileges.
        listed = tuple(item for item in privileges.partition(";")[0].split(",") if item)
        return KsFields(int(partner_id), int(expires_at), int(kind), user_id, listed)
    except ValueError:
        return None


def read_partner_v2(ks: str) -> int | None:
    """
    Read the partner of a KS of version 2, the only field in clear.

    :param ks: Any KS.
    :returns: The partner id; None for any other text.
    """
    try:
        decoded = base64.urlsafe_b64decode(ks.encode())
    except (ValueError, binascii.Error):
        return None
    version, _, rest = decoded.partition(b"|")
    partner = rest.partition(b"|")[0]
    return int(partner) if version == b"v2" and partner.isdigit() else None


def _sha1(data: bytes) -> bytes:
    return hashlib.sha1(data, usedforsecurity=False).digest()
