"""The URL that serves one asset's bytes: the plain one where it works, a verified alternative where it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

from airflow_provider_kaltura.api import codes, secrets
from airflow_provider_kaltura.api.errors import (
    AccessRefusedError,
    KalturaError,
    KalturaTransportError,
    NotFoundError,
    NotReadyError,
    UnverifiedUrlError,
)
from airflow_provider_kaltura.api.models import FlavorStatus, MediaUrl
from airflow_provider_kaltura.api.redact import session_in_url
from airflow_provider_kaltura.api.transport import translate

if TYPE_CHECKING:
    import requests

    from airflow_provider_kaltura.api.models import Entry, FlavorAsset
    from airflow_provider_kaltura.api.runtime import Runtime

_MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PARTIAL, _OK, _SERVER_ERRORS = 206, 200, 500
_ONE_BYTE = {"Range": "bytes=0-0", "Accept": "*/*", "Accept-Encoding": "identity"}
#: Rules change when an administrator edits a profile: rarely.
RULES_SECONDS: Final = 600.0


def media_url(
    runtime: Runtime, asset: FlavorAsset, entry: Entry, *, allow_session: bool, stale: str | None = None
) -> MediaUrl:
    """
    Find the URL of an asset's bytes.

    One request in the usual case. Only where the entry's access control profile has rules, where getUrl was refused
    without a reason, or where *stale* says that a URL failed, is the URL tried with a ranged GET of one byte, and
    ``getDownloadUrl`` tried as the alternative.

    :param runtime: The connection.
    :param asset: A ready asset.
    :param entry: Its entry.
    :param allow_session: Whether a URL with a KS in it may be returned.
    :param stale: A URL that stopped working; the one returned has been tried.
    :returns: The URL. With ``allow_session=False``, where only a URL with a KS works, ``url`` is empty and
        ``needs_session`` is True.
    :raises UnverifiedUrlError: No URL serves the bytes.
    :raises AccessRefusedError: Kaltura refuses the asset to this session, and says why.
    """
    refusal: KalturaError | None = None
    url, rules = "", None
    try:
        url, rules = _plain_url(runtime, asset, entry)
    except KalturaTransportError as error:
        if error.code != "EMPTY_ANSWER":
            raise
        refusal = error
    if url:
        if rules is False and stale is None:
            return allowed(url, allow_session=allow_session)
        refusal = _try(runtime, url, asset)
        if refusal is None:
            return allowed(url, allow_session=allow_session)
    return _alternative(runtime, asset, refusal, allow_session=allow_session)


def probe(runtime: Runtime, url: str, size_bytes: int | None = None) -> None:
    """
    Prove by a ranged GET of one byte that a URL serves something.

    :param runtime: The connection, for proxies, CA and retries.
    :param url: What Kaltura returned.
    :param size_bytes: Length that the answer must show, if known.
    :raises KalturaError: It does not.
    """
    runtime.retrier.call(lambda: _probe_once(runtime, url, size_bytes), idempotent=True)


def _plain_url(runtime: Runtime, asset: FlavorAsset, entry: Entry) -> tuple[str, bool | None]:
    """Ask for the URL, and in the same request for the access control profile if it is not known yet."""
    profile = entry.access_control_id
    if profile is None:
        return _get_url(runtime, asset), False
    known = runtime.access_rules.get(profile)
    if known is not None and runtime.now() < known[0]:
        return _get_url(runtime, asset), known[1]
    client = runtime.shared_client()
    client.startMultiRequest()
    client.flavorAsset.getUrl(asset.id)
    client.accessControlProfile.get(profile)
    try:
        url, found = client.doMultiRequest()
    except (AccessRefusedError, KalturaTransportError) as error:
        if isinstance(error, KalturaTransportError) and error.code != "EMPTY_ANSWER":
            raise
        # A refusal of one action empties the answer of all: ask for the URL alone to know whose it is.
        return _get_url(runtime, asset), None
    if isinstance(url, KalturaError):
        raise url
    rules = has_rules(found)
    runtime.access_rules[profile] = (runtime.now() + RULES_SECONDS, rules)
    return announced(url), rules


def has_rules(profile: object) -> bool | None:
    """
    Tell whether a profile restricts anything.

    :param profile: What ``accessControlProfile.get`` answered, or its error.
    :returns: None when this session can't know, so that the URL has to be tried.
    :raises KalturaError: The question may be answered in a moment.
    """
    if isinstance(profile, KalturaError):
        if profile.retryable:
            raise profile
        return None
    rules = getattr(profile, "rules", None)
    return isinstance(rules, list) and bool(rules)


def _get_url(runtime: Runtime, asset: FlavorAsset) -> str:
    return announced(runtime.shared_client().flavorAsset.getUrl(asset.id))


def announced(url: object) -> str:
    """
    Take a URL from an answer, and tell about a KS in it.

    :param url: The answer; null for a storage without the file.
    :returns: The URL, empty when there is none.
    """
    if not isinstance(url, str):
        return ""
    if found := session_in_url(url):
        secrets.announce(found)
    return url


def allowed(url: str, *, allow_session: bool) -> MediaUrl:
    """
    Keep a URL with a KS in it from those who may not have it.

    :param url: A URL that serves.
    :param allow_session: Whether a KS may be in it.
    :returns: The URL, empty when it may not be told.
    """
    needs_session = session_in_url(url) is not None
    if needs_session and not allow_session:
        return MediaUrl(url="", needs_session=True)
    return MediaUrl(url=url, needs_session=needs_session)


def _try(runtime: Runtime, url: str, asset: FlavorAsset) -> KalturaError | None:
    try:
        probe(runtime, url, asset.size_bytes)
    except (UnverifiedUrlError, AccessRefusedError, NotFoundError, NotReadyError) as error:
        return error
    return None


def _alternative(
    runtime: Runtime, asset: FlavorAsset, refusal: KalturaError | None, *, allow_session: bool
) -> MediaUrl:
    why = refusal or "getUrl gave no URL"
    if asset.status != FlavorStatus.READY:
        # getDownloadUrl takes READY exactly (recorded case flavors.getDownloadUrl_exporting).
        raise useless(asset, f"{why}; getDownloadUrl needs the status READY") from refusal
    url = announced(runtime.shared_client().flavorAsset.getDownloadUrl(asset.id))
    if not url:
        raise useless(asset, f"{why}; getDownloadUrl gave no URL") from refusal
    if failure := _try(runtime, url, asset):
        raise useless(asset, f"{why}; getDownloadUrl: {failure}") from failure
    return allowed(url, allow_session=allow_session)


def useless(asset: FlavorAsset, why: str) -> UnverifiedUrlError:
    """
    Make the error of an asset that no URL serves.

    :param asset: The asset.
    :param why: What was tried.
    :returns: The error, not raised.
    """
    text = f"No URL serves the bytes of flavor asset {asset.id}: {why}."
    return UnverifiedUrlError(text, "NO_WORKING_URL", "flavorAsset", "getUrl", asset.id)


def _probe_once(runtime: Runtime, url: str, size_bytes: int | None) -> None:
    for _ in range(_MAX_REDIRECTS + 1):
        check_scheme(url)
        try:
            response = runtime.transport.open("GET", url, headers=_ONE_BYTE)
        except Exception as error:
            if translated := translate(error, f"The media host {urlsplit(url).hostname}"):
                # The cause's text holds the URL, and so may hold a KS.
                raise translated from None
            raise
        with response:
            if response.status_code not in _REDIRECTS:
                _check_media(response, size_bytes)
                return
            url = redirect_target(url, response.headers.get("Location", ""))
    raise UnverifiedUrlError(f"The media URL redirects more than {_MAX_REDIRECTS} times.", "TOO_MANY_REDIRECTS")


def check_scheme(url: str) -> None:
    """
    Refuse what is not http(s).

    :param url: A media URL.
    :raises UnverifiedUrlError: Another scheme, or no host.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UnverifiedUrlError(f"The media URL {url} is no http(s) URL.", "BAD_URL")


def redirect_target(url: str, location: str) -> str:
    """
    Follow one redirect, if it may be followed.

    :param url: Where it came from.
    :param location: The Location header, absolute or relative.
    :returns: The next URL.
    :raises UnverifiedUrlError: It leads from https to http, or carries a KS to another host.
    """
    target = urljoin(url, location)
    check_scheme(target)
    old, new = urlsplit(url), urlsplit(target)
    if old.scheme == "https" and new.scheme == "http":
        raise UnverifiedUrlError(f"{url} redirects from https to http.", "INSECURE_REDIRECT")
    if old.netloc.lower() != new.netloc.lower() and session_in_url(target) is not None:
        raise UnverifiedUrlError(f"{url} redirects to another host, {new.hostname}, with a KS.", "KS_TO_OTHER_HOST")
    return target


def _check_media(response: requests.Response, size_bytes: int | None) -> None:
    header = response.headers.get("X-Kaltura")
    if header is not None and codes.is_x_kaltura_error(header):
        raise codes.from_x_kaltura(header)
    status = response.status_code
    if status >= _SERVER_ERRORS:
        raise KalturaTransportError(f"The media URL answered HTTP {status}.", f"HTTP_{status}")
    content_type = response.headers.get("Content-Type", "").lower()
    if status not in {_OK, _PARTIAL} or content_type.startswith("text/html"):
        raise UnverifiedUrlError(f"The media URL answered HTTP {status}, {content_type}.", f"HTTP_{status}")
    total = _total(response)
    if size_bytes is not None and total is not None and total != size_bytes:
        raise UnverifiedUrlError(f"The media URL serves {total} bytes instead of {size_bytes}.", "WRONG_SIZE")
    if not response.raw.read(1):
        raise UnverifiedUrlError("The media URL serves nothing.", "EMPTY_MEDIA")


def _total(response: requests.Response) -> int | None:
    """Length of the whole, from Content-Range or, when the range was ignored, from Content-Length."""
    if response.status_code == _PARTIAL:
        total = response.headers.get("Content-Range", "").rpartition("/")[2]
    else:
        total = response.headers.get("Content-Length", "")
    return int(total) if total.isascii() and total.isdigit() else None
