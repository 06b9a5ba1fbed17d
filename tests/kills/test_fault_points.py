"""Kills at the points that luck hardly ever meets, and two workers at one file."""

from __future__ import annotations

import pytest

from tests.kills.killing import KEY, MIB, PART_BYTES, Tries, told_by
from tests.kills.seeded_server import SeededServer
from tests.media_server import SeededContent

SIZE = 24 * MIB + 4_321
BEFORE_COMMIT = [
    ("between intent and begin", 1),
    ("between begin and state", 1),
    ("between part and state", 1),
    ("between part and state", 4),
    ("before the commit", 1),
]
AFTER_COMMIT = ["between complete and its answer", "before the row", "before the record is removed"]


@pytest.fixture
def tries(place):
    """Tries of one file."""
    with SeededServer(SeededContent(7, SIZE)) as server:
        yield Tries(server, place)


@pytest.mark.parametrize(("point", "count"), BEFORE_COMMIT)
def test_kill_before_the_commit_is_gone_on_with(tries, point, count):
    """Nothing has the final name; the next try ends with the right bytes, and one clean-up leaves nothing else."""
    tries.die_at(point, count)
    tries.assert_nothing_stands()
    told = tries.finish()
    tries.assert_right(told)
    tries.assert_clean_after_clean_up()


@pytest.mark.parametrize(("point", "count"), BEFORE_COMMIT[1::2])
def test_one_clean_up_after_a_kill_leaves_nothing(tries, point, count):
    """Whatever was under way is known for ours, and goes."""
    tries.die_at(point, count)
    tries.assert_clean_after_clean_up(with_file=False)


@pytest.mark.parametrize("point", ["between begin and state", "between part and state"])
def test_kill_after_a_kill_is_cleaned_up(tries, point):
    """A try that took over and was killed at the same point again leaves nothing that a clean-up can't find."""
    tries.die_at(point)
    tries.die_at(point)
    tries.assert_clean_after_clean_up(with_file=False)


@pytest.mark.parametrize("point", AFTER_COMMIT)
def test_kill_after_the_commit_is_settled_without_a_byte(tries, point):
    """The file stands and is proved: nothing is fetched again, the row is written, the record is gone."""
    tries.die_at(point)
    told = tries.finish()
    tries.assert_right(told)
    assert told["fetched_bytes"] == 0
    names = tries.place.everything()
    assert [name for name in names if not name.startswith("_kaltura/manifest/")] == [KEY]
    assert any(name.startswith("_kaltura/manifest/") for name in names)


def test_parts_that_were_written_down_are_not_fetched_again(tries):
    """Some parts were put and not all are known: what is known is not fetched again."""
    tries.die_at("between part and state", 4)
    told = tries.finish()
    tries.assert_right(told)
    assert told["fetched_bytes"] <= SIZE - PART_BYTES


def test_two_workers_at_one_file_leave_it_right(tries):
    """The later one takes the file over and finishes it; the earlier one fails or finds it standing."""
    half = tries.server.watch(SIZE // 2, hold=True)
    earlier = tries.start()
    assert half.wait(60)
    later = tries.start()
    tries.server.release()
    told = [told_by(earlier), told_by(later)]
    ends = {one.get("error", one.get("outcome")) for one in told}
    assert ends <= {"downloaded", "skipped", "UploadTakenError", "replaced"}
    right = next(one for one in told if one.get("outcome") == "downloaded")
    tries.assert_right(right)
    tries.assert_clean_after_clean_up()
