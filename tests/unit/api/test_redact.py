"""No KS and no signature survives."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_kaltura.api import secrets
from airflow_provider_kaltura.api.ks import make_v2
from airflow_provider_kaltura.api.redact import announce_sessions, redact, session_in_url

URL = "https://cdn.example.com/p/101/sp/10100/download/entry_id/0_abc/flavor/0_def"


def v2(seed: bytes) -> str:
    """Make a KS of version 2."""
    return make_v2(
        "secret", partner_id=101, session_type=0, user_id="u", privileges=["download:0_abc"], expires_at=2_000_000_000,
        random_bytes=lambda size: hashlib.sha256(seed).digest()[:size],
    )  # fmt: skip


def v1(seed: bytes) -> str:
    """Make a KS of version 1."""
    info = b"101;101;2000000000;0;" + str(len(seed)).encode() + b";user " + seed + b";download:0_abc"
    return base64.b64encode(hashlib.sha1(b"secret" + info).hexdigest().encode() + b"|" + info).decode()  # noqa: S324 - Kaltura's


SESSIONS = st.builds(lambda make, seed: make(seed), st.sampled_from([v1, v2]), st.binary(max_size=12))
PLACES = st.sampled_from(
    [
        "{}", "see {} there", URL + "/ks/{}", URL + "/ks/{}/relocate/f.mp4", URL + "?ks={}", URL + "?a=1&KS={}&b=2",
        '{{"ks": "{}"}}', "{{'ks': b'{}'}}", "<ks>{}</ks>", "ks={}", 'Invalid KS "{}", Error', "[ks] => {}", "x{}",
        "ks%3D{}", URL + "%2Fks%2F{}", '{{\\"ks\\": \\"{}\\"}}',
    ]
)  # fmt: skip
ENCODINGS = st.sampled_from([str, lambda ks: quote(ks, safe=""), quote_plus, lambda ks: quote(quote(ks, safe=""))])


@given(SESSIONS, PLACES, ENCODINGS)
def test_no_session_survives(ks, place, encode):
    """Wherever a KS stands and however it is encoded, nothing recognisable of it is left."""
    shown = redact(place.format(encode(ks)))
    assert "***" in shown
    pieces = {ks[at : at + 12] for at in range(len(ks) - 12)}
    assert not [piece for piece in pieces if piece in shown]


@given(st.text(alphabet=st.characters(codec="ascii", categories=["L", "N"]), min_size=5, max_size=40))
def test_an_announced_secret_never_survives(secret):
    """A secret that the process knows is hidden by its value, whatever it looks like."""
    secrets.announce(secret)
    try:
        assert secret not in redact(f"a {secret} b")
    finally:
        secrets.forget_all()


@given(st.text(max_size=200))
def test_redacting_twice_changes_nothing_more(text):
    """What was redacted once is left alone."""
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize(
    "query",
    [
        "Policy=eyJTdGF0&Signature=abc~x-y_&Key-Pair-Id=APKA",
        "X-Amz-Algorithm=AWS4&X-Amz-Credential=AKIA%2F2026&X-Amz-Signature=0f0f0f",
        "token=0f0f0f",
        "a=1&hdnea=st=1~exp=2~acl=/*~hmac=0f0f",
        "__gda__=123_0f0f",
        "hdnts=exp=1~hmac=0f0f0f",
        "sv=2024&sig=0f0f%3D&se=2026",
        "Expires=1&AWSAccessKeyId=AKIA&Signature=x%3D",
        "e=1795&st=0f0f0f",
    ],
)
def test_the_query_of_a_signed_url_is_hidden_whole(query):
    """A CDN's token is as good as a KS."""
    assert redact(f"GET {URL}?{query} failed") == f"GET {URL}?*** failed"


@pytest.mark.parametrize(
    "text",
    [
        f"{URL}?start=1&name=a.mp4",
        "flavorAsset.getUrl of 0_abc12345: FLAVOR_ASSET_IS_NOT_READY: The flavor asset is not ready",
        "The KS is malformed; tasks=5 asks=3",
        "https://www.kaltura.com/api_v3/service/media/action/list",
        "1_ab12cd34 params 0 source READY 1280x720 1306 kbit/s mp4",
        "crc64nvme:0123456789abcdef sha256:" + "0123456789abcdef" * 4,
        "",
    ],
)
def test_what_is_no_secret_is_left_alone(text):
    """Messages stay readable."""
    assert redact(text) == text


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("secret=0123456789abcdef&x=1", "secret=***&x=1"),
        ("adminSecret=0123&x", "adminSecret=***&x"),
        ("hdntl=exp=1~acl=/*~hmac=0f/a.mp4", "hdntl=***/*~hmac=***/a.mp4"),
        (json.dumps({"secret": "s3cr3t", "n": 1}), '{"secret": "***", "n": 1}'),
        (json.dumps({"tokenHash": "0f0f"}), '{"tokenHash": "***"}'),
        ("/ks/anything/x", "/ks/***/x"),
        ("?ks=short", "?ks=***"),
    ],
)
def test_named_secrets_are_hidden_by_their_name(text, hidden):
    """A parameter or path element whose name says secret is hidden whatever its value."""
    assert redact(text) == hidden


@given(SESSIONS, ENCODINGS, st.sampled_from(["/ks/{}", "/ks/{}/relocate/a.mp4", "?ks={}", "?a=1&KS={}", "?x=1&y={}"]))
def test_the_session_in_a_url_is_found(ks, encode, place):
    """Query and path are both looked at."""
    found = session_in_url(URL + place.format(encode(ks).replace("/", "%2F")))
    assert found is not None


@pytest.mark.parametrize("url", [URL, URL + "?start=1", URL + "/name/kstest.mp4", URL + "?tasks=1", URL + "?token=abc"])
def test_a_url_without_a_session_has_none(url):
    """Nothing else is taken for a KS; a CDN's own token is none."""
    assert session_in_url(url) is None


@pytest.mark.parametrize(
    "frame", ["<result>{}</result>", "<url>https://h/download/ks/{}</url>", "<ks>{}</ks>", "<u>?ks={}</u>"]
)
@pytest.mark.parametrize("make", [v1, v2])
def test_sessions_in_answers_are_announced(frame, make, heard):
    """A KS in an answer is told to everybody who masks logs."""
    ks = make(b"answer" + frame.encode())
    announce_sessions(f"<xml>{frame.format(ks)}</xml>".encode())
    assert ks in heard


SECRET = "s3cr3t-admin/secret+val&ue="


@pytest.mark.parametrize(
    "encode",
    [
        str,
        lambda text: quote(text, safe="").lower(),
        quote,
        quote_plus,
        lambda text: quote(quote(text, safe=""), safe=""),
        lambda text: base64.b64encode(text.encode()).decode(),
        html.escape,
        lambda text: json.dumps(text)[1:-1],
    ],
)
def test_a_known_secret_is_hidden_however_it_is_quoted(encode):
    """Servers and libraries quote in many ways; each is a form of the same secret."""
    secrets.announce(SECRET)
    shown = redact(f"a {encode(SECRET)} b")
    secrets.forget_all()
    assert "***" in shown
    assert encode(SECRET)[:12] not in shown


@pytest.mark.parametrize(
    "text",
    [
        "http://user:0badf00d@proxy:3128",
        "Authorization: Basic 0badf00d0badf00d",
        "https://h/a?encoded=0badf00d",
        "https://h/a?p=1&h=0badf00d",
        "https://h/a?tok=0badf00d",
        "https://h/a?Key=0badf00d",
        "https://h/a?fastly_token=0badf00d",
        "https://h/token/0badf00d/a.mp4",
        "/a/b?sig=0badf00d",
        "DefaultEndpointsProtocol=https;AccountName=lake;AccountKey=ab/cd+0badf00d==;EndpointSuffix=core.windows.net",
        "SharedAccessSignature=sv=2024&sig=0badf00d",
        "aws_secret_access_key = ab/0badf00d",
        "{'aws_session_token': 'ab/0badf00d'}",
        '{"private_key_passphrase": "0badf00d"}',
        "<SecretAccessKey>ab/0badf00d</SecretAccessKey><SessionToken>ab/0badf00d</SessionToken>",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nab/0badf00d\n0badf00d-----END OPENSSH PRIVATE KEY-----",
        '{"private_key": "-----BEGIN PRIVATE KEY-----\\nab/0badf00d',
        v1(b"x")[:36] + "0badf00d",
        v1(b"x")[10:60] + "0badf00d",
        v1(b"x")[:64] + "\n" + "0badf00d" * 3,
        v2(b"x")[:64] + "\n" + "0badf00d" * 3,
    ],
)
def test_what_else_carries_a_secret_is_hidden(text):
    """Userinfo, other CDNs' signatures, a KS that is cut or wrapped."""
    assert "0badf00d" not in redact(f"see {text} there")
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "s3://aws_default@bucket/key",
        "me@example.com",
        "https://h/a?height=720",
        "a: b@c",
        "no private key was found",
        "AccountName=lake;EndpointSuffix=core.windows.net",
    ],
)
def test_what_is_no_secret_stays(text):
    """A connection's id before a bucket is worth reading."""
    assert redact(text) == text
