"""
The small files beside an entry's media: captions, thumbnails, attachments. Listed for many entries, and their URLs.

The lists want entries (recorded case assets.captions_nofilter) and include assets without a file. Each URL holds a KS
of its own, for a day: thousands of them are not announced to those who mask secrets (each would make every later log
line dearer). So none may be logged; :func:`~airflow_provider_kaltura.api.redact.redact` knows them by their form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from airflow_provider_kaltura.api import codes
from airflow_provider_kaltura.api.errors import (
    AccessRefusedError,
    AuthError,
    KalturaError,
    KalturaTransportError,
    ThrottledError,
)
from airflow_provider_kaltura.api.ids import check_id
from airflow_provider_kaltura.api.isolation import isolate
from airflow_provider_kaltura.api.listing import IN_LIST, PAGE_SIZE
from airflow_provider_kaltura.api.models import MediaUrl

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from datetime import datetime

    from airflow_provider_kaltura.api.runtime import Runtime

SideKind: TypeAlias = Literal["caption", "thumbnail", "attachment"]

READY: Final = 2
DELETED: Final = 3
#: Lists of one request: 20 full pages are about 12 MB of XML.
LISTS_AT_ONCE: Final = 20
#: URLs of one request.
URLS_AT_ONCE: Final = 100

_SERVICES: Final[dict[SideKind, str]] = {
    "caption": "caption.captionAsset",
    "thumbnail": "thumbAsset",
    "attachment": "attachment.attachmentAsset",
}
# caption format: a text (recorded case assets.captions).
_CAPTION_FORMATS: Final = {"1": "srt", "2": "dfxp", "3": "vtt"}
_DEFAULT_THUMB: Final = "default_thumb"
_EVERYBODYS: Final = (AuthError, ThrottledError)
_CRASHES: Final = frozenset({"EMPTY_ANSWER", "HTTP_500"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SideAsset:
    """
    A caption, thumbnail or attachment asset; what its kind does not have is empty.

    ``size_bytes`` is Kaltura's ``sizeInBytes``, None where Kaltura has none. ``caption_format`` is ``"srt"``,
    ``"dfxp"`` or ``"vtt"``. ``is_default`` is what players show first. ``is_transcript``: an attachment of the class of
    transcripts, which no real server's recording shows.
    """

    id: str
    kind: SideKind
    entry_id: str
    partner_id: int
    status: int
    version: str = "0"
    size_bytes: int | None = None
    file_ext: str = ""
    language: str = ""
    language_code: str = ""
    label: str = ""
    caption_format: str = ""
    file_name: str = ""
    width: int = 0
    height: int = 0
    is_default: bool = False
    is_transcript: bool = False
    updated_at: datetime | None = None


def list_assets(
    runtime: Runtime, entry_ids: Iterable[str], kinds: Collection[SideKind]
) -> dict[str, tuple[SideAsset, ...]]:
    """
    List the assets of entries, whatever their status: one request for 1,000 entries with up to 500 captions per 500.

    :param runtime: Of the connection.
    :param entry_ids: Any number of entries.
    :param kinds: What is wanted.
    :returns: By entry, in the order asked for, each by kind and id; nothing for an entry that is unknown.
    :raises KalturaError: A list failed.
    """
    wanted = list(dict.fromkeys(check_id(entry_id) for entry_id in entry_ids))
    found: dict[str, dict[str, SideAsset]] = {entry_id: {} for entry_id in wanted}
    chunks = [wanted[start : start + IN_LIST] for start in range(0, len(wanted), IN_LIST)]
    pages = [_Page(kind, chunk, 1) for chunk in chunks for kind in sorted(kinds)]
    while pages:
        batch, pages = pages[:LISTS_AT_ONCE], pages[LISTS_AT_ONCE:]
        for page, assets in zip(batch, _listed(runtime, batch), strict=True):
            for asset in assets:
                if asset.entry_id in found:
                    found[asset.entry_id][asset.id] = asset
            # A full page may be the last one: the next is then empty. The count is not to be trusted (flavorParams).
            if len(assets) >= PAGE_SIZE:
                pages.append(_Page(page.kind, page.entry_ids, page.number + 1))
    return {
        entry_id: tuple(sorted(assets.values(), key=lambda one: (one.kind, one.id)))
        for entry_id, assets in found.items()
    }


def get_asset(runtime: Runtime, kind: SideKind, asset_id: str) -> SideAsset:
    """
    Read one asset.

    :param runtime: Of the connection.
    :param kind: What it is.
    :param asset_id: Its id.
    :returns: The asset.
    :raises NotFoundError: It is deleted or unknown.
    :raises KalturaError: Kaltura could not be asked.
    """
    answer = _service(runtime.shared_client(), kind).get(check_id(asset_id, "asset id"))
    if answer is None:
        text = f"{_SERVICES[kind]}.get of {asset_id}: the server answered nothing."
        raise KalturaTransportError(text, "NULL_ANSWER")
    return _asset_of(kind, answer)


def asset_urls(runtime: Runtime, assets: Sequence[SideAsset]) -> dict[str, MediaUrl | KalturaError]:
    """
    Find the URLs of many assets' bytes, a hundred at a time.

    :param runtime: Of the connection.
    :param assets: Ready ones.
    :returns: By asset id: the URL, a secret, or why there is none, so that one bad asset spoils no other.
    :raises KalturaError: Kaltura could not be asked, or refuses this session altogether.
    """
    found: dict[str, MediaUrl | KalturaError] = {}
    for start in range(0, len(assets), URLS_AT_ONCE):
        chunk = assets[start : start + URLS_AT_ONCE]
        answers = isolate(chunk, lambda some: _urls_once(runtime, some))
        found.update((asset.id, _named(answer, asset)) for asset, answer in answers.items())
    return found


@dataclass(frozen=True, slots=True)
class _Page:
    kind: SideKind
    entry_ids: list[str]
    number: int


def _listed(runtime: Runtime, pages: Sequence[_Page]) -> Iterator[list[SideAsset]]:
    from KalturaClient.Plugins.Attachment import KalturaAttachmentAssetFilter  # noqa: PLC0415 - heavy
    from KalturaClient.Plugins.Caption import KalturaCaptionAssetFilter  # noqa: PLC0415 - heavy
    from KalturaClient.Plugins.Core import KalturaFilterPager, KalturaThumbAssetFilter  # noqa: PLC0415 - heavy

    filters = {
        "caption": KalturaCaptionAssetFilter,
        "thumbnail": KalturaThumbAssetFilter,
        "attachment": KalturaAttachmentAssetFilter,
    }
    client = runtime.shared_client()
    client.startMultiRequest()
    for page in pages:
        # Without an order that of pages is not defined.
        wanted = filters[page.kind](entryIdIn=",".join(page.entry_ids), orderBy="+createdAt")
        _service(client, page.kind).list(wanted, KalturaFilterPager(pageSize=PAGE_SIZE, pageIndex=page.number))
    for page, answer in zip(pages, client.doMultiRequest(), strict=True):
        if isinstance(answer, KalturaError):
            raise answer
        objects: Any = getattr(answer, "objects", None)
        # In a multirequest the official client reads an empty list as an empty text.
        yield [_asset_of(page.kind, item) for item in objects] if isinstance(objects, list) else []


def _service(client: Any, kind: SideKind) -> Any:
    for name in _SERVICES[kind].split("."):
        client = getattr(client, name)
    return client


def _asset_of(kind: SideKind, item: Any) -> SideAsset:
    from airflow_provider_kaltura.api.convert import moment, number, text  # noqa: PLC0415 - with the client

    def of(name: str) -> str:
        return text(getattr(item, name, None))

    def count(name: str) -> int:
        return max(0, number(getattr(item, name, None)) or 0)

    status = number(item.status)
    tags = [tag.strip() for tag in of("tags").split(",")]
    return SideAsset(
        id=of("id"),
        kind=kind,
        entry_id=of("entryId"),
        partner_id=number(item.partnerId) or 0,
        status=-1000 if status is None else status,
        version=of("version") or "0",
        size_bytes=count("sizeInBytes") or None,
        file_ext=of("fileExt"),
        language=of("language"),
        language_code=of("languageCode"),
        label=of("title") if kind == "attachment" else of("label"),
        caption_format=_CAPTION_FORMATS.get(of("format"), "") if kind == "caption" else "",
        file_name=of("filename"),
        width=count("width"),
        height=count("height"),
        is_default=_DEFAULT_THUMB in tags or getattr(item, "isDefault", None) is True or of("isDefault") == "1",
        is_transcript=kind == "attachment" and type(item).__name__ == "KalturaTranscriptAsset",
        updated_at=moment(item.updatedAt),
    )


def _urls_once(runtime: Runtime, assets: Sequence[SideAsset]) -> list[str | KalturaError] | KalturaError:
    client = runtime.shared_client()
    client.startMultiRequest()
    for asset in assets:
        _service(client, asset.kind).getUrl(asset.id)
    try:
        with client.unannounced():
            answers = client.doMultiRequest()
    except AccessRefusedError as error:
        return error
    except KalturaTransportError as error:
        if error.code not in _CRASHES:
            raise
        return error
    for answer in answers:
        if isinstance(answer, _EVERYBODYS):
            raise answer
    return [answer if isinstance(answer, str | KalturaError) else "" for answer in answers]


def _named(answer: str | KalturaError, asset: SideAsset) -> MediaUrl | KalturaError:
    """Give the URL, or let the error of a whole multirequest name the asset that it is about."""
    service = _SERVICES[asset.kind].rpartition(".")[2]
    if isinstance(answer, str):
        if answer:
            return MediaUrl(url=answer, needs_session=True)
        text = f"{service}.getUrl of {asset.id} gave no URL"
        return KalturaTransportError(text, "NULL_ANSWER", service, "getUrl", asset.id)
    if answer.x_kaltura_code is not None and answer.object_id != asset.id:
        return codes.from_x_kaltura(f"error-{answer.x_kaltura_code}", service, "getUrl", asset.id)
    if isinstance(answer, KalturaTransportError):
        text = f"{service}.getUrl of {asset.id}: {answer}"
        return KalturaTransportError(text, answer.code, service, "getUrl", asset.id)
    return answer
