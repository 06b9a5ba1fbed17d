"""Content types by file extension, as the server sends them; texts come with their charset."""

from __future__ import annotations

_TYPES = {
    "txt": "text/plain",
    "srt": "text/plain",
    "vtt": "text/plain",
    "dfxp": "text/xml",
    "xml": "text/xml",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "pdf": "application/pdf",
    "mp4": "video/mp4",
    "m4v": "video/mp4",
    "mov": "video/quicktime",
    "webm": "video/webm",
    "flv": "video/x-flv",
    "mp3": "audio/mpeg",
    "m4a": "audio/mp4",
}


def content_type(ext: str) -> str:
    """Return the content type of files with this extension."""
    found = _TYPES.get(ext.lower(), "application/octet-stream")
    return f"{found};charset=UTF-8" if found.startswith("text/") else found
