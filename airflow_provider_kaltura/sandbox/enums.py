"""The enumerations whose values the server checks, also in filters."""

from __future__ import annotations

import re

from airflow_provider_kaltura.sandbox.errors import ApiError
from airflow_provider_kaltura.sandbox.parameters import is_set, text

# A plugin adds values of its own to these, such as "virusScan.Infected".
_PLUGIN_VALUE = re.compile(r"[A-Za-z]+\.[A-Za-z_]+")
_EXTENSIBLE = {"KalturaEntryStatus", "KalturaEntryType", "KalturaSourceType"}


def _numbers(*ranges: tuple[int, int]) -> frozenset[str]:
    return frozenset(str(number) for first, last in ranges for number in range(first, last + 1))


VALUES: dict[str, frozenset[str]] = {
    "KalturaSessionType": frozenset({"0", "2"}),
    "KalturaEntryStatus": _numbers((-2, 7)),
    "KalturaEntryModerationStatus": _numbers((1, 6)),
    "KalturaEntryReplacementStatus": _numbers((0, 4)),
    "KalturaEntryType": _numbers((-1, -1), (1, 2), (5, 8), (10, 10)),
    "KalturaMediaType": _numbers((1, 2), (5, 5), (201, 204)),
    "KalturaSourceType": _numbers((0, 7), (21, 39)),
    "KalturaFlavorAssetStatus": _numbers((-1, 9)),
    "KalturaCaptionAssetStatus": frozenset({"-1", "0", "2", "3", "7", "9"}),
    "KalturaThumbAssetStatus": frozenset({"-1", "0", "1", "2", "3", "7", "9"}),
    "KalturaAttachmentAssetStatus": frozenset({"-1", "0", "2", "3", "7", "9"}),
    "KalturaCategoryStatus": _numbers((1, 4)),
    "KalturaCategoryEntryStatus": _numbers((1, 4)),
    "KalturaConversionProfileStatus": _numbers((1, 3)),
    "KalturaAppTokenHashType": frozenset({"MD5", "SHA1", "SHA256", "SHA512"}),
    "KalturaAppTokenStatus": _numbers((1, 3)),
}


def check(name: str, value: object, enum: str) -> None:
    """
    Check a value.

    :param name: Name of the parameter or property, for the message.
    :param value: Its value.
    :param enum: Name of the enumeration.
    :raises ApiError: It is set, but no value of *enum*.
    """
    if not is_set(value) or text(value) in VALUES[enum]:
        return
    if enum in _EXTENSIBLE and _PLUGIN_VALUE.fullmatch(text(value)):
        return
    raise ApiError("INVALID_ENUM_VALUE", ENUM_VAL=text(value), PARAM_NAME=name, ENUM_TYPE=enum)
