"""Jobs: where assets go, what stands beside them, which URL is tried first."""

from __future__ import annotations

import logging

import pytest

from airflow_provider_kaltura.api import secrets
from airflow_provider_kaltura.api.models import Entry, EntrySnapshot, FlavorAsset, MediaUrl
from airflow_provider_kaltura.ingest.destination import Destination
from airflow_provider_kaltura.ingest.errors import DestinationError
from airflow_provider_kaltura.ingest.media_urls import UrlFacts, as_media_url, facts_in_url, version_in_url
from airflow_provider_kaltura.ingest.plan import plan_download, plan_entry, plan_url
from airflow_provider_kaltura.ingest.resolve import BareUrl, FlavorDownload, parse_wanted
from airflow_provider_kaltura.transfer.errors import SourceChangedError
from tests.unit.ingest.fakes import NOON

URL = "https://cdn.example/p/102/sp/10200/serveFlavor/entryId/0_e/v/2/flavorId/0_f/fileName/a.mp4/name/a.mp4"
DESTINATION = Destination.parse("/lake/{entryId}/{flavorId}-{version}.{format}")


class FakeApi:
    """Knows one ready flavor and gives numbered URLs for it."""

    def __init__(self, **changes):
        values = {"version": "2", "size_bytes": 5, "status": 2, "file_ext": "MP4", **changes}
        self.asset = FlavorAsset(id="0_f", entry_id="0_e", partner_id=102, is_original=True, **values)
        self.entry = Entry(id="0_e", partner_id=102, name="A film", status="2")
        self.urls = []

    def snapshot(self, entry_ids, *, web_playable_for=()):
        """Answer for each entry."""
        assert not web_playable_for
        return {entry_id: EntrySnapshot(entry=self.entry, assets=(self.asset,)) for entry_id in entry_ids}

    def get_entry(self, _entry_id):
        """Read the entry."""
        return self.entry

    def get_flavor_asset(self, _flavor_id):
        """Read the asset."""
        return self.asset

    def media_url(self, asset, entry, *, allow_session, stale=None):
        """Note what was asked, and give another URL each time."""
        assert (asset, entry, allow_session) == (self.asset, self.entry, True)
        self.urls.append(stale)
        return MediaUrl(url=f"https://cdn.example/{len(self.urls)}")


def test_job_of_an_entry_tells_all_that_is_decided():
    """Names, size, version and what the store keeps beside the bytes."""
    job = plan_entry(FakeApi(), "0_e", parse_wanted("source"), DESTINATION)
    assert (job.partner_id, job.entry_id, job.asset_type, job.asset_id) == (102, "0_e", "flavor", "0_f")
    assert (job.version, job.size_bytes) == ("2", 5)
    assert (job.key, job.path) == ("0_e/0_f-2.MP4", "/lake/0_e/0_f-2.MP4")
    assert job.attributes.content_type == "video/mp4"
    assert job.attributes.content_disposition == 'attachment; filename="0_f-2.MP4"'
    assert job.attributes.metadata == {"kaltura-entry": "0_e", "kaltura-flavor": "0_f", "kaltura-version": "2"}


def test_unknown_extension_is_bytes_of_no_known_type():
    """No guess that depends on the worker's system."""
    job = plan_entry(FakeApi(file_ext="xyz"), "0_e", parse_wanted("source"), DESTINATION)
    assert job.attributes.content_type == "application/octet-stream"


def test_disposition_of_a_name_in_another_script_can_be_sent_as_a_header():
    """Old clients get ASCII, new ones the name."""
    api = FakeApi(file_ext="mp4")
    api.entry = Entry(id="0_e", partner_id=102, name='é"n"', status="2")
    job = plan_entry(api, "0_e", parse_wanted("source"), Destination.parse("/lake/{entryName} {flavorId}.mp4"))
    disposition = job.attributes.content_disposition
    assert disposition.isascii()
    assert disposition.count('"') == 2
    assert "filename*=UTF-8''%C3%A9" in disposition


def test_url_is_asked_for_only_when_it_is_needed():
    """A file that is skipped costs no getUrl."""
    api = FakeApi()
    job = plan_entry(api, "0_e", parse_wanted("source"), DESTINATION)
    assert api.urls == []
    assert job.resolve_url().url == "https://cdn.example/1"
    assert job.resolve_url(stale="https://cdn.example/1").url == "https://cdn.example/2"
    assert api.urls == [None, "https://cdn.example/1"]


def test_refreshed_job_is_of_the_version_of_that_moment():
    """A change between plan and fetch is planned anew, with another name where the version is in it."""
    api = FakeApi()
    job = plan_entry(api, "0_e", parse_wanted("source"), DESTINATION)
    api.asset = FakeApi(version="12", size_bytes=6).asset
    fresh = job.refresh()
    assert (fresh.version, fresh.size_bytes, fresh.key) == ("12", 6, "0_e/0_f-12.MP4")
    assert fresh.refresh is None


@pytest.mark.parametrize(
    ("download", "first"),
    [
        (FlavorDownload("0_f", "0_e", "2", 5, URL), URL),
        (FlavorDownload("0_f", url=URL), URL),
        (FlavorDownload("0_f", "0_e", "1", 5, URL), "https://cdn.example/1"),
        (FlavorDownload("0_f", "0_e", "2", 4, URL), "https://cdn.example/1"),
        (FlavorDownload("0_f", "0_e", "2", 5, None), "https://cdn.example/1"),
        (FlavorDownload("0_f", "0_e", "2", 5, URL.replace("0_f", "0_g")), "https://cdn.example/1"),
        (FlavorDownload("0_f", "0_e", "2", 5, URL.replace("0_e", "0_x")), "https://cdn.example/1"),
        (FlavorDownload("0_f", "0_e", "2", 5, URL.replace("/v/2/", "/v/1/")), "https://cdn.example/1"),
        (FlavorDownload("0_f", "0_e", "2", 5, "https://cdn.example/any.mp4"), "https://cdn.example/any.mp4"),
    ],
    ids=[
        *("unchanged", "nothing to compare", "other version", "other size", "no url"),
        *("url of another flavor", "url of another entry", "url of another version", "url that names nothing"),
    ],
)
def test_pushed_url_is_tried_first_only_while_nothing_changed(download, first, caplog):
    """A URL of another version may go on serving the old file for ever."""
    caplog.set_level(logging.INFO)
    api = FakeApi()
    job = plan_download(api, download, DESTINATION)
    assert job.resolve_url().url == first
    assert (job.version, job.size_bytes) == ("2", 5)
    assert ("changed since" in caplog.text) == (download.url is not None and first != download.url)


def test_refused_pushed_url_never_comes_back():
    """After a refusal every further URL is Kaltura's."""
    api = FakeApi()
    job = plan_download(api, FlavorDownload("0_f", "0_e", "2", 5, URL), DESTINATION)
    assert job.resolve_url().url == URL
    assert job.resolve_url(stale=URL).url == "https://cdn.example/1"
    assert job.resolve_url().url == "https://cdn.example/2"
    assert api.urls == [URL, None]


@pytest.mark.parametrize(
    "changes",
    [{"version": "12"}, {"size_bytes": 6}, {"status": 1}, {"updated_at": NOON}, {"version": "12", "size_bytes": 6}],
    ids=["version", "size", "status", "time of its last change", "version and size"],
)
def test_asset_that_changed_behind_a_url_without_a_version_is_noticed(changes):
    """Nothing else could tell that some of the bytes are those of another file."""
    api = FakeApi()
    job = plan_entry(api, "0_e", parse_wanted("source"), DESTINATION)
    job.resolve_url()
    job.confirm()
    api.asset = FakeApi(**changes).asset
    with pytest.raises(SourceChangedError, match="0_f"):
        job.confirm()


def test_url_that_names_its_version_needs_no_further_question():
    """Only where a URL without a version was used, even as the second one, is the flavor asked for once more."""
    api = FakeApi()
    job = plan_download(api, FlavorDownload("0_f", "0_e", "2", 5, URL), DESTINATION)
    api.asset = FakeApi(version="12").asset
    job.resolve_url()
    job.confirm()
    api.asset = FakeApi().asset
    job.resolve_url(stale=URL)
    api.asset = FakeApi(version="12").asset
    with pytest.raises(SourceChangedError):
        job.confirm()


def test_bare_url_has_nobody_to_ask():
    """Content-Length stays its only proof."""
    assert plan_url(BareUrl(URL), DESTINATION).confirm is None


def test_bare_url_tells_what_its_path_names():
    """Ids, version and extension come from the path; the size from nobody."""
    job = plan_url(BareUrl(URL), DESTINATION)
    assert (job.partner_id, job.entry_id, job.asset_id, job.version) == (102, "0_e", "0_f", "2")
    assert (job.asset_type, job.size_bytes, job.key) == ("flavor", None, "0_e/0_f-2.mp4")
    assert job.resolve_url(stale=URL).url == URL


def test_bare_url_without_ids_needs_a_name_and_gets_an_id_of_its_own():
    """Its id does not change with an expiring query, and holds nothing of the URL."""
    jobs = [
        plan_url(BareUrl(f"https://cdn.example/film.webm?token={token}"), Destination.parse("/lake/film.{format}"))
        for token in ("one", "two")
    ]
    assert jobs[0].asset_id == jobs[1].asset_id
    assert jobs[0].asset_id.startswith("url-")
    assert (jobs[0].asset_type, jobs[0].entry_id, jobs[0].key) == ("url", "", "film.webm")
    assert jobs[0].attributes.metadata == {}
    with pytest.raises(DestinationError, match="flavorId"):
        plan_url(BareUrl("https://cdn.example/film.webm"), Destination.parse("/lake/{flavorId}"))


def test_job_shows_no_url():
    """Jobs are logged."""
    assert "cdn.example" not in repr(plan_url(BareUrl(URL), DESTINATION))
    assert "cdn.example" not in repr(plan_download(FakeApi(), FlavorDownload("0_f", url=URL), DESTINATION))


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("/p/1/sp/100/serveFlavor/entryId/0_e/v/2/flavorId/0_f/name/a.mp4", "2"),
        ("/serveFlavor/entryId/0_e/v/12/flavorId/0_f", "12"),
        ("/serveFlavor/entryId/0_e/flavorId/0_f/v/12", "12"),
        ("/serveFlavor/entryId/0_e/flavorId/0_f/v/12/name/a.mp4", "12"),
        ("/serveFlavor/entryId/0_e/flavorId/0_f/name/a.mp4", None),
        ("/serveFlavor/entryId/0_e/flavorId/0_f/fileName/v/name/2.mp4", None),
        ("/download/entry_id/0_e/flavor/0_f", None),
        ("/v/2/film.mp4", None),
        ("/a?x=/entryId/0_e/v/2/", None),
        ("/serveFlavor/entryId/0_e/v/2x/flavorId/0_f", None),
        ("/serveFlavor/entryId/v/v/3/flavorId/0_f", "3"),
    ],
)
def test_version_is_read_from_the_path_beside_an_entry(path, version):
    """The recorded forms of URLs, and what only looks like one."""
    assert version_in_url(f"https://cdn.example{path}") == version


@pytest.mark.parametrize(
    ("path", "facts"),
    [
        (
            "/p/102/sp/10200/serveFlavor/entryId/0_e/v/2/flavorId/0_f/name/a.mp4",
            UrlFacts(102, "0_e", "0_f", "2", "mp4"),
        ),
        ("/p/102/sp/10200/download/entry_id/0_e/flavor/0_f", UrlFacts(102, "0_e", "0_f", "", "")),
        ("/edge/p/7/sp/700/serveFlavor/entryId/0_e/flavorId/0_f", UrlFacts(7, "0_e", "0_f", "", "")),
        ("/film.WEBM", UrlFacts(0, "", "", "", "webm")),
        ("/entryId/..%2f..%2fx/flavorId/a b", UrlFacts(0, "", "", "", "")),
        ("/", UrlFacts(0, "", "", "", "")),
    ],
)
def test_facts_are_read_from_the_path(path, facts):
    """What could not be an id is none."""
    assert facts_in_url(f"https://cdn.example{path}?token=x") == facts


@pytest.mark.parametrize(
    ("url", "needs_session"),
    [
        ("https://h/download/entry_id/0_e/ks/djJ8MTAyfAAAAAAAAAAAAAAAAAAA", True),
        ("https://h/a.mp4?ks=djJ8MTAyfAAAAAAAAAAAAAAAAAAA", True),
        ("https://h/a.mp4?token=1", False),
        (URL, False),
    ],
)
def test_ks_in_somebody_elses_url_is_noticed(url, needs_session):
    """Such a URL never takes it along to another host, and logs mask it."""
    met = []
    learn = met.append
    secrets.register(learn)
    found = as_media_url(url)
    secrets.unregister(learn)
    assert found == MediaUrl(url=url, needs_session=needs_session)
    assert any(secret in url for secret in met) is needs_session
