"""A lake whose process can be killed at any of its steps, and a look at what stands there."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_kaltura.ingest.destination import Destination
from airflow_provider_kaltura.ingest.lake import Lake
from airflow_provider_kaltura.ingest.sync import sync
from airflow_provider_kaltura.transfer.memory_sink import MemorySink

DESTINATION = Destination.parse("/lake/{entryId}/{flavorId}.{format}")


class Killed(BaseException):
    """The process ends here."""


@dataclass
class Killer:
    """Kills at the step whose number it is given; from then on nothing reaches the lake, until the next process."""

    left: int | None = None
    is_after: bool = False
    only: str = ""
    is_dead: bool = False
    last: str = ""

    def arm(self, left, *, is_after, only=""):
        """Kill at one of the next steps, before or after it takes effect."""
        self.left, self.is_after, self.only, self.is_dead = left, is_after, only, False

    def disarm(self):
        """Begin a new process that nobody kills."""
        self.left, self.is_dead = None, False

    def step(self, act, name):
        """Let one step happen, or kill."""
        if self.is_dead:
            raise Killed
        if self.left is None or not name.startswith(self.only):
            return act()
        self.left -= 1
        if self.left > 0:
            return act()
        self.is_dead, self.left, self.last = True, None, name
        if self.is_after:
            act()
        raise Killed


class Steps:
    """Passes calls on, some of them through a killer."""

    def __init__(self, inner, killer, names):
        self._inner, self._killer, self._names = inner, killer, names

    def __getattr__(self, name):
        found = getattr(self._inner, name)
        if name not in self._names:
            return found

        def step(*given, **more):
            first = str(given[0]) if given else ""
            result = self._killer.step(lambda: found(*given, **more), f"{name} {first}")
            return Steps(result, self._killer, {"put_part", "commit"}) if name == "begin" else result

        return step


class Forgetful(MemorySink):
    """A sink that keeps no metadata, as a disk."""

    def begin(self, key, *, attributes=None, **more):
        """Begin an object without them."""
        return super().begin(key, **more)


class Place:
    """A lake in memory, with object metadata or without."""

    def __init__(self, *, with_metadata=True):
        self.killer = Killer()
        sink = MemorySink() if with_metadata else Forgetful()
        self.store = sink.store
        self.lake = Lake(
            "/lake", Steps(sink, self.killer, {"begin"}), Steps(self.store, self.killer, {"write", "delete"})
        )

    def media(self):
        """Give what stands outside our own folder."""
        return {key: data for key, (data, _) in self.store._objects.items() if not key.startswith("_kaltura/")}

    def manifest_files(self):
        """Name the files of the manifest."""
        return {key for key in self.store._objects if key.startswith("_kaltura/manifest/")}

    def sync(self, model, options, **more):
        """Bring it up to date."""
        more = {"open_source": model.source, "utcnow": model.utcnow, **more}
        return sync(model, self.lake, DESTINATION, options, **more)
