"""The sandbox holds rules: nothing that was recorded stands in its sources."""

import ast
import gzip
import json
import re
from pathlib import Path

import pytest

import airflow_provider_kaltura.sandbox

PACKAGE = Path(airflow_provider_kaltura.sandbox.__file__).parent
OBJECT_ID = re.compile(r"(?<![0-9A-Za-z])[01]_[0-9a-z]{8}(?![0-9A-Za-z])")
URL = re.compile(r"(?:\{BASES?\}|https?://)[^\s\"'{}]*/[^\s\"']{8,}|/p/\d+/[^\s\"']{8,}")
SHORTEST_BODY = 60  # characters; shorter bodies are true, 12, null and the like


def strings(value):
    """Yield every text in a JSON value, keys included."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif isinstance(value, str):
        yield value


def steps(case):
    """Yield the case's requests with what is expected of them."""
    yield from case.get("steps", [case])


@pytest.fixture(scope="module")
def recorded(replay, conformance):
    """Return what must not occur, by kind."""
    state = json.loads((conformance / "fixture.json").read_text("utf-8"))
    cases = replay.load_cases(conformance / "cases")
    texts = [*strings(state), *strings(cases)]
    with gzip.open(conformance / "bulk_104.jsonl.gz", "rt") as lines:
        texts += lines
    secrets = {partner[key] for partner in state["partners"].values() for key in ("secret", "adminSecret")}
    bodies = [step["expect"]["body"] for case in cases for step in steps(case) if "body" in step["expect"]]
    return {
        "id": {match for text in texts for match in OBJECT_ID.findall(text)},
        "secret": secrets | {token["token"] for token in state["appTokens"]},
        "url": {match for text in texts for match in URL.findall(text)},
        "case": {case["id"] for case in cases},
        "body": {json.dumps(body, sort_keys=True) for body in bodies if len(json.dumps(body)) >= SHORTEST_BODY},
        "text": {file["text"] for file in state["files"] if "text" in file},
    }


def constants(source):
    """Yield every value that a source text spells out: texts, and dicts and lists of constants."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)):
            yield node.value if isinstance(node.value, str) else node.value.decode("latin-1")
        elif isinstance(node, (ast.Dict, ast.List)):
            try:
                yield json.loads(json.dumps(ast.literal_eval(node)))
            except (ValueError, TypeError):
                continue


def findings(source, recorded):
    """Return what of the recorded things occurs in a source text."""
    found = [("id", match) for match in OBJECT_ID.findall(source) if match in recorded["id"]]
    for kind in ("secret", "url", "case"):
        found += [(kind, text) for text in recorded[kind] if re.search(rf"(?<!\w){re.escape(text)}(?!\w)", source)]
    for value in constants(source):
        if isinstance(value, str) and value in recorded["text"]:
            found.append(("text", value))
        # A body may be spelled as Python or hidden in a text as JSON.
        try:
            spelled = json.loads(value) if isinstance(value, str) else value
        except ValueError:
            continue
        if json.dumps(spelled, sort_keys=True) in recorded["body"]:
            found.append(("body", value))
    return found


def test_nothing_recorded_occurs_in_the_sandbox(recorded):
    """No object id, secret, URL, case name, stored text or whole answer body stands in any module."""
    sources = sorted(PACKAGE.rglob("*"))
    found = {path.name: findings(path.read_text("utf-8"), recorded) for path in sources if path.suffix == ".py"}
    assert {name: what for name, what in found.items() if what} == {}
    assert len(found) > 20
    assert [path.name for path in sources if path.is_file() and path.suffix not in {".py", ".pyc"}] == []


def test_there_is_enough_to_look_for(recorded):
    """The lists of what must not occur are as long as the recording is rich."""
    assert {kind: len(values) > 0 for kind, values in recorded.items()} == dict.fromkeys(recorded, True)
    assert len(recorded["id"]) > 10_000
    assert len(recorded["case"]) == 304
    assert len(recorded["secret"]) == 17
    assert len(recorded["url"]) > 100
    assert len(recorded["body"]) > 150


@pytest.mark.parametrize("kind", ["id", "secret", "url", "case", "text"])
def test_a_planted_text_is_found(recorded, kind):
    """One recorded text of each kind, put into a module, is found."""
    planted = min(recorded[kind])
    assert kind in {found for found, _ in findings(f"ANSWER = {planted!r}\n", recorded)}


@pytest.mark.parametrize("spell", [json.loads, str], ids=["as Python", "as a text of JSON"])
def test_a_planted_answer_is_found(recorded, spell):
    """A whole body put into a module is found, as a dict and as JSON in a text."""
    body = max(recorded["body"], key=len)
    assert "body" in {found for found, _ in findings(f"ANSWER = {spell(body)!r}\n", recorded)}
