"""The facade on a scripted server: pages, guards, unknown things."""

from __future__ import annotations

import os
import threading

import pytest

from airflow_provider_kaltura.api import errors
from airflow_provider_kaltura.api.facade import KalturaApi
from airflow_provider_kaltura.api.models import EntrySnapshot
from tests.unit.api.kaltura_double import Fault, Step, flavor, listing, media_entry

LIST = "KalturaFlavorAssetListResponse"


def paged(count, entry_id="0_entry001", total=None):
    """Answer flavorAsset.list by pages of a library of so many assets."""
    assets = [flavor(f"0_flavor{number:05}", entry_id) for number in range(count)]

    def answer(params):
        size, index = int(params["pager"]["pageSize"]), int(params["pager"]["pageIndex"])
        return listing(LIST, assets[(index - 1) * size : index * size], count if total is None else total)

    return answer


@pytest.mark.parametrize(
    ("count", "requests_made"), [(0, 1), (1, 1), (499, 1), (500, 2), (501, 2), (1200, 2), (2000, 3)]
)
def test_every_page_is_walked_once(double, api, count, requests_made):
    """All assets come, each once; the pages that the count shows go together, and a short page ends the walk."""
    double.actions[("flavorasset", "list")] = paged(count)
    found = api.list_flavor_assets(["0_entry001"])["0_entry001"]
    assert [asset.id for asset in found] == [f"0_flavor{number:05}" for number in range(count)]
    assert len(double.posts) == requests_made
    pages = [params["pager"]["pageIndex"] for request in double.posts for _, _, params in request.calls]
    assert len(pages) == len(set(pages))


@pytest.mark.parametrize("total", [0, 500, 501, 10_000])
def test_a_wrong_count_loses_nothing(double, api, total):
    """Kaltura's totalCount may be wrong: a full page is followed by another, whatever the count says."""
    double.actions[("flavorasset", "list")] = paged(1300, total=total)
    assert len(api.list_flavor_assets(["0_entry001"])["0_entry001"]) == 1300


def test_the_filter_carries_its_type_and_an_order(double, api):
    """Without objectType the server drops filters silently; without an order pages have none."""
    double.actions[("flavorasset", "list")] = listing(LIST, [])
    api.list_flavor_assets(["0_entry001"])
    ((_, _, params),) = double.posts[0].calls
    assert params["filter"]["objectType"] == "KalturaFlavorAssetFilter"
    assert params["filter"]["orderBy"] == "+createdAt"
    assert params["pager"]["pageSize"] == "500"


def test_more_than_500_entries_go_in_chunks(double, api):
    """An in-list is cut silently after 500 ids; both chunks go in one request."""
    ids = [f"0_entry{number:04}" for number in range(700)]
    double.actions[("flavorasset", "list")] = lambda params: listing(
        LIST, [flavor("0_f" + params["filter"]["entryIdIn"][:12], params["filter"]["entryIdIn"].split(",")[-1])]
    )
    found = api.list_flavor_assets(ids)
    sizes = [len(params["filter"]["entryIdIn"].split(",")) for _, _, params in double.posts[0].calls]
    assert (sizes, len(double.posts)) == ([500, 200], 1)
    assert list(found) == ids
    assert [entry_id for entry_id, assets in found.items() if assets] == [ids[499], ids[699]]


def test_a_thousand_entries_are_watched_in_few_requests(double, api):
    """1,000 entries of eight flavors: at most 10 requests and 25 actions per look."""
    ids = [f"0_entry{number:04}" for number in range(1000)]

    def flavors(params):
        entries = params["filter"]["entryIdIn"].split(",")
        assets = [flavor(f"0_{entry_id}x{n}", entry_id) for entry_id in entries for n in range(8)]
        size, index = int(params["pager"]["pageSize"]), int(params["pager"]["pageIndex"])
        return listing(LIST, assets[(index - 1) * size : index * size], len(assets))

    double.actions[("flavorasset", "list")] = flavors
    double.actions[("baseentry", "getByIds")] = lambda params: [
        media_entry(entry_id) for entry_id in params["entryIds"].split(",")
    ]
    found = api.snapshot(ids)
    assert all(len(snapshot.assets) == 8 for snapshot in found.values())
    assert len(double.posts) <= 10
    assert sum(len(request.calls) for request in double.posts) <= 25


def test_what_was_not_asked_for_is_dropped(double, api):
    """A server that ignores the filter returns too much: the answers are filtered again."""
    double.actions[("flavorasset", "list")] = listing(LIST, [flavor("0_a"), flavor("0_b", "0_other001")])
    double.actions[("baseentry", "getByIds")] = [media_entry(), media_entry("0_other001")]
    found = api.snapshot(["0_entry001"])
    assert list(found) == ["0_entry001"]
    assert [asset.id for asset in found["0_entry001"].assets] == ["0_a"]
    assert list(api.get_entries(["0_entry001"])) == ["0_entry001"]


def test_another_object_than_asked_for_is_an_error(double, api):
    """An answer about something else is never taken for the right one."""
    double.actions[("baseentry", "get")] = media_entry("0_other001")
    double.actions[("flavorasset", "get")] = None
    with pytest.raises(errors.KalturaTransportError, match="0_other001"):
        api.get_entry("0_entry001")
    with pytest.raises(errors.KalturaTransportError, match="nothing"):
        api.get_flavor_asset("0_flavor01")


def test_repeated_ids_are_asked_once(double, api):
    """The same entry twice is one entry."""
    double.actions[("flavorasset", "list")] = listing(LIST, [flavor()])
    double.actions[("baseentry", "getByIds")] = [media_entry()]
    assert list(api.snapshot(["0_entry001", "0_entry001"])) == ["0_entry001"]
    assert double.posts[0].calls[0][2]["entryIds"] == "0_entry001"


def test_nothing_asked_is_nothing_sent(double, api):
    """An empty list costs no request."""
    assert (api.snapshot([]), api.list_flavor_assets([]), api.get_entries([])) == ({}, {}, {})
    assert not double.posts


@pytest.mark.parametrize("bad", ["", "a,b", "../x", "0_a/b", "0_a b", "0_ä", None, 5, "x" * 101, "0_a\n", "*"])
def test_what_can_be_no_id_is_never_sent(double, api, bad):
    """A comma would name two entries, a slash another path: refused before anything is sent."""
    for ask in (api.get_entry, api.get_flavor_asset, api.web_playable_ids, lambda id_: api.snapshot([id_])):
        with pytest.raises(errors.InvalidRequestError):
            ask(bad)
    assert not double.posts


@pytest.mark.parametrize("good", ["0_abc12345", "1_u7aj9kasw", "12_abcdefgh", "_KMCLOGO", "abcdef1234", "0_A-b_9"])
def test_every_shape_of_id_is_sent(double, api, good):
    """The server takes any text: old ids and the platform's own are as good as new ones."""
    double.actions[("baseentry", "get")] = media_entry(good)
    assert api.get_entry(good).id == good


def test_unset_and_odd_values_are_read(double, api):
    """Texts of plugins, empty elements, zero sizes: nothing is invented."""
    double.actions[("baseentry", "get")] = media_entry(
        status="virusScan.Infected",
        type="externalMedia.externalMedia",
        mediaType="",
        createdAt="",
        accessControlId="",
        name="",
    )
    double.actions[("flavorasset", "get")] = flavor(
        sizeInBytes="0", version="", width="", height="", bitrate="", tags="", isOriginal="", status="9", fileExt=""
    )
    entry, asset = api.get_entry("0_entry001"), api.get_flavor_asset("0_flavor01")
    assert (entry.status, entry.type, entry.media_type) == ("virusScan.Infected", "externalMedia.externalMedia", None)
    assert (entry.created_at, entry.access_control_id, entry.name) == (None, None, "")
    assert (asset.size_bytes, asset.version, asset.width, asset.tags) == (None, "0", 0, ())
    assert (asset.status, asset.is_original, asset.file_ext) == (9, False, "")


def test_a_passing_failure_of_one_action_is_tried_again(double, api, clock):
    """An item that failed for the moment makes the reading multirequest be sent again."""
    double.actions[("baseentry", "getByIds")] = [Step(Fault("INTERNAL_DATABASE_ERROR")), Step([media_entry()])]
    double.actions[("flavorasset", "list")] = listing(LIST, [flavor()])
    assert isinstance(api.snapshot(["0_entry001"])["0_entry001"], EntrySnapshot)
    assert (len(double.posts), len(clock.slept)) == (2, 1)


def test_a_lasting_failure_of_one_action_is_raised_typed(double, api):
    """After the last try the item's own error comes out."""
    double.actions[("baseentry", "getByIds")] = Fault("INTERNAL_SERVERL_ERROR")
    double.actions[("flavorasset", "list")] = listing(LIST, [flavor()])
    with pytest.raises(errors.InternalServerError):
        api.snapshot(["0_entry001"])
    assert len(double.posts) == 3


def test_a_block_slows_the_whole_connection_down(double, api):
    """ACTION_BLOCKED is waited out, and halves what the process asks for."""
    double.actions[("baseentry", "get")] = [Step(Fault("ACTION_BLOCKED")), Step(media_entry())]
    assert api.get_entry("0_entry001")
    assert api.runtime.limiter.share == pytest.approx(0.52)


def test_a_change_is_never_sent_twice(double, api):
    """get_conn's client retries only what changes nothing, alone or in a multirequest."""
    double.actions[("media", "update")] = Fault("INTERNAL_DATABASE_ERROR")
    double.actions[("media", "get")] = Fault("INTERNAL_DATABASE_ERROR")
    client = api.client()
    with pytest.raises(errors.InternalServerError):
        client.media.update("0_entry001", None)
    assert len(double.posts) == 1
    client.startMultiRequest()
    client.media.get("0_entry001")
    client.media.update("0_entry001", None)
    assert [item.code for item in client.doMultiRequest()] == ["INTERNAL_DATABASE_ERROR"] * 2
    assert len(double.posts) == 2


def test_facades_of_one_connection_share_what_is_costly(make_config):
    """Connections, limits and sessions belong to the connection, not to the object."""
    one, two, other = KalturaApi(make_config()), KalturaApi(make_config()), KalturaApi(make_config(connection_id="b"))
    assert one.runtime is two.runtime
    assert one.runtime is not other.runtime
    assert one.runtime is not KalturaApi(make_config(auth={"secret": "another-secret"})).runtime


def test_a_closed_facade_can_go_on(double, api):
    """close() drops idle connections only."""
    double.actions[("baseentry", "get")] = media_entry()
    api.get_entry("0_entry001")
    api.close()
    assert api.get_entry("0_entry001")
    assert len({request.client_port for request in double.posts}) == 2


def test_many_threads_get_their_own_answers(double, api):
    """One facade, eight threads, all kinds of calls: every answer belongs to its question."""
    double.actions[("baseentry", "get")] = lambda params: media_entry(params["entryId"])
    double.actions[("baseentry", "getByIds")] = lambda params: [media_entry(params["entryIds"])]
    double.actions[("flavorasset", "list")] = lambda params: listing(
        LIST, [flavor(f"0_f{params['filter']['entryIdIn']}", params["filter"]["entryIdIn"])]
    )
    wrong = []

    def ask(number):
        for turn in range(10):
            entry_id = f"0_thread{number}x{turn}"
            snapshot = api.snapshot([entry_id])[entry_id]
            if (api.get_entry(entry_id).id, snapshot.entry.id, snapshot.assets[0].entry_id) != (entry_id,) * 3:
                wrong.append(entry_id)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (wrong, len(double.posts)) == ([], 160)


def test_a_forked_child_shares_no_connection(make_config):
    """Sockets, locks and sessions of the parent are not the child's."""
    facade = KalturaApi(make_config())
    before = facade.runtime
    child = os.fork()
    if child == 0:
        os._exit(0 if facade.runtime is not before else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert facade.runtime is before


def test_a_ready_session_takes_no_other_privileges(make_api):
    """They can't be given to a KS that exists, and ignoring them would be a surprise."""
    api = make_api(auth={"method": "ks", "secret": "a-ready-ks"})
    with pytest.raises(errors.ConfigurationError):
        api.client(privileges=["list:*"])


@pytest.mark.parametrize("bad", [["*"], ["all:*"], ["edit:*,*"], ["list:*", "ALL"], ["*:*"], "list:*", [""]])
def test_no_client_gets_the_privilege_of_everything(api, double, bad):
    """What a connection may not ask for, a call may not either."""
    with pytest.raises(errors.ConfigurationError, match="privileges"):
        api.client(privileges=bad)
    assert not double.posts


def test_the_facade_shows_no_secret(api):
    """Its repr names the connection and the partner."""
    assert repr(api) == "KalturaApi('kaltura_test', partner 101)"
