"""The counter-proof of the search for sessions: what is planted is found, wherever the suite looks."""

from __future__ import annotations

import logging

import pytest

from airflow_provider_kaltura.transfer.errors import SourceAnswerError
from airflow_provider_kaltura.transfer.http_source import HttpSource
from tests.media_server import Fault
from tests.unit.transfer import fault_suite
from tests.unit.transfer import test_cut_connections as suite
from tests.unit.transfer.reading import SECRET

CUT = fault_suite.Case("cut once, length", (Fault(cut_at=40_000),), ("bytes", "SourceAnswerError"))


def fail_with(text):
    """Fail as a lower layer does that knows nothing of secrets."""
    raise OSError(text)


class FakeSource(HttpSource):
    """A source whose second request is told of as a careless one would do it."""

    def __init__(self, resolve, **settings):
        super().__init__(resolve, **settings)
        self.secret_url = resolve().url

    def open(self, start, stop):
        """Open the range, and tell of it when it isn't the first."""
        if start > 0:
            self.tell()
        return super().open(start, stop)

    def tell(self):
        """Say nothing."""


class InLog(FakeSource):
    """Writes the URL into a log line, below the level that people look at."""

    def tell(self):
        """Log it."""
        logging.getLogger("careless").debug("asking %s again", self.secret_url)


class InLogOfAnError(FakeSource):
    """Writes the URL into a log line's traceback only."""

    def tell(self):
        """Log it."""
        try:
            fail_with(self.secret_url)
        except OSError:
            logging.getLogger("careless").debug("once more", exc_info=True)


class InText(FakeSource):
    """Has the URL in the text of its error."""

    def tell(self):
        """Raise it."""
        raise SourceAnswerError(f"no answer from {self.secret_url}")


class InTraceback(FakeSource):
    """Has the URL in what its error came from."""

    def tell(self):
        """Raise it."""
        raise SourceAnswerError("no answer") from OSError(self.secret_url)


class InContext(FakeSource):
    """Has the URL in what was being handled when its error came."""

    def tell(self):
        """Raise it."""
        try:
            fail_with(self.secret_url)
        except OSError:
            raise SourceAnswerError("no answer")  # noqa: B904 - the context is the point


class InAttribute(FakeSource):
    """Has the URL in an attribute of its error, which a repr or a pickle would show."""

    def tell(self):
        """Raise it."""
        error = SourceAnswerError("no answer")
        error.url = self.secret_url
        raise error


class InRepr(FakeSource):
    """Has the URL in its repr."""

    def __repr__(self) -> str:
        return f"Source({self.secret_url})"


@pytest.fixture
def lines():
    """The log of one case, kept as the suite keeps it."""
    root, handler = logging.getLogger(), suite.Lines()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler.lines
    root.setLevel(before)
    root.removeHandler(handler)


def rows_with(source, monkeypatch, tmp_path):
    """Run a case of the suite with another source."""
    monkeypatch.setattr(fault_suite, "HttpSource", source)
    return fault_suite.run_cases([CUT], 7, tmp_path)


@pytest.mark.parametrize("source", [HttpSource, FakeSource])
def test_a_careful_source_passes_the_search(source, lines, monkeypatch, tmp_path):
    """Without a leak the suite's own search finds nothing, so that what it finds below is what was planted."""
    rows = rows_with(source, monkeypatch, tmp_path)
    assert [row.outcome for row in rows] == ["bytes"]
    suite.test_no_session_shows(rows, lines)


@pytest.mark.parametrize("source", [InText, InTraceback, InContext, InAttribute, InRepr])
def test_a_session_in_an_error_or_repr_is_found(source, lines, monkeypatch, tmp_path):
    """Text, cause, context and attributes of an error, and the repr of a source: the suite's own search fails."""
    rows = rows_with(source, monkeypatch, tmp_path)
    assert [row.is_expected for row in rows] == [True]
    assert [row.kind for row in rows if SECRET in row.shown] == [CUT.kind]
    with pytest.raises(AssertionError):
        suite.test_no_session_shows(rows, lines)


@pytest.mark.parametrize("source", [InLog, InLogOfAnError])
def test_a_session_in_the_log_is_found(source, lines, monkeypatch, tmp_path):
    """A line of any logger at level DEBUG, its traceback included: the suite's own search fails."""
    rows = rows_with(source, monkeypatch, tmp_path)
    assert [row.outcome for row in rows] == ["bytes"]
    assert [row.kind for row in rows if SECRET in row.shown] == []
    assert len([line for line in lines if SECRET in line]) == 1
    with pytest.raises(AssertionError):
        suite.test_no_session_shows(rows, lines)
