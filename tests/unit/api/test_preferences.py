"""Flavor preferences as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_kaltura.api.errors import PreferenceError
from airflow_provider_kaltura.api.preferences import Condition, Preference, Preferences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("source", Preference("source", (Condition("source"),))),
        ("best", Preference("best")),
        ("smallest", Preference("smallest", (), "smallest")),
        ("web", Preference("web", (Condition("web"),))),
        ("id:1_ab12cd34", Preference("id:1_ab12cd34", (Condition("id", "1_ab12cd34"),))),
        ("1_ab12cd34", Preference("1_ab12cd34", (Condition("id", "1_ab12cd34"),))),
        ("params:301951", Preference("params:301951", (Condition("params", number=301951),))),
        ("tag:mobile", Preference("tag:mobile", (Condition("tag", "mobile"),))),
        ("height<=720", Preference("height<=720", (Condition("height", operator="<=", number=720),))),
        ("bitrate <= 2500", Preference("bitrate <= 2500", (Condition("bitrate", operator="<=", number=2500),))),
        (
            "tag:web & height<=720&smallest",
            Preference(
                "tag:web & height<=720&smallest",
                (Condition("tag", "web"), Condition("height", operator="<=", number=720)),
                "smallest",
            ),
        ),
        ("SOURCE", Preference("SOURCE", (Condition("source"),))),
    ],
)
def test_each_form_is_read(text, expected):
    """Every documented form becomes its conditions and order."""
    assert Preferences.parse(text).items == (expected,)


def test_the_default_is_the_source_then_the_best():
    """Without a preference the source is taken, and the best where there is none."""
    assert Preferences.parse().items == Preferences.parse("source, best").items
    assert Preferences.parse(None).text == "source, best"


def test_a_list_and_a_text_mean_the_same():
    """A list is tried in order, like a text with commas, and its members may have commas too."""
    expected = Preferences.parse("web, source, tag:a").items
    assert Preferences.parse(["web", "source", "tag:a"]).items == expected
    assert Preferences.parse(("web, source", "tag:a")).items == expected
    assert Preferences.parse(Preferences.parse("web, source, tag:a")).items == expected


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0),
        ("   ", 3),
        ("source,", 7),
        ("source,, best", 7),
        ("source, bset", 8),
        ("best & smallest", 7),
        ("height<=", 6),
        ("height<=x", 6),
        ("height720", 6),
        ("source, tag:web & height~720", 24),
        ("params:", 7),
        ("params:x1", 7),
        ("id:a/b", 3),
        ("id:", 3),
        ("tag:", 4),
        ("tag:web &", 9),
        ("all", 0),
        ("colour:red", 0),
        ("mobile", 0),
    ],
)
def test_what_cannot_be_read_names_its_position(text, position):
    """An error tells which character it stumbled over, and shows the text."""
    with pytest.raises(PreferenceError) as caught:
        Preferences.parse(text)
    assert (caught.value.position, caught.value.text) == (position, text)
    assert f"position {position + 1}:" in str(caught.value)


@pytest.mark.parametrize("given_", [[], [1], ["source", None]])
def test_what_is_no_text_is_an_error(given_):
    """An empty list, or members that are no texts, are errors of the same kind."""
    with pytest.raises(PreferenceError):
        Preferences.parse(given_)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_within_itself(text):
    """No text makes the parser fail in another way, and positions lie within the text."""
    try:
        Preferences.parse(text)
    except PreferenceError as error:
        assert 0 <= error.position <= len(text)  # noqa: PT017 - most texts are refused


TERMS = ["source", "web", "tag:a", "params:5", "height<=720", "bitrate<=99", "width<=7"]


@given(st.lists(st.lists(st.sampled_from(TERMS), min_size=1, max_size=4), min_size=1, max_size=4), st.data())
def test_blanks_do_not_matter(preferences, data):
    """Blanks around terms, commas and ampersands change nothing."""
    blank = st.sampled_from(["", " ", "  ", "\t"])
    tight = ",".join("&".join(terms) for terms in preferences)
    loose = "".join(
        f"{data.draw(blank)}{character}{data.draw(blank)}" if character in ",&" else character for character in tight
    )
    left = [(item.conditions, item.order) for item in Preferences.parse(tight).items]
    assert left == [(item.conditions, item.order) for item in Preferences.parse(loose).items]
