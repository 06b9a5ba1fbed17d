"""The documentation's Python runs, its links lead somewhere, and it names every error."""

from __future__ import annotations

import json
import re
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airflow_provider_kaltura import exceptions
from airflow_provider_kaltura.compat import BaseEventTrigger, BaseTrigger
from airflow_provider_kaltura.sandbox import small
from airflow_provider_kaltura.sandbox.server import serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

PROJECT = Path(__file__).resolve().parents[3]
PAGES = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted((PROJECT / "docs").rglob("*.md"))]
IDS = [str(page.relative_to(PROJECT)) for page in PAGES]
PYTHON = re.compile(r"^[ ]*```python\n(.*?)^[ ]*```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)")


@pytest.fixture(scope="module")
def service_url() -> Iterator[str]:
    """Serve the small library."""
    with serve(small.library()) as running:
        yield running.base_url


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_python_of_a_page_runs(page: Path, service_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every Python block runs from top to bottom, against the sandbox where it talks to Kaltura."""
    connection = {
        "conn_type": "kaltura",
        "host": service_url,
        "login": str(small.PARTNER_ID),
        "password": small.ADMIN_SECRET,
    }
    monkeypatch.setenv("AIRFLOW_CONN_KALTURA_DEFAULT", json.dumps(connection))
    for block in PYTHON.findall(page.read_text()):
        names: dict[str, object] = {}
        with _events_of_airflow_3(page):
            exec(compile(block, str(page), "exec"), names)  # noqa: S102, our own documentation
        assert len(names) > 1, "the block defines nothing"


def _events_of_airflow_3(page: Path) -> AbstractContextManager[object]:
    """Expect that the page on events names a module that Airflow 2 has not; its text says so."""
    if page.name == "events.md" and BaseEventTrigger is BaseTrigger:
        return pytest.raises(ModuleNotFoundError, match=r"airflow\.sdk")
    return nullcontext()


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_links_of_a_page_lead_to_files(page: Path) -> None:
    """Relative links name files that are there."""
    dead = [target for target in LINK.findall(page.read_text()) if not (page.parent / target).exists()]
    assert dead == []


def test_the_page_of_errors_names_every_class() -> None:
    """``docs/errors.md`` has every class that a task may raise, and every lower one that is mapped to it."""
    text = (PROJECT / "docs" / "errors.md").read_text()
    wanted = {kind.__name__ for kind in exceptions.ERRORS} | {
        name for name in exceptions.__all__ if name.startswith("Kaltura")
    }
    assert {name for name in wanted if f"`{name}`" not in text} == set()


def test_readme_fits_on_its_pages() -> None:
    """The README stays within 150 lines and names the two commands of a newcomer."""
    text = (PROJECT / "README.md").read_text()
    assert text.count("\n") <= 150
    assert "make demo" in text
    assert "make test" in text
