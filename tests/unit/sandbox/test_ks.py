"""ks.py: sessions of both versions."""

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_kaltura.sandbox import ks

SECRET = "s3cret"
NAMES = st.text("abcdefghij", min_size=1, max_size=8)
VALUES = st.text("abc0123456789_*/|.", max_size=12)
USERS = st.text(st.characters(blacklist_categories=["Cs"]), max_size=20)


def read(text, secret=SECRET):
    """Read a KS of partner 7."""
    return ks.read(text, {7: secret}.get)


def make(**changes):
    """Make a KS of partner 7."""
    values = {"kind": ks.ADMIN, "user_id": "u", "expires_at": 1_900_000_000, "privileges": ""} | changes
    return ks.make(SECRET, 7, **values)


def version_1(secret=SECRET, privileges=""):
    """Make a KS of version 1."""
    info = f"7;7;1900000000;2;0.5;someone;{privileges};;"
    signature = hashlib.sha1((secret + info).encode()).hexdigest()  # noqa: S324 - Kaltura's format
    return base64.b64encode(f"{signature}|{info}".encode()).decode()


@given(user=USERS, kind=st.sampled_from([0, 2]), pairs=st.lists(st.tuples(NAMES, VALUES), max_size=4))
def test_what_is_put_in_comes_out(user, kind, pairs):
    """User, type, expiry and privileges survive, whatever is in them."""
    privileges = ",".join(f"{name}:{value}" if value else name for name, value in pairs)
    session = read(make(user_id=user, kind=kind, privileges=privileges))
    assert (session.user_id, session.kind, session.expires_at) == (user, kind, 1_900_000_000)
    assert session.privileges_text() == privileges


@given(position=st.integers(0, 40), letter=st.sampled_from("ABCxyz019"))
def test_a_changed_ks_is_no_ks(position, letter):
    """A KS in which one letter was changed isn't accepted."""
    text = make()
    changed = text[: 10 + position] + letter + text[11 + position :]
    assert changed == text or read(changed) is None


@given(text=st.text(max_size=60))
def test_any_other_text_is_no_ks(text):
    """Texts that are no KS are refused without an error."""
    assert read(text) is None


def test_version_1_is_read():
    """A signed KS of the old form is accepted."""
    session = read(version_1(privileges="list:*,x"))
    assert (session.user_id, session.is_admin, session.privileges_text()) == ("someone", True, "list:*,x")


@pytest.mark.parametrize("text", [make(), version_1()], ids=["version 2", "version 1"])
def test_another_secret_does_not_open_it(text):
    """A KS made with one secret isn't accepted with another."""
    assert read(text, "another secret") is None


def test_an_unknown_partner_has_no_sessions():
    """Without a secret to check with, a KS isn't accepted."""
    assert ks.read(make(), {}.get) is None


def test_the_bare_star_allows_everything():
    """The privilege ``*`` stands for all privileges; ``list:*`` for that of its name only."""
    assert read(make(privileges="*")).allows("download", "0_a")
    assert not read(make(privileges="list:*")).allows("download", "0_a")


@pytest.mark.parametrize(
    ("allowed", "address", "expected"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("10.0.0.0/8", "10.9.8.7", True),
        ("10.0.0.1", "10.9.8.7", False),
        ("nonsense", "10.9.8.7", False),
    ],
)
def test_iprestrict_admits_its_addresses_only(allowed, address, expected):
    """An address or network is admitted, everything else is not."""
    assert ks.ip_allowed(read(make(privileges=f"iprestrict:{allowed}")), address) is expected


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [("/p/*", False), ("/p/*|/api_v3/*", True), ("/api_v3/x", True), ("/api_v3", False), ("*", True)],
)
def test_urirestrict_admits_its_paths_only(patterns, expected):
    """A final star stands for any rest; several patterns are separated by a bar."""
    assert ks.uri_allowed(read(make(privileges=f"urirestrict:{patterns}")), "/api_v3/x") is expected


def test_no_restriction_admits_all():
    """A KS without such privileges works from everywhere."""
    assert ks.ip_allowed(read(make()), "203.0.113.9")
    assert ks.uri_allowed(read(make()), "/anything")
