"""
metadata_metadata: custom metadata of entries.

Not recorded from a real server: made by the names of the official client's public classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_kaltura.sandbox import listing
from airflow_provider_kaltura.sandbox.listing import equal, one_of
from airflow_provider_kaltura.sandbox.services.registry import Access, action, list_response

if TYPE_CHECKING:
    from airflow_provider_kaltura.sandbox.library import Json
    from airflow_provider_kaltura.sandbox.listing import Test
    from airflow_provider_kaltura.sandbox.services.registry import Call

_FIELDS: dict[str, Test] = {
    "metadataObjectTypeEqual": equal("metadataObjectType"),
    "metadataProfileIdEqual": equal("metadataProfileId"),
    "objectIdEqual": equal("objectId"),
    "objectIdIn": one_of("objectId"),
    "statusEqual": equal("status"),
}


@action("metadata_metadata", "list", access=Access.LIST)
def list_metadata(call: Call) -> Json:
    """Answer a page of the account's custom metadata."""
    mine = [one for one in call.library.custom_metadata if one["partnerId"] == call.partner_id]
    found = listing.choose(mine, call.object("filter"), _FIELDS, call.library.now)
    page, total = listing.take(found, listing.Page.of(call.object("pager")))
    return list_response("KalturaMetadataListResponse", page, total)
