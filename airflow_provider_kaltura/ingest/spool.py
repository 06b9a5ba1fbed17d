"""Temporary files on their way into a lake: listings, reports and whatever else is written line by line."""

from __future__ import annotations

import io
import json
from typing import IO, TYPE_CHECKING, Any, Final

from airflow_provider_kaltura.transfer.checksum import crc64nvme
from airflow_provider_kaltura.transfer.plan import part_bytes_for, part_count, part_range
from airflow_provider_kaltura.transfer.protocols import ObjectAttributes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_kaltura.ingest.lake import Lake

LINES_TYPE: Final = "application/x-ndjson"


def json_line(row: Mapping[str, Any]) -> bytes:
    """
    Write one line of JSON Lines.

    :param row: The object.
    :returns: Its bytes, with the newline.
    """
    # Half a surrogate pair, which UTF-8 can't hold, becomes its escape, which JSON can.
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace") + b"\n"


def upload_spool(
    spool: IO[bytes], lake: Lake, key: str, content_type: str = LINES_TYPE, *, replaces: bool = False
) -> None:
    """
    Put a temporary file into a lake, in parts.

    :param spool: The file.
    :param lake: Where it goes.
    :param key: Its name there.
    :param content_type: Of its bytes.
    :param replaces: Whether something may stand there already.
    :raises TargetExistsError: Something stands there.
    :raises SinkError: The place refused.
    """
    size = spool.seek(0, io.SEEK_END)
    part_bytes = part_bytes_for(size, lake.sink.capabilities)
    attributes = ObjectAttributes(content_type=content_type)
    upload = lake.sink.begin(key, size_bytes=size, part_bytes=part_bytes, attributes=attributes)
    try:
        spool.seek(0)
        for index in range(part_count(size, part_bytes)):
            data = spool.read(part_range(index, size, part_bytes).size_bytes)
            upload.put_part(index, data, crc64nvme=crc64nvme(data))
        upload.commit(if_absent=not replaces and lake.sink.capabilities.conditional)
    except BaseException:
        upload.discard()
        raise
