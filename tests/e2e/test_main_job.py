"""The main job in a whole Airflow: triggered over REST, deferred in the triggerer, bytes compared, nothing leaked."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_kaltura.sandbox import small
from tests.secret_scan import find_in_text, scan_home, texts_of_database, texts_of_files

if TYPE_CHECKING:
    from tests.e2e.conftest import Stage

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

DOWNLOAD = "example_kaltura_download"
SECRETS = {small.ADMIN_SECRET, small.USER_SECRET, small.APP_TOKEN, small.USER_APP_TOKEN}


def destination(stage: Stage, folder: str) -> str:
    """Return a destination of its own for one run."""
    return f"{stage.lake}/{folder}/{{createdAt:%Y/%m}}/{{entryId}}-{{flavorId}}.{{format}}"


def wait_for_state(stage: Stage, dag_id: str, run_id: str, task_id: str, state: str) -> None:
    """Wait until a task is seen in a state."""
    deadline = time.monotonic() + 120
    while (seen := stage.airflow.task_states(dag_id, run_id).get(task_id)) != state:
        assert seen not in {"failed", "success"}, f"{task_id} is {seen} instead of {state}"
        assert time.monotonic() < deadline, f"{task_id} is {seen}, not {state}"
        time.sleep(0.3)


def finish(stage: Stage, dag_id: str, run_id: str) -> None:
    """Wait for the end of a run, which must be a success."""
    state, seen = stage.airflow.wait(dag_id, run_id, 240)
    assert state == "success", f"{seen}\n{stage.airflow.logs()[-6000:]}"


def assert_landed(stage: Stage, run_id: str, dag_id: str = DOWNLOAD, task_id: str = "download") -> dict[str, Any]:
    """Compare the landed file with what the sandbox holds, and return the download task's result."""
    result: dict[str, Any] = stage.airflow.xcom(dag_id, run_id, task_id)
    file = Path(result["path"])
    assert file.read_bytes() == stage.served(result["flavorId"])
    leftovers = [one for one in file.parent.iterdir() if one != file and one.name.startswith(f".{file.name}")]
    assert leftovers == []
    return result


def trigger_rows(stage: Stage) -> str:
    """Return everything that stands in the table of triggers."""
    database = stage.airflow.home / "airflow.db"
    return "\n".join(text for place, text in texts_of_database(database) if place.startswith("trigger."))


class TestMainJob:
    """Three tasks over REST on each Airflow version."""

    def test_late_entry_is_waited_for_in_the_triggerer_and_its_bytes_land(self, stage: Stage) -> None:
        """The sensor defers, the clock moves, three tasks are green, and the file is what the sandbox holds."""
        stage.airflow.wait_for_dag(DOWNLOAD)
        conf = {"entry_id": small.LATE, "destination": destination(stage, "late")}
        run_id = stage.airflow.trigger(DOWNLOAD, conf)
        wait_for_state(stage, DOWNLOAD, run_id, "wait_for_flavor", "deferred")
        rows = trigger_rows(stage)
        assert "KalturaFlavorReadyTrigger" in rows
        assert small.LATE in rows
        assert list(find_in_text(rows, SECRETS | stage.issued_sessions(), "trigger")) == []
        stage.late_entry_becomes_ready()
        finish(stage, DOWNLOAD, run_id)
        states = stage.airflow.task_states(DOWNLOAD, run_id)
        assert states == dict.fromkeys(("wait_for_flavor", "get_download_url", "download"), "success")
        assert assert_landed(stage, run_id)["outcome"] == "downloaded"

    def test_every_other_authentication_method_does_the_same(self, stage: Stage) -> None:
        """App token, session.start and a ready KS bring the same bytes, and each is really used."""
        dag_id = "e2e_methods"
        stage.airflow.wait_for_dag(dag_id)
        before = stage.sandbox.log.action_counts()
        conf = {"entry_id": small.READY, "destination": f"{stage.lake}/methods"}
        run_id = stage.airflow.trigger(dag_id, conf)
        finish(stage, dag_id, run_id)
        for method in ("app_token", "session_start", "ks"):
            assert_landed(stage, run_id, dag_id, f"download_by_{method}")
        after = stage.sandbox.log.action_counts()
        used = {name for name, count in after.items() if count > before.get(name, 0)}
        assert {"appToken.startSession", "session.start"} <= used
        assert stage.ready_ks in stage.issued_sessions()

    def test_entry_without_flavors_fails_at_once_and_says_why(self, stage: Stage) -> None:
        """An image can never have a flavor: the run fails, without waiting, with the reason in its log."""
        stage.airflow.wait_for_dag(DOWNLOAD)
        conf = {"entry_id": small.IMAGE, "destination": destination(stage, "image")}
        run_id = stage.airflow.trigger(DOWNLOAD, conf)
        state, seen = stage.airflow.wait(DOWNLOAD, run_id, 120)
        assert state == "failed"
        assert "deferred" not in seen["wait_for_flavor"]
        assert "no_media:image" in stage.airflow.logs()

    def test_signed_url_stands_in_its_xcom_and_rendered_fields_and_nowhere_else(self, stage: Stage) -> None:
        """What ``url_in_xcom="signed"`` is documented to show is shown there, and in no log or other table."""
        stage.airflow.wait_for_dag("e2e_signed")
        conf = {"entry_id": small.SECURE, "destination": destination(stage, "signed")}
        run_id = stage.airflow.trigger("e2e_signed", conf)
        finish(stage, "e2e_signed", run_id)
        assert_landed(stage, run_id, "e2e_signed")
        pushed = stage.airflow.xcom("e2e_signed", run_id, "get_download_url")
        assert pushed["needsSession"] is True
        (signature,) = {part.split("/")[0] for part in pushed["downloadUrl"].split("/ks/")[1:]}
        places = {
            place
            for source in (texts_of_database(stage.airflow.home / "airflow.db"), texts_of_files(stage.airflow.home))
            for place, text in source
            if signature in text
        }
        assert places == {"xcom.value", "rendered_task_instance_fields.rendered_fields"}
        forget_signed_run(stage, run_id)

    def test_nothing_that_the_runs_left_behind_holds_a_secret(self, stage: Stage) -> None:
        """No secret, app token or KS stands in any log, nor in any value of the database."""
        secrets = SECRETS | stage.issued_sessions()
        assert len(secrets) > len(SECRETS), "the sandbox saw no session at all"
        assert scan_home(stage.airflow.home, secrets) == []

    def test_planted_secrets_are_found_in_every_place(self, stage: Stage) -> None:
        """The scanner sees what a log, an XCom, a rendered field, a trigger row and a traceback hold."""
        dag_id, plant = "e2e_planted", "planted-0f3a9c"
        stage.airflow.wait_for_dag(dag_id)
        run_id = stage.airflow.trigger(dag_id, {"plant": plant, "entry_id": small.NEVER})
        wait_for_state(stage, dag_id, run_id, "leak_by_trigger", "deferred")
        wait_for_state(stage, dag_id, run_id, "leak", "success")
        wait_for_state(stage, dag_id, run_id, "leak_by_error", "failed")
        home = stage.airflow.home
        places = {letter: {one.place for one in scan_home(home, {f"{plant}-{letter}"})} for letter in "abc"}
        assert {"xcom.value", "rendered_task_instance_fields.rendered_fields"} <= places["a"]
        assert any("task_id=leak/" in place for place in places["a"])
        assert any("task_id=leak_by_error/" in place for place in places["b"])
        assert "trigger.kwargs" in places["c"]


def forget_signed_run(stage: Stage, run_id: str) -> None:
    """Delete the one run whose secrets are there on purpose, so that the next test may look at everything."""
    stage.airflow.api("DELETE", f"dags/e2e_signed/dagRuns/{run_id}")
