"""
What two published descriptions promise, one test per behaviour, against the sandbox through real HTTP.

The first is Kaltura's page "Asset Download Urls", the second the tool ``get_download_url`` of kaltura-mcp. Where they
are wrong (a size of KB times 1024, flavors that are not ready), the tests say what is right instead.
"""

from __future__ import annotations

import urllib.request

import pytest

from airflow_provider_kaltura.exceptions import KalturaArgumentError, KalturaNoFlavorError, KalturaPermanentError
from airflow_provider_kaltura.hooks import KalturaHook
from airflow_provider_kaltura.operators import KalturaGetDownloadUrlOperator
from airflow_provider_kaltura.sandbox import lifecycle, small
from airflow_provider_kaltura.sandbox.library import FLAVOR

pytestmark = pytest.mark.usefixtures("sandbox")

SOURCE = small.flavor_id_of(small.READY, 0)
SEVEN_KEYS = {
    "entryId": str,
    "entryName": str,
    "flavorId": str,
    "fileSize": int,
    "bitrate": int,
    "format": str,
    "downloadUrl": str,
}


def get_url(**arguments):
    """Run the URL operator."""
    return KalturaGetDownloadUrlOperator(task_id="url", **{"entry_id": small.READY, **arguments}).execute({})


def fetch(url):
    """Fetch a URL as any program would."""
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310, the sandbox's own http URL
        return answer.read()


class TestAssetDownloadUrls:
    """Kaltura's page "Asset Download Urls"."""

    def test_its_session_bypasses_entitlement(self):
        """The page starts an admin session of a day with disableentitlement; so does get_conn, when asked."""
        session = KalturaHook().get_conn(privileges=["disableentitlement"]).session.get()
        assert "disableentitlement" in session.privileges
        assert int(getattr(session.sessionType, "value", session.sessionType)) == 2

    def test_its_session_start_works_through_the_client(self):
        """The page's call session.start(secret, user, ADMIN, partner, 86400, privileges) gives a KS."""
        client = KalturaHook().get_conn()
        ks = client.session.start(small.ADMIN_SECRET, "lab", 2, small.PARTNER_ID, 86400, "disableentitlement")
        assert len(ks) > 50

    def test_its_multirequest_gives_the_url(self, library):
        """getWebPlayableByEntryId, then getUrl of {1:result:0:id}, in one multirequest: the answer serves the video."""
        client = KalturaHook().get_conn(privileges=["disableentitlement"])
        client.startMultiRequest()
        client.flavorAsset.getWebPlayableByEntryId(small.READY)
        client.flavorAsset.getUrl("{1:result:0:id}")
        flavors, url = client.doMultiRequest()
        assert fetch(url) == library.file(flavors[0].id, "2").read()

    def test_its_two_steps_give_the_url(self, library):
        """Locate the flavor, call flavorAsset.getUrl: the way that the page recommends, by the operator."""
        result = get_url(flavor="web")
        assert fetch(result["downloadUrl"]) == library.file(result["flavorId"], "2").read()

    def test_web_is_the_set_of_get_web_playable(self):
        """flavor="web" chooses from exactly what getWebPlayableByEntryId answers."""
        hook = KalturaHook()
        answered = {asset.id for asset in hook.get_conn().flavorAsset.getWebPlayableByEntryId(small.READY)}
        assert hook.api.web_playable_ids(small.READY) == answered
        assert get_url(flavor="web")["flavorId"] in answered

    def test_web_does_not_choose_what_is_not_web_playable(self, library):
        """A better flavor outside of that set is not taken."""
        answered = {asset.id for asset in KalturaHook().get_conn().flavorAsset.getWebPlayableByEntryId(small.READY)}
        better = get_url(flavor="best")["flavorId"]
        assert better not in answered
        assert get_url(flavor="web")["flavorId"] != better
        assert library.assets[FLAVOR][better]["status"] == lifecycle.READY

    def test_flavor_params_0_is_the_source(self):
        """The page: the original uploaded video is flavor id 0, in every edition and account."""
        result = get_url(flavor="params:0")
        assert (result["flavorId"], result["isOriginal"], result["flavorParamsId"]) == (SOURCE, True, 0)

    @pytest.mark.parametrize("params_id", [2, 4])
    def test_other_flavor_params_choose_their_flavor(self, params_id):
        """The page: each flavor id stands for one rendition."""
        result = get_url(flavor=f"params:{params_id}")
        assert (result["flavorParamsId"], result["isOriginal"]) == (params_id, False)

    def test_conversion_profile_list_is_reachable(self):
        """The page: the account's flavor ids come from conversionProfile.list; they are those that params: takes."""
        profiles = KalturaHook().get_conn().conversionProfile.list().objects
        ids = {number for profile in profiles for number in profile.flavorParamsIds.split(",")}
        assert "0" in ids
        for number in ids:
            assert get_url(flavor=f"params:{number}")["flavorParamsId"] == int(number)

    def test_protected_media_open_with_a_valid_admin_session(self, library):
        """The page: private entries open only with an admin KS; the operator finds that URL when it may push it."""
        result = get_url(entry_id=small.SECURE, url_in_xcom="signed")
        assert result["needsSession"] is True
        assert fetch(result["downloadUrl"]) == library.file(result["flavorId"], "2").read()


class TestGetDownloadUrlOfKalturaMcp:
    """The tool get_download_url of kaltura-mcp."""

    def test_seven_keys_with_their_types(self):
        """Everything that the tool returns is there, with the same names and types."""
        result = get_url()
        assert {key: type(result[key]) for key in SEVEN_KEYS} == SEVEN_KEYS

    def test_values_are_those_of_entry_and_flavor(self, library):
        """Ids, name, bit rate and extension are the tool's."""
        asset = library.assets[FLAVOR][SOURCE]
        result = get_url()
        assert (result["entryId"], result["entryName"]) == (small.READY, library.entries[small.READY]["name"])
        assert (result["flavorId"], result["bitrate"], result["format"]) == (SOURCE, asset["bitrate"], "mp4")

    def test_the_url_downloads_the_file(self, library):
        """The link is one for saving the file, not for streaming it."""
        assert fetch(get_url()["downloadUrl"]) == library.file(SOURCE, "2").read()

    def test_the_source_is_preferred(self):
        """Without a flavor the source is taken, whatever else there is."""
        assert get_url()["isOriginal"] is True

    def test_without_a_source_another_flavor_is_taken(self, library):
        """The tool then takes the first of the list; ours takes the best that is ready."""
        library.remove_asset(FLAVOR, SOURCE)
        assert get_url()["flavorId"] == small.flavor_id_of(small.READY, 4)

    @pytest.mark.parametrize("write", ["{}", "id:{}"])
    def test_a_flavor_can_be_named(self, write):
        """The tool's flavor_id is a preference of ours."""
        flavor_id = small.flavor_id_of(small.READY, 2)
        assert get_url(flavor=write.format(flavor_id))["flavorId"] == flavor_id

    def test_a_bad_entry_id_is_an_error(self):
        """Its "Invalid entry ID format": said before anything is asked."""
        with pytest.raises(KalturaArgumentError, match="entry id"):
            get_url(entry_id="1_abc123; DROP TABLE")

    def test_an_unknown_entry_is_an_error(self):
        """The tool hands the server's error on; ours names the entry."""
        with pytest.raises(KalturaPermanentError, match="0_unknown1"):
            get_url(entry_id="0_unknown1")

    def test_an_unknown_flavor_is_an_error(self):
        """Its "Flavor ID not found for entry": with a list of what the entry has."""
        with pytest.raises(KalturaNoFlavorError, match="id:0_unknown1") as caught:
            get_url(flavor="id:0_unknown1")
        assert SOURCE in str(caught.value)

    def test_a_flavor_of_another_entry_is_an_error(self):
        """A flavor is looked for in its entry only."""
        with pytest.raises(KalturaNoFlavorError):
            get_url(flavor=small.flavor_id_of(small.UNICODE, 2))

    def test_an_entry_without_flavors_is_an_error(self):
        """Its "No flavor assets found for this entry": with the reason."""
        with pytest.raises(KalturaNoFlavorError, match="no_media:image"):
            get_url(entry_id=small.IMAGE)

    def test_file_size_is_in_bytes_as_they_are(self, library):
        """The tool multiplies size by 1024, which is wrong by up to a KB, and 1024 times too much for some assets."""
        asset = library.assets[FLAVOR][SOURCE]
        result = get_url()
        assert result["fileSize"] == len(library.file(SOURCE, "2").read())
        assert result["fileSize"] != asset["size"] * 1024

    def test_a_flavor_that_is_not_ready_is_not_taken(self, library):
        """The tool takes the first flavor, ready or not; its URL serves nothing."""
        library.remove_asset(FLAVOR, SOURCE)
        first = library.entry_assets[FLAVOR][small.READY][0]["id"]
        lifecycle.set_flavor_status(library, first, lifecycle.ERROR)
        assert get_url()["flavorId"] != first
