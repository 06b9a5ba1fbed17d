"""
Many deferred sensors and watchers in one real triggerer: few requests, a loop that stays free, little memory.

The rows of the sensors are written by the test; the triggerer, its event loop, its database and Kaltura's sandbox are
real. What the loop's drift is compared with is the same triggerer with as many of Airflow's own ``TimeDeltaTrigger``.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass

import pytest

from airflow_provider_kaltura.sandbox import lifecycle, small
from tests.secret_scan import find_in_text
from tests.triggerer.conftest import HERE, PROJECT, sensors, settings, wait_until, wanted_of

MAX_REQUESTS, MAX_ACTIONS = 10, 25
START_SECONDS = 240
FIVE = 5


@dataclass(frozen=True)
class Size:
    """How much of it there is."""

    sensors: int
    watchers: int
    interval: float
    looks: int
    baseline_seconds: float

    @property
    def seconds(self):
        """How long the sensors are measured."""
        return self.looks * self.interval


@dataclass(frozen=True)
class Measured:
    """What the triggerer did under its own triggers and under ours."""

    size: Size
    baseline_p99: float
    p99: float
    bytes_per_sensor: float
    looks: list
    listings: int

    @property
    def most(self):
        """The most requests, and the most actions, of one look."""
        requests = max(map(len, self.looks))
        return requests, max(sum(len(one.actions) for one in look) for look in self.looks)

    def show(self):
        """Print the figures."""
        print(  # noqa: T201 - the figures of the run
            f"\n{self.size.sensors} sensors, {self.size.watchers} watchers: p99 of the drift {self.p99 * 1e3:.1f} ms "
            f"(Airflow's own triggers: {self.baseline_p99 * 1e3:.1f} ms), {self.bytes_per_sensor / 1024:.1f} KiB per "
            f"sensor, at most {self.most[0]} requests and {self.most[1]} actions per look, {len(self.looks)} looks and "
            f"{self.listings} listings in {self.size.seconds:g} seconds"
        )


def in_looks(records):
    """Put the requests of sensors together that belong to one look: it begins with those for entries."""
    looks = []
    for record in records:
        if "baseEntry.getByIds" in record.actions or not looks:
            looks.append([])
        looks[-1].append(record)
    return looks


def baseline(size, rows, probe):
    """Have the triggerer run Airflow's own triggers only; give the probe's span."""
    rows("fill_time_deltas", size.sensors, 3600)
    probe.wait_for_tasks(size.sensors, START_SECONDS)
    began = time.time() + 2
    probe.wait_until_measured(began + size.baseline_seconds)
    rows("drop", "DateTimeTrigger")
    probe.wait_for_tasks(0, START_SECONDS, most=size.sensors / 2)
    return began, began + size.baseline_seconds


def measure(size, running, ids, rows, probe, begin_watching):
    """Have the triggerer run Airflow's own triggers, then ours, and measure both."""
    began_baseline, ended_baseline = baseline(size, rows, probe)
    begin_watching()
    first, *others = sensors(ids, size.interval)
    rows("fill", [first])
    # The first looks load what looking needs.
    wait_until(lambda: {"flavorAsset.list", "media.list"} <= set(running.log.action_counts()), START_SECONDS)
    time.sleep(size.interval)
    probe.wait_until_measured(time.time())
    empty = probe.resident()
    rows("fill", others)
    probe.wait_for_tasks(size.sensors, START_SECONDS)
    # Past their first look, which comes at once.
    time.sleep(max(size.interval, 5))
    began, first_request = time.time(), running.log.requests
    probe.wait_until_measured(began + size.seconds)
    records = [one for one in running.log.records() if one.number > first_request]
    return Measured(
        size,
        probe.p99(began_baseline, ended_baseline),
        probe.p99(began, began + size.seconds),
        (probe.resident() - empty) / len(others),
        in_looks([one for one in records if "flavorAsset.list" in one.actions]),
        sum(one.actions == ["media.list"] for one in records),
    )


def assert_few_requests(measured):
    """All sensors share their looks, all watchers theirs, and both keep to their interval."""
    requests, actions = measured.most
    assert requests <= MAX_REQUESTS
    assert actions <= MAX_ACTIONS
    # Those of one look more may fall into the time, at its ends.
    assert len(measured.looks) <= measured.size.looks + 1
    assert measured.size.looks - 2 <= measured.listings <= measured.size.looks + 1


def assert_told(running, rows):
    """An entry that becomes ready is told to those watchers that want it, in ids and numbers, and to no other."""
    made = running.control.add_entry(tags="watched", mediaType=2, status=2)

    def told():
        return {name: payload for name, payload in rows("told") if payload["entryId"] == made["id"]}

    wait_until(lambda: {"kaltura-0", "kaltura-1"} <= set(told()), 180)
    assert not set(told()) & {"kaltura-2", "kaltura-3", "kaltura-4", "kaltura-6", "kaltura-9"}
    for payload in told().values():
        assert payload == {
            "entryId": made["id"],
            "partnerId": small.PARTNER_ID,
            "status": "2",
            "createdAt": made["createdAt"],
            "updatedAt": made["updatedAt"],
        }


def assert_example_downloads(running, folder):
    """A video that becomes ready starts a run of the example DAG, which fetches it."""
    made = running.control.add_entry(status=1, mediaType=1)
    flavor = running.control.add_flavor(made["id"], tags="source", isOriginal=True)
    file = folder / f"{made['id']}-{flavor['id']}.mp4"
    lifecycle.set_entry_status(running.library, made["id"], lifecycle.READY)
    wait_until(file.exists, 300)
    assert file.read_bytes() == running.control.file(flavor["id"]).read()


@pytest.mark.timeout(420)
def test_fifty_sensors_and_three_watchers(alone, crowd_of):
    """One look for all sensors, one for all watchers; the loop stays free, and what became ready is told."""
    size = Size(sensors=50, watchers=3, interval=2.0, looks=3, baseline_seconds=5)
    running, ids = crowd_of(size.sensors)
    triggerer, rows, probe = alone(settings(running.base_url, 200, size.watchers, size.interval))
    rows("prepare")
    rows("store", str(triggerer.home / "dags"))
    rows("fill", [probe.trigger()])
    triggerer.start()
    measured = measure(size, running, ids, rows, probe, lambda: rows("store", str(HERE / "watchers")))
    measured.show()
    assert_few_requests(measured)
    # Some seconds of a machine that does other things too: whether it is three times is for the long test to say.
    assert measured.p99 <= max(3 * measured.baseline_p99, 0.1)
    assert_told(running, rows)
    lifecycle.set_flavor_status(running.library, wanted_of(running.library, ids[0]), lifecycle.READY)
    wait_until(lambda: rows("count")["KalturaFlavorReadyTrigger"] < size.sensors, 60)
    assert list(find_in_text(triggerer.logs(), {small.ADMIN_SECRET}, "log")) == []


@pytest.mark.all
@pytest.mark.timeout(1800)
def test_a_thousand_sensors_and_ten_watchers(whole, crowd_of, tmp_path):
    """The same in a whole Airflow, with five sensors that are tasks, and at most three times Airflow's own drift."""
    size = Size(sensors=1000, watchers=10, interval=60.0, looks=3, baseline_seconds=90)
    running, ids = crowd_of(size.sensors + FIVE)
    airflow, rows, probe = whole(settings(running.base_url, 1100, size.watchers, size.interval))
    for dag_id in ("crowd", "five"):
        airflow.wait_for_dag(dag_id)
    rows("fill", [probe.trigger()])

    def begin_watching():
        shutil.copy(HERE / "watchers" / "watched.py", airflow.dags)
        example = (PROJECT / "example_dags" / "example_kaltura_events.py").read_text()
        example = example.replace('"/tmp/kaltura/{createdAt:%Y/%m}/', f'"{tmp_path}/lake/')
        (airflow.dags / "example_kaltura_events.py").write_text(example)

    measured = measure(size, running, ids[: size.sensors], rows, probe, begin_watching)
    measured.show()
    run_id = airflow.trigger("five", {"entry_ids": ids[size.sensors :]})
    wait_until(lambda: set(airflow.task_states("five", run_id).values()) == {"deferred"}, 180)
    for entry_id in ids[size.sensors :]:
        lifecycle.set_flavor_status(running.library, wanted_of(running.library, entry_id), lifecycle.READY)
    state, seen = airflow.wait("five", run_id, 300)
    assert (state, len(seen)) == ("success", FIVE)
    assert_few_requests(measured)
    assert measured.p99 <= 3 * measured.baseline_p99
    assert_told(running, rows)
    assert_example_downloads(running, tmp_path / "lake")
    assert list(find_in_text(airflow.logs(), {small.ADMIN_SECRET}, "log")) == []
