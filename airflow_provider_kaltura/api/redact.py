"""Take secrets out of texts: KSs in any URL, signed URLs' queries, keys of storage, secrets met by this process."""

from __future__ import annotations

import re
from urllib.parse import unquote

from airflow_provider_kaltura.api import secrets

HIDDEN = "***"

# "=", "/", ":" and quotes may be percent-encoded, once or several times.
_EQUALS = r"(?:=|%(?:25)*3D)"
_SLASH = r"(?:/|%(?:25)*2F|\\/)"
_END = r"[^\s&\"'<>\\,;)\]}/]"

# Parameters that are secrets by themselves.
_PRIVATE_NAMES = (
    "ks|secret|adminSecret|admin_secret|userSecret|user_secret|tokenHash|token_hash|app_?token|token|access_token|"
    "password|api_?key|jwt|authorization"
)
# Parameters that make a URL a signed one: its whole query is hidden.
_LONG_SIGNED_NAMES = (
    "Policy|Signature|Key-Pair-Id|X-Amz-[A-Za-z-]+|X-Goog-[A-Za-z-]+|AWSAccessKeyId|GoogleAccessId|"
    "hdnea|hdnts|hdntl|hdnt|__gda__|__token__|hmac|auth_key|wsSecret|cdntoken|fastly_token"
)
_SIGNED_NAMES = f"{_LONG_SIGNED_NAMES}|sig|sv|verify|hash|md5|st|e|exp|expires|auth|token|ks|jwt|encoded|h|key|tok"

_URL_QUERY = re.compile(
    r"(?P<url>https?(?::|%(?:25)*3A)[^\s\"'<>?]*)(?:\?|%(?:25)*3F)(?P<query>[^\s\"'<>]*)", re.IGNORECASE
)
_SIGNED = re.compile(rf"(?:^|&|;|%(?:25)*26)(?:{_SIGNED_NAMES}){_EQUALS}", re.IGNORECASE)
_PARAMETER = re.compile(
    rf"(?P<name>(?<![A-Za-z0-9])(?:{_PRIVATE_NAMES}|{_LONG_SIGNED_NAMES}){_EQUALS})(?P<value>{_END}+)", re.IGNORECASE
)
_PATH_KS = re.compile(rf"(?P<name>{_SLASH}(?:ks|token){_SLASH})(?P<value>{_END}+)", re.IGNORECASE)
_MEMBER = re.compile(
    rf"(?P<name>(?P<q>\\?[\"'])(?:\d+:)?(?:{_PRIVATE_NAMES})(?P=q)\s*(?::|=>|,)\s*)(?P<o>b?\\?[\"'])(?P<value>[^\"'\\]*)",
    re.IGNORECASE,
)
_ELEMENT = re.compile(
    r"(?P<name><(?:ks|token|secret|adminSecret|SecretAccessKey|SessionToken)>)(?P<value>[^<]*)", re.IGNORECASE
)
# What storage is opened with, as connection strings, profiles and clients' errors write it; base64 may hold a slash.
_STORAGE_KEY = re.compile(
    r"(?P<name>(?<![A-Za-z0-9])(?:AccountKey|SharedAccessKey|(?:aws_)?secret_?access_?key|(?:aws_)?session_?token|"
    r"client_secret|(?:private_key_)?passphrase)(?:\\?[\"'])?\s*[=:]\s*b?(?:\\?[\"'])?)[^\s\"'<>,;}\\]+",
    re.IGNORECASE,
)
_PRIVATE_KEY = re.compile(r"(?P<name>-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----)(?:(?!-----).)+", re.DOTALL)
# KS v2 is base64url of "v2|PARTNER|…".
# A long text may be wrapped; what is left on a short last line is of no use.
_WRAPPED = r"(?:(?:\\[rn]|[\r\n])+[A-Za-z0-9+/=_%\-]{16,})*"
_KS_V2 = re.compile(rf"djJ8[A-Za-z0-9_\-+=%]{{6,}}{_WRAPPED}")
# KS v1 is base64 of "<40 hex digits>|…": three digits make four characters, the first of which is one of these.
# Eight such groups in a row are no accident, so that a KS whose beginning or end was cut off is recognised too.
_KS_V1 = re.compile(rf"(?:[MNOYZ][A-Za-z0-9]{{3}}){{8}}[A-Za-z0-9+/=_%\-]*{_WRAPPED}")
# user:password@ in any URL, such as a proxy's; a name alone (s3://conn_id@bucket) is no secret.
_USERINFO = re.compile(r"(?P<name>\b[A-Za-z][A-Za-z0-9+.\-]{0,20}://[^\s/?#@:\"'<>]*:)[^\s/?#@\"'<>]+@")
_BASIC = re.compile(r"(?P<name>\b(?:Basic|Bearer)\s+)[A-Za-z0-9+/=._~\-]{8,}")
# Without scheme and host a URL is told by its question mark.
_SHORT_PARAMETER = re.compile(
    rf"(?P<name>[?&;](?:sig|encoded|tok|h|key|verify){_EQUALS})(?P<value>{_END}+)", re.IGNORECASE
)


def redact(text: str) -> str:
    """
    Hide every KS and signature in a text.

    :param text: Any text: a URL, a message with URLs, JSON, XML.
    :returns: The same with ``***`` in the place of KSs (query, path, alone), of secrets known to this process, and of
        the whole query of signed URLs.
    """
    for secret in secrets.forms():
        if secret in text:
            text = text.replace(secret, HIDDEN)
    text = _KS_V2.sub(HIDDEN, text)
    text = _KS_V1.sub(HIDDEN, text)
    text = _USERINFO.sub(rf"\g<name>{HIDDEN}@", text)
    text = _BASIC.sub(rf"\g<name>{HIDDEN}", text)
    text = _URL_QUERY.sub(_hide_signed_query, text)
    text = _PATH_KS.sub(rf"\g<name>{HIDDEN}", text)
    text = _PARAMETER.sub(rf"\g<name>{HIDDEN}", text)
    text = _SHORT_PARAMETER.sub(rf"\g<name>{HIDDEN}", text)
    text = _MEMBER.sub(rf"\g<name>\g<o>{HIDDEN}", text)
    text = _STORAGE_KEY.sub(rf"\g<name>{HIDDEN}", text)
    text = _PRIVATE_KEY.sub(rf"\g<name>{HIDDEN}", text)
    return _ELEMENT.sub(rf"\g<name>{HIDDEN}", text)


def _hide_signed_query(match: re.Match[str]) -> str:
    if _SIGNED.search(match["query"]):
        return f"{match['url']}?{HIDDEN}"
    return match[0]


_SESSION_IN_URL = re.compile(rf"{_SLASH}ks{_SLASH}(?P<path>{_END}+)|[?&;]ks{_EQUALS}(?P<query>{_END}+)", re.IGNORECASE)


def session_in_url(url: str) -> str | None:
    """
    Find the KS in a URL.

    :param url: Any URL.
    :returns: The KS in its query or path, decoded; None when there is none.
    """
    if match := _SESSION_IN_URL.search(url):
        return unquote(match["path"] or match["query"])
    for pattern in (_KS_V2, _KS_V1):
        if match := pattern.search(url):
            return unquote(match[0])
    return None


# What an answer can hold: a KS of either version alone, in an element, in a URL's path or query.
_V2_IN_ANSWER = re.compile(rb"djJ8[A-Za-z0-9_-]{20,}={0,2}")
_V1_IN_ANSWER = re.compile(rb"(?:[MNOYZ][A-Za-z0-9]{3}){13}[A-Za-z0-9+/]{8,}={0,2}")
_NAMED_IN_ANSWER = re.compile(rb"<ks>([^<]{5,})</ks>|/ks/([^/<&?\s]{5,})|[?&;]ks=([^/<&\s]{5,})")
# A KS of version 1 by itself is the answer of session.start; looking for one in a long list takes 0.1 s per MB.
_SHORT_ANSWER_BYTES = 64 * 1024


def announce_sessions(body: bytes) -> None:
    """
    Tell about every KS in an answer, before anything of it is used or logged.

    :param body: The answer's body.
    """
    found: set[bytes] = set()
    if b"djJ8" in body:
        found.update(_V2_IN_ANSWER.findall(body))
    if any(mark in body for mark in (b"<ks>", b"/ks/", b"ks=")):
        found.update(next(filter(None, groups)) for groups in _NAMED_IN_ANSWER.findall(body))
    if len(body) <= _SHORT_ANSWER_BYTES:
        found.update(_V1_IN_ANSWER.findall(body))
    for ks in found:
        secrets.announce(unquote(ks.decode("ascii", "replace")))
