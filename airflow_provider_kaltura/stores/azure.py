"""Containers of Azure Blob Storage, by the microsoft.azure provider's hook."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_kaltura.ingest.errors import DestinationError, MissingExtraError
from airflow_provider_kaltura.ingest.lake import Lake

if TYPE_CHECKING:
    from airflow_provider_kaltura.stores import Durability
    from airflow_provider_kaltura.stores._roots import Root

OPTIONS: Final = frozenset({"storage_class", "kms_key", "content_type", "content_disposition", "metadata", "tags"})

_KINDS: Final = ("wasb", "adls", "azure_data_lake", "azure")
#: Azure's rule for containers; there is no dot in it, by which an account's host is told from a container.
_CONTAINER: Final = re.compile(r"\$web|(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*")


def open_lake(root: Root, durability: Durability) -> Lake:  # noqa: ARG001 - one signature for all stores
    """
    Open a container, or a prefix in it, as a lake.

    What stands before ``@`` is an Airflow connection, as for Airflow's ObjectStoragePath, and never a container as in
    Hadoop's ``wasbs://container@account.blob.core.windows.net/``; the account is the connection's. The four schemes
    mean the same: whether the bytes travel by TLS is said by the connection's URL. Account key, connection string, SAS
    token, service principal and managed identity are the hook's business, and so is everything else in the extra, which
    goes to Azure's client (``retry_total``, ``connection_timeout``, ``max_single_put_size``, …).

    :param root: ``abfs://conn_id@container/prefix``; without a connection it is the provider's, ``wasb_default``.
    :param durability: Makes no difference: what Azure has acknowledged stays.
    :returns: The lake. Azure is not asked yet.
    :raises DestinationError: It names no container, or the connection can't be used.
    :raises MissingExtraError: The microsoft.azure provider is not installed.
    """
    if not _CONTAINER.fullmatch(root.bucket):
        hint = "; the account belongs into the connection" if "." in root.bucket else ""
        raise DestinationError(
            f"a destination of the kind {root.scheme} names an Airflow connection and a container, "
            f"{root.scheme}://conn_id@container/: {root.bucket!r:.80} is no container{hint}"
        )
    service = _service(root)
    # Loads Azure's client, which has to be there by now.
    from airflow_provider_kaltura.transfer.azure_sink import AzureSink  # noqa: PLC0415 - see above

    sink = AzureSink(service.get_container_client(root.bucket), root.prefix)
    return Lake(root.text, sink, sink.store)


def _service(root: Root) -> Any:
    """Give the client of the account."""
    try:
        from airflow.providers.microsoft.azure.hooks.wasb import WasbHook  # noqa: PLC0415 - heavy, only where it is used
    except ModuleNotFoundError as error:
        raise MissingExtraError(root.scheme, "azure") from error
    from airflow_provider_kaltura.stores import _connections  # noqa: PLC0415 - loads Airflow

    conn_id = root.conn_id or WasbHook.default_conn_name
    _connections.require(conn_id, root.scheme, _KINDS)
    try:
        service = WasbHook(wasb_conn_id=conn_id).get_conn()
    except ValueError:
        # Its text may hold a piece of a connection string.
        raise DestinationError(
            f"the Airflow connection {conn_id!r} can't be used for Azure Blob Storage: give an account name with its "
            "key, a connection string, a SAS token or a service principal; an identity of the worker needs an account "
            "URL with https"
        ) from None
    key = getattr(getattr(service, "credential", None), "account_key", None)
    try:
        base64.b64decode(key or "")
    except (binascii.Error, ValueError):
        raise DestinationError(
            f"the account key of the connection {conn_id!r} can't be read: it is no base64; copy it anew, all of it"
        ) from None
    return service
