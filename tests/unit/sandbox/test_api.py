"""api.py, multirequest.py, parameters.py and encoding.py: the envelope."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from airflow_provider_kaltura.sandbox import encoding, multirequest
from airflow_provider_kaltura.sandbox.errors import ApiError, Crash
from tests.unit.sandbox.conftest import NOW, PARTNER

XML_TEXT = st.text(st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="\ufffe\uffff"), max_size=40)


@pytest.fixture
def entry(control):
    """Add an entry and return its id."""
    control.add_entry("0_a", partner_id=PARTNER, name="a/b é")
    return "0_a"


def part(name, **parameters):
    """Return one part of a multirequest."""
    service, _, action = name.partition(".")
    return {"service": service, "action": action, **parameters}


@pytest.mark.usefixtures("entry")
def test_parts_fail_alone(ask):
    """An error is an item; the parts after it are carried out."""
    answer = ask(
        "multirequest.",
        {"1": part("media.get", entryId="0_x"), "2": part("system.ping"), "3": part("media.get", entryId="0_a")},
    )
    assert [answer[0]["code"], answer[1], answer[2]["id"]] == ["ENTRY_ID_NOT_FOUND", True, "0_a"]


@pytest.mark.usefixtures("entry")
def test_a_die_error_empties_the_whole_answer(ask, control, make_ks):
    """One refused part takes the answers of all others with it."""
    control.add_flavor("0_a", "0_f")
    control.set_entry("0_a", moderationStatus=3)
    parts = {"1": part("system.ping"), "2": part("flavorAsset.getUrl", id="0_f")}
    reply = ask.reply("multirequest.", parts, session=make_ks(0, "eve"))
    assert (reply.status, reply.body) == (200, b"")


def test_numbers_start_at_0_or_1_and_stop_at_a_gap(ask):
    """What comes after the first gap isn't carried out; nothing at all is an empty list."""
    ping = part("system.ping")
    assert ask("multirequest.", {"0": ping, "1": ping}) == [True, True]
    assert ask("multirequest.", {"1": ping, "3": ping}) == [True]
    assert ask("multirequest.", {"2": ping}) == []


@pytest.mark.usefixtures("entry")
def test_references_count_from_one_however_parts_are_numbered(ask):
    """The first part is ``{1:result}`` even when it is numbered 0, as by the official Python client."""
    get, ref = part("media.get", entryId="0_a"), part("media.get", entryId="{1:result:id}")
    for parts in ({"0": get, "1": ref}, {"1": get, "2": ref}):
        assert [answer["id"] for answer in ask("multirequest.", parts)] == ["0_a", "0_a"]


@pytest.mark.usefixtures("entry")
def test_a_part_may_have_its_own_session(ask, make_ks):
    """The shared KS holds for the parts that have none; a bad shared one fails all."""
    own = part("session.get", ks=make_ks(2, "me"))
    answer = ask("multirequest.", {"1": own, "2": part("session.get")}, session=make_ks(0))
    assert [answer[0]["userId"], answer[1]["code"]] == ["me", "SERVICE_FORBIDDEN"]
    bad = ask("multirequest.", {"1": part("system.ping"), "2": part("system.ping")}, session="garbage")
    assert [item["code"] for item in bad] == ["INVALID_KS", "INVALID_KS"]


@pytest.mark.usefixtures("entry")
def test_a_session_can_be_started_and_used_in_one_request(ask):
    """``{1:result}`` is the whole answer of an earlier part."""
    start = part("session.start", partnerId=PARTNER, secret="the admin secret", type=2)
    get = part("media.get", entryId="0_a", ks="{1:result}")
    assert ask("multirequest.", {"1": start, "2": get}, session=None)[1]["id"] == "0_a"


RESULTS = {1: {"objects": [{"id": "0_a", "size": 5}], "flag": True}, 2: ApiError("NO_FLAVORS_FOUND"), 3: None}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{1:result:objects:0:id}", "0_a"),
        ("x-{1:result:objects:0:size}-y", "x-5-y"),
        ("{1:result:objects:7:id}", ""),
        ("{1:result:nothing}", ""),
        ("{1:result:objects}", ""),
        ("{2:result:id}", ""),
        ("{3:result:id}", ""),
        ("{9:result:id}", "{9:result:id}"),
        ("{1:results}", "{1:results}"),
        ({"filter": {"idIn": "{1:result:objects:0:id},0_b"}}, {"filter": {"idIn": "0_a,0_b"}}),
        (["{1:result:objects:0:id}", 5], ["0_a", 5]),
    ],
)
def test_references_take_values_from_earlier_answers(text, expected):
    """What isn't there becomes empty; an answer that isn't there yet stays as text."""
    assert multirequest.resolve(text, RESULTS) == expected


def test_a_property_of_a_scalar_crashes_the_server(ask):
    """A reference into true is an HTTP 500 without a body."""
    with pytest.raises(Crash):
        multirequest.resolve("{1:result:flag:x}", RESULTS)
    reply = ask.reply("multirequest.", {"1": part("system.ping"), "2": part("media.get", entryId="{1:result:id}")})
    assert (reply.status, reply.body) == (500, b"")


@pytest.mark.usefixtures("entry")
def test_names_ignore_case_and_unknown_ones_are_echoed_in_lower_case(ask):
    """Services and actions are found in any case; errors have the name in lower case."""
    assert ask("MEDIA.GET", entryId="0_a")["id"] == "0_a"
    assert ask("noSuch.x")["args"] == {"SRV_NAME": "nosuch"}
    assert ask("media.noSuch")["args"] == {"ACTION_NAME": "nosuch", "SERVICE_NAME": "media"}
    assert ask.code(".") == "SERVICE_NOT_SPECIFIED"


@pytest.mark.usefixtures("entry")
def test_json_escapes_slashes_and_everything_beyond_ascii(ask):
    """As the server does."""
    assert b'"a\\/b \\u00e9"' in ask.reply("media.get", entryId="0_a").body


def test_errors_without_arguments_have_an_empty_array(ask):
    """In JSON args is an object, or an empty array."""
    assert ask("flavorParams.getByConversionProfileId", conversionProfileId=1)["args"] == []


def xml(ask, name, **more):
    """Ask for XML and parse it."""
    return etree.fromstring(ask.reply(name, format=2, **more).body)


@pytest.mark.usefixtures("entry")
def test_xml_has_the_elements_of_its_class_in_order(ask, library):
    """Properties that JSON leaves out are empty elements, unless ignoreNull is set; booleans are 1 and 0."""
    library.property_order["KalturaMediaEntry"] = ["objectType", "id", "adminTags", "blockAutoTranscript", "tags"]
    tree = xml(ask, "media.get", entryId="0_a")
    assert [(e.tag, e.text) for e in tree.find("result")] == [
        ("objectType", "KalturaMediaEntry"),
        ("id", "0_a"),
        ("adminTags", None),
        ("blockAutoTranscript", "0"),
        ("tags", None),
    ]
    short = xml(ask, "media.get", entryId="0_a", ignoreNull=1)
    assert [e.tag for e in short.find("result")] == ["objectType", "id", "blockAutoTranscript", "tags"]


@pytest.mark.usefixtures("entry")
def test_xml_of_a_class_without_an_order_has_what_the_object_has(ask):
    """The small library needs no table: objectType comes first, then the object's own properties."""
    tags = [element.tag for element in xml(ask, "media.get", entryId="0_a").find("result")]
    assert tags[:2] == ["objectType", "id"]
    assert len(tags) == len(set(tags))


def test_xml_errors_stand_in_result(ask):
    """Result/error with code, message and args as items."""
    error = xml(ask, "media.get", entryId="0_x").find("result/error")
    assert error.findtext("code") == "ENTRY_ID_NOT_FOUND"
    assert error.findtext("args/item/value") == "0_x"


def test_xml_is_the_default_format(ask):
    """Without a format the answer is XML; an unknown one is refused without a body."""
    reply = ask.reply("system.ping", format=None)
    assert etree.fromstring(reply.body).findtext("result") == "1"
    assert dict(ask.reply("system.ping", format=77).headers)["X-Kaltura"] == "error- UNKNOWN_RESPONSE_FORMAT"


@given(text=XML_TEXT)
def test_any_text_survives_both_encodings(text):
    """Markup, quotes and all scripts come back as they were."""
    value = {"objectType": "X", "name": text}
    assert json.loads(encoding.to_json(value)) == value
    tree = etree.fromstring(encoding.XmlWriter({}).document(value, 0.1))
    assert (tree.findtext("result/name") or "") == text


def test_characters_that_xml_cannot_carry_are_dropped():
    """Control characters don't make the document unreadable."""
    tree = etree.fromstring(encoding.XmlWriter({}).document("a\x00b\x0bc\nd", 0.1))
    assert tree.findtext("result") == "abc\nd"


FORM = "application/x-www-form-urlencoded"


@pytest.mark.usefixtures("entry")
@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("/api_v3/service/media/action/get/entryId/0_a/format/1?ks={ks}", None, None),
        ("/api_v3/index.php/service/media/action/get?entryId=0_a&format=1&ks={ks}", None, None),
        ("/api_v3/index.php?service=media&action=get", "entryId=0_a&format=1&ks={ks}", FORM),
        ("/api_v3/?service=media&action=get", '{{"entryId":"0_a","format":1,"ks":"{ks}"}}', "application/json"),
        ("/api_v3/service/media/action/get", '{{"entryId":"0_a","format":1,"ks":"{ks}"}}', "application/json; a=b"),
        (
            "/api_v3/service/media/action/get",
            (
                '--b\r\nContent-Disposition: form-data; name="json"\r\n\r\n'
                '{{"entryId":"0_a","format":1,"ks":"{ks}"}}\r\n--b--\r\n'
            ),
            "multipart/form-data; boundary=b",
        ),
        ("/api_v3/service/media/action/get?entryId=0_a", "entryId=0_b&format=1&ks={ks}", FORM),
    ],
    ids=["path", "index.php", "service in the query", "JSON", "JSON with a charset", "multipart JSON", "query wins"],
)
def test_parameters_come_in_many_ways(running, http, make_ks, path, body, kind):
    """Path, query, form, JSON and multipart are read alike; the path wins over the query, that over the body."""
    url = running.base_url + path.format(ks=make_ks())
    data = None if body is None else body.format(ks=make_ks()).encode()
    answer = http.request("POST" if body else "GET", url, data=data, headers={"Content-Type": kind} if kind else {})
    assert answer.json()["id"] == "0_a"


def test_a_body_that_is_no_json_has_no_parameters(running, http):
    """The action's own error is answered, in XML since no format is known."""
    url = f"{running.base_url}/api_v3/service/media/action/get"
    answer = http.post(url, data=b"{broken", headers={"Content-Type": "application/json"})
    assert "MISSING_MANDATORY_PARAMETER" in answer.text


@pytest.mark.parametrize("path", ["/api_v3/nothing", "/nothing", "/p/7/sp/700/nothing/x/y", "/api_v3x"])
def test_a_path_that_is_no_route_is_404(running, http, path):
    """Paths beside the API and the media URLs are not found."""
    assert http.get(running.base_url + path).status_code == 404


def test_get_time_follows_the_librarys_clock(ask, clock):
    """system.getTime is the injected clock."""
    clock.advance(5)
    assert ask("system.getTime") == NOW + 5
