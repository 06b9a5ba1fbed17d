"""Buckets of Google Cloud Storage, by the google provider's hook or by the worker's own credentials."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_kaltura.ingest.errors import DestinationError, MissingExtraError
from airflow_provider_kaltura.ingest.lake import Lake
from airflow_provider_kaltura.transfer.gcs_client import GcsClient
from airflow_provider_kaltura.transfer.gcs_sink import GcsSink

if TYPE_CHECKING:
    from airflow_provider_kaltura.stores import Durability
    from airflow_provider_kaltura.stores._roots import Root

OPTIONS: Final = frozenset({"storage_class", "kms_key", "acl", "content_type", "content_disposition", "metadata"})


def open_lake(root: Root, durability: Durability) -> Lake:  # noqa: ARG001 - one signature for all stores
    """
    Open a bucket, or a prefix in it, as a lake.

    The connection's key file, key in the extra, impersonation or ``is_anonymous`` are the hook's business; an emulator
    is named by ``STORAGE_EMULATOR_HOST``, as for all programs that use Google's client.

    :param root: ``gs://conn_id@bucket/prefix``; without a connection the worker's Application Default Credentials.
    :param durability: Makes no difference: what the service has acknowledged stays.
    :returns: The lake. Credentials are read with the first request.
    :raises DestinationError: It names no bucket, or the connection is none of Google's.
    :raises MissingExtraError: The google provider is not installed.
    """
    if not root.bucket:
        raise DestinationError(
            f"a destination of the kind {root.scheme} names a bucket: {root.scheme}://conn_id@bucket/"
        )
    if not _is_installed("google.cloud.storage") or (
        root.conn_id is not None and not _is_installed("airflow.providers.google.cloud.hooks.gcs")
    ):
        raise MissingExtraError("gs", "gcs")
    if root.conn_id is not None:
        from airflow_provider_kaltura.stores import _connections  # noqa: PLC0415 - loads Airflow

        # The hook goes on with the worker's own credentials when it finds none in a connection.
        _connections.require(root.conn_id, root.scheme, ("google_cloud_platform",))
    sink = GcsSink(GcsClient(root.bucket, lambda: _connect(root.conn_id)), root.prefix)
    return Lake(root.text, sink, sink.store)


def _connect(conn_id: str | None) -> tuple[Any, str]:
    """Give the authorised session of Google's client and the address that it talks to."""
    if conn_id is None:
        # Loaded by name, since it ships no types.
        client: Any = import_module("google.cloud.storage").Client(project=None)
    else:
        from airflow.providers.google.cloud.hooks.gcs import GCSHook  # noqa: PLC0415 - heavy, and only where it is used

        try:
            client = GCSHook(gcp_conn_id=conn_id).get_conn()
        except (OSError, ValueError, KeyError) as error:
            raise DestinationError(
                f"the connection {conn_id!r} gives no credentials for Google Cloud Storage ({type(error).__name__}); "
                f"look at its key file, or at the key in its extra"
            ) from None
    # The session has no public name, though Google's own examples use it; a second one would know less: the client has
    # settled address, universe and emulator together with the credentials.
    return client._http, client.api_endpoint  # noqa: SLF001 - see above


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False
