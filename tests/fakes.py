"""Fakes of the transfer layer that several suites share; each has its own tests."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_kaltura.transfer.errors import SourceCutError
from airflow_provider_kaltura.transfer.memory_sink import MemorySink

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class ManualClock:
    """A clock that moves only when told to, and a sleeper that moves it."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now
        self.slept: list[float] = []

    def __call__(self) -> float:
        """Tell the time in seconds."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Move on."""
        self.now += seconds

    def sleep(self, seconds: float) -> None:
        """Move on and remember it, without waiting."""
        self.slept.append(seconds)
        self.now += seconds


@dataclass(slots=True)
class FlakySource:
    """
    A source in memory that breaks as told.

    ``breaks`` is used up one per opening: a number gives so many bytes and then raises ``SourceCutError``, an exception
    is raised at once, None does not break. ``most_bytes`` is the most that one read gives.
    """

    data: bytes
    breaks: Sequence[int | Exception | None] = ()
    version: str = "1"
    most_bytes: int = 1 << 30
    opened: list[tuple[int, int]] = field(default_factory=list)
    open_streams: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def size_bytes(self) -> int:
        """Length of the data."""
        return len(self.data)

    def open(self, start: int, stop: int) -> FlakyStream:
        """Open a range, or break."""
        with self._lock:
            number = len(self.opened)
            self.opened.append((start, stop))
        plan = self.breaks[number] if number < len(self.breaks) else None
        if isinstance(plan, Exception):
            raise plan
        with self._lock:
            self.open_streams += 1
        return FlakyStream(self, self.data[start:stop], plan)


@dataclass(slots=True)
class FlakyStream:
    """One opening of a :class:`FlakySource`."""

    source: FlakySource
    rest: bytes
    left: int | None
    closed: bool = False

    def readinto(self, buffer: memoryview) -> int:
        """Give bytes, or break when it is time."""
        if self.left == 0 and self.rest:
            raise SourceCutError("cut by the test", "fake")
        most = min(len(buffer), len(self.rest), self.source.most_bytes)
        if self.left is not None:
            most = min(most, self.left)
            self.left -= most
        buffer[:most] = self.rest[:most]
        self.rest = self.rest[most:]
        return most

    def close(self) -> None:
        """Count the stream as closed, once."""
        if not self.closed:
            self.closed = True
            with self.source._lock:
                self.source.open_streams -= 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class RecordingSink:
    """
    A memory sink that remembers every call, and fails where it is told to.

    ``fail`` gets the name of the call and its number of that name, and returns what to raise, or None.
    """

    def __init__(self, fail: Callable[[str, int], BaseException | None] = lambda _name, _number: None) -> None:
        self.inner = MemorySink()
        self.calls: list[tuple[str, Any]] = []
        self._fail = fail
        self._counts: dict[str, int] = {}
        self._lock = threading.Lock()

    @property
    def store(self) -> Any:
        """The store beside it."""
        return self.inner.store

    @property
    def capabilities(self) -> Any:
        """Those of the memory sink."""
        return self.inner.capabilities

    def begin(self, key: str, **arguments: Any) -> RecordingUpload:
        """Begin an object."""
        self.note("begin", key)
        return RecordingUpload(self, self.inner.begin(key, **arguments))

    def note(self, name: str, detail: Any = None) -> None:
        """Remember a call, and fail if it is time."""
        with self._lock:
            number = self._counts.get(name, 0)
            self._counts[name] = number + 1
            self.calls.append((name, detail))
        error = self._fail(name, number)
        if error is not None:
            raise error

    def names(self) -> list[str]:
        """Give the names of the calls, in order."""
        return [name for name, _ in self.calls]


class RecordingUpload:
    """One upload of a :class:`RecordingSink`."""

    def __init__(self, sink: RecordingSink, inner: Any) -> None:
        self._sink = sink
        self._inner = inner

    def put_part(self, index: int, buffer: Any, *, crc64nvme: int | None = None) -> None:
        """Store a part."""
        self._sink.note("put_part", index)
        self._inner.put_part(index, buffer, crc64nvme=crc64nvme)

    def commit(self, *, if_absent: bool = False, checksum: str | None = None) -> Any:
        """Commit."""
        self._sink.note("commit", checksum)
        return self._inner.commit(if_absent=if_absent, checksum=checksum)

    def discard(self) -> None:
        """Discard."""
        self._sink.note("discard")
        self._inner.discard()

    def done_parts(self) -> frozenset[int]:
        """Tell which parts are stored."""
        return self._inner.done_parts()

    def part_checksums(self) -> Any:
        """Tell the checksums of the stored parts."""
        return self._inner.part_checksums()

    def state(self) -> Any:
        """Give the state."""
        return self._inner.state()
