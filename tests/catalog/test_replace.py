"""An export that has less than the current catalogue does not take its place, unless that is wanted."""

from __future__ import annotations

import pytest

from airflow_provider_kaltura.exceptions import KalturaArgumentError
from tests.catalog import truth
from tests.catalog.conftest import export
from tests.catalog.reading import rows_of

OWNER = {"owners": "user001"}
LESS = [
    pytest.param(OWNER, {**OWNER, "tables": "entries"}, "flavors, captions, categories, which", id="fewer tables"),
    pytest.param({"tables": "entries"}, {**OWNER, "tables": "entries"}, "other conditions", id="narrower"),
    pytest.param(OWNER, {"owners": "user002"}, "other conditions", id="others"),
    pytest.param({"tables": "categories"}, {"tables": "entries"}, "has categories", id="another table"),
]


def pointer(root):
    """Read the pointer, byte for byte."""
    (found,) = (root / "_kaltura" / "catalog" / "current").glob("*.json")
    return found.read_bytes()


@pytest.mark.parametrize(("first", "second", "why"), LESS)
def test_less_is_refused_before_anything_is_listed(sandbox, tmp_path, first, second, why):
    """The message says why, and what to do; the catalogue stays; told so, it is replaced."""
    export(tmp_path, **first)
    before, requests = pointer(tmp_path), sandbox.control.counts()["apiRequests"]
    with pytest.raises(KalturaArgumentError, match=why) as caught:
        export(tmp_path, **second)
    assert "another root" in str(caught.value)
    assert "replace_any=True" in str(caught.value)
    assert pointer(tmp_path) == before
    assert sandbox.control.counts()["apiRequests"] - requests <= 1
    export(tmp_path, **second, replace_any="True")
    assert pointer(tmp_path) != before


def test_nothing_does_not_replace_something(sandbox, tmp_path):
    """Conditions that match nothing any more leave the catalogue as it was; an empty one may be the first."""
    hermit = {"owners": "hermit"}
    assert export(tmp_path, **hermit)["rows"]["entries"] == 0
    entry_id = next(row["entry_id"] for row in truth.entries(sandbox.library) if row["user_id"] == "user001")
    with sandbox.library.changing(entry_id) as entry:
        entry["userId"] = "hermit"
    assert export(tmp_path, **hermit)["rows"]["entries"] == 1
    before = pointer(tmp_path)
    with sandbox.library.changing(entry_id) as entry:
        entry["userId"] = "user001"
    with pytest.raises(KalturaArgumentError, match=r"entries: 1, .*nothing matches"):
        export(tmp_path, **hermit)
    assert pointer(tmp_path) == before
    assert [row["entry_id"] for row in rows_of(tmp_path, "entries")] == [entry_id]
    assert export(tmp_path, **hermit, replace_any=True)["rows"]["entries"] == 0


@pytest.mark.usefixtures("sandbox")
def test_the_same_and_more_are_taken(tmp_path):
    """The same conditions every night, more tables, and at last the whole library."""
    export(tmp_path, **OWNER, tables="entries")
    export(tmp_path, **OWNER, tables="entries")
    more = export(tmp_path, **OWNER, tables="entries, captions")
    assert export(tmp_path, tables="entries, captions")["rows"]["entries"] > more["rows"]["entries"]
