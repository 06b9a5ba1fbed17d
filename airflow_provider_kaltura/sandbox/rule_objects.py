"""What the entries of a library by rule are: every property follows from the entry's number and a seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_kaltura.sandbox.layered import Computed
from airflow_provider_kaltura.sandbox.rule_ids import Ids
from airflow_provider_kaltura.sandbox.rule_times import mix
from airflow_provider_kaltura.sandbox.services.entries import new_entry

if TYPE_CHECKING:
    from array import array

Json = dict[str, Any]
OWNERS, CATEGORIES = 40, 12
#: Width, height and kbps of each flavor; the first is the source. None has the same flavor params as another.
RENDITIONS: Final = (
    (0, 1920, 1080, 6000),
    (2, 320, 180, 300),
    (3, 480, 270, 500),
    (4, 640, 360, 900),
    (5, 854, 480, 1300),
    (6, 960, 540, 1800),
    (7, 1280, 720, 2500),
    (8, 1920, 1080, 4000),
)
FLAVORS: Final = len(RENDITIONS)
_SUBJECTS: Final = (
    "Algebra",
    "Biology",
    "Chemie",
    "Droit",
    "Économie",
    "Film",
    "Geology",
    "History",
    "日本語",
    "Юность",
)
_TAGS: Final = ("lecture", "seminar", "2019", "campus", "open day", "lab", "exam")
_READY: Final = 2


@dataclass(frozen=True)
class Kind:
    """
    A kind of entry.

    :param share: How many of 1,000 are of this kind.
    :param properties: What its entries have.
    :param ready: How many of the eight flavors are READY; None for an entry without flavors.
    :param unfinished: Status of the other flavors.
    :param ext: Extension of the entry's own file, "" when it has none.
    """

    share: int
    properties: Json
    ready: int | None = FLAVORS
    unfinished: int = 1
    ext: str = ""


_VIDEO: Final[Json] = {"status": _READY, "moderationStatus": 6, "type": 1, "mediaType": 1, "displayInSearch": 1}
VIDEO: Final = Kind(876, _VIDEO)
KINDS: Final = (
    VIDEO,
    Kind(40, _VIDEO | {"mediaType": 5}),
    Kind(20, _VIDEO | {"mediaType": 2, "version": "100002"}, ready=None, ext="jpg"),
    Kind(6, _VIDEO | {"status": 1}, ready=1),
    Kind(3, _VIDEO | {"status": 0}, ready=None),
    Kind(5, _VIDEO | {"status": -1}, ready=1, unfinished=-1),
    Kind(3, _VIDEO | {"status": -2}, ready=None),
    Kind(3, _VIDEO | {"status": 4}, ready=0, unfinished=0),
    Kind(6, _VIDEO | {"status": 7}, ready=None),
    Kind(10, _VIDEO | {"status": 3, "moderationStatus": 4}),
    Kind(5, _VIDEO | {"accessControlId": 2}),
    Kind(3, _VIDEO | {"startDate": 4102444800}),
    Kind(4, _VIDEO | {"moderationStatus": 3}),
    Kind(3, _VIDEO | {"moderationStatus": 1}),
    Kind(3, _VIDEO | {"displayInSearch": -1}),
    Kind(4, _VIDEO | {"type": 10, "mediaType": None, "version": "100002"}, ready=None, ext="pdf"),
    Kind(3, _VIDEO | {"type": 5, "mediaType": None}, ready=None),
    Kind(2, _VIDEO | {"type": 7, "mediaType": 201, "sourceType": "32"}, ready=None),
    Kind(1, _VIDEO | {"type": "externalMedia.externalMedia"}, ready=None),
)
_CLASSES: Final = {
    1: "KalturaMediaEntry",
    5: "KalturaPlaylist",
    7: "KalturaLiveStreamEntry",
    10: "KalturaDocumentEntry",
    "externalMedia.externalMedia": "KalturaExternalMediaEntry",
}


def category_names(number: int) -> tuple[str, str]:
    """Return full name and full ids of a category; every one above 4 stands below another."""
    if number <= _TOP:
        return f"faculty {number}", str(number)
    name, ids = category_names((number - 1) // 2 if number > 2 * _TOP else number - _TOP)
    return f"{name}>part {number}", f"{ids}>{number}"


_TOP: Final = 4


class Rules:
    """
    Computes entries.

    :param partner_id: Whose they are.
    :param seed: What decides what isn't told otherwise.
    :param times: createdAt and updatedAt by number.
    :param only_ready_videos: Whether every entry is a READY video with eight READY flavors and no condition.
    """

    def __init__(
        self,
        partner_id: int,
        seed: int,
        times: tuple[array[int], array[int]],
        *,
        only_ready_videos: bool,
    ) -> None:
        self.partner_id, self.seed, self.only_ready_videos = partner_id, seed, only_ready_videos
        self.created, self.updated = times
        self.count = len(self.created)
        self.ids = Ids(self.count, seed)
        self._template = new_entry("", partner_id, now=0) | {"accessControlId": 1, "conversionProfileId": 1}
        kinds = bytes(number for number, kind in enumerate(KINDS) for _ in range(kind.share))
        shares = len(kinds)
        self.kinds = bytes(0 if only_ready_videos else kinds[mix(seed, n, 6) % shares] for n in range(self.count))

    def kind(self, number: int) -> Kind:
        """Return what kind of entry it is."""
        return KINDS[self.kinds[number]]

    def owner(self, number: int) -> str:
        """Return who owns an entry."""
        return f"user{mix(self.seed, number, 7) % OWNERS:03d}"

    def categories(self, number: int) -> tuple[int, ...]:
        """Return the ids of an entry's categories: none, one or two."""
        chance = mix(self.seed, number, 8)
        first, second = 1 + chance % CATEGORIES, 1 + (chance >> 16) % CATEGORIES
        return ((), (first,), (first,), (first, second) if first != second else (first,))[(chance >> 32) % 4]

    def tags(self, number: int) -> str:
        """Return an entry's tags."""
        chance = mix(self.seed, number, 9)
        found = dict.fromkeys(_TAGS[(chance >> shift) % len(_TAGS)] for shift in range(0, 8 * (chance % 4), 8))
        return ", ".join(found)

    def duration_seconds(self, number: int) -> int:
        """Return how long an entry is."""
        return 30 + mix(self.seed, number, 10) % 5400 if self.kind(number).ready else 0

    def name(self, number: int) -> str:
        """Return an entry's name."""
        return f"{_SUBJECTS[number % len(_SUBJECTS)]} {number:06d}"

    def _own(self, number: int) -> Json:
        entry_id, owner, seconds = self.ids.make(number), self.owner(number), self.duration_seconds(number)
        categories = self.categories(number)
        own = {
            "id": entry_id,
            "name": self.name(number),
            "userId": owner,
            "creatorId": owner,
            "tags": self.tags(number),
            "categories": ",".join(category_names(category)[0] for category in categories),
            "categoriesIds": ",".join(map(str, categories)),
            "createdAt": self.created[number],
            "updatedAt": self.updated[number],
            "rootEntryId": entry_id,
            "duration": seconds,
            "msDuration": 1000 * seconds,
        }
        if number % 3 == 0:
            own["referenceId"] = f"ref-{number}"
        if mix(self.seed, number, 11) % 2:
            own.update(plays=number % 100 + 1, views=number % 500 + 1, lastPlayedAt=self.updated[number])
        return own

    def entry(self, number: int) -> Json:
        """Return an entry."""
        made = self._template | self._own(number)
        place = f"{{BASE}}/p/{self.partner_id}/sp/{self.partner_id}00"
        entry_id = made["id"]
        made.update(
            downloadUrl=f"{place}/playManifest/entryId/{entry_id}/format/download/protocol/http/flavorParamIds/0",
            thumbnailUrl=f"{place}/thumbnail/entry_id/{entry_id}/version/0",
            dataUrl=f"{place}/playManifest/entryId/{entry_id}/format/url/protocol/http",
        )
        kind = self.kind(number)
        made.update(kind.properties)
        made["objectType"] = _CLASSES[made["type"]]
        if kind.ready is not None:
            made["flavorParamsIds"] = self._params_ids
        if made["mediaType"] is None:
            del made["mediaType"]
        return Computed(made)

    @cached_property
    def _params_ids(self) -> str:
        return ",".join(str(params_id) for params_id, *_ in RENDITIONS)

    def entry_ids(self) -> Iterator[str]:
        """Yield all ids, in order."""
        return map(self.ids.make, range(self.count))

    def entry_by_id(self, entry_id: str) -> Json | None:
        """Return the entry with an id."""
        number = self.ids.entry(entry_id)
        return None if number is None else self.entry(number)


class Row(Mapping[str, Any]):
    """An entry of which only those properties are computed that are looked at."""

    __slots__ = ("_number", "_rules")

    def __init__(self, rules: Rules, number: int) -> None:
        self._rules, self._number = rules, number

    def get(self, name: str, default: Any = None) -> Any:
        """Return a property."""
        rules, number = self._rules, self._number
        if name in _VIDEO and name != "mediaType":
            return rules.kind(number).properties[name]
        if name == "mediaType":
            found = rules.kind(number).properties[name]
            return default if found is None else found
        if name in _CHEAP:
            return _CHEAP[name](rules, number)
        return rules.entry(number).get(name, default)

    def __getitem__(self, name: str) -> Any:
        found = self.get(name)
        if found is None:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._rules.entry(self._number))

    def __len__(self) -> int:
        return len(self._rules.entry(self._number))


_CHEAP: Final[dict[str, Callable[[Rules, int], Any]]] = {
    "id": lambda rules, number: rules.ids.make(number),
    "partnerId": lambda rules, _: rules.partner_id,
    "userId": Rules.owner,
    "name": Rules.name,
    "tags": Rules.tags,
    "duration": Rules.duration_seconds,
    "categoriesIds": lambda rules, number: ",".join(map(str, rules.categories(number))),
    "createdAt": lambda rules, number: rules.created[number],
    "updatedAt": lambda rules, number: rules.updated[number],
}
