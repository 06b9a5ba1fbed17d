"""The sandbox holds rules: nothing that was recorded stands in its sources."""

import ast
import contextlib
import gzip
import json
import re
from pathlib import Path

import pytest
from lxml import etree

import airflow_provider_kaltura.sandbox

PACKAGE = Path(airflow_provider_kaltura.sandbox.__file__).parent
OBJECT_ID = re.compile(r"(?<![0-9A-Za-z])[01]_[0-9a-z]{8}(?![0-9A-Za-z])")
NUMBER = re.compile(r"(?<![\w.])\d+(?![\w.])")
URL = re.compile(r"(?:\{BASES?\}|https?://)[^\s\"'{}]*/[^\s\"']{8,}|/p/\d+/[^\s\"']{8,}")
SHORTEST_BODY = 20  # characters; shorter bodies are true, 12, null, the length of a file (looked for as a number)
SHORTEST_LEAF = 12  # characters of a text in an answer; shorter ones are words, numbers and times
SMALLEST_LENGTH = 10_000  # bytes; smaller lengths are round
# What answers may have in common with the rules: classes, error codes, messages and the names of their arguments.
RULES = frozenset({"objectType", "code", "message", "args"})


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


def leaves(value):
    """Yield every text in a JSON value, but keys and what stands under the names of rules."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key.rpartition(".")[2] not in RULES:
                yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    elif isinstance(value, str):
        yield value


def result(body):
    """Return an answer without the envelope that XML has."""
    return body["result"] if isinstance(body, dict) and body.keys() == {"result", "executionTime"} else body


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
    bodies = [result(step["expect"]["body"]) for case in cases for step in steps(case) if "body" in step["expect"]]
    lengths = {body["bytes"] for body in bodies if isinstance(body, dict) and "bytes" in body}
    own = {text for body in bodies if not isinstance(body, dict) or "text" not in body for text in leaves(body)}
    return {
        "id": {match for text in texts for match in OBJECT_ID.findall(text)},
        "secret": secrets | {token["token"] for token in state["appTokens"]},
        "url": {match for text in texts for match in URL.findall(text)},
        "case": {case["id"] for case in cases},
        "number": {int(partner) for partner in state["partners"]} | {n for n in lengths if n >= SMALLEST_LENGTH},
        "leaf": {text for text in own if len(text) >= SHORTEST_LEAF},
        "body": {json.dumps(body, sort_keys=True) for body in bodies if len(json.dumps(body)) >= SHORTEST_BODY},
        "text": {file["text"] for file in state["files"] if "text" in file},
    }


def spelled(value, xml_tree):
    """Yield what a constant is, or hides: itself, and what its text means as JSON or XML."""
    yield value
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            yield json.loads(value)
        with contextlib.suppress(SyntaxError, ValueError):  # lxml raises a SyntaxError
            yield xml_tree(etree.fromstring(value.strip().encode()))


def numbers(source):
    """Yield every whole number in a source text: its constants, and those within texts and comments."""
    yield from (int(digits) for digits in NUMBER.findall(source))
    yield from (n.value for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Constant) and type(n.value) is int)


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


def findings(source, recorded, xml_tree):
    """Return what of the recorded things occurs in a source text."""
    found = [("id", match) for match in OBJECT_ID.findall(source) if match in recorded["id"]]
    for kind in ("secret", "url", "case"):
        found += [(kind, text) for text in recorded[kind] if re.search(rf"(?<!\w){re.escape(text)}(?!\w)", source)]
    found += [("number", number) for number in numbers(source) if number in recorded["number"]]
    for value in constants(source):
        if isinstance(value, str) and value in recorded["text"]:
            found.append(("text", value))
        # A body may be spelled as Python, or hidden in a text as JSON or XML.
        for meaning in spelled(value, xml_tree):
            if json.dumps(result(meaning), sort_keys=True) in recorded["body"]:
                found.append(("body", value))
            found += [("leaf", text) for text in leaves(meaning) if text in recorded["leaf"]]
    return found


@pytest.fixture(scope="module")
def find(recorded, replay):
    """Return a function that finds recorded things in a source text."""
    return lambda source: findings(source, recorded, replay.xml_tree)


def test_nothing_recorded_occurs_in_the_sandbox(find):
    """No object id, secret, URL, case name, stored text or whole answer body stands in any module."""
    sources = sorted(PACKAGE.rglob("*"))
    found = {path.name: find(path.read_text("utf-8")) for path in sources if path.suffix == ".py"}
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
    assert len(recorded["body"]) > 180
    assert len(recorded["leaf"]) > 100


@pytest.mark.parametrize("kind", ["id", "secret", "url", "case", "text", "leaf"])
def test_a_planted_text_is_found(recorded, find, kind):
    """One recorded text of each kind, put into a module, is found."""
    planted = min(recorded[kind])
    assert kind in {found for found, _ in find(f"ANSWER = {planted!r}\n")}


@pytest.mark.parametrize("spell", ["PARTNER = {}", "# partner {}", "URL = '/p/{}/sp/'", "PARTNERS = [1, {}]"])
def test_a_planted_number_is_found(recorded, find, spell):
    """A partner's id is found as a number, in a text and in a comment; one that is part of a greater is not."""
    assert {102, 103, 104} <= recorded["number"]
    for number in (102, 103, 104):
        assert ("number", number) in find(spell.format(number) + "\n")
        assert find(spell.format(f"1{number}5") + "\n") == []


@pytest.mark.parametrize("pick", [max, min], ids=["the longest", "the shortest"])
@pytest.mark.parametrize("spell", [json.loads, str], ids=["as Python", "as a text of JSON"])
def test_a_planted_answer_is_found(recorded, find, spell, pick):
    """A whole body put into a module is found, as a dict and as JSON in a text."""
    body = pick((body for body in recorded["body"] if body.startswith("{")), key=len)
    assert "body" in {found for found, _ in find(f"ANSWER = {spell(body)!r}\n")}


def as_xml(value, tag):
    """Write a tree of texts as Kaltura would."""
    element = etree.Element(tag)
    if isinstance(value, str):
        element.text = value
    else:
        for name, item in value.items():
            many = item if isinstance(item, list) else [item]
            element.extend(as_xml(one, name) for one in many)
    return element


def test_a_planted_answer_in_xml_is_found(replay, conformance, find):
    """Each recorded XML body is found, put into a module as the text of its document."""
    cases = [case for case in replay.load_cases(conformance / "cases") if case.get("format") == 2]
    bodies = [case["expect"]["body"] for case in cases if "result" in case.get("expect", {}).get("body", {})]
    bodies = [body for body in bodies if len(json.dumps(result(body))) >= SHORTEST_BODY]
    assert len(bodies) > 3
    for body in bodies:
        document = etree.tostring(as_xml(body, "xml"), encoding="unicode")
        assert "body" in {found for found, _ in find(f"ANSWER = {document!r}\n")}
