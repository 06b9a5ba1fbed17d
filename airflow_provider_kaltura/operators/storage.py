"""Take care of what stands in storage: verify it, and clean up what uploads have left."""

from __future__ import annotations

import posixpath
import re
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, cast, get_args

from airflow_provider_kaltura.compat import BaseOperator
from airflow_provider_kaltura.exceptions import (
    KalturaArgumentError,
    KalturaTransferFailedError,
    KalturaVerifyError,
    airflow_errors,
)
from airflow_provider_kaltura.hooks.kaltura import KalturaHook
from airflow_provider_kaltura.ingest.errors import DestinationError
from airflow_provider_kaltura.ingest.verify_report import Level
from airflow_provider_kaltura.operators._arguments import (
    as_age,
    as_connection_id,
    as_number,
    as_switch,
    check_choice,
    check_text,
)
from airflow_provider_kaltura.operators._progress import age_in_words, in_units
from airflow_provider_kaltura.xcom import clean_result, verify_result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_kaltura.ingest.clean import CleanGroup, CleanReport
    from airflow_provider_kaltura.ingest.lake import Lake
    from airflow_provider_kaltura.ingest.verify_report import VerifyReport
    from airflow_provider_kaltura.xcom import CleanResult, VerifyResult

__all__ = ["KalturaCleanStorageOperator", "KalturaVerifyStorageOperator"]

_NAMED_IN_LOG: Final = 20

_REPAIR: Final = (
    "Download the entries of these files again; where a file has other bytes of the right length, with "
    "if_exists='overwrite'."
)
# What stores say of a destination, but not where it stands in a name.
_DESTINATION: Final = re.compile(r"(?<![\w'/.@-])destination(?=s?[\s,:;])")
# Else it may be a secret in the wrong place, which a log must not repeat.
_PLAIN: Final = re.compile(r"[\w~ ./{}%$-]{1,200}")

OnFindings = Literal["fail", "warn"]


class KalturaVerifyStorageOperator(BaseOperator):
    """
    Compare what stands in a lake with its manifest and, on request, with Kaltura. Nothing is changed.

    All findings are written to a new file below ``<root>/_kaltura/reports/``, as JSON Lines.

    :param root: (templated) The lake: the part of the downloads' ``destination`` before its first placeholder, or their
        ``state_root``.
    :param storage_conn_id: (templated) The connection to the storage, where the root names none before ``@``.
    :param prefix: (templated) Look only at files whose name below the root begins with this; empty is all.
    :param level: (templated) ``"length"`` looks for missing files and wrong lengths, at the cost of a listing;
        ``"checksum"`` compares checksums too, with those that the store keeps where it can, else by reading the file.
    :param against_kaltura: (templated) Ask Kaltura too whether it still has the recorded assets in the recorded
        versions. What it finds (``changed``, ``gone``) is told, and fails no task.
    :param on_findings: (templated) ``"fail"`` fails the task, without a retry, when files are missing or have other
        bytes, or lines of the manifest can't be read; ``"warn"`` writes that to the log. Files that nobody
        recorded never fail it.
    :param max_bytes_per_second: (templated) Read files back no faster than this; None for no limit.
    :param kaltura_conn_id: (templated) The connection to Kaltura, used only with ``against_kaltura``.
    :param **kwargs: Arguments of every operator.
    """

    template_fields: Sequence[str] = (
        "root",
        "storage_conn_id",
        "prefix",
        "level",
        "against_kaltura",
        "on_findings",
        "max_bytes_per_second",
        "kaltura_conn_id",
    )
    ui_color = "#fef9c3"

    def __init__(
        self,
        *,
        root: str,
        storage_conn_id: str | None = None,
        prefix: str = "",
        level: Level | str = "length",
        against_kaltura: bool | str = False,
        on_findings: OnFindings | str = "fail",
        max_bytes_per_second: int | str | None = None,
        kaltura_conn_id: str = KalturaHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.root = root
        self.storage_conn_id = storage_conn_id
        self.prefix = prefix
        self.level = level
        self.against_kaltura = against_kaltura
        self.on_findings = on_findings
        self.max_bytes_per_second = max_bytes_per_second
        self.kaltura_conn_id = kaltura_conn_id

    @cached_property
    def hook(self) -> KalturaHook:
        """The hook, made when it is first used."""
        return KalturaHook(self.kaltura_conn_id)

    def execute(self, context: Context) -> VerifyResult:
        """
        Verify.

        :param context: Given by Airflow.
        :returns: What is pushed as XCom.
        :raises KalturaVerifyError: The lake is damaged, and ``on_findings`` is ``"fail"``.
        :raises KalturaProviderError: Storage or Kaltura could not be read.
        """
        # Not at the top: DAG files are parsed often, and need none of it.
        from airflow_provider_kaltura.ingest.verify import verify  # noqa: PLC0415, see above

        check_choice("level", self.level, get_args(Level))
        check_choice("on_findings", self.on_findings, get_args(OnFindings))
        # No name below a root begins with a slash: such a prefix would find nothing, and nothing wrong.
        prefix = check_text("prefix", self.prefix or "").lstrip("/")
        rate = as_number("max_bytes_per_second", self.max_bytes_per_second)
        against_kaltura = as_switch("against_kaltura", self.against_kaltura)
        with airflow_errors(self.kaltura_conn_id) as lakes:
            lake = _open_lake(self.root, self.storage_conn_id)
            lakes.are_at(lake.root, self.storage_conn_id)
            report = verify(
                lake,
                prefix=prefix,
                level=cast("Level", self.level),
                api=self.hook.api if against_kaltura else None,
                max_bytes_per_second=rate,
            )
        self._tell(report)
        if not report.files:
            below = f"{report.root} with a name that begins with {prefix!r}" if prefix else report.root
            self.log.warning("Nothing is recorded below %s", below)
        if self.on_findings == "fail":
            _require_sound(report, prefix)
        return verify_result(report)

    def _tell(self, report: VerifyReport) -> None:
        self.log.info(
            "%s: %d recorded files (%s) looked at in %.1f s: %d proved by the store, %d by reading %s, %d by length",
            report.root,
            report.files,
            in_units(report.size_bytes),
            report.seconds,
            report.proved_by_store,
            report.proved_by_reading,
            in_units(report.read_bytes),
            report.length_only,
        )
        for kind, count in report.counts.items():
            if count:
                first = ", ".join(finding.path[:200] for finding in report.examples[kind][:3])
                self.log.warning("%d %s, such as %s", count, kind.replace("_", " "), first)
        if report.unreadable_lines:
            self.log.warning("%d lines of the manifest can't be read", report.unreadable_lines)
        if report.report_path is not None:
            self.log.info("All findings: %s", report.report_path)


class KalturaCleanStorageOperator(BaseOperator):
    """
    Remove what killed downloads have left below a root and nobody will finish: parts, open uploads, temporary files.

    Files under their final names, the manifest, and whatever is not shown to be ours are never touched.

    :param root: (templated) The lake: the part of the downloads' ``destination`` before its first placeholder, or their
        ``state_root``.
    :param storage_conn_id: (templated) The connection to the storage, where the root names none before ``@``.
    :param older_than: (templated) How long nobody must have touched it: a timedelta, a number of seconds, or a text
        such as ``"7 days"`` or ``"36 hours"``; from 1 hour to 10 years. A retry later than this begins anew.
    :param report_only: (templated) Only say what would be removed. (``dry_run`` is a method of every operator.)
    :param **kwargs: Arguments of every operator.
    """

    template_fields: Sequence[str] = ("root", "storage_conn_id", "older_than", "report_only")
    ui_color = "#f3e8ff"

    def __init__(
        self,
        *,
        root: str,
        storage_conn_id: str | None = None,
        older_than: timedelta | float | str = timedelta(days=7),
        report_only: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.root = root
        self.storage_conn_id = storage_conn_id
        self.older_than = older_than
        self.report_only = report_only

    def execute(self, context: Context) -> CleanResult:
        """
        Clean up.

        :param context: Given by Airflow.
        :returns: What is pushed as XCom.
        :raises KalturaTransferFailedError: Something could not be removed.
        :raises KalturaProviderError: The storage could not be listed.
        """
        # Not at the top: DAG files are parsed often, and need none of it.
        from airflow_provider_kaltura.ingest.clean import clean  # noqa: PLC0415, see above

        age = as_age("older_than", self.older_than)
        report_only = as_switch("report_only", self.report_only)
        with airflow_errors() as lakes:
            lake = _open_lake(self.root, self.storage_conn_id)
            lakes.are_at(lake.root, self.storage_conn_id)
            self.log.info("Cleaning up below %s what nobody has touched for %s", lake.root, age_in_words(age))
            is_ours = _holds_state(lake)
            report = clean(lake, older_than=age, dry_run=report_only)
        if not is_ours and not report.removed.count + report.kept_young.count:
            # A misspelt root must not look like a clean lake, week after week.
            self.log.warning(
                "No download has kept its state below %s: is that the root of the downloads, the part of their "
                "destination before its first placeholder?",
                lake.root,
            )
        self._tell_all(report, report_only=report_only)
        if report.failed.count:
            raise KalturaTransferFailedError(
                f"{report.failed.count} leftovers below {lake.root} could not be removed, such as that of "
                f"{report.failed.items[0].key[:200]}; the log says why."
            )
        return clean_result(report, lake.root, age)

    def _tell_all(self, report: CleanReport, *, report_only: bool) -> None:
        groups = {
            "Would be removed" if report_only else "Removed": report.removed,
            "Kept, touched too lately": report.kept_young,
            "Kept, not shown to be ours": report.kept_foreign,
            "Left to the service, which drops it by itself": report.not_removable,
        }
        found = {what: group for what, group in groups.items() if group.count}
        for what, group in found.items():
            self._tell(what, group)
        if not found and not report.failed.count:
            self.log.info("Nothing was found that a download has left")

    def _tell(self, what: str, group: CleanGroup) -> None:
        self.log.info("%s: %d, %s", what, group.count, in_units(group.size_bytes))
        for item in group.items[:_NAMED_IN_LOG]:
            self.log.info("  %s of %s, last touched %s", item.kind, item.key[:200], item.touched_at)


def _require_sound(report: VerifyReport, prefix: str) -> None:
    if not report.is_sound:
        raise KalturaVerifyError(f"The lake {report.root} is damaged: {report.damage_in_words()}. {_REPAIR}")
    if not report.files and not prefix:
        # A misspelt root must not look like a sound lake, week after week.
        raise KalturaVerifyError(
            f"Nothing is recorded below {report.root}: give the root of the downloads, the part of their destination "
            "before its first placeholder."
        )


def _open_lake(root: Any, storage_conn_id: Any) -> Lake:
    from airflow_provider_kaltura.stores import open_lake  # noqa: PLC0415 - see execute

    text = check_text("root", root).strip()
    if "{" in text:
        raise KalturaArgumentError(f"root takes no placeholders: give the part before the first one{_not(text)}.")
    if (folder := _local_folder(text)) is not None:
        if not folder.startswith("/"):
            raise KalturaArgumentError(
                f"root must be an absolute path, or a URL such as s3://bucket/folder{_not(text)}."
            )
        if not posixpath.normpath(folder).strip("/"):
            raise KalturaArgumentError(
                "root must not be all of the machine: give the folder of the downloads, the part of their destination "
                f"before its first placeholder{_not(text)}."
            )
    trimmed = text.rstrip("/")
    is_bare = trimmed.endswith(":")
    conn_id = as_connection_id("storage_conn_id", storage_conn_id)
    try:
        return open_lake(text if is_bare else trimmed, conn_id=conn_id)
    except DestinationError as error:
        # The same words as for downloads, but there is no such argument here.
        raise DestinationError(_DESTINATION.sub("root", str(error))) from None


def _local_folder(root: str) -> str | None:
    scheme, has_scheme, rest = root.partition("://")
    if not has_scheme:
        return root
    return "/" + rest.partition("/")[2] if scheme.lower() == "file" else None


def _not(text: str) -> str:
    shown = text.removeprefix("file://")
    return f", not {text!r}" if not shown or _PLAIN.fullmatch(shown) else ""


def _holds_state(lake: Lake) -> bool:
    from airflow_provider_kaltura.ingest.destination import STATE_FOLDER  # noqa: PLC0415 - see execute

    return next(iter(lake.store.list(f"{STATE_FOLDER}/")), None) is not None
