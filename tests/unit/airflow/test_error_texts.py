"""No text of a lower error takes a secret into Airflow."""

from __future__ import annotations

import pickle
import traceback

import pytest

from airflow_provider_kaltura.api import errors as api
from airflow_provider_kaltura.exceptions import airflow_errors, to_airflow
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
    assert "airflow connections test kaltura_prod" in text
    assert "kaltura_prod" not in str(
        to_airflow(api.NotFoundError("no such entry", "ENTRY_ID_NOT_FOUND"), "kaltura_prod")
    )
