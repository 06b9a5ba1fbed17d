"""Every suite is run by the commands of the house."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def suites():
    """Name the folders that have tests."""
    return {
        f"tests/{folder.name}"
        for folder in (ROOT / "tests").iterdir()
        if folder.is_dir() and any(folder.rglob("test_*.py"))
    }


def test_no_suite_is_forgotten():
    """A folder of tests that the Makefile does not name would be run by nobody; one that it names is there."""
    named = set(re.findall(r"\btests/\w+", (ROOT / "Makefile").read_text()))
    assert suites() == named & suites()
    assert named <= suites()
    assert {"tests/unit", "tests/stores", "tests/sync"} <= named
