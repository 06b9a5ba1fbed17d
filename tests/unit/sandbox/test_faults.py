"""faults.py and fault_rules.py: the answers of faults, and which requests they meet."""

import json

import pytest
from lxml import etree

from airflow_provider_kaltura.sandbox import fault_rules, server
from airflow_provider_kaltura.sandbox.errors import REASONS
from airflow_provider_kaltura.sandbox.faults import Match
from airflow_provider_kaltura.sandbox.library import Library
from tests.unit.sandbox.conftest import PARTNER

SIZE = 5000
PATH = "/p/7/sp/700/serveFlavor/entryId/0_film/v/2/flavorId/0_f"


@pytest.fixture
def faults(control):
    """Return the faults of the library's server, which has one film."""
    control.add_entry("0_film", partner_id=PARTNER)
    control.add_flavor("0_film", "0_f", size_bytes=SIZE)
    return control.faults


@pytest.fixture
def served(running, http):
    """Return a server with one film, and a function that gets its media URL."""
    running.control.add_entry("0_film", partner_id=PARTNER)
    running.control.add_flavor("0_film", "0_f", size_bytes=SIZE)

    def get(path=PATH, **headers):
        return http.get(running.base_url + path, headers=headers, allow_redirects=False)

    return running, get


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("internal_error", "INTERNAL_SERVERL_ERROR"),
        ("database_error", "INTERNAL_DATABASE_ERROR"),
        ("rate_limit", "ACTION_BLOCKED"),
        ("forbidden", "SERVICE_FORBIDDEN"),
        ("invalid_ks_expired", "INVALID_KS"),
        ("invalid_ks_logout", "INVALID_KS"),
        ("invalid_ks_permission", "INVALID_KS"),
        ("invalid_ks_other_text", "INVALID_KS"),
        ("partner_blocked", "SERVICE_FORBIDDEN_CONTENT_BLOCKED"),
    ],
)
def test_faults_of_the_api_answer_an_error(ask, faults, name, code):
    """JSON and XML have the error in Kaltura's envelope, with HTTP 200."""
    faults.on(name, service="media", action="get")
    assert ask.code("media.get", entryId="0_film") == code
    tree = etree.fromstring(ask.reply("media.get", entryId="0_film", format=2).body)
    assert tree.findtext("result/error/code") == code
    assert ask("system.ping") is True


def test_a_rate_limit_names_the_action_in_lower_case(ask, faults):
    """As the server does."""
    faults.on("rate_limit")
    assert ask("flavorAsset.getUrl", id="0_f")["message"] == 'Action "geturl" in service "flavorasset" is blocked'


def test_a_fault_meets_single_parts_of_a_multirequest(ask, faults):
    """The other parts are answered; a die error empties all."""
    parts = {
        "1": {"service": "media", "action": "list"},
        "2": {"service": "media", "action": "get", "entryId": "0_film"},
    }
    fault = faults.on("internal_error", service="media", action="list")
    answer = ask("multirequest.", parts)
    assert [answer[0]["code"], answer[1]["id"]] == ["INTERNAL_SERVERL_ERROR", "0_film"]
    faults.off(fault)
    faults.on("die_scheduling", action="get")
    assert ask.reply("multirequest.", parts).body == b""


@pytest.mark.parametrize("code", sorted(REASONS))
def test_die_errors_have_no_body(ask, faults, code):
    """Every number is there, under its own name and as an option, also in its cached form."""
    faults.on(f"die_error_{code}", times=1)
    faults.on("die", code=code, cached=True, after=1)
    replies = [ask.reply("media.get", entryId="0_film") for _ in range(2)]
    assert [(r.status, r.body) for r in replies] == [(200, b""), (200, b"")]
    assert [dict(r.headers)["X-Kaltura"] for r in replies] == [f"error-{code}", f"cached-error-{code}"]


def test_the_index_can_lag_behind(ask, faults):
    """Lists are empty without any error, other actions work."""
    faults.on("index_lag")
    assert ask("media.list") == {"totalCount": 0, "objects": [], "objectType": "KalturaMediaListResponse"}
    assert ask("media.get", entryId="0_film")["id"] == "0_film"


@pytest.mark.parametrize("service", ["media", "baseEntry"])
@pytest.mark.parametrize("condition", ["idEqual", "idIn"])
def test_an_index_that_lags_still_finds_by_id(ask, faults, service, condition):
    """Entries that are asked for by id are found and counted, as Kaltura answers these from its database."""
    faults.on("index_lag")
    assert ask.ids(f"{service}.list", {"filter": {condition: "0_film"}}) == ["0_film"]
    assert ask(f"{service}.count", {"filter": {condition: "0_film"}}) == 1
    assert ask.ids(f"{service}.list", {"filter": {condition: ""}}) == []
    assert ask.ids(f"{service}.list", {"filter": {"nameLike": "film"}}) == []


def test_an_index_that_lags_leaves_other_services_alone(ask, faults):
    """Profiles do not come from the index of entries."""
    faults.on("index_lag")
    assert ask("conversionProfile.list")["objectType"] == "KalturaConversionProfileListResponse"


def test_any_api_error_can_be_asked_for(ask, faults):
    """api_error takes a code and its arguments."""
    faults.on("api_error", code="ENTRY_ID_NOT_FOUND", args={"ENTRY_ID": "0_x"}, times=1)
    assert ask.code("media.get", entryId="0_film") == "ENTRY_ID_NOT_FOUND"
    assert ask("media.get", entryId="0_film")["id"] == "0_film"


@pytest.mark.parametrize(
    ("name", "options", "status", "size"),
    [
        ("media_500_html", {}, 500, 1900),
        ("bad_gateway_html", {}, 502, None),
        ("unavailable_html", {}, 503, None),
        ("unavailable_text", {}, 503, 22),
        ("empty_500", {}, 500, 0),
        ("empty_200", {}, 200, 0),
        ("html_page", {}, 200, None),
        ("not_xml", {}, 200, None),
        ("http_status", {"status": 404, "body": "gone"}, 404, 4),
        ("media_error", {"code": 44}, 200, 0),
    ],
)
def test_faults_of_a_request_replace_the_answer(served, name, options, status, size):
    """Status and length of what comes instead, once."""
    running, get = served
    running.control.faults.on(name, times=1, **options)
    answer = get()
    assert answer.status_code == status
    assert size is None or len(answer.content) == size
    assert len(get().content) == SIZE


@pytest.mark.parametrize(("name", "status"), [("unavailable_retry_after", 503), ("too_many_requests", 429)])
def test_proxies_may_say_when_to_come_back(served, name, status):
    """Retry-After has the seconds."""
    running, get = served
    running.control.faults.on(name, retry_after=7)
    assert (get().status_code, get().headers["retry-after"]) == (status, "7")


def test_an_answer_of_the_api_can_be_truncated(served, http):
    """Half of the document, as a complete message."""
    running, _ = served
    running.control.faults.on("truncated", service="system")
    body = http.get(f"{running.base_url}/api_v3/service/system/action/ping").content
    with pytest.raises(etree.XMLSyntaxError):
        etree.fromstring(body)


def test_a_range_can_be_ignored(served):
    """200 and everything, although a range was asked for."""
    running, get = served
    running.control.faults.on("ignore_range")
    answer = get(Range="bytes=100-199")
    assert (answer.status_code, len(answer.content)) == (200, SIZE)
    assert "content-range" not in answer.headers


def test_a_content_range_can_be_wrong_or_missing(served):
    """The bytes are those asked for, the header isn't."""
    running, get = served
    running.control.faults.on("wrong_content_range", bytes=10, times=1)
    answer = get(Range="bytes=100-199")
    assert answer.headers["content-range"] == f"bytes 110-209/{SIZE}"
    assert answer.content == running.control.file("0_f").read(100, 200)
    running.control.faults.on("no_content_range")
    assert "content-range" not in get(Range="bytes=100-199").headers


@pytest.mark.parametrize("delta", [-1, 1, 1000])
def test_a_file_can_have_another_size(served, delta):
    """All headers agree with the other size."""
    running, get = served
    running.control.faults.on("changed_size", bytes=delta)
    assert len(get().content) == SIZE + delta
    part = get(Range="bytes=4990-")
    assert part.headers["content-range"] == f"bytes 4990-{SIZE + delta - 1}/{SIZE + delta}"
    assert len(part.content) == 10 + delta


@pytest.mark.parametrize(("name", "delta"), [("short_body", -3), ("long_body", 3)])
def test_a_body_can_be_short_or_long_under_a_length_that_agrees(served, name, delta):
    """Only who knows the real length can tell."""
    running, get = served
    running.control.faults.on(name, bytes=3)
    answer = get(Range="bytes=0-99")
    assert (len(answer.content), answer.headers["content-length"]) == (100 + delta, str(100 + delta))


def test_one_bit_can_be_flipped(served):
    """Only the byte at the offset differs, and only by one bit."""
    running, get = served
    running.control.faults.on("flip_bit", offset=1234)
    right, wrong = running.control.file("0_f").read(), get().content
    assert [n for n in range(SIZE) if right[n] != wrong[n]] == [1234]
    assert get(Range="bytes=0-99").content == right[:100]


def test_other_bytes_of_the_same_length_can_be_served(served):
    """The content changes under the same version."""
    running, get = served
    running.control.faults.on("other_bytes")
    assert (len(get().content), get().content == running.control.file("0_f").read()) == (SIZE, False)


def follow(get, path):
    """Follow redirects on this server; return the last answer and how many there were."""
    answer, hops = get(path), 0
    while answer.status_code in {301, 302, 307} and hops < 20:
        answer, hops = get(answer.headers["location"]), hops + 1
    return answer, hops


@pytest.mark.parametrize("hops", [1, 2, 5])
def test_redirects_chain(served, hops):
    """So many hops, then the file, with its query kept."""
    running, get = served
    running.control.faults.on("redirect", hops=hops, path="serveFlavor", times=1)
    answer, counted = follow(get, f"{PATH}?x=1")
    assert (counted, len(answer.content)) == (hops, SIZE)
    assert running.log.records()[-1].query == "x=1"


def test_redirects_can_loop(served):
    """The URL redirects to itself for ever."""
    running, get = served
    running.control.faults.on("redirect", loop=True, path="serveFlavor")
    assert follow(get, PATH)[1] == 20


def test_redirects_can_lead_to_another_server(served, http):
    """The base URL of another server stands before the path."""
    running, get = served
    with server.serve(running.library) as other:
        running.control.faults.on("redirect", to=other.base_url, status=307)
        answer = get()
        assert answer.headers["location"] == other.base_url + PATH
        assert len(http.get(answer.headers["location"]).content) == SIZE


def test_faults_of_media_spare_the_api(served, http):
    """Without a path they meet media URLs only."""
    running, get = served
    running.control.faults.on("media_500_html")
    assert http.get(f"{running.base_url}/api_v3/service/system/action/ping").status_code == 200
    assert get().status_code == 500


@pytest.mark.parametrize(
    ("match", "met"),
    [
        (Match(), True),
        (Match(service="MEDIA"), True),
        (Match(action="list"), False),
        (Match(object_id="0_film"), True),
        (Match(object_id="0_other"), False),
        (Match(path="api_v3"), True),
        (Match(path="^/p/"), False),
    ],
)
def test_matches_look_at_names_paths_and_ids(match, met):
    """Every condition that is given must hold."""
    assert match.meets_action("media", "get", {"entryId": "0_film"}, "/api_v3/x") is met


def test_ids_are_found_in_lists_and_nested_parameters():
    """An id in a filter, among others, is met."""
    match = Match(object_id="0_b")
    assert match.meets_action("media", "list", {"filter": {"idIn": "0_a,0_b"}}, "/")
    assert not match.meets_action("media", "list", {"filter": {"idIn": "0_a,0_bb"}}, "/")


def test_unknown_faults_and_settings_are_refused(faults):
    """The message lists what there is."""
    with pytest.raises(ValueError, match=r"no fault 'nothing'.*rate_limit"):
        faults.on("nothing")
    with pytest.raises(ValueError, match=r"no \['speed'\]"):
        faults.on("cut", speed=1)


def test_faults_are_switched_off_by_object_number_and_name(faults):
    """And all at once."""
    first, second, third = faults.on("cut"), faults.on("slow"), faults.on("slow")
    faults.off(first)
    faults.off(second.number)
    assert faults.list() == [third]
    faults.off("slow")
    assert faults.list() == []
    faults.on("cut")
    faults.clear()
    assert faults.list() == []


def test_every_recorded_fault_can_be_made(conformance_faults):
    """Each name of the recorded faults has a rule of its own, or one that is told a number."""
    made = {
        "internal_error_xml": "internal_error",
        "database_error_xml": "database_error",
        "database_error_multirequest": "database_error",
        "index_down_multirequest": "internal_error",
        "die_format": "die",
        "serve_no_file": "media_error",
        "media_entry_gone": "media_error",
        "media_flavor_gone": "media_error",
        "media_file_gone": "media_error",
        "media_cached_error": "media_error",
        "multirequest_fatal": "crash",
    }
    missing = [
        name
        for name in conformance_faults
        if made.get(name, "media_error" if name.startswith("media_error_") else name) not in fault_rules.RULES
    ]
    assert missing == []


def test_the_documentation_names_every_fault(request):
    """The page about the sandbox has each fault, those with a number of Kaltura's together."""
    page = (request.config.rootpath / "docs/how-to/sandbox.md").read_text("utf-8")
    assert [n for n in fault_rules.RULES if not n.startswith("die_error_") and f"`{n}`" not in page] == []


@pytest.fixture
def conformance_faults(request):
    """Return the names in the recorded faults.json."""
    text = (request.config.rootpath / "tests/conformance/faults.json").read_text("utf-8")
    return [fault["name"] for fault in json.loads(text)["faults"]]


def test_a_library_without_anything_still_answers(ask):
    """An empty library is a library."""
    assert isinstance(ask.api.library, Library)
    assert ask("media.list")["totalCount"] == 0
