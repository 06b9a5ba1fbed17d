"""Rows of a manifest that a sync writes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from airflow_provider_kaltura.ingest.manifest import ManifestWriter
from airflow_provider_kaltura.ingest.manifest_row import ManifestRow
from airflow_provider_kaltura.ingest.sync_index import ENTRY

if TYPE_CHECKING:
    from airflow_provider_kaltura.ingest.models import Outcome
    from airflow_provider_kaltura.ingest.sync_index import LakeIndex, State

# Rows get their time from the writer.
_NOT_YET: Final = datetime.fromtimestamp(0, UTC)


class SyncWriter(ManifestWriter):
    """
    A manifest writer whose rows are newer than all that the index knows, whatever other workers' clocks say.

    Those of files say which sync put them there.
    """

    index: LakeIndex | None = None
    layout: str | None = None

    def add(self, outcome: Outcome, *, newer_than: datetime | None = None) -> ManifestRow:
        """
        Take one outcome.

        :param outcome: See :meth:`~airflow_provider_kaltura.ingest.manifest.ManifestWriter.add`.
        :param newer_than: The row that is written is newer than this.
        :returns: The row that will be written.
        """
        row = ManifestRow.of(outcome, _NOT_YET)
        sync = None if self.index is None else self.index.name
        return self.add_row(replace(row, sync=sync, layout=self.layout), newer_than=newer_than)

    def take_over(self, row: ManifestRow) -> ManifestRow:
        """
        Write down that a file is this sync's.

        :param row: That of the file.
        :returns: The row that will be written.
        """
        return self.add_row(replace(row, sync=None if self.index is None else self.index.name, layout=self.layout))

    def note(self, entry_id: str, state: State, partner_id: int) -> ManifestRow:
        """
        Write down what the sync has seen of an entry.

        :param entry_id: The entry.
        :param state: What of it.
        :param partner_id: Its account.
        :returns: The row that will be written.
        """
        row = ManifestRow(
            partner_id=partner_id,
            asset_type=ENTRY,
            asset_id=entry_id,
            path="",
            entry_id=entry_id,
            version="" if self.index is None else self.index.name,
            size_bytes=0,
            checksum=None,
            verified="none",
            outcome=state,
            observed_at=_NOT_YET,
        )
        return self.add_row(row)

    def add_row(self, row: ManifestRow, *, newer_than: datetime | None = None) -> ManifestRow:
        """
        Take a row that is observed now.

        :param row: The row; its time does not count.
        :param newer_than: The row that is written is newer than this.
        :returns: The row that will be written.
        """
        known = None if self.index is None else self.index.newest_at(row)
        newest = max((one for one in (known, newer_than) if one is not None), default=None)
        return super().add_row(row, newer_than=newest)
