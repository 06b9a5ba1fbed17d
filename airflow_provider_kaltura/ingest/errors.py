"""
What can go wrong between an asset and the lake.

::

    IngestError
    ├── DestinationError      the destination's text can't be used, or not for this asset
    ├── DownloadInputError    what was given as ``download`` is no download
    ├── AssetsError           ``assets`` or ``caption_format`` is none that there is
    ├── CaptionError          a caption can't be converted, so that nothing is written
    ├── KeyCollisionError     two assets of one plan would get one name
    ├── MissingExtraError     the store, or what is asked for, needs a package that is not installed
    ├── LimitReachedError     the file, or the run, is larger than ``max_bytes`` allows
    ├── SliceError            a slice of a listing is none, or does not fit the listing
    ├── CatalogReplaceError   an export has less than the catalogue in whose place it would stand
    └── WatchTimeoutError     a wait went past its deadline

None of them is worth a retry: nothing changes by itself. Errors of Kaltura and of the bytes are those of ``api`` and
``transfer``.
"""

from __future__ import annotations

from typing import ClassVar


class IngestError(Exception):
    """Base of this layer's errors; picklable, no secret in its text."""

    retryable: ClassVar[bool] = False


class DestinationError(IngestError):
    """
    The destination can't be used.

    :param message: What is wrong, and what to write instead.
    :param position: Where in the text, counted from 0 (the text counts from 1); None when it is not about one place.
    """

    def __init__(self, message: str, position: int | None = None) -> None:
        super().__init__(message, position)
        self.message = message
        self.position = position

    def __str__(self) -> str:
        return self.message if self.position is None else f"{self.message} (at position {self.position + 1})"


class DownloadInputError(IngestError):
    """What was given as ``download`` is neither a usable dict nor a usable URL."""


class AssetsError(IngestError):
    """What was given as ``assets`` or ``caption_format`` is none that there is, or does not go with the rest."""


class CaptionError(IngestError):
    """
    A caption can't be converted; no file was written for it.

    :param asset_id: The caption asset.
    :param reason: What is wrong with it.
    """

    def __init__(self, asset_id: str, reason: str) -> None:
        super().__init__(asset_id, reason)
        self.asset_id = asset_id
        self.reason = reason

    def __str__(self) -> str:
        return f"caption {self.asset_id} can't be converted: {self.reason}; caption_format='original' takes it as it is"


class KeyCollisionError(IngestError):
    """
    Two assets of one plan would get one name.

    :param path: The name.
    :param first_asset_id: The asset that has it.
    :param second_asset_id: The asset that would get it too.
    """

    def __init__(self, path: str, first_asset_id: str, second_asset_id: str) -> None:
        super().__init__(path, first_asset_id, second_asset_id)
        self.path = path
        self.first_asset_id = first_asset_id
        self.second_asset_id = second_asset_id

    def __str__(self) -> str:
        return (
            f"assets {self.first_asset_id} and {self.second_asset_id} would both become {self.path}; "
            "add {entryId} or {assetId} to the destination"
        )


class MissingExtraError(IngestError):
    """
    The store, or a kind of file, needs a package that is not installed.

    :param scheme: Of the destination, such as ``"s3"``; or what needs it, in two words or more.
    :param extra: Name of the extra that brings it.
    """

    def __init__(self, scheme: str, extra: str) -> None:
        super().__init__(scheme, extra)
        self.scheme = scheme
        self.extra = extra

    def __str__(self) -> str:
        needy = self.scheme if " " in str(self.scheme) else f"destinations of the kind {self.scheme}://"
        return (
            f"{needy} need a package that is not installed here; install the "
            f"extra [{self.extra}] of airflow-provider-kaltura on the workers: "
            f"pip install 'airflow-provider-kaltura[{self.extra}]', or pip install '.[{self.extra}]' in its clone"
        )


class LimitReachedError(IngestError):
    """
    A file was not begun, since ``max_bytes`` does not allow it.

    :param path: Where it would have gone.
    :param size_bytes: Its length.
    :param left_bytes: What was left of ``max_bytes``.
    """

    def __init__(self, path: str, size_bytes: int, left_bytes: int) -> None:
        super().__init__(path, size_bytes, left_bytes)
        self.path = path
        self.size_bytes = size_bytes
        self.left_bytes = left_bytes

    def __str__(self) -> str:
        return (
            f"{self.path} was not begun: it has {self.size_bytes} bytes, and max_bytes leaves {self.left_bytes}; "
            "raise max_bytes; what came before it is kept"
        )


class SliceError(IngestError):
    """What was given as a slice of a listing is none, or does not fit the listing."""


class CatalogReplaceError(IngestError):
    """An export of a catalogue has less than the current one, in whose place it would stand."""


class WatchTimeoutError(IngestError):
    """
    A wait went past its deadline.

    :param entry_id: Whom it waited for.
    :param reason: What was missing last.
    """

    def __init__(self, entry_id: str, reason: str) -> None:
        super().__init__(entry_id, reason)
        self.entry_id = entry_id
        self.reason = reason

    def __str__(self) -> str:
        return f"entry {self.entry_id} did not become ready in time: {self.reason}"
