"""system, and the services that exist for nobody but the administrators of a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_kaltura.sandbox.services.registry import Access, action

if TYPE_CHECKING:
    from airflow_provider_kaltura.sandbox.services.registry import Call


@action("system", "ping", access=Access.OPEN)
def ping(_call: Call) -> bool:
    """Answer true."""
    return True


@action("system", "pingDatabase", access=Access.OPEN)
def ping_database(_call: Call) -> bool:
    """Answer true."""
    return True


@action("system", "getTime", access=Access.OPEN)
def get_time(call: Call) -> int:
    """Answer the library's time."""
    return call.library.now


@action("system", "getVersion", access=Access.OPEN)
def get_version(call: Call) -> str:
    """Answer the version of the server."""
    return call.library.version


def _refused(_call: Call) -> None:
    """Nothing gets here: nobody may call it."""


for _name in ("get", "list", "getUsage", "updateStatus", "getAdminSession", "getConfiguration"):
    action("systemPartner_systemPartner", _name, access=Access.NOBODY)(_refused)
