"""Scheduling by events is Airflow 3's: on 2.11 the trigger says so, and nothing else breaks."""

from __future__ import annotations

import pytest

from airflow_provider_kaltura.compat import BaseEventTrigger, BaseTrigger
from airflow_provider_kaltura.triggers import KalturaEntryReadyTrigger


def test_airflow_2_says_that_it_has_no_events():
    """The module can be imported on every version; where there are no events, the trigger names what it needs."""
    if BaseEventTrigger is BaseTrigger:
        with pytest.raises(RuntimeError, match="needs Airflow 3"):
            KalturaEntryReadyTrigger()
    else:
        assert isinstance(KalturaEntryReadyTrigger(), BaseEventTrigger)
