"""The own files of entries that have no flavors: images and documents."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from airflow_provider_kaltura.api.ids import check_id
from airflow_provider_kaltura.api.listing import IN_LIST

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airflow_provider_kaltura.api.runtime import Runtime

# Recorded case entries.getByIds_one. Of a video the same field leads to whatever flavor there is.
_RAW: Final = re.compile(r"/raw/entry_id/(?P<entry>[^/]+)/version/(?P<version>[^/]+)\Z")
_EXTENSION: Final = re.compile(r"\.([A-Za-z0-9]{1,5})\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFile:
    """
    The file of one entry; ``id`` is the entry's. Kaltura tells no length, and the extension only by the entry's name.

    ``version`` is the entry's, which moves with the file.
    """

    id: str
    version: str
    url: str = field(repr=False, compare=False)
    file_ext: str = ""
    size_bytes: int | None = None


def entry_files(runtime: Runtime, entry_ids: Iterable[str]) -> dict[str, EntryFile]:
    """
    Find the files of entries, 500 of them by a request.

    :param runtime: Of the connection.
    :param entry_ids: Images and documents.
    :returns: By entry; what has no file of its own is left out.
    :raises KalturaError: Kaltura could not be asked.
    """
    wanted = list(dict.fromkeys(check_id(entry_id) for entry_id in entry_ids))
    found: dict[str, EntryFile] = {}
    for start in range(0, len(wanted), IN_LIST):
        answer = runtime.shared_client().baseEntry.getByIds(",".join(wanted[start : start + IN_LIST]))
        found.update((one.id, one) for one in _files(answer if isinstance(answer, list) else []))
    return {entry_id: found[entry_id] for entry_id in wanted if entry_id in found}


def _files(items: list[Any]) -> Iterator[EntryFile]:
    from airflow_provider_kaltura.api.convert import text  # noqa: PLC0415 - with the client

    for item in items:
        url, version = text(item.downloadUrl), text(item.version)
        names = _RAW.search(urlsplit(url).path)
        if names is not None and (names["entry"], names["version"]) == (text(item.id), version):
            extension = _EXTENSION.search(text(item.name))
            yield EntryFile(
                id=text(item.id), version=version, url=url, file_ext=extension[1].lower() if extension else ""
            )
