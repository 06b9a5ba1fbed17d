"""Each request of a whole download into S3 goes wrong in turn: the next try succeeds, and nothing else is left."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import pytest

from airflow_provider_kaltura.ingest.clean import clean
from airflow_provider_kaltura.ingest.lake import Lake
from airflow_provider_kaltura.ingest.manifest import rows
from airflow_provider_kaltura.ingest.models import RunOptions
from airflow_provider_kaltura.ingest.run import run_one
from airflow_provider_kaltura.transfer.checksum import checksum_of
from airflow_provider_kaltura.transfer.errors import TransferError
from tests.stores.every_request import KEY, OLD, Fault, Turns, long_but
from tests.stores.s3_turns import CHECKS, ERRORS, Place
from tests.unit.ingest.fakes import BytesSource, job, metadata

#: Two parts of the length that a download chooses.
DATA = random.Random(11).randbytes(8 * 1024 * 1024 + 1)
#: Recorded from the first byte on, as files of more than 64 MiB are; one connection, so that each run is the same.
OPTIONS = RunOptions(if_exists="overwrite", resume_above_bytes=1, max_connections=1)
#: The record is looked for and written, parts, record and object follow; then the row, and the record goes.
LEAST_REQUESTS = 15


class DownloadPlace(Place):
    """A lake whose files take parts although they are short; its clients may go wrong."""

    def lake(self, turns):
        """Make a lake."""
        sink = self.sink(turns)
        return Lake(f"s3://{self.bucket}/{self.prefix}", InParts(sink), sink.store)

    def foreign(self):
        """List what is there but the object and the rows of the manifest."""
        manifest = self.prefix + "_kaltura/manifest/"
        return [one for one in self.left() if not (one if isinstance(one, str) else one[0]).startswith(manifest)]


class InParts:
    """A sink that uploads in parts whatever it can."""

    def __init__(self, sink):
        self._sink = sink

    def __getattr__(self, name):
        return getattr(self._sink, name)

    @property
    def capabilities(self):
        """Those of S3, with no single put."""
        return replace(self._sink.capabilities, single_put_bytes=0)


def download(lake, **more):
    """Download the file."""
    wanted = job("a", len(DATA), key=KEY, attributes=metadata())
    return run_one(wanted, lake, replace(OPTIONS, **more), open_source=lambda _: BytesSource(DATA))


def fails_in_turn(place, error, at, **how):
    """Let one try go wrong, look what stands, try again, and clean up once; tell whether anything went wrong."""
    place.put(OLD)
    turns = Turns(error, at, **how)
    try:
        download(place.lake(turns))
    except (TransferError, Fault, KeyboardInterrupt):
        assert turns.happened
        assert place.bytes_of(place.stands()) in {OLD, DATA}
    else:
        assert place.bytes_of(place.stands()) == DATA
    plain = place.lake(None)
    outcome = download(plain, try_number=2)
    assert (outcome.size_bytes, outcome.job.key) == (len(DATA), KEY)
    assert place.bytes_of(place.stands()) == DATA
    report = clean(plain, older_than=timedelta(0))
    assert (report.failed.count, report.kept_foreign.count) == (0, 0)
    assert place.foreign() == []
    # A row whose writing failed half-way may stand beside that of the next try.
    recorded = {(row.version_tag, row.size_bytes, row.checksum) for row in rows(plain.store)}
    assert (plain.store.stat(KEY).version_tag, len(DATA), checksum_of(DATA)) in recorded
    return turns.happened


@pytest.fixture(scope="module")
def bucket(seaweed):
    """A bucket for this module."""
    return seaweed.make_bucket()


@pytest.fixture(scope="module")
def plain(seaweed):
    """A client without faults."""
    client = seaweed.client(**CHECKS)
    yield client
    client.close()


@pytest.mark.parametrize("is_forever", long_but([False, True], {False}))
@pytest.mark.parametrize("is_before", [True, False], ids=["not sent", "answer lost"])
@pytest.mark.parametrize("error", long_but(ERRORS, {"no connection"}))
def test_a_download_succeeds_after_any_request_went_wrong(seaweed, bucket, plain, error, is_before, is_forever):
    """Old or new stands after the first try, the second has the object and its row, and a clean-up leaves no more."""
    at = 1
    while fails_in_turn(
        DownloadPlace(seaweed, bucket, plain), ERRORS[error], at, is_before=is_before, is_forever=is_forever
    ):
        at += 1
    assert at > LEAST_REQUESTS
