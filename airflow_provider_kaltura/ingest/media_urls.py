"""What Kaltura's media URLs tell about themselves; nothing here fetches or logs one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from airflow_provider_kaltura.api import secrets
from airflow_provider_kaltura.api.ids import is_id
from airflow_provider_kaltura.api.models import MediaUrl
from airflow_provider_kaltura.api.redact import session_in_url

# .../p/P/sp/S/serveFlavor/entryId/E/v/V/flavorId/F/...; /download has entry_id and flavor (recorded cases urls.*). A
# version counts only beside an entry: /v/1 alone may be anything.
_VERSION: Final = re.compile(r"/(?:entryId|entry_id)/[^/]+/(?:[^/]+/[^/]+/)*?v/([0-9]+)(?:/|\Z)")
_ENTRY: Final = re.compile(r"/(?:entryId|entry_id)/([^/]+)")
_FLAVOR: Final = re.compile(r"/(?:flavorId|flavor)/([^/]+)")
_PARTNER: Final = re.compile(r"\A(?:/[^/]+)*?/p/([0-9]+)/")
_EXTENSION: Final = re.compile(r"\.([A-Za-z0-9]{1,10})\Z")


@dataclass(frozen=True, slots=True)
class UrlFacts:
    """What a URL's path names; empty (0 for the partner) where it names nothing."""

    partner_id: int
    entry_id: str
    flavor_id: str
    version: str
    file_ext: str


def version_in_url(url: str) -> str | None:
    """
    Read the version that a media URL is for.

    :param url: Any URL.
    :returns: The ``V`` of ``/entryId/E/v/V``, None when the path names none.
    """
    found = _VERSION.search(urlsplit(url).path)
    return found[1] if found else None


def facts_in_url(url: str) -> UrlFacts:
    """
    Read what a media URL's path names.

    :param url: Any URL.
    :returns: The facts.
    """
    path = urlsplit(url).path
    partner = _PARTNER.search(path)
    extension = _EXTENSION.search(path.rpartition("/")[2])
    return UrlFacts(
        partner_id=int(partner[1]) if partner else 0,
        entry_id=_id(_ENTRY, path),
        flavor_id=_id(_FLAVOR, path),
        version=version_in_url(url) or "",
        file_ext=extension[1].lower() if extension else "",
    )


def as_media_url(url: str) -> MediaUrl:
    """
    Take a URL of somebody else; a KS in it is announced, so that logs mask it.

    :param url: An http(s) URL.
    :returns: The same, with a note whether a KS is in its path or query.
    """
    found = session_in_url(url)
    if found is not None:
        secrets.announce(found)
    return MediaUrl(url=url, needs_session=found is not None)


def _id(pattern: re.Pattern[str], path: str) -> str:
    found = pattern.search(path)
    return found[1] if found and is_id(found[1]) else ""
