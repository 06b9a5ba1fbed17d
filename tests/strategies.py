"""Hypothesis strategies that several suites share."""

from __future__ import annotations

from hypothesis import strategies as st

#: One component of a key, in any script: no slash, no NUL, no lone surrogate, at most 60 characters.
key_components = st.text(
    st.characters(blacklist_categories=("Cs",), blacklist_characters="/\0"), min_size=1, max_size=20
).filter(lambda text: text not in {".", ".."} and not text.endswith(".kaltura-partial"))

#: Keys of one to four components.
keys = st.lists(key_components, min_size=1, max_size=4).map("/".join)

#: (size, part length) with sizes around the interesting multiples.
sizes_and_parts = st.tuples(st.integers(0, 5_000), st.integers(1, 2_000))
