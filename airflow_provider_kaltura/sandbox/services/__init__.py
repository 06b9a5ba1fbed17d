"""The services of API v3, one module for each group; importing this package registers all of them."""

from airflow_provider_kaltura.sandbox.services import (
    app_token,
    entries,
    files,
    flavors,
    profiles,
    session,
    system,
)

__all__ = ["app_token", "entries", "files", "flavors", "profiles", "session", "system"]
