from __future__ import annotations

import copy
import inspect
import pickle

import pytest

from airflow_provider_kaltura.transfer import errors

EXAMPLES = [
    errors.TransferError("what"),
    errors.SourceError("what", "host"),
    errors.SourceUnavailableError("what", "host", 503, 2.5),
    errors.SourceCutError("what", "host"),
    errors.SourceExpiredError("what", "host", 404, "error-6"),
    errors.SourceAnswerError("what", "host"),
    errors.SourceLengthError("what", "host"),
    errors.RangeIgnoredError("what", "host"),
    errors.SourceChangedError("what", "host"),
    errors.RedirectRefusedError("what", "host"),
    errors.SourceUntrustedError("what", "host"),
    errors.SourceUnprovableError("what", "host"),
    errors.SinkError("what", "key"),
    errors.InvalidKeyError("what", "key"),
    errors.TargetExistsError("what", "key"),
    errors.ObjectMissingError("what", "key"),
    errors.SinkFullError("what", "key"),
    errors.SinkForbiddenError("what", "key"),
    errors.UploadStateError("what", "key"),
    errors.UploadTakenError("what", "key"),
    errors.IncompleteUploadError("what", "key"),
    errors.IntegrityError("what"),
    errors.SizeMismatchError("what", 1, 2),
    errors.ChecksumMismatchError("what", "a", "b"),
]


def test_there_is_an_example_of_every_class():
    """A class added later is tried too."""
    classes = {each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, Exception)}
    assert classes == {type(example) for example in EXAMPLES}


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_errors_survive_pickling_and_copying(error):
    """Class, text and attributes are the same afterwards."""
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):  # noqa: S301 - our own
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert vars(again) == vars(error)


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_every_class_is_drawn_in_the_tree(error):
    """The tree in the module's docstring is complete."""
    assert type(error).__name__ in errors.__doc__
    assert isinstance(error.retryable, bool)


def test_texts_name_what_is_needed():
    """Host, key and figures are in the text."""
    assert str(errors.SourceCutError("cut", "cdn.example")) == "cut (host cdn.example)"
    assert str(errors.SourceCutError("cut")) == "cut"
    assert str(errors.SinkError("refused", "a/b")) == "refused (key 'a/b')"
    assert str(errors.SinkError("refused")) == "refused"
    assert str(errors.SizeMismatchError("the file", 5, 4)) == "the file: expected 5 bytes, found 4"
    assert str(errors.ChecksumMismatchError("the file", "a", "b")) == "the file: expected a, found b"
