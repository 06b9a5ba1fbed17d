"""Mappings whose values are computed, under a layer of what was changed: memory holds only the changes."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, MutableMapping
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Json = dict[str, Any]
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
_MISSING: Final = object()


class Computed(Json):
    """An object that is computed anew each time, so that a change of it would be lost: it can't be changed."""

    def _refuse(self, *_args: object, **_named: object) -> NoReturn:
        raise TypeError("this object is computed; change it by Library.changing, changing_asset, or the controls")

    __setitem__ = __delitem__ = update = pop = popitem = clear = setdefault = _refuse


class Layered(MutableMapping[K, V], Generic[K, V]):
    """
    What *compute* gives for a key, unless it was set or deleted.

    :param compute: Gives the value of a key, None when there is none.
    :param keys: Gives the keys that can be computed.
    """

    def __init__(self, compute: Callable[[K], V | None], keys: Callable[[], Iterable[K]] = tuple) -> None:
        self.compute = compute
        self._keys = keys
        self.changes: dict[K, V | None] = {}

    def get(self, key: K, default: Any = None) -> Any:
        """Return the value of a key."""
        change = self.changes.get(key, _MISSING)
        value = self.compute(key) if change is _MISSING else self._merged(key, change)
        return default if value is None else value

    def _merged(self, _key: K, change: Any) -> V | None:
        return change  # type: ignore[no-any-return] # V, or None

    def __getitem__(self, key: K) -> V:
        value: V | None = self.get(key)
        if value is None:
            raise KeyError(key)
        return value

    def __contains__(self, key: object) -> bool:
        return self.get(key) is not None  # type: ignore[arg-type] # of another type: isn't there

    def __setitem__(self, key: K, value: V) -> None:
        self.changes[key] = value

    def __delitem__(self, key: K) -> None:
        if key not in self:
            raise KeyError(key)
        self.changes[key] = None

    def __iter__(self) -> Iterator[K]:
        for key in self._keys():
            if self.changes.get(key, _MISSING) is not None:
                yield key
        for key, change in [*self.changes.items()]:
            if change is not None and self.compute(key) is None:
                yield key

    def __len__(self) -> int:
        return sum(1 for _ in self)


class LayeredObjects(Layered[str, Json]):
    """Objects: of one that can be computed, only the properties that differ are kept."""

    def _merged(self, key: str, change: Any) -> Json | None:
        if change is None:
            return None
        computed = self.compute(key)
        return Computed(change) if computed is None else Computed(computed | change)

    def __setitem__(self, key: str, value: Json) -> None:
        computed = self.compute(key)
        if computed is None:
            self.changes[key] = dict(value)
            return
        self.changes[key] = {name: item for name, item in value.items() if computed.get(name, _MISSING) != item}
