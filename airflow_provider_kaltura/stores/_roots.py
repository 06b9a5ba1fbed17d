"""The pieces of a lake's root, as Airflow's ObjectStoragePath writes it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from airflow_provider_kaltura.ingest.destination import CHANGE_IT, require_unsigned
from airflow_provider_kaltura.ingest.errors import DestinationError

_CONN_ID: Final = re.compile(r"[\w.-]+")
#: What stands before the path: a bucket's or a container's name; elsewhere a host, with its port.
_BUCKET: Final = re.compile(r"[\w.$-]*")
_HOST: Final = re.compile(r"([\w.~-]*|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
_WITH_BUCKETS: Final = frozenset(
    {"s3", "s3a", "s3n", "gs", "gcs", "abfs", "abfss", "wasb", "wasbs", "adl", "az"}  # as Airflow and Hadoop name them
)


def _require_no_secret(scheme: str, named: str | None, place: str, path: str) -> None:
    """Refuse what may be a secret, without a word of it: a root is shown in logs, manifests and Airflow's own pages."""
    if named and not _CONN_ID.fullmatch(named):
        raise DestinationError(
            f"a destination names an Airflow connection before '@', never a password: {scheme}://conn_id@…, with a "
            f"conn_id of letters, digits, '_', '.' and '-'; {CHANGE_IT}"
        )
    form = _BUCKET if scheme in _WITH_BUCKETS else _HOST
    # A secret may hold a slash: what follows it, and the '@', is then taken for the path.
    if not form.fullmatch(place) or (named is None and ":" in place and "@" in path):
        what = "a bucket or container" if scheme in _WITH_BUCKETS else "a host, and its port,"
        raise DestinationError(
            f"between '{scheme}://' and the next '/' stands the name of {what} after 'conn_id@', and nothing else, "
            f"never a password; {CHANGE_IT}"
        )
    require_unsigned(path)


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
        :raises DestinationError: It names another connection than the one beside it, or holds what may be a secret.
        """
        scheme, has_scheme, rest = text.partition("://")
        if not has_scheme:
            return cls(text, "", conn_id, "", text)
        authority, _, path = rest.partition("/")
        user, has_user, bucket = authority.rpartition("@")
        named = unquote(user) if has_user else None
        _require_no_secret(scheme.lower(), named, bucket, path)
        if named is not None and conn_id is not None and named != conn_id:
            raise DestinationError(f"the destination names the connection {named!r}, the task {conn_id!r}; give one")
        prefix = path.strip("/")
        return cls(text, scheme.lower(), named or conn_id, bucket, f"{prefix}/" if prefix else "")
