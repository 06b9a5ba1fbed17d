"""
What a sync is told to take: when that is not what it was told before, changes alone do not tell what is missing.

Whoever asks for every flavor, for more entries or for other names, means those too that have long been looked at. So
the cursor keeps a digest of it, and another one leads to comparing all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_kaltura.api.flavors import Preferences
from airflow_provider_kaltura.ingest.cursor import digest
from airflow_provider_kaltura.ingest.sync_names import layout_of

if TYPE_CHECKING:
    from airflow_provider_kaltura.ingest.destination import Destination
    from airflow_provider_kaltura.ingest.sync_options import SyncOptions

# The sync's own, or, as to when entries were created, kept beside the digest.
_LEFT_OUT: Final = frozenset({"updated", "statuses", "created"})


def told_of(options: SyncOptions, destination: Destination) -> str:
    """
    Tell whether a sync is told the same as before: flavor, query, destination, and what happens to what is gone.

    :param options: Those of the sync. Since when entries were created is left out; see :func:`created_since`.
    :param destination: Where files go.
    :returns: The same text for the same, in every process.
    """
    query = {one.name: getattr(options.query, one.name) for one in fields(options.query) if one.name not in _LEFT_OUT}
    flavor = options.flavor
    if isinstance(flavor, Preferences):
        chosen: Any = [[repr(one.conditions), one.order] for one in flavor.items]
    else:
        chosen = flavor
    layout = layout_of(destination, options.layout)
    said = [chosen, _plain(query), _plain(options.query.created[1]), layout, options.on_deleted]
    return digest(json.dumps(said, sort_keys=True))


def created_since(options: SyncOptions) -> int:
    """
    Tell how old entries may be. A bound that moves on with every run, such as the last month's, leaves none out.

    :param options: Those of the sync.
    :returns: Seconds since 1970, 0 for any age.
    """
    since = options.query.created[0]
    return 0 if since is None else max(0, int(since.timestamp()))


def _plain(value: Any) -> Any:
    """Make JSON; of several values one is enough, so that their order says nothing."""
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return sorted((_plain(one) for one in value), key=repr)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value if value is None or isinstance(value, str | int | float) else repr(value)
