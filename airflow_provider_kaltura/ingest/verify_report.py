"""What a verification of a lake found: findings as data, counted, the first of each kind kept."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, Self, TypeAlias, get_args

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_kaltura.ingest.manifest_row import ManifestRow

FindingKind: TypeAlias = Literal[
    "missing", "wrong_length", "wrong_checksum", "unreadable", "unknown", "retagged", "changed", "gone"
]
Level: TypeAlias = Literal["length", "checksum"]

KINDS: Final[tuple[FindingKind, ...]] = get_args(FindingKind)
#: The lake does not hold what its manifest says; the other kinds are told, and are nobody's damage.
DAMAGE: Final[tuple[FindingKind, ...]] = ("missing", "wrong_length", "wrong_checksum", "unreadable")
#: So many findings of each kind are kept in a report; the file in the lake has all.
MOST_EXAMPLES: Final = 20
_NAMED: Final = 3
_LONGEST_PATH: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """
    One thing that is not as it was recorded.

    :param kind: ``missing`` (no file), ``wrong_length``, ``wrong_checksum``, ``unreadable`` (the store gives an error
        for this one), ``unknown`` (no row tells of the file), ``retagged`` (another version tag than the recorded one:
        copied or touched), ``changed`` (Kaltura has other content now), ``gone`` (Kaltura does not have it any more).
    :param path: Name below the root.
    :param entry_id: Of the row; None for an unknown file.
    :param asset_id: Of the row; None for an unknown file.
    :param expected: What was recorded: a length, a checksum, a tag, or words.
    :param found: What is there instead.
    """

    kind: FindingKind
    path: str
    entry_id: str | None = None
    asset_id: str | None = None
    expected: str | int | None = None
    found: str | int | None = None

    @classmethod
    def of(
        cls, kind: FindingKind, row: ManifestRow, expected: str | int | None = None, found: str | int | None = None
    ) -> Self:
        """
        Make a finding about a recorded file.

        :param kind: What is wrong.
        :param row: The record.
        :param expected: See the class.
        :param found: See the class.
        :returns: The finding.
        """
        return cls(
            kind=kind, path=row.path, entry_id=row.entry_id, asset_id=row.asset_id, expected=expected, found=found
        )

    def to_dict(self) -> dict[str, str | int | None]:
        """Give it as plain JSON, with the names that manifest and XCom have."""
        return {
            "kind": self.kind,
            "path": self.path,
            "entryId": self.entry_id,
            "assetId": self.asset_id,
            "expected": self.expected,
            "found": self.found,
        }


class Findings:
    """Collects findings: a count and the first few of each kind, and all of them as lines of JSON."""

    def __init__(self) -> None:
        self.counts: dict[FindingKind, int] = dict.fromkeys(KINDS, 0)
        self.examples: dict[FindingKind, list[Finding]] = {kind: [] for kind in KINDS}
        self._lines: list[str] = []

    def add(self, finding: Finding) -> None:
        """
        Take one.

        :param finding: It.
        """
        self.counts[finding.kind] += 1
        if self.counts[finding.kind] <= MOST_EXAMPLES:
            self.examples[finding.kind].append(finding)
        self._lines.append(json.dumps(finding.to_dict(), ensure_ascii=False, separators=(",", ":")))

    def as_lines(self) -> bytes:
        """Give all of them as JSON Lines, empty when there are none."""
        return "".join(f"{line}\n" for line in self._lines).encode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """
    What a verification saw.

    :param root: Of the lake.
    :param level: How it was looked at.
    :param files: Recorded files that were looked at, missing ones included.
    :param size_bytes: Recorded length of all of them.
    :param proved_by_store: Files whose checksum the store itself keeps, and it is the recorded one.
    :param proved_by_reading: Files that were read back, and their checksum is the recorded one.
    :param length_only: Files of which nothing but the length was compared: by level, or because no checksum is known.
    :param read_bytes: Bytes that were read back.
    :param counts: Findings by kind, every kind.
    :param examples: The first findings of each kind.
    :param leftovers: Uploads that have no final name: those under way now, and what killed ones left; None when the
        store doesn't let these credentials see them.
    :param leftover_bytes: How much they hold, as far as the store tells.
    :param unreadable_lines: Lines of the manifest that could not be read, which is damage: files that only they tell of
        are unknown, or missing without a word.
    :param asked: Assets that Kaltura was asked for.
    :param not_asked: Recorded files that it could not be asked for: bare URLs, and assets of other partners.
    :param report_key: Where all findings stand as JSON Lines, below the root; None when there are none, or when the
        store took no file.
    :param seconds: How long it took.
    """

    root: str
    level: Level
    files: int = 0
    size_bytes: int = 0
    proved_by_store: int = 0
    proved_by_reading: int = 0
    length_only: int = 0
    read_bytes: int = 0
    counts: Mapping[FindingKind, int] = field(default_factory=dict)
    examples: Mapping[FindingKind, tuple[Finding, ...]] = field(default_factory=dict)
    leftovers: int | None = None
    leftover_bytes: int = 0
    unreadable_lines: int = 0
    asked: int = 0
    not_asked: int = 0
    report_key: str | None = None
    seconds: float = 0.0

    @property
    def is_sound(self) -> bool:
        """The lake holds what its manifest says, and all of the manifest can be read."""
        return not self.unreadable_lines and not any(self.counts.get(kind, 0) for kind in DAMAGE)

    @property
    def report_path(self) -> str | None:
        """The report file as users see it."""
        if self.report_key is None:
            return None
        return f"{self.root}{self.report_key}" if self.root.endswith("/") else f"{self.root}/{self.report_key}"

    def damage_in_words(self) -> str:
        """Say what is damaged: counts, the first names, where all findings stand, and what is lost of the manifest."""
        texts = [self._files_in_words()] if any(self.counts.get(kind) for kind in DAMAGE) else []
        if self.unreadable_lines:
            texts.append(
                f"{self.unreadable_lines} lines of the manifest can't be read, so that files may be missing of which "
                "only they told (the log names the lines)"
            )
        return "; ".join(texts)

    def _files_in_words(self) -> str:
        counts = ", ".join(f"{self.counts[kind]} {kind.replace('_', ' ')}" for kind in DAMAGE if self.counts.get(kind))
        found = [finding.path for kind in DAMAGE for finding in self.examples.get(kind, ())]
        first = ", ".join(path[:_LONGEST_PATH] for path in found[:_NAMED])
        where = "" if self.report_path is None else f"; all findings: {self.report_path}"
        return f"{counts} of {self.files} recorded files, such as {first}{where}"
