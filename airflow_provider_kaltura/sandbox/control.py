"""The sandbox's own controls, for tests in the same process; control_http offers them over HTTP."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_kaltura.sandbox.faults import Faults
from airflow_provider_kaltura.sandbox.log import Log

if TYPE_CHECKING:
    from airflow_provider_kaltura.sandbox.library import Library


@dataclass
class Control:
    """Library, faults and log of one server."""

    library: Library
    faults: Faults = field(default_factory=Faults)
    log: Log = field(default_factory=Log)
