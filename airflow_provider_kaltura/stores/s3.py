"""S3 and what is compatible with it, with the credentials of an ``aws`` connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from airflow_provider_kaltura.ingest.errors import DestinationError, MissingExtraError
from airflow_provider_kaltura.ingest.lake import Lake
from airflow_provider_kaltura.transfer.s3_sink import S3Sink

if TYPE_CHECKING:
    from airflow_provider_kaltura.stores import Durability
    from airflow_provider_kaltura.stores._roots import Root

OPTIONS: Final = frozenset(
    {"storage_class", "sse", "kms_key", "acl", "content_type", "content_disposition", "metadata", "tags"}
)
#: One connection for each part in flight, and some for state, listings and proofs beside them.
_LEAST_CONNECTIONS: Final = 16
_CONFIG: Final[dict[str, Any]] = {
    "max_pool_connections": _LEAST_CONNECTIONS,
    "retries": {"mode": "standard", "total_max_attempts": 5},
    "connect_timeout": 20,
    "read_timeout": 120,
    "tcp_keepalive": True,
    # The checksums are ours; a second one would only cost time, and stores that know none refuse it.
    "request_checksum_calculation": "when_required",
    "response_checksum_validation": "when_required",
}


def open_lake(root: Root, durability: Durability) -> Lake:  # noqa: ARG001 - one signature for all stores
    """
    Open a prefix of a bucket as a lake.

    Credentials, region, endpoint, ``verify``, ``config_kwargs`` and ``service_config`` are those of the Airflow
    connection, through the amazon provider's hook: keys, profiles, roles to assume, and ``config_kwargs`` with
    ``signature_version: unsigned`` for nobody's. A root that names no connection gets boto3's own chain, as
    ObjectStoragePath does.

    :param root: ``s3://conn_id@bucket/prefix``.
    :param durability: Ignored: what S3 has acknowledged, it keeps.
    :returns: The lake.
    :raises DestinationError: The root names no bucket, or the connection is unusable.
    :raises MissingExtraError: The amazon provider is not installed.
    """
    if not root.bucket:
        raise DestinationError("a destination of the kind s3:// names a bucket: s3://conn_id@bucket/folder/")
    sink = S3Sink(_client(root.conn_id), root.bucket, root.prefix)
    return Lake(root.text, sink, sink.store)


def _client(conn_id: str | None) -> Any:
    try:
        from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook  # noqa: PLC0415 - heavy, and an extra
        from botocore.config import Config  # type: ignore[import-untyped] # noqa: PLC0415 - see above
        from botocore.exceptions import BotoCoreError  # type: ignore[import-untyped] # noqa: PLC0415 - see above
    except ModuleNotFoundError as error:
        raise MissingExtraError("s3", "s3") from error
    from airflow_provider_kaltura.stores import _connections  # noqa: PLC0415 - loads Airflow

    if conn_id is not None:
        # The hook itself only warns, and goes on with whatever credentials this machine has.
        _require_endpoint(conn_id, _connections.require(conn_id, "s3", ("aws",)).extra_dejson)
    hook = AwsGenericHook[Any](aws_conn_id=conn_id, client_type="s3")
    try:
        config = Config(**_CONFIG).merge(hook.config)
        config = config.merge(Config(max_pool_connections=max(config.max_pool_connections, _LEAST_CONNECTIONS)))
        return hook.get_client_type(region_name=hook.region_name, config=config)
    except (BotoCoreError, ValueError) as error:
        kind = type(error).__name__
        raise DestinationError(f"no S3 client can be made of the connection {conn_id!r} ({kind})") from error


def _require_endpoint(conn_id: str, extras: dict[str, Any]) -> None:
    """Refuse an endpoint without scheme, of which botocore says no more than that it is invalid."""
    of_s3 = (extras.get("service_config") or {}).get("s3") or {}
    for endpoint in (of_s3.get("endpoint_url"), extras.get("endpoint_url")):
        if endpoint and not str(endpoint).lower().startswith(("http://", "https://")):
            raise DestinationError(
                f"endpoint_url of the connection {conn_id!r} needs http:// or https:// at its beginning"
            )
