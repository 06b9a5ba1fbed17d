"""Our errors as errors of the official client, for code that was written for that one."""

from __future__ import annotations

from typing import Any

from KalturaClient.exceptions import KalturaClientException, KalturaException

from airflow_provider_kaltura.api.errors import KalturaAPIError, KalturaError

_official_classes: dict[type[KalturaError], type[KalturaError]] = {}


def as_official(error: KalturaError) -> KalturaError:
    """
    Make a typed error one of the official client's too.

    :param error: Ours.
    :returns: The same, of a class that is also ``KalturaException`` or ``KalturaClientException``.
    """
    if type(error) in _official_classes.values():
        return error
    kind = _official_class(type(error))
    both: KalturaError = kind.__new__(kind)
    both.args = error.args
    both.__dict__.update(error.__dict__)
    return both


def _official_class(kind: type[KalturaError]) -> type[KalturaError]:
    if kind in _official_classes:
        return _official_classes[kind]
    base = KalturaException if issubclass(kind, KalturaAPIError) else KalturaClientException
    body = {"__module__": kind.__module__, "__doc__": kind.__doc__, "__reduce__": _reduce, "typed_class": kind}
    return _official_classes.setdefault(kind, type(kind.__name__, (kind, base), body))


def _reduce(error: Any) -> Any:
    return error.typed_class, error.args, dict(error.__dict__)
