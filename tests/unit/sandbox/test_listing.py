"""listing.py and the entry lists: filters, defaults, order, pages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_kaltura.sandbox import listing
from airflow_provider_kaltura.sandbox.errors import ApiError
from tests.unit.sandbox.conftest import NOW, OTHER, PARTNER

YEARS_10 = 315_360_000


@pytest.fixture
def entries(control, clock):
    """Add entries in several states, one second after the other; return their ids."""
    kinds = {
        "0_ready": {"name": "A sea film", "tags": "blue, deep sea", "referenceId": "r1", "duration": 10},
        "0_joes": {"userId": "joe", "name": "joes", "categories": "films>short", "categoriesIds": "2", "duration": 99},
        "0_busy": {"status": 1},
        "0_gone": {"status": 3, "moderationStatus": 4},
        "0_rejected": {"moderationStatus": 3},
        "0_hidden": {"displayInSearch": -1},
        "0_list": {"type": 5, "objectType": "KalturaPlaylist"},
        "0_foreign": {"partner_id": OTHER},
        "0_unindexed": {},
        "0_picture": {"mediaType": 2, "startDate": NOW + 500, "categories": "films", "categoriesIds": "1"},
    }
    for entry_id, properties in kinds.items():
        control.add_entry(entry_id, **({"partner_id": PARTNER} | properties))
        clock.advance(1)
    control.library.not_indexed.add("0_unindexed")
    for category_id, full_ids in ((1, "1"), (2, "1>2")):
        control.library.categories[category_id] = {"id": category_id, "partnerId": PARTNER, "fullIds": full_ids}
    return list(kinds)


@pytest.mark.usefixtures("entries")
def test_the_defaults_are_ready_accepted_and_visible(ask):
    """Without a filter: READY, neither pending nor rejected, not hidden, indexed; media has no playlists."""
    assert ask.ids("media.list") == ["0_ready", "0_joes", "0_picture"]
    assert ask.ids("baseEntry.list") == ["0_ready", "0_joes", "0_list", "0_picture"]
    assert ask("media.count") == 3


@pytest.mark.usefixtures("entries")
@pytest.mark.parametrize("entry_id", ["0_busy", "0_gone", "0_rejected", "0_hidden", "0_unindexed"])
def test_id_equal_switches_the_defaults_off(ask, entry_id):
    """IdEqual finds an entry in any state, even a deleted one."""
    assert ask.ids("media.list", {"filter": {"idEqual": entry_id}}) == [entry_id]


@pytest.mark.usefixtures("entries")
def test_id_equal_finds_nothing_of_others(ask):
    """IdEqual of another partner's entry, of an unknown one, or with another status finds nothing."""
    assert ask.ids("media.list", {"filter": {"idEqual": "0_foreign"}}) == []
    assert ask.ids("media.list", {"filter": {"idEqual": "0_nowhere"}}) == []
    assert ask.ids("media.list", {"filter": {"idEqual": []}}) == []
    assert ask.ids("media.list", {"filter": {"idEqual": "0_busy", "statusEqual": "2"}}) == []


def test_id_in_keeps_the_defaults_but_not_the_index(ask, entries):
    """IdIn finds what the index missed, but only in the default states."""
    wanted = ",".join(entries)
    assert ask.ids("media.list", {"filter": {"idIn": wanted}}) == ["0_ready", "0_joes", "0_unindexed", "0_picture"]
    found = ask.ids("media.list", {"filter": {"idIn": wanted, "statusIn": "1,3"}})
    assert found == ["0_busy", "0_gone"]


@pytest.mark.usefixtures("entries")
def test_tombstones_are_listed_by_status(ask):
    """StatusEqual 3, and a statusNotIn without 3, list deleted entries."""
    assert ask.ids("media.list", {"filter": {"statusEqual": "3"}}) == ["0_gone"]
    assert ask.ids("media.list", {"filter": {"statusNotIn": "2"}}) == ["0_busy", "0_gone"]


@pytest.mark.usefixtures("entries")
def test_a_user_session_lists_its_own_entries(ask, make_ks):
    """Without list:* a user sees its own entries in lists, but all by idEqual and idIn."""
    joe = make_ks(0, "joe")
    assert ask.ids("media.list", session=joe) == ["0_joes"]
    assert ask.ids("media.list", {"filter": {"idIn": "0_ready,0_joes"}}, session=joe) == ["0_ready", "0_joes"]
    assert ask.ids("media.list", {"filter": {"idEqual": "0_ready"}}, session=joe) == ["0_ready"]
    assert ask("media.count", session=joe) == 1
    assert len(ask.ids("media.list", session=make_ks(0, "joe", "list:*"))) == 3
    assert ask.ids("media.list", session=make_ks(0, "", "sview:*")) == []


@pytest.mark.usefixtures("entries")
@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({"tagsLike": "sea"}, ["0_ready"]),
        ({"tagsLike": "se"}, []),
        ({"tagsMultiLikeOr": "nothing,deep"}, ["0_ready"]),
        ({"tagsMultiLikeAnd": "blue,nothing"}, []),
        ({"nameLike": "SEA film"}, ["0_ready"]),
        ({"freeText": "r1"}, ["0_ready"]),
        ({"referenceIdEqual": "r1"}, ["0_ready"]),
        ({"mediaTypeEqual": 2}, ["0_picture"]),
        ({"mediaTypeIn": "1,5"}, ["0_ready", "0_joes"]),
        ({"categoriesIdsMatchOr": "1"}, ["0_picture"]),
        ({"categoriesMatchOr": "films"}, ["0_joes", "0_picture"]),
        ({"categoriesMatchOr": "films>short"}, ["0_joes"]),
        ({"categoriesIdsNotContains": "1"}, ["0_ready", "0_joes"]),
        ({"categoriesNotContains": "films"}, ["0_ready"]),
        ({"categoryAncestorIdIn": "1"}, ["0_joes", "0_picture"]),
        ({"categoryAncestorIdIn": "2"}, ["0_joes"]),
        ({"durationGreaterThan": 10}, ["0_joes"]),
        ({"durationLessThanOrEqual": 10}, ["0_ready", "0_picture"]),
        ({"startDateGreaterThanOrEqual": NOW + 500}, ["0_picture"]),
        ({"startDateLessThanOrEqual": NOW + 500}, ["0_picture"]),
        ({"startDateLessThanOrEqualOrNull": NOW}, ["0_ready", "0_joes"]),
        ({"lastPlayedAtLessThanOrEqual": NOW + 9999}, []),
        ({"idNotIn": "0_ready"}, ["0_joes", "0_picture"]),
        ({"userIdEqual": "joe"}, ["0_joes"]),
        ({"noSuchField": "x"}, ["0_ready", "0_joes", "0_picture"]),
        ({"objectType": "NoSuchFilter", "mediaTypeEqual": 2}, ["0_picture"]),
        ({"objectType": "KalturaBaseEntryFilter", "mediaTypeEqual": 2}, ["0_ready", "0_joes", "0_picture"]),
        ({"moderationStatusEqual": 3}, ["0_rejected"]),
        ({"statusEqual": ""}, ["0_ready", "0_joes", "0_picture"]),
    ],
)
def test_each_filter_field_selects(ask, conditions, expected):
    """A filter field selects what it says; fields that the class doesn't have are ignored."""
    assert ask.ids("media.list", {"filter": conditions}) == expected


@pytest.mark.usefixtures("entries")
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, ["0_ready", "0_joes", "0_picture"]),
        (-1, []),
        (-5, ["0_ready", "0_joes"]),
        (NOW + 1, ["0_ready", "0_joes"]),
        ("yesterday", ["0_ready", "0_joes", "0_picture"]),
        (YEARS_10, ["0_ready", "0_joes", "0_picture"]),
        (YEARS_10 + 1, []),
        (-YEARS_10, []),
    ],
)
def test_times_within_ten_years_of_zero_are_relative(ask, value, expected):
    """CreatedAtLessThanOrEqual: small numbers count from now, -1 and great ones are literal, words are now."""
    assert ask.ids("media.list", {"filter": {"createdAtLessThanOrEqual": value}}) == expected


@pytest.mark.usefixtures("entries")
def test_enumerations_are_checked_in_filters(ask):
    """A value outside the enumeration is an error; one that a plugin might have added is not."""
    answer = ask("media.list", {"filter": {"statusEqual": "99"}})
    assert answer["args"] == {"ENUM_VAL": "99", "PARAM_NAME": "statusEqual", "ENUM_TYPE": "KalturaEntryStatus"}
    assert ask.ids("media.list", {"filter": {"statusEqual": "virusScan.Infected"}}) == []


@given(
    keys=st.lists(st.integers(0, 3), max_size=30),
    sign=st.sampled_from("+-"),
)
def test_ties_keep_the_order_of_insertion(keys, sign):
    """Objects with equal keys stay as they were, ascending and descending alike."""
    items = [{"createdAt": key, "n": n} for n, key in enumerate(keys)]
    ordered = listing.order(items, f"{sign}createdAt", {"createdAt"})
    direction = 1 if sign == "+" else -1
    assert ordered == sorted(items, key=lambda item: (direction * item["createdAt"], item["n"]))


def test_an_unknown_order_is_ignored():
    """Unknown properties and forms leave the order alone."""
    items = [{"createdAt": 2}, {"createdAt": 1}]
    for order_by in ("+nothing", "createdAt", "", "*createdAt"):
        assert listing.order(items, order_by, {"createdAt"}) == items


@given(size=st.integers(1, 600), count=st.integers(0, 1300))
def test_pages_show_every_object_once(size, count):
    """Pages of any size, put together, are the list; no page is longer than 500."""
    items = [{"n": n} for n in range(count)]
    seen, index = [], 1
    while True:
        page, total = listing.take(items, listing.Page.of({"pageSize": size, "pageIndex": index}))
        assert total == count
        assert len(page) <= 500
        if not page:
            break
        seen, index = seen + page, index + 1
    assert seen == items


@pytest.mark.parametrize("size", [0, -1, "", "abc"])
def test_an_odd_page_size_drops_the_pager(size):
    """0, negative, empty or a word: 1000 objects from the start, whatever the page index."""
    assert listing.Page.of({"pageSize": size, "pageIndex": 3}) == listing.Page(0, 1000)


@pytest.mark.parametrize(("pager", "expected"), [({}, (0, 30)), (None, (0, 30)), ({"pageIndex": "x"}, (0, 30))])
def test_the_default_page_has_30(pager, expected):
    """Without a page size a page has 30; an odd index is the first."""
    assert listing.Page.of(pager) == listing.Page(*expected)


def test_the_window_ends_at_10000():
    """A page across the window is cut and the count with it; one past it is an error; one inside is not cut."""
    items = [{"n": n} for n in range(10_150)]
    page, total = listing.take(items, listing.Page(9_900, 300), window=10_000)
    assert (len(page), total) == (100, 10_000)
    assert listing.take(items, listing.Page(9_500, 500), window=10_000)[1] == 10_150
    with pytest.raises(ApiError, match="max matches"):
        listing.take([], listing.Page(10_000, 500), window=10_000)


def test_only_the_first_500_values_of_a_list_count():
    """The 500th value counts, the 501st is dropped silently."""
    values = [f"0_{n}" for n in range(500)]
    assert listing.one_of("id")(",".join([*values[:499], "0_x"]), 0)({"id": "0_x"})
    assert not listing.one_of("id")(",".join([*values, "0_x"]), 0)({"id": "0_x"})


@pytest.mark.usefixtures("entries")
def test_get_by_ids_has_no_limit_and_leaves_out_what_is_not_there(ask):
    """Unknown, deleted and foreign ids are left out; more than 500 are accepted."""
    many = ",".join([*(f"0_none{n}" for n in range(600)), "0_gone", "0_foreign", "0_busy", "0_ready"])
    assert [entry["id"] for entry in ask("baseEntry.getByIds", entryIds=many)] == ["0_busy", "0_ready"]


@pytest.mark.usefixtures("entries")
def test_media_get_shows_every_state_but_deleted(ask):
    """Deleted, foreign and unknown ids, and playlists, are ENTRY_ID_NOT_FOUND."""
    assert [ask("media.get", entryId=i)["id"] for i in ("0_busy", "0_rejected", "0_hidden")] == [
        "0_busy",
        "0_rejected",
        "0_hidden",
    ]
    for entry_id in ("0_gone", "0_foreign", "0_nowhere", "0_list"):
        assert ask.code("media.get", entryId=entry_id) == "ENTRY_ID_NOT_FOUND"
    assert ask("baseEntry.get", entryId="0_list")["objectType"] == "KalturaPlaylist"


@pytest.mark.usefixtures("entries")
@pytest.mark.parametrize(
    ("profile", "names"),
    [
        ({"type": 1, "fields": "id, name"}, {"id", "name", "type", "objectType"}),
        ({"type": 1, "fields": ""}, {"type", "objectType"}),
    ],
)
def test_a_response_profile_keeps_its_fields(ask, profile, names):
    """Type 1 keeps the named fields, type and objectType, in lists as well; the list's own frame stays."""
    assert set(ask("media.get", entryId="0_ready", responseProfile=profile)) == names
    answer = ask("media.list", responseProfile=profile)
    assert set(answer["objects"][0]) == names
    assert answer["totalCount"] == 3


@pytest.mark.usefixtures("entries")
def test_an_excluding_response_profile_drops_its_fields(ask):
    """Type 2 drops the named fields."""
    full = ask("media.get", entryId="0_ready")
    less = ask("media.get", entryId="0_ready", responseProfile={"type": 2, "fields": "name,tags"})
    assert full.keys() - less.keys() == {"name", "tags"}


@pytest.mark.usefixtures("entries")
def test_updates_change_texts_and_move_updated_at(ask, make_ks, clock):
    """The owner and admins may; somebody else gets INVALID_KS with code -4, a read-only property is refused."""
    clock.advance(100)
    changed = {"entryId": "0_joes", "mediaEntry": {"name": "new"}}
    assert ask("media.update", changed, session=make_ks(0, "joe"))["updatedAt"] == clock.now
    assert ask("media.update", changed, session=make_ks(0, "eve"))["args"]["ERR_CODE"] == "-4"
    assert ask("media.update", changed, session=make_ks(0, "eve", "edit:0_joes"))["name"] == "new"
    refused = {"entryId": "0_joes", "mediaEntry": {"objectType": "KalturaMediaEntry", "status": 3}}
    assert ask.code("media.update", refused) == "PROPERTY_VALIDATION_NOT_UPDATABLE"


def test_a_new_entry_has_no_content(ask):
    """media.add makes an entry in status 7; without a media type it is an error."""
    added = ask("media.add", {"entry": {"mediaType": 1, "name": "n"}})
    assert (added["status"], added["name"]) == (7, "n")
    assert ask("media.get", entryId=added["id"])["name"] == "n"
    assert ask.code("media.add", {"entry": {"name": "n"}}) == "PROPERTY_VALIDATION_CANNOT_BE_NULL"
    assert ask.code("media.add", {"entry": {"mediaType": 77}}) == "INVALID_ENUM_VALUE"


@pytest.mark.usefixtures("entries")
def test_deleting_leaves_a_tombstone(ask, make_ks, clock):
    """Only who may change an entry may delete it; then it is listed as deleted, from that moment."""
    clock.advance(100)
    assert ask("media.delete", entryId="0_joes", session=make_ks(0, "eve"))["args"]["ERR_CODE"] == "-4"
    assert ask("media.delete", entryId="0_joes", session=make_ks(0, "joe")) is None
    deleted = ask("media.list", {"filter": {"statusEqual": 3, "orderBy": "-updatedAt"}})["objects"][0]
    assert (deleted["id"], deleted["updatedAt"]) == ("0_joes", clock.now)
    assert ask.code("media.get", entryId="0_joes") == "ENTRY_ID_NOT_FOUND"
