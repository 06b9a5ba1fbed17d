"""lag.py: lists that see a change later than the database does."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_kaltura.sandbox import rules
from airflow_provider_kaltura.sandbox.control import Control
from airflow_provider_kaltura.sandbox.library import Library, Partner
from tests.fakes import ManualClock
from tests.unit.sandbox.conftest import NOW, PARTNER, SECRET, USER_SECRET, Asker
from tests.unit.sandbox.test_bulk import asker


def made(clock, by_rule, make_ks):
    """Return the controls of an empty library, with an index or without, and what asks it."""
    if by_rule:
        library = rules.library(entries=0, clock=clock)
        return Control(library), asker(library)
    library = Library(clock=clock)
    library.partners[PARTNER] = Partner(PARTNER, USER_SECRET, SECRET)
    return Control(library), Asker(Control(library), make_ks)


@pytest.fixture(params=[True, False], ids=["by rule", "plain"])
def lagging(request, clock, make_ks):
    """Return the controls of a library whose lists are 30 seconds behind, and what asks it."""
    control, ask = made(clock, request.param, make_ks)
    for entry_id in ("0_a", "0_b"):
        control.add_entry(entry_id)
    clock.advance(100)
    control.set_index_lag(30)
    return control, ask


def listed(ask, **conditions):
    """Return the ids that media.list finds."""
    return sorted(ask.ids("media.list", {"filter": conditions}))


def test_a_new_entry_is_found_by_id_only(lagging, clock):
    """Get, getByIds, idEqual and idIn see it at once; lists, counts and statusEqual do 30 seconds later."""
    control, ask = lagging
    control.add_entry("0_c")
    clock.advance(29)
    assert ask("media.get", entryId="0_c")["id"] == "0_c"
    assert [entry["id"] for entry in ask("baseEntry.getByIds", entryIds="0_c")] == ["0_c"]
    assert listed(ask, idEqual="0_c") == listed(ask, idIn="0_c") == ["0_c"]
    assert listed(ask) == listed(ask, statusEqual=2) == ["0_a", "0_b"]
    assert (ask("media.count"), control.index_behind()) == (2, ["0_c"])
    clock.advance(1)
    assert listed(ask) == listed(ask, statusEqual=2) == ["0_a", "0_b", "0_c"]
    assert control.index_behind() == []


def test_a_changed_entry_is_found_as_it_was(lagging, clock):
    """Filters and order use the old state, and it is shown, until the change has arrived."""
    control, ask = lagging
    control.set_entry("0_a", name="new name")
    control.delete_entry("0_b")
    assert listed(ask) == ["0_a", "0_b"]
    assert listed(ask, nameLike="new") == listed(ask, statusEqual=3) == []
    assert listed(ask, updatedAtGreaterThanOrEqual=NOW + 1) == []
    assert listed(ask, idIn="0_b", statusEqual=3) == ["0_b"]
    assert ask.code("media.get", entryId="0_b") == "ENTRY_ID_NOT_FOUND"
    assert {entry["updatedAt"] for entry in ask("media.list")["objects"]} == {NOW}
    clock.advance(30)
    assert listed(ask, nameLike="new") == ["0_a"]
    assert listed(ask, statusEqual=3) == ["0_b"]
    assert listed(ask, updatedAtGreaterThanOrEqual=NOW + 1) == ["0_a"]


def test_a_list_can_show_what_the_database_has(lagging):
    """Found by what the index has, but shown as the database has it: its times then go past the filter's."""
    control, ask = lagging
    control.set_index_lag(30, shows="database")
    control.set_entry("0_a", name="new name")
    found = ask("media.list", {"filter": {"updatedAtLessThanOrEqual": NOW + 1, "nameLike": "0_a"}})["objects"]
    assert [(entry["name"], entry["updatedAt"]) for entry in found] == [("new name", NOW + 100)]


def test_changes_can_be_held_until_they_are_released(lagging, clock):
    """One entry, or all; however long it takes."""
    control, ask = lagging
    control.set_index_lag(None)
    control.add_entry("0_c")
    control.add_entry("0_d")
    control.set_entry("0_d", name="again")
    clock.advance(3000)
    assert listed(ask) == ["0_a", "0_b"]
    control.release_index("0_d")
    assert listed(ask) == ["0_a", "0_b", "0_d"]
    assert listed(ask, nameLike="again") == ["0_d"]
    control.release_index()
    assert listed(ask) == ["0_a", "0_b", "0_c", "0_d"]


def test_without_lag_a_change_does_not_overtake_an_older_one(lagging, clock):
    """When the lag ends the next change brings what was on its way along, and nothing older comes after it."""
    control, ask = lagging
    control.set_entry("0_a", name="first")
    control.set_index_lag(0)
    control.set_entry("0_a", name="second")
    assert listed(ask, nameLike="second") == ["0_a"]
    clock.advance(60)
    assert listed(ask, nameLike="second") == ["0_a"]
    assert control.index_behind() == []


def test_flavors_do_not_lag(lagging):
    """They come from the database, also those of an entry that no list sees."""
    control, ask = lagging
    control.add_entry("0_c")
    control.add_flavor("0_c", "0_f")
    assert ask.ids("flavorAsset.list", {"filter": {"entryIdEqual": "0_c"}}) == ["0_f"]


def test_an_unknown_way_to_show_is_refused(control):
    """Index or database."""
    with pytest.raises(ValueError, match="'index' or 'database'"):
        control.set_index_lag(1, shows="both")


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.sampled_from([0, 5, 30, None]), st.integers(0, 20), st.booleans()), max_size=20
    )
)
def test_in_the_end_the_index_has_everything(events):
    """Whatever the lags were: an entry is listed as it was at some time, and at last as it is."""
    clock = ManualClock(NOW)
    control, ask = made(clock, True, None)
    states = {}
    for number, (which, lag, pause, release) in enumerate(events):
        control.set_index_lag(lag)
        entry_id = f"1_{which}"
        change = control.set_entry if entry_id in states else control.add_entry
        change(entry_id, name=f"n{number}")
        states.setdefault(entry_id, []).append(f"n{number}")
        clock.advance(pause)
        if release:
            control.release_index(entry_id)
        for entry in ask("media.list")["objects"]:
            assert entry["name"] in states[entry["id"]]
            assert not release or entry["id"] != entry_id or entry["name"] == f"n{number}"
    control.release_index()
    shown = {entry["id"]: entry["name"] for entry in ask("media.list")["objects"]}
    assert shown == {entry_id: names[-1] for entry_id, names in states.items()}
