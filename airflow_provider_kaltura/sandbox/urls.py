"""The URLs that the server gives out, and the file names in them."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from airflow_provider_kaltura.sandbox import ks

if TYPE_CHECKING:
    from airflow_provider_kaltura.sandbox.library import Json, Library

_UNSAFE = re.compile(rb"[^A-Za-z0-9\-._~!$()*+,;=:@]")
_DAY_SECONDS = 86400
_FAR = 4102444800


class SignedUrls:
    """
    Makes getUrl's URLs expire, as those of a CDN do: each holds a signature that is good for some uses.

    :param uses: How many requests a signature is good for.
    :param status: What is answered afterwards, and without a signature.
    """

    def __init__(self, uses: int, status: int = 403) -> None:
        self.uses = uses
        self.status = status
        self._left: dict[str, int] = {}

    def sign(self, url: str) -> str:
        """Return the URL with a new signature."""
        signature = secrets.token_hex(16)
        self._left[signature] = self.uses
        return f"{url}?Expires={_FAR}&Signature={signature}"

    def admits(self, query: str) -> bool:
        """Count a use of the signature in a query string, and tell whether it was still good."""
        signature = dict(parse_qsl(query)).get("Signature", "")
        left = self._left.get(signature, 0)
        self._left[signature] = left - 1
        return left > 0


def prefix(partner_id: int) -> str:
    """Return the beginning of a partner's media paths."""
    return f"/p/{partner_id}/sp/{partner_id}00"


def download_name(library: Library, entry: Json, flavor: Json) -> str:
    """Return what a flavor's file is called: entry name, flavor params name, extension."""
    params = library.flavor_params_name(flavor["flavorParamsId"])
    name = f"{entry['name']} ({params})" if params else entry["name"]
    return f"{name}.{flavor['fileExt']}" if flavor.get("fileExt") else name


def safe_name(name: str) -> str:
    """Return a name for a URL: every byte outside the safe set becomes one underscore."""
    return _UNSAFE.sub(b"_", name.encode()).decode()


def serve_flavor(flavor: Json, *, file_name: str | None) -> str:
    """Return the path of a flavor's file at its present version."""
    path = (
        f"{prefix(flavor['partnerId'])}/serveFlavor/entryId/{flavor['entryId']}"
        f"/v/{flavor['version']}/flavorId/{flavor['id']}"
    )
    named = f"{path}/fileName/{file_name}" if file_name is not None else path
    ext = flavor.get("fileExt")
    return f"{named}/forceproxy/true/name/a.{ext}" if ext else f"{named}/forceproxy/true/name/a"


def day_session(library: Library, partner_id: int, entry_id: str) -> str:
    """Return a user KS that opens one entry for a day, as it stands in download URLs."""
    secret = library.admin_secret(partner_id) or ""
    return ks.make(
        secret,
        partner_id,
        kind=ks.USER,
        user_id="",
        expires_at=library.now + _DAY_SECONDS,
        privileges=f"download:{entry_id}",
    )
