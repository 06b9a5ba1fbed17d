"""No text of a lower error takes a secret into Airflow."""

from __future__ import annotations

import pickle
import traceback

import pytest

from airflow_provider_kaltura.api import errors as api
from airflow_provider_kaltura.exceptions import KalturaProviderError, airflow_errors, to_airflow
from airflow_provider_kaltura.ingest import errors as ingest
from airflow_provider_kaltura.transfer import errors as transfer

KS = "djJ8MTA0fABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class CarelessApiError(api.KalturaError):
    """An error whose text was not redacted where it was made."""

    def __str__(self) -> str:
        return f"no answer from https://cdn.example/p/1/ks/{KS}/a.mp4"


class CarelessTransferError(transfer.SourceError):
    """The same below the Kaltura words."""

    def __str__(self) -> str:
        return f"cut at https://cdn.example/p/1/a.mp4?ks={KS}&x=1"


class CarelessIngestError(ingest.IngestError):
    """The same above them."""

    def __str__(self) -> str:
        return f"in the path /ks/{KS}/a.mp4"


@pytest.mark.parametrize(
    ("kind", "shown_query"), [(CarelessApiError, ""), (CarelessTransferError, "?***"), (CarelessIngestError, "")]
)
def test_a_session_in_a_text_never_reaches_airflow(kind, shown_query):
    """Text, repr, pickle and traceback of what a task raises hide the KS, and keep the rest."""
    lower = kind.__new__(kind)
    Exception.__init__(lower, "what happened")
    assert KS in str(lower)
    mapped = to_airflow(lower)
    with pytest.raises(type(mapped)) as caught, airflow_errors():
        raise lower
    for error in (mapped, caught.value):
        shown = [str(error), repr(error), repr(vars(error)), repr(error.args), pickle.dumps(error).decode("latin-1")]
        assert [text for text in shown if KS[4:20] in text] == []
        assert str(error).endswith(f"a.mp4{shown_query} [{kind.__name__}]")
        assert "***" in str(error)
    assert KS[4:20] not in "".join(traceback.format_exception(caught.value))


def test_an_error_of_the_connection_names_it_and_what_to_do():
    """Whoever reads the task's log learns which connection to look at; other errors stay as they are."""
    text = str(to_airflow(api.AuthError("the secret was refused", "START_SESSION_ERROR"), "kaltura_prod"))
    assert "'kaltura_prod'" in text
    # Without the setting that command only says that it is switched off.
    assert "`AIRFLOW__CORE__TEST_CONNECTION=Enabled airflow connections test kaltura_prod`" in text
    assert "kaltura_prod" not in str(
        to_airflow(api.NotFoundError("no such entry", "ENTRY_ID_NOT_FOUND"), "kaltura_prod")
    )


STORAGE_SECRETS = {
    "sas": "put https://acc.blob.core.windows.net/c/a.mp4?sv=2024-11-04&se=2026-11-22&sig=0badf00d%2Bab%3D failed",
    "presigned": "put https://b.s3.amazonaws.com/a.mp4?X-Amz-Credential=AKIA&X-Amz-Signature=0badf00d failed",
    "google": "put https://storage.googleapis.com/b/a.mp4?X-Goog-Signature=0badf00d failed",
    "account": "bad connection string AccountName=acc;AccountKey=ab/0badf00d==;EndpointSuffix=core.windows.net",
    "aws": "profile with aws_secret_access_key = ab/0badf00d",
    "sftp": "no route to sftp://lake:0badf00d@archive.example.org/media",
    "bearer": "sent Authorization: Bearer ya29.0badf00d",
    "key": "can't read -----BEGIN PRIVATE KEY-----\nab/0badf00d\n-----END PRIVATE KEY-----",
}


@pytest.mark.parametrize("text", STORAGE_SECRETS.values(), ids=STORAGE_SECRETS)
@pytest.mark.parametrize("depth", [0, 1, 2], ids=["its own text", "its cause", "the cause of its cause"])
def test_a_secret_of_the_storage_never_reaches_airflow(text, depth):
    """Text, pickle and traceback of what a task raises hide it, wherever in the chain of causes it stood."""
    chain = ["the store refused"] * 3
    chain[depth] = text
    with pytest.raises(KalturaProviderError) as caught, airflow_errors():
        raise_chain(*chain)
    shown = [*map(str, caught.value.args), repr(caught.value), pickle.dumps(caught.value).decode("latin-1")]
    assert [one for one in [*shown, "".join(traceback.format_exception(caught.value))] if "0badf00d" in one] == []


def raise_chain(own, cause, root):
    """Raise an error of a sink as a store's client makes one: from its own error, from that of the network."""
    error, middle = transfer.SinkError(own, "a.mp4"), ValueError(cause)
    error.__cause__, middle.__cause__ = middle, OSError(root)
    raise error
