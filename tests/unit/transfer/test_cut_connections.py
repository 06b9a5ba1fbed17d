"""Acceptance line 8: whatever the wire does, the right bytes or a typed error, and never a wrong file."""

from __future__ import annotations

import logging
import os
import random
from pathlib import Path

import pytest

from airflow_provider_kaltura.transfer import http_answer, http_source, proofs
from tests.unit.transfer import fault_suite
from tests.unit.transfer.reading import SECRET

PLANTED = "a planted text"
REPORT = Path(__file__).parents[3] / ".test-runs" / "cut_connections.md"


@pytest.fixture(scope="module")
def seed():
    """The seed of contents and offsets; printed, and taken from the environment to run a failure again."""
    value = int(os.environ.get("TRANSFER_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"TRANSFER_SEED={value}")  # noqa: T201 - pytest shows it beside a failure
    return value


class Lines(logging.Handler):
    """Keep every log line, of every logger and level."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.lines = []

    def emit(self, record):
        """Keep one."""
        self.lines.append(self.format(record))


@pytest.fixture(scope="module")
def lines():
    """The log of the whole suite, at level DEBUG."""
    root, handler = logging.getLogger(), Lines()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler.lines
    root.setLevel(before)
    root.removeHandler(handler)


@pytest.fixture(scope="module")
def rows(seed, lines, tmp_path_factory):
    """Every case run once; their table is written for people to read."""
    cases = [*fault_suite.cut_cases(seed), *fault_suite.lying_cases(seed)]
    logging.getLogger("test").debug("planted: %s", PLANTED)
    found = fault_suite.run_cases(cases, seed, tmp_path_factory.mktemp("lake"))
    assert any(PLANTED in line for line in lines)
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(fault_suite.table(found, seed))
    return found


@pytest.fixture
def no_proofs(monkeypatch):
    """Take every proof away, as a careless implementation would."""
    for name in ("source_version", "range_not_cut", "whole_not_cut", "nothing_after_range", "part_length", "all_parts"):
        monkeypatch.setattr(proofs, name, lambda *_, **__: None)
    monkeypatch.setattr(proofs, "object_length", lambda *_: None)
    monkeypatch.setattr(proofs, "object_checksum", lambda *_: None)
    monkeypatch.setattr(http_answer, "refuse_useless", lambda *_: None)
    monkeypatch.setattr(http_answer, "prove_whole", lambda _status, headers, *_: _length(headers))
    monkeypatch.setattr(http_answer, "prove_range", lambda _status, headers, *_: _length(headers))
    monkeypatch.setattr(http_source.HttpSource, "_same_validator", lambda *_: None)


def _length(headers):
    return int(headers["Content-Length"]) if "Content-Length" in headers else None


def test_never_a_wrong_file(rows, seed):
    """No case leaves bytes under the final name that are not the seed's."""
    assert [row for row in rows if row.is_wrong] == [], f"TRANSFER_SEED={seed}"


def test_every_fault_ends_as_it_should(rows, seed):
    """Right bytes wherever a bounded number of resumes can get them, the named error elsewhere."""
    assert [row for row in rows if not row.is_expected] == [], f"TRANSFER_SEED={seed}"


def test_nothing_is_left_over(rows, seed):
    """No temporary file stays, whatever happened."""
    assert [row for row in rows if row.left_over] == [], f"TRANSFER_SEED={seed}"


def test_no_session_shows(rows, lines):
    """The URL of every case has a session; neither logs nor errors nor reprs show it, while a planted text is found."""
    assert [row.kind for row in rows if SECRET in row.shown] == []
    assert [line for line in lines if SECRET in line] == []
    assert any("Going on at byte" in line for line in lines)


def test_every_offset_was_cut_in_every_way(rows):
    """The suite covers 0, 1, size-1, every part boundary and 100 random offsets, once and three times."""
    offsets = 3 + (fault_suite.SIZE - 1) // fault_suite.PART + 100
    for framing in ("length", "close", "chunked"):
        for times in ("once", "three times"):
            assert sum(row.kind == f"cut {times}, {framing}" for row in rows) == offsets


def test_requests_and_bytes_are_bounded(rows):
    """A cut costs one request more; a reset may lose what was under way, nothing else is sent twice."""
    cut = [row for row in rows if row.kind.startswith("cut ") and row.outcome == "bytes"]
    assert max(row.requests for row in cut) <= 5
    assert min(row.sent_bytes for row in cut) == fault_suite.SIZE
    assert max(row.sent_bytes for row in cut) <= 3 * fault_suite.SIZE
    assert max(row.requests for row in rows) <= 66


@pytest.mark.usefixtures("no_proofs")
def test_without_proofs_the_suite_finds_wrong_files(seed, tmp_path):
    """With verification taken away the same suite reports wrong files: it would notice if ours were gone."""
    cases = [*fault_suite.lying_cases(seed), *list(fault_suite.cut_cases(seed))[:60]]
    found = fault_suite.run_cases(cases, seed, tmp_path)
    wrong = {row.kind for row in found if row.is_wrong}
    assert {"empty 200, always", "page instead of media, always", "200 to a range, once", "cut once, close"} <= wrong
    assert {"unlabelled error text, always", "unlabelled error text, chunked, once"} <= wrong
    assert {"size changed between ranges", "version changed between ranges"} <= wrong
