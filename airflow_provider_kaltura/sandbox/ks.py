"""
The Kaltura session (KS), version 1 (signed) and 2 (encrypted): made and read, with privileges.

Version 2 is base64url of ``v2|PARTNER|`` + AES-128-CBC(sha1(rest) + rest), key = first 16 bytes of sha1(admin secret),
zero IV, zero padding; rest = 16 random bytes + a query string of privileges, ``_e`` (expiry), ``_t`` (type), ``_u``.
Version 1 is base64 of ``sha1(secret + info)|info``, info = fields joined by semicolons.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

if TYPE_CHECKING:
    from collections.abc import Callable

USER, ADMIN = 0, 2
_SHA1_BYTES = 20
_RANDOM_BYTES = 16
_V1_FIELDS = 7


@dataclass(frozen=True)
class Session:
    """What a KS says; *text* is the KS itself."""

    partner_id: int
    kind: int
    user_id: str
    expires_at: int
    privileges: tuple[tuple[str, str], ...]
    text: str

    @property
    def is_admin(self) -> bool:
        """Whether this is a session of type 2."""
        return self.kind == ADMIN

    def values(self, name: str) -> list[str]:
        """Return the values of the privilege *name*, in order."""
        return [value for privilege, value in self.privileges if privilege == name]

    def allows(self, name: str, value: str) -> bool:
        """Whether ``name:value``, ``name:*`` or the bare ``*`` (all) was granted."""
        return any(
            privilege in {"all", "*"} or (privilege == name and granted in {value, "*"})
            for privilege, granted in self.privileges
        )

    def privileges_text(self) -> str:
        """Return the privileges as ``a:b,c``."""
        return ",".join(f"{name}:{value}" if value else name for name, value in self.privileges)


def parse_privileges(text: str) -> tuple[tuple[str, str], ...]:
    """Split ``a:b,c`` into pairs; the bare ``*`` becomes ``all:*`` as version 2 writes it."""
    pairs = (part.strip().partition(":") for part in text.split(",") if part.strip())
    return tuple(("all", "*") if name == "*" else (name, value) for name, _, value in pairs)


def make(secret: str, partner_id: int, *, kind: int, user_id: str, expires_at: int, privileges: str = "") -> str:
    """
    Make a KS of version 2.

    :param secret: The partner's admin secret, for user sessions too.
    :param partner_id: The partner.
    :param kind: 0 user, 2 admin.
    :param user_id: The user, "" for none.
    :param expires_at: Absolute epoch second.
    :param privileges: As in ``session.start``: ``a:b,c``.
    :returns: The KS as text.
    """
    fields = [*parse_privileges(privileges), ("_e", str(expires_at)), ("_t", str(kind)), ("_u", user_id)]
    rest = os.urandom(_RANDOM_BYTES) + urlencode(fields).encode()
    plain = hashlib.sha1(rest).digest() + rest  # noqa: S324 - Kaltura's format
    plain += b"\0" * (-len(plain) % 16)
    encryptor = _cipher(secret).encryptor()
    sealed = encryptor.update(plain) + encryptor.finalize()
    return base64.urlsafe_b64encode(b"v2|%d|" % partner_id + sealed).decode()


def _cipher(secret: str) -> Cipher[modes.CBC]:
    key = hashlib.sha1(secret.encode()).digest()[:16]  # noqa: S324 - Kaltura's format
    return Cipher(algorithms.AES(key), modes.CBC(b"\0" * 16))


def read(text: str, secret_of: Callable[[int], str | None]) -> Session | None:
    """
    Read a KS of either version.

    :param text: The KS.
    :param secret_of: Gives a partner's admin secret, or None for a partner that doesn't exist.
    :returns: The session, expired or not; None when the text is no KS or its signature is wrong.
    """
    padded = text.translate(str.maketrans("-_", "+/")).encode("utf-8", "replace")
    try:
        raw = base64.b64decode(padded + b"=" * (-len(padded) % 4), validate=True)
    except binascii.Error:
        return None
    try:
        return _read_v2(raw, text, secret_of) if raw.startswith(b"v2|") else _read_v1(raw, text, secret_of)
    except (ValueError, KeyError):
        return None


def _read_v2(raw: bytes, text: str, secret_of: Callable[[int], str | None]) -> Session | None:
    _, partner, sealed = raw.split(b"|", 2)
    secret = secret_of(int(partner))
    if secret is None or not sealed or len(sealed) % 16:
        return None
    decryptor = _cipher(secret).decryptor()
    plain = (decryptor.update(sealed) + decryptor.finalize()).rstrip(b"\0")
    digest, rest = plain[:_SHA1_BYTES], plain[_SHA1_BYTES:]
    if hashlib.sha1(rest).digest() != digest:  # noqa: S324 - Kaltura's format
        return None
    pairs = parse_qsl(rest[_RANDOM_BYTES:].decode(), keep_blank_values=True)
    fields = dict(pairs)
    return Session(
        partner_id=int(partner),
        kind=int(fields["_t"]),
        user_id=fields.get("_u", ""),
        expires_at=int(fields["_e"]),
        privileges=tuple((name, value) for name, value in pairs if name not in {"_e", "_t", "_u"}),
        text=text,
    )


def _read_v1(raw: bytes, text: str, secret_of: Callable[[int], str | None]) -> Session | None:
    signature, _, info = raw.decode().partition("|")
    fields = info.split(";")
    if len(fields) < _V1_FIELDS:
        return None
    secret = secret_of(int(fields[0]))
    if secret is None or hashlib.sha1((secret + info).encode()).hexdigest() != signature:  # noqa: S324 - Kaltura's format
        return None
    return Session(
        partner_id=int(fields[0]),
        kind=int(fields[3]),
        user_id=fields[5],
        expires_at=int(fields[2]),
        privileges=parse_privileges(fields[6]),
        text=text,
    )


def ip_allowed(session: Session, address: str) -> bool:
    """Whether ``iprestrict`` admits *address*; without that privilege every address is."""
    wanted = session.values("iprestrict")
    try:
        ip = ipaddress.ip_address(address)
        return not wanted or any(ip in ipaddress.ip_network(value, strict=False) for value in wanted)
    except ValueError:
        return False


def uri_allowed(session: Session, path: str) -> bool:
    """Whether ``urirestrict`` admits *path*: texts separated by ``|``, a final ``*`` stands for any rest."""
    patterns = [pattern for value in session.values("urirestrict") for pattern in value.split("|")]
    return not patterns or any(
        path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern for pattern in patterns
    )
