"""What is to be fetched: from preferences, and from what other tasks pushed."""

from __future__ import annotations

import json

import pytest

from airflow_provider_kaltura.api.errors import FlavorNotReadyError, NoFlavorsError, NotFoundError, PreferenceError
from airflow_provider_kaltura.api.models import Entry, EntrySnapshot, FlavorAsset
from airflow_provider_kaltura.ingest.errors import DownloadInputError
from airflow_provider_kaltura.ingest.resolve import (
    BareUrl,
    FlavorDownload,
    parse_download,
    parse_wanted,
    resolve,
    resolve_all,
    resolve_flavor,
)

PUSHED = {
    "entryId": "0_e",
    "entryName": "A film",
    "flavorId": "0_f",
    "fileSize": 5,
    "bitrate": 900,
    "format": "mp4",
    "downloadUrl": "https://cdn.example/p/1/a.mp4?token=secret-token",
    "version": "2",
    "isOriginal": True,
    "needsSession": False,
}
PARSED = FlavorDownload(
    flavor_id="0_f", entry_id="0_e", version="2", size_bytes=5, url="https://cdn.example/p/1/a.mp4?token=secret-token"
)


class FakeApi:
    """Knows one entry with some flavor assets."""

    def __init__(self, *statuses, entry_status="2", web=frozenset()):
        self.entry = Entry(id="0_e", partner_id=102, status=entry_status)
        self.assets = [
            FlavorAsset(id=f"0_f{index}", entry_id="0_e", partner_id=102, status=status, is_original=index == 0)
            for index, status in enumerate(statuses)
        ]
        self.web = web
        self.asked_web = []

    def snapshot(self, entry_ids, *, web_playable_for=()):
        """Answer for each entry."""
        self.asked_web += web_playable_for
        known = EntrySnapshot(
            entry=self.entry, assets=tuple(self.assets), web_playable_ids=self.web if web_playable_for else None
        )
        return {entry_id: known if entry_id == "0_e" else NotFoundError("unknown") for entry_id in entry_ids}

    def get_entry(self, entry_id):
        """Read the entry."""
        assert entry_id == "0_e"
        return self.entry

    def get_flavor_asset(self, flavor_id):
        """Read one asset."""
        return next(asset for asset in self.assets if asset.id == flavor_id)


def test_preferences_choose_one_asset():
    """The default is the source."""
    found = resolve(FakeApi(2, 2), "0_e")
    assert (found.entry.id, found.asset.id) == ("0_e", "0_f0")


@pytest.mark.parametrize(
    ("statuses", "entry_status", "error"),
    [
        ((1,), "1", FlavorNotReadyError),
        ((-1,), "2", NoFlavorsError),
        ((), "2", NoFlavorsError),
        ((), "1", FlavorNotReadyError),
    ],
)
def test_not_yet_and_never_are_different_errors(statuses, entry_status, error):
    """One is worth a retry, the other is not."""
    with pytest.raises(error):
        resolve(FakeApi(*statuses, entry_status=entry_status), "0_e", "source")


def test_unknown_entry_is_raised_as_the_api_tells_it():
    """The error value of a snapshot becomes an error again."""
    with pytest.raises(NotFoundError):
        resolve(FakeApi(2), "0_other")


def test_all_gives_every_ready_asset():
    """``"all"`` in whatever case."""
    _, assets = resolve_all(FakeApi(2, 9, -1), "0_e", parse_wanted(" All "))
    assert [asset.id for asset in assets] == ["0_f0", "0_f1"]


def test_web_asks_for_the_web_playable_set():
    """Only that preference pays for it."""
    api = FakeApi(2, 2, web=frozenset({"0_f1"}))
    assert resolve(api, "0_e", "web").asset.id == "0_f1"
    resolve(api, "0_e", "source")
    assert api.asked_web == ["0_e"]


def test_unreadable_preference_is_an_error():
    """Before anything is asked."""
    with pytest.raises(PreferenceError):
        parse_wanted("sauce")


@pytest.mark.parametrize(
    ("status", "entry_status", "error"),
    [(1, "2", FlavorNotReadyError), (0, "1", FlavorNotReadyError), (-1, "2", NoFlavorsError), (3, "2", NoFlavorsError)],
)
def test_flavor_that_lost_its_file_is_a_typed_error(status, entry_status, error):
    """Converting again may end well; deleted or failed does not."""
    with pytest.raises(error, match="0_f0"):
        resolve_flavor(FakeApi(status, entry_status=entry_status), "0_f0")


@pytest.mark.parametrize("status", [2, 9])
def test_flavor_with_a_file_is_taken_as_it_is_now(status):
    """EXPORTING has a file too."""
    assert resolve_flavor(FakeApi(status), "0_f0", entry_id="0_e").asset.id == "0_f0"


def test_flavor_of_another_entry_is_refused():
    """Two ids that don't belong together are somebody's mistake."""
    with pytest.raises(DownloadInputError, match="belongs to entry 0_e, not to 0_x"):
        resolve_flavor(FakeApi(2), "0_f0", entry_id="0_x")


@pytest.mark.parametrize(
    "value",
    [
        PUSHED,
        [PUSHED],
        (PUSHED,),
        json.dumps(PUSHED),
        f"  {json.dumps(PUSHED)}\n",
        repr(PUSHED),
        repr([PUSHED]),
        {**PUSHED, "fileSize": "5"},
        {**PUSHED, "version": 2},
    ],
    ids=["dict", "list", "tuple", "json", "spaces", "python", "python list", "text size", "number version"],
)
def test_pushed_dict_is_read_in_every_form(value):
    """XCom, JSON, and what Jinja makes of a dict."""
    assert parse_download(value) == PARSED


def test_sensor_dict_without_url_is_enough():
    """The sensor pushes no URL; the flavor id finds it."""
    assert parse_download({"flavorId": "0_f"}) == FlavorDownload(flavor_id="0_f")


@pytest.mark.parametrize("url", ["https://cdn.example/a.mp4", " http://127.0.0.1:8000/a.mp4?x=1 ", "HTTPS://H/a"])
def test_bare_url_is_taken(url):
    """Any http(s) URL with a host."""
    assert parse_download(url) == BareUrl(url.strip())


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "must be the dict"),
        (5, "must be the dict"),
        ([], "must be the dict"),
        ([PUSHED, PUSHED], "must be the dict"),
        ("", "begins with http"),
        ("0_f", "begins with http"),
        ("ftp://host/a.mp4", "begins with http"),
        ("file:///etc/passwd", "begins with http"),
        ("https:///a.mp4", "begins with http"),
        ("https://user:secret-word@host/a", "user name or password"),
        ("https://host/a b", "no spaces"),
        ("https://host/a\r\nX: y", "no spaces"),
        ("https://[bad/a", "can't be read"),
        ("https://host:99999/a", "can't be read"),
        ({}, "no usable 'flavorId'; it has nothing"),
        ({"entryId": "0_e"}, "no usable 'flavorId'; it has entryId"),
        ({"flavorId": "../x"}, "no usable 'flavorId'"),
        ({"flavorId": "0_f", "entryId": "a,b"}, "no usable 'entryId'"),
        ({"flavorId": "0_f", "fileSize": "big"}, "fileSize"),
        ({"flavorId": "0_f", "fileSize": -1}, "fileSize"),
        ({"flavorId": "0_f", "downloadUrl": "ftp://secret-word"}, "begins with http"),
        ({"flavorId": "0_f", "downloadUrl": 5}, "can't be read"),
        ("{'flavorId': open('/etc/passwd')}", "can't be read as JSON or Python"),
        ("{" * 5000, "can't be read as JSON or Python"),
    ],
)
def test_unusable_input_is_refused_without_showing_it(value, words):
    """The message says what is wrong, never what the URL was."""
    with pytest.raises(DownloadInputError) as caught:
        parse_download(value)
    assert words in str(caught.value)
    assert "secret-word" not in str(caught.value)


def test_urls_are_not_in_reprs():
    """What is parsed may end up in a log."""
    assert "secret-token" not in repr(parse_download(PUSHED))
    assert "secret-token" not in repr(parse_download(PUSHED["downloadUrl"]))
