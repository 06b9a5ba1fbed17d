"""captionAsset, thumbAsset and attachmentAsset: small files beside an entry's media."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_kaltura.sandbox import urls
from airflow_provider_kaltura.sandbox.errors import ApiError
from airflow_provider_kaltura.sandbox.filetypes import content_type
from airflow_provider_kaltura.sandbox.library import ATTACHMENT, CAPTION, THUMB
from airflow_provider_kaltura.sandbox.services import filters
from airflow_provider_kaltura.sandbox.services.entries import entry_of
from airflow_provider_kaltura.sandbox.services.flavors import asset_list
from airflow_provider_kaltura.sandbox.services.registry import Access, FileAnswer, TextAnswer, action

if TYPE_CHECKING:
    from airflow_provider_kaltura.sandbox.library import Json
    from airflow_provider_kaltura.sandbox.listing import Test
    from airflow_provider_kaltura.sandbox.services.registry import Call

_READY = 2


@dataclass(frozen=True)
class _Service:
    """What tells the three services apart."""

    name: str
    kind: str
    class_name: str
    fields: dict[str, Test]
    id_name: str
    error_prefix: str
    id_argument: str

    def asset(self, call: Call, parameter: str) -> Json:
        """Return the caller's asset that a parameter names."""
        asset_id = call.text(parameter)
        asset = call.library.asset(self.kind, asset_id, call.partner_id)
        if asset is None:
            raise ApiError(f"{self.error_prefix}_ID_NOT_FOUND", **{self.id_argument: asset_id})
        return asset

    def page(self, call: Call) -> Json:
        """Answer a page of assets, those without a file too."""
        return asset_list(call, self.kind, self.class_name, self.fields, f"{self.class_name}Filter")

    def get(self, call: Call) -> Json:
        """Answer one asset."""
        return self.asset(call, self.id_name)

    def get_by_entry_id(self, call: Call) -> list[Json]:
        """Answer all assets of an entry."""
        return call.library.assets_of(self.kind, [entry_of(call)["id"]], call.partner_id)

    def get_url(self, call: Call) -> str:
        """Answer a URL that needs no other KS than the one in it."""
        asset = self.asset(call, "id")
        if asset["status"] != _READY:
            arguments = {} if self.kind == THUMB else {"ASSET_ID": "N/A"}
            raise ApiError(f"{self.error_prefix}_IS_NOT_READY", **arguments)
        session = urls.day_session(call.library, asset["partnerId"], asset["entryId"])
        path = f"{self.id_name}/{asset['id']}/v/{asset['version']}/ks/{session}"
        return f"{call.place.base}/api_v3/index.php/service/{self.name}/action/serve/{path}"

    def serve(self, call: Call) -> FileAnswer:
        """Answer the file."""
        asset = self.asset(call, self.id_name)
        version = str(asset.get("version", ""))
        if call.library.file(asset["id"], version) is None:
            raise ApiError("FILE_DOESNT_EXIST")
        return FileAnswer(asset["id"], version, content_type(asset.get("fileExt", "")))


CAPTIONS = _Service(
    name="caption_captionAsset",
    kind=CAPTION,
    class_name="KalturaCaptionAsset",
    fields=filters.CAPTION_ASSET,
    id_name="captionAssetId",
    error_prefix="CAPTION_ASSET",
    id_argument="ASSET_ID",
)
THUMBS = _Service(
    name="thumbAsset",
    kind=THUMB,
    class_name="KalturaThumbAsset",
    fields=filters.THUMB_ASSET,
    id_name="thumbAssetId",
    error_prefix="THUMB_ASSET",
    id_argument="ID",
)
ATTACHMENTS = _Service(
    name="attachment_attachmentAsset",
    kind=ATTACHMENT,
    class_name="KalturaAttachmentAsset",
    fields=filters.ATTACHMENT_ASSET,
    id_name="attachmentAssetId",
    error_prefix="ATTACHMENT_ASSET",
    id_argument="ASSET_ID",
)

for _service in (CAPTIONS, THUMBS, ATTACHMENTS):
    action(_service.name, "list", access=Access.LIST)(_service.page)
    action(_service.name, "get", _service.id_name, access=Access.READ)(_service.get)
    action(_service.name, "getUrl", "id", access=Access.READ)(_service.get_url)
    action(_service.name, "serve", _service.id_name, access=Access.READ, serves=True)(_service.serve)
action("thumbAsset", "getByEntryId", "entryId", access=Access.READ)(THUMBS.get_by_entry_id)


@action("caption_captionAsset", "serveWebVTT", "captionAssetId", access=Access.READ, serves=True)
def serve_web_vtt(call: Call) -> TextAnswer:
    """Answer a playlist of WebVTT segments, not the captions themselves."""
    asset = CAPTIONS.asset(call, "captionAssetId")
    duration = call.library.entries[asset["entryId"]].get("duration", 0)
    body = (
        f"#EXTM3U\n#EXT-X-TARGETDURATION:{duration}\n#EXT-X-VERSION:3\n#EXT-X-MEDIA-SEQUENCE:1\n"
        f"#EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:{duration}.0,\nsegmentIndex/1.vtt\n#EXT-X-ENDLIST\n"
    )
    return TextAnswer(body, "application/x-mpegurl")
