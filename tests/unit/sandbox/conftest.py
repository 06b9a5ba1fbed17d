"""A library of a few entries on a clock that is moved by hand, and ways to ask it."""

import json

import pytest
import requests

from airflow_provider_kaltura.sandbox import ks, server
from airflow_provider_kaltura.sandbox.api import Api, Caller
from airflow_provider_kaltura.sandbox.control import Control
from airflow_provider_kaltura.sandbox.library import Library, Partner, Place
from tests.fakes import ManualClock

PARTNER, OTHER = 7, 8
SECRET, USER_SECRET = "the admin secret", "the user secret"
NOW = 1_800_000_000


@pytest.fixture
def clock():
    """Return the library's clock."""
    return ManualClock(NOW)


@pytest.fixture
def library(clock):
    """Return a library with two partners and nothing else."""
    made = Library(clock=clock)
    made.partners[PARTNER] = Partner(PARTNER, USER_SECRET, SECRET)
    made.partners[OTHER] = Partner(OTHER, "other user", "other admin")
    return made


@pytest.fixture
def control(library):
    """Return the controls of the library."""
    return Control(library)


@pytest.fixture
def make_ks(library):
    """Return a function that makes a KS."""

    def make(kind=ks.ADMIN, user="tester", privileges="", *, partner=PARTNER, seconds=3600):
        secret = library.partners[partner].admin_secret
        return ks.make(
            secret, partner, kind=kind, user_id=user, expires_at=library.now + seconds, privileges=privileges
        )

    return make


class Asker:
    """Asks the API without a network."""

    def __init__(self, control, make_ks):
        self.api = Api(control.library, before=control.faults.for_action, rates=control.rates)
        self.control = control
        self._make_ks = make_ks

    def reply(self, name, parameters=None, *, session=True, path="/api_v3/", address="127.0.0.1", **more):
        """Return the reply to ``service.action``; *session* is True (admin), None, or a KS."""
        service, _, action = name.partition(".")
        given = {"service": service, "action": action, "format": 1, **(parameters or {}), **more}
        if session is True:
            session = self._make_ks()
        if session is not None:
            given.setdefault("ks", session)
        self.control.begin_request(of_api=True)
        return self.api.answer(given, Caller(Place("http", "sandbox.test"), address, path))

    def __call__(self, name, parameters=None, **more):
        """Return the parsed answer; the body must be JSON."""
        reply = self.reply(name, parameters, **more)
        assert reply.status == 200
        return json.loads(reply.body)

    def code(self, name, parameters=None, **more):
        """Return the code of the error that is answered."""
        return self(name, parameters, **more)["code"]

    def ids(self, name, parameters=None, **more):
        """Return the ids of the objects of a list."""
        return [item["id"] for item in self(name, parameters, **more)["objects"]]


@pytest.fixture
def ask(control, make_ks):
    """Return what asks the API."""
    return Asker(control, make_ks)


@pytest.fixture
def running(library):
    """Serve the library and return the server."""
    with server.serve(library) as made:
        yield made


@pytest.fixture
def http():
    """Return an HTTP session that follows nothing by itself."""
    with requests.Session() as session:
        session.trust_env = False
        yield session
