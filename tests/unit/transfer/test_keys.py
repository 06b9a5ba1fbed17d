from __future__ import annotations

import pytest
from hypothesis import given

from airflow_provider_kaltura.transfer.errors import InvalidKeyError
from airflow_provider_kaltura.transfer.keys import is_partial_name, partial_name, split_key
from tests.strategies import keys

RESERVED = ".0123456789abcdef.0123456789abcdef.kaltura-partial"


@given(keys)
def test_a_good_key_is_split_and_nothing_else(key):
    """The components, joined again, are the key."""
    assert "/".join(split_key(key)) == key


@pytest.mark.parametrize(
    "key",
    ["", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a\0b", "a\ud800", f"a/{partial_name('x')}"],
    ids=ascii,
)
def test_a_key_that_could_do_harm_is_refused(key):
    """Absolute, empty, dotted, NUL, broken Unicode, and the names of what is under way."""
    with pytest.raises(InvalidKeyError):
        split_key(key)


@given(keys)
def test_temporary_names_are_short_and_never_twice_the_same(key):
    """Whatever the final name, the temporary one has 50 bytes and is recognised."""
    name = split_key(key)[-1]
    one, two = partial_name(name), partial_name(name)
    assert one != two
    assert len(one.encode()) == len(two.encode()) == 50
    assert is_partial_name(one)
    assert not is_partial_name(name)
