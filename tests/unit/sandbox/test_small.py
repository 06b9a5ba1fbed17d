"""small.py, video.py and lifecycle.py: the library without a fixture."""

import io
import json

import av
import pytest

from airflow_provider_kaltura.sandbox import lifecycle, small, video
from airflow_provider_kaltura.sandbox.control import Control
from airflow_provider_kaltura.sandbox.library import FLAVOR
from tests.fakes import ManualClock
from tests.unit.sandbox.conftest import NOW, PARTNER, Asker


@pytest.fixture(scope="module")
def made():
    """Return the small library on a clock moved by hand; its late entry is ready after 30 seconds."""
    return small.library(ready_after_seconds=30, clock=ManualClock(NOW))


@pytest.fixture
def asked(made):
    """Return what asks the small library as its admin."""
    asker = Asker(Control(made), None)
    secret = {"partnerId": small.PARTNER_ID, "secret": small.ADMIN_SECRET, "type": 2}
    session = asker("session.start", secret, session=None)

    def ask(name, parameters=None):
        return asker(name, parameters, session=session)

    return ask


def states(asked, entry_id):
    """Return the entry's status and those of its flavors by params."""
    flavors = asked("flavorAsset.getByEntryId", {"entryId": entry_id})
    return asked("media.get", {"entryId": entry_id})["status"], {f["flavorParamsId"]: f["status"] for f in flavors}


def test_the_videos_play(made):
    """Every file of the ready entry is an MP4 of some hundred KB with all its frames and its own bytes."""
    contents = set()
    for flavor in made.entry_assets[FLAVOR][small.READY]:
        data = made.files[flavor["id"], flavor["version"]].read()
        with av.open(io.BytesIO(data)) as container:
            frames = sum(1 for _ in container.decode(video=0))
            assert container.streams.video[0].height == flavor["height"]
        assert frames == 100
        assert 100_000 < len(data) == int(flavor["sizeInBytes"]) < 900_000
        contents.add(data)
    assert len(contents) == 3


def test_equal_videos_of_two_entries_differ_in_their_bytes(made):
    """A mix-up of two entries' files can't go unseen."""
    files = [made.files[small.flavor_id_of(entry_id, 0), "2"] for entry_id in (small.READY, small.SECURE)]
    assert files[0].read() != files[1].read()
    assert files[0].read(0, 1000) == files[1].read(0, 1000)


def test_a_labelled_video_still_plays():
    """The label stands in a box that players skip."""
    data = video.labelled(video.mp4(64, 48, kbps=100, seconds=1), "label")
    with av.open(io.BytesIO(data)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 25


def test_the_late_entry_becomes_ready_by_the_clock(made, asked):
    """QUEUED, then the source READY and renditions CONVERTING, then all READY and the entry's updatedAt moved."""
    assert states(asked, small.LATE) == (1, {0: 0, 2: 0, 4: 0})
    made.clock.advance(10)
    assert states(asked, small.LATE) == (1, {0: 2, 2: 1, 4: 1})
    rendition = small.flavor_id_of(small.LATE, 2)
    assert (asked("flavorAsset.get", {"id": rendition})["version"], made.file(rendition, "2")) == ("0", None)
    made.clock.advance(10)
    early = asked("flavorAsset.get", {"id": rendition})
    assert (early["status"], early["version"], early["height"]) == (1, "2", 0)
    assert int(early["sizeInBytes"]) == made.file(rendition, "2").size_bytes
    made.clock.advance(10)
    assert states(asked, small.LATE) == (2, {0: 2, 2: 2, 4: 2})
    assert asked("media.get", {"entryId": small.LATE})["updatedAt"] == NOW + 30
    for params_id in (0, 2, 4):
        flavor = asked("flavorAsset.get", {"id": small.flavor_id_of(small.LATE, params_id)})
        assert made.file(flavor["id"], flavor["version"]).size_bytes == int(flavor["sizeInBytes"])


def test_an_entry_can_be_sent_back_to_converting(made, asked):
    """While it converts only the source's size is known, in bytes; afterwards everything is as before."""
    before = asked("flavorAsset.getByEntryId", {"entryId": small.UNICODE})
    Control(made).convert_later(small.UNICODE, 9)
    during = asked("flavorAsset.getByEntryId", {"entryId": small.UNICODE})
    assert {(f["height"], f["status"]) for f in during} == {(0, 0)}
    assert [(f["version"], f["size"]) for f in during] == [("2", int(before[0]["sizeInBytes"])), ("0", 0), ("0", 0)]
    made.clock.advance(9)
    after = asked("flavorAsset.getByEntryId", {"entryId": small.UNICODE})
    assert [f | {"updatedAt": 0} for f in after] == [f | {"updatedAt": 0} for f in before]


def test_an_entry_can_be_sent_back_while_it_converts(control, clock):
    """What was still to happen is forgotten; at the end everything is there."""
    control.add_entry("0_a", partner_id=PARTNER)
    control.add_flavor("0_a", "0_f", flavorParamsId=4, height=720)
    data = control.replace_flavor_file("0_f", size_bytes=77).read()
    control.convert_later("0_a", 9)
    clock.advance(4)
    control.library.settle()
    control.convert_later("0_a", 90)
    clock.advance(80)
    control.library.settle()
    assert (control.library.entries["0_a"]["status"], control.library.assets[FLAVOR]["0_f"]["status"]) == (1, 1)
    clock.advance(10)
    control.library.settle()
    flavor = control.library.assets[FLAVOR]["0_f"]
    assert (flavor["status"], flavor["version"], flavor["height"]) == (2, "12", 720)
    assert control.file("0_f").read() == data


def test_one_entry_never_gets_ready_and_one_failed(made, asked):
    """The first has no source and renditions that convert for ever; the second's renditions are ERROR."""
    made.clock.advance(80_000)
    assert states(asked, small.NEVER) == (1, {2: 1, 4: 1})
    assert states(asked, small.FAILED) == (-1, {0: 2, 2: -1, 4: -1})


def test_other_types_of_entry_have_no_flavors(asked):
    """Image, document, playlist, live and external entries are there, with their own classes."""
    kinds = {
        entry["id"]: entry["objectType"]
        for entry in asked("baseEntry.list")["objects"]
        if not asked("flavorAsset.getByEntryId", {"entryId": entry["id"]})
    }
    assert kinds == {
        small.IMAGE: "KalturaMediaEntry",
        small.DOCUMENT: "KalturaDocumentEntry",
        small.PLAYLIST: "KalturaPlaylist",
        small.LIVE: "KalturaLiveStreamEntry",
        small.EXTERNAL: "KalturaExternalMediaEntry",
    }


def test_both_app_tokens_and_the_user_secret_work(made):
    """What the program prints at its start is true."""
    printed = "\n".join(small.describe())
    for text in (small.ADMIN_SECRET, small.USER_SECRET, small.APP_TOKEN, small.USER_APP_TOKEN, str(small.PARTNER_ID)):
        assert text in printed
    assert made.app_tokens[small.APP_TOKEN_ID]["sessionType"] == 2
    assert made.app_tokens[small.USER_APP_TOKEN_ID]["sessionPrivileges"] == "list:*,download:*"


def test_flavors_move_an_entrys_updated_at_only_when_they_become_ready(control, clock):
    """A new file, another status, and READY again after a reconversion don't move it."""
    control.add_entry("0_a", partner_id=PARTNER)
    control.add_flavor("0_a", "0_f", status=1)
    moved = []
    for change in (
        lambda: control.replace_flavor_file("0_f"),
        lambda: control.set_flavor("0_f", status=-1),
        lambda: control.set_flavor("0_f", status=2),
        lambda: control.set_flavor("0_f", status=1),
        lambda: control.set_flavor("0_f", status=2),
        lambda: control.delete_flavor("0_f"),
    ):
        clock.advance(10)
        change()
        moved.append(control.library.entries["0_a"]["updatedAt"] == clock.now)
    assert moved == [False, False, True, False, False, True]


def test_versions_follow_each_other_in_tens():
    """0, 2, 12, 22."""
    assert [lifecycle.next_version(version) for version in ("0", "2", "12")] == ["2", "12", "22"]


def test_the_library_is_plain_json(made):
    """Everything that is shown can be written as JSON."""
    assert json.loads(json.dumps([made.entries, made.assets])) == [made.entries, made.assets]
