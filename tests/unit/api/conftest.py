"""Fixtures of the Kaltura layer: a scripted server, a clock that is moved by hand, settings."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import settings

from airflow_provider_kaltura.api import runtime, secrets
from airflow_provider_kaltura.api.config import AuthConfig, ClientConfig
from airflow_provider_kaltura.api.facade import KalturaApi
from airflow_provider_kaltura.api.retries import Retrier
from tests.unit.api.kaltura_double import running_double

# A machine that others use too is slow now and then; what an example takes says nothing about the code.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

ADMIN_SECRET = "0123456789abcdef0123456789abcdef"


@dataclass
class ManualClock:
    """Seconds that pass only when somebody sleeps."""

    now: float = 1_800_000_000.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        """Read the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        assert len(self.slept) < 10_000, "this never ends"
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock():
    """Give a clock that is moved by hand."""
    return ManualClock()


@pytest.fixture
def double():
    """Give a scripted server."""
    with running_double() as server:
        yield server


@pytest.fixture
def heard():
    """Collect every secret that is announced during the test."""
    found: list[str] = []
    secrets.register(found.append)
    yield found
    secrets.unregister(found.append)


@pytest.fixture(autouse=True)
def fresh_process():
    """Forget what earlier tests of this process have shared."""
    runtime.forget_all()
    secrets.forget_all()
    yield
    for made in runtime._runtimes.values():
        made.transport.close()
    runtime.forget_all()


@pytest.fixture
def make_config(double):
    """Make settings for the scripted server."""

    def make(**values):
        auth = AuthConfig(**{"method": "admin_secret", "secret": ADMIN_SECRET, **values.pop("auth", {})})
        given = {"connection_id": "kaltura_test", "service_url": double.base_url, "partner_id": 101, "auth": auth}
        return ClientConfig(**{**given, "requests_per_second": 10_000.0, **values})

    return make


@pytest.fixture
def make_api(make_config, clock):
    """Make a facade whose waits take no time."""
    made: list[runtime.Runtime] = []

    def make(**values):
        config = make_config(**values)
        retrier = Retrier(clock=clock, sleep=clock.sleep, jitter=lambda: 0.0)
        own = runtime.Runtime(config, retrier=retrier, now=clock)
        made.append(own)
        return KalturaApi(config, runtime=own)

    yield make
    for own in made:
        own.transport.close()


@pytest.fixture
def api(make_api):
    """Give a facade with an admin secret."""
    return make_api()
