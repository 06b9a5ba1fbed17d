"""Downloads that are killed with SIGKILL at random points and retried until they are done."""

from __future__ import annotations

import os
import random

import pytest

from tests.kills.killing import MIB, PART_BYTES, PARTS_IN_FLIGHT, Tries
from tests.kills.seeded_server import SeededServer
from tests.media_server import SeededContent

#: So many long downloads of each place; acceptance asks for 50.
RUNS = int(os.environ.get("KALTURA_KILL_RUNS", "10"))
SEED = int(os.environ.get("KALTURA_KILL_SEED", "20261122"))


def killed_download(place, seed, size_bytes, kills):
    """Kill one download some times at random points; gives the bytes that were fetched twice."""
    dice = random.Random(seed)
    print(f"seed {seed}: {size_bytes // MIB} MiB, {kills} kills")  # noqa: T201 - to repeat a failure
    with SeededServer(SeededContent(seed, size_bytes)) as server:
        tries = Tries(server, place)
        for _ in range(kills):
            tries.kill_after(dice.randrange(1, size_bytes // (kills + 1)))
        told = tries.finish()
        tries.assert_right(told)
        assert place.everything() == sorted(name for name in place.everything() if "partial" not in name)
        tries.assert_clean_after_clean_up()
        twice = server.sent_bytes - size_bytes
    print(f"fetched twice: {twice / MIB:.1f} MiB, {twice / size_bytes:.1%}")  # noqa: T201 - a figure to report
    assert 0 <= twice <= kills * PARTS_IN_FLIGHT * PART_BYTES
    return twice


@pytest.mark.timeout(300)
def test_killed_download_ends_with_the_right_bytes(place):
    """However it is killed, the last try leaves the source's bytes, and little is fetched twice."""
    assert killed_download(place, SEED, 96 * MIB + 12_345, kills=2) >= 0


@pytest.mark.all
@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", range(RUNS))
def test_long_download_that_is_killed_four_times_fetches_little_twice(place, number):
    """At most 15 % of a GiB is fetched twice with four kills, from a source that is not throttled."""
    size_bytes = 1024 * MIB
    assert killed_download(place, SEED + 100 + number, size_bytes, kills=4) <= 0.15 * size_bytes
