"""One table maps lower errors to Airflow's; nothing is missing, and nothing secret leaves."""

from __future__ import annotations

import importlib
import pkgutil
import traceback

import pytest

import airflow_provider_kaltura.api
import airflow_provider_kaltura.ingest
import airflow_provider_kaltura.transfer
from airflow_provider_kaltura import exceptions
from airflow_provider_kaltura.api import errors as api
from airflow_provider_kaltura.compat import AirflowException, AirflowFailException, AirflowSensorTimeout
from airflow_provider_kaltura.exceptions import ERRORS, KalturaProviderError, Lakes, airflow_errors, to_airflow
from airflow_provider_kaltura.ingest import errors as ingest
from airflow_provider_kaltura.transfer import errors as transfer

ROOTS = (api.KalturaError, transfer.TransferError, ingest.IngestError)
KS = "djJ8MTA0fABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def import_everything():
    """Import all modules of the lower layers, so that every error class exists."""
    for package in (airflow_provider_kaltura.api, airflow_provider_kaltura.transfer, airflow_provider_kaltura.ingest):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)


def family(root):
    """Give a class and everything derived from it."""
    yield root
    for child in root.__subclasses__():
        yield from family(child)


def lower_errors():
    """List the error classes of the lower layers."""
    import_everything()
    return sorted(
        {
            error
            for root in ROOTS
            for error in family(root)
            if error.__module__.startswith("airflow_provider_kaltura.")
            and not error.__name__.startswith("_")
            # The same errors as the official client's, made at run time: their own class is their base.
            and "typed_class" not in vars(error)
        },
        key=lambda error: error.__qualname__,
    )


def instance_of(kind):
    """Make an error of any class without knowing its arguments."""
    error = kind.__new__(kind)
    Exception.__init__(error, "what happened")
    for name in (
        "message",
        "host",
        "key",
        "code",
        "entry_id",
        "reason",
        "path",
        "first_asset_id",
        "second_asset_id",
        "asset_id",
    ):
        setattr(error, name, None)
    for name in (
        "expected_bytes",
        "actual_bytes",
        "expected",
        "actual",
        "position",
        "scheme",
        "extra",
        "size_bytes",
        "left_bytes",
    ):
        setattr(error, name, None)
    error.message = "what happened"
    return error


def test_the_table_has_every_lower_error():
    """A new error class below must be given its place in the table."""
    missing = [error.__qualname__ for error in lower_errors() if error not in ERRORS]
    assert missing == []


def test_a_new_class_would_be_noticed(monkeypatch):
    """The test above can fail: without one line it finds the class."""
    table = {kind: mapped for kind, mapped in ERRORS.items() if kind is not api.ThrottledError}
    monkeypatch.setattr(exceptions, "ERRORS", table)
    assert [error for error in lower_errors() if error not in exceptions.ERRORS] == [api.ThrottledError]


@pytest.mark.parametrize("kind", list(ERRORS), ids=lambda kind: kind.__name__)
def test_retryable_errors_are_retried_and_the_others_are_not(kind):
    """Airflow retries exactly what the lower layer calls retryable."""
    mapped = ERRORS[kind]
    assert issubclass(mapped, AirflowException)
    assert issubclass(mapped, AirflowFailException | AirflowSensorTimeout) is not kind.retryable


@pytest.mark.parametrize("kind", list(ERRORS), ids=lambda kind: kind.__name__)
def test_the_message_stays_and_the_class_is_named(kind):
    """What the lower error says is what the task says, with the class that a retry rule can name."""
    error = instance_of(kind)
    translated = to_airflow(error)
    assert str(error) in str(translated)
    assert translated.lower_error == kind.__name__


def test_an_unknown_subclass_is_translated_as_its_base():
    """A class that somebody derives outside takes the line of its nearest base."""

    class OtherError(api.ThrottledError):
        pass

    assert type(to_airflow(OtherError("slow down", "ACTION_BLOCKED"))) is ERRORS[api.ThrottledError]


def test_the_code_is_kept():
    """Kaltura's own code stays readable for machines."""
    assert to_airflow(api.NotFoundError("no entry", "ENTRY_ID_NOT_FOUND")).code == "ENTRY_ID_NOT_FOUND"


@pytest.mark.parametrize(
    ("root", "conn_id", "key", "where"),
    [
        ("s3://bucket/lake", "my_aws", "a/b.mp4", "(s3://bucket/lake/a/b.mp4, connection 'my_aws')"),
        ("s3://my_aws@bucket/", None, "a/b.mp4", "(s3://my_aws@bucket/a/b.mp4)"),
        ("/lake", None, None, "(/lake)"),
    ],
)
def test_the_whole_path_and_the_storages_connection_are_named(root, conn_id, key, where):
    """Sinks know names below the root only; nobody can find an object by these."""
    lakes = Lakes()
    lakes.are_at(root, conn_id)
    error = to_airflow(transfer.SinkForbiddenError("the credentials are refused", key), lakes=lakes)
    assert str(error) == f"the credentials are refused {where} [SinkForbiddenError]"


def fail_because_of(cause):
    """Raise a lower error from *cause*, through the translation."""
    with airflow_errors():
        try:
            raise cause
        except type(cause) as error:
            raise api.KalturaTransportError("no answer") from error


def raised(cause):
    """Give what the task sees of a lower error that was raised from *cause*."""
    with pytest.raises(KalturaProviderError) as caught:
        fail_because_of(cause)
    return caught.value


def test_a_harmless_cause_stays_attached():
    """The chain of causes is what explains a failure."""
    error = raised(OSError("connection refused"))
    assert "connection refused" in "".join(traceback.format_exception(error))


@pytest.mark.parametrize(
    "text",
    [
        f"HTTPConnectionPool: Max retries exceeded with url: /p/104/ks/{KS}/a.mp4",
        f"https://cdn.example.com/a.mp4?ks={KS}",
        "https://cdn.example.com/a.mp4?Signature=abcdef&Policy=x",
    ],
    ids=["path", "query", "signed"],
)
def test_a_cause_with_a_secret_does_not_reach_the_traceback(text):
    """A secret anywhere in the chain cuts the chain."""
    shown = "".join(traceback.format_exception(raised(OSError(text))))
    assert KS not in shown
    assert "Signature=abcdef" not in shown
    assert "no answer" in shown


def test_a_secret_deeper_in_the_chain_is_found():
    """Not only the next cause is looked at."""
    outer = ValueError("outer")
    outer.__context__ = OSError(f"ks={KS}")
    assert KS not in "".join(traceback.format_exception(raised(outer)))


def test_a_secret_in_a_note_is_found():
    """Notes are printed with a traceback too."""
    cause = OSError("failed")
    cause.add_note(f"asked for ?ks={KS}")
    assert KS not in "".join(traceback.format_exception(raised(cause)))


def test_other_errors_pass_unchanged():
    """A bug is a bug: only errors of the lower layers are translated."""
    with pytest.raises(ZeroDivisionError), airflow_errors():
        raise ZeroDivisionError
