"""The pieces of a lake's root, as Airflow's ObjectStoragePath writes it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from airflow_provider_kaltura.ingest.errors import DestinationError


@dataclass(frozen=True, slots=True)
class Root:
    """
    ``scheme://conn_id@bucket/prefix``.

    :param text: All of it, as the user wrote it.
    :param scheme: In lower case; empty for a plain path.
    :param conn_id: Airflow connection of the store, None for none.
    :param bucket: Bucket, container or host; empty where there is none.
    :param prefix: What every key begins with in the bucket: empty, or ending in ``/``.
    """

    text: str
    scheme: str
    conn_id: str | None
    bucket: str
    prefix: str

    @classmethod
    def parse(cls, text: str, conn_id: str | None = None) -> Root:
        """
        Take a root apart.

        :param text: A root, see :func:`~airflow_provider_kaltura.stores.open_lake`.
        :param conn_id: The connection that was given beside it.
        :returns: Its pieces.
        :raises DestinationError: It names another connection than the one beside it.
        """
        scheme, has_scheme, rest = text.partition("://")
        if not has_scheme:
            return cls(text, "", conn_id, "", text)
        authority, _, path = rest.partition("/")
        user, has_user, bucket = authority.rpartition("@")
        named = unquote(user) if has_user else None
        if named is not None and ":" in named:
            raise DestinationError("a destination names an Airflow connection before '@', never a password")
        if named is not None and conn_id is not None and named != conn_id:
            raise DestinationError(f"the destination names the connection {named!r}, the task {conn_id!r}; give one")
        prefix = path.strip("/")
        return cls(text, scheme.lower(), named or conn_id, bucket, f"{prefix}/" if prefix else "")
