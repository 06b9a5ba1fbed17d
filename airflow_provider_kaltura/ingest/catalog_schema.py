"""
The tables of a catalogue: columns, types and order, the one place for writers, documentation and tests.

The schema is stable: columns are only added, at the end of a table, and :data:`SCHEMA_VERSION` grows with them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from airflow_provider_kaltura.ingest.errors import MissingExtraError

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_provider_kaltura.api.catalog_rows import Row

SCHEMA_VERSION: Final = 1
Kind: TypeAlias = Literal["text", "number", "real", "switch", "time", "texts", "numbers"]
#: What DuckDB calls each kind.
SQL_TYPES: Final[dict[Kind, str]] = {
    "text": "VARCHAR",
    "number": "BIGINT",
    "real": "DOUBLE",
    "switch": "BOOLEAN",
    "time": "TIMESTAMP WITH TIME ZONE",
    "texts": "VARCHAR[]",
    "numbers": "BIGINT[]",
}


@dataclass(frozen=True, slots=True)
class Column:
    """
    One column.

    :param name: With its unit.
    :param kind: Its type.
    :param text: What it says, for people.
    """

    name: str
    kind: Kind
    text: str


_PARTNER: Final = Column("partner_id", "number", "the account")
_STATES: Final = (
    Column("status", "number", "Kaltura's; 2 is ready"),
    Column("version", "text", "of the file; `0` before there is one"),
    Column("size_bytes", "number", "length of the file; NULL before it is known"),
    Column("file_ext", "text", "extension"),
    Column("tags", "texts", ""),
    Column("description", "text", "why it was not made, for instance"),
    Column("created_at", "time", ""),
    Column("updated_at", "time", "moves when the file is replaced"),
)
_ENTRIES: Final = (
    _PARTNER,
    Column("entry_id", "text", ""),
    Column("name", "text", ""),
    Column("description", "text", ""),
    Column("tags", "texts", "in Kaltura's order; none is an empty list"),
    Column("admin_tags", "texts", ""),
    Column("user_id", "text", "the owner"),
    Column("creator_id", "text", "who made it"),
    Column("category_ids", "numbers", "of `categories`"),
    Column("categories", "texts", "full names, levels joined with `>`"),
    Column(
        "status",
        "text",
        "`2` ready, `-2` import failed, `-1` conversions failed, `0` importing, `1` converting, "
        "`3` deleted, `4` pending, `7` no content, or a word of a plugin",
    ),
    Column("moderation_status", "text", "`1` pending, `2` approved, `3` rejected, `5` flagged, `6` auto-approved"),
    Column("type", "text", "`1` for media, or a word of a plugin"),
    Column("media_type", "text", "`video`, `audio`, `image`, or Kaltura's number"),
    Column("duration_ms", "number", "0 for images and unfinished entries"),
    Column("plays", "number", ""),
    Column("views", "number", ""),
    Column("created_at", "time", ""),
    Column("updated_at", "time", ""),
    Column("last_played_at", "time", "NULL for never"),
    Column("starts_at", "time", "start of the scheduling window"),
    Column("ends_at", "time", "its end"),
    Column("reference_id", "text", "the id in other systems"),
    Column("parent_entry_id", "text", "of the recordings of one lecture"),
    Column("root_entry_id", "text", "what a clip was cut from; its own id for others"),
    Column("replaced_entry_id", "text", "whose content this temporary entry is to replace"),
    Column("replacing_entry_id", "text", "the temporary entry with new content"),
    Column("access_control_id", "number", ""),
    Column("conversion_profile_id", "number", ""),
    Column("source_type", "text", "Kaltura's number: `1` file, `2` webcam, `5` URL, …"),
    Column("width", "number", "pixels; NULL before it is known"),
    Column("height", "number", ""),
    Column("partner_data", "text", "free text of the account's own programs"),
)
_FLAVORS: Final = (
    _PARTNER,
    Column("flavor_id", "text", ""),
    Column("entry_id", "text", ""),
    Column("flavor_params_id", "number", "0 is the source"),
    *_STATES,
    Column("bitrate_kbps", "number", "kbit/s; NULL before it is known"),
    Column("width", "number", "pixels; NULL before it is known"),
    Column("height", "number", ""),
    Column("frame_rate", "real", "frames per second"),
    Column("container_format", "text", ""),
    Column("video_codec", "text", ""),
    Column("language", "text", ""),
    Column("label", "text", ""),
    Column("is_original", "switch", "the source"),
    Column("is_web", "switch", ""),
    Column("is_default", "switch", ""),
)
_CAPTIONS: Final = (
    _PARTNER,
    Column("caption_id", "text", ""),
    Column("entry_id", "text", ""),
    *_STATES,
    Column("format", "text", "`srt`, `dfxp`, `webvtt`, or Kaltura's number"),
    Column("language", "text", "`English`"),
    Column("language_code", "text", "`en`"),
    Column("label", "text", "what players show"),
    Column("is_default", "switch", ""),
    Column("accuracy_percent", "number", "of captions made by machines"),
)
_CATEGORIES: Final = (
    _PARTNER,
    Column("category_id", "number", ""),
    Column("parent_id", "number", "NULL at the top"),
    Column("depth", "number", "0 at the top"),
    Column("name", "text", ""),
    Column("full_name", "text", "levels joined with `>`"),
    Column("full_ids", "numbers", "ids from the top down to its own"),
    Column("description", "text", ""),
    Column("tags", "texts", ""),
    Column("owner_id", "text", ""),
    Column("reference_id", "text", ""),
    Column("status", "number", "Kaltura's; 2 is active"),
    Column("privacy_context", "text", ""),
    Column("entries_count", "number", "in it and below, as Kaltura counts"),
    Column("direct_entries_count", "number", "in it"),
    Column("sub_categories_count", "number", "directly below"),
    Column("members_count", "number", ""),
    Column("created_at", "time", ""),
    Column("updated_at", "time", ""),
)
#: By name, in the order in which they are documented.
TABLES: Final[dict[str, tuple[Column, ...]]] = {
    "entries": _ENTRIES,
    "flavors": _FLAVORS,
    "captions": _CAPTIONS,
    "categories": _CATEGORIES,
}


def require_pyarrow() -> None:
    """
    Tell before anything is asked for that pyarrow is missing.

    :raises MissingExtraError: It is.
    """
    # Found, not imported: the official client takes most of its memory while it is imported, so that comes first.
    if find_spec("pyarrow") is None:
        raise MissingExtraError("Parquet files", "catalog")


def arrow_schema(table: str) -> Any:
    """
    Make the schema of a table's files.

    :param table: One of :data:`TABLES`.
    :returns: A ``pyarrow.Schema``, with table and :data:`SCHEMA_VERSION` in its metadata.
    """
    import pyarrow as pa  # noqa: PLC0415 - an extra, and heavy

    types = {
        "text": pa.string(),
        "number": pa.int64(),
        "real": pa.float64(),
        "switch": pa.bool_(),
        "time": pa.timestamp("us", tz="UTC"),
        "texts": pa.list_(pa.string()),
        "numbers": pa.list_(pa.int64()),
    }
    fields = [pa.field(column.name, types[column.kind]) for column in TABLES[table]]
    return pa.schema(fields, {"kaltura.table": table, "kaltura.schema_version": str(SCHEMA_VERSION)})


def json_line(row: Row) -> bytes:
    """
    Write a row as a line of JSON, for :func:`arrow_table`.

    :param row: By column.
    :returns: The line, with its end.
    """
    # A half of a pair of surrogates, which no UTF-8 has, becomes a question mark.
    text = json.dumps(row, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_time)
    return text.encode("utf-8", "replace") + b"\n"


def arrow_table(lines: bytes | bytearray, schema: Any) -> Any:
    """
    Read rows into typed columns.

    By way of JSON, since pyarrow imports pandas, where there is one, to look at a list of Python's: 30 MB.

    :param lines: Of :func:`json_line`.
    :param schema: Of their table.
    :returns: A ``pyarrow.Table`` with exactly that schema.
    """
    import pyarrow as pa  # noqa: PLC0415 - an extra, and heavy
    from pyarrow import json as arrow_json  # noqa: PLC0415 - an extra, and heavy

    if not lines:
        return schema.empty_table()
    options = arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error")
    # One block: a line that lies in two is an error.
    blocks = arrow_json.ReadOptions(use_threads=False, block_size=len(lines) + 1)
    return arrow_json.read_json(pa.BufferReader(pa.py_buffer(lines)), blocks, options).cast(schema)


def _time(value: datetime) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")
