"""The sandbox answers every recorded case as the recorded server did, under any ids and secrets."""

import json
import subprocess
import sys

import pytest

from airflow_provider_kaltura.sandbox import fixture, server

SEEDS = (1, 2, 3, 4, 5)


def failures(replay, folder):
    """Serve the fixture of a folder and return what its cases find wrong, and how many cases there are."""
    state = json.loads((folder / "fixture.json").read_text("utf-8"))
    cases = replay.load_cases(folder / "cases")
    with server.serve(fixture.load(folder / "fixture.json")) as running:
        replayer = replay.Replayer(running.base_url, state)
        found = {case["id"]: replayer.run(case) for case in cases}
    return {name: problems for name, problems in found.items() if problems}, len(cases)


def test_every_recorded_case_passes(replay, conformance):
    """The cases as they are: none fails."""
    failed, count = failures(replay, conformance)
    assert failed == {}
    assert count == 304


@pytest.mark.parametrize("seed", SEEDS)
def test_every_case_passes_under_other_ids_and_secrets(replay, conformance, tmp_path, seed):
    """A permutation of all ids and secrets changes nothing."""
    program = [sys.executable, conformance / "permute.py", str(seed), "--source", conformance, "--target", tmp_path]
    subprocess.run(program, check=True, capture_output=True)
    failed, count = failures(replay, tmp_path)
    assert failed == {}
    assert count > 290


def test_the_commands_of_the_acceptance_line_succeed(conformance):
    """The sandbox as a program and the replayer as a program: the last line says 0 failed."""
    command = [sys.executable, "-m", "airflow_provider_kaltura.sandbox", "--port", "0"]
    with subprocess.Popen(
        [*command, "--fixture", conformance / "fixture.json"], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            base_url = process.stdout.readline().removeprefix("sandbox ready at ").strip()
            replayer = [sys.executable, conformance / "replay.py", "--base-url", base_url]
            result = subprocess.run(
                [*replayer, "--cases", conformance / "cases"], capture_output=True, text=True, check=False
            )
        finally:
            process.terminate()
    assert result.stdout.splitlines()[-1] == "304 passed, 0 failed"
    assert result.returncode == 0


def test_the_replayer_notices_a_wrong_answer(replay, conformance):
    """A server that knows one entry less fails cases: the suite is able to fail."""
    state = json.loads((conformance / "fixture.json").read_text("utf-8"))
    case = next(c for c in replay.load_cases(conformance / "cases") if c["id"] == "entries.get_ready")
    library = fixture.load(conformance / "fixture.json")
    library.entries[case["request"]["params"]["entryId"]]["name"] = "renamed"
    with server.serve(library) as running:
        assert replay.Replayer(running.base_url, state).run(case) != []
