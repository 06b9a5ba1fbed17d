"""What works and what does not about a connection, told apart in one sentence; the secret is never sent for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_kaltura.api import ks as ks_format
from airflow_provider_kaltura.api.convert import flavor_of, text
from airflow_provider_kaltura.api.errors import (
    AccessRefusedError,
    AuthError,
    ConfigurationError,
    ForbiddenError,
    InvalidSessionError,
    KalturaError,
    KalturaTransportError,
    TlsError,
)
from airflow_provider_kaltura.api.flavors import READY
from airflow_provider_kaltura.api.models import CheckResult
from airflow_provider_kaltura.api.retries import Retrier, RetryPolicy
from airflow_provider_kaltura.api.runtime import Runtime

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_kaltura.api.config import ClientConfig

_UNKNOWN_PARTNER = frozenset({"INVALID_WIDGET_ID", "SERVICE_FORBIDDEN_CONTENT_BLOCKED", "INVALID_PARTNER_ID"})
_ENTRIES_TRIED = 10


def check(config: ClientConfig) -> CheckResult:
    """
    Try a connection.

    With a locally made KS a wrong secret and an unknown partner give the same INVALID_KS, so a widget session, which
    needs no secret, tells these apart.

    :param config: The connection; tried afresh, without the sessions and retries of its other users.
    :returns: ``ok`` or the first thing that is wrong; never raises for what a server or network may do.
    """
    runtime = Runtime(
        config, retrier=Retrier(policy=RetryPolicy(max_tries=2, max_internal_tries=2, total_seconds=20.0))
    )
    try:
        if config.auth.method == "admin_secret":
            runtime.anonymous_client().session.startWidgetSession(f"_{config.partner_id}")
        return _check_permissions(runtime.client(), runtime)
    except KalturaError as error:
        return _explain(error, runtime)
    finally:
        runtime.transport.close()


def _check_permissions(client: Any, runtime: Runtime) -> CheckResult:
    partner = runtime.config.partner_id
    if runtime.config.auth.method == "ks":
        mismatch = _other_partner(runtime)
        if mismatch is not None:
            return mismatch
    try:
        entries = _some_entries(client)
    except ForbiddenError as error:
        return CheckResult(
            ok=False, code="MISSING_PERMISSION", message=f"Authenticated, but listing entries is refused: {error}"
        )
    where = f"partner {partner} at {runtime.config.service_url}"
    ready = _ready_flavors(client, entries)
    if not ready:
        return CheckResult(ok=True, code="OK", message=f"Connected to {where}; no ready flavor to try a URL with.")
    refusal = _refused_everywhere(client, ready)
    if refusal is None:
        return CheckResult(ok=True, code="OK", message=f"Connected to {where}.")
    return CheckResult(
        ok=False, code="MISSING_PERMISSION", message=f"Authenticated, but download URLs are refused: {refusal}"
    )


def _refused_everywhere(client: Any, flavor_ids: Iterable[str]) -> KalturaError | None:
    """Ask for the URL of one flavor after the other: schedule or moderation of a single entry is no permission."""
    refusal: KalturaError | None = None
    for flavor_id in flavor_ids:
        try:
            client.flavorAsset.getUrl(flavor_id)
        except ForbiddenError as error:
            return error
        except AccessRefusedError as error:
            refusal = error
        else:
            return None
    return refusal


def _some_entries(client: Any) -> list[str]:
    from KalturaClient.Plugins.Core import KalturaFilterPager, KalturaMediaEntryFilter  # noqa: PLC0415 - heavy

    answer = client.media.list(KalturaMediaEntryFilter(), KalturaFilterPager(pageSize=_ENTRIES_TRIED, pageIndex=1))
    return [text(item.id) for item in answer.objects or []]


def _ready_flavors(client: Any, entry_ids: list[str]) -> list[str]:
    """One ready flavor asset of each of these entries that has one."""
    if not entry_ids:
        return []
    from KalturaClient.Plugins.Core import KalturaFilterPager, KalturaFlavorAssetFilter  # noqa: PLC0415 - heavy

    wanted = KalturaFlavorAssetFilter(entryIdIn=",".join(entry_ids))
    answer = client.flavorAsset.list(wanted, KalturaFilterPager(pageSize=100, pageIndex=1))
    assets = [flavor_of(item) for item in answer.objects or []]
    return list({asset.entry_id: asset.id for asset in assets if asset.status in READY}.values())


def _other_partner(runtime: Runtime) -> CheckResult | None:
    """Tell whose KS it is, where that can be read."""
    ks = runtime.config.auth.secret
    fields = ks_format.read_v1(ks)
    partner = fields.partner_id if fields else ks_format.read_partner_v2(ks)
    if partner is None or partner == runtime.config.partner_id:
        return None
    return CheckResult(
        ok=False,
        code="OTHER_PARTNER",
        message=f"The ready KS belongs to partner {partner}, the connection's login is {runtime.config.partner_id}.",
    )


def _explain(error: KalturaError, runtime: Runtime) -> CheckResult:
    config = runtime.config
    partner, host = config.partner_id, config.service_url
    if isinstance(error, ConfigurationError):
        code, message = "CONFIGURATION", str(error)
    elif isinstance(error, TlsError):
        hint = "" if error.code == "PLAIN_HTTP" else " Set the extra 'verify' to a CA bundle that knows it."
        code, message = "TLS", f"{error}{hint}"
    elif isinstance(error, KalturaTransportError):
        code, message = error.code or "UNREACHABLE", str(error)
    elif error.code in _UNKNOWN_PARTNER:
        code, message = "UNKNOWN_PARTNER", f"{host} does not know partner {partner}, or has blocked it."
    elif isinstance(error, InvalidSessionError):
        code, message = _explain_session(error, runtime)
    elif isinstance(error, AuthError):
        code, message = "WRONG_SECRET", f"Partner {partner} exists, but its secret was refused: {error.code}."
    elif isinstance(error, ForbiddenError):
        code, message = "MISSING_PERMISSION", f"Authenticated, but not allowed: {error}"
    else:
        code, message = error.code or "FAILED", str(error)
    return CheckResult(ok=False, code=code, message=message)


def _explain_session(error: InvalidSessionError, runtime: Runtime) -> tuple[str, str]:
    if runtime.config.auth.method == "ks":
        code = "EXPIRED_KS" if error.code == "KS_ENDED" else "WRONG_KS"
        return code, "The ready KS was refused: " + ("it has ended." if code == "EXPIRED_KS" else str(error))
    return "WRONG_SECRET", f"Partner {runtime.config.partner_id} exists, but the secret is wrong."
