"""Which entries the trigger for events tells of, and which arguments it refuses."""

from __future__ import annotations

import asyncio
import inspect

import pytest

from airflow_provider_kaltura.compat import BaseEventTrigger, BaseTrigger
from airflow_provider_kaltura.hooks import KalturaHook
from airflow_provider_kaltura.triggers import KalturaEntryReadyTrigger
from tests.unit.airflow.ready_watching import ids, together, told, trigger

KWARGS = ["tags", "category", "owners", "media_types", "created_within", "flavor", "kaltura_conn_id"]
KWARGS += ["poll_interval", "look_back"]
# Airflow 2 has no events; see test_entry_ready_versions.py.
__test__ = BaseEventTrigger is not BaseTrigger

pytestmark = pytest.mark.usefixtures("watching")


def test_the_arguments_are_final():
    """Trigger rows of a running deployment hold these names: they never change."""
    assert set(inspect.signature(KalturaEntryReadyTrigger.__init__).parameters) == {"self", *KWARGS}
    path, arguments = trigger().serialize()
    assert path == "airflow_provider_kaltura.triggers.entry_ready.KalturaEntryReadyTrigger"
    assert list(arguments) == KWARGS


def test_conditions(sandbox):
    """Conditions add up; within a list one is enough; temporary entries of a replacement are never told of."""
    entries = {
        "a": {"tags": "exam, lecture", "userId": "bob"},
        "b": {"tags": "lectures", "userId": "ann", "mediaType": 5},
        "c": {"userId": "ann", "createdAt": 1_700_000_000, "mediaType": 2},
        "d": {"tags": "lecture", "replacedEntryId": "0_other"},
    }
    made = {sandbox.control.add_entry(**entry)["id"]: name for name, entry in entries.items()}
    wanted = [
        ({}, "abc"),
        ({"tags": ["Lecture"]}, "a"),
        ({"tags": ["none", "lectures"]}, "b"),
        ({"owners": ["ann"]}, "bc"),
        ({"owners": ["ann", "bob"]}, "abc"),
        ({"owners": ["ann"], "media_types": ["audio", "video"]}, "b"),
        ({"media_types": [2]}, "c"),
        ({"created_within": 600}, "ab"),
        ({"tags": ["lecture"], "owners": ["ann"]}, ""),
    ]
    payloads = asyncio.run(together(sandbox, [trigger(look_back=60, **arguments) for arguments, _ in wanted]))
    assert ["".join(sorted(made[one] for one in ids(told))) for told in payloads] == [names for _, names in wanted]


def test_category_is_the_servers_to_tell(sandbox):
    """What the entry does not say itself is asked of the server, with those below."""
    wanted = sorted(entry.id for entry in KalturaHook().list_entries(category="films"))
    assert wanted
    assert sorted(ids(asyncio.run(told(trigger(category="films"), sandbox, 5)))) == wanted


def test_flavor_is_waited_for_when_it_is_asked_for(sandbox):
    """A ready entry is told of only when the wanted flavor is ready too; one that can never have it, never."""
    made = sandbox.control.add_entry()
    flavor = sandbox.control.add_flavor(made["id"], status=1, flavorParamsId=7)
    sandbox.control.add_entry(mediaType=2)

    def flavor_is_ready():
        sandbox.control.set_flavor(flavor["id"], status=2)

    async def both():
        never, one = (trigger(look_back=60, flavor=flavor) for flavor in ("params:8", "params:7"))
        return await asyncio.gather(told(never, sandbox, 24), told(one, sandbox, 36, flavor_is_ready))

    nothing, payloads = asyncio.run(both())
    assert (nothing, ids(payloads)) == ([], [made["id"]])


@pytest.mark.parametrize(
    "arguments",
    [
        {"tags": "lecture"},
        {"tags": []},
        {"tags": ["a,b"]},
        {"tags": [" "]},
        {"owners": [1.5]},
        {"owners": [1]},
        {"owners": [""]},
        {"category": ["x"]},
        {"category": ""},
        {"kaltura_conn_id": ""},
        {"kaltura_conn_id": None},
        {"media_types": []},
        {"media_types": [True]},
        {"poll_interval": True},
        {"media_types": ["film"]},
        {"flavor": "height<="},
        {"poll_interval": 0},
        {"poll_interval": float("nan")},
        {"look_back": -1},
        {"look_back": None},
        {"created_within": "day"},
    ],
)
def test_arguments_that_cannot_be_are_refused_where_they_are_written(arguments):
    """A TypeError names the argument: a triggerer that met another one while it makes a trigger would end."""
    with pytest.raises(TypeError, match=next(iter(arguments))):
        trigger(**arguments)
