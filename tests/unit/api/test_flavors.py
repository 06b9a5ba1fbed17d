"""The choice of a flavor asset."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_kaltura.api.flavors import (
    DEAD,
    READY,
    Never,
    Preferences,
    Ready,
    ReadyAll,
    Wait,
    choose,
    choose_all,
    describe,
)
from airflow_provider_kaltura.api.models import Entry, FlavorAsset, FlavorStatus

S = FlavorStatus
UNFINISHED = [S.QUEUED, S.CONVERTING, S.WAIT_FOR_CONVERT, S.IMPORTING, S.VALIDATING]
FINAL, OPEN = ["2", "-1", "-2"], ["0", "1", "4", "7", "virusScan.Infected"]


def entry(status="2", **values):
    """Make an entry."""
    return Entry(id="0_entry001", partner_id=101, status=status, **values)


def asset(id_="0_a", status=S.READY, **values):
    """Make an asset: 720 lines when ready, unknown when not."""
    measured = {"height": 720, "width": 1280, "bitrate_kbps": 1500, "size_bytes": 1000} if status in READY else {}
    return FlavorAsset(id=id_, entry_id="0_entry001", partner_id=101, status=status, **{**measured, **values})


def source(id_="0_src", status=S.READY, **values):
    """Make a source."""
    return asset(id_, status, is_original=True, tags=("source",), **values)


def pick(assets, text, status="2", **values):
    """Choose, and shorten the outcome to an id, 'wait' or 'never'."""
    outcome = choose(assets, Preferences.parse(text), entry(status), **values)
    return outcome.asset.id if isinstance(outcome, Ready) else type(outcome).__name__.lower()


@pytest.mark.parametrize("status", [S.READY, S.EXPORTING])
def test_ready_and_exporting_are_ready(status):
    """Both have a file."""
    assert pick([asset(status=status)], "best") == "0_a"


@pytest.mark.parametrize("status", UNFINISHED)
@pytest.mark.parametrize("entry_status", FINAL + OPEN)
def test_an_unfinished_asset_is_waited_for(status, entry_status):
    """Whatever the entry's status, an asset that is on its way is waited for."""
    assert pick([source(status=status)], "source", entry_status) == "wait"


@pytest.mark.parametrize("status", sorted(DEAD))
@pytest.mark.parametrize("entry_status", FINAL + OPEN)
def test_a_dead_candidate_lets_the_preference_pass(status, entry_status):
    """A source that failed or was purged is passed over, and the second choice is taken."""
    assert pick([source(status=status), asset()], "source, best", entry_status) == "0_a"


@pytest.mark.parametrize(("status", "expected"), [(s, "never") for s in FINAL] + [(s, "wait") for s in OPEN])
def test_without_an_asset_the_entry_decides(status, expected):
    """No such asset: nothing more will come for a final entry, it may for any other."""
    assert pick([], "source, best", status) == expected
    assert pick([asset(flavor_params_id=5)], "params:6", status) == expected


def test_an_earlier_preference_that_may_come_holds_the_later_ones_back():
    """A ready second choice is not taken while the first may still come."""
    assert pick([source(status=S.IMPORTING), asset()], "source, best") == "wait"
    assert pick([asset()], "source, best", "1") == "wait"


def test_the_best_is_the_highest_then_the_richest_then_the_largest():
    """Height decides before bitrate, bitrate before size, size before the id; the source takes part."""
    low, high = asset("0_low", height=360, bitrate_kbps=9000), asset("0_high", height=1080, bitrate_kbps=1)
    assert pick([low, high], "best") == "0_high"
    assert pick([asset("0_b", bitrate_kbps=2), asset("0_a", bitrate_kbps=1)], "best") == "0_b"
    assert pick([asset("0_b", size_bytes=2), asset("0_a", size_bytes=1)], "best") == "0_b"
    assert pick([asset("0_b"), asset("0_a")], "best") == "0_a"
    assert pick([asset(), source(height=2160)], "best") == "0_src"


def test_the_best_waits_for_every_candidate():
    """While any asset is unfinished the best is not known."""
    assert pick([source(height=2160), asset(status=S.CONVERTING)], "best") == "wait"


def test_the_smallest_has_the_fewest_bytes():
    """An unknown size is no small one."""
    assets = [asset("0_a", size_bytes=5), asset("0_b", size_bytes=4), asset("0_c", size_bytes=None)]
    assert pick(assets, "smallest") == "0_b"


def test_a_temporary_asset_is_as_if_it_were_not_there():
    """TEMP assets are neither taken nor waited for."""
    assert pick([asset(status=S.TEMP, height=9999)], "best") == "never"
    assert pick([asset("0_t", status=S.TEMP), asset()], "best") == "0_a"


def test_source_and_id_wait_for_nothing_else():
    """Where one asset is named, another candidate that is unfinished does not matter."""
    assets = [source(), source("0_second", S.IMPORTING), asset(status=S.CONVERTING)]
    assert pick(assets, "source") == "0_src"
    assert pick(assets, "id:0_src") == "0_src"
    assert pick(assets, "0_src") == "0_src"


def test_several_candidates_are_ranked_and_waited_for():
    """A tag that several assets have takes the best of them, once all of them are finished."""
    tall, small = asset("0_tall", height=1080, tags=("web",)), asset("0_small", height=360, tags=("web", "Mobile"))
    assert pick([tall, small], "tag:web") == "0_tall"
    assert pick([tall, small], "tag:mobile") == "0_small"
    assert pick([tall, replace(small, status=S.QUEUED)], "tag:web") == "wait"
    assert pick([tall, replace(small, status=S.ERROR)], "tag:web") == "0_tall"
    assert pick([tall, small, asset(status=S.QUEUED)], "tag:web") == "0_tall"


def test_params_0_is_the_source():
    """FlavorParamsId 0 is the source on every Kaltura edition."""
    assert pick([asset(flavor_params_id=4), source(flavor_params_id=0)], "params:0") == "0_src"


@pytest.mark.parametrize("condition", ["height<=720", "height>=720", "bitrate<=10", "width<=10", "height=5"])
def test_an_unfinished_asset_may_still_meet_any_condition(condition):
    """Its 0 means unknown, so the condition is not decided; neither are the values of an earlier conversion."""
    assert pick([asset(status=S.CONVERTING)], condition) == "wait"
    assert pick([asset(status=S.CONVERTING, height=99999, bitrate_kbps=99999, width=99999)], condition) == "wait"


def test_the_0_of_a_ready_asset_is_known():
    """An audio flavor has no height: it is below every limit and above none."""
    audio = asset("0_audio", height=0, width=0)
    assert pick([audio], "height<=720") == "0_audio"
    assert pick([audio], "height>=1") == "never"


def test_conditions_join():
    """Both conditions must hold."""
    assets = [
        asset("0_a", height=1080, tags=("web",)),
        asset("0_b", height=360),
        asset("0_c", height=480, tags=("web",)),
    ]
    assert pick(assets, "height<=720 & tag:web") == "0_c"
    assert pick(assets, "height<=720 & tag:web & smallest") == "0_c"
    assert pick(assets, "height<=100 & tag:web, height<=400") == "0_b"


def test_web_takes_the_best_of_the_set_without_waiting():
    """Once the set is not empty, an unfinished asset is no reason to wait."""
    assets = [asset("0_a", height=360), asset("0_b", height=480), asset("0_c", S.CONVERTING), source(height=2160)]
    assert pick(assets, "web", web_playable_ids={"0_a", "0_b"}) == "0_b"
    # Read a moment later, the set may hold an asset that was not ready yet when the assets were read.
    assert pick(assets, "web", web_playable_ids={"0_a", "0_b", "0_c"}) == "0_b"


@pytest.mark.parametrize(
    ("assets", "status", "expected"),
    [
        pytest.param([asset(status=S.CONVERTING)], "2", "wait", id="one may join"),
        pytest.param([], "1", "wait", id="entry not final"),
        pytest.param([asset()], "2", "never", id="nothing may join"),
        pytest.param([asset(status=S.ERROR)], "2", "never", id="all failed"),
    ],
)
def test_an_empty_web_set_waits_only_while_one_may_join(assets, status, expected):
    """An empty set is waited for while an asset or the entry is unfinished."""
    assert pick(assets, "web", status, web_playable_ids=frozenset()) == expected


def test_web_needs_the_set():
    """Without getWebPlayable's answer the preference can't be decided."""
    assert Preferences.parse("source, web").wants_web
    with pytest.raises(ValueError, match="web_playable_ids"):
        pick([asset()], "web")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({"type": "1", "media_type": 2}, "image"),
        ({"type": "10"}, "document"),
        ({"type": "5"}, "playlist"),
        ({"type": "6"}, "data"),
        ({"type": "7"}, "live"),
        ({"type": "8"}, "live"),
        ({"type": "1", "media_type": 201}, "live"),
        ({"type": "externalMedia.externalMedia"}, "external"),
    ],
)
@pytest.mark.parametrize("status", ["2", "1", "7"])
def test_an_entry_without_media_is_recognised_at_once(values, kind, status):
    """Nothing is waited for where no flavor can ever be, whatever the entry's status."""
    outcome = choose([], Preferences.parse(), entry(status, **values))
    assert outcome == Never(f"no_media:{kind}")
    assert choose_all([], entry(status, **values)) == Never(f"no_media:{kind}")


@pytest.mark.parametrize("media_type", [1, 5, None])
def test_video_audio_and_the_unknown_can_have_flavors(media_type):
    """Anything else is treated as media."""
    assert pick([source()], "source") == "0_src"
    assert isinstance(choose([], Preferences.parse(), entry("7", media_type=media_type)), Wait)


def test_a_deleted_or_temporary_entry_is_refused():
    """Neither a deleted entry nor one made for a replacement gives files."""
    assert isinstance(choose([source()], Preferences.parse(), entry("3")), Never)
    assert isinstance(choose([source()], Preferences.parse(), entry("2", replaced_entry_id="0_other")), Never)


def test_never_lists_what_the_entry_has():
    """The user sees what could have been asked for."""
    outcome = choose([source(file_ext="mp4"), asset(status=S.ERROR)], Preferences.parse("tag:none"), entry())
    assert isinstance(outcome, Never)
    assert outcome.available == ("0_a params 0 ERROR", "0_src params 0 source READY 1280x720 1500 kbit/s mp4")
    assert "tag:none" in outcome.reason


def test_an_unknown_status_is_neither_ready_nor_final():
    """A status of a newer server is waited for, and named by its number."""
    assert pick([asset(status=42)], "best") == "wait"
    assert "status 42" in describe(asset(status=42))


def test_all_waits_until_everything_is_final():
    """All ready assets come once no asset and not the entry can change by itself."""
    ready, failed, going = asset("0_a"), asset("0_b", S.ERROR), asset("0_c", S.QUEUED)
    assert choose_all([failed, ready, asset("0_t", S.TEMP)], entry()) == ReadyAll((ready,))
    assert isinstance(choose_all([ready, going], entry()), Wait)
    assert isinstance(choose_all([ready], entry("1")), Wait)
    assert isinstance(choose_all([failed], entry()), Never)
    assert isinstance(choose_all([], entry()), Never)


@pytest.mark.parametrize("status", OPEN)
def test_all_flavors_of_an_entry_in_moderation_are_not_waited_for(status):
    """Only while something is certainly still to come does the entry decide over finished flavors."""
    ready, failed = asset("0_a"), asset("0_b", S.ERROR)
    waits = status in {"0", "1", "7"}
    assert choose_all([ready, failed], entry(status)) == ReadyAll((ready,)) or waits
    assert isinstance(choose_all([ready, failed], entry(status)), Wait) == waits
    assert isinstance(choose_all([failed], entry(status)), Wait)
    assert isinstance(choose_all([], entry(status)), Wait)


@pytest.mark.parametrize("status", sorted(DEAD))
@pytest.mark.parametrize("condition", ["height>=720", "bitrate>=10", "width>=10"])
def test_the_size_of_a_dead_flavor_is_what_it_says(status, condition):
    """Unknown is only what is unfinished: a failed flavor of height 0 is none of 720 lines."""
    assert pick([asset(status=status)], condition, "1") == "wait"
    assert pick([asset(status=status)], condition) == "never"
    assert pick([asset(status=status), source()], f"{condition.split('>')[0]}<=0, source") == "0_src"


def expected(assets, entry_status):
    """Decide 'source, best' a second time, straight from the issue's words."""
    for wanted in ([a for a in assets if a.is_original], assets):
        ready = [a for a in wanted if a.status in (2, 9)]
        going = [a for a in wanted if a.status in (0, 1, 6, 7, 8)]
        one_named = wanted is not assets
        if ready and (one_named or not going):
            best = max(ready, key=lambda a: (a.height, a.bitrate_kbps, a.size_bytes))
            return min(a.id for a in ready if (a.height, a.bitrate_kbps, a.size_bytes) == (best.height, 1500, 1000))
        if going:
            return "wait"
        if not wanted and entry_status not in ("2", "-1", "-2"):
            return "wait"
    return "never"


def test_every_table_of_three_assets_is_as_the_words_say():
    """All statuses of a source and two flavors with all statuses of an entry, against a second reading."""
    statuses = [None, *(status for status in S if status != S.TEMP)]
    for entry_status, one, two, three in itertools.product([*FINAL, *OPEN], statuses, statuses, statuses):
        made = [
            make(id_, status)
            for make, id_, status in ((source, "0_src", one), (asset, "0_b", two), (asset, "0_c", three))
            if status is not None
        ]
        assert pick(made, "source, best", entry_status) == expected(made, entry_status), (made, entry_status)


ASSETS = st.lists(
    st.builds(
        FlavorAsset,
        id=st.integers(0, 99).map(lambda n: f"0_a{n:02}"),
        entry_id=st.just("0_entry001"),
        partner_id=st.just(101),
        status=st.sampled_from(list(S)),
        flavor_params_id=st.integers(0, 3),
        height=st.sampled_from([0, 360, 720]),
        bitrate_kbps=st.sampled_from([0, 500, 1500]),
        size_bytes=st.one_of(st.none(), st.integers(1, 5)),
        tags=st.lists(st.sampled_from(["web", "mobile"]), max_size=2).map(tuple),
        is_original=st.booleans(),
    ),
    max_size=6,
    unique_by=lambda item: item.id,
)
TEXTS = st.lists(
    st.sampled_from(
        ["source", "best", "smallest", "tag:web", "params:2", "height<=360", "bitrate<=500 & tag:web", "0_a01"]
    ),
    min_size=1,
    max_size=3,
)


@given(ASSETS, TEXTS, st.sampled_from([*FINAL, *OPEN]), st.randoms())
def test_the_order_of_the_assets_does_not_matter(assets, texts, status, random):
    """Kaltura gives no order: shuffled assets give the same outcome."""
    shuffled = list(assets)
    random.shuffle(shuffled)
    preferences = Preferences.parse(texts)
    assert choose(assets, preferences, entry(status)) == choose(shuffled, preferences, entry(status))


@given(ASSETS, TEXTS, st.sampled_from([*FINAL, *OPEN]))
def test_only_ready_assets_are_ever_taken(assets, texts, status):
    """Whatever is asked for, an asset without a file is never the answer."""
    outcome = choose(assets, Preferences.parse(texts), entry(status))
    assert not isinstance(outcome, Ready) or outcome.asset.status in READY


@given(ASSETS, TEXTS, st.sampled_from(FINAL))
def test_nothing_is_waited_for_once_everything_is_final(assets, texts, status):
    """With a final entry and final assets there is an answer."""
    final = [replace(item, status=S.READY) if item.status in UNFINISHED else item for item in assets]
    assert not isinstance(choose(final, Preferences.parse(texts), entry(status)), Wait)


@given(ASSETS, TEXTS, st.sampled_from([*FINAL, *OPEN]), st.data())
def test_never_stays_never_when_more_assets_fail(assets, texts, status, data):
    """What can never come does not come back because another conversion fails."""
    outcome = choose(assets, Preferences.parse(texts), entry(status))
    if assets and isinstance(outcome, Never):
        index = data.draw(st.integers(0, len(assets) - 1))
        worse = [replace(item, status=S.ERROR) if at == index else item for at, item in enumerate(assets)]
        assert isinstance(choose(worse, Preferences.parse(texts), entry(status)), Never)


@given(ASSETS, TEXTS, st.sampled_from([*FINAL, *OPEN]))
def test_what_was_waited_for_comes_when_everything_is_ready(assets, texts, status):
    """A wait for an unfinished asset ends with an asset once all assets are ready, if it ends at all."""
    if isinstance(choose(assets, Preferences.parse(texts), entry(status)), Ready):
        done = [replace(item, status=S.READY) if item.status in UNFINISHED else item for item in assets]
        assert isinstance(choose(done, Preferences.parse(texts), entry("2")), Ready)
