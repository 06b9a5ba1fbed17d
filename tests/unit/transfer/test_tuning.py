"""The number of connections, found with simulated sources and a simulated clock."""

from __future__ import annotations

import itertools
import random

import pytest

from airflow_provider_kaltura.transfer.tuning import Measure, Tuner

STEP = 0.03
MB = 1_000_000


class Simulation:
    """
    A copy in steps: what each connection could give, what the source gives all, what the sink takes.

    ``noise`` is the share by which each step's rate is wrong at most.
    """

    def __init__(self, *, each=float("inf"), shared=float("inf"), line=1000 * MB, sink=float("inf"), noise=0.0, seed=1):
        self.each, self.shared, self.line, self.sink, self.noise = each, shared, line, sink, noise
        self.random = random.Random(seed)
        self.at, self.fetched, self.reading, self.waiting = 0.0, 0.0, 0.0, 0.0

    def step(self, count, settled=None):
        """Let a step pass with so many connections."""
        source = min(self.each * count, self.shared, self.line)
        source *= 1 + self.random.uniform(-self.noise, self.noise)
        rate = min(source, self.sink)
        self.at += STEP
        self.fetched += rate * STEP
        # What the source could have given in this time is what waiting for it took.
        self.reading += count * STEP * rate / source
        self.waiting += count * STEP * (1 - rate / source)
        return Measure(
            at=self.at,
            fetched_bytes=int(self.fetched),
            reading_seconds=self.reading,
            waiting_seconds=self.waiting,
            reading=count if settled is None else settled,
        )

    def run(self, tuner, seconds):
        """Let some time pass; give the number of connections after each step."""
        return [tuner.observe(self.step(tuner.target)) for _ in range(round(seconds / STEP))]


@pytest.mark.parametrize("each", [1 * MB, 5 * MB, 20 * MB, 40 * MB])
@pytest.mark.parametrize("seed", range(20))
def test_a_limit_for_each_connection_is_met_by_eight(each, seed):
    """Whatever the limit and a usual noise, all connections are used soon."""
    tuner = Tuner(8)
    seen = Simulation(each=each, noise=0.15, seed=seed).run(tuner, 0.8 + 30 * MB / each)
    assert seen[-1] == 8
    assert set(seen) == {1, 2, 4, 8}


@pytest.mark.parametrize("most", [1, 2, 3, 5])
def test_no_more_connections_than_allowed(most):
    """The last doubling goes as far as it may."""
    assert max(Simulation(each=20 * MB).run(Tuner(most), 10)) == most


@pytest.mark.parametrize("seed", range(20))
def test_a_quick_source_gets_one_connection(seed):
    """A connection that gives a lot needs no company."""
    assert set(Simulation(noise=0.5, seed=seed).run(Tuner(8), 60)) == {1}


@pytest.mark.parametrize("line", [60 * MB, 80 * MB, 110 * MB, 400 * MB])
@pytest.mark.parametrize("seed", range(20))
def test_a_source_without_limit_gets_two_at_most(line, seed):
    """However noisy the machine, and however slow it is as a whole."""
    assert max(Simulation(line=line, noise=0.5, seed=seed).run(Tuner(8), 60)) <= 2


@pytest.mark.parametrize("seed", range(20))
def test_a_limit_for_all_connections_gets_one(seed):
    """A second connection that brings nothing is given up, and tried again rarely."""
    seen = Simulation(shared=30 * MB, noise=0.1, seed=seed).run(Tuner(8), 600)
    assert max(seen) == 2
    assert seen.count(2) / len(seen) < 0.01
    assert 5 <= sum(1 for before, after in itertools.pairwise(seen) if (before, after) == (1, 2)) <= 12


def test_a_slow_sink_gets_no_more_connections():
    """Who waits for the sink gains nothing from the source, however little each connection could give."""
    assert set(Simulation(each=40 * MB, sink=20 * MB).run(Tuner(8), 60)) == {1}


def test_a_sink_that_is_met_stops_the_growth():
    """Only as many connections as bring something."""
    assert Simulation(each=20 * MB, sink=42 * MB).run(Tuner(8), 60)[-1] == 2


def test_a_slow_moment_adds_no_third_connection():
    """A connection that was quick just now is not slow because of the machine's other work."""
    tuner, simulation = Tuner(8), Simulation(line=100 * MB)
    simulation.run(tuner, 20)
    simulation.line = 10 * MB
    assert max(simulation.run(tuner, 1)) <= 2


def test_new_connections_are_judged_when_they_give_something():
    """The time that a handshake takes is no sign that a connection brings nothing."""
    tuner, simulation = Tuner(8), Simulation(each=20 * MB)
    while tuner.target == 1:
        simulation.run(tuner, STEP)
    for _ in range(30):
        tuner.observe(simulation.step(1, settled=1))
    assert tuner.target == 2
    simulation.run(tuner, 1)
    assert tuner.target == 8


def test_a_refusal_takes_a_doubling_back_for_a_while():
    """A source that refuses some of many connections gets half of them."""
    tuner, simulation = Tuner(8), Simulation(each=20 * MB)
    simulation.run(tuner, 2)
    tuner.refused(simulation.at)
    assert tuner.target == 4
    assert set(simulation.run(tuner, 0.9)) == {4}
    assert simulation.run(tuner, 2)[-1] == 8
    tuner.refused(simulation.at)
    tuner.refused(simulation.at)
    tuner.refused(simulation.at)
    assert tuner.target == 1
