"""What Airflow reads at start-up; imports nothing, since it runs whenever Airflow starts."""

from __future__ import annotations


def get_provider_info() -> dict[str, object]:
    """Return the provider's description in the form of Airflow's ``provider_info.schema.json``."""
    return {
        "package-name": "airflow-provider-kaltura",
        "name": "Kaltura",
        "description": "Kaltura video platform: readiness sensors, download URLs, verified downloads into storage.",
    }
