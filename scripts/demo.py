"""
``make demo``: the main job from end to end, in a real Airflow.

Without further settings it runs against the sandbox and needs no account. With KALTURA_PARTNER_ID, KALTURA_SECRET and
KALTURA_ENTRY_ID (and KALTURA_SERVICE_URL, KALTURA_AUTH_METHOD, KALTURA_APP_TOKEN_ID), or with
AIRFLOW_CONN_KALTURA_DEFAULT and KALTURA_ENTRY_ID, it runs against a real one. Exit status: 0 when every file that
landed is right, 1 when one isn't or a run failed, 2 when the settings are incomplete.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests

from scripts.standalone import StandaloneAirflow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PROJECT = Path(__file__).resolve().parent.parent
DAG_ID = "example_kaltura_download"
CONNECTION_VARIABLE = "AIRFLOW_CONN_KALTURA_DEFAULT"
REQUIRED = ("KALTURA_PARTNER_ID", "KALTURA_SECRET", "KALTURA_ENTRY_ID")
OPTIONAL = ("KALTURA_SERVICE_URL", "KALTURA_AUTH_METHOD", "KALTURA_APP_TOKEN_ID")
DEFAULT_SERVICE_URL = "https://www.kaltura.com"
SANDBOX_SECONDS = 270  # for all runs together: the whole ends within 5 minutes
REAL_RUN_SECONDS = 6 * 3600
# Airflow 3 writes the class and the text of an error into fields of JSON, Airflow 2 into one line.
REASON = re.compile(r'\b(Kaltura\w+Error)(?:: |", ?"exc_value": ?")([^"\n]+)')
LATE_SECONDS = 180  # its source, which the demo takes, is ready after a third


class DemoError(Exception):
    """The demo found something wrong; the message says what."""


class SettingsError(Exception):
    """The environment names a real account only by half."""


@dataclass(frozen=True)
class Target:
    """
    What the demo runs against.

    :param headline: First line to print; no secret in it.
    :param connection: The Airflow connection, as JSON or URI.
    :param entry_ids: Entries to download, one run each.
    :param service_url: Set for the sandbox, whose files are fetched once more and compared.
    """

    headline: str
    connection: str = field(repr=False)
    entry_ids: tuple[str, ...]
    service_url: str | None = None


def real_target(env: Mapping[str, str]) -> Target | None:
    """
    Read the settings of a real account.

    :param env: The environment.
    :returns: The target, None when nothing is set.
    :raises SettingsError: Something is set, but not enough; the message names what is missing.
    """
    given = {name for name in (*REQUIRED, *OPTIONAL) if env.get(name)}
    connection = env.get(CONNECTION_VARIABLE)
    if not given and not connection:
        return None
    if connection:
        if given != {"KALTURA_ENTRY_ID"}:
            raise SettingsError(
                f"{CONNECTION_VARIABLE} is set: KALTURA_ENTRY_ID must be set beside it, and no other KALTURA_ variable"
            )
        headline = f"demo: a real account, by the connection in {CONNECTION_VARIABLE}"
        return Target(headline, connection, (env["KALTURA_ENTRY_ID"],))
    missing = [name for name in REQUIRED if name not in given]
    if env.get("KALTURA_AUTH_METHOD") == "app_token" and "KALTURA_APP_TOKEN_ID" not in given:
        missing.append("KALTURA_APP_TOKEN_ID")
    if missing:
        raise SettingsError(f"{', '.join(sorted(given))} is set, but not {', '.join(missing)}; set these too, or none")
    extra = {
        name: env[variable]
        for name, variable in (("auth_method", "KALTURA_AUTH_METHOD"), ("app_token_id", "KALTURA_APP_TOKEN_ID"))
        if env.get(variable)
    }
    service_url = env.get("KALTURA_SERVICE_URL") or DEFAULT_SERVICE_URL
    connection = json.dumps(
        {
            "conn_type": "kaltura",
            "host": service_url,
            "login": env["KALTURA_PARTNER_ID"],
            "password": env["KALTURA_SECRET"],
            "extra": extra,
        }
    )
    headline = f"demo: a real account, partner {env['KALTURA_PARTNER_ID']} at {urlsplit(service_url).netloc}"
    return Target(headline, connection, (env["KALTURA_ENTRY_ID"],))


@contextmanager
def sandbox() -> Iterator[Target]:
    """Start the sandbox as a newcomer would, and stop it at the end."""
    from airflow_provider_kaltura.sandbox import small  # noqa: PLC0415 - not needed for a real account

    command = [sys.executable, "-m", "airflow_provider_kaltura.sandbox", "--port", "0", "--ready-after"]
    process = subprocess.Popen([*command, str(LATE_SECONDS)], cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    try:
        service_url = ""
        for line in process.stdout or ():
            if line.startswith("sandbox ready at "):
                service_url = line.split()[-1]
                break
        if not service_url:
            raise DemoError(f"the sandbox did not start (exit status {process.wait()})")
        connection = json.dumps(
            {
                "conn_type": "kaltura",
                "host": service_url,
                "login": str(small.PARTNER_ID),
                "password": small.ADMIN_SECRET,
            }
        )
        yield Target(
            "demo: the sandbox, no account needed",
            connection,
            (small.READY, small.LATE, small.SECURE),
            service_url,
        )
    finally:
        process.terminate()
        process.wait(timeout=20)


def served_bytes(service_url: str, flavor_id: str) -> bytes:
    """
    Fetch a flavor from the sandbox by means of nothing but HTTP, so that our own code can't deceive itself.

    :param service_url: Where the sandbox is.
    :param flavor_id: Which flavor.
    :returns: All its bytes.
    """
    from airflow_provider_kaltura.sandbox import small  # noqa: PLC0415 - not needed for a real account

    with requests.Session() as http:
        http.trust_env = False
        api = f"{service_url}/api_v3/service"
        login = {"format": 1, "secret": small.ADMIN_SECRET, "partnerId": small.PARTNER_ID, "type": 2}
        ks = http.post(f"{api}/session/action/start", data=login, timeout=30).json()
        query = {"format": 1, "ks": ks, "id": flavor_id}
        url = http.post(f"{api}/flavorAsset/action/getDownloadUrl", data=query, timeout=30).json()
        return http.get(url, timeout=60).content


def decoded_frames(file: Path) -> int:
    """Decode the video of a file and return the number of its frames, 0 when it can't be decoded."""
    import av  # noqa: PLC0415 - heavy

    try:
        with av.open(str(file)) as container:
            return sum(1 for _ in container.decode(video=0))
    except (IndexError, av.error.FFmpegError):  # no video track; no video at all
        return 0


def check_landed(target: Target, result: Mapping[str, Any], expected_bytes: int | None) -> str:
    """
    Hold a landed file against what it should be.

    :param target: What the demo ran against.
    :param result: What the download task returned.
    :param expected_bytes: The flavor's size according to the URL task.
    :returns: What was found right, in words.
    :raises DemoError: Something differs.
    """
    from airflow_provider_kaltura.transfer.checksum import crc64nvme, format_crc64nvme  # noqa: PLC0415 - see above

    file = Path(result["path"])
    data = file.read_bytes()
    if expected_bytes is not None and len(data) != expected_bytes:
        raise DemoError(f"{file} has {len(data)} bytes, Kaltura says {expected_bytes}")
    if format_crc64nvme(crc64nvme(data)) != result["checksum"]:
        raise DemoError(f"{file} has another checksum than the task reported")
    said = [f"{len(data):,} bytes", str(result["checksum"])]
    if target.service_url is not None:
        if data != served_bytes(target.service_url, result["flavorId"]):
            raise DemoError(f"{file} differs from what the sandbox serves")
        said.append("same bytes as served")
    if file.suffix == ".mp4":
        frames = decoded_frames(file)
        if frames == 0:
            raise DemoError(f"{file} has no video frame")
        said.append(f"{frames} frames decoded")
    return ", ".join(said)


def check_connection(target: Target) -> None:
    """
    Try the connection of a real account before anything is started.

    :param target: What the demo runs against.
    :raises DemoError: It does not work; in the hook's words.
    """
    program = (
        "import sys; from airflow_provider_kaltura.hooks import KalturaHook; "
        "ok, text = KalturaHook().test_connection(); print(text); sys.exit(not ok)"
    )
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, CONNECTION_VARIABLE: target.connection, "AIRFLOW_HOME": home}
        done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False)
    lines = (done.stdout.strip() or done.stderr.strip() or "no answer").splitlines()
    if done.returncode != 0:
        raise DemoError(f"the connection does not work: {lines[-1]}")
    print(f"The connection works: {lines[-1]}")


def reasons(airflow: StandaloneAirflow) -> str:
    """Return the lines of the task logs that name one of our errors, which is what a person wants to read."""
    found = dict.fromkeys(": ".join(match.groups()) for match in REASON.finditer(airflow.logs()))
    return "\n  ".join(["", *found]) if found else ""


def run_entry(airflow: StandaloneAirflow, target: Target, entry_id: str, lake: Path, deadline: float) -> str:
    """
    Run the example DAG for one entry and check what landed.

    :param airflow: The running Airflow.
    :param target: What the demo runs against.
    :param entry_id: Which entry.
    :param lake: Folder for the files.
    :param deadline: When it must have ended, by the monotonic clock.
    :returns: What happened, in words.
    :raises DemoError: The run failed or a file is wrong.
    """
    conf = {"entry_id": entry_id, "destination": f"{lake}/{{createdAt:%Y/%m}}/{{entryId}}-{{flavorId}}.{{format}}"}
    run_id = airflow.trigger(DAG_ID, conf)
    state, seen = airflow.wait(DAG_ID, run_id, deadline - time.monotonic())
    if state != "success":
        states = airflow.task_states(DAG_ID, run_id)
        raise DemoError(f"the run for {entry_id} ended as {state}: {states}{reasons(airflow)}")
    url = airflow.xcom(DAG_ID, run_id, "get_download_url")
    result = airflow.xcom(DAG_ID, run_id, "download")
    waited = "waited in the triggerer" if "deferred" in seen["wait_for_flavor"] else "was ready"
    found = check_landed(target, result, url["fileSize"])
    return f"  {entry_id} {waited}; {result['outcome']} {Path(result['path']).relative_to(lake)}: {found}"


def check_nothing_leaked(target: Target, home: Path) -> None:
    """
    Look for the secret in all that Airflow wrote.

    :param target: What the demo ran against.
    :param home: AIRFLOW_HOME.
    :raises DemoError: It, or a KS, stands in a log or in the database.
    """
    from tests.secret_scan import scan_home  # noqa: PLC0415 - not needed before the end

    secrets = {json.loads(target.connection)["password"]} if target.connection.lstrip().startswith("{") else set()
    if found := scan_home(home, secrets):
        raise DemoError(f"a secret stands in {', '.join(sorted({one.place for one in found}))}")


def run(target: Target) -> None:
    """Start Airflow, run the DAG for every entry, check, and stop."""
    deadline = time.monotonic() + (SANDBOX_SECONDS if target.service_url else REAL_RUN_SECONDS)
    with tempfile.TemporaryDirectory(prefix="kaltura-demo-") as folder:
        lake = Path(folder) / "lake"
        home = Path(folder) / "airflow"
        dags = Path(folder) / "dags"
        for place in (lake, home, dags):
            place.mkdir()
        # No other example: some have a schedule, and would begin to copy the whole account.
        shutil.copy(PROJECT / "example_dags" / f"{DAG_ID}.py", dags)
        print("Starting a real Airflow (scheduler, triggerer, API server); this takes about half a minute …")
        airflow = StandaloneAirflow(
            python=Path(sys.executable),
            home=home,
            dags=dags,
            env={CONNECTION_VARIABLE: target.connection},
        )
        with airflow:
            airflow.wait_for_dag(DAG_ID)
            print(f"Airflow answers at {airflow.base_url}; triggering {DAG_ID} …")
            for entry_id in target.entry_ids:
                print(run_entry(airflow, target, entry_id, lake, deadline), flush=True)
        check_nothing_leaked(target, home)
        print("  no secret and no session stands in Airflow's logs or database")
        manifest = [line for file in (lake / "_kaltura").rglob("*.jsonl") for line in file.read_text().splitlines()]
        lakes_rows = sum(1 for line in manifest if json.loads(line)["outcome"] == "downloaded")
        if not lakes_rows:
            raise DemoError("the manifest in the lake records nothing")
        print(f"  the lake's manifest records {lakes_rows} downloaded file(s)")


def main() -> int:
    """Run the demo and return the exit status."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a text file when run as a command
    try:
        target = real_target(os.environ)
        if target is not None:
            print(target.headline)
            check_connection(target)
            run(target)
        else:
            with sandbox() as local:
                print(local.headline)
                run(local)
    except SettingsError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2
    except (DemoError, RuntimeError) as error:
        print(f"demo failed: {error}", file=sys.stderr)
        return 1
    print("demo: all files are right, everything is stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
