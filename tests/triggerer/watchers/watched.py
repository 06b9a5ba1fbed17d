"""Assets that are watched under different conditions, and a DAG for all of them."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from airflow.sdk import DAG, Asset, AssetWatcher, task

from airflow_provider_kaltura.triggers import KalturaEntryReadyTrigger

INTERVAL = float(os.environ["WATCHERS_INTERVAL"])
CONDITIONS = [
    {"tags": ["watched"]},
    {"owners": ["sandbox"]},
    {"media_types": ["video"], "created_within": 600},
    {"media_types": ["audio"]},
    {"owners": ["nobody"]},
    {"tags": ["watched", "lecture"], "created_within": 60},
    {"tags": ["exam"], "created_within": 600},
    {"created_within": 600},
    {"media_types": ["image"]},
    {"tags": ["none"]},
]
ASSETS = [
    Asset(
        f"kaltura-{number}",
        watchers=[
            AssetWatcher(
                name=f"watcher-{number}",
                trigger=KalturaEntryReadyTrigger(poll_interval=INTERVAL, look_back=600, **conditions),
            )
        ],
    )
    for number, conditions in enumerate(CONDITIONS[: int(os.environ["WATCHERS"])])
]

with DAG(dag_id="watched", schedule=ASSETS[0], start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False) as dag:

    @task
    def ready(triggering_asset_events=None):
        """Return the entries that became ready."""
        return sorted(
            event.extra["payload"]["entryId"] for events in triggering_asset_events.values() for event in events
        )

    ready()

# The other assets need a DAG that asks for them, or nobody watches them.
with DAG(dag_id="others", schedule=ASSETS[1:], start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False):

    @task
    def nothing():
        """Do nothing."""

    nothing()
