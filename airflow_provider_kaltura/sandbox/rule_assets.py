"""What the flavors, captions and files of a library by rule are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from airflow_provider_kaltura.sandbox.layered import Computed
from airflow_provider_kaltura.sandbox.library import StoredFile
from airflow_provider_kaltura.sandbox.rule_ids import CAPTION_SLOTS, ENTRY_SLOT, FLAVOR_SLOTS
from airflow_provider_kaltura.sandbox.rule_objects import FLAVORS, RENDITIONS
from airflow_provider_kaltura.sandbox.rule_times import mix

if TYPE_CHECKING:
    from airflow_provider_kaltura.sandbox.rule_objects import Rules

Json = dict[str, Any]
_READY: Final = 2
_WITH_FILE: Final = frozenset({2, 9})
_ODD_FLAVORS: Final = (4, 4, 4, 4, 4, -1, -1, -1, 9, 9, 1, 1)


class AssetRules:
    """
    Computes assets and files.

    :param rules: The entries.
    :param file_bytes: Least and greatest size of a flavor's file.
    """

    def __init__(self, rules: Rules, file_bytes: tuple[int, int]) -> None:
        self._rules, self._ids = rules, rules.ids
        self._least_bytes, greatest = file_bytes
        self._span_bytes = greatest - self._least_bytes + 1

    # ------------------------------------------------------------------ flavors
    def _flavor_status(self, number: int, place: int) -> int:
        kind = self._rules.kind(number)
        if place >= (kind.ready or 0):
            return kind.unfinished
        chance = mix(self._rules.seed, number * FLAVORS + place, 12) % 1000
        if self._rules.only_ready_videos or place == 0 or chance >= len(_ODD_FLAVORS):
            return _READY
        return _ODD_FLAVORS[chance]

    def _flavor_version(self, number: int, place: int) -> int:
        return 12 if mix(self._rules.seed, number * FLAVORS + place, 13) % 20 == 0 else 2

    def size_bytes(self, number: int, place: int, version: int) -> int:
        """Return the size of a version of a flavor's file."""
        return (
            self._least_bytes
            + mix(self._rules.seed, (number * FLAVORS + place) * 4 + version // 10, 14) % self._span_bytes
        )

    def flavor(self, number: int, place: int) -> Json:
        """Return a flavor."""
        params_id, width, height, kbps = RENDITIONS[place]
        status = self._flavor_status(number, place)
        has_file = status in _WITH_FILE
        version = self._flavor_version(number, place) if has_file else 0
        size = self.size_bytes(number, place, version) if has_file else 0
        return Computed(
            id=self._ids.make(number, place),
            entryId=self._ids.make(number),
            partnerId=self._rules.partner_id,
            version=str(version),
            size=size if version > _READY else size // 1024,
            tags="source,web" if place == 0 else "web,mbr",
            fileExt="mp4",
            createdAt=self._rules.created[number],
            updatedAt=min(self._rules.created[number] + 30 + place, self._rules.updated[number]),
            description="",
            sizeInBytes=str(size) if has_file else 0,
            flavorParamsId=params_id,
            width=width if has_file else 0,
            height=height if has_file else 0,
            bitrate=kbps if has_file else 0,
            frameRate=25 if has_file else 0,
            isOriginal=place == 0,
            isWeb=True,
            containerFormat="isom",
            videoCodecId="avc1",
            status=status,
            isDefault=False,
            objectType="KalturaFlavorAsset",
        )

    def flavor_by_id(self, flavor_id: str) -> Json | None:
        """Return the flavor with an id."""
        found = self._ids.read(flavor_id)
        if found is None or found[1] not in FLAVOR_SLOTS or self._rules.kind(found[0]).ready is None:
            return None
        return self.flavor(*found)

    def flavor_ids(self, entry_id: str) -> list[str]:
        """Return the ids of an entry's flavors."""
        number = self._ids.entry(entry_id)
        if number is None or self._rules.kind(number).ready is None:
            return []
        return [self._ids.make(number, place) for place in range(FLAVORS)]

    # ------------------------------------------------------------------ captions
    def caption_ids(self, entry_id: str) -> list[str]:
        """Return the ids of an entry's captions: a quarter have some."""
        number = self._ids.entry(entry_id)
        if number is None or not self._rules.kind(number).ready:
            return []
        return [self._ids.make(number, CAPTION_SLOTS[place]) for place in range(self._captions(number))]

    def _captions(self, number: int) -> int:
        return (0, 0, 0, 0, 0, 0, 1, 2)[mix(self._rules.seed, number, 15) % 8]

    def _caption_text(self, number: int, place: int) -> bytes:
        name, other = self._rules.name(number), "Zweite Zeile, grün." if place else "Second line."
        if place:
            return (
                f"WEBVTT\n\n00:00:00.000 --> 00:00:02.000\n{name}\n\n00:00:02.500 --> 00:00:04.000\n{other}\n".encode()
            )
        return f"1\n00:00:00,000 --> 00:00:02,000\n{name}\n\n2\n00:00:02,500 --> 00:00:04,000\n{other}\n".encode()

    def caption_by_id(self, caption_id: str) -> Json | None:
        """Return the caption with an id."""
        found = self._ids.read(caption_id)
        if found is None or found[1] not in CAPTION_SLOTS[: self._captions(found[0])]:
            return None
        number, place = found[0], CAPTION_SLOTS.index(found[1])
        if not self._rules.kind(number).ready:
            return None
        size = len(self._caption_text(number, place))
        language = ("English", "German")[place]
        return Computed(
            id=caption_id,
            entryId=self._ids.make(number),
            partnerId=self._rules.partner_id,
            version="2",
            fileExt=("srt", "vtt")[place],
            tags="",
            createdAt=self._rules.created[number],
            updatedAt=self._rules.created[number],
            size=size,
            sizeInBytes=str(size),
            captionParamsId=0,
            language=language,
            languageCode=("en", "de")[place],
            label=language,
            format=("1", "3")[place],
            status=_READY,
            isDefault=place == 0,
            objectType="KalturaCaptionAsset",
        )

    # ------------------------------------------------------------------ files
    def file(self, key: tuple[str, str]) -> StoredFile | None:
        """Return a stored file by object and version: a flavor's, a caption's, or an entry's own."""
        object_id, version = key
        found = self._ids.read(object_id)
        if found is None:
            return None
        number, slot = found
        if slot == ENTRY_SLOT:
            kind = self._rules.kind(number)
            own = kind.ext != "" and version == kind.properties["version"]
            return StoredFile(object_id, version, self.size_bytes(number, 0, 0), kind.ext) if own else None
        if slot in CAPTION_SLOTS:
            place = CAPTION_SLOTS.index(slot)
            return self._caption_file(object_id, number, place) if version == "2" else None
        flavor = self.flavor_by_id(object_id)
        if flavor is None or version not in {"2", "12"} or int(version) > int(flavor["version"]):
            return None
        return StoredFile(object_id, version, self.size_bytes(number, slot, int(version)), "mp4")

    def _caption_file(self, caption_id: str, number: int, place: int) -> StoredFile | None:
        if self.caption_by_id(caption_id) is None:
            return None
        data = self._caption_text(number, place)
        return StoredFile(caption_id, "2", len(data), ("srt", "vtt")[place], data=data)
