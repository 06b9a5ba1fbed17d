"""Errors of this layer survive a process boundary."""

from __future__ import annotations

import copy
import pickle

import pytest

from airflow_provider_kaltura.ingest import errors

SAMPLES = [
    errors.IngestError("text"),
    errors.DestinationError("text", 5),
    errors.DestinationError("text"),
    errors.DownloadInputError("text"),
    errors.AssetsError("text"),
    errors.CaptionError("0_caption", "reason"),
    errors.KeyCollisionError("/lake/x", "a", "b"),
    errors.MissingExtraError("s3", "s3"),
    errors.LimitReachedError("/lake/x", 2, 1),
    errors.SliceError("text"),
    errors.CatalogReplaceError("text"),
    errors.WatchTimeoutError("e", "reason"),
]


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("again", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))], ids=["copy", "pickle"])  # noqa: S301 - our own bytes
def test_error_comes_back_as_it_was(error, again):
    """Class, text and attributes."""
    other = again(error)
    assert type(other) is type(error)
    assert str(other) == str(error)
    assert vars(other) == vars(error)


def test_every_error_has_a_sample():
    """A new class is tested from its first day."""
    classes = {value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)}
    assert classes == {type(sample) for sample in SAMPLES}
