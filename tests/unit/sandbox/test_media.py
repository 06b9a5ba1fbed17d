"""media.py and replies.py: what the URLs serve."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_kaltura.sandbox import replies
from airflow_provider_kaltura.sandbox.library import StoredFile
from tests.unit.sandbox.conftest import NOW, PARTNER
from tests.unit.sandbox.test_flavors import RULE

BASE = "/p/7/sp/700"
SIZE = 3_000_000


@pytest.fixture
def film(control):
    """Add an entry with a source of 3 MB and a small rendition."""
    control.add_entry("0_film", partner_id=PARTNER, name="A film", userId="owner")
    control.add_flavor("0_film", "0_source", size_bytes=SIZE)
    control.add_flavor("0_film", "0_small", flavorParamsId=4, size_bytes=3000, bitrate=900)
    return "0_film"


@pytest.fixture
def get(running, http, film):  # noqa: ARG001 - must be there first
    """Return a function that gets a media URL without following redirects."""

    def fetch(path, *, method="GET", **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return http.request(method, running.base_url + path, headers=named, allow_redirects=False)

    return fetch


SERVE = f"{BASE}/serveFlavor/entryId/0_film/v/2/flavorId/0_source/fileName/A_film.mp4/forceproxy/true/name/a.mp4"


def test_a_file_is_served_whole(get, running):
    """200 with all bytes of the seed, an attachment's name, no ETag, a constant Last-Modified."""
    answer = get(SERVE)
    assert answer.content == running.control.file("0_source").read()
    assert answer.headers["content-length"] == str(SIZE)
    assert answer.headers["content-disposition"] == 'attachment; filename="A_film.mp4"'
    assert answer.headers["last-modified"] == replies.LAST_MODIFIED
    assert "etag" not in answer.headers


def test_head_has_the_headers_alone(get):
    """HEAD tells the length and sends nothing."""
    answer = get(SERVE, method="HEAD")
    assert (answer.content, answer.headers["content-length"]) == (b"", str(SIZE))


@pytest.mark.parametrize(
    ("wanted", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=1048570-1048580", 1_048_570, 1_048_581),
        ("bytes=2999990-", 2_999_990, SIZE),
        ("bytes=-10", SIZE - 10, SIZE),
        ("bytes=-99999999", 0, SIZE),
        ("bytes=2999990-9999999999", 2_999_990, SIZE),
    ],
)
def test_a_range_is_served_as_a_range(get, running, wanted, start, stop):
    """206 with the bytes and a Content-Range that includes the last one."""
    answer = get(SERVE, Range=wanted)
    assert answer.status_code == 206
    assert answer.content == running.control.file("0_source").read(start, stop)
    assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{SIZE}"


@pytest.mark.parametrize(
    "wanted", ["bytes=3000000-", "bytes=0-1,5-6", "bytes=9-5", "bytes=x", "bytes=-", "bytes=-0", "items=0-1", ""]
)
def test_a_range_that_cannot_be_met_is_416(get, wanted):
    """Past the end, several ranges, nonsense: 416 with the whole extent, and no body."""
    answer = get(SERVE, Range=wanted)
    assert (answer.status_code, answer.content) == (416, b"")
    assert answer.headers["content-range"] == f"bytes 0-{SIZE - 1}/{SIZE}"
    assert answer.headers["accept-ranges"] == f"0-{SIZE}"


@given(size=st.integers(1, 1000), first=st.integers(0, 1200), last=st.integers(0, 1200))
def test_ranges_are_clipped_to_the_file(size, first, last):
    """A range is what both the header and the file have, or nothing."""
    found = replies.file_range(f"bytes={first}-{last}", size)
    expected = [n for n in range(first, last + 1) if n < size]
    assert (list(range(*found)) if found else []) == expected


@pytest.mark.parametrize("name", ["If-Modified-Since", "If-Range", "If-None-Match", "If-Match"])
def test_conditional_requests_have_no_effect(get, name):
    """They are answered as if the header weren't there."""
    answer = get(SERVE, Range="bytes=0-9", **{name: replies.LAST_MODIFIED})
    assert answer.status_code == 206


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("entryId/0_none/flavorId/0_source", "1"),
        ("entryId/0_film/flavorId/0_none", "6"),
        ("flavorId/0_none", "6"),
        ("entryId/0_other/flavorId/0_source", "6"),
        ("entryId/0_film/flavorId/0_busy", "5"),
        ("entryId/0_film/v/1/flavorId/0_source", "5"),
    ],
)
def test_failures_are_200_without_a_byte(get, control, path, code):
    """The reason stands in X-Kaltura alone, also for a Range request."""
    control.add_entry("0_other", partner_id=PARTNER)
    control.add_flavor("0_film", "0_busy", status=1)
    answer = get(f"{BASE}/serveFlavor/{path}", Range="bytes=0-9")
    assert (answer.status_code, answer.content, answer.headers["x-kaltura"]) == (200, b"", f"error-{code}")


def test_a_deleted_entrys_file_is_gone(get, control):
    """Deleting the entry ends its URLs, deleting the flavor those of the flavor."""
    control.delete_flavor("0_small")
    assert get(f"{BASE}/serveFlavor/entryId/0_film/flavorId/0_small").headers["x-kaltura"] == "error-6"
    control.delete_entry("0_film")
    assert get(SERVE).headers["x-kaltura"] == "error-1"


def test_old_versions_stay_reachable(get, control):
    """After a replacement /v/2 serves the old file, no version the new one."""
    old = control.file("0_source").read()
    control.replace_flavor_file("0_source", data=b"new bytes")
    assert get(SERVE).content == old
    assert get(f"{BASE}/serveFlavor/entryId/0_film/flavorId/0_source").content == b"new bytes"
    assert get(f"{BASE}/serveFlavor/flavorId/0_source").content == b"new bytes"


def protect(control, **rule):
    """Put the film behind a rule."""
    control.library.access_control_profiles[3] = {"id": 3, "partnerId": PARTNER, "rules": [RULE | rule]}
    control.set_entry("0_film", accessControlId=3)


def test_a_rule_without_contexts_blocks_serving_for_everybody(get, control, make_ks):
    """It looks like a download of 0 bytes, whatever KS the URL has."""
    protect(control)
    for path in (SERVE, f"{SERVE}/ks/{make_ks()}"):
        answer = get(path)
        assert (answer.content, answer.headers["x-kaltura"]) == (b"", "error-3")
        assert answer.headers["content-type"] == "application/force-download"


def test_serving_checks_neither_other_rules_nor_schedule_nor_moderation(get, control):
    """A rule for playing and downloading, a schedule and a moderator don't stop serveFlavor."""
    protect(control, contexts=[{"type": 1}, {"type": 2}])
    control.set_entry("0_film", endDate=NOW - 5, moderationStatus=3)
    assert len(get(SERVE).content) == SIZE


def test_download_redirects_to_a_name_and_serves_there(get, running):
    """302 to the same path with the name, then the file under its own name."""
    first = get(f"{BASE}/download/entry_id/0_film/flavor/0_source")
    assert first.status_code == 302
    assert first.headers["location"] == f"{BASE}/download/entry_id/0_film/flavor/0_source/relocate/A_film.mp4"
    assert get(first.headers["location"]).content == running.control.file("0_source").read()


def test_download_checks_the_session_in_the_path(get, control, make_ks, ask):
    """A protected entry opens with a KS that may, and stays closed without or with a bad one."""
    protect(control)
    path = f"{BASE}/download/entry_id/0_film/flavor/0_source"
    assert get(path).headers["x-kaltura"] == "error-3"
    assert get(f"{path}/ks/{make_ks(0, 'eve')}").headers["x-kaltura"] == "error-3"
    assert get(f"{path}/ks/garbage").headers["x-kaltura"] == "error-7"
    assert get(f"{path}/ks/{make_ks(seconds=-5)}").headers["x-kaltura"] == "error-7"
    assert get(f"{path}/ks/{make_ks()}").status_code == 302
    own = ask("flavorAsset.getDownloadUrl", id="0_source").removeprefix("http://sandbox.test")
    assert len(get(get(own).headers["location"]).content) == SIZE


@pytest.mark.parametrize(
    ("changes", "code"), [({"startDate": NOW + 9}, "2"), ({"moderationStatus": 3}, "13"), ({"status": 3}, "1")]
)
def test_download_checks_schedule_and_moderation(get, control, changes, code):
    """Unlike serveFlavor."""
    control.set_entry("0_film", **changes)
    assert get(f"{BASE}/download/entry_id/0_film/flavor/0_source").headers["x-kaltura"] == f"error-{code}"


@pytest.mark.parametrize(
    ("path", "flavor", "named"),
    [
        ("flavorId/0_source/format/url", "0_source", False),
        ("flavorId/0_none/format/url", "0_small", False),
        ("format/url", "0_small", False),
        ("format/download/flavorParamIds/0", "0_source", True),
        ("format/download/flavorParamIds/77", "0_small", True),
    ],
)
def test_play_manifest_falls_back_without_a_word(get, path, flavor, named):
    """An unknown flavor gives way to another one."""
    answer = get(f"{BASE}/playManifest/entryId/0_film/{path}/protocol/http")
    assert answer.status_code == 302
    assert f"/flavorId/{flavor}/" in answer.headers["location"]
    assert ("/fileName/" in answer.headers["location"]) is named


def test_play_manifest_of_a_missing_entry_is_404(get):
    """The one media URL that fails with a status."""
    answer = get(f"{BASE}/playManifest/entryId/0_none/format/url")
    assert (answer.status_code, answer.headers["x-kaltura"]) == (404, "error-1")


def test_raw_serves_pictures_and_redirects_videos(get, control):
    """A picture comes at once, a video after a redirect to a name of its own."""
    control.add_entry("0_img", partner_id=PARTNER, name="A picture", mediaType=2, version="100002")
    control.library.add_file(StoredFile("0_img", "100002", 2000, "jpg"))
    picture = get(f"{BASE}/raw/entry_id/0_img")
    assert (len(picture.content), picture.headers["content-type"]) == (2000, "image/jpeg")
    assert len(get(f"{BASE}/thumbnail/entry_id/0_img/version/100002").content) == 2000
    video = get(f"{BASE}/raw/entry_id/0_film")
    assert video.headers["location"] == f"{BASE}/raw/entry_id/0_film/A-film.mp4?relocate=f.mp4"
    assert len(get(video.headers["location"]).content) == SIZE


@pytest.mark.usefixtures("film")
def test_urls_have_the_servers_own_address(running, http, make_ks):
    """Whatever the request's Host says; https when a proxy in front says so."""
    url = f"{running.base_url}/api_v3/service/flavorAsset/action/getUrl"
    data = {"id": "0_small", "format": 1, "ks": make_ks()}
    answer = http.post(url, data=data, headers={"Host": "elsewhere.example", "X-Forwarded-Proto": "https"})
    assert answer.json().startswith(running.base_url.replace("http:", "https:"))


@pytest.mark.parametrize("broken", [False, True], ids=["whole", "cut"])
def test_names_cannot_break_out_of_their_header(get, control, running, broken):
    """A line end in an entry's name or in a URL becomes an underscore; other scripts arrive as UTF-8."""
    control.set_entry("0_film", name="A\r\nX-Injected: 1 é")
    if broken:
        running.control.faults.on("no_content_length", how="close")
    for path in (
        f"{BASE}/download/entry_id/0_film/flavor/0_source/relocate/x",
        f"{BASE}/serveFlavor/flavorId/0_source/fileName/A%0D%0AX-Injected:%201%20%C3%A9.mp4",
    ):
        answer = get(path)
        assert "x-injected" not in answer.headers
        name = answer.headers["content-disposition"].encode("latin-1").decode()
        assert name == 'attachment; filename="A__X-Injected: 1 é.mp4"'
