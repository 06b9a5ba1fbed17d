"""server.py, __main__.py, control_http.py, fixture.py: running it."""

import subprocess
import sys
import time
from http.client import HTTPConnection

import pytest
import requests
import trustme

from airflow_provider_kaltura.sandbox import __main__ as program
from airflow_provider_kaltura.sandbox import fixture, server
from airflow_provider_kaltura.sandbox.log import Log
from tests.unit.sandbox.conftest import PARTNER


def test_the_server_stops_with_its_context(library):
    """Afterwards nobody listens there any more."""
    with server.serve(library) as running:
        url = running.base_url
        assert requests.get(f"{url}/api_v3/service/system/action/ping", timeout=5).status_code == 200
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=5)


def test_two_servers_run_side_by_side(library):
    """Each has a port and a log of its own."""
    with server.serve(library) as first, server.serve(library) as second:
        requests.get(f"{first.base_url}/api_v3/service/system/action/ping", timeout=5)
        assert (first.log.requests, second.log.requests) == (1, 0)


def test_a_connection_stays_open(running):
    """Answers of every kind leave the connection to the next request."""
    connection = HTTPConnection(running.base_url.removeprefix("http://"))
    connection.connect()
    first = connection.sock
    for path in ("/api_v3/service/system/action/ping", "/nothing", "/p/7/sp/700/serveFlavor/entryId/0_x"):
        connection.request("GET", path)
        connection.getresponse().read()
        assert connection.sock is first
    connection.close()


@pytest.mark.parametrize(("options", "count", "least"), [({"latency_ms": 60}, 3, 0.06), ({"action_ms": 20}, 3, 0.06)])
def test_answers_can_be_slow(library, options, count, least):
    """latency_ms holds per request, action_ms per action of it."""
    body = {"format": 1} | {f"{n}:service": "system" for n in range(1, count + 1)}
    body |= {f"{n}:action": "ping" for n in range(1, count + 1)}
    with server.serve(library, **options) as running:
        began = time.monotonic()
        answer = requests.post(f"{running.base_url}/api_v3/service/multirequest", data=body, timeout=5)
        taken = time.monotonic() - began
    assert answer.json() == [True] * count
    assert taken >= least


def test_https_serves_https_urls(library, tmp_path):
    """With a certificate the server speaks TLS, and its own URLs begin with https."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(str(tmp_path / "cert.pem"), append=True)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with server.serve(library, tls_cert=tmp_path / "cert.pem", tls_key=tmp_path / "key.pem") as running:
        running.control.add_entry("0_a", partner_id=PARTNER)
        file = running.control.add_flavor("0_a", "0_f", size_bytes=2_000_000)
        url = f"{running.base_url}/p/7/sp/700/serveFlavor/flavorId/0_f"
        assert url.startswith("https://127.0.0.1:")
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(url, timeout=5)
        answer = requests.get(url, timeout=5, verify=str(tmp_path / "ca.pem"))
        assert str(len(answer.content)) == file["sizeInBytes"]
        running.control.faults.on("cut", after_bytes=1000)
        with pytest.raises(requests.exceptions.RequestException):
            requests.get(url, timeout=5, verify=str(tmp_path / "ca.pem"))


def test_the_program_says_when_it_serves():
    """One line, and the small library's secrets before it; it ends quietly when told to."""
    command = [sys.executable, "-m", "airflow_provider_kaltura.sandbox", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        lines = []
        while not lines or not lines[-1].startswith("sandbox ready at "):
            lines.append(process.stdout.readline())
            assert lines[-1], process.stderr.read()
        url = lines[-1].split()[-1]
        assert requests.get(f"{url}/api_v3/service/system/action/ping", timeout=5).status_code == 200
        process.terminate()
        assert process.stderr.read() == ""
    assert any("admin secret" in line for line in lines)


@pytest.mark.parametrize("missing", ["starlette", "uvicorn", "av"])
def test_a_missing_part_names_the_command(missing):
    """Without a package of the extra the program says what to install, and exits with 2."""
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from airflow_provider_kaltura.sandbox.__main__ import main\n"
        "sys.exit(main(['--port', '0']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'airflow-provider-kaltura[sandbox]'" in done.stderr
    assert missing in done.stderr


def test_the_sandbox_loads_neither_airflow_nor_the_client():
    """The server needs its own extra and the standard library, and nothing else of ours."""
    code = (
        "import sys, airflow_provider_kaltura.sandbox.server, airflow_provider_kaltura.sandbox.small\n"
        "bad = ('airflow.', 'KalturaClient', 'requests', 'lxml', 'airflow_provider_kaltura.api',"
        " 'airflow_provider_kaltura.transfer', 'av')\n"
        "print([name for name in sys.modules if name == 'airflow' or name.startswith(bad)])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_arguments_of_the_program():
    """A free port by default; the fixture and TLS are options."""
    parsed = program._parser().parse_args(["--fixture", "f.json", "--latency-ms", "5", "--host", "0.0.0.0"])  # noqa: S104
    assert (parsed.port, str(parsed.fixture), parsed.latency_ms) == (0, "f.json", 5)


def test_the_fixture_loads_within_two_seconds(pytestconfig, clock):
    """All 10,150 bulk entries too, in their order, with the values of their lines in the template."""
    began = time.process_time()  # of this process, so that a busy machine doesn't count
    library = fixture.load(pytestconfig.rootpath / "tests/conformance/fixture.json", clock=clock)
    assert time.process_time() - began < 2
    bulk = library.partner_entries[104]
    assert [entry["name"] for entry in bulk[:3]] == ["bulk 00000", "bulk 00001", "bulk 00002"]
    assert [bulk[601]["duration"], bulk[601]["msDuration"], bulk[601]["tags"]] == [1, 1000, "bulk, n1"]
    assert bulk[5]["rootEntryId"] == bulk[5]["id"]
    assert len(bulk) == 10_150
    assert library.now == int(clock.now)


@pytest.fixture
def control_url(running):
    """Return the address of the control endpoint."""
    return f"{running.base_url}/_sandbox"


def test_control_adds_and_changes_what_is_served(control_url, running, http):
    """Entries, flavors, files and states, by name of the function."""

    def post(function, **arguments):
        return http.post(f"{control_url}/{function}", json=arguments)

    assert post("add_entry", entry_id="0_a", partner_id=PARTNER, name="n").json()["name"] == "n"
    assert post("add_flavor", entry_id="0_a", flavor_id="0_f", size_bytes=10).json()["sizeInBytes"] == "10"
    assert post("replace_flavor_file", flavor_id="0_f", size_bytes=20).json()["version"] == "12"
    assert post("set_flavor", flavor_id="0_f", status=-1).json()["status"] == -1
    assert post("set_entry", entry_id="0_a", name="m").json()["name"] == "m"
    assert post("convert_later", entry_id="0_a", seconds=5).json() is None
    assert post("delete_flavor", flavor_id="0_f").status_code == 200
    assert post("delete_entry", entry_id="0_a").status_code == 200
    assert running.library.entries["0_a"]["status"] == 3
    assert post("sign_urls", uses=3).status_code == 200
    assert running.library.signed_urls.uses == 3


def test_control_switches_faults(control_url, running, http):
    """On with a name and settings, off by number or all."""
    first = http.post(f"{control_url}/faults", json={"name": "slow", "seconds": 0, "times": 1}).json()
    http.post(f"{control_url}/faults", json={"name": "cut", "after_bytes": 3})
    assert [fault["name"] for fault in http.get(f"{control_url}/faults").json()] == ["slow", "cut"]
    assert [fault["name"] for fault in http.delete(f"{control_url}/faults/{first['number']}").json()] == ["cut"]
    assert http.delete(f"{control_url}/faults").json() == []
    assert running.control.faults.list() == []


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("faults", {"name": "nothing"}, 400),
        ("faults", {"name": "cut", "speed": 1}, 400),
        ("nothing", {}, 404),
        ("add_flavor", {"entry_id": "0_none"}, 400),
        ("set_entry", {}, 400),
        ("library", {}, 404),
    ],
)
def test_control_explains_what_is_wrong(control_url, http, path, body, status):
    """Unknown names and arguments are errors with a sentence."""
    answer = http.post(f"{control_url}/{path}", json=body)
    assert (answer.status_code, bool(answer.json()["error"])) == (status, True)


def test_control_lists_the_faults(control_url, http):
    """Every rule has a sentence and its settings."""
    rules = http.get(f"{control_url}/rules").json()
    assert rules["cut"]["options"] == ["after_bytes", "at_offset", "reset"]
    assert all(rule["about"] for rule in rules.values())
    assert len(rules) > 50


def test_the_log_keeps_the_latest_and_counts_all():
    """Memory stays constant however many requests come."""
    log = Log(kept=3)
    for number in range(10):
        log.note(log.add("GET", f"/{number}", "", {}), {"service": "system", "action": "ping"})
    assert [record.path for record in log.records()] == ["/7", "/8", "/9"]
    assert (log.requests, log.actions, log.action_counts()) == (10, 10, {"system.ping": 10})
    log.clear()
    assert (log.requests, log.actions, log.records()) == (0, 0, [])


def test_control_tells_what_was_asked(control_url, http, running):
    """Requests with their actions and parameters, and how often each; asking doesn't count itself."""
    body = {"1": {"service": "SYSTEM", "action": "ping"}, "2": {"service": "media", "action": "get", "entryId": "0_x"}}
    http.post(f"{running.base_url}/api_v3/service/multirequest?a=b", json={"format": 1, **body})
    http.get(f"{running.base_url}/p/7/sp/700/serveFlavor/flavorId/0_f", headers={"Range": "bytes=0-1"})
    counts = http.get(f"{control_url}/counts").json()
    assert counts == {
        "requests": 2,
        "apiRequests": 1,
        "mediaRequests": 1,
        "actions": 2,
        "byAction": {"system.ping": 1, "media.get": 1},
    }
    first, second = http.get(f"{control_url}/requests").json()
    assert (first["method"], first["query"], first["actions"]) == ("POST", "a=b", ["system.ping", "media.get"])
    assert first["parameters"]["2"]["entryId"] == "0_x"
    assert (second["path"], second["headers"]["range"]) == ("/p/7/sp/700/serveFlavor/flavorId/0_f", "bytes=0-1")
    assert http.delete(f"{control_url}/counts").json()["requests"] == 0
    assert len(http.get(f"{control_url}/requests").json()) == 2
    assert http.delete(f"{control_url}/requests").json() == []


@pytest.mark.parametrize("option", ["--fixture", "--tls-cert"])
def test_a_missing_file_is_named(option, capsys):
    """The program says which file isn't there."""
    with pytest.raises(SystemExit):
        program.main([option, "/nowhere/file.json"])
    assert "/nowhere/file.json" in capsys.readouterr().err


def test_a_taken_port_is_named(running, capsys, pytestconfig):
    """The program says where it can't listen."""
    port = running.base_url.rpartition(":")[2]
    recorded = str(pytestconfig.rootpath / "tests/conformance/fixture.json")
    with pytest.raises(SystemExit):
        program.main(["--port", port, "--fixture", recorded])
    assert f"cannot listen at 127.0.0.1:{port}" in capsys.readouterr().err


def test_the_program_serves_as_its_arguments_say(monkeypatch, tmp_path):
    """Every argument reaches the options of the server, the pauses among them; without any, there are no pauses."""
    given = []
    monkeypatch.setattr(server, "run", lambda _library, options, _ready: given.append(options))
    monkeypatch.setattr(program, "_library", lambda _arguments: (None, []))
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.touch()
    key.touch()
    spelled = "--host 0.0.0.0 --port 8011 --latency-ms 12.5 --action-ms 7 --tls-cert CERT --tls-key KEY"
    spelled = spelled.replace("CERT", str(certificate)).replace("KEY", str(key))
    assert program.main(spelled.split()) == 0
    assert program.main([]) == 0
    assert given == [server.Options("0.0.0.0", 8011, 12.5, 7.0, certificate, key), server.Options()]  # noqa: S104
